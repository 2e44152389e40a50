//! Optimizer statistics of relations, as calls of the functions that restore them.

use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, RelationStatistics, StatisticsArgument};
use crate::pg::quote::Quoter;

/// Further arguments of such a call, each as its name followed by its value.
pub(super) fn restored_arguments(quoter: &Quoter, arguments: &[StatisticsArgument]) -> String {
    let argument = |StatisticsArgument { name, of_type, value }: &StatisticsArgument| {
        format!(",\n\t'{name}', {}::{of_type}", quoter.literal(value))
    };
    arguments.iter().map(argument).collect()
}

impl Emitter<'_> {
    pub(super) fn relation_statistics(&mut self, id: DumpId, it: &RelationStatistics) {
        let literal = |text: &str| self.q.literal(text);
        let (schema, name) = (self.schema(id), &self.get(id).name);
        let relation = format!(
            "\t'version', '{}'::integer,\n\t'schemaname', {},\n\t'relname', {}",
            self.catalog.version_num,
            literal(schema.unwrap_or_default()),
            literal(name)
        );
        let mut sql = format!(
            "SELECT * FROM pg_catalog.pg_restore_relation_stats(\n{relation},\n\
             \t'relpages', '{}'::integer,\n\
             \t'reltuples', '{}'::real,\n\
             \t'relallvisible', '{}'::integer,\n\
             \t'relallfrozen', '{}'::integer\n);\n",
            it.relpages, it.reltuples, it.relallvisible, it.relallfrozen
        );
        for attribute in &it.attributes {
            sql.push_str(&format!("SELECT * FROM pg_catalog.pg_restore_attribute_stats(\n{relation}"));
            sql.push_str(&match attribute.attnum {
                Some(number) => format!(",\n\t'attnum', '{number}'::smallint"),
                None => format!(",\n\t'attname', {}", literal(&attribute.attname)),
            });
            sql.push_str(&restored_arguments(self.q, &attribute.arguments));
            sql.push_str("\n);\n");
        }
        let section = if it.post_data { Section::PostData } else { Section::Data };
        let mut entry =
            Entry::new(section, EntryKind::RelationStatisticsData, &**name, sql).in_namespace(schema);
        entry.dump_id = Some(id);
        entry.catalog_id = self.get(id).catalog_id;
        self.push(entry);
    }
}

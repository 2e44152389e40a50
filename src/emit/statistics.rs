//! Extended statistics.

use super::comment::Annotated;
use super::relation_statistics::restored_arguments;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, ExtendedStatistics};

impl Emitter<'_> {
    pub(super) fn extended_statistics(&mut self, id: DumpId, it: &ExtendedStatistics) {
        if self.options.schema {
            self.extended_statistics_definition(id, it);
        }
        self.extended_statistics_data(id, it);
    }

    fn extended_statistics_definition(&mut self, id: DumpId, it: &ExtendedStatistics) {
        let (name, qualified, schema) = (self.name(id), self.qualified(id), self.schema(id));
        let mut create = format!("{};\n", it.definition);
        if let Some(target) = it.target {
            create.push_str(&format!("ALTER STATISTICS {qualified} SET STATISTICS {target};\n"));
        }
        let entry = Entry::new(Section::PostData, EntryKind::ExtendedStatistics, &*self.get(id).name, create)
            .in_namespace(schema)
            .owned_by(&it.owner)
            .named(&*qualified);
        self.push_definition(id, entry);
        self.comment(Annotated {
            id,
            kind: EntryKind::ExtendedStatistics,
            keyword: "STATISTICS",
            name: &name,
            namespace: schema,
            owner: &it.owner,
        });
    }

    fn extended_statistics_data(&mut self, id: DumpId, it: &ExtendedStatistics) {
        let Some(relation) = it.relation.filter(|_| !it.data.is_empty()) else { return };
        let literal = |text: &str| self.q.literal(text);
        let (schema, name) = (self.schema(id), &self.get(id).name);
        let mut sql = String::new();
        for arguments in &it.data {
            sql.push_str(&format!(
                "SELECT * FROM pg_catalog.pg_restore_extended_stats(\n\
                 \t'version', '{}'::integer,\n\
                 \t'schemaname', {},\n\
                 \t'relname', {},\n\
                 \t'statistics_schemaname', {},\n\
                 \t'statistics_name', {}",
                self.catalog.version_num,
                literal(self.schema(relation).unwrap_or_default()),
                literal(&self.get(relation).name),
                literal(schema.unwrap_or_default()),
                literal(name)
            ));
            sql.push_str(&restored_arguments(self.q, arguments));
            sql.push_str("\n);\n");
        }
        let entry = Entry::new(Section::PostData, EntryKind::ExtendedStatisticsData, &**name, sql)
            .in_namespace(schema)
            .owned_by(&it.owner);
        self.push(entry);
    }
}

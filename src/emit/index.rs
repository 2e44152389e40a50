//! Indexes.

use super::comment::Annotated;
use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, Index, RelKind, Relation, attribute_name};

impl Emitter<'_> {
    pub(super) fn index(&mut self, id: DumpId, it: &Index) {
        let Some(table) = self.catalog.relation(it.table) else { return };
        let (name, schema) = (self.name(id), self.schema(id));
        // An index that backs a constraint is created with it.
        if it.constraint.is_none() {
            let qualified = self.qualified(id);
            let mut create = match &it.definition {
                Some(definition) => format!("{definition};\n"),
                None => self.plain_index(id, it, table),
            };
            create.push_str(&self.clustered_clause(id, it));
            for (column, target) in &it.statistics {
                create.push_str(&format!(
                    "ALTER INDEX {qualified} ALTER COLUMN {column} SET STATISTICS {target};\n"
                ));
            }
            create.push_str(&self.index_depends(id, it));
            create.push_str(&self.replica_identity_clause(id, it));
            // An attached index can't be dropped separately.
            let drop = if it.parent_oid == 0 { DropCommand::Object(qualified) } else { DropCommand::Nothing };
            let mut entry = Entry::new(Section::PostData, EntryKind::Index, &*self.get(id).name, create)
                .in_namespace(schema)
                .owned_by(&table.owner)
                .dropped_by(drop);
            entry.tablespace = Some(it.tablespace.clone());
            self.push_definition(id, entry);
        }
        self.comment(Annotated {
            id,
            kind: EntryKind::Index,
            keyword: "INDEX",
            name: &name,
            namespace: schema,
            owner: &table.owner,
        });
    }

    /// Formats an index that consists only of columns, as `pg_get_indexdef` does.
    fn plain_index(&self, id: DumpId, it: &Index, table: &Relation) -> String {
        let column = |&attnum: &i64| self.q.id(attribute_name(table, attnum));
        let key = it.indkey.iter().zip(&it.indoption).map(|(attnum, option)| {
            let order = match option & 3 {
                0 => "",
                1 => " DESC NULLS LAST",
                2 => " NULLS FIRST",
                _ => " DESC",
            };
            format!("{}{order}", column(attnum))
        });
        let mut columns = key.collect::<Vec<_>>().join(", ");
        let included: Vec<_> = it.indkey.iter().skip(it.indoption.len()).map(column).collect();
        if !included.is_empty() {
            columns.push_str(&format!(") INCLUDE ({}", included.join(", ")));
        }
        format!(
            "CREATE {}INDEX {} ON {}{} USING {} ({columns}){};\n",
            if it.indisunique { "UNIQUE " } else { "" },
            self.name(id),
            if table.relkind == RelKind::PartitionedTable { "ONLY " } else { "" },
            self.qualified(it.table),
            self.q.id(&it.amname),
            if it.indnullsnotdistinct { " NULLS NOT DISTINCT" } else { "" },
        )
    }

    pub(super) fn clustered_clause(&self, id: DumpId, it: &Index) -> String {
        if !it.indisclustered {
            return String::new();
        }
        format!("\nALTER TABLE {} CLUSTER ON {};\n", self.qualified(it.table), self.name(id))
    }

    pub(super) fn replica_identity_clause(&self, id: DumpId, it: &Index) -> String {
        if !it.indisreplident {
            return String::new();
        }
        let table = self.qualified(it.table);
        format!("\nALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {};\n", self.name(id))
    }

    pub(super) fn index_depends(&self, id: DumpId, it: &Index) -> String {
        self.depends_on_extensions(&format!("INDEX {}", self.qualified(id)), &it.depends_on_extensions)
    }
}

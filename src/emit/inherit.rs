//! The attachment of partitions, and of their indexes.

use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{Components, DumpId, IndexAttach, TableAttach};

impl Emitter<'_> {
    pub(super) fn table_attach(&mut self, id: DumpId, it: &TableAttach) {
        let Some(partition) = self.catalog.relation(it.partition) else { return };
        if !self.get(it.partition).dump.contains(Components::DEFINITION) {
            return;
        }
        let bound = partition.partition_bound.as_deref().unwrap_or_default();
        let (parent, child) = (self.qualified(it.parent), self.qualified(it.partition));
        let sql = format!("ALTER TABLE ONLY {parent} ATTACH PARTITION {child} {bound};\n");
        let entry = Entry::new(Section::PreData, EntryKind::TableAttach, &*self.get(id).name, sql)
            .in_namespace(self.schema(id))
            .owned_by(&partition.owner);
        self.push_definition(id, entry);
    }

    pub(super) fn index_attach(&mut self, id: DumpId, it: &IndexAttach) {
        let Some(parent) = self.catalog.index(it.parent) else { return };
        let Some(table) = self.catalog.relation(parent.table) else { return };
        if !self.get(it.partition).dump.contains(Components::DEFINITION) {
            return;
        }
        let sql = format!(
            "ALTER INDEX {} ATTACH PARTITION {};\n",
            self.qualified(it.parent),
            self.qualified(it.partition)
        );
        let entry = Entry::new(Section::PostData, EntryKind::IndexAttach, &*self.get(id).name, sql)
            .in_namespace(self.schema(id))
            .owned_by(&table.owner);
        self.push_definition(id, entry);
    }
}

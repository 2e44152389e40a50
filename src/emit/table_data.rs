//! Rows of tables, and refreshes of materialised views.

use super::{Contents, Definition, Emitter, Entry, EntryKind, Section};
use crate::catalog::{Attribute, Catalog, Components, DumpId, Relation, TableData};
use crate::pg::quote::Quoter;
use crate::select::options::{DumpOptions, RowFormat};

/// The attributes whose values COPY writes.
pub(crate) fn copied_attributes(relation: &Relation) -> impl Iterator<Item = &Attribute> {
    relation.attributes.iter().filter(|a| !a.attisdropped && a.attgenerated == '\0')
}

/// The column list of COPY, in parentheses; empty if the table has no columns to copy.
pub(crate) fn copy_columns(quoter: &Quoter, relation: &Relation) -> String {
    let columns = quoter.ids(copied_attributes(relation).map(|a| a.attname.as_str()));
    if columns.is_empty() { columns } else { format!("({columns})") }
}

/// The table into which rows are loaded: the root of the partition tree if that was requested or is
/// necessary, otherwise the table itself.
pub(crate) fn load_target(catalog: &Catalog, options: &DumpOptions, table: DumpId) -> DumpId {
    let mut root = table;
    let mut via_root = options.load_via_partition_root;
    while let Some(relation) = catalog.relation(root) {
        via_root |= relation.unsafe_partitions;
        match relation.parents.first() {
            Some(&parent) if relation.relispartition => root = parent,
            _ => break,
        }
    }
    if via_root { root } else { table }
}

impl Emitter<'_> {
    pub(super) fn table_data(&mut self, id: DumpId, it: &TableData) {
        if !self.dumps(id, Components::DATA) {
            return;
        }
        let Some(relation) = self.catalog.relation(it.table) else { return };
        let target = load_target(self.catalog, self.options, it.table);
        let into = self.qualified(target);
        let definition = if target == it.table {
            Definition::None
        } else {
            Definition::Note(format!("-- load via partition root {}", into.replace(['\n', '\r'], " ")))
        };
        let mut entry =
            Entry::new(Section::Data, EntryKind::TableData, &*self.get(it.table).name, definition)
                .in_namespace(self.schema(it.table))
                .owned_by(&relation.owner);
        if self.options.rows == RowFormat::Copy {
            entry.copy = Some(format!("COPY {into} {} FROM stdin;\n", copy_columns(self.q, relation)));
        }
        entry.contents = Some(Contents::Rows(id));
        entry.dump_id = Some(id);
        entry.catalog_id = self.get(id).catalog_id;
        self.push(entry);
    }

    pub(super) fn refresh(&mut self, id: DumpId, matview: DumpId) {
        let Some(relation) = self.catalog.relation(matview) else { return };
        if !relation.relispopulated || !self.dumps(id, Components::DATA) {
            return;
        }
        let sql = format!("REFRESH MATERIALIZED VIEW {};\n", self.qualified(matview));
        let mut entry =
            Entry::new(Section::PostData, EntryKind::MaterializedViewData, &*self.get(matview).name, sql)
                .in_namespace(self.schema(matview))
                .owned_by(&relation.owner);
        entry.dump_id = Some(id);
        entry.catalog_id = self.get(id).catalog_id;
        self.push(entry);
    }
}

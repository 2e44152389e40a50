//! Column defaults that are set by a separate command.

use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{AttrDef, DumpId, RelKind};

impl Emitter<'_> {
    pub(super) fn attr_def(&mut self, id: DumpId, it: &AttrDef) {
        let Some(table) = self.catalog.relation(it.table).filter(|_| it.separate) else { return };
        let foreign = table.relkind == RelKind::ForeignTable;
        let Some(attribute) = table.attribute(it.adnum) else { return };
        let (qualified, column) = (self.qualified(it.table), self.q.id(&attribute.attname));
        let create = format!(
            "ALTER {}TABLE ONLY {qualified} ALTER COLUMN {column} SET DEFAULT {};\n",
            if foreign { "FOREIGN " } else { "" },
            it.expression
        );
        let tag = format!("{} {}", self.get(it.table).name, attribute.attname);
        let entry = Entry::new(Section::PreData, EntryKind::Default, tag, create)
            .in_namespace(self.schema(it.table))
            .owned_by(&table.owner)
            .dropped_by(DropCommand::ColumnDefault {
                foreign,
                table: qualified,
                column: column.into_owned(),
            });
        self.push_definition(id, entry);
    }
}

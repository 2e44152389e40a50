//! Triggers.

use super::comment::Annotated;
use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, RelKind, Trigger};

/// The ALTER clause for when a trigger fires, by `tgenabled`.
pub(super) fn enabled_clause(enabled: char) -> &'static str {
    match enabled {
        'D' => "DISABLE",
        'A' => "ENABLE ALWAYS",
        'R' => "ENABLE REPLICA",
        _ => "ENABLE",
    }
}

impl Emitter<'_> {
    pub(super) fn trigger(&mut self, id: DumpId, it: &Trigger) {
        let Some(table) = self.catalog.relation(it.table) else { return };
        let (name, qualified) = (self.name(id), self.qualified(it.table));
        let foreign = if table.relkind == RelKind::ForeignTable { "FOREIGN " } else { "" };
        let enabled =
            format!("\nALTER {foreign}TABLE {qualified} {} TRIGGER {name};\n", enabled_clause(it.tgenabled));
        let (create, drop) = if it.is_clone {
            (enabled, DropCommand::Nothing)
        } else {
            let mut sql = format!("{};\n", it.definition);
            let what = format!("TRIGGER {name} ON {qualified}");
            sql.push_str(&self.depends_on_extensions(&what, &it.depends_on_extensions));
            if it.tgenabled != 'O' {
                sql.push_str(&enabled);
            }
            (sql, DropCommand::Object(format!("{name} ON {qualified}")))
        };
        let tag = format!("{} {}", self.get(it.table).name, self.get(id).name);
        let schema = self.schema(it.table);
        let entry = Entry::new(Section::PostData, EntryKind::Trigger, tag, create)
            .in_namespace(schema)
            .owned_by(&table.owner)
            .dropped_by(drop);
        self.push_definition(id, entry);
        let keyword = format!("TRIGGER {name} ON");
        let table_name = self.name(it.table);
        let owner = &table.owner;
        self.comment(Annotated {
            id,
            kind: EntryKind::Trigger,
            keyword: &keyword,
            name: &table_name,
            namespace: schema,
            owner,
        });
    }
}

//! Rewrite rules. The rule of a view is only printed if a dependency loop kept it out of CREATE VIEW.

use super::comment::Annotated;
use super::relation::view_query;
use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, RewriteRule};

impl Emitter<'_> {
    pub(super) fn rule(&mut self, id: DumpId, it: &RewriteRule) {
        let Some(relation) = self.catalog.relation(it.relation).filter(|_| it.separate) else { return };
        let (name, qualified) = (self.name(id), self.qualified(it.relation));
        let (mut create, drop) = if it.is_view_rule {
            let replace = format!("CREATE OR REPLACE VIEW {qualified}");
            (
                format!("{replace}{}{}", self.view_options(relation), view_query(relation)),
                DropCommand::Plain(format!("{replace} AS\n{};\n", self.dummy_query(relation))),
            )
        } else {
            let definition = it.definition.as_deref().unwrap_or_default();
            (format!("{definition}\n"), DropCommand::Object(format!("{name} ON {qualified}")))
        };
        let enabled = match it.ev_enabled {
            'A' => Some("ENABLE ALWAYS"),
            'R' => Some("ENABLE REPLICA"),
            'D' => Some("DISABLE"),
            _ => None,
        };
        if let Some(enabled) = enabled {
            create.push_str(&format!("ALTER TABLE {qualified} {enabled} RULE {name};\n"));
        }
        let tag = format!("{} {}", self.get(it.relation).name, self.get(id).name);
        let schema = self.schema(it.relation);
        let entry = Entry::new(Section::PostData, EntryKind::Rule, tag, create)
            .in_namespace(schema)
            .owned_by(&relation.owner)
            .dropped_by(drop);
        self.push_definition(id, entry);
        let keyword = format!("RULE {name} ON");
        let table = self.name(it.relation);
        let owner = &relation.owner;
        self.comment(Annotated {
            id,
            kind: EntryKind::Rule,
            keyword: &keyword,
            name: &table,
            namespace: schema,
            owner,
        });
    }
}

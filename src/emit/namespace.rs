//! Schemas.

use super::comment::Annotated;
use super::{Definition, DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{Components, DumpId, Namespace};
use crate::error::Result;

/// The comment that `initdb` puts on `public`.
const COMMENT_ON_PUBLIC: &str = "standard public schema";

fn note(verb: &str) -> String {
    format!("-- *not* {verb} schema, since initdb creates it\n")
}

impl Emitter<'_> {
    pub(super) fn namespace(&mut self, id: DumpId, it: &Namespace) -> Result<()> {
        let name = self.name(id);
        let create = if it.create {
            Definition::Sql(format!("CREATE SCHEMA {name};\n"))
        } else {
            Definition::Note(note("creating"))
        };
        let mut entry = Entry::new(Section::PreData, EntryKind::Schema, &*self.get(id).name, create)
            .owned_by(&it.owner)
            .named(&*name);
        if !it.create {
            entry.drop = Some(DropCommand::Plain(note("dropping")));
        }
        self.push_definition(id, entry);
        let target = Annotated {
            id,
            kind: EntryKind::Schema,
            keyword: "SCHEMA",
            name: &name,
            namespace: None,
            owner: &it.owner,
        };
        if self.dumps(id, Components::COMMENT) {
            self.comment_on_schema(it, target);
        }
        if self.dumps(id, Components::SECURITY_LABEL) {
            self.security_label(target);
        }
        self.privileges(target, &it.acl)
    }

    fn comment_on_schema(&mut self, it: &Namespace, target: Annotated<'_>) {
        let catalog_id = self.get(target.id).catalog_id;
        // pg_dump looks for the name as it is quoted, and misses one that `--quote-all-identifiers`
        // has put into quotes.
        if it.create || target.name != "public" {
            return self.comment_of(catalog_id, target);
        }
        // A new database has the comment already, so its absence must be said and it need not be.
        let text = self.catalog.comments.get(&catalog_id).and_then(|l| l.first()).map(|l| l.text.clone());
        match text {
            None => self.push_comment("", target),
            Some(text) if text != COMMENT_ON_PUBLIC => self.push_comment(&text, target),
            Some(_) => {}
        }
    }
}

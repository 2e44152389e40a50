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
        // pg_dump compares the quoted name, so it does not recognise one that `--quote-all-identifiers` has
        // quoted.
        if it.create || target.name != "public" {
            return self.comment_of(catalog_id, target);
        }
        // A new database already has this comment, so only a missing or different one is printed.
        let text = self.catalog.comments.get(&catalog_id).and_then(|l| l.first()).map(|l| l.text.clone());
        match text {
            None => self.push_comment("", target),
            Some(text) if text != COMMENT_ON_PUBLIC => self.push_comment(&text, target),
            Some(_) => {}
        }
    }
}

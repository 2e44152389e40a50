//! Schemas.

use super::annotate::Annotated;
use super::{Emitter, Entry, Section};
use crate::catalog::{Components, DumpId, Namespace};
use crate::error::Result;

/// The comment that `initdb` puts on `public`.
const COMMENT_ON_PUBLIC: &str = "standard public schema";

impl Emitter<'_> {
    pub(super) fn namespace(&mut self, id: DumpId, it: &Namespace) -> Result<()> {
        let name = self.name(id);
        let (create, drop) = if it.create {
            (format!("CREATE SCHEMA {name};\n"), format!("DROP SCHEMA {name};\n"))
        } else {
            let comment = |verb| format!("-- *not* {verb} schema, since initdb creates it\n");
            (comment("creating"), comment("dropping"))
        };
        let entry = Entry::new(Section::PreData, "SCHEMA", &*self.get(id).name, create)
            .owned_by(&it.owner)
            .dropped_by(drop);
        self.push_definition(id, entry);
        let target = Annotated { id, keyword: "SCHEMA", name: &name, namespace: None, owner: &it.owner };
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

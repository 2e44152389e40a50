//! Entries that can be attached to objects of any kind: comments, security labels, privileges.

use super::acl::{AclTarget, commands};
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{Acl, CatalogId, Components, DumpId, Label};
use crate::error::Result;

/// How COMMENT, SECURITY LABEL and GRANT name an object.
#[derive(Clone, Copy)]
pub(super) struct Annotated<'a> {
    pub(super) id: DumpId,
    pub(super) kind: EntryKind,
    /// The keywords between ON and the name: `TABLE`, `TRIGGER t ON`, …
    pub(super) keyword: &'a str,
    /// The name, quoted, with arguments if there are any.
    pub(super) name: &'a str,
    /// The schema of the object.
    pub(super) namespace: Option<&'a str>,
    pub(super) owner: &'a str,
}

impl Emitter<'_> {
    /// Adds the object's comment and security labels.
    pub(super) fn annotate(&mut self, target: Annotated<'_>) {
        self.comment(target);
        if self.dumps(target.id, Components::SECURITY_LABEL) {
            self.security_label(target);
        }
    }

    pub(super) fn comment(&mut self, target: Annotated<'_>) {
        if self.dumps(target.id, Components::COMMENT) {
            self.comment_of(self.get(target.id).catalog_id, target);
        }
    }

    fn label_of(labels: Option<&Vec<Label>>, objsubid: i64) -> impl Iterator<Item = &Label> {
        labels.into_iter().flatten().filter(move |label| label.objsubid == objsubid)
    }

    /// Adds the comment on `catalog_id` itself.
    pub(super) fn comment_of(&mut self, catalog_id: CatalogId, target: Annotated<'_>) {
        let catalog = self.catalog;
        if let Some(label) = Self::label_of(catalog.comments.get(&catalog_id), 0).next() {
            self.push_comment(&label.text, target);
        }
    }

    pub(super) fn push_comment(&mut self, text: &str, target: Annotated<'_>) {
        if self.options.no_comments {
            return;
        }
        let name = in_schema(self, target);
        let sql = format!("COMMENT ON {} {name} IS {};\n", target.keyword, self.q.literal(text));
        let tag = format!("{} {}", target.keyword, target.name);
        let entry = Entry::new(Section::None, EntryKind::Comment, tag, sql)
            .attached_to(target.kind)
            .in_namespace(target.namespace)
            .owned_by(target.owner);
        self.push(entry);
    }

    /// Adds a relation's comment and those of its columns, by column number.
    pub(super) fn comments_with_columns(
        &mut self,
        target: Annotated<'_>,
        catalog_id: CatalogId,
        column_name: impl Fn(i64) -> Option<String>,
    ) {
        let catalog = self.catalog;
        for label in catalog.comments.get(&catalog_id).into_iter().flatten() {
            if label.objsubid == 0 {
                self.push_comment(&label.text, target);
            } else if let Some(column) = column_name(label.objsubid) {
                let name = format!("{}.{}", target.name, self.q.id(&column));
                self.push_comment(&label.text, Annotated { keyword: "COLUMN", name: &name, ..target });
            }
        }
    }

    /// Adds the object's security labels, all in one entry.
    pub(super) fn security_label(&mut self, target: Annotated<'_>) {
        let labels = self.catalog.security_labels.get(&self.get(target.id).catalog_id);
        let name = in_schema(self, target);
        let mut sql = String::new();
        for label in Self::label_of(labels, 0) {
            sql.push_str(&self.label_sql(label, &format!("{} {name}", target.keyword)));
        }
        self.push_security_labels(sql, target);
    }

    /// The `SECURITY LABEL …` command.
    pub(super) fn label_sql(&self, label: &Label, on: &str) -> String {
        let (provider, text) = (self.q.id(&label.provider), self.q.literal(&label.text));
        format!("SECURITY LABEL FOR {provider} ON {on} IS {text};\n")
    }

    /// Adds an entry of security labels, unless `sql` is empty.
    pub(super) fn push_security_labels(&mut self, sql: String, target: Annotated<'_>) {
        if sql.is_empty() {
            return;
        }
        let tag = format!("{} {}", target.keyword, target.name);
        let entry = Entry::new(Section::None, EntryKind::SecurityLabel, tag, sql)
            .attached_to(target.kind)
            .in_namespace(target.namespace)
            .owned_by(target.owner);
        self.push(entry);
    }

    pub(super) fn privileges(&mut self, target: Annotated<'_>, acl: &Acl) -> Result<()> {
        if self.dumps(target.id, Components::ACL) {
            self.push_privileges(target, None, acl)?;
        }
        Ok(())
    }

    /// Adds privileges on an object or one of its columns, unless they are the initial ones.
    pub(super) fn push_privileges(
        &mut self,
        target: Annotated<'_>,
        column: Option<&str>,
        acl: &Acl,
    ) -> Result<()> {
        if self.options.no_privileges {
            return Ok(());
        }
        let sql = self.privilege_commands(target, column, acl)?;
        if sql.is_empty() {
            return Ok(());
        }
        let tag = match column {
            Some(column) => format!("COLUMN {}.{column}", target.name),
            None => format!("{} {}", target.keyword, target.name),
        };
        let entry = Entry::new(Section::None, EntryKind::Acl, tag, sql)
            .attached_to(target.kind)
            .in_namespace(target.namespace)
            .owned_by(target.owner);
        self.push(entry);
        Ok(())
    }

    /// The commands that change the object's privileges from the initial to the current ones.
    pub(super) fn privilege_commands(
        &self,
        target: Annotated<'_>,
        column: Option<&str>,
        acl: &Acl,
    ) -> Result<String> {
        let (now, base) = match (&acl.acl, &acl.initial) {
            (Some(now), Some(initial)) => (now, initial),
            (None, Some(initial)) => (&acl.default, initial),
            (Some(now), None) => (now, &acl.default),
            (None, None) => return Ok(String::new()),
        };
        let acl_target = AclTarget {
            keyword: target.keyword,
            name: target.name,
            column,
            namespace: target.namespace,
            owner: target.owner,
            prefix: "",
        };
        commands(self.q, &acl_target, now, base, self.dialect)
    }
}

fn in_schema(emitter: &Emitter<'_>, target: Annotated<'_>) -> String {
    match target.namespace {
        Some(namespace) if !namespace.is_empty() => format!("{}.{}", emitter.q.id(namespace), target.name),
        _ => target.name.to_owned(),
    }
}

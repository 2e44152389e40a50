//! The database itself: its creation, privileges and settings.

use super::comment::Annotated;
use super::settings::assignment;
use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{CatalogId, Database, class};
use crate::error::Result;

impl Emitter<'_> {
    pub(super) fn database(&mut self) -> Result<()> {
        let catalog = self.catalog;
        let Some(it) = &catalog.database else { return Ok(()) };
        // Any object works here, since the database is not an object of the catalog.
        let Some(id) = catalog.ids().next() else { return Ok(()) };
        let name = self.q.id(&it.datname).into_owned();
        let create = self.database_definition(&name, it);
        let mut entry = Entry::new(Section::PreData, EntryKind::Database, &*it.datname, create)
            .owned_by(&it.owner)
            .named(&*name);
        entry.catalog_id = CatalogId { classoid: class::PG_DATABASE, oid: it.oid };
        self.push(entry);
        let target = Annotated {
            id,
            kind: EntryKind::Database,
            keyword: "DATABASE",
            name: &name,
            namespace: None,
            owner: &it.owner,
        };
        if let Some(comment) = &it.comment {
            self.push_comment(comment, target);
        }
        self.database_labels(it, target);
        self.push_privileges(target, None, &it.acl)?;
        self.database_properties(&name, it);
        Ok(())
    }

    fn database_definition(&self, name: &str, it: &Database) -> String {
        let mut sql = format!("CREATE DATABASE {name} WITH TEMPLATE = template0");
        let mut option = |keyword: &str, value: &str| {
            sql.push_str(&format!(" {keyword} = {}", self.q.literal(value)));
        };
        if !it.encoding.is_empty() {
            option("ENCODING", &it.encoding);
        }
        if self.dialect >= 15 {
            let provider = match it.datlocprovider {
                'i' => "icu",
                'b' => "builtin",
                _ => "libc",
            };
            sql.push_str(&format!(" LOCALE_PROVIDER = {provider}"));
        }
        let mut option = |keyword: &str, value: &str| {
            sql.push_str(&format!(" {keyword} = {}", self.q.literal(value)));
        };
        if it.datcollate == it.datctype && !it.datcollate.is_empty() {
            option("LOCALE", &it.datcollate);
        } else {
            for (keyword, value) in [("LC_COLLATE", &it.datcollate), ("LC_CTYPE", &it.datctype)] {
                if !value.is_empty() {
                    option(keyword, value);
                }
            }
        }
        if let Some(locale) = &it.datlocale {
            let keyword = if it.datlocprovider == 'b' { "BUILTIN_LOCALE" } else { "ICU_LOCALE" };
            option(keyword, locale);
        }
        if let Some(rules) = &it.daticurules {
            option("ICU_RULES", rules);
        }
        if !it.tablespace.is_empty() && it.tablespace != "pg_default" && !self.options.no_tablespaces {
            sql.push_str(&format!(" TABLESPACE = {}", self.q.id(&it.tablespace)));
        }
        sql + ";\n"
    }

    fn database_labels(&mut self, it: &Database, target: Annotated<'_>) {
        if self.options.no_security_labels {
            return;
        }
        let sql = it
            .security_labels
            .iter()
            .map(|label| {
                let text = self.q.portable_literal(&label.text);
                format!(
                    "SECURITY LABEL FOR {} ON DATABASE {} IS {text};\n",
                    self.q.id(&label.provider),
                    target.name
                )
            })
            .collect();
        self.push_security_labels(sql, target);
    }

    fn database_properties(&mut self, name: &str, it: &Database) {
        let (mut create, mut drop) = (String::new(), DropCommand::Nothing);
        if it.datconnlimit != -1 {
            create.push_str(&format!("ALTER DATABASE {name} CONNECTION LIMIT = {};\n", it.datconnlimit));
        }
        if it.datistemplate {
            create.push_str(&format!("ALTER DATABASE {name} IS_TEMPLATE = true;\n"));
            drop = DropCommand::Plain(format!(
                "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = {};\n",
                self.q.literal(&it.datname)
            ));
        }
        for setting in &it.settings {
            if let Some(assignment) =
                assignment(self.q, setting, self.dialect, |s| self.q.portable_literal(s))
            {
                create.push_str(&format!("ALTER DATABASE {name} SET {assignment};\n"));
            }
        }
        for (role, setting) in &it.role_settings {
            if let Some(assignment) =
                assignment(self.q, setting, self.dialect, |s| self.q.portable_literal(s))
            {
                let role = self.q.id(role);
                create.push_str(&format!("ALTER ROLE {role} IN DATABASE {name} SET {assignment};\n"));
            }
        }
        if !create.is_empty() {
            let entry = Entry::new(Section::PreData, EntryKind::DatabaseProperties, &*it.datname, create)
                .owned_by(&it.owner)
                .dropped_by(drop);
            self.push(entry);
        }
    }
}

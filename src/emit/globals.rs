//! The cluster's globals: each kind under a heading, as pg_dumpall prints them.

use super::acl::{AclTarget, commands};
use crate::catalog::{Acl, ClusterDatabase, Globals, Label, Tablespace};
use crate::error::Result;
use crate::pg::quote::Quoter;
use crate::pg::text::encode;
use crate::select::options::{ClusterOptions, DumpOptions};

pub(super) struct GlobalsEmitter<'a> {
    pub(super) options: &'a DumpOptions,
    pub(super) q: &'a Quoter,
    /// The major version of pg_dumpall whose output we reproduce.
    pub(super) dialect: u32,
}

/// Prints the commands that create the globals. With `-c`, commands that drop them come first, and also drop
/// `databases` if databases are dumped.
///
/// # Errors
/// `SourceFailed`, if privileges can't be parsed, or memberships can't be ordered.
pub(crate) fn emit_globals(
    globals: &Globals,
    databases: &[ClusterDatabase],
    cluster: &ClusterOptions,
    options: &DumpOptions,
    quoter: &Quoter,
    dialect: u32,
) -> Result<String> {
    if !options.schema {
        return Ok(String::new());
    }
    let emitter = GlobalsEmitter { options, q: quoter, dialect };
    let with_tablespaces = cluster.tablespaces && !options.no_tablespaces;
    let mut sql = String::new();
    if options.clean {
        if cluster.databases {
            sql.push_str(&emitter.drop_databases(databases));
        }
        if with_tablespaces {
            sql.push_str(&emitter.drop_tablespaces(&globals.tablespaces));
        }
        if cluster.roles {
            let drops = globals.roles.iter().map(|it| emitter.drop("ROLE", &it.rolname)).collect();
            sql.push_str(&under("Drop roles", globals.roles.len(), drops));
        }
    }
    if cluster.roles {
        sql.push_str(&emitter.roles(&globals.roles));
        sql.push_str(&emitter.memberships(&globals.memberships)?);
        if dialect >= 15 && !options.no_privileges {
            sql.push_str(&emitter.parameter_acls(&globals.parameter_acls)?);
        }
    }
    if with_tablespaces {
        sql.push_str(&emitter.tablespaces(&globals.tablespaces)?);
    }
    Ok(sql)
}

impl GlobalsEmitter<'_> {
    fn drop_databases(&self, databases: &[ClusterDatabase]) -> String {
        let drop = |it: &ClusterDatabase| match it.is_there_from_the_start() {
            true => String::new(),
            false => self.drop("DATABASE", &it.datname),
        };
        let drops = databases.iter().map(drop).collect();
        under("Drop databases (except postgres and template1)", databases.len(), drops)
    }

    /// Dropped in order of their names, although they are created in a different order.
    fn drop_tablespaces(&self, tablespaces: &[Tablespace]) -> String {
        let mut names: Vec<&str> = tablespaces.iter().map(|it| it.spcname.as_str()).collect();
        names.sort_unstable_by(|a, b| encode(a).cmp(&encode(b)));
        let drops = names.iter().map(|name| self.drop("TABLESPACE", name)).collect();
        under("Drop tablespaces", names.len(), drops)
    }

    fn drop(&self, keyword: &str, name: &str) -> String {
        let if_exists = if self.options.if_exists { "IF EXISTS " } else { "" };
        format!("DROP {keyword} {if_exists}{};\n", self.q.id(name))
    }

    /// The comment on an object, if there is one and comments are printed.
    pub(super) fn comment(&self, on: &str, text: Option<&str>) -> String {
        match text {
            Some(text) if !self.options.no_comments => {
                format!("COMMENT ON {on} IS {};\n", self.q.portable_literal(text))
            }
            _ => String::new(),
        }
    }

    /// The security labels of an object, if labels are printed.
    pub(super) fn labels(&self, on: &str, labels: &[Label]) -> String {
        if self.options.no_security_labels {
            return String::new();
        }
        let label = |it: &Label| {
            format!(
                "SECURITY LABEL FOR {} ON {on} IS {};\n",
                self.q.id(&it.provider),
                self.q.portable_literal(&it.text)
            )
        };
        labels.iter().map(label).collect()
    }

    /// The privileges on an object, as the difference from its initial ones.
    pub(super) fn privileges(&self, keyword: &str, name: &str, owner: &str, acl: &Acl) -> Result<String> {
        let Some(now) = &acl.acl else { return Ok(String::new()) };
        if self.options.no_privileges {
            return Ok(String::new());
        }
        let target = AclTarget { keyword, name, column: None, namespace: None, owner, prefix: "" };
        commands(self.q, &target, now, &acl.default, self.dialect)
    }
}

/// Commands under a heading, or nothing if `count` is 0.
pub(super) fn under(heading: &str, count: usize, commands: String) -> String {
    if count == 0 { "\n\n".to_owned() } else { format!("--\n-- {heading}\n--\n\n{commands}\n\n") }
}

/// A name for use in a comment, which must stay on one line.
pub(super) fn one_line(name: &str) -> String {
    name.replace(['\n', '\r'], " ")
}

//! Roles and their settings.

use super::globals::{GlobalsEmitter, one_line, under};
use super::settings::assignment;
use crate::catalog::Role;

impl GlobalsEmitter<'_> {
    /// Settings come after all roles, since they may refer to roles.
    pub(super) fn roles(&self, roles: &[Role]) -> String {
        let mut sql: String = roles.iter().map(|it| self.role(it)).collect();
        if self.dialect >= 15 && !roles.is_empty() {
            sql.push_str("\n--\n-- User Configurations\n--\n");
        }
        sql.extend(roles.iter().map(|it| self.role_settings(it)));
        under("Roles", roles.len(), sql)
    }

    /// ALTER ROLE sets every attribute, whatever role with that name existed before: at least the role that
    /// runs the restore already exists.
    fn role(&self, it: &Role) -> String {
        let name = self.q.id(&it.rolname);
        let mut sql = format!("CREATE ROLE {name};\nALTER ROLE {name} WITH");
        for (attribute, has) in [
            ("SUPERUSER", it.rolsuper),
            ("INHERIT", it.rolinherit),
            ("CREATEROLE", it.rolcreaterole),
            ("CREATEDB", it.rolcreatedb),
            ("LOGIN", it.rolcanlogin),
            ("REPLICATION", it.rolreplication),
            ("BYPASSRLS", it.rolbypassrls),
        ] {
            sql.push_str(if has { " " } else { " NO" });
            sql.push_str(attribute);
        }
        if it.rolconnlimit != -1 {
            sql.push_str(&format!(" CONNECTION LIMIT {}", it.rolconnlimit));
        }
        if let Some(password) = &it.rolpassword {
            sql.push_str(&format!(" PASSWORD {}", self.q.portable_literal(password.reveal())));
        }
        if let Some(until) = &it.rolvaliduntil {
            sql.push_str(&format!(" VALID UNTIL '{until}'"));
        }
        sql.push_str(";\n");
        let on = format!("ROLE {name}");
        sql + &self.comment(&on, it.comment.as_deref()) + &self.labels(&on, &it.security_labels)
    }

    /// Until 14, every setting had its own heading, and so did every role.
    fn role_settings(&self, it: &Role) -> String {
        let name = self.q.id(&it.rolname);
        let heading = format!("--\n-- User Config \"{}\"\n--\n\n", one_line(&it.rolname));
        let mut commands = it
            .settings
            .iter()
            .filter_map(|setting| assignment(self.q, setting, self.dialect, |s| self.q.portable_literal(s)))
            .map(|assignment| format!("ALTER ROLE {name} SET {assignment};\n"))
            .peekable();
        if commands.peek().is_none() {
            return String::new();
        }
        if self.dialect >= 15 {
            format!("\n{heading}{}", commands.collect::<String>())
        } else {
            let each: String = commands.map(|command| format!("{heading}{command}")).collect();
            format!("--\n-- User Configurations\n--\n\n{each}")
        }
    }
}

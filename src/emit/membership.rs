//! Memberships in roles.

use super::globals::{GlobalsEmitter, under};
use crate::catalog::Membership;
use crate::error::Result;
use crate::order::order_memberships;

impl GlobalsEmitter<'_> {
    pub(super) fn memberships(&self, memberships: &[Membership]) -> Result<String> {
        let grants: String = if self.dialect >= 16 {
            order_memberships(memberships)?.into_iter().map(|it| self.membership(it)).collect()
        } else {
            memberships.iter().map(|it| self.membership(it)).collect()
        };
        Ok(under("Role memberships", memberships.len(), grants))
    }

    fn membership(&self, it: &Membership) -> String {
        let mut options = Vec::new();
        if it.admin_option {
            options.push("ADMIN OPTION");
        }
        if let Some(own) = it.options {
            options.push(if own.inherit { "INHERIT TRUE" } else { "INHERIT FALSE" });
            if !own.set {
                options.push("SET FALSE");
            }
        }
        let mut sql = format!("GRANT {} TO {}", self.q.id(&it.role), self.q.id(&it.member));
        if !options.is_empty() {
            sql.push_str(&format!(" WITH {}", options.join(", ")));
        }
        if let Some(grantor) = &it.grantor {
            sql.push_str(&format!(" GRANTED BY {}", self.q.id(grantor)));
        }
        sql + ";\n"
    }
}

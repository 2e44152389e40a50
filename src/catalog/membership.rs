//! `pg_auth_members`: who is a member of which role
//! (<https://www.postgresql.org/docs/current/catalog-pg-auth-members.html>).

use tokio_postgres::Client;

use super::row::{CatalogRow, query};
use crate::error::Result;
use crate::progress::Warnings;

/// One grant of a role.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// The role that is granted.
    pub role: String,
    /// The role that receives it.
    pub member: String,
    /// The role that granted it; `None` if that role was dropped, which the server allowed until 15.
    pub grantor: Option<String>,
    /// Whether the grantor is the superuser that `initdb` created, who needs no grants.
    pub by_bootstrap_superuser: bool,
    /// Whether the member may grant the role to others.
    pub admin_option: bool,
    /// Options that each grant has from 16 on.
    pub options: Option<MembershipOptions>,
}

/// The membership options that were added in 16
/// (<https://www.postgresql.org/docs/current/sql-grant.html#SQL-GRANT-DESCRIPTION-ROLES>).
#[derive(Debug, Clone, Copy)]
pub(crate) struct MembershipOptions {
    /// Whether the member has the role's privileges without SET ROLE.
    pub inherit: bool,
    /// Whether the member may SET ROLE to it.
    pub set: bool,
}

/// Reads the memberships, except those between the server's predefined roles.
pub(super) async fn read(client: &Client, major: u32, warnings: &Warnings) -> Result<Vec<Membership>> {
    let has_options = major >= 16;
    let options = if has_options { "m.inherit_option, m.set_option" } else { "NULL, NULL" };
    // pg_roles suffices, since only names are needed, and anybody may read it.
    let sql = format!(
        "SELECT r.rolname AS role, u.rolname AS member, g.rolname AS grantor, m.roleid, m.member AS memberid,
                m.grantor = {} AS by_bootstrap_superuser, m.admin_option, {options}
           FROM pg_catalog.pg_auth_members m
           LEFT JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
           LEFT JOIN pg_catalog.pg_roles u ON u.oid = m.member
           LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
          WHERE NOT (r.rolname ~ '^pg_' AND u.rolname ~ '^pg_')
          ORDER BY r.rolname, u.rolname, g.rolname",
        super::BOOTSTRAP_SUPERUSER
    );
    let mut memberships = Vec::new();
    for row in query(client, "pg_auth_members", &sql, &[]).await? {
        let (Some(role), Some(member)) = (row.opt_text("role")?, row.opt_text("member")?) else {
            warnings.warn(format_args!(
                "role {} or its member {} does not exist, so this membership is left out",
                row.oid("roleid")?,
                row.oid("memberid")?
            ));
            continue;
        };
        memberships.push(membership(&row, role, member, has_options)?);
    }
    Ok(memberships)
}

fn membership(row: &CatalogRow, role: String, member: String, has_options: bool) -> Result<Membership> {
    let options = if has_options {
        Some(MembershipOptions { inherit: row.bool("inherit_option")?, set: row.bool("set_option")? })
    } else {
        None
    };
    Ok(Membership {
        role,
        member,
        grantor: row.opt_text("grantor")?,
        by_bootstrap_superuser: row.bool("by_bootstrap_superuser")?,
        admin_option: row.bool("admin_option")?,
        options,
    })
}

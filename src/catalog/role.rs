//! `pg_authid`: roles (<https://www.postgresql.org/docs/current/catalog-pg-authid.html>).

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::comment::Label;
use super::row::{CatalogRow, query};
use crate::error::Result;
use crate::pg::error::sqlstate;
use crate::pg::secret::Secret;
use crate::progress::Warnings;

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_authid
pub(crate) struct Role {
    pub rolname: String,
    pub rolsuper: bool,
    pub rolinherit: bool,
    pub rolcreaterole: bool,
    pub rolcreatedb: bool,
    pub rolcanlogin: bool,
    pub rolreplication: bool,
    pub rolbypassrls: bool,
    /// -1 for no limit.
    pub rolconnlimit: i64,
    /// The verifier, not the password itself; also `None` if passwords are not dumped.
    pub rolpassword: Option<Secret>,
    /// The timestamp, as printed by the server.
    pub rolvaliduntil: Option<String>,
    pub comment: Option<String>,
    pub security_labels: Vec<Label>,
    /// Settings of the role in all databases, as `name=value`.
    pub settings: Vec<String>,
}

/// Reads all roles except the server's predefined ones. Anybody may read `pg_roles`, where passwords are
/// masked.
pub(super) async fn read(client: &Client, no_passwords: bool, warnings: &Warnings) -> Result<Vec<Role>> {
    let (from, password) =
        if no_passwords { ("pg_roles", "NULL::text") } else { ("pg_authid", "r.rolpassword") };
    let sql = format!(
        "SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
                r.rolreplication, r.rolbypassrls, r.rolconnlimit, {password} AS rolpassword,
                r.rolvaliduntil::text AS rolvaliduntil,
                pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment,
                (SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s
                  WHERE s.setrole = r.oid AND s.setdatabase = 0) AS settings,
                {labels}
           FROM pg_catalog.{from} r
          WHERE r.rolname !~ '^pg_'
          ORDER BY r.rolname",
        labels = label_columns("pg_authid", "r.oid"),
    );
    let rows = query(client, from, &sql, &[]).await.map_err(|error| {
        let refused = sqlstate(&error) == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
        match refused && !no_passwords {
            true => error
                .hint("only superusers may read password hashes: use --no-role-passwords to leave them out"),
            false => error,
        }
    })?;
    let roles: Vec<Role> = rows.iter().map(role).collect::<Result<_>>()?;
    warn_of_dates(client, &roles, warnings).await?;
    Ok(roles)
}

/// Like pg_dumpall, we write dates in the session's style. The order of day and month is then read according
/// to the style of the session that restores them.
async fn warn_of_dates(client: &Client, roles: &[Role], warnings: &Warnings) -> Result<()> {
    let is_finite = |role: &Role| role.rolvaliduntil.as_ref().is_some_and(|date| !date.ends_with("infinity"));
    if !roles.iter().any(is_finite) {
        return Ok(());
    }
    let sql = "SELECT pg_catalog.current_setting('DateStyle') AS style";
    for row in query(client, "the style of dates", sql, &[]).await? {
        let style = row.text("style")?;
        if !style.starts_with("ISO") {
            warnings.warn(format_args!(
                "VALID UNTIL is written in DateStyle {style:?}, as pg_dumpall does: \
                 restore it in a session with the same DateStyle, or dump with PGOPTIONS='-c DateStyle=ISO'"
            ));
        }
    }
    Ok(())
}

fn role(row: &CatalogRow) -> Result<Role> {
    Ok(Role {
        rolname: row.text("rolname")?,
        rolsuper: row.bool("rolsuper")?,
        rolinherit: row.bool("rolinherit")?,
        rolcreaterole: row.bool("rolcreaterole")?,
        rolcreatedb: row.bool("rolcreatedb")?,
        rolcanlogin: row.bool("rolcanlogin")?,
        rolreplication: row.bool("rolreplication")?,
        rolbypassrls: row.bool("rolbypassrls")?,
        rolconnlimit: row.int("rolconnlimit")?,
        rolpassword: row.opt_text("rolpassword")?.map(Secret::new),
        rolvaliduntil: row.opt_text("rolvaliduntil")?,
        comment: row.opt_text("comment")?,
        security_labels: labels(row)?,
        settings: row.texts("settings")?,
    })
}

/// Columns with the security labels of a shared object: the providers and the label texts.
pub(super) fn label_columns(catalog: &str, oid: &str) -> String {
    let column = |name: &str| {
        format!(
            "ARRAY(SELECT l.{name} FROM pg_catalog.pg_shseclabel l
                    WHERE l.classoid = 'pg_catalog.{catalog}'::pg_catalog.regclass AND l.objoid = {oid}
                    ORDER BY l.provider)"
        )
    };
    format!("{} AS providers, {} AS labels", column("provider"), column("label"))
}

/// The security labels of [`label_columns`].
pub(super) fn labels(row: &CatalogRow) -> Result<Vec<Label>> {
    let labels = row.texts("labels")?;
    let providers = row.texts("providers")?;
    Ok(providers
        .into_iter()
        .zip(labels)
        .map(|(provider, text)| Label { objsubid: 0, provider, text })
        .collect())
}

//! `pg_database` and `pg_db_role_setting`: the database itself, for `-C`.

use std::collections::HashSet;

use postgres_types::Type;
use tokio_postgres::Client;

use super::comment::Label;
use super::reader::Reader;
use super::row::query;
use super::{Acl, Catalog, Oid};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::text::EncodedText;
use crate::select::pattern::parse;

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_database
pub(crate) struct Database {
    pub oid: Oid,
    pub datname: String,
    pub owner: String,
    pub acl: Acl,
    pub encoding: String,
    pub datlocprovider: char,
    pub datcollate: String,
    pub datctype: String,
    pub datlocale: Option<String>,
    pub daticurules: Option<String>,
    pub datistemplate: bool,
    pub datconnlimit: i64,
    pub tablespace: String,
    pub comment: Option<String>,
    pub security_labels: Vec<Label>,
    /// Settings of the database, as `name=value`.
    pub settings: Vec<String>,
    /// Settings of roles in the database, as role and `name=value`.
    pub role_settings: Vec<(String, String)>,
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let provider = if r.major >= 15 { "d.datlocprovider" } else { "'c'::\"char\"" };
    let locale = match r.major {
        ..15 => "NULL::text",
        15..17 => "d.daticulocale",
        17.. => "d.datlocale",
    };
    let rules = if r.major >= 16 { "d.daticurules" } else { "NULL::text" };
    let sql = format!(
        "SELECT d.oid, d.datname, d.datdba, pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
                {provider} AS datlocprovider, d.datcollate::text, d.datctype::text, {locale}::text AS datlocale,
                {rules} AS daticurules, d.datistemplate, d.datconnlimit, t.spcname,
                pg_catalog.shobj_description(d.oid, 'pg_database') AS comment,
                d.datacl::text[] AS acl, pg_catalog.acldefault('d', d.datdba)::text[] AS acldefault
           FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
          WHERE d.datname = pg_catalog.current_database()"
    );
    let rows = r.query("pg_database", &sql).await?;
    let Some(row) = rows.first() else {
        return Err(Error::new(ErrorKind::SourceFailed, "read pg_database")
            .because("the connected database is not listed there: it was renamed or dropped"));
    };
    let oid = row.oid("oid")?;
    let mut database = Database {
        oid,
        datname: row.text("datname")?,
        owner: catalog.role(row.oid("datdba")?),
        acl: Acl::from_row(row)?,
        encoding: row.text("encoding")?,
        datlocprovider: row.char("datlocprovider")?,
        datcollate: row.text("datcollate")?,
        datctype: row.text("datctype")?,
        datlocale: row.opt_text("datlocale")?,
        daticurules: row.opt_text("daticurules")?,
        datistemplate: row.bool("datistemplate")?,
        datconnlimit: row.int("datconnlimit")?,
        tablespace: row.text("spcname")?,
        comment: row.nonempty("comment")?,
        security_labels: Vec::new(),
        settings: Vec::new(),
        role_settings: Vec::new(),
    };
    let sql = "SELECT r.rolname, pg_catalog.unnest(s.setconfig) AS setting
                 FROM pg_catalog.pg_db_role_setting s
                 LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
                WHERE s.setdatabase = $1 AND (s.setrole = 0 OR r.oid IS NOT NULL)";
    for row in r.query_params("pg_db_role_setting", sql, &[(&oid, Type::OID)]).await? {
        let setting = row.text("setting")?;
        match row.opt_text("rolname")? {
            Some(role) => database.role_settings.push((role, setting)),
            None => database.settings.push(setting),
        }
    }
    let sql = "SELECT provider, label FROM pg_catalog.pg_shseclabel
                WHERE classoid = 'pg_catalog.pg_database'::pg_catalog.regclass AND objoid = $1";
    for row in r.query_params("pg_shseclabel", sql, &[(&oid, Type::OID)]).await? {
        let label = Label { objsubid: 0, provider: row.text("provider")?, text: row.text("label")? };
        database.security_labels.push(label);
    }
    catalog.database = Some(database);
    Ok(())
}

/// A database of the cluster that can be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterDatabase {
    pub datname: String,
    /// Whether it matches a pattern that excludes it.
    pub is_excluded: bool,
}

impl ClusterDatabase {
    /// Whether every cluster has this database. Such databases are not dropped before a restore, which needs
    /// a database to connect to.
    pub(crate) fn is_there_from_the_start(&self) -> bool {
        matches!(self.datname.as_str(), "postgres" | "template1")
    }
}

/// Lists the databases of the cluster by name, inside the caller's transaction. It leaves out `template0`,
/// databases that allow no connections, and the remains of an interrupted DROP DATABASE.
pub(crate) async fn list_databases(client: &Client, exclude: &[String]) -> Result<Vec<ClusterDatabase>> {
    let mut excluded = HashSet::new();
    for pattern in exclude {
        excluded.extend(databases_matching(client, pattern).await?);
    }
    let sql = "SELECT datname FROM pg_catalog.pg_database
                WHERE datallowconn AND datconnlimit <> -2 AND datname <> 'template0' ORDER BY datname";
    let mut databases = Vec::new();
    for row in query(client, "pg_database", sql, &[]).await? {
        let datname = row.text("datname")?;
        databases.push(ClusterDatabase { is_excluded: excluded.contains(&datname), datname });
    }
    Ok(databases)
}

/// The names of the databases that match a pattern, which may only have one part.
pub(crate) async fn databases_matching(client: &Client, pattern: &str) -> Result<Vec<String>> {
    let parsed = parse(pattern, false, 0);
    if parsed.dots > 0 {
        return Err(Error::new(ErrorKind::Usage, "improper qualified name (too many dotted names)")
            .because(pattern.to_owned())
            .hint("a database name that contains dots needs double quotes within the pattern"));
    }
    let sql = "SELECT datname FROM pg_catalog.pg_database
                WHERE datname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default";
    let regex = EncodedText(parsed.name.unwrap_or_default());
    query(client, "pg_database", sql, &[(&regex, Type::TEXT)])
        .await?
        .iter()
        .map(|row| row.text("datname"))
        .collect()
}

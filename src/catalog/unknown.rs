//! Finds features in use on a newer server that this program does not know.
//!
//! After an upgrade of their server, users want a backup the same night. The catalogs show whether we can
//! make one: every new feature that a dump must contain appears as a new catalog, column or code. If none of
//! these is in use, the dump of the newest known version is complete.

use std::fmt;

use tokio_postgres::Client;

use super::known::{self, CODES, CatalogScope, EXTENDED, Extended};
use super::row;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::server::{Server, newest_major};
use crate::progress::Warnings;

/// The first OID that a user's object can have (`FirstNormalObjectId`).
const FIRST_USER_OID: u32 = 16_384;

/// How many example objects are named for each unknown feature.
const EXAMPLES: usize = 3;

/// A feature that is in use but not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The catalog or its column, with the value or code.
    pub what: String,
    /// Objects that use it, as described by the server.
    pub objects: Vec<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if !self.objects.is_empty() {
            write!(f, " ({})", self.objects.join(", "))?;
        }
        Ok(())
    }
}

/// Refuses a server that is newer than this program knows if an unknown feature is in use, unless that is
/// `allowed`; always warns that the server is newer.
///
/// # Errors
/// `SourceFailed`, which names the unknown features; or if the catalogs can't be read.
pub(crate) async fn refuse_unknown(
    client: &Client,
    server: &Server,
    scope: CatalogScope,
    allowed: bool,
    warnings: &Warnings,
) -> Result<()> {
    if server.major <= newest_major() {
        return Ok(());
    }
    let found = find_unknown(client, server, scope).await?;
    let newer = format!(
        "the server's version {} is newer than pgsiphon knows: the dump is written as for version {}",
        server.major,
        newest_major()
    );
    let list = || found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if found.is_empty() {
        warnings.warn(format_args!("{newer}, which supports every feature in use here"));
        Ok(())
    } else if allowed {
        warnings.warn(format_args!("{newer}, without these unknown features: {}", list()));
        Ok(())
    } else {
        Err(unknown_is_refused(server, &found))
    }
}

/// The error that names the unknown features.
pub(crate) fn unknown_is_refused(server: &Server, found: &[Unknown]) -> Error {
    let list: Vec<_> = found.iter().map(ToString::to_string).collect();
    Error::new(ErrorKind::SourceFailed, format!("dump a server of version {}", server.major))
        .because(format!("it uses features that this version of pgsiphon does not know: {}", list.join("; ")))
        .hint("update pgsiphon, or use --allow-unknown (dump.allow_unknown) to dump everything else")
}

/// Finds unknown features in use, for dumps of that scope.
///
/// # Errors
/// `SourceFailed`.
pub(crate) async fn find_unknown(
    client: &Client,
    server: &Server,
    scope: CatalogScope,
) -> Result<Vec<Unknown>> {
    let known = known::columns(newest_major());
    let mut found = Vec::new();
    for catalog in read_catalogs(client).await? {
        match known.get(catalog.name.as_str()) {
            None if scope == CatalogScope::Database => found.extend(catalog.rows_of_users(client).await?),
            // Users who are not superusers get no subscriptions in the dump, only a warning.
            Some(_) if catalog.name == "pg_subscription" && !server.superuser => {}
            Some(known) if known::is_read(&catalog.name, scope) => {
                for column in catalog.columns.iter().filter(|column| !known.contains(column.name.as_str())) {
                    found.extend(catalog.values_in(client, column).await?);
                }
                found.extend(catalog.codes(client).await?);
                found.extend(catalog.extended(client).await?);
            }
            _ => {}
        }
    }
    Ok(found)
}

struct SystemCatalog {
    name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    is_number: bool,
    is_oid: bool,
    is_array: bool,
    is_readable: bool,
}

async fn read_catalogs(client: &Client) -> Result<Vec<SystemCatalog>> {
    let sql = "SELECT c.relname, a.attname,
                      t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8') AS is_number,
                      t.typname = 'oid' OR t.typname LIKE 'reg%' AS is_oid,
                      t.typcategory = 'A' AS is_array,
                      pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') AS is_readable
                 FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
                 JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind = 'r'
                  AND c.oid < 16384 AND a.attnum > 0 AND NOT a.attisdropped
                ORDER BY c.relname, a.attnum";
    let mut catalogs: Vec<SystemCatalog> = Vec::new();
    for row in row::query(client, "the columns of the system catalogs", sql, &[]).await? {
        let name = row.text("relname")?;
        if catalogs.last().is_none_or(|last| last.name != name) {
            catalogs.push(SystemCatalog { name, columns: Vec::new() });
        }
        let Some(catalog) = catalogs.last_mut() else { continue };
        catalog.columns.push(Column {
            name: row.text("attname")?,
            is_number: row.bool("is_number")?,
            is_oid: row.bool("is_oid")?,
            is_array: row.bool("is_array")?,
            is_readable: row.bool("is_readable")?,
        });
    }
    Ok(catalogs)
}

/// Values that mean that a feature is not used: false, zero, no object, empty.
const NEUTRAL: &str = "('', 'false', '0', '-', '{}')";

impl SystemCatalog {
    /// The column that identifies the object of a row: by convention the first that holds an OID.
    fn id(&self) -> Option<&str> {
        let oid = self.columns.iter().find(|column| column.name == "oid");
        oid.or_else(|| self.columns.iter().find(|column| column.is_oid)).map(|column| column.name.as_str())
    }

    /// The catalog to which that OID refers.
    fn class(&self) -> &str {
        match (self.name.as_str(), self.id()) {
            (name, Some("oid")) => name,
            ("pg_aggregate", _) => "pg_proc",
            ("pg_range", _) => "pg_type",
            ("pg_ts_config_map", _) => "pg_ts_config",
            ("pg_db_role_setting", _) => "pg_database",
            _ => "pg_class",
        }
    }

    /// A query for the rows that a dump may contain: `id`, `part` (a column's number), whether they belong to
    /// `users`, and `value`, which is this expression over the catalog `t` and this join.
    fn rows(&self, value: &str, join: &str) -> Option<String> {
        let id = self.id()?;
        let part = if self.name == "pg_attribute" { "t.attnum" } else { "0" };
        let condition = match self.name.as_str() {
            "pg_attribute" => "t.attnum > 0",
            "pg_database" => "t.datname = pg_catalog.current_database()",
            "pg_db_role_setting" => {
                "t.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database d
                                   WHERE d.datname = pg_catalog.current_database())"
            }
            "pg_subscription" => {
                "t.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d
                               WHERE d.datname = pg_catalog.current_database())"
            }
            _ => "true",
        };
        Some(format!(
            "SELECT t.{id}::pg_catalog.oid AS id, {part} AS part, {value} AS value,
                    t.{id}::pg_catalog.oid >= {FIRST_USER_OID} AND NOT EXISTS (
                        SELECT FROM pg_catalog.pg_depend e
                         WHERE e.classid = 'pg_catalog.{class}'::pg_catalog.regclass
                           AND e.objid = t.{id}::pg_catalog.oid AND e.objsubid = 0 AND e.deptype = 'e') AS users,
                    t.{id}::pg_catalog.oid < {FIRST_USER_OID} AS own
               FROM pg_catalog.{name} t {join} WHERE {condition}",
            class = self.class(),
            name = self.name,
        ))
    }

    /// Asks for unknown values: the rows of `query`, which has the columns `id`, `part` and `value`.
    async fn ask(&self, client: &Client, query: &str, of: impl Fn(&str) -> String) -> Result<Vec<Unknown>> {
        let sql = format!(
            "SELECT COALESCE(value, 'null') AS value,
                    COALESCE(pg_catalog.pg_describe_object('pg_catalog.{class}'::pg_catalog.regclass, id, part),
                             '{class} ' || id::pg_catalog.text) AS object
               FROM (SELECT *, pg_catalog.row_number() OVER (PARTITION BY value ORDER BY id, part) AS place
                       FROM ({query}) found) numbered
              WHERE place <= {EXAMPLES} ORDER BY value, id, part LIMIT 30",
            class = self.class(),
        );
        let mut found: Vec<Unknown> = Vec::new();
        for row in row::query(client, &self.name, &sql, &[]).await? {
            let what = of(&row.text("value")?);
            match found.last_mut().filter(|last| last.what == what) {
                Some(last) => last.objects.push(row.text("object")?),
                None => found.push(Unknown { what, objects: vec![row.text("object")?] }),
            }
        }
        Ok(found)
    }

    /// Users' rows in an unknown catalog.
    async fn rows_of_users(&self, client: &Client) -> Result<Vec<Unknown>> {
        let oids: Vec<&Column> = self.columns.iter().filter(|column| column.is_oid).collect();
        if oids.iter().any(|column| !column.is_readable) {
            return Ok(vec![self.closed("catalog", &self.name)]);
        }
        let Some(rows) = self.rows("NULL::pg_catalog.text", "") else { return Ok(Vec::new()) };
        let of_users: Vec<_> = oids
            .iter()
            .map(|column| format!("t.{}::pg_catalog.oid >= {FIRST_USER_OID}", column.name))
            .collect();
        let query = format!("{rows} AND ({})", of_users.join(" OR "));
        self.ask(client, &query, |_| format!("catalog {}", self.name)).await
    }

    /// Values of users' objects in an unknown column, except those that the server gives to any object. Its
    /// built-in objects show which these are: a value that they all share belongs to an object that does not
    /// use the new feature; a number that varies among them is measured, not set; and if each of them refers
    /// to an object, the server creates that object itself.
    async fn values_in(&self, client: &Client, column: &Column) -> Result<Vec<Unknown>> {
        let name = format!("{}.{}", self.name, column.name);
        if !column.is_readable {
            return Ok(vec![self.closed("column", &name)]);
        }
        let value = format!("COALESCE(t.{}::pg_catalog.text, '')", column.name);
        let Some(rows) = self.rows(&value, "") else { return Ok(Vec::new()) };
        let given_by_server = match (column.is_number, column.is_oid) {
            (true, _) => "kinds > 2",
            (_, true) => "kinds > 2 AND neutral = 0",
            _ => "false",
        };
        let query = format!(
            "WITH looked_at AS ({rows}),
                  own AS (SELECT count(DISTINCT value) AS kinds, min(value) AS common,
                                 count(*) FILTER (WHERE value IN {NEUTRAL}) AS neutral
                            FROM looked_at WHERE own)
             SELECT id, part, value FROM looked_at, own
              WHERE users AND CASE WHEN kinds = 1 AND common NOT IN {NEUTRAL} THEN value <> common
                                   WHEN {given_by_server} THEN false
                                   ELSE value NOT IN {NEUTRAL} END"
        );
        self.ask(client, &query, |value| format!("column {name} = {value}")).await
    }

    /// Unknown codes of users' objects.
    async fn codes(&self, client: &Client) -> Result<Vec<Unknown>> {
        let mut found = Vec::new();
        for codes in CODES.iter().filter(|codes| codes.catalog == self.name) {
            let known = codes.known(newest_major());
            let Some(column) = self.columns.iter().find(|column| column.name == codes.column) else {
                continue;
            };
            if known.is_empty() || !column.is_readable {
                continue;
            }
            let join = match column.is_array {
                true => format!(", pg_catalog.unnest(t.{}::pg_catalog.text[]) AS code", column.name),
                false => format!(", CAST(t.{} AS pg_catalog.text) AS code", column.name),
            };
            let Some(rows) = self.rows("code", &join) else { continue };
            let known: Vec<_> = known.iter().map(|code| format!("'{code}'")).collect();
            let query =
                format!("SELECT * FROM ({rows}) r WHERE users AND value NOT IN ({})", known.join(", "));
            let of = |code: &str| format!("code {code} of {}.{}", self.name, column.name);
            found.extend(self.ask(client, &query, of).await?);
        }
        Ok(found)
    }

    /// Users' rows that mean more than this program knows.
    async fn extended(&self, client: &Client) -> Result<Vec<Unknown>> {
        let mut found = Vec::new();
        let since = |it: &&Extended| it.catalog == self.name && it.since > newest_major();
        for extended in EXTENDED.iter().filter(since) {
            let Some(rows) = self.rows("NULL::pg_catalog.text", "") else { continue };
            let query = format!("SELECT * FROM ({rows} AND {}) r WHERE users", extended.condition);
            found.extend(self.ask(client, &query, |_| extended.what.to_owned()).await?);
        }
        Ok(found)
    }

    /// For a catalog or column that can't be read, which may therefore contain anything.
    fn closed(&self, kind: &str, name: &str) -> Unknown {
        Unknown { what: format!("{kind} {name}, which this role may not read"), objects: Vec::new() }
    }
}

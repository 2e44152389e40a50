//! `pg_tablespace` (<https://www.postgresql.org/docs/current/catalog-pg-tablespace.html>).

use tokio_postgres::Client;

use super::Acl;
use super::comment::Label;
use super::role::{label_columns, labels};
use super::row::{CatalogRow, query};
use crate::error::Result;

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_tablespace
pub(crate) struct Tablespace {
    pub spcname: String,
    pub owner: String,
    /// The directory; relative for an in-place tablespace (`allow_in_place_tablespaces`).
    pub location: String,
    pub acl: Acl,
    /// Options, as `name=value`.
    pub spcoptions: Vec<String>,
    pub comment: Option<String>,
    pub security_labels: Vec<Label>,
}

/// Reads all tablespaces except the server's predefined ones.
pub(super) async fn read(client: &Client) -> Result<Vec<Tablespace>> {
    let sql = format!(
        "SELECT t.spcname, pg_catalog.pg_get_userbyid(t.spcowner) AS owner,
                pg_catalog.pg_tablespace_location(t.oid) AS location, t.spcoptions,
                t.spcacl::text[] AS acl, pg_catalog.acldefault('t', t.spcowner)::text[] AS acldefault,
                pg_catalog.shobj_description(t.oid, 'pg_tablespace') AS comment, {}
           FROM pg_catalog.pg_tablespace t
          WHERE t.spcname !~ '^pg_'
          ORDER BY t.oid",
        label_columns("pg_tablespace", "t.oid")
    );
    query(client, "pg_tablespace", &sql, &[]).await?.iter().map(tablespace).collect()
}

fn tablespace(row: &CatalogRow) -> Result<Tablespace> {
    Ok(Tablespace {
        spcname: row.text("spcname")?,
        owner: row.text("owner")?,
        location: row.text("location")?,
        acl: Acl::from_row(row)?,
        spcoptions: row.texts("spcoptions")?,
        comment: row.nonempty("comment")?,
        security_labels: labels(row)?,
    })
}

//! `pg_parameter_acl`: privileges on configuration parameters, from 15 on
//! (<https://www.postgresql.org/docs/current/catalog-pg-parameter-acl.html>).

use tokio_postgres::Client;

use super::row::query;
use super::{Acl, BOOTSTRAP_SUPERUSER};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct ParameterAcl {
    /// The parameter, in lower case.
    pub parname: String,
    /// Parameters have no owner; grants by this role are printed without a grantor.
    pub owner: String,
    pub acl: Acl,
}

pub(super) async fn read(client: &Client) -> Result<Vec<ParameterAcl>> {
    let sql = format!(
        "SELECT parname, pg_catalog.pg_get_userbyid({BOOTSTRAP_SUPERUSER}) AS owner,
                paracl::text[] AS acl, pg_catalog.acldefault('p', {BOOTSTRAP_SUPERUSER})::text[] AS acldefault
           FROM pg_catalog.pg_parameter_acl ORDER BY parname"
    );
    let rows = query(client, "pg_parameter_acl", &sql, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(ParameterAcl {
                parname: row.text("parname")?,
                owner: row.text("owner")?,
                acl: Acl::from_row(row)?,
            })
        })
        .collect()
}

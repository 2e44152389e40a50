//! `pg_collation`: collations.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_collation
pub(crate) struct Collation {
    pub owner: String,
    pub collencoding: i64,
    pub collprovider: char,
    pub collisdeterministic: bool,
    pub collcollate: Option<String>,
    pub collctype: Option<String>,
    /// `colliculocale` in 15 and 16, `colllocale` from 17 on, and `collcollate` for ICU before 15.
    pub colllocale: Option<String>,
    pub collicurules: Option<String>,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    let locale = match r.major {
        ..15 => "CASE WHEN collprovider = 'i' THEN collcollate END",
        15..17 => "colliculocale",
        17.. => "colllocale",
    };
    let rules = if r.major >= 16 { "collicurules" } else { "NULL::text" };
    let sql = format!(
        "SELECT oid, collname, collnamespace, collowner, collencoding, collprovider, collisdeterministic,
                collcollate::text, collctype::text, {locale}::text AS colllocale, {rules} AS collicurules
           FROM pg_catalog.pg_collation"
    );
    r.start("pg_collation", &sql)
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let collation = Collation {
            owner: catalog.role(row.oid("collowner")?),
            collencoding: row.int("collencoding")?,
            collprovider: row.char("collprovider")?,
            collisdeterministic: row.bool("collisdeterministic")?,
            collcollate: row.nonempty("collcollate")?,
            collctype: row.nonempty("collctype")?,
            colllocale: row.opt_text("colllocale")?,
            collicurules: row.opt_text("collicurules")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_COLLATION, oid: row.oid("oid")? },
            row.text("collname")?,
            catalog.namespace_by_oid(row.oid("collnamespace")?),
            ObjectKind::Collation(Box::new(collation)),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}

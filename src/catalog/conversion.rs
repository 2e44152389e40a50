//! `pg_conversion`: encoding conversions.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_conversion
pub(crate) struct Conversion {
    pub owner: String,
    pub for_encoding: String,
    pub to_encoding: String,
    pub conproc: String,
    pub condefault: bool,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    let sql = "SELECT oid, conname, connamespace, conowner, condefault, conproc::text,
                      pg_catalog.pg_encoding_to_char(conforencoding)::text AS for_encoding,
                      pg_catalog.pg_encoding_to_char(contoencoding)::text AS to_encoding
                 FROM pg_catalog.pg_conversion";
    r.start("pg_conversion", sql)
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let conversion = Conversion {
            owner: catalog.role(row.oid("conowner")?),
            for_encoding: row.text("for_encoding")?,
            to_encoding: row.text("to_encoding")?,
            conproc: row.text("conproc")?,
            condefault: row.bool("condefault")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_CONVERSION, oid: row.oid("oid")? },
            row.text("conname")?,
            catalog.namespace_by_oid(row.oid("connamespace")?),
            ObjectKind::Conversion(Box::new(conversion)),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}

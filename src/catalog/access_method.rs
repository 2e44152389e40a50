//! `pg_am`: access methods.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct AccessMethod {
    /// `amtype`: i (index) or t (table).
    pub amtype: char,
    pub handler: String,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    let sql =
        "SELECT oid, amname, amtype, amhandler::pg_catalog.regproc::text AS handler FROM pg_catalog.pg_am";
    r.start("pg_am", sql)
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let method = AccessMethod { amtype: row.char("amtype")?, handler: row.text("handler")? };
        let id = catalog.add(
            CatalogId { classoid: class::PG_AM, oid: row.oid("oid")? },
            row.text("amname")?,
            None,
            ObjectKind::AccessMethod(method),
        );
        r.selection.global_object(catalog, id, Components::empty());
    }
    Ok(())
}

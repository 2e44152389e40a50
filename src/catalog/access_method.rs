//! `pg_am`: access methods.

use super::reader::Reader;
use super::{Catalog, CatalogId, Components, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct AccessMethod {
    /// `amtype`: i (index) or t (table).
    pub amtype: char,
    pub handler: String,
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let sql =
        "SELECT oid, amname, amtype, amhandler::pg_catalog.regproc::text AS handler FROM pg_catalog.pg_am";
    for row in r.query("pg_am", sql).await? {
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

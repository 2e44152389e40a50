//! `pg_event_trigger`: event triggers.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct EventTrigger {
    pub owner: String,
    pub evtevent: String,
    /// The tags of the filter, ready to be printed, or empty.
    pub tags: String,
    pub function: String,
    /// `evtenabled`: O, D, R or A.
    pub evtenabled: char,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_event_trigger",
        "SELECT oid, evtname, evtowner, evtevent, evtenabled, evtfoid::pg_catalog.regproc::text AS function,
                pg_catalog.array_to_string(ARRAY(
                    SELECT pg_catalog.quote_literal(tag) FROM pg_catalog.unnest(evttags) AS tag), ', ') AS tags
           FROM pg_catalog.pg_event_trigger ORDER BY oid",
    )
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let trigger = EventTrigger {
            owner: catalog.role(row.oid("evtowner")?),
            evtevent: row.text("evtevent")?,
            tags: row.text("tags")?,
            function: row.text("function")?,
            evtenabled: row.char("evtenabled")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_EVENT_TRIGGER, oid: row.oid("oid")? },
            row.text("evtname")?,
            None,
            ObjectKind::EventTrigger(Box::new(trigger)),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}

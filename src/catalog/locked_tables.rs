//! The tables that must be locked before they are read.

use super::{Catalog, Components, DumpId, Oid, RelKind};
use crate::pg::quote::Quoter;

/// A table that must be locked before it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableToLock {
    pub oid: Oid,
    /// The name, qualified and quoted.
    pub name: String,
}

/// The tables of `catalog` that must be locked.
pub(crate) fn to_lock(catalog: &Catalog, quoter: &Quoter) -> Vec<TableToLock> {
    let locked = |id: &&DumpId| {
        let kind = catalog.relation(**id).map(|rel| rel.relkind);
        matches!(kind, Some(RelKind::Table | RelKind::PartitionedTable))
            && catalog.object(**id).dump.intersects(Components::REQUIRING_LOCK)
    };
    let table = |&id: &DumpId| TableToLock {
        oid: catalog.object(id).catalog_id.oid,
        name: quoter.qualified(catalog.namespace_name(id), &catalog.object(id).name),
    };
    catalog.relations.iter().filter(locked).map(table).collect()
}

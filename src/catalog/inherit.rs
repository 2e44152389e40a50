//! `pg_inherits`: the parents of tables and partitions, and what follows from them.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, DumpId, ObjectKind, RelKind, class};
use crate::error::Result;

/// The attachment of a partition to its partitioned table, which is a separate command.
#[derive(Debug)]
pub(crate) struct TableAttach {
    pub parent: DumpId,
    pub partition: DumpId,
}

/// The attachment of a partition's index to the partitioned table's index.
#[derive(Debug)]
pub(crate) struct IndexAttach {
    pub parent: DumpId,
    pub partition: DumpId,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_inherits",
        "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits ORDER BY inhrelid, inhseqno",
    )
}

/// Reads parents, and creates attachment objects for partitions.
pub(super) async fn read(catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let child = catalog.find(class::PG_CLASS, row.oid("inhrelid")?);
        let parent = catalog.find(class::PG_CLASS, row.oid("inhparent")?);
        let (Some(child), Some(parent)) = (child, parent) else { continue };
        let dumped = !catalog.object(child).dump.is_empty();
        let Some(relation) = catalog.relation_mut(child) else { continue };
        // Sub-partitioned tables lead to the root even if they are not dumped themselves.
        let leads_to_root = relation.relkind == RelKind::PartitionedTable && relation.relispartition;
        if !dumped && !leads_to_root {
            continue;
        }
        relation.parents.push(parent);
        if dumped && let Some(parent) = catalog.relation_mut(parent) {
            parent.interesting = true;
        }
    }
    for id in catalog.relations.clone() {
        let object = catalog.object(id);
        let Some(relation) = catalog.relation(id) else { continue };
        let (false, true, &[parent]) =
            (object.dump.is_empty(), relation.relispartition, &relation.parents[..])
        else {
            continue;
        };
        let (name, namespace) = (object.name.clone(), object.namespace);
        let attach = ObjectKind::TableAttach(TableAttach { parent, partition: id });
        let attach = catalog.add(CatalogId::default(), name, namespace, attach);
        catalog.add_dependency(attach, id);
        catalog.add_dependency(attach, parent);
    }
    Ok(())
}

/// Creates attachment objects for partitions' indexes, after all indexes are known.
pub(super) fn attach_indexes(catalog: &mut Catalog) {
    for id in catalog.relations.clone() {
        let Some(relation) = catalog.relation(id) else { continue };
        if !relation.relispartition || relation.parents.is_empty() {
            continue;
        }
        for index in relation.indexes.clone() {
            let Some(parent_oid) = catalog.index(index).map(|i| i.parent_oid) else { continue };
            let Some(parent) = catalog.find(class::PG_CLASS, parent_oid) else { continue };
            let Some(parent_table) = catalog.index(parent).map(|i| i.table) else { continue };
            let object = catalog.object(index);
            let (name, namespace) = (object.name.clone(), object.namespace);
            let attach = ObjectKind::IndexAttach(IndexAttach { parent, partition: index });
            let attach = catalog.add(CatalogId::default(), name, namespace, attach);
            for on in [index, parent, id, parent_table] {
                catalog.add_dependency(attach, on);
            }
            if let Some(parent) = catalog.index_mut(parent) {
                parent.attachments.push(attach);
            }
        }
    }
}

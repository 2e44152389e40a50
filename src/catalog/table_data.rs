//! The contents of relations to dump: rows, sequence values and refreshes.

use super::reader::Reader;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, RelKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct TableData {
    pub table: DumpId,
    /// `WHERE …`, for an extension's configuration table.
    pub condition: Option<String>,
}

/// Creates data objects for all relations whose contents are selected.
pub(super) fn add_all(r: &Reader<'_>, catalog: &mut Catalog, only: Option<RelKind>) {
    for id in catalog.relations.clone() {
        let kind = catalog.relation(id).map(|rel| rel.relkind);
        if catalog.object(id).dump.contains(Components::DATA) && (only.is_none() || only == kind) {
            add(r, catalog, id);
        }
    }
}

/// Creates the data object of one relation, unless it has no data to dump.
pub(super) fn add(r: &Reader<'_>, catalog: &mut Catalog, id: DumpId) -> Option<DumpId> {
    let relation = catalog.relation(id)?;
    if relation.data.is_some() {
        return relation.data;
    }
    let object = catalog.object(id);
    let oid = object.catalog_id.oid;
    let kind = match relation.relkind {
        RelKind::View | RelKind::PartitionedTable | RelKind::CompositeType => return None,
        RelKind::ForeignTable => {
            let foreign = relation.foreign.as_ref()?;
            if !r.selection.foreign_data_included(foreign.server_oid) {
                return None;
            }
            ObjectKind::TableData(TableData { table: id, condition: None })
        }
        RelKind::Table => ObjectKind::TableData(TableData { table: id, condition: None }),
        RelKind::MatView => ObjectKind::RefreshMatView(id),
        RelKind::Sequence => ObjectKind::SequenceSet(id),
    };
    if (relation.unlogged && r.no_unlogged_table_data) || r.selection.data_excluded(oid) {
        return None;
    }
    let (name, namespace) = (object.name.clone(), object.namespace);
    let data = catalog.add(CatalogId { classoid: 0, oid }, name, namespace, kind);
    catalog.add_dependency(data, id);
    catalog.object_mut(data).components |= Components::DATA;
    let relation = catalog.relation_mut(id)?;
    relation.data = Some(data);
    relation.interesting = true;
    super::relation_statistics::follow_refresh(catalog, id, data);
    Some(data)
}

/// A materialised view is refreshed after those that it reads, directly or through views. It is not refreshed
/// at all if one of them is not populated.
pub(super) async fn order_refreshes(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let rows = r
        .query(
            "dependencies of materialised views",
            "WITH RECURSIVE reads AS (
                SELECT c.oid AS matview, d.refobjid AS source
                  FROM pg_catalog.pg_class c
                  JOIN pg_catalog.pg_rewrite w ON w.ev_class = c.oid
                  JOIN pg_catalog.pg_depend d
                    ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
                   AND d.refobjid <> c.oid
                  JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind IN ('m', 'v')
                 WHERE c.relkind = 'm'
                UNION
                SELECT reads.matview, d.refobjid
                  FROM reads
                  JOIN pg_catalog.pg_rewrite w ON w.ev_class = reads.source
                  JOIN pg_catalog.pg_depend d
                    ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
                   AND d.refobjid <> reads.source
                  JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind IN ('m', 'v'))
             SELECT reads.matview, reads.source
               FROM reads JOIN pg_catalog.pg_class s ON s.oid = reads.source AND s.relkind = 'm'",
        )
        .await?;
    for row in rows {
        let matview = catalog.find(class::PG_CLASS, row.oid("matview")?);
        let source = catalog.find(class::PG_CLASS, row.oid("source")?);
        let (Some(matview), Some(source)) = (matview, source) else { continue };
        let data_of = |id| catalog.relation(id).and_then(|rel| rel.data);
        let (Some(refresh), Some(first)) = (data_of(matview), data_of(source)) else { continue };
        let populated = catalog.relation(source).is_some_and(|s| s.relispopulated);
        catalog.add_dependency(refresh, first);
        if !populated && let Some(relation) = catalog.relation_mut(matview) {
            relation.relispopulated = false;
        }
    }
    Ok(())
}

/// Without definitions (`-a`), the target's foreign keys are in force while rows are loaded, so referenced
/// tables come first.
pub(super) fn order_by_foreign_keys(catalog: &mut Catalog) {
    for id in catalog.ids() {
        let ObjectKind::ForeignKey(key) = &catalog.object(id).kind else { continue };
        let data_of = |table: DumpId| catalog.relation(table).and_then(|rel| rel.data);
        let Some(data) = key.table().and_then(data_of) else { continue };
        let Some(referenced) = catalog.find(class::PG_CLASS, key.confrelid).and_then(data_of) else {
            continue;
        };
        catalog.add_dependency(data, referenced);
    }
}

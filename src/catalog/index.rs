//! `pg_index`: indexes, and the constraints that stand on them.

use super::read::Reader;
use super::{Catalog, CatalogId, Constraint, ConstraintOwner, DumpId, Kind, Oid, class, relation};
use crate::error::Result;

/// An index.
#[derive(Debug)]
pub struct Index {
    /// The table.
    pub table: DumpId,
    /// As the server deparses it; empty where a constraint stands for it, which saves the server
    /// half of its work.
    pub definition: String,
    /// Its tablespace's name, empty for the database's.
    pub tablespace: String,
    /// Storage parameters.
    pub reloptions: Vec<String>,
    /// Number of key columns; the rest are included ones.
    pub indnkeyatts: i64,
    /// Columns by number; 0 is an expression.
    pub indkey: Vec<i64>,
    /// The table is clustered on it.
    pub indisclustered: bool,
    /// It is the replica identity.
    pub indisreplident: bool,
    /// NULLS NOT DISTINCT
    pub indnullsnotdistinct: bool,
    /// The partitioned index that it is attached to, or 0.
    pub parent_oid: Oid,
    /// Attachments of partitions' indexes to this one.
    pub attachments: Vec<DumpId>,
    /// The constraint that stands on it.
    pub constraint: Option<DumpId>,
    /// Statistics targets, (column number, target).
    pub statistics: Vec<(i64, i64)>,
    /// Extensions that it depends on.
    pub depends_on_extensions: Vec<String>,
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let tables = relation::oids(catalog, |_, rel| rel.interesting && rel.relhasindex);
    let nulls = if r.major >= 15 { "i.indnullsnotdistinct" } else { "false" };
    let period = if r.major >= 18 { "c.conperiod" } else { "false" };
    let set = if r.major >= 17 { "attstattarget IS NOT NULL" } else { "attstattarget >= 0" };
    let sql = format!(
        "SELECT t.oid, i.indrelid, t.relname,
                CASE WHEN c.oid IS NULL THEN pg_catalog.pg_get_indexdef(i.indexrelid) END AS definition,
                i.indkey::pg_catalog.int2[], i.indnkeyatts, i.indisclustered, i.indisreplident,
                {nulls} AS indnullsnotdistinct, inh.inhparent, ts.spcname, t.reloptions,
                c.oid AS conoid, c.contype, c.conname, c.condeferrable, c.condeferred, {period} AS conperiod,
                CASE WHEN c.contype = 'x' THEN pg_catalog.pg_get_constraintdef(c.oid, false)
                 END AS constraint_definition,
                st.columns AS statistics_columns, st.targets AS statistics_targets
           FROM pg_catalog.pg_index i
           JOIN pg_catalog.pg_class t ON t.oid = i.indexrelid
           JOIN pg_catalog.pg_class t2 ON t2.oid = i.indrelid
           LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = t.reltablespace
           LEFT JOIN pg_catalog.pg_constraint c
             ON c.conrelid = i.indrelid AND c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
           LEFT JOIN pg_catalog.pg_inherits inh ON inh.inhrelid = i.indexrelid
           LEFT JOIN (SELECT attrelid, pg_catalog.array_agg(attnum ORDER BY attnum) AS columns,
                             pg_catalog.array_agg(attstattarget ORDER BY attnum) AS targets
                        FROM pg_catalog.pg_attribute WHERE {set} GROUP BY attrelid) st
             ON st.attrelid = i.indexrelid
          WHERE i.indrelid = ANY ($1) AND (i.indisvalid OR t2.relkind = 'p') AND i.indisready
          ORDER BY i.indrelid, t.relname"
    );
    for row in r.query_oids("pg_index", &sql, tables).await? {
        let Some(table) = catalog.find(class::PG_CLASS, row.oid("indrelid")?) else { continue };
        let index = Index {
            table,
            definition: row.opt_text("definition")?.unwrap_or_default(),
            tablespace: row.opt_text("spcname")?.unwrap_or_default(),
            reloptions: row.texts("reloptions")?,
            indnkeyatts: row.int("indnkeyatts")?,
            indkey: row.ints("indkey")?,
            indisclustered: row.bool("indisclustered")?,
            indisreplident: row.bool("indisreplident")?,
            indnullsnotdistinct: row.bool("indnullsnotdistinct")?,
            parent_oid: row.oid("inhparent")?,
            attachments: Vec::new(),
            constraint: None,
            statistics: row
                .ints("statistics_columns")?
                .into_iter()
                .zip(row.ints("statistics_targets")?)
                .collect(),
            depends_on_extensions: Vec::new(),
        };
        let (namespace, dump) = (catalog.object(table).namespace, catalog.object(table).dump);
        let id = catalog.add(
            CatalogId { classoid: class::PG_CLASS, oid: row.oid("oid")? },
            row.text("relname")?,
            namespace,
            Kind::Index(Box::new(index)),
        );
        catalog.object_mut(id).dump = dump;
        if let Some(relation) = catalog.relation_mut(table) {
            relation.indexes.push(id);
        }
        let conoid = row.oid("conoid")?;
        if conoid == 0 {
            continue;
        }
        let constraint = Constraint {
            owner: ConstraintOwner::Table(table),
            contype: row.char("contype")?,
            definition: row.opt_text("constraint_definition")?,
            confrelid: 0,
            index: Some(id),
            condeferrable: row.bool("condeferrable")?,
            condeferred: row.bool("condeferred")?,
            conperiod: row.bool("conperiod")?,
            conislocal: true,
            separate: true,
        };
        let constraint = catalog.add(
            CatalogId { classoid: class::PG_CONSTRAINT, oid: conoid },
            row.text("conname")?,
            namespace,
            Kind::Constraint(constraint),
        );
        catalog.object_mut(constraint).dump = dump;
        if let Some(index) = catalog.index_mut(id) {
            index.constraint = Some(constraint);
        }
    }
    Ok(())
}

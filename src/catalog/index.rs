//! `pg_index`: indexes, and the constraints that they back.

use super::reader::{Reader, only_if};
use super::row::CatalogRow;
use super::started_query::Started;
use super::{
    Catalog, CatalogId, Components, Constraint, ConstraintOwner, DumpId, ObjectKind, Oid, class, typoid,
};
use crate::error::Result;
use crate::pg::text;

#[derive(Debug)]
pub(crate) struct Index {
    pub table: DumpId,
    pub amname: String,
    pub indisunique: bool,
    /// As deparsed by the server. `None` if a constraint represents the index, or if the index is so simple
    /// that its columns and `indoption` suffice: for large catalogs the server spends most of the deparsing
    /// time on finding out whether operator classes are the default ones.
    pub definition: Option<String>,
    /// For each key column, the sum of 1 for DESC and 2 for NULLS FIRST.
    pub indoption: Vec<i64>,
    /// The tablespace's name, empty for the database's default.
    pub tablespace: String,
    pub reloptions: Vec<String>,
    /// Number of key columns; the rest are included columns.
    pub indnkeyatts: i64,
    /// Column numbers; 0 is an expression.
    pub indkey: Vec<i64>,
    /// Whether the table is clustered on it.
    pub indisclustered: bool,
    /// Whether it is the replica identity.
    pub indisreplident: bool,
    pub indnullsnotdistinct: bool,
    /// The partitioned index to which it is attached, or 0.
    pub parent_oid: Oid,
    /// Attachments of partitions' indexes to this index.
    pub attachments: Vec<DumpId>,
    /// The constraint that it backs.
    pub constraint: Option<DumpId>,
    /// Statistics targets, as (column number, target).
    pub statistics: Vec<(i64, i64)>,
    pub depends_on_extensions: Vec<String>,
}

/// A row of `pg_index`, with the constraint that the index backs.
pub(super) struct Found {
    oid: Oid,
    indrelid: Oid,
    relname: String,
    /// Whether it might have only defaults, so that the server need not deparse it.
    plain: bool,
    indclass: Vec<Oid>,
    indcollation: Vec<Oid>,
    index: Box<Index>,
    constraint: Option<(Oid, String, Constraint)>,
}

pub(super) fn start(r: &Reader<'_>, catalog: &Catalog) -> Started<Found> {
    let tables = catalog.relation_oids(|_, rel| rel.interesting && rel.relhasindex);
    let nulls = if r.major >= 15 { "i.indnullsnotdistinct" } else { "false" };
    let period = if r.major >= 18 { "c.conperiod" } else { "false" };
    let set = if r.major >= 17 { "attstattarget IS NOT NULL" } else { "attstattarget >= 0" };
    let targets = format!("FROM pg_catalog.pg_attribute WHERE attrelid = i.indexrelid AND {set}");
    let constraint_definition =
        only_if(r.prints_post_data(), "pg_catalog.pg_get_constraintdef(c.oid, false)");
    // The server quotes according to its own setting, which need not match our options. Only expressions have
    // their own statistics target.
    let sql = format!(
        "SELECT t.oid, i.indrelid, t.relname, am.amname, i.indisunique,
                i.indexprs IS NULL AND i.indpred IS NULL AND t.reloptions IS NULL
                AND pg_catalog.current_setting('quote_all_identifiers') = 'off' AS plain,
                i.indclass::pg_catalog.oid[], i.indcollation::pg_catalog.oid[], i.indoption::pg_catalog.int2[],
                i.indkey::pg_catalog.int2[], i.indnkeyatts, i.indisclustered, i.indisreplident,
                {nulls} AS indnullsnotdistinct, inh.inhparent, ts.spcname, t.reloptions,
                c.oid AS conoid, c.contype, c.conname, c.condeferrable, c.condeferred, {period} AS conperiod,
                CASE WHEN c.contype = 'x' THEN {constraint_definition} END AS constraint_definition,
                CASE WHEN i.indexprs IS NOT NULL THEN (SELECT pg_catalog.array_agg(attnum ORDER BY attnum) {targets})
                 END AS statistics_columns,
                CASE WHEN i.indexprs IS NOT NULL THEN (SELECT pg_catalog.array_agg(attstattarget ORDER BY attnum) {targets})
                 END AS statistics_targets
           FROM pg_catalog.pg_index i
           JOIN pg_catalog.pg_class t ON t.oid = i.indexrelid
           JOIN pg_catalog.pg_am am ON am.oid = t.relam
           LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = t.reltablespace
           LEFT JOIN pg_catalog.pg_constraint c
             ON c.conrelid = i.indrelid AND c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
           LEFT JOIN pg_catalog.pg_inherits inh ON inh.inhrelid = i.indexrelid
          WHERE i.indrelid = ANY ($1) AND (i.indisvalid OR t.relkind = 'I') AND i.indisready"
    );
    r.start_decoding("pg_index", &sql, tables, found)
}

/// The objects to which the index and the constraint belong are filled in later.
fn found(row: CatalogRow) -> Result<Found> {
    let conoid = row.oid("conoid")?;
    let constraint = (conoid != 0).then(|| -> Result<_> {
        let constraint = Constraint {
            owner: ConstraintOwner::Table(DumpId::default()),
            contype: row.char("contype")?,
            definition: row.opt_text("constraint_definition")?,
            confrelid: 0,
            foreign_key: None,
            index: None,
            condeferrable: row.bool("condeferrable")?,
            condeferred: row.bool("condeferred")?,
            conperiod: row.bool("conperiod")?,
            conislocal: true,
            separate: true,
        };
        Ok((conoid, row.text("conname")?, constraint))
    });
    let targets = row.ints("statistics_columns")?.into_iter().zip(row.ints("statistics_targets")?);
    let index = Index {
        table: DumpId::default(),
        amname: row.text("amname")?,
        indisunique: row.bool("indisunique")?,
        definition: None,
        indoption: row.ints("indoption")?,
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
        statistics: targets.collect(),
        depends_on_extensions: Vec::new(),
    };
    Ok(Found {
        oid: row.oid("oid")?,
        indrelid: row.oid("indrelid")?,
        relname: row.text("relname")?,
        plain: row.bool("plain")?,
        indclass: row.oids("indclass")?,
        indcollation: row.oids("indcollation")?,
        index: Box::new(index),
        constraint: constraint.transpose()?,
    })
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, indexes: Started<Found>) -> Result<()> {
    let mut indexes = indexes.rows().await?;
    indexes.sort_by(|a, b| a.indrelid.cmp(&b.indrelid).then_with(|| text::compare(&a.relname, &b.relname)));
    let mut to_deparse = Vec::new();
    for mut found in indexes {
        let Some(table) = catalog.find(class::PG_CLASS, found.indrelid) else { continue };
        found.index.table = table;
        let (namespace, dump) = (catalog.object(table).namespace, catalog.object(table).dump);
        let printed = r.prints_post_data() && dump.contains(Components::DEFINITION);
        if printed && found.constraint.is_none() && !(found.plain && has_defaults_only(catalog, &found)) {
            to_deparse.push(found.oid);
        }
        let id = catalog.add(
            CatalogId { classoid: class::PG_CLASS, oid: found.oid },
            found.relname,
            namespace,
            ObjectKind::Index(found.index),
        );
        catalog.object_mut(id).dump = dump;
        if let Some(relation) = catalog.relation_mut(table) {
            relation.indexes.push(id);
        }
        let Some((oid, conname, constraint)) = found.constraint else { continue };
        let constraint = Constraint { owner: ConstraintOwner::Table(table), index: Some(id), ..constraint };
        let constraint = catalog.add(
            CatalogId { classoid: class::PG_CONSTRAINT, oid },
            conname,
            namespace,
            ObjectKind::Constraint(constraint),
        );
        catalog.object_mut(constraint).dump = dump;
        if let Some(index) = catalog.index_mut(id) {
            index.constraint = Some(constraint);
        }
    }
    deparse(r, catalog, to_deparse).await
}

/// Whether each key column has the default operator class and collation. `false` is always safe: then the
/// server deparses the index.
fn has_defaults_only(catalog: &Catalog, found: &Found) -> bool {
    let Some(table) = catalog.relation(found.index.table) else { return false };
    let classes = found.indclass.iter().zip(&found.indcollation);
    found.index.indkey.iter().zip(classes).all(|(&attnum, (&opclass, &collation))| {
        table.attribute(attnum).is_some_and(|attribute| {
            is_default_opclass(catalog, opclass, attribute.atttypid) && collation == attribute.attcollation
        })
    })
}

/// Whether this is the default operator class for the type. Only true for the server's built-in classes for
/// B-tree and hash, none of which takes parameters.
fn is_default_opclass(catalog: &Catalog, opclass: Oid, atttypid: Oid) -> bool {
    let Some(id) = catalog.find(class::PG_OPCLASS, opclass) else { return false };
    let ObjectKind::Opclass(it) = &catalog.object(id).kind else { return false };
    // varchar has no operator class, and text is the preferred type to which it can be coerced.
    let input_type = if atttypid == typoid::VARCHAR { typoid::TEXT } else { atttypid };
    it.opcdefault
        && it.opcintype == input_type
        && matches!(it.amname.as_str(), "btree" | "hash")
        && catalog.namespace_name(id) == Some("pg_catalog")
}

/// Has the server deparse the other indexes.
async fn deparse(r: &Reader<'_>, catalog: &mut Catalog, indexes: Vec<Oid>) -> Result<()> {
    let sql = "SELECT oid, pg_catalog.pg_get_indexdef(oid) AS definition
                 FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid";
    for row in r.query_oids("index definitions", sql, indexes).await? {
        let id = catalog.find(class::PG_CLASS, row.oid("oid")?);
        if let Some(index) = id.and_then(|id| catalog.index_mut(id)) {
            index.definition = Some(row.opt_text("definition")?.unwrap_or_default());
        }
    }
    Ok(())
}

//! `pg_sequence`: the parameters of sequences, and their values.

use postgres_types::Type;

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, Oid, RelKind, class};
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_sequence
pub(crate) struct Sequence {
    pub data_type: String,
    pub seqstart: i64,
    pub seqincrement: i64,
    pub seqmax: i64,
    pub seqmin: i64,
    pub seqcache: i64,
    pub seqcycle: bool,
    /// The value, if it is to be dumped.
    pub value: Option<SequenceValue>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct SequenceValue {
    pub last_value: i64,
    pub is_called: bool,
}

impl Sequence {
    /// The smallest and largest value of the type, in this direction, which are the parameters' defaults.
    pub(crate) fn default_bounds(&self) -> (i64, i64) {
        let (smallest, largest) = match self.data_type.as_str() {
            "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
            "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        if self.seqincrement < 0 { (smallest, -1) } else { (1, largest) }
    }
}

pub(super) fn start(r: &Reader<'_>, catalog: &Catalog) -> StartedQuery {
    // For an extension's configuration sequence, possibly only the value is dumped.
    let sequences = catalog.relation_oids(|object, rel| {
        rel.relkind == RelKind::Sequence && (!object.dump.is_empty() || rel.data.is_some())
    });
    let sql = "SELECT seqrelid AS oid, pg_catalog.format_type(seqtypid, NULL) AS data_type,
                      seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
                 FROM pg_catalog.pg_sequence WHERE seqrelid = ANY ($1)";
    // Not shared: it would be finished here before a helper could start.
    r.start_with("pg_sequence", sql, vec![(Box::new(sequences), Type::OID_ARRAY)])
}

pub(super) async fn read(catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let sequence = Sequence {
            data_type: row.text("data_type")?,
            seqstart: row.int("seqstart")?,
            seqincrement: row.int("seqincrement")?,
            seqmax: row.int("seqmax")?,
            seqmin: row.int("seqmin")?,
            seqcache: row.int("seqcache")?,
            seqcycle: row.bool("seqcycle")?,
            value: None,
        };
        if let Some(relation) = catalog.relation_by_oid_mut(row.oid("oid")?) {
            relation.sequence = Some(sequence);
        }
    }
    Ok(())
}

/// How many sequences are read in one query: the number of round trips must not grow with each sequence, and
/// the size of a query must be limited.
const SEQUENCES_PER_QUERY: usize = 500;

/// Starts to read the values of the sequences that have a data object.
pub(super) fn start_values(r: &Reader<'_>, catalog: &Catalog) -> Vec<StartedQuery> {
    let with_value = || {
        catalog.relations.iter().copied().filter(|&id| {
            let relation = catalog.relation(id);
            relation.is_some_and(|rel| rel.relkind == RelKind::Sequence && rel.data.is_some())
        })
    };
    let what = "sequence values";
    if r.major >= 18 {
        let oids = with_value().map(|id| catalog.object(id).catalog_id.oid).collect();
        let sql = "SELECT s.oid, v.last_value, v.is_called
                     FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS s (oid), pg_catalog.pg_get_sequence_data(s.oid) AS v";
        return vec![r.start_oids(what, sql, oids)];
    }
    // Sequences can't be locked; `restrict_nonsystem_relation_kind` prevents a view that replaced a sequence of
    // that name from running code here.
    let selects: Vec<String> = with_value()
        .map(|id| {
            let object = catalog.object(id);
            let name = r.quoter.qualified(catalog.namespace_name(id), &object.name);
            format!(
                "SELECT {}::pg_catalog.oid AS oid, last_value, is_called FROM {name}",
                object.catalog_id.oid
            )
        })
        .collect();
    selects.chunks(SEQUENCES_PER_QUERY).map(|chunk| r.start(what, &chunk.join(" UNION ALL "))).collect()
}

pub(super) async fn read_values(catalog: &mut Catalog, queries: Vec<StartedQuery>) -> Result<()> {
    for query in queries {
        for row in query.rows().await? {
            let (oid, last_value) = (row.oid("oid")?, row.opt_int("last_value")?);
            let Some(last_value) = last_value else { return Err(no_value(catalog, oid)) };
            let value = SequenceValue { last_value, is_called: row.bool("is_called")? };
            let relation = catalog.relation_by_oid_mut(oid);
            if let Some(sequence) = relation.and_then(|relation| relation.sequence.as_mut()) {
                sequence.value = Some(value);
            }
        }
    }
    Ok(())
}

/// The function that reads values says nothing about sequences that it cannot read.
fn no_value(catalog: &Catalog, oid: Oid) -> Error {
    let name = catalog.find(class::PG_CLASS, oid).map_or("", |id| catalog.object(id).name.as_str());
    Error::new(ErrorKind::SourceFailed, format!("read the value of sequence {name}"))
        .because("it was dropped, or is unlogged on a standby, or the role lacks the privilege SELECT")
}

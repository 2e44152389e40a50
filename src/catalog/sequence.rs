//! `pg_sequence`: the parameters of sequences, and their values.

use postgres_types::Type;

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, RelKind};
use crate::error::Result;

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

/// Reads the values of the sequences that have a data object.
pub(super) async fn read_values(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let with_value: Vec<_> = catalog
        .relations
        .iter()
        .copied()
        .filter(|&id| {
            let relation = catalog.relation(id);
            relation.is_some_and(|rel| rel.relkind == RelKind::Sequence && rel.data.is_some())
        })
        .collect();
    for chunk in with_value.chunks(SEQUENCES_PER_QUERY) {
        // Sequences can't be locked; `restrict_nonsystem_relation_kind` prevents a view that replaced a
        // sequence of that name from running code here.
        let selects: Vec<String> = chunk
            .iter()
            .map(|&id| {
                let object = catalog.object(id);
                let name = r.quoter.qualified(catalog.namespace_name(id), &object.name);
                format!(
                    "SELECT {}::pg_catalog.oid AS oid, last_value, is_called FROM {name}",
                    object.catalog_id.oid
                )
            })
            .collect();
        for row in r.query("sequence values", &selects.join(" UNION ALL ")).await? {
            let value =
                SequenceValue { last_value: row.int("last_value")?, is_called: row.bool("is_called")? };
            if let Some(sequence) =
                catalog.relation_by_oid_mut(row.oid("oid")?).and_then(|rel| rel.sequence.as_mut())
            {
                sequence.value = Some(value);
            }
        }
    }
    Ok(())
}

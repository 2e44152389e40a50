//! `pg_class` and `pg_stats`: what ANALYZE collected about relations and their columns. Version 18 has
//! functions to restore it
//! (<https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD>).

use super::reader::Reader;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, Oid, RelKind, class};
use crate::error::{Error, ErrorKind, Result};

/// The first version that can restore statistics.
const FIRST_MAJOR: u32 = 18;

/// An argument of a function that restores statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatisticsArgument {
    pub name: &'static str,
    /// The type to which it is cast.
    pub of_type: &'static str,
    /// The value, as text.
    pub value: String,
}

/// The arguments of `pg_restore_attribute_stats`, which are columns of `pg_stats`, with their types.
const ATTRIBUTE_ARGUMENTS: [(&str, &str); 14] = [
    ("inherited", "boolean"),
    ("null_frac", "real"),
    ("avg_width", "integer"),
    ("n_distinct", "real"),
    ("most_common_vals", "text"),
    ("most_common_freqs", "real[]"),
    ("histogram_bounds", "text"),
    ("correlation", "real"),
    ("most_common_elems", "text"),
    ("most_common_elem_freqs", "real[]"),
    ("elem_count_histogram", "real[]"),
    ("range_length_histogram", "text"),
    ("range_empty_frac", "real"),
    ("range_bounds_histogram", "text"),
];

#[derive(Debug)]
pub(crate) struct RelationStatistics {
    /// Whether they come after the rows, as for indexes and for materialised views that are refreshed.
    pub post_data: bool,
    /// The estimated number of pages.
    pub relpages: i64,
    /// The estimated number of rows, as printed by the server.
    pub reltuples: String,
    /// The number of pages that are all-visible.
    pub relallvisible: i64,
    /// The number of pages that are all-frozen.
    pub relallfrozen: i64,
    pub attributes: Vec<AttributeStatistics>,
}

#[derive(Debug)]
pub(crate) struct AttributeStatistics {
    pub attname: String,
    /// The column's number, for an index with expressions, whose column names are made up.
    pub attnum: Option<i64>,
    /// Name, type and value of each argument that is not null.
    pub arguments: Vec<StatisticsArgument>,
}

/// Reads the statistics of all selected relations and their indexes.
pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    if r.major < FIRST_MAJOR {
        return Err(Error::new(ErrorKind::SourceFailed, "dump statistics")
            .because(format!("the server's version is {}, which cannot restore them", r.major))
            .hint(format!("--statistics requires version {FIRST_MAJOR} or later")));
    }
    let mut relations = Vec::new();
    for &id in &catalog.relations {
        let Some(relation) = catalog.relation(id) else { continue };
        if has_statistics(relation.relkind)
            && catalog.object(id).dump.intersects(Components::DEFINITION | Components::DATA)
        {
            relations.push(id);
        }
        relations.extend(relation.indexes.iter());
    }
    let oids: Vec<Oid> = relations.iter().map(|&id| catalog.object(id).catalog_id.oid).collect();
    let sql = "SELECT oid, relpages, reltuples::pg_catalog.text, relallvisible, relallfrozen
                 FROM pg_catalog.pg_class WHERE oid = ANY ($1) ORDER BY oid";
    for row in r.query_oids("pg_class", sql, oids.clone()).await? {
        let Some(relation) = catalog.find(class::PG_CLASS, row.oid("oid")?) else { continue };
        let statistics = RelationStatistics {
            post_data: catalog.index(relation).is_some(),
            relpages: row.int("relpages")?,
            reltuples: row.text("reltuples")?,
            relallvisible: row.int("relallvisible")?,
            relallfrozen: row.int("relallfrozen")?,
            attributes: Vec::new(),
        };
        add(catalog, relation, statistics);
    }
    read_attributes(r, catalog, oids).await
}

fn has_statistics(relkind: RelKind) -> bool {
    matches!(relkind, RelKind::Table | RelKind::PartitionedTable | RelKind::MatView | RelKind::ForeignTable)
}

fn add(catalog: &mut Catalog, relation: DumpId, statistics: RelationStatistics) {
    let object = catalog.object(relation);
    let (name, namespace) = (object.name.clone(), object.namespace);
    let constraint = catalog.index(relation).and_then(|index| index.constraint);
    let kind = ObjectKind::RelationStatistics(Box::new(statistics));
    let id = catalog.add(CatalogId::default(), name, namespace, kind);
    catalog.object_mut(id).components = Components::STATISTICS;
    catalog.add_dependency(id, relation);
    if let Some(constraint) = constraint {
        catalog.add_dependency(id, constraint);
    }
    catalog.statistics.insert(relation, id);
}

/// Places the statistics of a materialised view after its refresh.
pub(super) fn follow_refresh(catalog: &mut Catalog, relation: DumpId, data: DumpId) {
    let Some(&statistics) = catalog.statistics.get(&relation) else { return };
    if matches!(catalog.object(data).kind, ObjectKind::RefreshMatView(_))
        && let Some(it) = catalog.relation_statistics_mut(statistics)
    {
        it.post_data = true;
        catalog.add_dependency(statistics, data);
    }
}

async fn read_attributes(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    let values: String =
        ATTRIBUTE_ARGUMENTS.iter().map(|(name, _)| format!(", s.{name}::pg_catalog.text")).collect();
    let of_relation = match r.major {
        ..19 => "s.schemaname = n.nspname AND s.tablename = c.relname",
        19.. => "s.tableid = c.oid",
    };
    let sql = format!(
        "SELECT c.oid, s.attname, a.attnum{values}
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_stats s ON {of_relation}
           LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid AND i.indexprs IS NOT NULL
           LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid AND a.attname = s.attname
          WHERE c.oid = ANY ($1)
          ORDER BY c.oid, s.attname, s.inherited"
    );
    for row in r.query_oids("pg_stats", &sql, oids).await? {
        let mut arguments = Vec::new();
        for (name, of_type) in ATTRIBUTE_ARGUMENTS {
            let value = row.opt_text(name)?;
            let value = value.map(|v| if of_type == "boolean" { v[..1].to_owned() } else { v });
            arguments.extend(value.map(|value| StatisticsArgument { name, of_type, value }));
        }
        let attribute =
            AttributeStatistics { attname: row.text("attname")?, attnum: row.opt_int("attnum")?, arguments };
        let relation = catalog.find(class::PG_CLASS, row.oid("oid")?);
        let statistics = relation.and_then(|id| catalog.statistics.get(&id).copied());
        if let Some(it) = statistics.and_then(|id| catalog.relation_statistics_mut(id)) {
            it.attributes.push(attribute);
        }
    }
    Ok(())
}

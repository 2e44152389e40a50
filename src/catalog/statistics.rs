//! `pg_statistic_ext`: extended statistics, and the data that ANALYZE collected for them, which version 19
//! can restore (`pg_restore_extended_stats`).

use postgres_types::Type;

use super::reader::{Reader, only_if};
use super::relation_statistics::StatisticsArgument;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, Oid, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct ExtendedStatistics {
    pub owner: String,
    /// As deparsed by the server.
    pub definition: String,
    /// Statistics target, if set.
    pub target: Option<i64>,
    pub relation: Option<DumpId>,
    /// The data that ANALYZE collected: for the relation alone, and with its children.
    pub data: Vec<ExtendedStatisticsData>,
}

/// The arguments of one call of `pg_restore_extended_stats`: name, type and value of each argument that is
/// not null.
pub(crate) type ExtendedStatisticsData = Vec<StatisticsArgument>;

/// The first version that can restore the data.
const FIRST_MAJOR: u32 = 19;

/// The arguments of `pg_restore_extended_stats` with their types. All except the last are columns of
/// `pg_stats_ext`.
const ARGUMENTS: [(&str, &str); 7] = [
    ("inherited", "boolean"),
    ("n_distinct", "pg_ndistinct"),
    ("dependencies", "pg_dependencies"),
    ("most_common_vals", "text[]"),
    ("most_common_freqs", "double precision[]"),
    ("most_common_base_freqs", "double precision[]"),
    ("exprs", "jsonb"),
];

/// The columns of `pg_stats_ext_exprs` that go into `exprs`.
const EXPRESSION_COLUMNS: [&str; 13] = [
    "null_frac",
    "avg_width",
    "n_distinct",
    "most_common_vals",
    "most_common_freqs",
    "histogram_bounds",
    "correlation",
    "most_common_elems",
    "most_common_elem_freqs",
    "elem_count_histogram",
    "range_length_histogram",
    "range_empty_frac",
    "range_bounds_histogram",
];

pub(super) fn start(r: &Reader<'_>, catalog: &Catalog) -> StartedQuery {
    let target = match r.major {
        ..13 => "NULL::int4",
        13..17 => "NULLIF(stxstattarget, -1)",
        17.. => "stxstattarget",
    };
    let tables = catalog.relation_oids(|object, _| object.dump.contains(Components::DEFINITION));
    let sql = format!(
        "SELECT oid, stxname, stxnamespace, stxowner, stxrelid, {target} AS target,
                {} AS definition
           FROM pg_catalog.pg_statistic_ext",
        only_if(
            r.prints_post_data(),
            "CASE WHEN stxrelid = ANY ($1) THEN pg_catalog.pg_get_statisticsobjdef(oid) END"
        )
    );
    r.start_with("pg_statistic_ext", &sql, vec![(Box::new(tables), Type::OID_ARRAY)])
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    let mut with_data = Vec::new();
    for row in rows.rows().await? {
        let table = catalog.find(class::PG_CLASS, row.oid("stxrelid")?);
        let statistics = ExtendedStatistics {
            owner: catalog.role(row.oid("stxowner")?),
            definition: row.opt_text("definition")?.unwrap_or_default(),
            target: row.opt_int("target")?,
            relation: table,
            data: Vec::new(),
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_STATISTIC_EXT, oid: row.oid("oid")? },
            row.text("stxname")?,
            catalog.namespace_by_oid(row.oid("stxnamespace")?),
            ObjectKind::ExtendedStatistics(statistics),
        );
        if crate::catalog::selection::member_of_extension(catalog, id) {
            continue;
        }
        // They are dumped with their table, whatever schema they are in.
        let without_table = table.is_none_or(|t| !catalog.object(t).dump.contains(Components::DEFINITION));
        if without_table {
            catalog.object_mut(id).dump = Components::empty();
        } else {
            r.selection.object(catalog, id);
            catalog.object_mut(id).components.set(Components::STATISTICS, r.options.statistics);
            with_data.push(catalog.object(id).catalog_id.oid);
        }
    }
    if r.options.statistics && r.major >= FIRST_MAJOR {
        read_data(r, catalog, with_data).await?;
    }
    Ok(())
}

async fn read_data(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    let columns: String = ARGUMENTS
        .iter()
        .filter(|(name, _)| *name != "exprs")
        .map(|(name, _)| format!(", e.{name}::pg_catalog.text"))
        .collect();
    let pairs: Vec<_> =
        EXPRESSION_COLUMNS.iter().map(|name| format!("'{name}', x.{name}::pg_catalog.text")).collect();
    // The view of expressions has no number to sort by, but returns them in their stored order.
    let sql = format!(
        "SELECT s.oid{columns},
                (SELECT pg_catalog.jsonb_pretty(pg_catalog.jsonb_agg(NULLIF(j.pairs, '{{}}'::pg_catalog.jsonb)))
                   FROM pg_catalog.pg_stats_ext_exprs x,
                        LATERAL pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object({})) j (pairs)
                  WHERE x.statistics_schemaname = n.nspname AND x.statistics_name = s.stxname
                    AND x.inherited = e.inherited) AS exprs
           FROM pg_catalog.pg_statistic_ext s
           JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
           JOIN pg_catalog.pg_stats_ext e ON e.statistics_schemaname = n.nspname AND e.statistics_name = s.stxname
          WHERE s.oid = ANY ($1)
          ORDER BY s.oid, e.inherited",
        pairs.join(", ")
    );
    for row in r.query_oids("pg_stats_ext", &sql, oids).await? {
        let mut arguments = Vec::new();
        for (name, of_type) in ARGUMENTS {
            let value = row.opt_text(name)?;
            let value = value.map(|v| if of_type == "boolean" { v[..1].to_owned() } else { v });
            arguments.extend(value.map(|value| StatisticsArgument { name, of_type, value }));
        }
        let id = catalog.find(class::PG_STATISTIC_EXT, row.oid("oid")?);
        if let Some(ObjectKind::ExtendedStatistics(it)) = id.map(|id| &mut catalog.object_mut(id).kind) {
            it.data.push(arguments);
        }
    }
    Ok(())
}

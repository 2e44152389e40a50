//! `pg_statistic_ext`: extended statistics.

use postgres_types::Type;

use super::read::{Reader, only_if};
use super::{Catalog, CatalogId, Components, Kind, class, namespace, relation};
use crate::error::Result;

/// An extended statistics object.
#[derive(Debug)]
pub struct ExtendedStatistics {
    /// The owner's name.
    pub owner: String,
    /// As the server deparses it.
    pub definition: String,
    /// Statistics target, if set.
    pub target: Option<i64>,
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let target = match r.major {
        ..13 => "NULL::int4",
        13..17 => "NULLIF(stxstattarget, -1)",
        17.. => "stxstattarget",
    };
    let tables = relation::oids(catalog, |object, _| object.dump.contains(Components::DEFINITION));
    let sql = format!(
        "SELECT oid, stxname, stxnamespace, stxowner, stxrelid, {target} AS target,
                {} AS definition
           FROM pg_catalog.pg_statistic_ext",
        only_if(
            r.prints_post_data(),
            "CASE WHEN stxrelid = ANY ($1) THEN pg_catalog.pg_get_statisticsobjdef(oid) END"
        )
    );
    for row in r.query_params("pg_statistic_ext", &sql, &[(&tables, Type::OID_ARRAY)]).await? {
        let statistics = ExtendedStatistics {
            owner: catalog.role(row.oid("stxowner")?),
            definition: row.opt_text("definition")?.unwrap_or_default(),
            target: row.opt_int("target")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_STATISTIC_EXT, oid: row.oid("oid")? },
            row.text("stxname")?,
            namespace::find(catalog, row.oid("stxnamespace")?),
            Kind::ExtendedStatistics(statistics),
        );
        if super::select::member_of_extension(catalog, id) {
            continue;
        }
        // They go with their table, whatever schema they are in.
        let table = catalog.find(class::PG_CLASS, row.oid("stxrelid")?);
        let without_table = table.is_none_or(|t| !catalog.object(t).dump.contains(Components::DEFINITION));
        if without_table {
            catalog.object_mut(id).dump = Components::empty();
        } else {
            r.selection.object(catalog, id);
        }
    }
    Ok(())
}

//! How large the tables are whose rows are dumped.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Client;

use super::row::{CatalogRow, query};
use super::{Catalog, Oid};
use crate::error::Result;

/// A table's size, or an estimate if it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RelationSize {
    /// How many blocks it has, without its TOAST table.
    pub blocks: u32,
    /// The bytes of the table and of its TOAST table.
    pub bytes: u64,
    /// Whether the rows in a range of its blocks can be read, in the same order and with the same text as by a COPY
    /// of the whole table.
    pub has_block_ranges: bool,
}

/// The sizes of tables, by OID.
#[derive(Debug, Default)]
pub(crate) struct RelationSizes(HashMap<Oid, RelationSize>);

impl RelationSizes {
    pub(crate) fn get(&self, oid: Oid) -> Option<&RelationSize> {
        self.0.get(&oid)
    }

    /// The bytes of all tables.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.0.values().map(|size| size.bytes).sum()
    }

    #[cfg(test)]
    pub(crate) fn of(sizes: impl IntoIterator<Item = (Oid, RelationSize)>) -> Self {
        RelationSizes(sizes.into_iter().collect())
    }
}

/// A table with fewer blocks when it was last vacuumed or analyzed, and fewer rows now, is small: at most a few MiB. The
/// same goes for its TOAST table, whose rows have up to 2 kB.
const SMALL_PAGES: i32 = 128;
const SMALL_ROWS: i64 = 1000;

/// The tables whose rows are dumped.
pub(crate) fn tables_with_data(catalog: &Catalog) -> Vec<Oid> {
    let tables = catalog.ids().filter_map(|id| catalog.table_data(id));
    tables.map(|data| catalog.object(data.table).catalog_id.oid).collect()
}

/// Asks for the sizes of these tables.
///
/// To ask for the size of a file, the server opens the table, which takes ten times as long as all else. So unless all
/// sizes must be `exact`, it is not asked for tables that are small according to the statistics.
///
/// Only tables of the heap access method have block ranges; row security may give another plan, and so another
/// order; and the condition on `ctid` takes the privilege for the whole table.
pub(crate) async fn read_sizes(
    client: Arc<Client>,
    version_num: i32,
    tables: Vec<Oid>,
    exact: bool,
) -> Result<RelationSizes> {
    if tables.is_empty() {
        return Ok(RelationSizes::default());
    }
    let has_tid_range_scans = if version_num >= 140_000 { "true" } else { "false" };
    // Statistics that were lost, as after a crash, show no rows that were inserted.
    let sql = format!(
        "SELECT c.oid,
                CASE WHEN s.is_small THEN (c.relpages + 1) * b.block_size
                     ELSE coalesce(pg_catalog.pg_relation_size(c.oid), 0) END AS bytes,
                CASE WHEN x.oid IS NULL THEN 0
                     WHEN s.is_small THEN x.relpages * b.block_size
                     ELSE coalesce(pg_catalog.pg_relation_size(x.oid), 0) END AS toast_bytes,
                b.block_size,
                {has_tid_range_scans}
                AND c.relkind = 'r'
                AND coalesce(a.amhandler = 'pg_catalog.heap_tableam_handler'::pg_catalog.regproc, false)
                AND NOT (c.relrowsecurity AND pg_catalog.row_security_active(c.oid))
                AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS has_block_ranges
           FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS t (oid)
           JOIN pg_catalog.pg_class c ON c.oid = t.oid
           LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
           LEFT JOIN pg_catalog.pg_class x ON x.oid = c.reltoastrelid
          CROSS JOIN LATERAL (SELECT NOT {exact}
                                     AND c.relpages < {SMALL_PAGES} AND coalesce(x.relpages, 0) < {SMALL_PAGES}
                                     AND pg_catalog.pg_stat_get_tuples_inserted(c.oid) > 0
                                     AND pg_catalog.pg_stat_get_live_tuples(c.oid) < {SMALL_ROWS}
                                     AND (x.oid IS NULL
                                          OR pg_catalog.pg_stat_get_live_tuples(x.oid) < {SMALL_ROWS})
                             ) AS s (is_small)
          CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::pg_catalog.int8) AS b (block_size)"
    );
    let what = "the sizes of the tables";
    let types = [(&tables as &(dyn postgres_types::ToSql + Sync), postgres_types::Type::OID_ARRAY)];
    let found = query(&client, what, &sql, &types).await?;
    let mut sizes = HashMap::with_capacity(found.len());
    for row in found {
        let (bytes, toast_bytes) = (unsigned(&row, "bytes")?, unsigned(&row, "toast_bytes")?);
        let blocks = bytes / unsigned(&row, "block_size")?.max(1);
        let size = RelationSize {
            blocks: u32::try_from(blocks).unwrap_or(u32::MAX),
            bytes: bytes + toast_bytes,
            has_block_ranges: row.bool("has_block_ranges")?,
        };
        sizes.insert(row.oid("oid")?, size);
    }
    Ok(RelationSizes(sizes))
}

fn unsigned(row: &CatalogRow, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.int(column)?).unwrap_or(0))
}

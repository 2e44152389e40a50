//! Rows of a catalog query, read by column name, without assuming an encoding.

use std::cell::Cell;
use std::error::Error as StdError;
use std::sync::Arc;

use postgres_types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Row};

use super::{CatalogId, Oid};
use crate::error::Result;
use crate::pg::error::source_failed;
use crate::pg::text::EncodedText;

/// Runs one of our catalog queries; `what` names it in errors ("read pg_index"). Each parameter has its type,
/// which saves asking the server for it.
pub(super) async fn query(
    client: &Client,
    what: &str,
    sql: &str,
    params: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<CatalogRow>> {
    let answer = client.query_typed(sql, params).await;
    Ok(rows(what, answer.map_err(|e| source_failed(format!("read {what}"), e))?))
}

/// Makes the rows of a result accessible by column name.
fn rows(what: &str, rows: Vec<Row>) -> Vec<CatalogRow> {
    let Some(first) = rows.first() else { return Vec::new() };
    let columns = Columns::of(what, first);
    rows.into_iter().map(|row| CatalogRow::new(row, Arc::clone(&columns))).collect()
}

/// What the rows of a result share.
pub(super) struct Columns {
    what: String,
    names: Vec<String>,
}

impl Columns {
    /// The columns of a result, from one of its rows; `what` names the query in errors.
    pub(super) fn of(what: &str, row: &Row) -> Arc<Columns> {
        let names = row.columns().iter().map(|column| column.name().to_owned()).collect();
        Arc::new(Columns { what: what.to_owned(), names })
    }

    /// The position of a column, looked for from `start` on: columns are read in almost the same order as they
    /// were queried, for thousands of rows.
    fn position(&self, column: &str, start: usize) -> Option<usize> {
        let (before, after) = self.names.split_at(start.min(self.names.len()));
        let after = after.iter().position(|name| name == column).map(|i| before.len() + i);
        after.or_else(|| before.iter().position(|name| name == column))
    }
}

pub(super) struct CatalogRow {
    row: Row,
    columns: Arc<Columns>,
    /// The position after the column that was read last.
    next: Cell<usize>,
}

impl CatalogRow {
    pub(super) fn new(row: Row, columns: Arc<Columns>) -> Self {
        CatalogRow { row, columns, next: Cell::new(0) }
    }

    fn get<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T> {
        let index = self.columns.position(column, self.next.get()).unwrap_or(usize::MAX);
        self.next.set(index.saturating_add(1));
        self.row
            .try_get(index)
            .map_err(|e| source_failed(format!("read {} column {column}", self.columns.what), e))
    }

    pub(super) fn text(&self, column: &str) -> Result<String> {
        Ok(self.get::<EncodedText>(column)?.0)
    }

    pub(super) fn opt_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.get::<Option<EncodedText>>(column)?.map(|t| t.0))
    }

    /// A text; `None` if it is empty.
    pub(super) fn nonempty(&self, column: &str) -> Result<Option<String>> {
        Ok(self.opt_text(column)?.filter(|t| !t.is_empty()))
    }

    pub(super) fn texts(&self, column: &str) -> Result<Vec<String>> {
        Ok(self.opt_texts(column)?.unwrap_or_default())
    }

    pub(super) fn opt_texts(&self, column: &str) -> Result<Option<Vec<String>>> {
        Ok(self.get::<Option<Vec<EncodedText>>>(column)?.map(|ts| ts.into_iter().map(|t| t.0).collect()))
    }

    pub(super) fn oid(&self, column: &str) -> Result<Oid> {
        Ok(self.get::<Option<Oid>>(column)?.unwrap_or(0))
    }

    pub(super) fn oids(&self, column: &str) -> Result<Vec<Oid>> {
        Ok(self.get::<Option<Vec<Oid>>>(column)?.unwrap_or_default())
    }

    /// An array of objects, each as `classoid << 32 | oid`.
    pub(super) fn packed_ids(&self, column: &str) -> Result<Vec<CatalogId>> {
        let packed = self.get::<Option<Vec<i64>>>(column)?.unwrap_or_default();
        let unpack = |it: i64| CatalogId { classoid: (it >> 32) as Oid, oid: it as Oid };
        Ok(packed.into_iter().map(unpack).collect())
    }

    pub(super) fn bool(&self, column: &str) -> Result<bool> {
        Ok(self.get::<Option<bool>>(column)?.unwrap_or(false))
    }

    pub(super) fn int(&self, column: &str) -> Result<i64> {
        Ok(self.opt_int(column)?.unwrap_or(0))
    }

    pub(super) fn opt_int(&self, column: &str) -> Result<Option<i64>> {
        Ok(self.get::<Option<Int>>(column)?.map(|i| i.0))
    }

    pub(super) fn ints(&self, column: &str) -> Result<Vec<i64>> {
        Ok(self.get::<Option<Vec<Int>>>(column)?.unwrap_or_default().into_iter().map(|i| i.0).collect())
    }

    /// A `"char"`; NUL for NULL and for an empty value.
    pub(super) fn char(&self, column: &str) -> Result<char> {
        Ok(self.get::<Option<i8>>(column)?.map_or('\0', |c| char::from(c as u8)))
    }
}

/// Any of the integer types.
struct Int(i64);

impl<'a> FromSql<'a> for Int {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Int(match *ty {
            Type::INT2 => i16::from_sql(ty, raw)?.into(),
            Type::INT4 => i32::from_sql(ty, raw)?.into(),
            _ => i64::from_sql(ty, raw)?,
        }))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8)
    }
}

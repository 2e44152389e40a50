//! Queries whose results are awaited later, so that the server works in parallel with us, and does not wait for
//! the network between two queries.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use postgres_types::{ToSql, Type};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_util::task::AbortOnDropHandle;

use super::row::{CatalogRow, Columns};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::error::{PgFailure, pg_failure, source_failed, sqlstate};

/// A query's parameter, with its type, which saves asking the server for it.
pub(super) type Param = (Box<dyn ToSql + Sync + Send>, Type);

/// What a row becomes as soon as it arrives.
pub(super) type Decode<T> = fn(CatalogRow) -> Result<T>;

/// A running query, possibly in several sessions. Dropping it discards the result.
///
/// Each row is converted to a `T` as it arrives, on any thread: the rows themselves take several times as much
/// memory.
pub(super) struct Started<T> {
    what: String,
    decode: Decode<T>,
    first_failure: FirstFailure,
    parts: Vec<AbortOnDropHandle<Result<Vec<T>>>>,
}

/// A running query whose rows are read later.
pub(super) type StartedQuery = Started<CatalogRow>;

impl StartedQuery {
    /// A query that is never sent and returns no rows.
    pub(super) fn none(what: &str) -> Self {
        Started::decoding(what, Ok, &FirstFailure::default())
    }
}

impl<T: Send + 'static> Started<T> {
    /// A query that is not sent yet.
    pub(super) fn decoding(what: &str, decode: Decode<T>, first_failure: &FirstFailure) -> Self {
        let first_failure = first_failure.clone();
        Started { what: what.to_owned(), decode, first_failure, parts: Vec::new() }
    }

    /// Sends the query in one more session. Its rows follow those of the earlier sessions.
    pub(super) fn and_ask(mut self, client: &Arc<Client>, sql: &str, params: Vec<Param>) -> Self {
        let (client, what, decode) = (Arc::clone(client), self.what.clone(), self.decode);
        let (sql, first_failure) = (sql.to_owned(), self.first_failure.clone());
        let part = async move {
            let failed = |e| {
                let error = source_failed(format!("read {what}"), e);
                first_failure.note(&error);
                error
            };
            let mut rows = pin!(client.query_typed_raw(&sql, params).await.map_err(failed)?);
            let mut columns = None;
            let mut decoded = Vec::new();
            while let Some(row) = rows.try_next().await.map_err(failed)? {
                let columns = columns.get_or_insert_with(|| Columns::of(&what, &row));
                decoded.push(decode(CatalogRow::new(row, Arc::clone(columns)))?);
            }
            Ok(decoded)
        };
        self.parts.push(AbortOnDropHandle::new(tokio::spawn(part)));
        self
    }

    /// Waits for the result.
    pub(super) async fn rows(self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for part in self.parts {
            let failed = |e| Error::new(ErrorKind::Other, format!("read {}", self.what)).because(e);
            let mut part = match part.await.map_err(failed)? {
                Ok(part) => part,
                Err(error) => return Err(self.first_failure.behind(error).await),
            };
            if all.is_empty() {
                all = part;
            } else {
                all.append(&mut part);
            }
        }
        Ok(all)
    }
}

/// The first query of a transaction that failed. The server refuses all others after it, and one of these may
/// be awaited before it.
#[derive(Clone, Default)]
pub(super) struct FirstFailure(watch::Sender<Option<(String, PgFailure)>>);

impl FirstFailure {
    /// The server has sent the first failure before it refuses other queries, so it only has to be handed over.
    const HANDED_OVER_WITHIN: Duration = Duration::from_secs(1);

    fn note(&self, error: &Error) {
        let failure = pg_failure(error).filter(|it| it.sqlstate != SqlState::IN_FAILED_SQL_TRANSACTION);
        let Some(failure) = failure else { return };
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert_with(|| (error.to_string(), failure.clone()));
            is_first
        });
    }

    /// The first failure, if `error` only says that there was one.
    pub(super) async fn behind(&self, error: Error) -> Error {
        if sqlstate(&error) != Some(&SqlState::IN_FAILED_SQL_TRANSACTION) {
            return error;
        }
        let mut first = self.0.subscribe();
        let Ok(Ok(first)) = timeout(Self::HANDED_OVER_WITHIN, first.wait_for(Option::is_some)).await else {
            return error;
        };
        let Some((attempted, failure)) = first.clone() else { return error };
        let hint = failure.hint.clone();
        let cause = Error::new(ErrorKind::SourceFailed, attempted).because(failure);
        match hint {
            Some(hint) => cause.hint(hint),
            None => cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(attempted: &str, sqlstate: SqlState) -> Error {
        let failure = PgFailure {
            sqlstate,
            severity: "ERROR".to_owned(),
            message: "no".to_owned(),
            detail: None,
            hint: Some("try later".to_owned()),
            context: None,
            schema: None,
            table: None,
        };
        Error::new(ErrorKind::SourceFailed, attempted).because(failure)
    }

    #[tokio::test]
    async fn a_refused_query_tells_of_the_one_that_failed() {
        let first = FirstFailure::default();
        let refused = failure("read pg_index", SqlState::IN_FAILED_SQL_TRANSACTION);
        first.note(&refused);
        let noted_later = async {
            tokio::task::yield_now().await;
            first.note(&failure("read pg_depend", SqlState::INSUFFICIENT_PRIVILEGE));
            first.note(&failure("read pg_proc", SqlState::UNDEFINED_TABLE));
        };
        let (cause, ()) = tokio::join!(first.behind(refused), noted_later);
        assert_eq!(cause.to_string(), "read pg_depend");
        assert_eq!(sqlstate(&cause), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
        let own = first.behind(failure("read pg_class", SqlState::UNDEFINED_COLUMN)).await;
        assert_eq!(own.to_string(), "read pg_class");
    }
}

//! Queries whose results are awaited later, so that the server works in parallel with us.

use std::sync::Arc;

use postgres_types::Type;
use tokio_postgres::{Client, Row};
use tokio_util::task::AbortOnDropHandle;

use super::Oid;
use super::row::{CatalogRow, rows};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::error::source_failed;

/// A running query, possibly in several sessions. Dropping it discards the result.
pub(super) struct StartedQuery {
    what: String,
    parts: Vec<AbortOnDropHandle<Result<Vec<Row>, tokio_postgres::Error>>>,
}

impl StartedQuery {
    /// A query that is never sent and returns no rows.
    pub(super) fn none(what: &str) -> Self {
        StartedQuery { what: what.to_owned(), parts: Vec::new() }
    }

    /// Sends the query in one more session, about the objects `oids` if given. Its rows follow those of the
    /// earlier sessions.
    pub(super) fn and_ask(mut self, client: &Arc<Client>, sql: &str, oids: Option<&[Oid]>) -> Self {
        let (client, sql, oids) = (Arc::clone(client), sql.to_owned(), oids.map(<[Oid]>::to_vec));
        self.parts.push(AbortOnDropHandle::new(tokio::spawn(async move {
            match oids {
                Some(oids) => client.query_typed(&sql, &[(&oids, Type::OID_ARRAY)]).await,
                None => client.query_typed(&sql, &[]).await,
            }
        })));
        self
    }

    /// Waits for the result.
    pub(super) async fn rows(self) -> Result<Vec<CatalogRow>> {
        let attempted = || format!("read {}", self.what);
        let mut all = Vec::new();
        for part in self.parts {
            let part = part.await.map_err(|e| Error::new(ErrorKind::Other, attempted()).because(e))?;
            let part = part.map_err(|e| source_failed(attempted(), e))?;
            all.extend(rows(&self.what, part));
        }
        Ok(all)
    }
}

//! What reading each kind of object needs: sessions, options and the selection.

use std::sync::Arc;

use postgres_types::{ToSql, Type};
use tokio_postgres::Client;

use super::Oid;
use super::row::{self, CatalogRow};
use super::selection::Selection;
use super::started_query::{Decode, FirstFailure, Param, Started, StartedQuery};
use crate::error::Result;
use crate::pg::connect::Session;
use crate::pg::quote::Quoter;
use crate::pg::server::Server;
use crate::progress::Warnings;
use crate::select::options::{DumpOptions, Sections};

pub(super) struct Reader<'a> {
    client: &'a Arc<Client>,
    /// More sessions in the same snapshot.
    helpers: &'a [Session],
    first_failure: FirstFailure,
    pub(super) options: &'a DumpOptions,
    pub(super) selection: &'a Selection,
    pub(super) quoter: &'a Quoter,
    pub(super) warnings: &'a Warnings,
    /// The major version, or the newest known one if that is lower: it decides which columns exist.
    pub(super) major: u32,
    /// The major version of pg_dump whose output we reproduce.
    pub(super) dialect: u32,
    pub(super) superuser: bool,
    /// Whether it was requested, or the server is a standby, where unlogged tables can't be read.
    pub(super) no_unlogged_table_data: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        client: &'a Arc<Client>,
        helpers: &'a [Session],
        server: &'a Server,
        options: &'a DumpOptions,
        selection: &'a Selection,
        quoter: &'a Quoter,
        warnings: &'a Warnings,
    ) -> Self {
        Reader {
            client,
            helpers,
            first_failure: FirstFailure::default(),
            options,
            selection,
            quoter,
            warnings,
            major: server.known_major(),
            dialect: server.dialect(),
            superuser: server.superuser,
            no_unlogged_table_data: options.no_unlogged_table_data || server.standby,
        }
    }

    /// Whether any definitions are printed. If not, their text is not queried: deparsing costs the server
    /// time, and fails for broken objects. The objects and their dependencies must still be known, as the
    /// order of the rows follows from them.
    pub(super) fn prints_definitions(&self) -> bool {
        self.options.prints_definitions()
    }

    /// Whether definitions are printed that always come after the rows.
    pub(super) fn prints_post_data(&self) -> bool {
        self.options.schema && self.options.sections.contains(Sections::POST_DATA)
    }

    pub(super) async fn query(&self, what: &str, sql: &str) -> Result<Vec<CatalogRow>> {
        self.query_params(what, sql, &[]).await
    }

    pub(super) async fn query_params(
        &self,
        what: &str,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<CatalogRow>> {
        match row::query(self.client, what, sql, params).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.first_failure.behind(error).await),
        }
    }

    /// Starts a query that takes long in large catalogs, in parallel with others: in a helper's session, if
    /// there is one.
    pub(super) fn start_aside<T: Send + 'static>(
        &self,
        what: &str,
        sql: &str,
        decode: Decode<T>,
    ) -> Started<T> {
        let client = self.helpers.first().map_or(self.client, |helper| &helper.client);
        Started::decoding(what, decode, &self.first_failure).and_ask(client, sql, Vec::new())
    }

    /// Starts a query, to be awaited later. The server works on such queries one after the other.
    pub(super) fn start(&self, what: &str, sql: &str) -> StartedQuery {
        self.start_with(what, sql, Vec::new())
    }

    /// The same, with parameters.
    pub(super) fn start_with(&self, what: &str, sql: &str, params: Vec<Param>) -> StartedQuery {
        Started::decoding(what, Ok, &self.first_failure).and_ask(self.client, sql, params)
    }

    /// Runs a query about the objects `oids`, its only parameter; does nothing if there are none.
    ///
    /// For many objects, all sessions share the work. The shares are concatenated in OID order, so a query
    /// with an ORDER BY must use that OID as its first key.
    pub(super) async fn query_oids(&self, what: &str, sql: &str, oids: Vec<Oid>) -> Result<Vec<CatalogRow>> {
        self.start_oids(what, sql, oids).rows().await
    }

    /// Starts the query of [`Reader::query_oids`], to be awaited later.
    pub(super) fn start_oids(&self, what: &str, sql: &str, oids: Vec<Oid>) -> StartedQuery {
        self.start_decoding(what, sql, oids, Ok)
    }

    /// The same, with rows that are converted as they arrive.
    pub(super) fn start_decoding<T: Send + 'static>(
        &self,
        what: &str,
        sql: &str,
        mut oids: Vec<Oid>,
        decode: Decode<T>,
    ) -> Started<T> {
        oids.sort_unstable();
        let sessions = if oids.len() < WORTH_SHARING { 1 } else { 1 + self.helpers.len() };
        let clients = std::iter::once(self.client).chain(self.helpers.iter().map(|helper| &helper.client));
        let shares = oids.chunks(oids.len().div_ceil(sessions).max(1));
        let started = Started::decoding(what, decode, &self.first_failure);
        shares.zip(clients).fold(started, |pending, (share, client)| {
            pending.and_ask(client, sql, vec![(Box::new(share.to_vec()), Type::OID_ARRAY)])
        })
    }
}

/// A query column that is only needed for definitions: `expression` if they are printed.
pub(super) fn only_if(printed: bool, expression: &str) -> &str {
    if printed { expression } else { "NULL::pg_catalog.text" }
}

/// The number of objects from which sharing a query pays off.
const WORTH_SHARING: usize = 1000;

/// SQL that formats an options array for printing between `OPTIONS (` and `)`.
pub(super) fn options_sql(column: &str) -> String {
    format!(
        "CASE WHEN {column} IS NULL THEN '' ELSE pg_catalog.array_to_string(ARRAY(
            SELECT pg_catalog.quote_ident(option_name) || ' ' || pg_catalog.quote_literal(option_value)
              FROM pg_catalog.pg_options_to_table({column}) ORDER BY option_name), E',\\n    ') END"
    )
}

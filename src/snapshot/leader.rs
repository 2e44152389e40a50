//! The session that holds the locks and the snapshot until the dump is done.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::{join, join_all, join4};
use tokio_postgres::error::SqlState;

use super::locks::lock;
use super::settings::{SessionOptions, SessionSetup, begin, find_out, run};
use crate::catalog::{
    self, Catalog, CatalogScope, TableToLock, read_catalog, refuse_unknown, tables_to_lock,
};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::{Session, connect};
use crate::pg::error::sqlstate;
use crate::pg::params::ConnectParams;
use crate::pg::quote::Quoter;
use crate::pg::server::Server;
use crate::select::options::DumpOptions;

/// How often a dump starts over because the schema changed during locking.
const ATTEMPTS: u32 = 10;

/// The dump's first session: it holds the locks and the snapshot until the dump is done.
pub(crate) struct Leader {
    pub session: Arc<Session>,
    pub setup: SessionSetup,
    /// The name of the exported snapshot, for further sessions.
    pub snapshot: String,
    pub server: Server,
    pub quoter: Quoter,
    pub catalog: Catalog,
}

/// From this number of tables on, further sessions help the leader read the catalogs.
const TABLES_WORTH_HELP: usize = 1000;

/// The work is split across sessions: parallel workers of one query would only take cores from the others.
const PARALLEL_BY_US: &str = "SET LOCAL max_parallel_workers_per_gather = 0";
const PARALLEL_BY_ITSELF: &str = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT";

/// More helpers than this don't help: the leader does the rest of the work.
const MOST_HELPERS: usize = 3;

/// Locks what will be dumped, takes the snapshot, and reads the catalogs. For large databases, `jobs`
/// sessions read them, opened with `params`.
pub(crate) async fn lead(
    session: Session,
    params: &ConnectParams,
    options: SessionOptions,
    dump: &DumpOptions,
    jobs: usize,
) -> Result<Leader> {
    let found = find_out(&session, &options).await?;
    let setup = SessionSetup { options, found };
    let mut attempt = 1;
    loop {
        match try_lead(&session, params, &setup, dump, jobs).await {
            Ok(led) => {
                let (snapshot, server, quoter, catalog) = *led;
                return Ok(Leader { session: Arc::new(session), setup, snapshot, server, quoter, catalog });
            }
            Err(error)
                if attempt < ATTEMPTS && setup.options.snapshot.is_none() && changed_under_us(&error) =>
            {
                tracing::info!(
                    "the schema changed while it was being read, starting over: {}",
                    error.report()
                );
                attempt += 1;
                run(&session, "roll back", "ROLLBACK").await?;
            }
            Err(error) => return Err(error),
        }
    }
}

type Led = Box<(String, Server, Quoter, Catalog)>;

async fn try_lead(
    session: &Session,
    params: &ConnectParams,
    setup: &SessionSetup,
    dump: &DumpOptions,
    jobs: usize,
) -> Result<Led> {
    if let Some(snapshot) = &setup.options.snapshot {
        return try_lead_from(session, setup, dump, snapshot).await;
    }
    let (server, quoter, tables) = list_tables(session, setup, dump).await?;
    // All four are sent at once: each would take a round trip. The server works on them in this order.
    let (ended, begun, locked, snapshot) = join4(
        run(session, "end the listing of tables", "COMMIT"),
        begin(session, setup, None),
        lock(session, setup, &tables),
        export_snapshot(session),
    )
    .await;
    ended?;
    begun?;
    locked?;
    let snapshot = snapshot?;
    let is_large = tables.len() >= TABLES_WORTH_HELP;
    let wanted = if is_large { jobs.saturating_sub(1).min(MOST_HELPERS) } else { 0 };
    let helpers = helpers(params, setup, &snapshot, wanted).await;
    if is_large {
        for reader in std::iter::once(session).chain(&helpers) {
            run(reader, "set the sessions up for catalogs", PARALLEL_BY_US).await?;
        }
    }
    let catalog = read_catalog(&session.client, &helpers, &server, dump, &quoter, session.warnings()).await?;
    if is_large {
        run(session, "set the session up for rows", PARALLEL_BY_ITSELF).await?;
    }
    join_all(helpers.into_iter().map(Session::close)).await;
    let locked: HashSet<&TableToLock> = tables.iter().collect();
    let missed = catalog::to_lock(&catalog, &quoter).into_iter().find(|table| !locked.contains(table));
    if let Some(missed) = missed {
        return Err(Error::new(ErrorKind::SourceFailed, format!("lock table {}", missed.name))
            .because(SchemaChanged)
            .hint("run the dump when fewer tables are being created or renamed"));
    }
    Ok(Box::new((snapshot, server, quoter, catalog)))
}

/// Opens sessions that see the same snapshot. They only speed up reading, so running out of connections is
/// not an error here.
async fn helpers(
    params: &ConnectParams,
    setup: &SessionSetup,
    snapshot: &str,
    wanted: usize,
) -> Vec<Session> {
    let open = async |_| -> Result<Session> {
        let session = connect(params).await?;
        begin(&session, setup, Some(snapshot)).await?;
        Ok(session)
    };
    let opened = join_all((0..wanted).map(open)).await;
    let usable = |opened: Result<Session>| {
        opened.inspect_err(|error| tracing::debug!("no helper to read the catalogs: {}", error.report())).ok()
    };
    opened.into_iter().filter_map(usable).collect()
}

/// The time of a given snapshot can't be chosen: the locks are taken after it.
async fn try_lead_from(
    session: &Session,
    setup: &SessionSetup,
    dump: &DumpOptions,
    snapshot: &str,
) -> Result<Led> {
    begin(session, setup, Some(snapshot)).await.map_err(|error| {
        error.hint("--snapshot takes the name that pg_export_snapshot() gave to a session of this database, which must still be in that transaction")
    })?;
    let server = Server::read(&session.client).await?;
    let quoter = quoter_for(&server, dump);
    refuse_unknown(&session.client, &server, CatalogScope::Database, dump.allow_unknown, session.warnings())
        .await?;
    let tables = tables_to_lock(&session.client, &server, dump, &quoter).await?;
    lock(session, setup, &tables).await?;
    let catalog = read_catalog(&session.client, &[], &server, dump, &quoter, session.warnings()).await?;
    Ok(Box::new((snapshot.to_owned(), server, quoter, catalog)))
}

/// Lists what must be locked, in a transaction that the caller ends.
async fn list_tables(
    session: &Session,
    setup: &SessionSetup,
    dump: &DumpOptions,
) -> Result<(Server, Quoter, Vec<TableToLock>)> {
    let (begun, server) = join(begin(session, setup, None), Server::read(&session.client)).await;
    begun?;
    let server = server?;
    let quoter = quoter_for(&server, dump);
    refuse_unknown(&session.client, &server, CatalogScope::Database, dump.allow_unknown, session.warnings())
        .await?;
    let tables = tables_to_lock(&session.client, &server, dump, &quoter).await?;
    Ok((server, quoter, tables))
}

/// Begins a transaction that reads objects outside any database: it takes no locks, and there is no leader.
/// Dates keep the session's initial style, since pg_dumpall, unlike pg_dump, does not ask for ISO.
pub(crate) async fn begin_reading(
    session: &Session,
    options: SessionOptions,
    dump: &DumpOptions,
) -> Result<(Server, Quoter)> {
    let found = find_out(session, &options).await?;
    begin(session, &SessionSetup { options, found }, None).await?;
    run(session, "set the style of dates", "SET LOCAL DateStyle TO DEFAULT").await?;
    let server = Server::read(&session.client).await?;
    let quoter = quoter_for(&server, dump);
    Ok((server, quoter))
}

fn quoter_for(server: &Server, dump: &DumpOptions) -> Quoter {
    Quoter::new(server.keywords.clone(), dump.quote_all_identifiers, server.standard_conforming_strings)
        .for_major(server.known_major())
}

async fn export_snapshot(session: &Session) -> Result<String> {
    let failed = |e| session.source_failed("export the snapshot", e);
    let row = session
        .client
        .query_typed_one("SELECT pg_catalog.pg_export_snapshot()", &[])
        .await
        .map_err(failed)?;
    row.try_get(0).map_err(failed)
}

/// The catalogs changed between two reads; the next attempt may see a consistent state.
fn changed_under_us(error: &Error) -> bool {
    let gone = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_OBJECT,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
        // "cache lookup failed": a deparsing function found an object that was dropped.
        SqlState::INTERNAL_ERROR,
    ];
    sqlstate(error).is_some_and(|state| gone.contains(state))
        || std::error::Error::source(error).is_some_and(|cause| cause.is::<SchemaChanged>())
}

/// A table appeared between the listing and the snapshot.
#[derive(Debug, thiserror::Error)]
#[error("it was created or renamed while the dump was starting, and this happened at each new attempt")]
struct SchemaChanged;

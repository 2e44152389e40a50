//! One consistent view of the database, for any number of sessions.
//!
//! pg_dump takes its snapshot first and locks then. TRUNCATE and rewriting ALTER TABLEs are not
//! MVCC-safe (<https://www.postgresql.org/docs/current/mvcc-caveats.html>), so a table that is
//! truncated in between is dumped as empty, without an error. We list the tables in a
//! transaction of their own, lock them, and only then let a query take the snapshot: LOCK TABLE
//! takes none (<https://www.postgresql.org/docs/current/sql-lock.html>). If the snapshot then
//! shows a table that we did not lock, we start over.
//!
//! Everything is SET LOCAL, so that it works through poolers that hand out a server connection
//! per transaction.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::join_all;
use tokio_postgres::error::SqlState;

use crate::catalog::{self, Catalog, Scope, TableToLock, read_catalog, refuse_unknown, tables_to_lock};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::{Session, connect};
use crate::pg::error::sqlstate;
use crate::pg::params::ConnectParams;
use crate::pg::quote::{Quoter, portable_literal, quoted};
use crate::pg::server::Server;
use crate::select::options::DumpOptions;

/// Before all else in a transaction: the startup packet cannot say it, as it does of the other
/// timeouts, since servers before 17 refuse it there.
const NO_TRANSACTION_TIMEOUT: &str = "SET LOCAL transaction_timeout = 0;\n";

/// How often a dump starts over because the schema changed while it was being locked.
const ATTEMPTS: u32 = 10;

/// Tables in one LOCK command. Each takes a slot in the shared lock table either way; this only
/// bounds the command's length.
const TABLES_PER_LOCK: usize = 2000;

/// What pg_dump's options say about the session.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// `--role`
    pub role: Option<String>,
    /// `-E`; else the server's encoding.
    pub encoding: Option<String>,
    /// `--lock-wait-timeout`: milliseconds, or anything that `lock_timeout` accepts.
    pub lock_wait_timeout: Option<String>,
    /// `--snapshot`: one that another session exported.
    pub snapshot: Option<String>,
    /// `--serializable-deferrable`
    pub serializable_deferrable: bool,
    /// `--extra-float-digits`; else 3, which loses nothing.
    pub extra_float_digits: Option<i32>,
    /// `--enable-row-security`
    pub enable_row_security: bool,
    /// `--quote-all-identifiers`
    pub quote_all_identifiers: bool,
}

/// What the first transaction found out about the server.
#[derive(Debug, Clone)]
struct Found {
    encoding: String,
    /// Has the server `restrict_nonsystem_relation_kind` (CVE-2024-7348)?
    restricts_relation_kind: bool,
    transaction_timeout: bool,
}

/// How a session of this dump is set up; the same for all.
#[derive(Debug, Clone)]
pub struct SessionSetup {
    options: SessionOptions,
    found: Found,
}

impl SessionSetup {
    /// The commands that begin a transaction. `snapshot` is taken over if given.
    fn begin(&self, snapshot: Option<&str>) -> String {
        let o = &self.options;
        let isolation = match (o.serializable_deferrable, snapshot) {
            (true, None) => "SERIALIZABLE, READ ONLY, DEFERRABLE",
            _ => "REPEATABLE READ, READ ONLY",
        };
        let mut sql = format!("BEGIN ISOLATION LEVEL {isolation};\n");
        if self.found.transaction_timeout {
            sql.push_str(NO_TRANSACTION_TIMEOUT);
        }
        if let Some(snapshot) = snapshot {
            sql.push_str(&format!("SET TRANSACTION SNAPSHOT {};\n", portable_literal(snapshot)));
        }
        sql + &self.settings()
    }

    fn settings(&self) -> String {
        let o = &self.options;
        let mut settings = vec![
            "search_path = ''".to_owned(),
            format!("client_encoding = {}", portable_literal(&self.found.encoding)),
            "DateStyle = ISO".to_owned(),
            "IntervalStyle = postgres".to_owned(),
            format!("extra_float_digits = {}", o.extra_float_digits.unwrap_or(3)),
            "synchronize_seqscans = off".to_owned(),
            // What the planner takes for costly of large catalogs takes less time than compiling does
            // (https://www.postgresql.org/docs/current/jit-decision.html).
            "jit = off".to_owned(),
            "statement_timeout = 0".to_owned(),
            "idle_in_transaction_session_timeout = 0".to_owned(),
            format!("row_security = {}", if o.enable_row_security { "on" } else { "off" }),
        ];
        // An application's own GUC of this name can only be set to what it means.
        if self.found.restricts_relation_kind {
            settings.push("restrict_nonsystem_relation_kind = 'view, foreign-table'".to_owned());
        }
        if o.quote_all_identifiers {
            settings.push("quote_all_identifiers = true".to_owned());
        }
        let lock_timeout = o.lock_wait_timeout.as_deref().unwrap_or("0");
        settings.push(format!("lock_timeout = {}", portable_literal(lock_timeout)));
        if let Some(role) = &o.role {
            settings.push(format!("ROLE {}", quoted(role)));
        }
        settings.iter().map(|setting| format!("SET LOCAL {setting};\n")).collect()
    }

    /// Lets COPY read foreign tables for the rest of the (sub)transaction; their rows were asked for.
    pub fn allow_foreign_tables(&self) -> &'static str {
        if self.found.restricts_relation_kind {
            "SET LOCAL restrict_nonsystem_relation_kind = 'view';"
        } else {
            ""
        }
    }
}

/// The dump's first session: it holds the locks and the snapshot until the dump is done.
pub struct Leader {
    /// The session, inside its transaction.
    pub session: Arc<Session>,
    /// How to set up more sessions.
    pub setup: SessionSetup,
    /// The snapshot's name for them.
    pub snapshot: String,
    /// The server.
    pub server: Server,
    /// Its quoting.
    pub quoter: Quoter,
    /// What the catalogs say.
    pub catalog: Catalog,
}

/// From so many tables on, more sessions than the leader's read the catalogs.
const TABLES_WORTH_HELP: usize = 1000;

/// We share the work out: parallel workers of one query only take the cores from the others.
const PARALLEL_BY_US: &str = "SET LOCAL max_parallel_workers_per_gather = 0";
const PARALLEL_BY_ITSELF: &str = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT";

/// More helpers than this don't help: the rest of the work is the leader's.
const MOST_HELPERS: usize = 3;

/// Locks what will be dumped, takes the snapshot, and reads the catalogs: of large databases with
/// `jobs` sessions, made by `params`.
pub async fn lead(
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
    begin(session, setup, None).await?;
    lock(session, setup, &tables).await?;
    let snapshot = export_snapshot(session).await?;
    let wanted = if tables.len() < TABLES_WORTH_HELP { 0 } else { jobs.saturating_sub(1).min(MOST_HELPERS) };
    let helpers = helpers(params, setup, &snapshot, wanted).await;
    for reader in std::iter::once(session).chain(&helpers) {
        run(reader, "set the sessions up for catalogs", PARALLEL_BY_US).await?;
    }
    let catalog = read_catalog(&session.client, &helpers, &server, dump, &quoter, session.warnings()).await?;
    run(session, "set the session up for rows", PARALLEL_BY_ITSELF).await?;
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

/// Opens sessions that see the same snapshot. Without them reading is slower, and no less right: that
/// there is no connection left for them is no error yet.
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

/// With a given snapshot its time can't be chosen: the locks come after it.
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
    refuse_unknown(&session.client, &server, Scope::Database, dump.allow_unknown, session.warnings()).await?;
    let tables = tables_to_lock(&session.client, &server, dump, &quoter).await?;
    lock(session, setup, &tables).await?;
    let catalog = read_catalog(&session.client, &[], &server, dump, &quoter, session.warnings()).await?;
    Ok(Box::new((snapshot.to_owned(), server, quoter, catalog)))
}

async fn list_tables(
    session: &Session,
    setup: &SessionSetup,
    dump: &DumpOptions,
) -> Result<(Server, Quoter, Vec<TableToLock>)> {
    begin(session, setup, None).await?;
    let server = Server::read(&session.client).await?;
    let quoter = quoter_for(&server, dump);
    refuse_unknown(&session.client, &server, Scope::Database, dump.allow_unknown, session.warnings()).await?;
    let tables = tables_to_lock(&session.client, &server, dump, &quoter).await?;
    run(session, "end the listing of tables", "COMMIT").await?;
    Ok((server, quoter, tables))
}

/// Begins a transaction that reads what is not of one database: it locks nothing, and is nobody's
/// leader. Dates come as the session has them from the start, since pg_dumpall, unlike pg_dump,
/// does not ask for ISO.
pub async fn begin_reading(
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

/// The catalogs changed between our looks at them: the next attempt may see them whole.
fn changed_under_us(error: &Error) -> bool {
    let gone = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_OBJECT,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
        // "cache lookup failed": a deparsing function met a dropped object.
        SqlState::INTERNAL_ERROR,
    ];
    sqlstate(error).is_some_and(|state| gone.contains(state))
        || std::error::Error::source(error).is_some_and(|cause| cause.is::<SchemaChanged>())
}

/// A table appeared between the listing and the snapshot.
#[derive(Debug, thiserror::Error)]
#[error("it was created or renamed while the dump was starting, and so again at each new start")]
struct SchemaChanged;

async fn find_out(session: &Session, options: &SessionOptions) -> Result<Found> {
    let sql = "SELECT pg_catalog.current_setting('client_encoding') AS encoding,
                      pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL AS restricts";
    let attempted = "read the server's settings";
    let failed = |e| session.source_failed(attempted, e);
    let transaction_timeout = session.version().at_least(17);
    if transaction_timeout {
        run(session, attempted, &format!("BEGIN;\n{NO_TRANSACTION_TIMEOUT}")).await?;
    }
    let row = session.client.query_one(sql, &[]).await.map_err(failed)?;
    if transaction_timeout {
        run(session, attempted, "COMMIT").await?;
    }
    let encoding: String = row.try_get("encoding").map_err(failed)?;
    Ok(Found {
        encoding: options.encoding.clone().unwrap_or(encoding),
        restricts_relation_kind: row.try_get("restricts").map_err(failed)?,
        transaction_timeout,
    })
}

/// Begins a transaction of this dump in a session.
pub async fn begin(session: &Session, setup: &SessionSetup, snapshot: Option<&str>) -> Result<()> {
    let attempted = match snapshot {
        Some(snapshot) => format!("begin a transaction with snapshot {snapshot}"),
        None => "begin a transaction".to_owned(),
    };
    run(session, &attempted, &setup.begin(snapshot)).await.map_err(|error| match sqlstate(&error) {
        // Of what users gave us, only these can be wrong here.
        Some(state) if *state == SqlState::INVALID_PARAMETER_VALUE && snapshot.is_none() => {
            error.context("apply the session's settings").with_kind(ErrorKind::Usage)
        }
        _ => error,
    })
}

async fn run(session: &Session, attempted: &str, sql: &str) -> Result<()> {
    session.client.batch_execute(sql).await.map_err(|e| session.source_failed(attempted, e))
}

async fn export_snapshot(session: &Session) -> Result<String> {
    let failed = |e| session.source_failed("export the snapshot", e);
    let row =
        session.client.query_one("SELECT pg_catalog.pg_export_snapshot()", &[]).await.map_err(failed)?;
    row.try_get(0).map_err(failed)
}

async fn lock(session: &Session, setup: &SessionSetup, tables: &[TableToLock]) -> Result<()> {
    for batch in tables.chunks(TABLES_PER_LOCK) {
        let names: Vec<&str> = batch.iter().map(|table| table.name.as_str()).collect();
        let sql = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        if let Err(error) = run(session, &format!("lock {} tables", tables.len()), &sql).await {
            return Err(explain_lock(session, setup, tables, error).await);
        }
    }
    Ok(())
}

/// Finds out, in a new transaction, which tables it was and who is in the way.
async fn explain_lock(
    session: &Session,
    setup: &SessionSetup,
    tables: &[TableToLock],
    error: Error,
) -> Error {
    let Some(state) = sqlstate(&error).cloned() else { return error };
    if state == SqlState::OUT_OF_MEMORY {
        // Each backend's share is max_locks_per_transaction; ours may use all of it.
        return error.hint(format!(
            "the dump locks {} tables: raise max_locks_per_transaction so that \
             max_locks_per_transaction * (max_connections + max_prepared_transactions) exceeds that",
            tables.len()
        ));
    }
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let restarted = match run(session, "roll back", "ROLLBACK").await {
        Ok(()) => begin(session, setup, None).await,
        failed => failed,
    };
    if restarted.is_err() {
        return error;
    }
    if state == SqlState::LOCK_NOT_AVAILABLE {
        match blockers(session, &oids).await {
            Ok(blockers) if !blockers.is_empty() => error.hint(format!("locked by {}", blockers.join("; "))),
            _ => error.hint("another session holds a lock: see pg_locks"),
        }
    } else if state == SqlState::INSUFFICIENT_PRIVILEGE {
        match unreadable(session, &oids).await {
            Ok(names) if !names.is_empty() => error.hint(format!(
                "no SELECT privilege on {}: grant it, or membership in pg_read_all_data, or exclude them",
                names.join(", ")
            )),
            _ => error,
        }
    } else {
        error
    }
}

async fn blockers(session: &Session, oids: &[u32]) -> Result<Vec<String>> {
    let sql = "SELECT pg_catalog.format('%s: pid %s (%s): %s', l.relation::pg_catalog.regclass, l.pid,
                        a.usename, pg_catalog.left(a.query, 100))
                 FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
                WHERE l.relation = ANY ($1) AND l.mode = 'AccessExclusiveLock'
                  AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                     WHERE datname = pg_catalog.current_database())
                ORDER BY l.granted DESC LIMIT 5";
    texts(session, "find the lock's holder", sql, oids).await
}

async fn unreadable(session: &Session, oids: &[u32]) -> Result<Vec<String>> {
    let sql = "SELECT oid::pg_catalog.regclass::text FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid
                WHERE NOT pg_catalog.has_table_privilege(oid, 'SELECT') ORDER BY 1";
    texts(session, "list unreadable tables", sql, oids).await
}

async fn texts(session: &Session, attempted: &str, sql: &str, oids: &[u32]) -> Result<Vec<String>> {
    let failed = |e| session.source_failed(attempted, e);
    let rows = session.client.query(sql, &[&oids]).await.map_err(failed)?;
    rows.iter()
        .map(|row| row.try_get::<_, crate::pg::text::EncodedText>(0).map(|t| t.0).map_err(failed))
        .collect()
}

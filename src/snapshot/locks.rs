//! Locks on what is dumped, and which sessions block them.

use tokio_postgres::error::SqlState;

use super::settings::{SessionSetup, begin, run};
use crate::catalog::TableToLock;
use crate::error::{Error, Result};
use crate::pg::connect::Session;
use crate::pg::error::sqlstate;

/// Number of tables in one LOCK command. Each table takes a slot in the shared lock table either way; this
/// only limits the command's length.
const TABLES_PER_LOCK: usize = 2000;

/// Locks the tables. All commands are sent at once, before anything that the caller sends after this was first
/// polled.
pub(super) async fn lock(session: &Session, setup: &SessionSetup, tables: &[TableToLock]) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let mut sql = String::new();
    for batch in tables.chunks(TABLES_PER_LOCK) {
        let names: Vec<&str> = batch.iter().map(|table| table.name.as_str()).collect();
        sql.push_str(&format!("LOCK TABLE {} IN ACCESS SHARE MODE;\n", names.join(", ")));
    }
    match run(session, &format!("lock {} tables", tables.len()), &sql).await {
        Ok(()) => Ok(()),
        Err(error) => Err(explain_lock(session, setup, tables, error).await),
    }
}

/// Finds out, in a new transaction, which tables could not be locked and which sessions block them.
async fn explain_lock(
    session: &Session,
    setup: &SessionSetup,
    tables: &[TableToLock],
    error: Error,
) -> Error {
    let Some(state) = sqlstate(&error).cloned() else { return error };
    if state == SqlState::OUT_OF_MEMORY {
        // Each backend's share is max_locks_per_transaction; ours may use the whole table.
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

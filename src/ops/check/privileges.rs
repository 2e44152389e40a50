//! One database: whether the role may read all of it, and whether it fits.

use super::report::Findings;
use super::server::Settings;
use crate::catalog::{CatalogScope, Unreadable, find_unknown, unknown_is_refused, unreadable};
use crate::config::{Connector, Job};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::backup::{dump_options, session_options};
use crate::pg::connect::{Session, connect};
use crate::pg::conninfo::OsEnvironment;
use crate::pg::server::{Server, newest_major};
use crate::snapshot::begin_reading;

/// Checks one database, and returns its size on disk if the role may see it.
///
/// # Errors
/// The connection fails, or the catalogs cannot be read.
pub(super) async fn check(
    job: &Job,
    connector: &Connector,
    name: &str,
    settings: &Settings,
    findings: &mut Findings,
) -> Result<Option<u64>> {
    let session = connect(&connector.params(Some(name), &OsEnvironment)?).await?;
    let looked = Box::pin(look(job, &session, name, settings, findings)).await;
    session.close().await;
    looked
}

async fn look(
    job: &Job,
    session: &Session,
    name: &str,
    settings: &Settings,
    findings: &mut Findings,
) -> Result<Option<u64>> {
    let options = dump_options(job);
    let (server, quoter) = begin_reading(session, session_options(job), &options).await?;
    newer(job, session, &server, name, findings).await?;
    let found = unreadable(&session.client, &server, &options, &quoter).await?;
    privileges(&found, name, findings);
    locks(&found, name, settings, findings);
    let failed = |error| session.source_failed("read the database's size", error);
    let sql = "SELECT CASE WHEN pg_catalog.has_database_privilege(oid, 'CONNECT')
                           THEN pg_catalog.pg_database_size(oid) END AS bytes,
                      (SELECT count(*) FROM pg_catalog.pg_class
                        WHERE relpersistence = 'u' AND relkind = 'r') AS unlogged
                 FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
    let row = session.client.query_one(sql, &[]).await.map_err(failed)?;
    let unlogged: i64 = row.try_get("unlogged").map_err(failed)?;
    if server.standby && unlogged > 0 {
        findings
            .warn(
                "unlogged tables",
                format!("not replicated to a standby: {unlogged} tables would be dumped empty"),
                "back up the primary if their rows matter",
            )
            .of(name);
    }
    let bytes: Option<i64> = row.try_get("bytes").map_err(failed)?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}

/// Whether a server newer than this version supports uses features unknown to it.
async fn newer(
    job: &Job,
    session: &Session,
    server: &Server,
    name: &str,
    findings: &mut Findings,
) -> Result<()> {
    const CHECK: &str = "newer version";
    if server.major <= newest_major() {
        return Ok(());
    }
    let found = find_unknown(&session.client, server, CatalogScope::Database).await?;
    let list = || found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if found.is_empty() {
        findings.ok(CHECK, "no features unknown to pgsiphon are in use").of(name);
    } else if job.dump.allow_unknown {
        findings.warn(CHECK, format!("left out of dumps: {}", list()), "update pgsiphon").of(name);
    } else {
        findings.fail(CHECK, &unknown_is_refused(server, &found)).of(name);
    }
    Ok(())
}

fn privileges(found: &Unreadable, name: &str, findings: &mut Findings) {
    const CHECK: &str = "privileges";
    let mut all_is_well = true;
    for (names, reason, hint) in [
        (
            &found.schemas,
            "no USAGE privilege on schema",
            "GRANT USAGE ON SCHEMA …, or pg_read_all_data, or exclude it by dump.exclude_schemas",
        ),
        (
            &found.objects,
            "no SELECT privilege on",
            "GRANT SELECT ON …, or pg_read_all_data (before 19 it does not cover large objects), or exclude them by \
             dump.exclude_tables",
        ),
        (
            &found.hidden,
            "row security would hide rows of",
            "ALTER ROLE … BYPASSRLS, or back up as their owner",
        ),
    ] {
        if names.is_empty() {
            continue;
        }
        all_is_well = false;
        let error = Error::new(ErrorKind::SourceFailed, "read all that is to be dumped")
            .because(format!("{reason} {}", names.join(", ")))
            .hint(hint);
        findings.fail(CHECK, &error).of(name);
    }
    if all_is_well {
        findings.ok(CHECK, format!("all {} tables can be read", found.tables)).of(name);
    }
}

/// The dump locks each table until it ends, and other sessions need locks, too.
fn locks(found: &Unreadable, name: &str, settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "locks";
    let (tables, capacity) = (i64::try_from(found.tables).unwrap_or(i64::MAX), settings.lock_capacity);
    let text = format!("{tables} tables to lock; all sessions share about {capacity} locks");
    if tables <= capacity / 2 {
        findings.ok(CHECK, text).of(name);
    } else {
        findings.warn(CHECK, text, "raise max_locks_per_transaction and restart the server").of(name);
    }
}

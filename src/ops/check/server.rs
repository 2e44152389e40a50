//! The server: its version, its settings, and the role that reads from it.

use chrono::{DateTime, Utc};

use super::report::Findings;
use super::versions;
use crate::config::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::Session;
use crate::pg::server::{Server, newest_major};

/// Sessions besides those that copy: one holds the table locks, and one the job's lock.
const MORE_SESSIONS: i64 = 2;

/// The server's settings that matter to a job.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) clock: DateTime<Utc>,
    session_user: String,
    current_user: String,
    superuser: bool,
    reads_all: bool,
    bypasses_row_security: bool,
    reads_passwords: bool,
    role_connections: i64,
    max_connections: i64,
    reserved_connections: i64,
    used_connections: i64,
    /// How many locks all sessions can hold together.
    pub(super) lock_capacity: i64,
    /// The timeouts set for the role, with their values.
    timeouts: Vec<String>,
    hot_standby_feedback: bool,
    max_standby_streaming_delay: String,
}

impl Settings {
    /// Must be called within a transaction of the job.
    pub(super) async fn read(session: &Session) -> Result<Self> {
        // reset_val is the value at session start; the transaction has turned the timeouts off.
        let sql = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::pg_catalog.float8 AS clock,
                session_user::text AS session_user, current_user::text AS current_user,
                r.rolsuper, r.rolbypassrls, l.rolconnlimit::pg_catalog.int8 AS role_connections,
                COALESCE((SELECT pg_catalog.pg_has_role(current_user, all_data.oid, 'USAGE')
                            FROM pg_catalog.pg_roles all_data
                           WHERE all_data.rolname = 'pg_read_all_data'), false) AS reads_all,
                pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS reads_passwords,
                pg_catalog.current_setting('max_connections')::pg_catalog.int8 AS max_connections,
                pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8
                  + COALESCE(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int8, 0)
                  AS reserved,
                (SELECT COALESCE(sum(numbackends), 0)::pg_catalog.int8 FROM pg_catalog.pg_stat_database)
                  AS used,
                pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8
                  * (pg_catalog.current_setting('max_connections')::pg_catalog.int8
                     + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8) AS locks,
                ARRAY(SELECT pg_catalog.format('%s = %s %s', s.name, s.reset_val, s.unit)
                        FROM pg_catalog.pg_settings s
                       WHERE s.name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout',
                                        'idle_in_transaction_session_timeout', 'transaction_timeout')
                         AND s.reset_val <> '0' ORDER BY s.name) AS timeouts,
                pg_catalog.current_setting('hot_standby_feedback') = 'on' AS feedback,
                pg_catalog.current_setting('max_standby_streaming_delay') AS delay
           FROM pg_catalog.pg_roles r, pg_catalog.pg_roles l
          WHERE r.rolname = current_user AND l.rolname = session_user";
        let failed = |error| session.source_failed("read the server's settings", error);
        let row = session.client.query_one(sql, &[]).await.map_err(failed)?;
        let clock: f64 = row.try_get("clock").map_err(failed)?;
        Ok(Settings {
            clock: DateTime::from_timestamp_millis((clock * 1000.0) as i64).unwrap_or_default(),
            session_user: row.try_get("session_user").map_err(failed)?,
            current_user: row.try_get("current_user").map_err(failed)?,
            superuser: row.try_get("rolsuper").map_err(failed)?,
            reads_all: row.try_get("reads_all").map_err(failed)?,
            bypasses_row_security: row.try_get("rolbypassrls").map_err(failed)?,
            reads_passwords: row.try_get("reads_passwords").map_err(failed)?,
            role_connections: row.try_get("role_connections").map_err(failed)?,
            max_connections: row.try_get("max_connections").map_err(failed)?,
            reserved_connections: row.try_get("reserved").map_err(failed)?,
            used_connections: row.try_get("used").map_err(failed)?,
            lock_capacity: row.try_get("locks").map_err(failed)?,
            timeouts: row.try_get("timeouts").map_err(failed)?,
            hot_standby_feedback: row.try_get("feedback").map_err(failed)?,
            max_standby_streaming_delay: row.try_get("delay").map_err(failed)?,
        })
    }
}

/// Checks that the version is known, maintained, and has no known holes.
pub(super) fn version(server: &Server, now: DateTime<Utc>, findings: &mut Findings) {
    const CHECK: &str = "server version";
    let shown: String = server.version.chars().filter(|c| !c.is_control()).collect();
    if server.major > newest_major() {
        findings.warn(
            CHECK,
            format!(
                "{shown} is newer than this pgsiphon supports: its dumps are written as for {}",
                newest_major()
            ),
            "update pgsiphon",
        );
    } else if let Some(last) = versions::ended(server.major, now) {
        findings.warn(
            CHECK,
            format!("{shown}: PostgreSQL {} has received no fixes since {last}", server.major),
            "upgrade the server to a newer major version",
        );
    } else {
        findings.ok(CHECK, shown);
    }
    let lacking = u32::try_from(server.version_num).ok().and_then(versions::lacking);
    if let Some(lacking) = lacking {
        findings.warn(
            "security fixes",
            format!("missing: {}", lacking.fixes.join("; ")),
            format!("update the server to {} or later", lacking.update_to),
        );
    }
}

/// The role that reads, and what it cannot read at all.
pub(super) fn role(job: &Job, settings: &Settings, findings: &mut Findings) {
    let s = settings;
    let name = match s.session_user == s.current_user {
        true => format!("\"{}\"", s.session_user),
        false => format!("\"{}\" as \"{}\"", s.session_user, s.current_user),
    };
    if s.superuser {
        findings.warn(
            "role",
            format!("{name} is a superuser, which a backup does not need"),
            "create a role with pg_read_all_data and BYPASSRLS: see docs/security.md for the commands",
        );
    } else {
        let mut may = Vec::new();
        may.extend(s.reads_all.then_some("reads all data"));
        may.extend(s.bypasses_row_security.then_some("bypasses row security"));
        let may =
            if may.is_empty() { "has only the privileges granted to it".to_owned() } else { may.join(", ") };
        findings.ok("role", format!("{name}: {may}"));
    }
    if !job.databases.globals {
        return;
    }
    match s.reads_passwords {
        true => findings.ok("globals", "roles are backed up with their password hashes"),
        false => findings
            .ok("globals", "roles are backed up without their passwords: this role cannot read pg_authid"),
    };
}

/// Replay on a standby may cancel a long dump.
pub(super) fn standby(server: &Server, settings: &Settings, findings: &mut Findings) {
    if !server.standby {
        return;
    }
    if settings.hot_standby_feedback {
        findings.ok(
            "standby",
            "the server is a standby, and hot_standby_feedback keeps the rows that the dump needs",
        );
    } else {
        findings.warn(
            "standby",
            format!(
                "the server is a standby: replay cancels a dump that blocks it for longer than \
                 max_standby_streaming_delay ({})",
                settings.max_standby_streaming_delay
            ),
            "set hot_standby_feedback = on, or raise max_standby_streaming_delay",
        );
    }
}

/// Dumps turn timeouts off; reporting them avoids surprises.
pub(super) fn timeouts(settings: &Settings, findings: &mut Findings) {
    match settings.timeouts.is_empty() {
        true => findings.ok("timeouts", "none"),
        false => findings.ok(
            "timeouts",
            format!("{}: a dump turns them off for its own sessions", settings.timeouts.join(", ")),
        ),
    };
}

/// Checks that enough connections are available.
pub(super) fn connections(job: &Job, settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "connections";
    let s = settings;
    let needed = i64::try_from(job.dump.jobs).unwrap_or(i64::MAX).saturating_add(MORE_SESSIONS);
    if !s.superuser && (0..needed).contains(&s.role_connections) {
        let error = Error::new(ErrorKind::SourceUnreachable, format!("open {needed} sessions"))
            .because(format!("the role's limit is {}", s.role_connections))
            .hint(format!("ALTER ROLE … CONNECTION LIMIT {needed}, or lower dump.jobs"));
        findings.fail(CHECK, &error);
        return;
    }
    let reserved = if s.superuser { 0 } else { s.reserved_connections };
    let free = s.max_connections - reserved - s.used_connections;
    let found = format!(
        "{needed} needed, {free} free now (max_connections = {}, reserved {reserved})",
        s.max_connections
    );
    if free < needed {
        findings.warn(CHECK, found, "raise max_connections, or lower dump.jobs");
    } else {
        findings.ok(CHECK, found);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::report::{Level, Report};
    use super::*;

    fn server(major: u32, minor: u32) -> Server {
        Server {
            major,
            version_num: (major * 10_000 + minor) as i32,
            version: format!("{major}.{minor}"),
            encoding: "UTF8".into(),
            standard_conforming_strings: true,
            superuser: false,
            standby: false,
            keywords: HashMap::new(),
        }
    }

    fn levels(server: &Server) -> Vec<(&'static str, Level)> {
        let mut findings = Findings::default();
        version(server, "2026-11-23T00:00:00Z".parse().unwrap(), &mut findings);
        Report::new("j", findings).findings.iter().map(|finding| (finding.check, finding.level)).collect()
    }

    #[test]
    fn versions_are_judged() {
        assert_eq!(levels(&server(18, 7)), [("server version", Level::Ok)]);
        assert_eq!(levels(&server(newest_major() + 1, 0)), [("server version", Level::Warning)]);
        assert_eq!(
            levels(&server(14, 23)),
            [("server version", Level::Warning), ("security fixes", Level::Warning)]
        );
    }
}

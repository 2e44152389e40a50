//! How each session of a dump is set up.

use futures::future::join3;
use tokio_postgres::error::SqlState;

use crate::error::{ErrorKind, Result};
use crate::pg::connect::Session;
use crate::pg::error::sqlstate;
use crate::pg::quote::{portable_literal, quoted};

/// Sent first in a transaction. Unlike the other timeouts, it can't be set in the startup packet, since
/// servers before 17 refuse it there.
const NO_TRANSACTION_TIMEOUT: &str = "SET LOCAL transaction_timeout = 0;\n";

/// pg_dump's options that affect the session.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// `--role`: the role to use after login.
    pub role: Option<String>,
    /// `-E`; otherwise the server's encoding.
    pub encoding: Option<String>,
    /// `--lock-wait-timeout`: milliseconds, or any value that `lock_timeout` accepts.
    pub lock_wait_timeout: Option<String>,
    /// `--snapshot`: a snapshot that another session exported.
    pub snapshot: Option<String>,
    /// `--serializable-deferrable`: wait for a snapshot that is free of serialization anomalies.
    pub serializable_deferrable: bool,
    /// `--extra-float-digits`; otherwise 3, which loses no digits.
    pub extra_float_digits: Option<i32>,
    /// `--enable-row-security`: let row security filter the rows.
    pub enable_row_security: bool,
    /// `--quote-all-identifiers`: have the server quote all identifiers.
    pub quote_all_identifiers: bool,
}

/// What the first transaction learned about the server.
#[derive(Debug, Clone)]
pub(super) struct Found {
    encoding: String,
    /// Whether the server has `restrict_nonsystem_relation_kind` (CVE-2024-7348).
    restricts_relation_kind: bool,
    transaction_timeout: bool,
}

/// How each session of this dump is set up.
#[derive(Debug, Clone)]
pub(crate) struct SessionSetup {
    pub(super) options: SessionOptions,
    pub(super) found: Found,
}

impl SessionSetup {
    /// The commands that begin a transaction. Imports `snapshot` if given.
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
            // The planner's cost estimates for large catalogs trigger compilation that takes longer than the
            // query itself (https://www.postgresql.org/docs/current/jit-decision.html).
            "jit = off".to_owned(),
            "statement_timeout = 0".to_owned(),
            "idle_in_transaction_session_timeout = 0".to_owned(),
            format!("row_security = {}", if o.enable_row_security { "on" } else { "off" }),
        ];
        // Servers without this setting would refuse it.
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

    /// Lets COPY read foreign tables for the rest of the (sub)transaction, because the user asked for their
    /// rows.
    pub(crate) fn allow_foreign_tables(&self) -> &'static str {
        if self.found.restricts_relation_kind {
            "SET LOCAL restrict_nonsystem_relation_kind = 'view';"
        } else {
            ""
        }
    }
}

pub(super) async fn find_out(session: &Session, options: &SessionOptions) -> Result<Found> {
    let sql = "SELECT pg_catalog.current_setting('client_encoding') AS encoding,
                      pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL AS restricts";
    let attempted = "read the server's settings";
    let failed = |e| session.source_failed(attempted, e);
    let transaction_timeout = session.version().at_least(17);
    let begin = match transaction_timeout {
        true => format!("BEGIN;\n{NO_TRANSACTION_TIMEOUT}"),
        false => "BEGIN".to_owned(),
    };
    // All three are sent at once: each would take a round trip.
    let (begun, row, ended) = join3(
        run(session, attempted, &begin),
        session.client.query_typed_one(sql, &[]),
        run(session, attempted, "COMMIT"),
    )
    .await;
    begun?;
    let row = row.map_err(failed)?;
    ended?;
    let encoding: String = row.try_get("encoding").map_err(failed)?;
    Ok(Found {
        encoding: options.encoding.clone().unwrap_or(encoding),
        restricts_relation_kind: row.try_get("restricts").map_err(failed)?,
        transaction_timeout,
    })
}

/// Begins a transaction of this dump in a session.
pub(crate) async fn begin(session: &Session, setup: &SessionSetup, snapshot: Option<&str>) -> Result<()> {
    let attempted = match snapshot {
        Some(snapshot) => format!("begin a transaction with snapshot {snapshot}"),
        None => "begin a transaction".to_owned(),
    };
    run(session, &attempted, &setup.begin(snapshot)).await.map_err(|error| match sqlstate(&error) {
        // Of the values that users give, only these can be wrong here.
        Some(state) if *state == SqlState::INVALID_PARAMETER_VALUE && snapshot.is_none() => {
            error.context("apply the session's settings").with_kind(ErrorKind::Usage)
        }
        _ => error,
    })
}

pub(super) async fn run(session: &Session, attempted: &str, sql: &str) -> Result<()> {
    session.client.batch_execute(sql).await.map_err(|e| session.source_failed(attempted, e))
}

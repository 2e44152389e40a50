//! Error messages for failed statements.

use std::sync::LazyLock;

use regex::Regex;
use tokio_postgres::error::SqlState;

use super::statement::abbreviated;
use super::statement::names::leading_tokens;
use crate::error::{Error, ErrorKind};
use crate::pg::error::{PgFailure, failed};

/// `COPY t, line 3, column a: "…"`, in the context of a failed COPY.
static COPY_CONTEXT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^COPY .*?, line (\d+)(?:, column [^:]*)?(?::|$)").ok());

/// A statement and its position.
pub(super) struct Spot<'a> {
    /// Its bytes.
    pub(super) statement: &'a [u8],
    /// The line in which it begins.
    pub(super) line: u64,
    /// For a COPY, the line of the first row.
    pub(super) rows_line: Option<u64>,
}

impl Spot<'_> {
    /// The error for a failed statement. It names the statement, but no values, which may be data.
    pub(super) fn error(&self, error: tokio_postgres::Error) -> Error {
        let Some(db) = error.as_db_error() else {
            return failed(ErrorKind::RestoreFailed, self.attempted(None), error);
        };
        let mut failure = PgFailure::from(db);
        let row = self.row(failure.context.as_deref());
        let attempted = self.attempted(row);
        let hint = hint(&failure, self.statement).or_else(|| failure.hint.take());
        // Details of these classes quote rows ("Key (a)=(1) already exists."), and so do contexts.
        let class = &failure.sqlstate.code()[..2];
        if self.rows_line.is_some() || matches!(class, "22" | "23") {
            failure.detail = None;
        }
        failure.context = None;
        Error::new(ErrorKind::RestoreFailed, attempted).because(failure).hint_if(hint)
    }

    /// `run line 12: CREATE TABLE t (a integer);`
    pub(super) fn attempted(&self, row: Option<u64>) -> String {
        let statement = abbreviated(self.statement);
        match (self.rows_line, row) {
            (Some(first), Some(row)) => {
                let line = first + row - 1;
                format!("run line {}: {statement}, row {row} on line {line}", self.line)
            }
            _ => format!("run line {}: {statement}", self.line),
        }
    }

    /// The row that the server complains about, if it says so in a known format.
    fn row(&self, context: Option<&str>) -> Option<u64> {
        self.rows_line?;
        let found = COPY_CONTEXT.as_ref()?.captures(context?)?;
        found.get(1)?.as_str().parse().ok().filter(|row| *row > 0)
    }
}

/// Whether a statement is one of those with which `--clean` begins.
fn is_drop(statement: &[u8]) -> bool {
    let tokens = leading_tokens(statement, usize::from(u8::MAX));
    match tokens.first().map(String::as_str) {
        Some("DROP") => true,
        Some("ALTER") => tokens.iter().any(|token| token == "DROP"),
        _ => false,
    }
}

/// Whether something does not exist that a statement needs.
pub(super) fn is_missing(code: &SqlState) -> bool {
    [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_OBJECT,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::INVALID_SCHEMA_NAME,
    ]
    .contains(code)
}

fn is_refresh(statement: &[u8]) -> bool {
    leading_tokens(statement, 3) == ["REFRESH", "MATERIALIZED", "VIEW"]
}

/// Advice for the most common failures of restores.
fn hint(failure: &PgFailure, statement: &[u8]) -> Option<String> {
    let code = &failure.sqlstate;
    let message = failure.message.as_str();
    let hint = if *code == SqlState::UNDEFINED_OBJECT && message.starts_with("role \"") {
        "a database's dump does not contain roles: restore a dump of `pgsiphon dump --globals-only` first, \
         create the role, or dump with -O and -x"
    } else if *code == SqlState::UNDEFINED_OBJECT && message.starts_with("tablespace \"") {
        "a database's dump does not contain tablespaces: create it first, or dump with --no-tablespaces"
    } else if *code == SqlState::UNDEFINED_FILE || message.contains("extension control file") {
        "install the extension on this server first"
    } else if *code == SqlState::DUPLICATE_DATABASE {
        "drop or rename that database first, or restore a dump without CREATE DATABASE into another"
    } else if *code == SqlState::DUPLICATE_OBJECT && message.starts_with("role \"") {
        "drop the role first, or restore with --continue-on-error, which leaves it unchanged"
    } else if *code == SqlState::DUPLICATE_TABLE
        || *code == SqlState::DUPLICATE_OBJECT
        || *code == SqlState::DUPLICATE_SCHEMA
        || *code == SqlState::DUPLICATE_FUNCTION
    {
        "restore into an empty database, which --create creates; or a single table beside the existing one with --rename"
    } else if is_drop(statement) && is_missing(code) {
        "the dump was made with -c/--clean and without --if-exists, for a database that already contains everything: dump with \
         --if-exists, or restore with --continue-on-error"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE && is_refresh(statement) {
        "the view is filled with its owner's privileges, not the restoring role's: grant the owner SELECT on what \
         the view reads, USAGE on its schemas, and EXECUTE on its functions"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE && message.starts_with("permission denied for schema")
    {
        "grant the role USAGE on the schema, and CREATE to create objects in it, or connect as its owner"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        "connect as a superuser or as the owner; a dump made with -O and -x needs fewer privileges"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

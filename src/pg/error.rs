//! Errors of the server or the connection, as typed failures that are printed once.

use std::error::Error as StdError;
use std::fmt;

use tokio_postgres::error::{DbError, SqlState};

use crate::error::{Error, ErrorKind};

/// An error response of the server (manual, "Error and Notice Message Fields").
///
/// Displays as `ERROR: permission denied for table t (SQLSTATE 42501)`, with detail and context if the server
/// sent them.
#[derive(Debug, Clone)]
pub struct PgFailure {
    /// The SQLSTATE error code.
    pub sqlstate: SqlState,
    /// ERROR, FATAL or PANIC, in the server's language.
    pub severity: String,
    /// The primary message.
    pub message: String,
    /// The secondary message, with more detail.
    pub detail: Option<String>,
    /// The server's suggestion.
    pub hint: Option<String>,
    /// The call stack of functions and commands that led to the error.
    pub context: Option<String>,
    /// The schema of the object that the error is about.
    pub schema: Option<String>,
    /// The table that the error is about.
    pub table: Option<String>,
}

impl From<&DbError> for PgFailure {
    fn from(error: &DbError) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        PgFailure {
            sqlstate: error.code().clone(),
            severity: error.severity().to_owned(),
            message: error.message().to_owned(),
            detail: owned(error.detail()),
            hint: owned(error.hint()),
            context: owned(error.where_()),
            schema: owned(error.schema()),
            table: owned(error.table()),
        }
    }
}

impl fmt::Display for PgFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "; {detail}")?;
        }
        if let Some(context) = &self.context {
            write!(f, "; {context}")?;
        }
        write!(f, " (SQLSTATE {})", self.sqlstate.code())
    }
}

impl StdError for PgFailure {}

/// The server closed the connection.
#[derive(Debug)]
pub struct ConnectionClosed;

impl fmt::Display for ConnectionClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server closed the connection")
    }
}

impl StdError for ConnectionClosed {}

/// An error of tokio-postgres that is none of the above.
#[derive(Debug)]
struct Unclassified(tokio_postgres::Error);

impl fmt::Display for Unclassified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl StdError for Unclassified {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// The cause of `error`, and the server's hint.
pub(crate) fn cause_of(error: tokio_postgres::Error) -> (Box<dyn StdError + Send + Sync>, Option<String>) {
    if let Some(db) = error.as_db_error() {
        let failure = PgFailure::from(db);
        let hint = failure.hint.clone();
        return (Box::new(failure), hint);
    }
    if error.is_closed() {
        return (Box::new(ConnectionClosed), None);
    }
    // "error communicating with the server" adds nothing to its cause.
    let is_io = error.source().is_some_and(|source| source.is::<std::io::Error>());
    if is_io && error.to_string().starts_with("error communicating") {
        return match error.into_source() {
            Some(source) => (source, None),
            None => (Box::new(ConnectionClosed), None),
        };
    }
    (Box::new(Unclassified(error)), None)
}

/// Converts an error of tokio-postgres to a failure of the source (exit code 4).
///
/// `attempted` is a verb and its object: "read pg_index", "copy public.orders".
pub fn source_failed(attempted: impl Into<String>, error: tokio_postgres::Error) -> Error {
    failed(ErrorKind::SourceFailed, attempted, error)
}

/// Like [`source_failed`], for any kind.
pub fn failed(kind: ErrorKind, attempted: impl Into<String>, error: tokio_postgres::Error) -> Error {
    let (cause, hint) = cause_of(error);
    let error = Error::new(kind, attempted).because(cause);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The server's error response among the causes of `error`.
pub fn pg_failure(error: &Error) -> Option<&PgFailure> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The SQLSTATE among the causes of `error`.
pub fn sqlstate(error: &Error) -> Option<&SqlState> {
    pg_failure(error).map(|failure| &failure.sqlstate)
}

/// Whether the connection was lost, as opposed to a refused statement.
pub fn is_connection_lost(error: &Error) -> bool {
    causes(error).any(|cause| cause.is::<ConnectionClosed>() || cause.is::<std::io::Error>())
}

fn causes<'a>(error: &'a Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn StdError + 'static)| (**cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> PgFailure {
        PgFailure {
            sqlstate: SqlState::INSUFFICIENT_PRIVILEGE,
            severity: "ERROR".into(),
            message: "permission denied for table t".into(),
            detail: None,
            hint: None,
            context: None,
            schema: None,
            table: None,
        }
    }

    #[test]
    fn the_servers_message_is_printed_once() {
        let error = Error::new(ErrorKind::SourceFailed, "copy public.t").because(failure());
        assert_eq!(error.report(), "copy public.t: ERROR: permission denied for table t (SQLSTATE 42501)");
        assert_eq!(sqlstate(&error), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
        assert!(!is_connection_lost(&error));
    }

    #[test]
    fn the_sqlstate_is_found_below_other_errors() {
        let inner = Error::new(ErrorKind::SourceFailed, "copy public.t").because(failure());
        let outer = Error::new(ErrorKind::SourceFailed, "dump").because(inner);
        assert_eq!(sqlstate(&outer).map(SqlState::code), Some("42501"));
        assert_eq!(sqlstate(&Error::new(ErrorKind::Other, "x")), None);
    }

    #[test]
    fn a_lost_connection_is_told_from_a_refusal() {
        let error = Error::new(ErrorKind::SourceFailed, "copy public.t").because(ConnectionClosed);
        assert!(is_connection_lost(&error));
        assert_eq!(error.report(), "copy public.t: the server closed the connection");
    }
}

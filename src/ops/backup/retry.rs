//! Which failures of a whole dump may be transient, and how long to wait before trying again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::config::BackupAttempts;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::attempts::is_refused;
use crate::pg::error::{is_connection_lost, sqlstate};
use crate::progress::Warnings;

/// SQLSTATEs of a server that is shutting down, starting up or busy, and of conflicts with other
/// sessions (<https://www.postgresql.org/docs/current/errcodes-appendix.html>): classes 08 and 40, and
/// too_many_connections, lock_not_available, admin_shutdown, crash_shutdown, cannot_connect_now.
const PASSING: [&str; 7] = ["08", "40", "53300", "55P03", "57P01", "57P02", "57P03"];

/// Whether the same dump may succeed if started again. False for a wrong configuration, a missing
/// privilege or a wrong password; and failures of the storage were already retried where they happened.
pub(super) fn may_pass(error: &Error) -> bool {
    if !matches!(error.kind(), ErrorKind::SourceFailed | ErrorKind::SourceUnreachable) {
        return false;
    }
    match sqlstate(error) {
        Some(state) => PASSING.iter().any(|passing| state.code().starts_with(passing)),
        None if is_refused(error) => false,
        None => is_connection_lost(error) || error.kind() == ErrorKind::SourceUnreachable,
    }
}

pub(super) fn pauses(attempts: BackupAttempts) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(attempts.first_delay)
        .with_max_delay(attempts.max_delay.max(attempts.first_delay))
        .with_max_times(attempts.attempts.saturating_sub(1) as usize)
        .with_jitter()
        .build()
}

/// Retries transient failures.
pub(super) async fn retried<'a, T>(
    attempts: BackupAttempts,
    warnings: &Warnings,
    shutdown: &CancellationToken,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let mut pauses = pauses(attempts);
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(pause) = pauses.next().filter(|_| may_pass(&error)) else { return Err(error) };
        let (seconds, report) = (pause.as_secs(), error.report());
        warnings.warn(format_args!("cannot start the run; trying again in {seconds} s: {report}"));
        if cancelled_within(shutdown, pause).await {
            return Err(interrupted());
        }
    }
}

pub(super) async fn cancelled_within(shutdown: &CancellationToken, time: Duration) -> bool {
    tokio::time::timeout(time, shutdown.cancelled()).await.is_ok()
}

pub(super) async fn or_interrupted<T>(
    shutdown: &CancellationToken,
    doing: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(interrupted()),
        done = doing => done,
    }
}

pub(super) fn interrupted() -> Error {
    Error::interrupted("run the backup")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::error::{ConnectionClosed, PgFailure};
    use tokio_postgres::error::SqlState;

    fn with(state: SqlState) -> Error {
        Error::new(ErrorKind::SourceFailed, "copy public.t").because(PgFailure {
            sqlstate: state,
            severity: "ERROR".into(),
            message: "m".into(),
            detail: None,
            hint: None,
            context: None,
            schema: None,
            table: None,
        })
    }

    #[test]
    fn what_passes_and_what_does_not() {
        for state in
            [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::ADMIN_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]
        {
            assert!(may_pass(&with(state)));
        }
        for state in [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_PASSWORD, SqlState::UNDEFINED_TABLE]
        {
            assert!(!may_pass(&with(state)));
        }
        assert!(may_pass(&Error::new(ErrorKind::SourceFailed, "copy").because(ConnectionClosed)));
        assert!(!may_pass(&Error::new(ErrorKind::SourceFailed, "copy").because("no SELECT privilege on t")));
        assert!(!may_pass(&Error::new(ErrorKind::StorageFailed, "publish").because(ConnectionClosed)));
        assert!(!may_pass(&Error::new(ErrorKind::Usage, "read")));
    }

    #[test]
    fn there_is_one_pause_less_than_attempts() {
        let attempts = |attempts| BackupAttempts {
            attempts,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(3),
        };
        assert_eq!(pauses(attempts(1)).count(), 0);
        assert_eq!(pauses(attempts(4)).count(), 3);
    }
}

//! Which failures of a whole dump may pass by themselves.

use crate::error::{Error, ErrorKind};
use crate::pg::attempts::is_refused;
use crate::pg::error::{is_connection_lost, sqlstate};

/// SQLSTATEs of a server that is going down, coming up, or busy, and of conflicts with others
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>): classes 08 and 40, and
/// too_many_connections, lock_not_available, admin_shutdown, crash_shutdown, cannot_connect_now.
const PASSING: [&str; 7] = ["08", "40", "53300", "55P03", "57P01", "57P02", "57P03"];

/// Whether the same dump may succeed if it is begun again. Not so a wrong configuration, a missing
/// privilege or a wrong password; and the storage's failures were tried again already, where they
/// happened.
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
}

//! Why a connection could not be made, with the reason for every attempt.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::error::cause_of;
use super::login::LoginRefused;
use super::params::{ConnectParams, Host, TargetSessionAttrs};
use super::transport::{Address, TlsRefused};
use crate::error::{Error, ErrorKind};

#[derive(Debug)]
pub(crate) enum Reason {
    /// Looking up the host's name failed.
    Lookup(io::Error),
    /// Opening the socket failed.
    Socket(io::Error),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// The login failed, between the startup message and the first ReadyForQuery.
    Login(tokio_postgres::Error),
    Timeout(Duration),
    /// The server is not of the kind that `target_session_attrs` requires.
    WrongKind(TargetSessionAttrs),
    /// The server's version cannot be parsed.
    Version(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Lookup(error) | Reason::Socket(error) | Reason::Tls(error) => error.fmt(f),
            Reason::Login(error) => {
                error.fmt(f)?;
                error.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
            Reason::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            Reason::WrongKind(wanted) => f.write_str(wrong_kind(*wanted)),
            Reason::Version(text) => write!(f, "cannot read the server's version \"{text}\""),
        }
    }
}

impl Reason {
    /// Distinguishes TLS errors from socket errors in what `Transport::open` returns.
    pub(crate) fn of_open(error: io::Error) -> Self {
        let inner = error.get_ref();
        if inner.is_some_and(|inner| inner.is::<rustls::Error>() || inner.is::<TlsRefused>())
            || error.kind() == io::ErrorKind::UnexpectedEof
        {
            Reason::Tls(error)
        } else {
            Reason::Socket(error)
        }
    }

    fn io(&self) -> Option<&io::Error> {
        match self {
            Reason::Lookup(error) | Reason::Socket(error) | Reason::Tls(error) => Some(error),
            Reason::Login(error) => error.source().and_then(|source| source.downcast_ref()),
            Reason::Timeout(_) | Reason::WrongKind(_) | Reason::Version(_) => None,
        }
    }

    /// Whether reading or writing failed, as opposed to a refusal by the server.
    pub(crate) fn is_io(&self) -> bool {
        self.io().is_some()
    }

    /// Whether we ended the login ourselves.
    pub(crate) fn login_refused(&self) -> Option<LoginRefused> {
        self.io()?.get_ref()?.downcast_ref().copied()
    }

    fn sqlstate(&self) -> Option<&SqlState> {
        match self {
            Reason::Login(error) => error.code(),
            _ => None,
        }
    }

    /// Whether other hosts need not be tried. As in libpq, a server's answer is final, unless the server is
    /// only starting up or shutting down.
    fn is_final(&self) -> bool {
        self.login_refused().is_some()
            || self.sqlstate().is_some_and(|code| *code != SqlState::CANNOT_CONNECT_NOW)
    }

    /// Whether the same attempt will keep failing until somebody changes something: the request is refused,
    /// rather than the server unavailable.
    fn is_permanent(&self) -> bool {
        if let Some(code) = self.sqlstate() {
            // Classes for failed connections, and for servers that are full, starting up or shutting down.
            return !["08", "53", "57"].iter().any(|class| code.code().starts_with(class));
        }
        let tls = || self.io().and_then(io::Error::get_ref);
        self.login_refused().is_some()
            || tls().is_some_and(|inner| {
                inner.downcast_ref() == Some(&TlsRefused::NotSupported)
                    || matches!(inner.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
            })
    }

    fn into_cause(self) -> (Box<dyn StdError + Send + Sync>, Option<String>) {
        let hint = self.hint().map(str::to_owned);
        let cause = match self {
            Reason::Lookup(error) | Reason::Socket(error) | Reason::Tls(error) => error.into(),
            Reason::Login(error) => {
                let (cause, server_hint) = cause_of(error);
                return (cause, server_hint.or(hint));
            }
            reason @ (Reason::Timeout(_) | Reason::WrongKind(_) | Reason::Version(_)) => {
                reason.to_string().into()
            }
        };
        (cause, hint)
    }

    fn hint(&self) -> Option<&'static str> {
        if self.login_refused() == Some(LoginRefused::PasswordNeeded) {
            return Some("set PGPASSWORD, use a ~/.pgpass file, or put it in the connection URL");
        }
        if let Some(code) = self.sqlstate() {
            return HINTS.iter().find(|(known, _)| *known == code.code()).map(|(_, hint)| *hint);
        }
        match (self, self.io().map(io::Error::kind)) {
            (Reason::Lookup(_), _) => Some("check the host's name"),
            (Reason::Socket(_), Some(io::ErrorKind::ConnectionRefused)) => {
                Some("is the server running on that host and listening on that port?")
            }
            (Reason::Socket(_), Some(io::ErrorKind::NotFound)) => Some(
                "is the server running on this machine, with its socket there? use -h to name another host",
            ),
            (Reason::Socket(_), Some(io::ErrorKind::TimedOut)) | (Reason::Timeout(_), _) => {
                Some("does a firewall drop the packets, or is the server overloaded?")
            }
            (Reason::Tls(error), _) => tls_hint(error),
            _ => None,
        }
    }
}

/// Hints by SQLSTATE (manual, "PostgreSQL Error Codes").
const HINTS: &[(&str, &str)] = &[
    ("28P01", "check the password in PGPASSWORD, ~/.pgpass or the connection URL"),
    ("28000", "the server's pg_hba.conf must let this user in from here, or the role does not exist"),
    ("3D000", "the last argument or PGDATABASE names the database"),
    ("53300", "use fewer --jobs, or raise the limit of connections"),
    ("57P03", "the server is starting up or shutting down: try again in a moment"),
    ("42501", "grant CONNECT on the database to this role"),
];

fn tls_hint(error: &io::Error) -> Option<&'static str> {
    let inner = error.get_ref()?;
    if inner.downcast_ref() == Some(&TlsRefused::NotSupported) {
        return Some("enable ssl on the server, or choose sslmode=prefer");
    }
    match inner.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidForName
            | rustls::CertificateError::NotValidForNameContext { .. },
        ) => Some("the certificate is for another host: connect by a name in it, or use sslmode=verify-ca"),
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            Some("the authority that signed the server's certificate must be in sslrootcert")
        }
        _ => None,
    }
}

fn wrong_kind(wanted: TargetSessionAttrs) -> &'static str {
    match wanted {
        TargetSessionAttrs::ReadWrite => "the session is read-only",
        TargetSessionAttrs::ReadOnly => "the session is not read-only",
        TargetSessionAttrs::Primary => "the server is in hot standby mode",
        TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby => {
            "the server is not in hot standby mode"
        }
        TargetSessionAttrs::Any => "the server is of the wrong kind",
    }
}

/// One attempt at one address.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// For example `server at "db" (10.0.0.1), port 5432, with TLS`.
    place: String,
    reason: Reason,
}

impl Attempt {
    pub(crate) fn new(host: &Host, address: Option<&Address>, over_tls: bool, reason: Reason) -> Self {
        let mut place = format!("server at {host}");
        if let Some(Address::Tcp(address)) = address {
            let ip = address.ip().to_string();
            if !place.contains(&ip) {
                place = place.replacen("\", port", &format!("\" ({ip}), port"), 1);
            }
        }
        // If the socket failed, TLS was never reached.
        if over_tls && !matches!(reason, Reason::Socket(_)) {
            place.push_str(", with TLS");
        }
        Attempt { place, reason }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// All attempts of one pass.
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<Attempt>);

impl Failures {
    pub(crate) fn push(&mut self, attempt: Attempt) {
        tracing::debug!("cannot connect to {}: {:?}", attempt.place, attempt.reason);
        self.0.push(attempt);
    }

    /// Whether trying other hosts is pointless.
    pub(crate) fn are_final(&self) -> bool {
        self.0.last().is_some_and(|attempt| attempt.reason.is_final())
    }

    /// Whether a password would help.
    pub(crate) fn want_password(&self) -> bool {
        self.0
            .last()
            .is_some_and(|attempt| attempt.reason.login_refused() == Some(LoginRefused::PasswordNeeded))
    }

    /// One error for all attempts: with the cause if there was one attempt, with a list otherwise.
    pub(crate) fn into_error(mut self, params: &ConnectParams) -> Error {
        let who = format!("as user \"{}\", database \"{}\"", params.user, params.dbname);
        let error =
            |place: &str| Error::new(ErrorKind::SourceUnreachable, format!("connect to {place} {who}"));
        let Some(last) = self.0.pop() else { return error("no host") };
        if self.0.is_empty() {
            let is_refused = last.reason.is_permanent() && last.reason.sqlstate().is_none();
            let (cause, hint) = last.reason.into_cause();
            let error = error(&last.place);
            return with_hint(
                if is_refused { error.because(Refused(cause)) } else { error.because(cause) },
                hint,
            );
        }
        self.0.push(last);
        let is_permanent = self.0.iter().all(|attempt| attempt.reason.is_permanent());
        let mut list = AttemptsFailed { attempts: Vec::new(), is_permanent };
        let mut last_hint = None;
        for attempt in self.0 {
            let (cause, hint) = attempt.reason.into_cause();
            list.attempts.push((attempt.place, cause));
            last_hint = hint;
        }
        with_hint(error("any server").because(list), last_hint)
    }
}

fn with_hint(error: Error, hint: Option<String>) -> Error {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

#[derive(Debug)]
struct AttemptsFailed {
    attempts: Vec<(String, Box<dyn StdError + Send + Sync>)>,
    is_permanent: bool,
}

/// A refusal that has no SQLSTATE to identify it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(Box<dyn StdError + Send + Sync>);

/// Whether another attempt is pointless, in cases that have no SQLSTATE.
pub(crate) fn is_refused(error: &Error) -> bool {
    let Some(cause) = error.source() else { return false };
    cause.is::<Refused>() || cause.downcast_ref::<AttemptsFailed>().is_some_and(|list| list.is_permanent)
}

impl fmt::Display for AttemptsFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (place, cause)) in self.attempts.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{place}: {cause}")?;
            let mut below = cause.source();
            while let Some(cause) = below {
                write!(f, ": {cause}")?;
                below = cause.source();
            }
        }
        Ok(())
    }
}

impl StdError for AttemptsFailed {}

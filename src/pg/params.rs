//! Connection parameters after resolution: everything decided, nothing left to a default.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::secret::Secret;
use crate::progress::Warnings;

/// The port that PostgreSQL listens on by default.
pub const DEFAULT_PORT: u16 = 5432;

/// How and as whom to connect. Made by [`super::conninfo::resolve`]; fields carry libpq's names.
#[derive(Debug, Clone)]
pub struct ConnectParams {
    /// Where to try, in this order unless [`LoadBalanceHosts::Random`]; never empty.
    pub hosts: Vec<Host>,
    /// The role to log in as.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Command-line options for the server (`-c name=value`), as the user gave them.
    pub options: Option<String>,
    /// PGTZ, sent as startup parameter as libpq does. (PGDATESTYLE is overridden by every dump,
    /// and PGGEQO changes no text.)
    pub timezone: Option<String>,
    /// The encoding to ask for; else it is the database's. A dump is in it, but for `--encoding`.
    pub client_encoding: Option<String>,
    /// For one attempt at one address, login included; none waits as long as the system does.
    pub connect_timeout: Option<Duration>,
    /// Which kind of server will do.
    pub target_session_attrs: TargetSessionAttrs,
    /// In which order hosts and their addresses are tried.
    pub load_balance_hosts: LoadBalanceHosts,
    /// TCP keepalives.
    pub keepalives: Keepalives,
    /// How long sent data may stay unacknowledged before the connection is given up.
    pub tcp_user_timeout: Option<Duration>,
    /// Everything about TLS.
    pub tls: TlsParams,
    /// Whether SCRAM must be bound to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// Which ways of authentication are accepted from the server.
    pub require_auth: RequireAuth,
    /// Asks the user for a password.
    pub prompt: PasswordPrompt,
    /// Where warnings go, of connecting and of what is read in the session.
    pub warnings: Warnings,
    /// Whether it was told that connections go on without TLS; shared by all clones.
    pub(crate) plaintext_told: Arc<AtomicBool>,
    /// Whether it is known that timeouts must not be set at startup; shared by all clones.
    pub(crate) refuses_startup_timeouts: Arc<AtomicBool>,
}

impl ConnectParams {
    /// Leaves the timeouts as the role and the database have them, to look at them.
    pub fn with_ambient_timeouts(self) -> Self {
        ConnectParams { refuses_startup_timeouts: Arc::new(AtomicBool::new(true)), ..self }
    }
}

/// One entry of `host`, `hostaddr` and `port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The TCP port, or the number in the socket's name.
    pub port: u16,
    /// From the connection string, the environment or the password file.
    pub password: Option<Secret>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The directory of a Unix socket; one that starts with `@` is in the abstract namespace.
    Unix(PathBuf),
    /// A name to be looked up, or to be known by in certificates only, when `addr` is given.
    Tcp {
        /// Empty if only the address is known.
        name: String,
        /// `hostaddr`.
        addr: Option<IpAddr>,
    },
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Unix(directory) => {
                write!(f, "socket \"{}/.s.PGSQL.{}\"", directory.display(), self.port)
            }
            Endpoint::Tcp { name, addr: None } => write!(f, "\"{name}\", port {}", self.port),
            Endpoint::Tcp { name, addr: Some(addr) } if name.is_empty() => {
                write!(f, "\"{addr}\", port {}", self.port)
            }
            Endpoint::Tcp { name, addr: Some(addr) } => write!(f, "\"{name}\" ({addr}), port {}", self.port),
        }
    }
}

/// `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any server.
    Any,
    /// Sessions are read-write by default.
    ReadWrite,
    /// Sessions are read-only by default.
    ReadOnly,
    /// Not in hot standby mode.
    Primary,
    /// In hot standby mode.
    Standby,
    /// A standby if one of the hosts is one, else any.
    PreferStandby,
}

/// `load_balance_hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadBalanceHosts {
    /// As listed.
    Disable,
    /// In random order.
    Random,
}

/// `keepalives*`; `None` leaves a figure to the system, as libpq's 0 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether there are any.
    pub enabled: bool,
    /// Inactivity before the first one.
    pub idle: Option<Duration>,
    /// Time between two.
    pub interval: Option<Duration>,
    /// How many may be lost.
    pub count: Option<u32>,
}

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server refuses us without.
    Allow,
    /// TLS if the server has it, else without.
    Prefer,
    /// TLS; the certificate is checked only if there are root certificates.
    Require,
    /// TLS with a certificate that a trusted authority signed.
    VerifyCa,
    /// As before, and the certificate is for this host.
    VerifyFull,
}

/// `sslnegotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslNegotiation {
    /// Ask first (SSLRequest).
    Postgres,
    /// Start with the TLS handshake (PostgreSQL 17 and later).
    Direct,
}

/// A TLS version; older ones are not spoken at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// The operating system's authorities.
    System,
    /// A PEM file, which need not exist below verify-ca.
    File(PathBuf),
    /// No home directory to look in.
    None,
}

/// Everything about TLS. The files are read when TLS is first needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsParams {
    /// Whether, and with how much trust.
    pub mode: SslMode,
    /// How it starts.
    pub negotiation: SslNegotiation,
    /// Who may sign the server's certificate.
    pub root_cert: RootCert,
    /// The client's certificate, if that file exists.
    pub cert: Option<PathBuf>,
    /// The key that belongs to it.
    pub key: Option<PathBuf>,
    /// Revoked certificates, if that file exists.
    pub crl: Option<PathBuf>,
    /// A directory with files of revoked certificates.
    pub crl_dir: Option<PathBuf>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// The newest version that is spoken.
    pub max_version: TlsVersion,
    /// Whether the server is told the host name that we want.
    pub sni: bool,
}

/// `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If both sides can.
    Prefer,
    /// Or no login.
    Require,
}

/// A way of authentication, in the words of `require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A password in clear text.
    Password,
    /// A password hashed by MD5.
    Md5,
    /// GSSAPI, which we don't speak.
    Gss,
    /// SSPI, which we don't speak.
    Sspi,
    /// SCRAM-SHA-256, with channel binding or without.
    ScramSha256,
    /// OAuth, which we don't speak.
    OAuth,
    /// The server asks for nothing (trust, a client certificate, peer).
    None,
}

/// `require_auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequireAuth {
    /// Whatever the server asks for.
    Any,
    /// One of these.
    OneOf(Vec<AuthMethod>),
    /// Any but these.
    NoneOf(Vec<AuthMethod>),
}

impl RequireAuth {
    /// Whether the server may ask for `method`.
    pub fn accepts(&self, method: AuthMethod) -> bool {
        match self {
            RequireAuth::Any => true,
            RequireAuth::OneOf(methods) => methods.contains(&method),
            RequireAuth::NoneOf(methods) => !methods.contains(&method),
        }
    }
}

/// When to ask the user for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PromptPolicy {
    /// Never (`-w`).
    Never,
    /// When the server wants one and none is known.
    #[default]
    IfNeeded,
    /// Always, before the first connection (`-W`).
    Force,
}

/// Asks for a password; the argument is the text to show.
pub type AskPassword = dyn Fn(&str) -> io::Result<Secret> + Send + Sync;

/// The policy, the way to ask, and the answer: it is asked once for all connections that are
/// made from (clones of) the same parameters.
#[derive(Clone, Default)]
pub struct PasswordPrompt {
    /// When to ask.
    pub policy: PromptPolicy,
    ask: Option<Arc<AskPassword>>,
    answer: Arc<Mutex<Option<Secret>>>,
}

impl PasswordPrompt {
    /// A prompt that asks by `ask`, or cannot ask at all.
    pub fn new(policy: PromptPolicy, ask: Option<Arc<AskPassword>>) -> Self {
        PasswordPrompt { policy, ask, answer: Arc::default() }
    }

    /// A prompt whose answer is known already.
    pub fn known(secret: Secret) -> Self {
        PasswordPrompt { policy: PromptPolicy::Never, ask: None, answer: Arc::new(Mutex::new(Some(secret))) }
    }

    /// The answer, if the user was asked already.
    pub fn answer(&self) -> Option<Secret> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks, unless there is an answer already. Blocks until there is one.
    ///
    /// # Errors
    /// There is no terminal, or it failed.
    pub fn ask(&self, text: &str) -> io::Result<Secret> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(secret) = &*answer {
            return Ok(secret.clone());
        }
        let ask = self.ask.as_ref().ok_or_else(|| io::Error::other("there is nobody to ask"))?;
        let secret = ask(text)?;
        *answer = Some(secret.clone());
        Ok(secret)
    }
}

impl fmt::Debug for PasswordPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordPrompt").field("policy", &self.policy).finish_non_exhaustive()
    }
}

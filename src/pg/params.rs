//! Connection parameters after resolution: everything is decided, and no defaults are left to apply.

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

/// How and as whom to connect. Made by [`super::conninfo::resolve`]; fields have libpq's names.
#[derive(Debug, Clone)]
pub struct ConnectParams {
    /// The hosts to try, in this order unless [`LoadBalanceHosts::Random`]; never empty.
    pub hosts: Vec<Host>,
    /// The role to log in as.
    pub user: String,
    /// The database to connect to.
    pub dbname: String,
    /// The name shown in `pg_stat_activity`.
    pub application_name: String,
    /// Command-line options for the server (`-c name=value`), as the user gave them.
    pub options: Option<String>,
    /// PGTZ, sent as a startup parameter as in libpq. (PGDATESTYLE is overridden by every dump, and PGGEQO
    /// does not affect the text.)
    pub timezone: Option<String>,
    /// The client encoding to request; otherwise the database's. A dump uses it, unless `--encoding` is
    /// given.
    pub client_encoding: Option<String>,
    /// The limit for one attempt at one address, including the login. `None` waits as long as the system does.
    pub connect_timeout: Option<Duration>,
    /// Which kinds of server are acceptable.
    pub target_session_attrs: TargetSessionAttrs,
    /// In which order hosts and their addresses are tried.
    pub load_balance_hosts: LoadBalanceHosts,
    /// TCP keepalives.
    pub keepalives: Keepalives,
    /// How long sent data may stay unacknowledged before the connection is dropped.
    pub tcp_user_timeout: Option<Duration>,
    /// TLS mode, certificates and versions.
    pub tls: TlsParams,
    /// Whether SCRAM must be bound to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// Which authentication methods are accepted from the server.
    pub require_auth: RequireAuth,
    /// Asks the user for a password.
    pub prompt: PasswordPrompt,
    /// Receives the warnings of connecting and of reading in the session.
    pub warnings: Warnings,
    /// Whether the warning about connections without TLS was given; shared by all clones.
    pub(crate) plaintext_told: Arc<AtomicBool>,
    /// Whether timeouts must not be set at startup, as learned from a refusal; shared by all clones.
    pub(crate) refuses_startup_timeouts: Arc<AtomicBool>,
}

impl ConnectParams {
    /// Keeps the timeouts of the role and the database, so that they can be inspected.
    pub fn with_ambient_timeouts(self) -> Self {
        ConnectParams { refuses_startup_timeouts: Arc::new(AtomicBool::new(true)), ..self }
    }
}

/// One entry of `host`, `hostaddr` and `port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where the server listens.
    pub endpoint: Endpoint,
    /// The TCP port, or the number in the socket's name.
    pub port: u16,
    /// The password for this host, from the connection string, the environment or the password file.
    pub password: Option<Secret>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The directory of a Unix socket; one that starts with `@` is in the abstract namespace.
    Unix(PathBuf),
    /// A host name to look up. If `addr` is given, the name is only used to check certificates.
    Tcp {
        /// Empty if only the address is known.
        name: String,
        /// `hostaddr`: the address to connect to, without a look-up.
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

/// `target_session_attrs`: which kind of server to accept.
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
    /// A standby if there is one among the hosts, otherwise any server.
    PreferStandby,
}

/// `load_balance_hosts`: in which order to try hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadBalanceHosts {
    /// In the given order.
    Disable,
    /// In random order.
    Random,
}

/// `keepalives*`; `None` leaves a value to the system, as libpq's 0 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether keepalives are sent.
    pub enabled: bool,
    /// Inactivity before the first keepalive.
    pub idle: Option<Duration>,
    /// Time between two keepalives.
    pub interval: Option<Duration>,
    /// How many keepalives may be lost.
    pub count: Option<u32>,
}

/// `sslmode`: whether to use TLS, and what to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server refuses an unencrypted connection.
    Allow,
    /// TLS if the server supports it, otherwise no encryption.
    Prefer,
    /// TLS; the certificate is checked only if there are root certificates.
    Require,
    /// TLS with a certificate that a trusted authority signed.
    VerifyCa,
    /// As `VerifyCa`, and the certificate must be for this host.
    VerifyFull,
}

/// `sslnegotiation`: how TLS is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslNegotiation {
    /// Send an SSLRequest first.
    Postgres,
    /// Start with the TLS handshake (PostgreSQL 17 and later).
    Direct,
}

/// A supported TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// `sslrootcert`: the authorities that may sign the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// The operating system's authorities.
    System,
    /// A PEM file, which may be missing below verify-ca.
    File(PathBuf),
    /// There is no home directory in which to look for the file.
    None,
}

/// The TLS settings. The files are read when TLS is first needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsParams {
    /// Whether to use TLS, and what to check.
    pub mode: SslMode,
    /// How TLS is started.
    pub negotiation: SslNegotiation,
    /// The authorities that may sign the server's certificate.
    pub root_cert: RootCert,
    /// The client's certificate, if that file exists.
    pub cert: Option<PathBuf>,
    /// The private key of the client's certificate.
    pub key: Option<PathBuf>,
    /// A file of revoked certificates, if it exists.
    pub crl: Option<PathBuf>,
    /// A directory with files of revoked certificates.
    pub crl_dir: Option<PathBuf>,
    /// The oldest version to accept.
    pub min_version: TlsVersion,
    /// The newest version to accept.
    pub max_version: TlsVersion,
    /// Whether to send the host name to the server (SNI).
    pub sni: bool,
}

/// `channel_binding`: whether SCRAM is bound to the TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never use channel binding.
    Disable,
    /// Use it if both sides support it.
    Prefer,
    /// Refuse to log in without it.
    Require,
}

/// An authentication method, as named by `require_auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A password in clear text.
    Password,
    /// A password hashed by MD5.
    Md5,
    /// GSSAPI, which is not supported.
    Gss,
    /// SSPI, which is not supported.
    Sspi,
    /// SCRAM-SHA-256, with channel binding or without.
    ScramSha256,
    /// OAuth, which is not supported.
    OAuth,
    /// The server requests nothing (trust, a client certificate, peer).
    None,
}

/// `require_auth`: which authentication methods the server may request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequireAuth {
    /// Any method.
    Any,
    /// Only one of these.
    OneOf(Vec<AuthMethod>),
    /// Any method except these.
    NoneOf(Vec<AuthMethod>),
}

impl RequireAuth {
    /// Whether the server may request `method`.
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
    /// If the server wants a password and none is known.
    #[default]
    IfNeeded,
    /// Always, before the first connection (`-W`).
    Force,
}

/// Asks for a password; the argument is the prompt to show.
pub type AskPassword = dyn Fn(&str) -> io::Result<Secret> + Send + Sync;

/// The policy, the way to ask, and the answer. The user is asked once for all connections made from the same
/// parameters or clones of them.
#[derive(Clone, Default)]
pub struct PasswordPrompt {
    /// When to ask.
    pub policy: PromptPolicy,
    ask: Option<Arc<AskPassword>>,
    answer: Arc<Mutex<Option<Secret>>>,
}

impl PasswordPrompt {
    /// A prompt that asks with `ask`, or cannot ask if it is `None`.
    pub fn new(policy: PromptPolicy, ask: Option<Arc<AskPassword>>) -> Self {
        PasswordPrompt { policy, ask, answer: Arc::default() }
    }

    /// A prompt whose answer is already known.
    pub fn known(secret: Secret) -> Self {
        PasswordPrompt { policy: PromptPolicy::Never, ask: None, answer: Arc::new(Mutex::new(Some(secret))) }
    }

    /// The answer, if the user has already been asked.
    pub fn answer(&self) -> Option<Secret> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks, unless there is already an answer. Blocks until there is one.
    ///
    /// # Errors
    /// If there is no terminal, or reading from it fails.
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

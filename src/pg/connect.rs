//! Opens sessions: tries hosts, addresses and encryption as libpq does, and logs in.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;

use super::attempts::{Attempt, Failures, Reason};
pub use super::copy_in::CopyIn;
use super::error::cause_of;
use super::frontend_stream::{FrontendStream, StartupEdits};
use super::login::LoginWatch;
use super::params::{
    ChannelBinding, ConnectParams, Endpoint, Host, LoadBalanceHosts, PromptPolicy, SslMode,
    TargetSessionAttrs,
};
use super::secret::Secret;
use super::session::CopySlots;
pub use super::session::{Canceller, Session};
use super::tls::TlsConnector;
use super::transport::{Address, Encryption, ReadyTls, Transport};
use crate::error::{Error, ErrorKind, Result};

/// Connects and logs in. A task on the current runtime drives the connection.
///
/// # Errors
/// [`ErrorKind::SourceUnreachable`] with host, port, user, database and cause, for each attempt if there were
/// several; [`ErrorKind::Usage`] if a TLS file is missing or invalid.
pub async fn connect(params: &ConnectParams) -> Result<Session> {
    if params.prompt.policy == PromptPolicy::Force {
        ask_password(params).await.map_err(|error| {
            Error::new(ErrorKind::SourceUnreachable, "ask for the password").because(error)
        })?;
    }
    let failures = match try_hosts(params).await? {
        Ok(session) => return Ok(session),
        Err(failures) => failures,
    };
    let may_ask = params.prompt.policy == PromptPolicy::IfNeeded && params.prompt.answer().is_none();
    if !(failures.want_password() && may_ask) {
        return Err(failures.into_error(params));
    }
    if let Err(error) = ask_password(params).await {
        tracing::debug!("cannot ask for the password: {error}");
        return Err(failures.into_error(params));
    }
    try_hosts(params).await?.map_err(|failures| failures.into_error(params))
}

async fn ask_password(params: &ConnectParams) -> io::Result<()> {
    let prompt = params.prompt.clone();
    tokio::task::spawn_blocking(move || prompt.ask("Password: ")).await.map_err(io::Error::other)??;
    Ok(())
}

/// Tries all hosts. For prefer-standby it tries them twice, since only after the first pass is it known that
/// none is a standby.
async fn try_hosts(params: &ConnectParams) -> Result<Result<Session, Failures>> {
    let passes: &[TargetSessionAttrs] = match params.target_session_attrs {
        TargetSessionAttrs::PreferStandby => &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any],
        _ => std::slice::from_ref(&params.target_session_attrs),
    };
    let mut hosts: Vec<&Host> = params.hosts.iter().collect();
    if params.load_balance_hosts == LoadBalanceHosts::Random {
        hosts.shuffle(&mut rand::rng());
    }
    let mut failures = Failures::default();
    for wanted in passes {
        failures = Failures::default();
        for host in &hosts {
            if let Some(session) = try_host(params, host, *wanted, &mut failures).await? {
                return Ok(Ok(session));
            }
            if failures.are_final() {
                return Ok(Err(failures));
            }
        }
    }
    Ok(Err(failures))
}

/// Tries all addresses of a host.
async fn try_host(
    params: &ConnectParams,
    host: &Host,
    wanted: TargetSessionAttrs,
    failures: &mut Failures,
) -> Result<Option<Session>> {
    let addresses = match addresses(params, host).await {
        Ok(addresses) => addresses,
        Err(error) => {
            failures.push(Attempt::new(host, None, false, Reason::Lookup(error)));
            return Ok(None);
        }
    };
    for address in addresses {
        let encryptions = encryptions(params, host, &address)?;
        let several = encryptions.len() > 1;
        let mut tls_failure: Option<String> = None;
        for encryption in encryptions {
            let target = ConnectTarget { params, host, address: &address, encryption: &encryption };
            match target.attempt(wanted).await {
                Ok(session) => {
                    if let Some(failure) = tls_failure.filter(|_| !session.is_tls()) {
                        tell_plaintext(params, &failure);
                    }
                    return Ok(Some(session));
                }
                Err((reason, over_tls)) => {
                    let retry = several && is_about_encryption(&reason, over_tls);
                    let attempt = Attempt::new(host, Some(&address), over_tls, reason);
                    if over_tls {
                        tls_failure = Some(attempt.to_string());
                    }
                    failures.push(attempt);
                    if !retry {
                        break;
                    }
                }
            }
        }
        if failures.are_final() {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Warns, once rather than for each session, that a connection continues without TLS.
fn tell_plaintext(params: &ConnectParams, tls_failure: &str) {
    if !params.plaintext_told.swap(true, Ordering::Relaxed) {
        params
            .warnings
            .warn(format_args!("the connection is not encrypted, because TLS failed: {tls_failure}"));
    }
}

/// All addresses of the host, in the resolver's order or shuffled.
async fn addresses(params: &ConnectParams, host: &Host) -> io::Result<Vec<Address>> {
    let (name, addr) = match &host.endpoint {
        Endpoint::Unix(directory) => return Ok(vec![Address::unix(directory, host.port)]),
        Endpoint::Tcp { name, addr } => (name, addr),
    };
    let mut found: Vec<SocketAddr> = match addr {
        Some(addr) => vec![SocketAddr::new(*addr, host.port)],
        None => {
            let lookup = tokio::net::lookup_host((name.as_str(), host.port));
            within(params.connect_timeout, lookup).await?.collect()
        }
    };
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host name has no address"));
    }
    if params.load_balance_hosts == LoadBalanceHosts::Random {
        found.shuffle(&mut rand::rng());
    }
    Ok(found.into_iter().map(Address::Tcp).collect())
}

/// The encryption modes to try, in order.
fn encryptions(params: &ConnectParams, host: &Host, address: &Address) -> Result<Vec<Encryption>> {
    let mode = params.tls.mode;
    let Address::Tcp(socket_address) = address else { return Ok(vec![Encryption::None]) };
    if mode == SslMode::Disable {
        return Ok(vec![Encryption::None]);
    }
    let name = match &host.endpoint {
        Endpoint::Tcp { name, .. } if !name.is_empty() => name.clone(),
        _ if mode == SslMode::VerifyFull => {
            return Err(Error::new(ErrorKind::Usage, "verify the server's name")
                .because("only the server's address was given")
                .hint("also give the host's name (host or -h)"));
        }
        _ => socket_address.ip().to_string(),
    };
    let tls = |optional| {
        TlsConnector::new(&params.tls).map(|connector| Encryption::Tls {
            connector,
            name: name.clone(),
            optional,
        })
    };
    // Below require, libpq treats a TLS setup error like a failed handshake.
    let optional_tls = || match tls(mode == SslMode::Prefer) {
        Ok(encryption) => Some(encryption),
        Err(error) => {
            params.warnings.warn(format_args!("cannot use TLS: {}", error.report()));
            None
        }
    };
    Ok(match mode {
        SslMode::Allow => [Some(Encryption::None), optional_tls()].into_iter().flatten().collect(),
        SslMode::Prefer => [optional_tls(), Some(Encryption::None)].into_iter().flatten().collect(),
        _ => vec![tls(false)?],
    })
}

/// Whether the same attempt might succeed with the other encryption mode: TLS failed, or pg_hba.conf has no
/// entry for this one (28000). Unlike libpq we do not retry a wrong password without TLS.
fn is_about_encryption(reason: &Reason, over_tls: bool) -> bool {
    match reason {
        Reason::Tls(_) => true,
        Reason::Login(error) => match error.code() {
            Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            None => over_tls && reason.login_refused().is_none() && reason.is_io(),
        },
        _ => false,
    }
}

/// Applies the time limit, if there is one.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match limit {
        None => future.await,
        Some(limit) => tokio::time::timeout(limit, future)
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "timeout expired"))),
    }
}

/// One attempt: one address with one encryption mode.
struct ConnectTarget<'a> {
    params: &'a ConnectParams,
    host: &'a Host,
    address: &'a Address,
    encryption: &'a Encryption,
}

impl ConnectTarget<'_> {
    /// Runs the attempt. On failure, also returns whether it happened over TLS.
    async fn attempt(&self, wanted: TargetSessionAttrs) -> Result<Session, (Reason, bool)> {
        let wants_tls = matches!(self.encryption, Encryption::Tls { .. });
        let Some(limit) = self.params.connect_timeout else { return Box::pin(self.login(wanted)).await };
        match tokio::time::timeout(limit, Box::pin(self.login(wanted))).await {
            Ok(result) => result,
            Err(_) => Err((Reason::Timeout(limit), wants_tls)),
        }
    }

    /// Some poolers only accept startup parameters that they know. For these, ours are left out.
    async fn login(&self, wanted: TargetSessionAttrs) -> Result<Session, (Reason, bool)> {
        let plain = &self.params.refuses_startup_timeouts;
        if !plain.load(Ordering::Relaxed) {
            match self.login_with(startup_timeouts(self.params), wanted).await {
                Err((Reason::Login(error), _)) if is_about_parameters(&error) => {
                    tracing::debug!("no timeouts are set at startup: {}", cause_of(error).0);
                    plain.store(true, Ordering::Relaxed);
                }
                outcome => return outcome,
            }
        }
        self.login_with(Vec::new(), wanted).await
    }

    async fn login_with(
        &self,
        timeouts: Vec<(&'static str, String)>,
        wanted: TargetSessionAttrs,
    ) -> Result<Session, (Reason, bool)> {
        let wants_tls = matches!(self.encryption, Encryption::Tls { .. });
        let transport = Transport::open(self.address, self.encryption, self.params)
            .await
            .map_err(|error| (Reason::of_open(error), wants_tls))?;
        let over_tls = transport.is_tls();
        let password = self.params.prompt.answer().or_else(|| self.host.password.clone());
        let watch = LoginWatch::new(self.params.require_auth.clone(), password.is_some());
        let slots = CopySlots::default();
        let stream = FrontendStream::new(transport, startup_edits(self.params, timeouts), Some(watch))
            .with_copies(slots.copy_in.clone(), slots.copy_out.clone());
        let config = startup_config(self.params, password.as_ref());
        let (client, connection) =
            config.connect_raw(stream, ReadyTls).await.map_err(|error| (Reason::Login(error), over_tls))?;
        let canceller = Canceller::new(
            client.cancel_token(),
            self.params,
            self.address.clone(),
            if over_tls { self.encryption.clone() } else { Encryption::None },
        );
        let session = Session::new(
            client,
            connection,
            canceller,
            self.host.to_string(),
            over_tls,
            self.params.warnings.clone(),
            slots,
        )
        .map_err(|text| (Reason::Version(text), over_tls))?;
        match session.fits(wanted).await {
            Ok(true) => Ok(session),
            Ok(false) => Err((Reason::WrongKind(wanted), over_tls)),
            Err(error) => Err((Reason::Login(error), over_tls)),
        }
    }
}

/// The timeouts that a role or a database may set, and that would end even the first statement. The user's
/// own options take precedence.
fn startup_timeouts(params: &ConnectParams) -> Vec<(&'static str, String)> {
    let options = params.options.as_deref().unwrap_or_default();
    ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
        .into_iter()
        .filter(|name| !options.contains(name))
        .map(|name| (name, "0".to_owned()))
        .collect()
}

/// Whether a login failed because of parameters other than user and database: PgBouncer reports 08P01, others
/// an unknown feature or parameter.
fn is_about_parameters(error: &tokio_postgres::Error) -> bool {
    let codes = [
        SqlState::PROTOCOL_VIOLATION,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_PARAMETER_VALUE,
        SqlState::CANT_CHANGE_RUNTIME_PARAM,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}

fn startup_edits(params: &ConnectParams, timeouts: Vec<(&'static str, String)>) -> StartupEdits {
    let edits = [("client_encoding", &params.client_encoding), ("TimeZone", &params.timezone)];
    StartupEdits {
        // tokio-postgres would request UTF8.
        remove: vec!["client_encoding"],
        add: edits
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .chain(timeouts)
            .collect(),
    }
}

fn startup_config(params: &ConnectParams, password: Option<&Secret>) -> Config {
    let mut config = Config::new();
    config.user(&params.user).dbname(&params.dbname).application_name(&params.application_name);
    if let Some(options) = &params.options {
        config.options(options);
    }
    if let Some(password) = password {
        config.password(&*password.reveal_bytes());
    }
    config.channel_binding(match params.channel_binding {
        ChannelBinding::Disable => tokio_postgres::config::ChannelBinding::Disable,
        ChannelBinding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
        ChannelBinding::Require => tokio_postgres::config::ChannelBinding::Require,
    });
    // TLS is settled before tokio-postgres sees the stream. This makes tokio-postgres start directly with its
    // handshake, for which we provide `ReadyTls`.
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    config.ssl_negotiation(tokio_postgres::config::SslNegotiation::Direct);
    config
}

//! Finds out where to connect and as whom: libpq's resolution of connection parameters.
//!
//! From strongest to weakest: the connection string, the command line's options (pg_dump's manual:
//! "connection string parameters will override any conflicting command line options"), the service file, the
//! `PG*` environment, then `DATABASE_URL`, then the defaults. If a stronger origin names a host or a
//! database, only the TLS and authentication requirements are taken from `DATABASE_URL`: the rest describes
//! another server.

pub(crate) mod connstring;
pub(crate) mod keywords;
pub(crate) mod passfile;
pub(crate) mod service;

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::params::{
    AuthMethod, ChannelBinding, ConnectParams, DEFAULT_PORT, Endpoint, Host, Keepalives, LoadBalanceHosts,
    PasswordPrompt, RequireAuth, RootCert, SslMode, SslNegotiation, TargetSessionAttrs, TlsParams,
    TlsVersion,
};
use super::secret::Secret;
use super::text;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Warnings;
use keywords::{KEYWORDS, Settings, Treatment};
use passfile::{PassFile, Wanted};
use service::ServiceFiles;

/// The application name that the server sees, unless the user gives another.
const APPLICATION_NAME: &str = "pgsiphon";

/// The command line's connection options.
#[derive(Debug, Clone, Default)]
pub struct ConnectArgs {
    /// A database's name, a `postgresql://` URL or a `key=value` string. It may contain a password, so it
    /// must not be printed.
    pub dbname: Option<String>,
    /// The database to connect to, which overrides everything else: used for each database of a cluster.
    pub database: Option<String>,
    /// Parameters, by libpq's keyword, that override the connection string.
    pub overrides: Vec<(&'static str, String)>,
    /// `-h`: the host, or a list of hosts.
    pub host: Option<String>,
    /// `-p`: the port. It is a string, since libpq accepts a list.
    pub port: Option<String>,
    /// `-U`: the role to log in as.
    pub username: Option<String>,
    /// `-w`, `-W`, and how to ask for a password.
    pub password_prompt: PasswordPrompt,
}

/// The parts of the environment that affect a connection.
pub trait Environment: Sync {
    /// An environment variable, unmodified and possibly empty. Bytes that are not UTF-8 are represented as by
    /// [`text::decode`].
    fn raw(&self, name: &str) -> Option<String>;

    /// An environment variable that is set. Compose files and charts set variables to empty strings to leave
    /// them unset, so an empty variable counts as not set: this applies to all of `PG*`, `AWS_*` and our own.
    fn var(&self, name: &str) -> Option<String> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The effective user's name in the operating system.
    fn os_user(&self) -> Option<String> {
        None
    }

    /// The user's home directory.
    fn home_dir(&self) -> Option<PathBuf> {
        self.var("HOME").map(|home| path_from(&home))
    }

    /// Directories where servers have their sockets by default; the first one that has the socket is used.
    fn socket_directories(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Where distributions put `pg_service.conf`.
    fn sysconf_directories(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// The process's real environment.
#[derive(Debug, Clone, Copy)]
pub struct OsEnvironment;

impl Environment for OsEnvironment {
    fn raw(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| text::decode(Zeroizing::new(value.into_vec()).as_slice()))
    }

    fn os_user(&self) -> Option<String> {
        whoami::username().ok()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
    }

    fn socket_directories(&self) -> Vec<PathBuf> {
        // Debian and Red Hat; PostgreSQL's own default.
        ["/var/run/postgresql", "/tmp"].map(PathBuf::from).into()
    }

    fn sysconf_directories(&self) -> Vec<PathBuf> {
        // Debian; Red Hat; PostgreSQL's own default.
        ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"].map(PathBuf::from).into()
    }
}

/// Whether the command line itself names a database, or a service, which may name one. The environment only
/// provides a default, so it does not count.
///
/// # Errors
/// Usage, if a connection string cannot be parsed.
pub fn names_database(args: &ConnectArgs) -> Result<bool> {
    match args.database.as_deref().or(args.dbname.as_deref()) {
        Some(string) if connstring::is_connection_string(string) => {
            let settings = connstring::parse(string)?;
            let names = |keyword| settings.get(keyword).is_some_and(|value| !value.is_empty());
            Ok(names("dbname") || names("service"))
        }
        Some(name) => Ok(!name.is_empty()),
        None => Ok(false),
    }
}

/// Resolves the connection parameters.
///
/// # Errors
/// Usage, if a parameter is unknown, invalid or not supported.
pub fn resolve(args: &ConnectArgs, env: &dyn Environment) -> Result<ConnectParams> {
    let settings = gather(args, env)?;
    refuse_unsupported(&settings)?;
    let user = match settings.get("user") {
        Some(user) => user.to_owned(),
        None => env.os_user().ok_or_else(|| {
            Error::new(ErrorKind::Usage, "find out whom to connect as")
                .because("the operating system has no name for the current user")
                .hint("name the role with -U or PGUSER")
        })?,
    };
    let dbname = settings.get("dbname").unwrap_or(&user).to_owned();
    Ok(ConnectParams {
        warnings: Warnings::default(),
        hosts: hosts(&settings, &user, &dbname, env)?,
        application_name: settings
            .get("application_name")
            .or_else(|| settings.get("fallback_application_name"))
            .unwrap_or(APPLICATION_NAME)
            .to_owned(),
        options: settings.get("options").map(str::to_owned),
        timezone: env.var("PGTZ"),
        // "auto" means the locale's encoding. We have no locale, so it is left unset.
        client_encoding: settings.get("client_encoding").filter(|e| *e != "auto").map(str::to_owned),
        connect_timeout: duration(&settings, "connect_timeout", Duration::from_secs)?,
        target_session_attrs: choice(&settings, "target_session_attrs", TARGET_SESSION_ATTRS)?,
        load_balance_hosts: choice(&settings, "load_balance_hosts", LOAD_BALANCE_HOSTS)?,
        keepalives: Keepalives {
            enabled: integer(&settings, "keepalives")?.unwrap_or(1) != 0,
            idle: duration(&settings, "keepalives_idle", Duration::from_secs)?,
            interval: duration(&settings, "keepalives_interval", Duration::from_secs)?,
            count: integer(&settings, "keepalives_count")?
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0),
        },
        tcp_user_timeout: duration(&settings, "tcp_user_timeout", Duration::from_millis)?,
        tls: tls_params(&settings, env.home_dir().as_deref())?,
        channel_binding: choice(&settings, "channel_binding", CHANNEL_BINDING)?,
        require_auth: require_auth(&settings)?,
        prompt: args.password_prompt.clone(),
        plaintext_told: Arc::default(),
        refuses_startup_timeouts: Arc::default(),
        user,
        dbname,
    })
}

// The first entry of each table is the default.
const TARGET_SESSION_ATTRS: &[(&str, TargetSessionAttrs)] = &[
    ("any", TargetSessionAttrs::Any),
    ("read-write", TargetSessionAttrs::ReadWrite),
    ("read-only", TargetSessionAttrs::ReadOnly),
    ("primary", TargetSessionAttrs::Primary),
    ("standby", TargetSessionAttrs::Standby),
    ("prefer-standby", TargetSessionAttrs::PreferStandby),
];
const LOAD_BALANCE_HOSTS: &[(&str, LoadBalanceHosts)] =
    &[("disable", LoadBalanceHosts::Disable), ("random", LoadBalanceHosts::Random)];
const CHANNEL_BINDING: &[(&str, ChannelBinding)] = &[
    ("prefer", ChannelBinding::Prefer),
    ("disable", ChannelBinding::Disable),
    ("require", ChannelBinding::Require),
];
const SSL_MODE: &[(&str, SslMode)] = &[
    ("prefer", SslMode::Prefer),
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];
const SSL_NEGOTIATION: &[(&str, SslNegotiation)] =
    &[("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)];
const SSL_SNI: &[(&str, bool)] = &[("1", true), ("0", false)];
/// 1.0 and 1.1 are not supported; as a minimum they allow 1.2.
const SSL_MIN_VERSION: &[(&str, TlsVersion)] = &[
    ("TLSv1.2", TlsVersion::V12),
    ("TLSv1", TlsVersion::V12),
    ("TLSv1.1", TlsVersion::V12),
    ("TLSv1.3", TlsVersion::V13),
];
const SSL_MAX_VERSION: &[(&str, TlsVersion)] = &[("TLSv1.3", TlsVersion::V13), ("TLSv1.2", TlsVersion::V12)];
const AUTH_METHODS: &[(&str, AuthMethod)] = &[
    ("password", AuthMethod::Password),
    ("md5", AuthMethod::Md5),
    ("gss", AuthMethod::Gss),
    ("sspi", AuthMethod::Sspi),
    ("scram-sha-256", AuthMethod::ScramSha256),
    ("oauth", AuthMethod::OAuth),
    ("none", AuthMethod::None),
];
/// The methods that we support; requiring only other methods would always fail.
const SPOKEN: [AuthMethod; 4] =
    [AuthMethod::Password, AuthMethod::Md5, AuthMethod::ScramSha256, AuthMethod::None];

/// Merges all origins; stronger ones override weaker ones.
fn gather(args: &ConnectArgs, env: &dyn Environment) -> Result<Settings> {
    let mut settings = Settings::default();
    set(&mut settings, "host", args.host.as_deref());
    set(&mut settings, "port", args.port.as_deref());
    set(&mut settings, "user", args.username.as_deref());
    args.dbname.as_deref().map_or(Ok(()), connstring::refuse_other_url)?;
    match args.dbname.as_deref() {
        Some(string) if connstring::is_connection_string(string) => {
            settings.override_with(connstring::parse(string)?);
        }
        dbname => set(&mut settings, "dbname", dbname),
    }
    for (name, value) in &args.overrides {
        set(&mut settings, name, Some(value));
    }
    let variable = |name: &str| env.var(name);
    if let Some(service) = settings.get("service").map(str::to_owned).or_else(|| variable("PGSERVICE")) {
        settings.fill_from(service_files(&settings, env).find(&service)?);
    }
    variable("PGDATABASE").as_deref().map_or(Ok(()), connstring::refuse_other_url)?;
    for keyword in KEYWORDS {
        if let Some(value) = keyword.env.and_then(variable) {
            settings.set_if_absent(keyword, Zeroizing::new(value));
        }
    }
    if variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1'))
        && settings.get("sslmode").is_none()
    {
        set(&mut settings, "sslmode", Some("require"));
    }
    let is_named = ["host", "hostaddr", "dbname"].iter().any(|name| settings.get(name).is_some());
    match variable("DATABASE_URL") {
        Some(url) if !is_named => settings.fill_from(connstring::parse_database_url(&url)?),
        Some(url) if connstring::is_postgres_url(&url) => fill_protection(&mut settings, &url)?,
        Some(_) | None => {}
    }
    set(&mut settings, "dbname", args.database.as_deref());
    Ok(settings)
}

/// Takes only encryption and authentication settings from a DATABASE_URL, since a stronger origin names the
/// server or the database. The URL may describe another server, but if it requires TLS, the connection must
/// not fall back to plain text.
fn fill_protection(settings: &mut Settings, url: &str) -> Result<()> {
    let from_url = connstring::parse_database_url(url)?;
    let is_strict = |name: &str, value: &str| match name {
        "sslmode" => matches!(value, "require" | "verify-ca" | "verify-full"),
        "channel_binding" => value == "require",
        _ => name.starts_with("ssl") || name == "require_auth",
    };
    for keyword in KEYWORDS {
        let wanted = from_url.get(keyword.name).filter(|value| is_strict(keyword.name, value));
        if let Some(value) = wanted
            && settings.get(keyword.name).is_none()
        {
            tracing::info!("{} is taken from DATABASE_URL", keyword.name);
            settings.set(keyword, Zeroizing::new(value.to_owned()));
        }
    }
    Ok(())
}

fn set(settings: &mut Settings, name: &str, value: Option<&str>) {
    if let (Some(keyword), Some(value)) = (keywords::find(name), value) {
        settings.set(keyword, Zeroizing::new(value.to_owned()));
    }
}

fn service_files(settings: &Settings, env: &dyn Environment) -> ServiceFiles {
    let named = settings.get("servicefile").map(str::to_owned).or_else(|| env.var("PGSERVICEFILE"));
    let sysconf = match env.var("PGSYSCONFDIR") {
        Some(directory) => vec![path_from(&directory)],
        None => env.sysconf_directories(),
    };
    ServiceFiles {
        named: named.filter(|name| !name.is_empty()).map(|name| path_from(&name)),
        user: env.home_dir().map(|home| home.join(".pg_service.conf")),
        system: sysconf.into_iter().map(|directory| directory.join("pg_service.conf")).collect(),
    }
}

fn refuse_unsupported(settings: &Settings) -> Result<()> {
    for keyword in KEYWORDS {
        let Treatment::RefusedUnless(harmless) = keyword.treatment else { continue };
        match settings.get(keyword.name) {
            Some(value) if !harmless.contains(&value) => {
                let mut error = Error::new(ErrorKind::Usage, "read the connection parameters")
                    .because(format!("\"{}\" is not supported here", keyword.name));
                if !harmless.is_empty() {
                    error = error.hint(format!("leave it out, or set it to {}", harmless.join(" or ")));
                }
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

fn invalid(name: &str, value: &str) -> Error {
    Error::new(ErrorKind::Usage, "read the connection parameters")
        .because(format!("invalid {name} value: \"{value}\""))
}

fn choice<T: Copy>(settings: &Settings, name: &str, table: &[(&str, T)]) -> Result<T> {
    let wanted = settings.get(name).unwrap_or(table[0].0);
    table.iter().find(|(value, _)| *value == wanted).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let values: Vec<_> = table.iter().map(|(value, _)| *value).collect();
        invalid(name, wanted).hint(format!("valid values are {}", values.join(", ")))
    })
}

fn integer(settings: &Settings, name: &str) -> Result<Option<i32>> {
    settings
        .get(name)
        .map(|value| value.trim().parse().map_err(|_| invalid(name, value).hint("it must be a whole number")))
        .transpose()
}

/// A number for which zero and negative values mean the system's default.
fn duration(settings: &Settings, name: &str, unit: fn(u64) -> Duration) -> Result<Option<Duration>> {
    Ok(integer(settings, name)?.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0).map(unit))
}

fn path_from(text: &str) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&text::encode(text)))
}

/// Combines the lists `hostaddr`, `host` and `port` entry by entry, and adds each entry's password.
fn hosts(settings: &Settings, user: &str, dbname: &str, env: &dyn Environment) -> Result<Vec<Host>> {
    let list =
        |name| -> Vec<&str> { settings.get(name).map_or(Vec::new(), |value| value.split(',').collect()) };
    let (addrs, names, ports) = (list("hostaddr"), list("host"), list("port"));
    let count = addrs.len().max(names.len()).max(1);
    let mismatch =
        |what: String| Error::new(ErrorKind::Usage, "read the connection parameters").because(what);
    if !addrs.is_empty() && !names.is_empty() && addrs.len() != names.len() {
        let what = format!("could not match {} host names to {} hostaddr values", names.len(), addrs.len());
        return Err(mismatch(what));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(mismatch(format!("could not match {} port numbers to {count} hosts", ports.len())));
    }
    let passwords = Passwords::of(settings, env);
    (0..count)
        .map(|i| {
            let port = port(if ports.len() > 1 { ports[i] } else { ports.first().unwrap_or(&"") })?;
            let endpoint = endpoint(names.get(i).unwrap_or(&""), addrs.get(i).unwrap_or(&""), port, env)?;
            let password = passwords.find(&endpoint, port, dbname, user);
            Ok(Host { endpoint, port, password })
        })
        .collect()
}

fn port(value: &str) -> Result<u16> {
    match value.trim() {
        "" => Ok(DEFAULT_PORT),
        value => value
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| invalid("port", value).hint("it must be a number from 1 to 65535")),
    }
}

fn endpoint(name: &str, addr: &str, port: u16, env: &dyn Environment) -> Result<Endpoint> {
    if !addr.is_empty() {
        let addr: IpAddr =
            addr.parse().map_err(|_| invalid("hostaddr", addr).hint("it must be an IPv4 or IPv6 address"))?;
        return Ok(Endpoint::Tcp { name: name.to_owned(), addr: Some(addr) });
    }
    Ok(match name {
        "" => default_endpoint(port, env),
        name if name.starts_with(['/', '@']) => Endpoint::Unix(path_from(name)),
        name => Endpoint::Tcp { name: name.to_owned(), addr: None },
    })
}

/// Where a local server listens. libpq has one directory compiled in, but distributions use different ones,
/// and containers often have none.
fn default_endpoint(port: u16, env: &dyn Environment) -> Endpoint {
    let directories = env.socket_directories();
    let holds_socket = |directory: &&PathBuf| directory.join(format!(".s.PGSQL.{port}")).exists();
    let usual = directories.first().filter(|directory| directory.is_dir());
    match directories.iter().find(holds_socket).or(usual) {
        Some(directory) => Endpoint::Unix(directory.clone()),
        None => Endpoint::Tcp { name: "localhost".into(), addr: None },
    }
}

struct Passwords {
    given: Option<Secret>,
    file: PassFile,
    default_directories: Vec<PathBuf>,
}

impl Passwords {
    fn of(settings: &Settings, env: &dyn Environment) -> Self {
        let given = settings.get("password").map(Secret::new);
        let path = settings
            .get("passfile")
            .map(path_from)
            .or_else(|| env.home_dir().map(|home| home.join(".pgpass")))
            .filter(|_| given.is_none());
        let file = path.map_or_else(PassFile::default, |path| PassFile::read(&path));
        Passwords { given, file, default_directories: env.socket_directories() }
    }

    fn find(&self, endpoint: &Endpoint, port: u16, dbname: &str, user: &str) -> Option<Secret> {
        if self.given.is_some() {
            return self.given.clone();
        }
        let host = match endpoint {
            Endpoint::Unix(directory) => text::decode(directory.as_os_str().as_bytes()),
            Endpoint::Tcp { name, addr: Some(addr) } if name.is_empty() => addr.to_string(),
            Endpoint::Tcp { name, .. } => name.clone(),
        };
        let is_default = matches!(endpoint, Endpoint::Unix(path) if self.default_directories.contains(path));
        let hosts: &[&str] = if is_default { &[&host, "localhost"] } else { &[&host] };
        self.file.find(&Wanted { hosts, port, dbname, user }).filter(|password| !password.is_empty())
    }
}

fn tls_params(settings: &Settings, home: Option<&Path>) -> Result<TlsParams> {
    let file = |keyword: &str, default: &str| -> Option<PathBuf> {
        settings
            .get(keyword)
            .map(path_from)
            .or_else(|| home.map(|home| home.join(".postgresql").join(default)))
    };
    let root_cert = match settings.get("sslrootcert") {
        Some("system") => RootCert::System,
        _ => file("sslrootcert", "root.crt").map_or(RootCert::None, RootCert::File),
    };
    let mode = match settings.get("sslmode") {
        None if root_cert == RootCert::System => SslMode::VerifyFull,
        _ => choice(settings, "sslmode", SSL_MODE)?,
    };
    let negotiation = choice(settings, "sslnegotiation", SSL_NEGOTIATION)?;
    let weak = |with: &str, at_least: &str| {
        let mode = settings.get("sslmode").unwrap_or("prefer");
        Error::new(ErrorKind::Usage, "read the connection parameters")
            .because(format!("weak sslmode \"{mode}\" may not be used with {with}"))
            .hint(format!("use sslmode={at_least}"))
    };
    if root_cert == RootCert::System && mode != SslMode::VerifyFull {
        return Err(weak("sslrootcert=system", "verify-full"));
    }
    if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
        return Err(weak("sslnegotiation=direct", "require"));
    }
    let min_version = choice(settings, "ssl_min_protocol_version", SSL_MIN_VERSION)?;
    let max_version = choice(settings, "ssl_max_protocol_version", SSL_MAX_VERSION)?;
    if min_version > max_version {
        return Err(Error::new(ErrorKind::Usage, "read the connection parameters")
            .because("invalid SSL protocol version range"));
    }
    let crl_dir = settings.get("sslcrldir").map(path_from);
    let sends_cert = settings.get("sslcertmode") != Some("disable");
    Ok(TlsParams {
        mode,
        negotiation,
        root_cert,
        cert: file("sslcert", "postgresql.crt").filter(|_| sends_cert),
        key: file("sslkey", "postgresql.key").filter(|_| sends_cert),
        crl: match &crl_dir {
            Some(_) => settings.get("sslcrl").map(path_from),
            None => file("sslcrl", "root.crl"),
        },
        crl_dir,
        min_version,
        max_version,
        sni: choice(settings, "sslsni", SSL_SNI)?,
    })
}

/// A list of methods, either all plain or all prefixed with `!`.
fn require_auth(settings: &Settings) -> Result<RequireAuth> {
    let Some(value) = settings.get("require_auth") else { return Ok(RequireAuth::Any) };
    let entries: Vec<&str> = value.split(',').map(str::trim).collect();
    let negated = entries.iter().filter(|entry| entry.starts_with('!')).count();
    if negated != 0 && negated != entries.len() {
        return Err(invalid("require_auth", value).hint("negated and plain methods cannot be mixed"));
    }
    let mut methods = Vec::new();
    for entry in entries {
        let name = entry.trim_start_matches('!');
        let method = AUTH_METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method);
        methods.push(method.ok_or_else(|| {
            let names: Vec<_> = AUTH_METHODS.iter().map(|(known, _)| *known).collect();
            invalid("require_auth", value).hint(format!("methods are {}", names.join(", ")))
        })?);
    }
    let required = if negated > 0 { RequireAuth::NoneOf(methods) } else { RequireAuth::OneOf(methods) };
    if SPOKEN.iter().any(|method| required.accepts(*method)) {
        return Ok(required);
    }
    Err(invalid("require_auth", value).hint("supported methods are password, md5, scram-sha-256 and none"))
}

#[cfg(test)]
mod tests;

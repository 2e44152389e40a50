//! Finds out where to connect and as whom: libpq's resolution of connection parameters.
//!
//! From strong to weak: the connection string, the command line's options (pg_dump's manual:
//! "connection string parameters will override any conflicting command line options"), the
//! service file, the `PG*` environment, then `DATABASE_URL`, if nothing so far names a host or
//! a database, then the defaults.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::connstring;
use super::keywords::{self, KEYWORDS, Settings, Treatment};
use super::params::{
    AuthMethod, ChannelBinding, ConnectParams, DEFAULT_PORT, Endpoint, Host, Keepalives, LoadBalanceHosts,
    PasswordPrompt, RequireAuth, RootCert, SslMode, SslNegotiation, TargetSessionAttrs, TlsParams,
    TlsVersion,
};
use super::passfile::{PassFile, Wanted};
use super::secret::Secret;
use super::service::ServiceFiles;
use super::text;
use crate::error::{Error, ErrorKind, Result};

/// Name of this program to the server, unless the user gives another.
const APPLICATION_NAME: &str = "pgsiphon";

/// What the command line says about the connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectArgs {
    /// A database's name, a `postgresql://` URL or a `key=value` string. It may hold a password,
    /// so it must not be printed.
    pub dbname: Option<String>,
    /// `-h`.
    pub host: Option<String>,
    /// `-p`; a text, since libpq takes a list.
    pub port: Option<String>,
    /// `-U`.
    pub username: Option<String>,
    /// `-w`, `-W`, and how to ask.
    pub password_prompt: PasswordPrompt,
}

/// The world around us, as far as it decides about a connection.
pub trait Environment {
    /// An environment variable. Bytes that are not UTF-8 come as [`text::decode`] holds them.
    fn var(&self, name: &str) -> Option<String>;

    /// The operating system's name of the effective user.
    fn os_user(&self) -> Option<String> {
        None
    }

    /// The user's home directory.
    fn home_dir(&self) -> Option<PathBuf> {
        self.var("HOME").filter(|home| !home.is_empty()).map(|home| path_from(&home))
    }

    /// Directories where servers have their sockets by default; the first one that holds the
    /// socket is taken.
    fn socket_directories(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Where distributions keep `pg_service.conf`.
    fn sysconf_directories(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// The real world.
#[derive(Debug, Clone, Copy)]
pub struct OsEnvironment;

impl Environment for OsEnvironment {
    fn var(&self, name: &str) -> Option<String> {
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

/// Resolves the connection parameters.
///
/// # Errors
/// Usage, when a parameter is unknown, wrong, or asks for what we cannot do.
pub fn resolve(args: &ConnectArgs, env: &dyn Environment) -> Result<ConnectParams> {
    let settings = gather(args, env)?;
    refuse_unsupported(&settings)?;
    let user = match settings.get("user") {
        Some(user) => user.to_owned(),
        None => env.os_user().ok_or_else(|| {
            Error::new(ErrorKind::Usage, "find out whom to connect as")
                .because("the operating system does not know our user's name")
                .hint("name the role with -U or PGUSER")
        })?,
    };
    let dbname = settings.get("dbname").unwrap_or(&user).to_owned();
    Ok(ConnectParams {
        hosts: hosts(&settings, &user, &dbname, env)?,
        application_name: settings
            .get("application_name")
            .or_else(|| settings.get("fallback_application_name"))
            .unwrap_or(APPLICATION_NAME)
            .to_owned(),
        options: settings.get("options").map(str::to_owned),
        timezone: env.var("PGTZ").filter(|zone| !zone.is_empty()),
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
/// 1.0 and 1.1 are not spoken: as a minimum they are met by 1.2.
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
/// Methods that we speak; requiring none of them can only fail.
const SPOKEN: [AuthMethod; 4] =
    [AuthMethod::Password, AuthMethod::Md5, AuthMethod::ScramSha256, AuthMethod::None];

/// Joins all origins, strong over weak.
fn gather(args: &ConnectArgs, env: &dyn Environment) -> Result<Settings> {
    let mut settings = Settings::default();
    set(&mut settings, "host", args.host.as_deref());
    set(&mut settings, "port", args.port.as_deref());
    set(&mut settings, "user", args.username.as_deref());
    match args.dbname.as_deref() {
        Some(string) if connstring::is_connection_string(string) => {
            settings.override_with(connstring::parse(string)?);
        }
        dbname => set(&mut settings, "dbname", dbname),
    }
    let variable = |name: &str| env.var(name).filter(|value| !value.is_empty());
    if let Some(service) = settings.get("service").map(str::to_owned).or_else(|| variable("PGSERVICE")) {
        settings.fill_from(service_files(&settings, env).find(&service)?);
    }
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
    if !is_named && let Some(url) = variable("DATABASE_URL") {
        settings.fill_from(connstring::parse_database_url(&url)?);
    }
    Ok(settings)
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

/// A figure of which zero and less stand for the system's own.
fn duration(settings: &Settings, name: &str, unit: fn(u64) -> Duration) -> Result<Option<Duration>> {
    Ok(integer(settings, name)?.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0).map(unit))
}

fn path_from(text: &str) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&text::encode(text)))
}

/// The lists `hostaddr`, `host` and `port` side by side, each entry with its password.
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

/// Where a local server listens: libpq has one directory compiled in, but distributions differ
/// in it, and in a container there is often none.
fn default_endpoint(port: u16, env: &dyn Environment) -> Endpoint {
    let directories = env.socket_directories();
    let holds_socket = |directory: &&PathBuf| directory.join(format!(".s.PGSQL.{port}")).exists();
    let usual = directories.first().filter(|directory| directory.is_dir());
    match directories.iter().find(holds_socket).or(usual) {
        Some(directory) => Endpoint::Unix(directory.clone()),
        None => Endpoint::Tcp { name: "localhost".into(), addr: None },
    }
}

/// Where passwords come from.
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

/// A list of methods, either all plain or all with a `!` before them.
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
    Err(invalid("require_auth", value).hint("supported are password, md5, scram-sha-256 and none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::params::PromptPolicy;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A world of its own: these variables, a user "os", and no home unless HOME is set.
    #[derive(Default)]
    struct World {
        variables: HashMap<String, String>,
        sockets: Vec<PathBuf>,
    }

    impl World {
        fn new(variables: &[(&str, &str)]) -> Self {
            let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            World { variables, sockets: Vec::new() }
        }
    }

    impl Environment for World {
        fn var(&self, name: &str) -> Option<String> {
            self.variables.get(name).cloned()
        }
        fn os_user(&self) -> Option<String> {
            Some("os".into())
        }
        fn socket_directories(&self) -> Vec<PathBuf> {
            self.sockets.clone()
        }
    }

    fn dbname(dbname: &str) -> ConnectArgs {
        ConnectArgs { dbname: Some(dbname.into()), ..ConnectArgs::default() }
    }

    fn resolved(string: &str, variables: &[(&str, &str)]) -> ConnectParams {
        resolve(&dbname(string), &World::new(variables)).unwrap()
    }

    fn refusal(string: &str, variables: &[(&str, &str)]) -> String {
        let error = resolve(&dbname(string), &World::new(variables)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        error.report()
    }

    fn tcp(name: &str, port: u16) -> Host {
        Host { endpoint: Endpoint::Tcp { name: name.into(), addr: None }, port, password: None }
    }

    #[test]
    fn defaults() {
        let params = resolve(&ConnectArgs::default(), &World::default()).unwrap();
        assert_eq!(params.hosts, [tcp("localhost", 5432)]);
        assert_eq!((params.user.as_str(), params.dbname.as_str()), ("os", "os"));
        assert_eq!(params.application_name, "pgsiphon");
        assert_eq!(params.tls.mode, SslMode::Prefer);
        assert_eq!(params.tls.root_cert, RootCert::None);
        assert!(params.tls.sni && params.keepalives.enabled && params.connect_timeout.is_none());
        assert_eq!((params.tls.min_version, params.tls.max_version), (TlsVersion::V12, TlsVersion::V13));
    }

    #[test]
    fn the_default_host_is_a_socket_that_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
        fs::create_dir(&second).unwrap();
        let world = World { sockets: vec![first.clone(), second.clone()], ..World::default() };
        let host = |port: &str| {
            let args = ConnectArgs { port: Some(port.into()), ..ConnectArgs::default() };
            resolve(&args, &world).unwrap().hosts.remove(0).endpoint
        };
        assert_eq!(host(""), Endpoint::Tcp { name: "localhost".into(), addr: None });
        fs::create_dir(&first).unwrap();
        assert_eq!(host(""), Endpoint::Unix(first.clone()));
        fs::write(second.join(".s.PGSQL.5433"), "").unwrap();
        assert_eq!(host("5433"), Endpoint::Unix(second));
        assert_eq!(host("5432"), Endpoint::Unix(first));
    }

    #[test]
    fn strong_origins_win() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("services");
        fs::write(&file, "[s]\nhost=service\nport=1\nuser=service\nconnect_timeout=7\n").unwrap();
        let environment = [
            ("PGSERVICEFILE", file.to_str().unwrap()),
            ("PGSERVICE", "s"),
            ("PGHOST", "env"),
            ("PGPORT", "2"),
            ("PGUSER", "env"),
            ("PGDATABASE", "env"),
            ("PGCONNECT_TIMEOUT", "8"),
            ("PGAPPNAME", "env"),
            ("DATABASE_URL", "postgres://url:9/url"),
        ];
        let args = ConnectArgs {
            dbname: Some("host=string".into()),
            host: Some("option".into()),
            username: Some("option".into()),
            ..ConnectArgs::default()
        };
        let params = resolve(&args, &World::new(&environment)).unwrap();
        // pg_dump lets the string override the option, unlike most programs.
        assert_eq!(params.hosts, [tcp("string", 1)]);
        assert_eq!(params.user, "option");
        assert_eq!(params.connect_timeout, Some(Duration::from_secs(7)));
        assert_eq!(params.dbname, "env");
        assert_eq!(params.application_name, "env");
    }

    #[test]
    fn database_url_counts_only_if_nothing_else_names_a_server() {
        let url = ("DATABASE_URL", "postgres://u:p@url:9/d?pool=5");
        let params = resolve(&ConnectArgs::default(), &World::new(&[url, ("PGUSER", "env")])).unwrap();
        assert_eq!((params.user.as_str(), params.dbname.as_str()), ("env", "d"));
        assert_eq!(params.hosts, [Host { password: Some(Secret::new("p")), ..tcp("url", 9) }]);
        assert_eq!(resolved("named", &[url]).hosts, [tcp("localhost", 5432)]);
        for variable in ["PGHOST", "PGDATABASE"] {
            let params = resolve(&ConnectArgs::default(), &World::new(&[url, (variable, "x")])).unwrap();
            assert_eq!(params.hosts[0].port, 5432, "{variable}");
        }
    }

    #[test]
    fn an_unknown_service_is_a_usage_error() {
        assert!(refusal("service=none", &[]).contains("\"none\""));
    }

    #[test]
    fn lists_of_hosts_stand_side_by_side() {
        let params = resolved("host=a,,/tmp,@abstract port=1,,3,4 hostaddr=''", &[]);
        let socket = |path: &str, port| Host { endpoint: Endpoint::Unix(path.into()), port, password: None };
        assert_eq!(
            params.hosts,
            [tcp("a", 1), tcp("localhost", 5432), socket("/tmp", 3), socket("@abstract", 4)]
        );
        assert_eq!(resolved("host=a,b port=7", &[]).hosts, [tcp("a", 7), tcp("b", 7)]);
        let hosts = resolved("host=a,b hostaddr=::1,10.0.0.1", &[]).hosts;
        assert_eq!(hosts[0].to_string(), "\"a\" (::1), port 5432");
        assert_eq!(hosts[1].to_string(), "\"b\" (10.0.0.1), port 5432");
        assert!(refusal("host=a,b port=1,2,3", &[]).contains("3 port numbers to 2 hosts"));
        assert!(refusal("host=a,b hostaddr=::1", &[]).contains("2 host names to 1 hostaddr"));
    }

    #[test]
    fn passwords_come_from_the_file_host_by_host() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".pgpass");
        fs::write(&file, "a:*:*:*:for-a\nb:5433:*:*:for-b\n10.0.0.1:*:*:*:for-ip\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let env = [("HOME", home.path().to_str().unwrap())];
        let passwords = |string: &str| -> Vec<Option<String>> {
            let hosts = resolved(string, &env).hosts;
            hosts.iter().map(|host| host.password.as_ref().map(|p| p.reveal().to_owned())).collect()
        };
        assert_eq!(passwords("host=a,b,c"), [Some("for-a".into()), None, None]);
        assert_eq!(passwords("host=b port=5433"), [Some("for-b".into())]);
        assert_eq!(passwords("hostaddr=10.0.0.1"), [Some("for-ip".into())]);
        assert_eq!(passwords("host=a hostaddr=10.0.0.1"), [Some("for-a".into())]);
        assert_eq!(passwords("host=a password=given"), [Some("given".into())]);
        assert_eq!(passwords("host=a passfile=/nonexistent"), [None]);
    }

    #[test]
    fn tls_files_default_to_the_home_directory() {
        let tls = resolved("d", &[("HOME", "/home/u")]).tls;
        assert_eq!(tls.root_cert, RootCert::File("/home/u/.postgresql/root.crt".into()));
        assert_eq!(tls.cert, Some("/home/u/.postgresql/postgresql.crt".into()));
        assert_eq!(tls.key, Some("/home/u/.postgresql/postgresql.key".into()));
        assert_eq!(tls.crl, Some("/home/u/.postgresql/root.crl".into()));
        let tls = resolved("sslcertmode=disable sslcrldir=/crls", &[("HOME", "/home/u")]).tls;
        assert_eq!((tls.cert, tls.key, tls.crl, tls.crl_dir), (None, None, None, Some("/crls".into())));
    }

    #[test]
    fn weak_modes_do_not_go_with_what_needs_strong_ones() {
        assert_eq!(resolved("sslrootcert=system", &[]).tls.mode, SslMode::VerifyFull);
        assert!(refusal("sslrootcert=system sslmode=verify-ca", &[]).contains("weak sslmode"));
        assert!(refusal("sslnegotiation=direct", &[]).contains("weak sslmode \"prefer\""));
        assert_eq!(
            resolved("sslnegotiation=direct sslmode=require", &[]).tls.negotiation,
            SslNegotiation::Direct
        );
        assert_eq!(resolved("d", &[("PGREQUIRESSL", "1")]).tls.mode, SslMode::Require);
        assert!(
            refusal("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2", &[])
                .contains("range")
        );
    }

    #[test]
    fn every_variable_takes_effect_or_is_known_to_be_harmless() {
        let params = resolved(
            "d",
            &[
                ("PGHOSTADDR", "127.0.0.1"),
                ("PGPASSWORD", "hunter2"),
                ("PGOPTIONS", "-c a=b"),
                ("PGSSLMODE", "verify-ca"),
                ("PGSSLROOTCERT", "/r"),
                ("PGSSLCERT", "/c"),
                ("PGSSLKEY", "/k"),
                ("PGSSLCRL", "/l"),
                ("PGSSLNEGOTIATION", "direct"),
                ("PGSSLMINPROTOCOLVERSION", "TLSv1.3"),
                ("PGSSLMAXPROTOCOLVERSION", "TLSv1.3"),
                ("PGSSLSNI", "0"),
                ("PGREQUIREAUTH", "scram-sha-256, none"),
                ("PGCHANNELBINDING", "require"),
                ("PGTARGETSESSIONATTRS", "prefer-standby"),
                ("PGLOADBALANCEHOSTS", "random"),
                ("PGTZ", "Europe/Berlin"),
                ("PGCLIENTENCODING", "LATIN1"),
                ("PGDATESTYLE", "German"),
                ("PGGEQO", "off"),
                ("PGGSSENCMODE", "prefer"),
                ("PGKRBSRVNAME", "x"),
            ],
        );
        assert_eq!(params.hosts[0].to_string(), "\"127.0.0.1\", port 5432");
        assert_eq!(params.hosts[0].password, Some(Secret::new("hunter2")));
        assert_eq!(params.options.as_deref(), Some("-c a=b"));
        assert_eq!(params.timezone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(
            params.tls,
            TlsParams {
                mode: SslMode::VerifyCa,
                negotiation: SslNegotiation::Direct,
                root_cert: RootCert::File("/r".into()),
                cert: Some("/c".into()),
                key: Some("/k".into()),
                crl: Some("/l".into()),
                crl_dir: None,
                min_version: TlsVersion::V13,
                max_version: TlsVersion::V13,
                sni: false,
            }
        );
        assert_eq!(params.require_auth, RequireAuth::OneOf(vec![AuthMethod::ScramSha256, AuthMethod::None]));
        assert_eq!(params.channel_binding, ChannelBinding::Require);
        assert_eq!(params.target_session_attrs, TargetSessionAttrs::PreferStandby);
        assert_eq!(params.load_balance_hosts, LoadBalanceHosts::Random);
        assert!(!format!("{params:?}").contains("hunter2"));
    }

    #[test]
    fn what_we_cannot_do_is_refused_and_what_is_wrong_is_named() {
        let cases = [
            ("requirepeer=postgres", "\"requirepeer\" is not supported"),
            ("replication=database", "\"replication\""),
            ("sslpassword=hunter2", "\"sslpassword\""),
            ("gssencmode=require", "\"gssencmode\""),
            ("sslcertmode=require", "allow or disable"),
            ("min_protocol_version=3.2", "\"min_protocol_version\""),
            ("require_auth=gss,oauth", "supported are"),
            ("require_auth=!password,md5", "cannot be mixed"),
            ("require_auth=kerberos", "invalid require_auth"),
            ("sslmode=on", "valid values are prefer, disable"),
            ("port=0", "invalid port value: \"0\""),
            ("port=70000", "invalid port"),
            ("hostaddr=name", "invalid hostaddr"),
            ("connect_timeout=soon", "whole number"),
            ("ssl_max_protocol_version=TLSv1.1", "invalid ssl_max_protocol_version"),
            ("hots=x", "invalid connection option \"hots\""),
        ];
        for (string, expected) in cases {
            let report = refusal(string, &[]);
            assert!(report.contains(expected), "{string}: {report}");
            assert!(!report.contains("hunter2"), "{report}");
        }
        resolved("gssencmode=prefer replication=false min_protocol_version=3.0 sslcompression=1", &[]);
    }

    #[test]
    fn figures() {
        let params = resolved(
            "connect_timeout=-1 keepalives=0 keepalives_idle=30 keepalives_interval=0 keepalives_count=4 tcp_user_timeout=1500",
            &[],
        );
        assert_eq!(params.connect_timeout, None);
        assert_eq!(
            params.keepalives,
            Keepalives {
                enabled: false,
                idle: Some(Duration::from_secs(30)),
                interval: None,
                count: Some(4),
            }
        );
        assert_eq!(params.tcp_user_timeout, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_prompt_asks_once() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let ask = move |_: &str| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Secret::new("p"))
        };
        let prompt = PasswordPrompt::new(PromptPolicy::Force, Some(Arc::new(ask)));
        let args = ConnectArgs { password_prompt: prompt, ..ConnectArgs::default() };
        let params = resolve(&args, &World::default()).unwrap();
        assert_eq!(params.clone().prompt.ask("").unwrap().reveal(), "p");
        assert_eq!(params.prompt.ask("").unwrap().reveal(), "p");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(PasswordPrompt::default().ask("").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(string: String, host: String, port in "[0-9, -]*") {
            let args = ConnectArgs { dbname: Some(string), host: Some(host), port: Some(port), ..ConnectArgs::default() };
            let _ = resolve(&args, &World::default());
        }
    }
}

//! Tests of each origin and each parameter, in a simulated environment.

use super::*;
use crate::pg::params::PromptPolicy;
use proptest::prelude::*;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A simulated environment: these variables, a user "os", and no home directory unless HOME is set.
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
    fn raw(&self, name: &str) -> Option<String> {
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
fn what_database_url_demands_of_tls_is_never_lost() {
    let url = |query: &str| format!("postgres://u:p@url:9/d?{query}");
    for (variables, dbname) in [
        (vec![("PGHOST", "x")], None),
        (vec![("PGHOSTADDR", "10.0.0.1")], None),
        (vec![("PGDATABASE", "x")], None),
        (vec![], Some("named")),
        (vec![], Some("postgres://other/x")),
        (vec![], Some("host=other")),
    ] {
        let resolved = |query: &str, more: &[(&str, &str)]| {
            let url = url(query);
            let mut variables = variables.clone();
            variables.push(("DATABASE_URL", &url));
            variables.extend(more);
            let args = ConnectArgs { dbname: dbname.map(str::to_owned), ..ConnectArgs::default() };
            resolve(&args, &World::new(&variables)).unwrap()
        };
        let params = resolved("sslmode=verify-full&sslrootcert=/ca.crt&require_auth=scram-sha-256", &[]);
        assert_eq!(params.tls.mode, SslMode::VerifyFull, "{variables:?} {dbname:?}");
        assert_eq!(params.tls.root_cert, RootCert::File("/ca.crt".into()));
        assert_ne!(params.require_auth, RequireAuth::Any);
        assert_eq!(params.user, "os");
        assert_eq!(params.hosts[0].password, None);
        // Stronger origins take precedence, and values that would only weaken the default are ignored.
        assert_eq!(resolved("sslmode=require", &[("PGSSLMODE", "disable")]).tls.mode, SslMode::Disable);
        assert_eq!(resolved("sslmode=disable", &[]).tls.mode, SslMode::Prefer);
    }
    // URLs that are not for PostgreSQL at all.
    for url in ["mysql://u:p@h/d", "sqlite3:db/x.sqlite3"] {
        assert_eq!(resolved("named", &[("DATABASE_URL", url)]).tls.mode, SslMode::Prefer);
    }
}

#[test]
fn urls_of_others_are_no_database_names() {
    for url in [
        "mysql://u:hunter2@h/d",
        "mysql://u:hunter2@h/d?a=b",
        "jdbc:postgresql://h/d?password=hunter2",
        "postgresql+psycopg2://u:hunter2@h/d",
        "POSTGRES://u:hunter2@h/d",
        "s3://bucket/hunter2",
        "ecto://u:hunter2@h/d",
    ] {
        for report in [refusal(url, &[]), refusal("", &[("PGDATABASE", url)])] {
            assert!(report.contains(url.split_once("://").unwrap().0), "{report}");
            assert!(!report.contains("hunter2"), "{report}");
        }
    }
    assert_eq!(resolved("a b://c", &[]).dbname, "a b://c");
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
        refusal("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2", &[]).contains("range")
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
    assert_eq!(params.client_encoding.as_deref(), Some("LATIN1"));
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
        ("require_auth=gss,oauth", "supported methods are"),
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
        Keepalives { enabled: false, idle: Some(Duration::from_secs(30)), interval: None, count: Some(4) }
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

#[test]
fn a_database_is_named_by_the_command_line_alone() {
    for (dbname, is_named) in [
        (None, false),
        (Some(""), false),
        (Some("shop"), true),
        (Some("postgresql://app@db.example/shop"), true),
        (Some("postgresql://app@db.example"), false),
        (Some("postgresql://app@db.example/?dbname=shop"), true),
        (Some("host=db.example"), false),
        (Some("host=db.example dbname=shop"), true),
        (Some("dbname='' host=db.example"), false),
        (Some("service=shop"), true),
    ] {
        let args = ConnectArgs { dbname: dbname.map(str::to_owned), ..ConnectArgs::default() };
        assert_eq!(names_database(&args).unwrap(), is_named, "{dbname:?}");
    }
}

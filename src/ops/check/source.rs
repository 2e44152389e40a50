//! The source: whether it can be reached, by which role, how well the connection is protected, and what
//! a backup will find there.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::privileges;
use super::report::Findings;
use super::server::{self, Settings};
use crate::config::{Connector, Job};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::backup::{dump_options, session_options};
use crate::ops::databases;
use crate::pg::connect::{Session, connect};
use crate::pg::conninfo::OsEnvironment;
use crate::pg::params::{ConnectParams, Endpoint, SslMode};
use crate::pg::server::Server;
use crate::snapshot::begin_reading;
use tokio_postgres::SimpleQueryMessage;

/// How far the server's clock may differ from ours.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// What the other checks need to know about the source.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The size on disk of each database that the job backs up.
    pub(super) database_bytes: Vec<(String, u64)>,
}

pub(super) async fn check(job: &Job, now: DateTime<Utc>) -> (Findings, Facts) {
    let mut findings = Findings::default();
    let mut facts = Facts::default();
    let connector = match job.source.connector().await {
        Ok(connector) => connector,
        Err(error) => {
            findings.fail("password", &error);
            return (findings, facts);
        }
    };
    if let Err((check, error)) = Box::pin(look(job, now, &connector, &mut findings, &mut facts)).await {
        findings.fail(check, &error);
    }
    (findings, facts)
}

/// Stops at the first failure that would make everything after it fail in the same way.
async fn look(
    job: &Job,
    now: DateTime<Utc>,
    connector: &Connector,
    findings: &mut Findings,
    facts: &mut Facts,
) -> Result<(), (&'static str, Error)> {
    let params = connector.params(None, &OsEnvironment).map_err(|error| ("connection", error))?;
    let session = Box::pin(connect(&params.clone().with_ambient_timeouts()))
        .await
        .map_err(|error| ("connection", error))?;
    findings.ok(
        "connection",
        format!("{}, database \"{}\", as \"{}\"", session.host(), params.dbname, params.user),
    );
    encryption(&session, &params, findings);
    pooler(&session, &params, findings).await;
    let settings = {
        let begun = Box::pin(begin_reading(&session, session_options(job), &dump_options(job))).await;
        let (server, _) = begun.map_err(|error| ("role", error))?;
        let settings = Settings::read(&session).await.map_err(|error| ("server settings", error))?;
        about_server(job, now, &server, &settings, findings);
        settings
    };
    let _ = session.client.batch_execute("ROLLBACK").await;
    let listed = databases::list(&session, &job.databases, &params.dbname).await;
    session.close().await;
    let names = listed.map_err(|error| ("databases", error))?;
    findings.ok("databases", names.join(", "));
    for name in names {
        match Box::pin(privileges::check(job, connector, &name, &settings, findings)).await {
            Ok(bytes) => facts.database_bytes.extend(bytes.map(|bytes| (name, bytes))),
            Err(error) => findings.fail("database", &error).of(&name),
        }
    }
    Ok(())
}

fn encryption(session: &Session, params: &ConnectParams, findings: &mut Findings) {
    let endpoint =
        params.hosts.iter().find(|host| host.to_string() == session.host()).map(|host| &host.endpoint);
    match (endpoint, session.is_tls(), params.tls.mode) {
        (Some(Endpoint::Unix(_)), ..) => findings.ok("encryption", "not needed: a local socket"),
        (_, true, SslMode::VerifyFull) => {
            findings.ok("encryption", "TLS, and the server's certificate and host name are verified")
        }
        (Some(endpoint), tls, _) if is_local(endpoint) => {
            findings.ok("encryption", if tls { "TLS" } else { "not needed: the server is on this machine" })
        }
        (_, true, mode) => findings.warn(
            "encryption",
            match mode {
                SslMode::VerifyCa => "TLS, but the host name in the certificate is not verified",
                _ => "TLS, but a machine in between could impersonate the server",
            },
            "connect with sslmode=verify-full, and sslrootcert=system or the CA's file",
        ),
        (_, false, _) => findings.warn(
            "encryption",
            "none: anyone on the network path can read and change the rows",
            "turn on TLS in the server (ssl = on), and connect with sslmode=verify-full",
        ),
    };
}

fn is_local(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Unix(_) => true,
        Endpoint::Tcp { addr: Some(addr), .. } => addr.is_loopback(),
        Endpoint::Tcp { name, .. } => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

/// A pooler in transaction mode gives the server process that one session has just used to the next
/// session that needs one.
async fn pooler(session: &Session, params: &ConnectParams, findings: &mut Findings) {
    let pids = async {
        let before = backend_pid(session).await?;
        let other = connect(params).await?;
        let failed = |error| session.source_failed("begin a transaction", error);
        other.client.batch_execute("BEGIN").await.map_err(failed)?;
        let others = backend_pid(&other).await?;
        let after = backend_pid(session).await?;
        other.close().await;
        Ok::<_, Error>((before, others, after))
    };
    match Box::pin(pids).await {
        Ok((before, others, after)) if shares_processes(&before, &others, &after) => findings.warn(
            "pooler",
            "sessions share server processes: the connection goes through a pooler in transaction mode",
            "connect directly to the server: a dump holds one transaction until it ends, \
             and poolers limit that with their own timeouts",
        ),
        Ok(_) => findings.ok("pooler", "no pooler in transaction mode detected"),
        Err(error) => findings.fail("second connection", &error),
    };
}

fn shares_processes(before: &str, others: &str, after: &str) -> bool {
    before == others || before != after
}

/// Uses a simple query, because prepared statements may not work through such a pooler.
async fn backend_pid(session: &Session) -> Result<String> {
    let failed = |error| session.source_failed("ask for the server process", error);
    let answer = session.client.simple_query("SELECT pg_catalog.pg_backend_pid()").await.map_err(failed)?;
    let pid = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    pid.ok_or_else(|| {
        Error::new(ErrorKind::SourceFailed, "ask for the server process").because("the server sent no row")
    })
}

fn about_server(
    job: &Job,
    now: DateTime<Utc>,
    server: &Server,
    settings: &Settings,
    findings: &mut Findings,
) {
    server::version(server, now, findings);
    server::role(job, settings, findings);
    server::standby(server, settings, findings);
    server::timeouts(settings, findings);
    server::connections(job, settings, findings);
    clock(settings.clock, Utc::now(), findings);
}

fn clock(server: DateTime<Utc>, now: DateTime<Utc>, findings: &mut Findings) {
    let skew = (server - now).abs();
    if skew.to_std().unwrap_or_default() <= CLOCK_TOLERANCE {
        findings.ok("server's clock", format!("within {} s of ours", CLOCK_TOLERANCE.as_secs()));
    } else {
        findings.warn(
            "server's clock",
            format!(
                "the server's shows {}, ours {}",
                server.format("%Y-%m-%d %H:%M:%S"),
                now.format("%Y-%m-%d %H:%M:%S")
            ),
            "synchronize both machines with NTP: backups are named and pruned by ours",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pooler_is_told_by_its_processes() {
        assert!(!shares_processes("1", "2", "1"));
        // The other session got the process that the first had just used.
        assert!(shares_processes("1", "1", "2"));
        // The first session got another process.
        assert!(shares_processes("1", "2", "3"));
    }

    #[test]
    fn this_machine_is_known() {
        let tcp = |name: &str| Endpoint::Tcp { name: name.into(), addr: None };
        assert!(is_local(&tcp("localhost")) && is_local(&tcp("127.0.0.1")) && is_local(&tcp("::1")));
        assert!(!is_local(&tcp("db.example")) && !is_local(&tcp("10.0.0.1")));
    }

    #[test]
    fn clocks_may_differ_a_little() {
        let now = Utc::now();
        for (seconds, level) in [(30, "ok"), (-30, "ok"), (90, "warning"), (-90, "warning")] {
            let mut findings = Findings::default();
            clock(now + chrono::TimeDelta::seconds(seconds), now, &mut findings);
            let report = super::super::report::Report::new("j", findings);
            let json = serde_json::to_value(&report).unwrap();
            assert_eq!(json["findings"][0]["level"], level, "{seconds}");
        }
    }
}

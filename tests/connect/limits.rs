//! Servers with tight limits: one connection, a millisecond, no startup parameters, no login.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use crate::world::{Files, World, ask, block_on, connected, failure};

/// Runs pgsiphon with only these environment variables.
fn pgsiphon(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_pgsiphon"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).output().unwrap()
}

fn succeeded(output: Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

fn dump(string: &str, arguments: &[&str]) -> String {
    let dumped = succeeded(pgsiphon(&[&["dump", string][..], arguments].concat(), &[]));
    // The key of \restrict differs each time.
    dumped.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
}

/// Rows, foreign tables, large objects, and enough tables for a second session to read the catalogs.
pub(crate) fn one_connection_is_enough(world: &World) {
    let cluster = world.cluster();
    cluster.psql("postgres", "CREATE DATABASE lonely");
    cluster.psql(
        "lonely",
        "CREATE TABLE a AS SELECT generate_series(1, 5000) n; CREATE TABLE b AS TABLE a;
         SELECT lo_from_bytea(0, 'one'), lo_from_bytea(0, 'two');
         DO $$ BEGIN FOR n IN 1..1100 LOOP EXECUTE format('CREATE TABLE t%s ()', n); END LOOP; END $$;
         CREATE ROLE one_at_a_time LOGIN CONNECTION LIMIT 1;
         CREATE ROLE two_at_a_time LOGIN CONNECTION LIMIT 2;
         GRANT pg_read_all_data TO one_at_a_time, two_at_a_time;
         ALTER DATABASE lonely OWNER TO one_at_a_time",
    );
    let string = |role: &str| {
        let directory = cluster.socket_directory().display();
        format!("host={directory} port={} dbname=lonely user={role}", cluster.port)
    };
    let flags = ["--no-large-objects"];
    let expected = dump(&string("postgres"), &[&flags[..], &["-j", "4"]].concat());
    assert!(expected.contains("5000\n"));
    for role in ["one_at_a_time", "two_at_a_time"] {
        // By default, and if more sessions are requested than allowed.
        for jobs in ["1", "2", "8"] {
            let dumped = dump(&string(role), &[&flags[..], &["-j", jobs]].concat());
            assert!(dumped == expected, "{role} with {jobs}");
        }
    }
    let with_objects = dump(&string("postgres"), &["-j", "4"]);
    assert!(with_objects.contains("lo_open"));
    cluster.psql("postgres", "ALTER DATABASE lonely CONNECTION LIMIT 1; ALTER ROLE one_at_a_time SUPERUSER");
    assert!(dump(&string("postgres"), &["-j", "1"]) == with_objects);
}

pub(crate) fn timeouts_of_roles_and_databases_do_not_count(world: &World) {
    let cluster = world.cluster();
    cluster.psql("postgres", "CREATE DATABASE hasty");
    cluster.psql("hasty", "CREATE TABLE a AS SELECT generate_series(1, 1000000) n");
    let directory = cluster.socket_directory().display();
    let string = format!("host={directory} port={} dbname=hasty user=postgres", cluster.port);
    let is_17 = block_on(connected(&string)).version().at_least(17);
    let mut names = vec!["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
    if is_17 {
        names.push("transaction_timeout");
    }
    for name in &names {
        cluster.psql("postgres", &format!("ALTER DATABASE hasty SET {name} = '1ms'"));
    }
    for jobs in ["1", "4"] {
        // The dump contains the database's settings and all rows.
        assert!(dump(&string, &["-j", jobs, "-C"]).contains("1000000\n"));
    }
    block_on(async {
        let session = connected(&string).await;
        for name in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
            assert_eq!(ask(&session, &format!("SHOW {name}")).await, "0");
        }
        // An explicit setting is respected.
        let session = connected(&format!("{string} options='-c lock_timeout=7s'")).await;
        assert_eq!(ask(&session, "SHOW lock_timeout").await, "7s");
    });
}

/// PgBouncer without `ignore_startup_parameters`.
pub(crate) fn poolers_that_reject_parameters_are_supported(world: &World) {
    let server = world.cluster().port;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (count, refusals) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, count) = (client.unwrap(), count.clone());
            thread::spawn(move || pool(client, server, &count));
        }
    });
    let string = format!("host=127.0.0.1 port={port} dbname=postgres user=trusted sslmode=disable");
    block_on(async {
        let session = connected(&string).await;
        assert_eq!(ask(&session, "SELECT 1").await, "1");
    });
    assert_eq!(refusals.try_iter().count(), 1);
    // It is learned once, for all sessions.
    assert!(dump(&string, &["-j", "4", "-T", "*"]).contains("PostgreSQL database dump complete"));
    assert_eq!(refusals.try_iter().count(), 1);
}

fn pool(mut client: TcpStream, server: u16, refusals: &std::sync::mpsc::Sender<()>) {
    let mut length = [0; 4];
    client.read_exact(&mut length).unwrap();
    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut rest).unwrap();
    if rest.windows(7).any(|bytes| bytes == b"timeout") {
        let fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        client.write_all(&[&b"E"[..], &length, fields].concat()).unwrap();
        refusals.send(()).unwrap();
        return;
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
    upstream.write_all(&[&length[..], &rest].concat()).unwrap();
    let (mut from, mut to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
    let down = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut client, &mut upstream);
    let _ = upstream.shutdown(std::net::Shutdown::Both);
    down.join().unwrap();
}

/// The pause before another attempt would be half a minute.
pub(crate) fn permanent_failures_are_not_retried(world: &World) {
    let files = Files::default();
    let stranger = files.write("stranger.crt", &crate::certificates::Authority::new("a stranger").pem());
    for (what, rest) in [
        ("no password", "user=scram"),
        ("a wrong password", "user=scram password=wrong"),
        ("an unknown role", "user=nobody_is_called_so"),
        ("a role that may not come so", "user=plain_only password=wrong sslmode=require"),
        ("a role that may come in no way", "user=postgres"),
        ("an unknown database", "user=trusted dbname=no_such_database"),
        ("a stranger's certificate", &format!("user=trusted sslmode=verify-ca sslrootcert={stranger}")),
    ] {
        let string = world.tcp(rest);
        let report = block_on(failure(&string));
        assert!(!report.contains('\n'), "{what}: {report}");
        let started = Instant::now();
        let folder = files.path("");
        let output = pgsiphon(
            &["backup"],
            &[
                ("PGSIPHON_SOURCE_URL", &string),
                ("PGSIPHON_DESTINATION_URL", &folder),
                ("PGSIPHON_BACKUP_RETRY_DELAY", "30s"),
            ],
        );
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{what}: {told}");
        assert!(!told.contains("attempt 1"), "{what}: {told}");
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
    }
}

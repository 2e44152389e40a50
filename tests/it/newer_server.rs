//! Servers of a version newer than pgsiphon supports. There are none, so the program under test is told
//! to forget the newest versions (`PGSIPHON_TEST_NEWEST_MAJOR`). The conformance tests check what it
//! then does with their cases.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use crate::support::database::{Database, Settings, administer, ask};
use crate::support::servers::{Postgres, Servers, clean_command};
use serde_json::Value;

/// The newest version known to the program, and a newer server that is part of every test run.
const KNOWN: &str = "17";
const SERVER: u32 = 18;

fn server() -> Postgres {
    Servers::from_environment().unwrap().postgres(SERVER).unwrap().clone()
}

fn database(sql: &str) -> Database {
    let database = Database::create(&server(), "newer", &Settings::default()).unwrap();
    ask(database.server(), database.name(), sql).unwrap();
    database
}

fn dump(database: &Database, user: &str, more: &[&str]) -> Output {
    let server = database.server();
    let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
    command
        .args(["dump", "-h", &server.host, "-p", &server.port.to_string(), "-U", user, database.name()])
        .args(more)
        .env("PGSIPHON_TEST_NEWEST_MAJOR", KNOWN);
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn unknown_features_are_named_and_nothing_is_dumped() {
    let database = database(
        "CREATE TABLE t (a int, \"odd Column\" int GENERATED ALWAYS AS (a + 1) VIRTUAL,
                         CONSTRAINT never CHECK (a > 0) NOT ENFORCED)",
    );
    let output = dump(&database, "postgres", &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{}", stderr(&output));
    let text = stderr(&output);
    for part in [
        "code v of pg_attribute.attgenerated (column odd Column of table public.t)",
        "column pg_constraint.conenforced = false (constraint never on table public.t)",
        "--allow-unknown",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn allow_unknown_dumps_the_rest_and_warns() {
    let database = database("CREATE TABLE t (a int, CONSTRAINT never CHECK (a > 0) NOT ENFORCED)");
    let output = dump(&database, "postgres", &["--allow-unknown"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("CREATE TABLE public.t"));
    assert!(stderr(&output).contains("without these unknown features: column pg_constraint.conenforced"));
}

#[test]
fn extension_members_are_not_dumped() {
    let database = database(
        "CREATE TABLE member (a int, b int GENERATED ALWAYS AS (a) VIRTUAL);
         CREATE EXTENSION citext; ALTER EXTENSION citext ADD TABLE member",
    );
    let output = dump(&database, "postgres", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn statistics_of_the_server_are_not_features() {
    let database =
        database("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)");
    // The servers commit asynchronously, and VACUUM does not mark pages whose commits are not on disk.
    ask(database.server(), database.name(), "CHECKPOINT").unwrap();
    ask(database.server(), database.name(), "VACUUM FREEZE t").unwrap();
    let frozen = ask(
        database.server(),
        database.name(),
        "SELECT relallfrozen > 0 FROM pg_class WHERE oid = 't'::regclass",
    );
    assert_eq!(frozen.unwrap().trim(), "t");
    let output = dump(&database, "postgres", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_role_that_can_only_read_rows_can_dump() {
    let database = database(
        "CREATE TABLE t (a int); CREATE SUBSCRIPTION newer_s CONNECTION 'dbname=n' PUBLICATION p WITH (connect = false, slot_name = NONE)",
    );
    let role = format!("{}_reader", database.name());
    administer(database.server(), &format!("CREATE ROLE {role} LOGIN IN ROLE pg_read_all_data")).unwrap();
    let output = dump(&database, &role, &[]);
    administer(database.server(), &format!("DROP ROLE {role}")).unwrap();
    ask(database.server(), database.name(), "DROP SUBSCRIPTION newer_s").unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn backups_record_it_and_check_covers_each_database() {
    let database = database("CREATE TABLE t (a int)");
    let server = database.server();
    let store = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
        command
            .args(arguments)
            .current_dir(store.path())
            .env("PGSIPHON_TEST_NEWEST_MAJOR", KNOWN)
            .env("PGSIPHON_SOURCE_HOST", &server.host)
            .env("PGSIPHON_SOURCE_PORT", server.port.to_string())
            .env("PGSIPHON_SOURCE_USER", "postgres")
            .env("PGSIPHON_SOURCE_DBNAME", database.name())
            .env("PGSIPHON_DATABASES_GLOBALS", "false")
            .env("PGSIPHON_DESTINATION_URL", store.path().join("store"));
        command.output().unwrap()
    };
    let note = "is newer than pgsiphon knows: the dump is written as for version 17";
    let output = run(&["backup"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    let output = run(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(status[0]["warnings"][0].as_str().unwrap().contains(note), "{status}");
    let output = run(&["status"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(note));

    let output = run(&["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("no features unknown to pgsiphon are in use"), "{text}");
    ask(server, database.name(), "ALTER TABLE t ADD b int GENERATED ALWAYS AS (a) VIRTUAL").unwrap();
    let output = run(&["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("code v of pg_attribute.attgenerated (column b of table public.t)"), "{text}");
}

/// The columns of a server's system catalogs, as `catalog.column`.
fn columns(server: &Postgres) -> BTreeSet<String> {
    let sql = "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'
                  AND a.attnum > 0 AND NOT a.attisdropped";
    ask(server, "postgres", sql).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_known_columns_are_those_of_the_servers() {
    let text = include_str!("../../src/catalog/known_columns.txt");
    let mut since: BTreeMap<String, u32> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (catalog, columns) = line.split_once(": ").unwrap();
        for column in columns.split(' ') {
            let (column, major) = column.split_once('@').unwrap_or((column, "14"));
            since.insert(format!("{catalog}.{column}"), major.parse().unwrap());
        }
    }
    for (major, server) in Servers::from_environment().unwrap().postgres.range(14..) {
        let there = columns(server);
        let unknown: Vec<_> =
            there.iter().filter(|column| since.get(*column).is_none_or(|since| since > major)).collect();
        assert!(unknown.is_empty(), "PostgreSQL {major} has more: {unknown:?}");
        let missing: Vec<_> = since
            .iter()
            .filter(|(column, since)| *since == major && *major > 14 && !there.contains(*column))
            .collect();
        assert!(missing.is_empty(), "PostgreSQL {major} lacks: {missing:?}");
    }
}

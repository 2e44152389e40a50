//! Tests `pgsiphon check`: each item is checked separately, with a hint, and nothing is left behind.

use std::process::Command;

use serde_json::Value;

use super::world::{Place, World, ends, json, stderr};
use crate::support::database::administer;

/// The findings about the first job.
fn findings(command: Command, code: i32) -> Vec<Value> {
    json(command, code)[0]["findings"].as_array().unwrap().clone()
}

fn find<'f>(findings: &'f [Value], check: &str) -> &'f Value {
    findings.iter().find(|f| f["check"] == check).unwrap_or_else(|| panic!("no {check}: {findings:#?}"))
}

fn level<'f>(findings: &'f [Value], check: &str) -> &'f str {
    find(findings, check)["level"].as_str().unwrap()
}

fn text<'f>(findings: &'f [Value], check: &str) -> &'f str {
    find(findings, check)["found"].as_str().unwrap()
}

#[test]
fn successes_are_reported_and_nothing_is_left_behind() {
    let world = World::new();
    let database = world.database("ck_fine", "CREATE TABLE t AS SELECT 1 AS a");
    for place in world.places() {
        let found = findings(world.command(&place, database.name(), &["check"]), 0);
        for check in ["connection", "encryption", "pooler", "privileges", "locks", "write", "schedule"] {
            assert_eq!(level(&found, check), "ok", "{check}: {found:#?}");
        }
        assert_eq!(find(&found, "privileges")["database"], database.name());
        assert!(text(&found, "privileges").contains("1 tables"), "{found:#?}");
        assert_eq!(level(&found, "retention"), "warning");
        if matches!(place, Place::S3 { .. }) {
            for check in
                ["list", "read", "multipart upload", "list uploads", "abort", "delete", "storage's clock"]
            {
                assert_eq!(level(&found, check), "ok", "{check}: {found:#?}");
            }
        } else {
            assert!(text(&found, "space").contains(" free; a run may need about "), "{found:#?}");
        }
        assert_eq!((place.names().len(), place.pending()), (0, 0));
        let told = ends(world.command(&place, database.name(), &["check"]), 0);
        let told = String::from_utf8(told.stdout).unwrap();
        assert!(told.contains("  ok       connection"), "{told}");
        assert!(told.contains("hint: set retention.keep_daily"), "{told}");
    }
}

#[test]
fn old_servers_are_checked_too() {
    let world = World::new();
    let place = world.directory();
    for (major, server) in &world.servers.postgres {
        let mut command = world.command(&place, "postgres", &["check"]);
        command.env("PGHOST", &server.host).env("PGPORT", server.port.to_string());
        let found = findings(command, 0);
        assert!(text(&found, "server version").starts_with(&server.version), "{major}: {found:#?}");
        assert_eq!((level(&found, "privileges"), level(&found, "connections")), ("ok", "ok"), "{found:#?}");
    }
}

#[test]
fn a_forbidden_role_is_reported() {
    let world = World::new();
    let mut command = world.command(&world.directory(), "postgres", &["check"]);
    command.env("PGSIPHON_SOURCE_ROLE", "no_such_role");
    // A wrong setting fails like in a backup.
    let found = findings(command, 2);
    assert!(text(&found, "role").contains("no_such_role"), "{found:#?}");
    assert_eq!(level(&found, "write"), "ok");
}

#[test]
fn unreadable_objects_are_named() {
    let world = World::new();
    let database = world.database(
        "ck_role",
        "CREATE TABLE open (a int); CREATE TABLE closed (a int); CREATE SEQUENCE hidden_sequence;
         CREATE TABLE secret_rows (a int); ALTER TABLE secret_rows ENABLE ROW LEVEL SECURITY;
         CREATE SCHEMA locked; CREATE TABLE locked.t (a int); SELECT lo_create(4712);
         CREATE TABLE skipped (a int)",
    );
    let role = format!("{}_reader", database.name());
    administer(world.postgres(), &format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 2")).unwrap();
    database.query(&format!("GRANT SELECT ON open, secret_rows, locked.t TO {role}")).unwrap();
    let place = world.directory();
    let mut command = world.command(&place, database.name(), &["check"]);
    command
        .env("PGUSER", &role)
        .env("PGSIPHON_DUMP_JOBS", "2")
        .env("PGSIPHON_DUMP_EXCLUDE_TABLES", "skipped");
    // The first failure is about connections.
    let found = findings(command, 3);
    assert!(text(&found, "connections").contains("the role's limit is 2"), "{found:#?}");
    let privileges: Vec<&str> = found
        .iter()
        .filter(|f| f["check"] == "privileges" && f["level"] == "failed")
        .map(|f| f["found"].as_str().unwrap())
        .collect();
    let all = privileges.join("\n");
    for name in [
        "no SELECT privilege on ",
        "public.closed",
        "public.hidden_sequence",
        "large object 4712",
        "USAGE privilege on schema locked",
        "row security would hide rows of public.secret_rows",
    ] {
        assert!(all.contains(name), "{name}: {all}");
    }
    assert!(!all.contains("skipped") && !all.contains("public.open"), "{all}");
    assert_eq!(find(&found, "privileges")["exit_code"], 4);
    assert!(text(&found, "globals").contains("without their passwords"));
    administer(world.postgres(), &format!("ALTER ROLE {role} CONNECTION LIMIT -1 BYPASSRLS")).unwrap();
    administer(world.postgres(), &format!("GRANT pg_read_all_data TO {role}")).unwrap();
    administer(world.postgres(), &format!("ALTER ROLE {role} SET statement_timeout = '1234ms'")).unwrap();
    let mut command = world.command(&place, database.name(), &["check"]);
    command.env("PGUSER", &role);
    if world.postgres().major() < 19 {
        let found = findings(command, 4);
        assert!(
            text(&found, "privileges").ends_with("no SELECT privilege on large object 4712"),
            "{found:#?}"
        );
    } else {
        // From 19 on, pg_read_all_data also covers large objects.
        assert_eq!(level(&findings(command, 0), "privileges"), "ok");
    }
    let mut command = world.command(&place, database.name(), &["check"]);
    command.env("PGUSER", &role);
    let found = findings(command, if world.postgres().major() < 19 { 4 } else { 0 });
    assert!(text(&found, "timeouts").contains("statement_timeout = 1234 ms"), "{found:#?}");
    database.query("SELECT lo_unlink(4712)").unwrap();
    let mut command = world.command(&place, database.name(), &["check"]);
    command.env("PGUSER", &role);
    assert_eq!(level(&findings(command, 0), "privileges"), "ok");
    database.query(&format!("DROP OWNED BY {role}")).unwrap();
    administer(world.postgres(), &format!("DROP ROLE {role}")).unwrap();
}

#[test]
fn a_dead_source_does_not_hide_the_rest() {
    let world = World::new();
    let place = world.bucket();
    let mut command = world.command(&place, "postgres", &["check"]);
    command
        .env("PGSIPHON_SOURCE_URL", "postgresql://nobody:hunter2hunter2@127.0.0.1:1/x")
        .env_remove("PGSIPHON_SOURCE_DBNAME");
    let output = {
        command.arg("--json");
        ends(command, 3)
    };
    let told = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
    assert!(!told.contains("hunter2"), "{told}");
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = reports[0]["findings"].as_array().unwrap();
    assert_eq!((level(found, "connection"), level(found, "write")), ("failed", "ok"));
    assert_eq!(level(found, "schedule"), "ok");
}

#[test]
fn problems_of_the_storage_are_reported() {
    let world = World::new();
    let place = world.bucket();
    let mut key = world.command(&place, "postgres", &["check"]);
    key.env("PGSIPHON_AWS_SECRET_ACCESS_KEY", "hunter2hunter2");
    key.arg("--json");
    let output = ends(key, 5);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = reports[0]["findings"].as_array().unwrap();
    assert_eq!((level(found, "connection"), level(found, "list")), ("ok", "failed"));

    let mut bucket = world.command(&place, "postgres", &["check"]);
    bucket.env("PGSIPHON_DESTINATION_URL", "s3://no-such-bucket-anywhere/x");
    let found = findings(bucket, 5);
    assert!(text(&found, "list").contains("NoSuchBucket"), "{found:#?}");

    let mut endpoint = world.command(&place, "postgres", &["check"]);
    endpoint.env("PGSIPHON_DESTINATION_ENDPOINT_URL", "http://127.0.0.1:1");
    assert_eq!(level(&findings(endpoint, 5), "list"), "failed");

    // Root can write everywhere, except where no file can exist.
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut directory = world.command(&world.directory(), "postgres", &["check"]);
    directory.env("PGSIPHON_DESTINATION_URL", file.path().join("below"));
    assert_eq!(level(&findings(directory, 5), "write"), "failed");
    let mut proc = world.command(&world.directory(), "postgres", &["check"]);
    proc.env("PGSIPHON_DESTINATION_URL", "/proc/backups");
    assert_eq!(level(&findings(proc, 5), "write"), "failed");
}

#[test]
fn object_lock_must_exist_if_configured() {
    let world = World::new();
    let locked = |place: &Place| {
        let mut command = world.command(place, "postgres", &["check"]);
        command
            .env("PGSIPHON_DESTINATION_OBJECT_LOCK_MODE", "GOVERNANCE")
            .env("PGSIPHON_DESTINATION_OBJECT_LOCK_DAYS", "1");
        command
    };
    let found = findings(locked(&world.locking_bucket()), 0);
    assert_eq!(text(&found, "protection"), "the bucket has Object Lock");
}

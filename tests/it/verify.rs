//! Runs `pgsiphon verify` like a user: good backups pass, all others are detected, and the scratch
//! database is always removed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::database::{Database, Settings, ask};
use crate::support::indexed_dump::{IndexedDump, METHODS};
use crate::support::servers::{Postgres, Servers, clean_command};
use pgsiphon::index::Index;
use serde_json::Value;
use sha2::{Digest, Sha256};

const PGSIPHON: &str = env!("CARGO_BIN_EXE_pgsiphon");

struct World {
    server: Postgres,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let servers = Servers::from_environment().unwrap();
        World { server: servers.newest().unwrap().clone(), folder: tempfile::tempdir().unwrap() }
    }

    fn database(&self, stem: &str, sql: &str) -> Database {
        let database = Database::create(&self.server, stem, &Settings::default()).unwrap();
        database.query(sql).unwrap();
        database
    }

    fn dump(&self, database: &Database, name: &str, flags: &[&str]) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut command = clean_command(PGSIPHON);
        command.arg("dump").args(self.server.connection_options()).args(flags).arg("-f").arg(&path);
        let output = command.args(["-d", database.name()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// The URL of the server's database `postgres`.
    fn url(&self) -> String {
        let s = &self.server;
        format!("host={} port={} user={} dbname=postgres", s.host, s.port, s.user)
    }

    fn verify(&self, backup: &Path, options: &[&str]) -> Command {
        let mut command = clean_command(PGSIPHON);
        command.arg("verify").arg(backup).arg("--json").args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn restores(&self, backup: &Path) -> Value {
        let output = self.verify(backup, &["--restore-to", &self.url()]).output().unwrap();
        good(&output)
    }
}

fn report(output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("no JSON: {stdout} {stderr}"))
}

fn good(output: &Output) -> Value {
    let report = report(output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["ok"], true);
    report
}

fn bad(output: &Output, code: i32, says: &str) {
    let report = report(output);
    assert_eq!(output.status.code(), Some(code), "{report:#}");
    assert_eq!((&report["ok"], &report["exit_code"]), (&Value::from(false), &Value::from(code)));
    assert!(report["error"].as_str().unwrap().contains(says), "{says:?} is not in {report:#}");
}

const SHOP: &str = "CREATE TABLE orders (id int PRIMARY KEY, note varchar CHECK (note IN ('a', 'b')));
    CREATE TABLE \"Odd, name\" (); INSERT INTO \"Odd, name\" SELECT FROM generate_series(1, 3);
    INSERT INTO orders SELECT g, CASE g % 2 WHEN 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 200) g;
    CREATE SEQUENCE s; SELECT nextval('s'); SELECT lo_from_bytea(4711, 'large;')";

/// Writes a manifest like a job's, for a dump that is good.
fn write_manifest(dump: &Path, report: &Value) {
    let contents = &report["contents"];
    let manifest = serde_json::json!({
        "format_version": 1, "pgsiphon_version": "0.1.0", "job": "default", "run_id": "00", "scope": "database",
        "database": "shop", "server_version": "18", "started_at": "2025-01-08T04:00:00Z",
        "finished_at": "2025-01-08T04:00:00Z", "timestamp": "2025-01-08T04:00:00Z", "key": "k",
        "stored_bytes": contents["stored_bytes"], "text_bytes": contents["text_bytes"],
        "sha256": contents["sha256"], "text_crc32": contents["text_crc32"], "compression": "gzip:5",
        "relations": contents["relations"], "large_objects": contents["large_objects"], "warnings": [],
    });
    let path = format!("{}.manifest.json", dump.display());
    std::fs::write(path, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

/// A dump like those of pg_dump before 9.6.8 and 10.3.
const OLD: &str = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 9.6.5
-- Dumped by pg_dump version 9.6.5\n\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;
SET search_path = public, pg_catalog;\nCREATE TABLE clerk (\n    id integer,\n    \"Name\" text\n);
CREATE SCHEMA \"S, t\";\nSET search_path = \"S, t\", pg_catalog;\nCREATE TABLE clerk (\n    id integer\n);
CREATE TABLE bare (\n    id integer\n);\nSET search_path = public, pg_catalog;
COPY clerk (\"id\", \"Name\") FROM stdin;\n1\tx\n2\ty\n\\.\nSET search_path = \"S, t\", pg_catalog;
COPY clerk (id) FROM stdin;\n7\n\\.\nCOPY bare FROM stdin;\n8\n\\.\n
--\n-- PostgreSQL database dump complete\n--\n";

#[test]
fn unqualified_names_follow_the_search_path() {
    let world = World::new();
    let dump = world.folder.path().join("old.sql");
    std::fs::write(&dump, OLD).unwrap();
    let report = world.restores(&dump);
    assert!(report["remarks"].to_string().contains("lists no columns"), "{report:#}");
    // Missing rows are still detected.
    let lossy = OLD.replace(
        "\n\n--\n-- PostgreSQL database dump complete",
        "\nDELETE FROM clerk;\n\n--\n-- PostgreSQL database dump complete",
    );
    assert_ne!(lossy, OLD);
    std::fs::write(&dump, lossy).unwrap();
    let output = world.verify(&dump, &["--restore-to", &world.url()]).output().unwrap();
    bad(&output, 8, "clerk has 0 rows after the restore, but 1 in the backup");
}

#[test]
fn byte_order_marks_and_line_ends_are_accepted_and_utf_16_is_named() {
    let world = World::new();
    let from = world.database("vf_bom", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)");
    let text = std::fs::read_to_string(world.dump(&from, "plain.sql", &[])).unwrap();
    let file = world.folder.path().join("other.sql");
    for other in [format!("\u{FEFF}{text}"), text.replace('\n', "\r\n")] {
        std::fs::write(&file, other).unwrap();
        world.restores(&file);
    }
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&file, wide).unwrap();
    let output = world.verify(&file, &[]).output().unwrap();
    bad(&output, 8, "text in UTF-16LE");
}

#[test]
fn dumps_that_create_schema_public_are_verified() {
    let world = World::new();
    let sql =
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE SCHEMA \"S.x\"; CREATE TABLE \"S.x\".u ();
        COMMENT ON SCHEMA public IS 'ours'; CREATE SCHEMA other; CREATE TABLE other.v ()";
    let from = world.database("vf_public", sql);
    for flags in
        [&["-n", "public"][..], &["-n", "public", "-n", "\"S.x\""], &["-n", "other"], &["-N", "public"]]
    {
        let dump = world.dump(&from, "selected.sql", &[flags, &["--overwrite"]].concat());
        world.restores(&dump);
    }
}

#[test]
fn the_contents_of_a_backup_are_reported() {
    let world = World::new();
    let from = world.database("vf_told", SHOP);
    let dump = world.dump(&from, "told.sql.gz", &[]);
    let report = good(&world.verify(&dump, &[]).output().unwrap());
    let contents = &report["contents"];
    let stored = std::fs::read(&dump).unwrap();
    let sha256: String = Sha256::digest(&stored).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(contents["sha256"], sha256);
    assert_eq!(contents["stored_bytes"], stored.len());
    assert_eq!(contents["large_objects"], 1);
    let relations = contents["relations"].as_array().unwrap();
    let rows: Vec<_> =
        relations.iter().map(|r| (r["name"].as_str().unwrap(), r["rows"].as_u64().unwrap())).collect();
    assert_eq!(rows, [("public.\"Odd, name\"", 3), ("public.orders", 200)]);
    assert_eq!(report["manifest"], false);
    assert!(report["remarks"][0].as_str().unwrap().contains("no manifest"));

    write_manifest(&dump, &report);
    let report = good(&world.verify(&dump, &[]).output().unwrap());
    assert_eq!(
        (&report["manifest"], &report["remarks"]),
        (&Value::from(true), &Value::from(Vec::<Value>::new()))
    );
}

/// Every single byte of a small backup, changed, with and without a manifest.
#[test]
fn any_flipped_byte_is_detected() {
    let world = World::new();
    let from =
        world.database("vf_flip", "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 9)");
    for method in ["gzip", "zstd", "lz4", "none"] {
        let dump = world.dump(&from, &format!("flip.{method}"), &["-Z", method]);
        let good_bytes = std::fs::read(&dump).unwrap();
        let original = good(&world.verify(&dump, &[]).output().unwrap());
        let flipped = world.folder.path().join("flipped");
        let step = good_bytes.len() / 40 + 1;
        for at in (0..good_bytes.len()).filter(|at| *at < 16 || at % step == 0 || *at > good_bytes.len() - 9)
        {
            let mut bytes = good_bytes.clone();
            bytes[at] ^= 0x01;
            std::fs::write(&flipped, &bytes).unwrap();
            // No checksum covers gzip's time, compressor flags and system; nor plain text.
            let is_covered = match method {
                "gzip" => !(3..10).contains(&at),
                "none" => false,
                _ => true,
            };
            if is_covered {
                bad(&world.verify(&flipped, &[]).output().unwrap(), 8, "");
            }
            write_manifest(&flipped, &original);
            bad(&world.verify(&flipped, &[]).output().unwrap(), 8, "");
            std::fs::remove_file(format!("{}.manifest.json", flipped.display())).unwrap();
        }
    }
}

#[test]
fn a_backup_restores_to_the_same() {
    let world = World::new();
    let from = world.database("vf_same", SHOP);
    for flags in
        [&[][..], &["-C"], &["-O", "-x"], &["-s"], &["-t", "orders"], &["--no-comments", "-Z", "zstd"]]
    {
        let dump = world.dump(&from, "same.sql", flags);
        let report = world.restores(&dump);
        assert!(report["restored_to"].as_str().unwrap().starts_with(&world.server.version), "{report:#}");
        // The server rewrites `IN` on a varchar.
        assert!(report["remarks"].to_string().contains("written differently by the server"), "{report:#}");
    }
    let report = world.restores(&world.dump(&from, "inserts.sql", &["--inserts"]));
    assert!(report["remarks"].to_string().contains("INSERT"));
}

#[test]
fn expected_differences_after_a_restore_are_tolerated() {
    let world = World::new();
    let from = world.database(
        "vf_differ",
        "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL);
         CREATE TABLE left_out (a int); INSERT INTO left_out VALUES (1);
         CREATE SCHEMA app; CREATE TABLE app.\"Odd, t\" (a int); INSERT INTO app.\"Odd, t\" VALUES (3);
         CREATE TABLE p (k int, v text) PARTITION BY LIST (k);
         CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
         INSERT INTO p VALUES (1, 'a'), (2, 'b');
         CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''it''';
         COMMENT ON SCHEMA public IS 'its own'; GRANT USAGE ON SCHEMA public TO pg_monitor",
    );
    for flags in [
        &["-n", "public"][..],
        &["-n", "pub*", "-n", "app"],
        &["-n", "app"],
        &["-N", "app"],
        &["-t", "t"],
        &["-T", "p*"],
        &["--exclude-table-data", "left_out"],
        &["-c", "--if-exists"],
        &["-C", "-c", "--if-exists"],
        &["-n", "public", "-c", "--if-exists"],
        &["--section=pre-data"],
        &["--load-via-partition-root"],
        &["--disable-dollar-quoting"],
        &["--quote-all-identifiers"],
        &["--quote-all-identifiers", "-n", "public", "-O"],
        &["--statistics"],
        &["--use-set-session-authorization", "-x"],
        &["--no-comments", "-O"],
    ] {
        eprintln!("{flags:?}");
        world.restores(&world.dump(&from, "differ.sql", flags));
    }
}

/// A dump does not set the time zone: a server in another zone writes the same instants differently.
#[test]
fn another_time_zone_is_tolerated_but_another_instant_is_not() {
    let world = World::new();
    let from = world.database(
        "vf_zone",
        "CREATE TABLE p (at timestamptz DEFAULT '2025-01-08 04:00:00+00', during tstzrange, many timestamptz[])
             PARTITION BY RANGE (at);
         CREATE TABLE early PARTITION OF p FOR VALUES FROM (MINVALUE) TO ('2025-01-08 04:00:00+00');
         CREATE TABLE late PARTITION OF p FOR VALUES FROM ('2025-01-08 04:00:00+00') TO (MAXVALUE);
         INSERT INTO p SELECT i, tstzrange(i, i + '1 s'), ARRAY[i, NULL] FROM generate_series(
             '2024-01-01 00:30:00.5+00'::timestamptz, '2026-01-01', '17 days 3 hours') i",
    );
    let zone = format!("ALTER DATABASE {} SET timezone = 'Asia/Kathmandu'", from.name());
    from.query(&zone).unwrap();
    let dump = world.dump(&from, "zone.sql", &[]);
    let text = std::fs::read_to_string(&dump).unwrap();
    assert!(text.contains("+05:45"), "{text}");
    world.restores(&dump);
    let end = "\n--\n-- PostgreSQL database dump complete";
    let later = "UPDATE public.late SET at = at + interval '1 second';\n";
    std::fs::write(&dump, text.replace(end, &format!("{later}{end}"))).unwrap();
    let output = world.verify(&dump, &["--restore-to", &world.url()]).output().unwrap();
    bad(&output, 8, "the rows of table public.late differ");
}

/// pg_dump before 9.6.8 and 10.3 left names unqualified, and set the search path.
#[test]
fn names_in_old_dumps_are_resolved() {
    let world = World::new();
    let old = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 9.6.2\n\n\
        SET client_encoding = 'UTF8';\nCREATE SCHEMA app;\n\nSET search_path = public, pg_catalog;\n\n\
        CREATE TABLE clerk (id integer, name text);\n\nSET search_path = app, pg_catalog;\n\n\
        CREATE TABLE clerk (id integer);\nCREATE TABLE \"Odd one\" (\"ID\" integer);\n\n\
        SET search_path = public, pg_catalog;\n\nCOPY clerk (id, name) FROM stdin;\n1\tx\n2\ty\n\\.\n\n\n\
        SET search_path = app, pg_catalog;\n\nCOPY clerk (\"id\") FROM stdin;\n3\n\\.\n\n\n\
        COPY \"Odd one\" (\"ID\") FROM stdin;\n4\n\\.\n\n\n--\n-- PostgreSQL database dump complete\n--\n\n";
    let path = world.folder.path().join("old.sql");
    std::fs::write(&path, old).unwrap();
    let report = world.restores(&path);
    assert_eq!(report["contents"]["relations"][1]["name"], "app.clerk", "{report:#}");
    let end = "\n--\n-- PostgreSQL database dump complete";
    std::fs::write(&path, old.replace(end, &format!("DELETE FROM clerk;\n{end}"))).unwrap();
    let output = world.verify(&path, &["--restore-to", &world.url()]).output().unwrap();
    bad(&output, 8, "table app.clerk has 0 rows after the restore, but 1");
}

#[test]
fn different_restores_are_detected() {
    let world = World::new();
    let from = world.database("vf_other", SHOP);
    let text = String::from_utf8(std::fs::read(world.dump(&from, "other.sql", &[])).unwrap()).unwrap();
    let complete = "--\n-- PostgreSQL database dump complete";
    for (change, says, code) in [
        (
            "DELETE FROM public.orders WHERE id = 7;\n",
            "table public.orders has 199 rows after the restore, but 200",
            8,
        ),
        ("UPDATE public.orders SET note = 'a' WHERE id = 7;\n", "the rows of table public.orders differ", 8),
        ("SELECT pg_catalog.lo_unlink(4711);\n", "large objects differ", 8),
        ("DROP TABLE public.\"Odd, name\";\n", "table public.\"Odd, name\" was not restored", 8),
        ("ALTER TABLE public.orders OWNER TO nobody_at_all;\n", "role \"nobody_at_all\" does not exist", 11),
    ] {
        let path = world.folder.path().join("changed.sql");
        std::fs::write(&path, text.replace(complete, &format!("{change}\n{complete}"))).unwrap();
        bad(&world.verify(&path, &["--restore-to", &world.url()]).output().unwrap(), code, says);
    }
}

#[test]
fn encodings_and_subscriptions_are_verified() {
    let world = World::new();
    let settings = Settings { encoding: Some("LATIN1".into()), locale: Some("C".into()) };
    let from = Database::create(&world.server, "vf_latin1", &settings).unwrap();
    from.query("CREATE TABLE \"é\" (a text); INSERT INTO \"é\" VALUES ('ü')").unwrap();
    let name = format!("{}_sub", from.name());
    let create = format!(
        "CREATE SUBSCRIPTION {name} CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)"
    );
    from.query(&create).unwrap();
    let dump = world.dump(&from, "latin1.sql.gz", &[]);
    for change in ["DISABLE", "SET (slot_name = NONE)"] {
        from.query(&format!("ALTER SUBSCRIPTION {name} {change}")).unwrap();
    }
    from.query(&format!("DROP SUBSCRIPTION {name}")).unwrap();
    world.restores(&dump);
}

/// Interrupts a verify during its restore.
#[test]
fn an_interrupt_leaves_no_scratch_database() {
    let world = World::new();
    let path = world.folder.path().join("sleeps.sql");
    let text = "-- PostgreSQL database dump\nSELECT pg_catalog.pg_sleep(60);\n-- PostgreSQL database dump complete\n";
    std::fs::write(&path, text).unwrap();
    let child = world.verify(&path, &["--restore-to", &world.url()]).spawn().unwrap();
    let sleeping = "SELECT datname FROM pg_stat_activity WHERE query LIKE 'SELECT pg_catalog.pg_sleep(60)%'
                       AND datname LIKE 'pgsiphon_verify_%'";
    let start = Instant::now();
    let scratch = loop {
        let found = ask(&world.server, "postgres", sleeping).unwrap().trim().to_owned();
        if !found.is_empty() {
            break found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the restore was never seen");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{scratch}'");
    assert_eq!(ask(&world.server, "postgres", &left).unwrap().trim(), "0");
}

#[test]
fn a_dump_with_an_index_is_verified_and_restored_like_any() {
    let world = World::new();
    let from = world.database("vf_index", SHOP);
    let text = std::fs::read(world.dump(&from, "plain.sql", &[])).unwrap();
    let index =
        Index { text_bytes: text.len() as u64, text_crc32: crc32fast::hash(&text), ..Index::default() };
    let dump = IndexedDump { text, index };
    let path = world.folder.path().join("indexed.sql.x");
    for method in METHODS {
        std::fs::write(&path, dump.file(method, 1000, |_| {}).bytes).unwrap();
        let report = world.restores(&path);
        assert_eq!(report["contents"]["index"], true, "{report:#}");
        // The text is whole, and says so.
        std::fs::write(&path, dump.file(method, 1000, |index| index.text_crc32 ^= 1).bytes).unwrap();
        let output = world.verify(&path, &[]).output().unwrap();
        bad(&output, 8, "but the index says");
        bad(&output, 8, "the SQL text is complete");
        let mut bytes = dump.file(method, 1000, |_| {}).bytes;
        bytes.pop();
        std::fs::write(&path, &bytes).unwrap();
        bad(&world.verify(&path, &[]).output().unwrap(), 8, "");
    }
    let piped = std::fs::File::open(world.dump(&from, "piped.sql", &[])).unwrap();
    let mut piping = world.verify(Path::new("-"), &[]);
    let report = good(&piping.stdin(piped).output().unwrap());
    assert!(report["remarks"].to_string().contains("no index was checked"), "{report:#}");
}

#[test]
fn clusters_and_standard_input_are_not_restored() {
    let world = World::new();
    let path = world.folder.path().join("cluster.sql");
    let text = "-- PostgreSQL database cluster dump\n-- PostgreSQL database cluster dump complete\n";
    std::fs::write(&path, text).unwrap();
    good(&world.verify(&path, &[]).output().unwrap());
    bad(&world.verify(&path, &["--restore-to", &world.url()]).output().unwrap(), 2, "whole cluster");
    let output = world.verify(Path::new("-"), &["--restore-to", &world.url()]).output().unwrap();
    bad(&output, 2, "standard input");
}

//! Parts of a backup: `contents` and `extract` give what pg_restore gives of pg_dump's archive of the same database, and
//! `restore` puts a part into a database.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::support::database::{Database, Settings};
use crate::support::servers::{Servers, clean_command};

const PGSIPHON: &str = env!("CARGO_BIN_EXE_pgsiphon");

const SHOP: &str = "
    CREATE SCHEMA app; COMMENT ON SCHEMA app IS 'the shop';
    CREATE TYPE app.state AS ENUM ('new', 'paid');
    CREATE FUNCTION app.audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
    CREATE FUNCTION app.twice(integer) RETURNS integer LANGUAGE sql AS $$SELECT 2 * $1$$;
    CREATE FUNCTION app.twice(text) RETURNS text LANGUAGE sql AS $$SELECT $1 || $1$$;
    CREATE TABLE app.customers (id serial PRIMARY KEY, name text NOT NULL);
    INSERT INTO app.customers (name) SELECT 'c' || g FROM generate_series(1, 50) g;
    CREATE TABLE app.orders (id serial PRIMARY KEY, customer integer REFERENCES app.customers,
                             state app.state DEFAULT 'new', note text, twice integer GENERATED ALWAYS AS (id * 2) STORED);
    COMMENT ON TABLE app.orders IS 'app.orders'; COMMENT ON COLUMN app.orders.note IS 'free';
    GRANT SELECT ON app.orders TO public;
    INSERT INTO app.orders (customer, note) SELECT 1 + g % 50, repeat(md5(g::text), 9) FROM generate_series(1, 60000) g;
    CREATE INDEX orders_note ON app.orders (note); CREATE TRIGGER audit BEFORE INSERT ON app.orders
        FOR EACH ROW EXECUTE FUNCTION app.audit();
    CREATE TABLE public.\"Odd \"\"one\" (a integer CHECK (a > 0)); INSERT INTO \"Odd \"\"one\" VALUES (1), (2);
    CREATE TABLE public.events (id integer, day date) PARTITION BY RANGE (day);
    CREATE TABLE public.events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO events VALUES (1, '2026-05-05');
    CREATE VIEW app.paid AS SELECT * FROM app.orders WHERE state = 'paid'; COMMENT ON VIEW app.paid IS 'of them';
    CREATE MATERIALIZED VIEW app.totals AS SELECT customer, count(*) FROM app.orders GROUP BY 1;
    ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO public;
    SELECT lo_from_bytea(4711, 'large');";

struct Shop {
    database: Database,
    folder: tempfile::TempDir,
}

impl Shop {
    fn new(major: u32) -> Self {
        let servers = Servers::from_environment().unwrap();
        let database =
            Database::create(servers.postgres(major).unwrap(), "parts", &Settings::default()).unwrap();
        database.query(SHOP).unwrap();
        Shop { database, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dump(&self, name: &str, flags: &[&str]) -> PathBuf {
        let file = self.path(name);
        let mut command = clean_command(PGSIPHON);
        command.arg("dump").args(self.database.server().connection_options());
        command.args(["-d", self.database.name(), "-f"]).arg(&file).args(flags);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        file
    }

    /// pg_dump's archive.
    fn archive(&self, flags: &[&str]) -> PathBuf {
        let file = self.path("shop.archive");
        let mut command = self.database.server().client("pg_dump");
        command.args(["-d", self.database.name(), "-Fc", "-f"]).arg(&file).args(flags);
        assert!(command.status().unwrap().success());
        file
    }

    fn pg_restore(&self, archive: &Path, flags: &[&str]) -> String {
        let output = self.database.server().client("pg_restore").args(flags).arg(archive).output().unwrap();
        assert!(output.status.success(), "{flags:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An empty database, and how to connect to it.
    fn target(&self) -> (Database, Vec<String>) {
        let server = self.database.server();
        let target = Database::create(server, "target", &Settings::default()).unwrap();
        let mut connection = server.connection_options().to_vec();
        connection.extend(["--to".to_owned(), target.name().to_owned()]);
        (target, connection)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ours(command: &str, file: &Path, flags: &[&str]) -> Output {
    clean_command(PGSIPHON).arg(command).arg(file).args(flags).output().unwrap()
}

fn extracted(file: &Path, flags: &[&str]) -> String {
    let output = ours("extract", file, flags);
    assert!(output.status.success(), "{flags:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Without the lines that differ in any two dumps.
fn comparable(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| {
            !["\\restrict ", "\\unrestrict ", "-- Dumped "].iter().any(|start| line.starts_with(start))
        })
        .collect()
}

#[test]
fn an_extract_is_what_pg_restore_writes() {
    for major in [14, 18] {
        let shop = Shop::new(major);
        let archive = shop.archive(&[]);
        let files = ["gz", "zst", "lz4"].map(|suffix| shop.dump(&format!("shop.sql.{suffix}"), &[]));
        for flags in [
            &["-t", "orders"][..],
            &["-t", "customers", "-t", "orders"],
            &["-t", "orders", "-n", "app", "-s"],
            &["-t", "orders", "-a"],
            &["-t", "Odd \"one"],
            &["-t", "events"],
            &["-t", "paid"],
            &["-t", "totals"],
            &["-t", "orders_id_seq"],
            &["-I", "orders_note"],
            &["-I", "orders_note", "-t", "Odd \"one"],
            &["-P", "twice(integer)"],
            &["-T", "orders audit"],
            &["-n", "app"],
            &["-n", "public"],
            &["-N", "app"],
            &["-s"],
            &["-a"],
            &["--section", "pre-data"],
            &["--section", "post-data", "--section", "data"],
        ] {
            let expected = shop.pg_restore(&archive, &[&["-f", "-"], flags].concat());
            for file in &files {
                let found = extracted(file, flags);
                assert!(
                    comparable(&found) == comparable(&expected),
                    "{major} {flags:?}:\n{found:.3000}\n--- pg_restore:\n{expected:.3000}"
                );
            }
        }
    }
}

#[test]
fn all_of_a_backup_can_be_extracted() {
    let shop = Shop::new(18);
    let file = shop.dump("shop.sql.gz", &[]);
    let plain = std::fs::read_to_string(shop.dump("shop.sql", &[])).unwrap();
    assert_eq!(comparable(&extracted(&file, &[])), comparable(&plain));
    let list = shop.path("list");
    std::fs::write(&list, ours("contents", &file, &[]).stdout).unwrap();
    assert_eq!(comparable(&extracted(&file, &["-L", list.to_str().unwrap()])), comparable(&plain));
}

#[test]
fn settings_are_set_again_for_a_part() {
    let shop = Shop::new(18);
    let flags = ["--use-set-session-authorization"];
    let (archive, file) = (shop.archive(&[]), shop.dump("shop.sql.zst", &flags));
    for chosen in [&["-t", "orders"][..], &["-I", "orders_note"], &["-n", "app"]] {
        let expected = shop.pg_restore(&archive, &[&["-f", "-"], &flags[..], chosen].concat());
        assert_eq!(comparable(&extracted(&file, chosen)), comparable(&expected), "{chosen:?}");
    }
}

#[test]
fn contents_are_what_pg_restore_lists() {
    let shop = Shop::new(18);
    let file = shop.dump("shop.sql.gz", &[]);
    // Without dump ids, which depend on the order of reading the catalogs.
    let entries = |list: &str| {
        let lines = list.lines().filter(|line| !line.starts_with(';'));
        let mut entries: Vec<String> = lines
            .map(|line| line.split_once(' ').unwrap().1.trim_end().to_owned())
            .filter(|line| {
                !["ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE"].iter().any(|it| line.contains(it))
            })
            .collect();
        entries.sort();
        entries
    };
    let listed = String::from_utf8(ours("contents", &file, &[]).stdout).unwrap();
    assert_eq!(entries(&listed), entries(&shop.pg_restore(&shop.archive(&[]), &["-l"])));

    let json: Value =
        serde_json::from_slice(&ours("contents", &file, &["--json", "-t", "app.orders"]).stdout).unwrap();
    let rows: Vec<_> =
        json["entries"].as_array().unwrap().iter().filter_map(|it| it["rows"].as_u64()).collect();
    assert_eq!(rows, [60_000]);
    assert!(json["fetched_bytes"].as_u64().unwrap() <= 1 << 16);
}

#[test]
fn a_small_part_costs_little() {
    let shop = Shop::new(18);
    let file = shop.dump("shop.sql.gz", &[]);
    let output = ours("extract", &file, &["-v", "-a", "-t", "Odd \"one"]);
    let said = stderr(&output);
    assert!(said.contains(": 1 entries, read ") && said.contains(" in 2 requests"), "{said}");
}

#[test]
fn a_sample_is_verified() {
    let shop = Shop::new(18);
    for suffix in ["gz", "zst", "lz4"] {
        let file = shop.dump(&format!("shop.sql.{suffix}"), &[]);
        let json: Value =
            serde_json::from_slice(&ours("verify", &file, &["--json", "--sample", "30%"]).stdout).unwrap();
        let sample = &json["sample"];
        assert_eq!(json["ok"], true, "{json}");
        let (pieces, of) = (sample["pieces"].as_u64().unwrap(), sample["of"].as_u64().unwrap());
        assert!(of > 2 && pieces == (of * 3).div_ceil(10), "{json}");

        let mut bytes = std::fs::read(&file).unwrap();
        bytes[1000] ^= 4;
        std::fs::write(&file, bytes).unwrap();
        let output = ours("verify", &file, &["--sample", "100"]);
        assert_eq!(output.status.code(), Some(8), "{suffix}: {}", stderr(&output));
    }
    let bare = shop.dump("bare.sql.gz", &["--no-index"]);
    for (file, percent) in [(&bare, "5%"), (&bare, "0"), (&bare, "101%"), (&bare, "x")] {
        assert_eq!(ours("verify", file, &["--sample", percent]).status.code(), Some(2), "{percent}");
    }
}

#[test]
fn a_table_comes_back_beside_the_live_one() {
    let shop = Shop::new(18);
    let file = shop.dump("shop.sql.gz", &[]);
    let (target, to) = shop.target();
    let restore = |flags: &[&str]| {
        let output =
            clean_command(PGSIPHON).args(["restore", "-v"]).arg(&file).args(&to).args(flags).output();
        output.unwrap()
    };
    assert!(restore(&[]).status.success());
    target.query("DELETE FROM app.orders WHERE id % 2 = 0").unwrap();

    let output = restore(&["-t", "app.orders"]);
    assert_eq!(output.status.code(), Some(11));
    assert!(stderr(&output).contains("--rename"), "{}", stderr(&output));

    let output = restore(&["-t", "app.orders", "--rename", "orders_restored"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let missing = "SELECT count(*) FROM app.orders_restored r
                    WHERE NOT EXISTS (SELECT FROM app.orders o WHERE o.id = r.id AND o.note = r.note)";
    assert_eq!(target.query(missing).unwrap().trim(), "30000");
    assert_eq!(target.query("SELECT count(*) FROM app.orders").unwrap().trim(), "30000");

    let output = restore(&["-t", "orders", "--into-schema", "old times", "--rename", "Orders"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(target.query("SELECT count(*) FROM \"old times\".\"Orders\"").unwrap().trim(), "60000");

    // Rows for a table that is there.
    let output = restore(&["-a", "-t", "app.orders", "--rename", "orders_restored"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(target.query("SELECT count(*) FROM app.orders_restored").unwrap().trim(), "120000");
}

#[test]
fn a_part_is_restored_whole_or_not_at_all() {
    let shop = Shop::new(18);
    let file = shop.dump("shop.sql.gz", &[]);
    let (target, to) = shop.target();
    let restore = |flags: &[&str]| {
        clean_command(PGSIPHON).arg("restore").arg(&file).args(&to).args(flags).output().unwrap()
    };
    let output = restore(&["-t", "Odd \"one", "-t", "orders"]);
    assert_eq!(output.status.code(), Some(11));
    assert!(stderr(&output).contains("--with-dependencies"), "{}", stderr(&output));
    assert_eq!(
        target
            .query("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .unwrap()
            .trim(),
        "0"
    );

    let output = restore(&["-t", "orders", "--with-dependencies"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let inserted = "INSERT INTO app.orders (note) VALUES ('new') RETURNING id, state";
    assert_eq!(target.query(inserted).unwrap().lines().next().unwrap().trim(), "60001|new");

    let alone = clean_command(PGSIPHON).arg("extract").arg(&file).args(["-t", "events"]).output().unwrap();
    assert!(stderr(&alone).contains("public.events is partitioned"), "{}", stderr(&alone));
    let output = restore(&["--table-and-children", "events"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(target.query("SELECT count(*) FROM events").unwrap().trim(), "1");
}

#[test]
fn what_cannot_be_chosen_is_said() {
    let shop = Shop::new(18);
    let file = shop.dump("shop.sql.gz", &[]);
    let bare = shop.dump("bare.sql.gz", &["--no-index"]);
    let (target, to) = shop.target();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    for (command, file, flags, says) in [
        ("extract", &file, &["-t", "none"][..], "does not have it"),
        ("extract", &file, &["-t", "ORDERS"], "did you mean app.orders?"),
        ("extract", &file, &["-n", "public", "-t", "customers"], "it has nothing"),
        ("extract", &file, &["-L", "/dev/null"], "it has nothing"),
        ("contents", &bare, &[], "it has no index"),
        (
            "restore",
            &file,
            &[&["-t", "orders", "-t", "customers", "--rename", "x"], &to[..]].concat(),
            "there are 2",
        ),
        ("restore", &file, &[&["--rename", "x"], &to[..]].concat(), "no part"),
        ("restore", &file, &[&["--replace", "--yes", "-t", "orders"], &to[..]].concat(), "--replace"),
    ] {
        let output = ours(command, file, flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says) && output.stdout.is_empty(), "{flags:?}: {}", stderr(&output));
    }
    assert_eq!(target.query("SELECT count(*) FROM pg_namespace WHERE nspname = 'app'").unwrap().trim(), "0");
}

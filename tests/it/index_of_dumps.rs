//! The index of what `dump` writes: `verify` compares it with the text, and another reader finds tables by it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::database::{Database, Settings};
use crate::support::servers::{Servers, clean_command};

const PGSIPHON: &str = env!("CARGO_BIN_EXE_pgsiphon");

/// A table that is divided, with a dropped and a generated column, and what else has ranges of its own.
const DATABASE: &str = "
    CREATE TABLE large (id int, gone int, text text, twice int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO large SELECT g, 0, repeat(md5(g::text), 3) || E'\\n' FROM generate_series(1, 60000) g;
    ALTER TABLE large DROP COLUMN gone;
    CREATE TABLE small (a int PRIMARY KEY); INSERT INTO small VALUES (1), (2);
    CREATE TABLE wide (v text); INSERT INTO wide SELECT string_agg(md5(g::text), '') FROM generate_series(1, 80000) g;
    CREATE TABLE empty (); INSERT INTO empty SELECT FROM generate_series(1, 3);
    CREATE VIEW shown AS SELECT * FROM small; COMMENT ON VIEW shown IS 'twice -- Name: shown; Type: VIEW';
    CREATE MATERIALIZED VIEW summed AS SELECT sum(id) FROM large;
    SELECT lo_from_bytea(0, decode(repeat(md5(g::text), 20), 'hex')) FROM generate_series(1, 250) g;";

struct Fixture {
    database: Database,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let servers = Servers::from_environment().unwrap();
        let server = servers.postgres(18).unwrap();
        let database = Database::create(server, "indexed", &Settings::default()).unwrap();
        database.query(DATABASE).unwrap();
        Fixture { database, folder: tempfile::tempdir().unwrap() }
    }

    fn dump(&self, name: &str, flags: &[&str]) -> PathBuf {
        let file = self.folder.path().join(name);
        let mut command = clean_command(PGSIPHON);
        command.arg("dump").args(self.database.server().connection_options());
        // A dump of globals reads them from a database, but dumps none.
        let database = if flags.contains(&"--globals-only") { "-l" } else { "-d" };
        command.args([database, self.database.name(), "--restrict-key=k", "-f"]).arg(&file).args(flags);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        file
    }
}

/// What `verify` says of the contents.
fn verified(file: &Path) -> Value {
    let output = clean_command(PGSIPHON).args(["verify", "--json"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["contents"].clone()
}

#[test]
fn the_index_tells_the_truth_whatever_is_dumped() {
    let it = Fixture::new();
    for suffix in ["gz", "zst", "lz4"] {
        let contents = verified(&it.dump(&format!("whole.sql.{suffix}"), &[]));
        assert_eq!(contents["index"], true, "{suffix}");
        assert_eq!(contents["large_objects"], 250);
    }
    for flags in [
        &["-a"][..],
        &["-s"],
        &["-C", "-c", "--if-exists"],
        &["-v"],
        &["--inserts"],
        &["--rows-per-insert=7"],
        &["--section=post-data"],
        &["-t", "small", "-O", "-x"],
        &["-j", "1"],
    ] {
        assert_eq!(verified(&it.dump("part.sql.gz", flags))["index"], true, "{flags:?}");
    }
    let globals = it.dump("globals.sql.zst", &["--globals-only", "--no-role-passwords"]);
    assert_eq!(verified(&globals)["index"], true);
}

#[test]
fn without_an_index_the_file_ends_with_its_text() {
    let it = Fixture::new();
    for suffix in ["gz", "zst", "lz4"] {
        let with = std::fs::read(it.dump(&format!("with.sql.{suffix}"), &[])).unwrap();
        let without = it.dump(&format!("without.sql.{suffix}"), &["--no-index"]);
        assert_eq!(verified(&without)["index"], false);
        let without = std::fs::read(without).unwrap();
        assert!(with.len() > without.len() && with.starts_with(&without), "{suffix}");
    }
}

#[test]
fn another_reader_finds_a_table() {
    let it = Fixture::new();
    let file = it.dump("shop.sql.gz", &[]);
    let read = |dump_id: Option<&str>| {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/read_index.py");
        let output = Command::new("python3").arg(program).arg(&file).args(dump_id).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = read(None);
    let find = |kind: &str, name: &str| {
        let entry = list.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        entry.into_iter().find(|fields| fields[3] == kind && fields[5] == name).unwrap()
    };
    let table = find("TABLE", "large");
    let data = find("TABLE DATA", "large");
    assert!(data.contains(&table[0]) && data.last() == Some(&" 60000"), "{data:?}");
    let text = read(Some(data[0]));
    assert!(
        text.starts_with("--\n-- Data for Name: large; Type: TABLE DATA; Schema: public;"),
        "{text:.200}"
    );
    assert!(text.ends_with("\\.\n\n\n"));
    assert_eq!(text.lines().filter(|line| line.contains('\t')).count(), 60_000);
    let key = find("CONSTRAINT", "small small_pkey");
    assert_eq!(key[7..key.len() - 1], [find("TABLE", "small")[0]]);
    assert!(read(Some(key[0])).contains("ADD CONSTRAINT small_pkey PRIMARY KEY (a);"));
}

//! Runs DDL continuously while the database is dumped: each dump is one consistent state, or fails with
//! a clear error and leaves no file.

use std::fmt::Write as _;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::hammer::{Hammer, OnError};
use crate::support::database::{Database, Settings};
use crate::support::servers::{Servers, clean_command};

const SETUP: &str = "
    CREATE TABLE left_half (n int, g int); CREATE TABLE right_half (n int, g int);
    INSERT INTO left_half SELECT 0, g FROM generate_series(1, 100) g;
    INSERT INTO right_half SELECT 0, g FROM generate_series(1, 100) g;
    CREATE TABLE changing (id int PRIMARY KEY, v text);
    INSERT INTO changing SELECT g, 'v' || g FROM generate_series(1, 100) g;
    CREATE TABLE moving_a (a int); INSERT INTO moving_a VALUES (1);
    CREATE MATERIALIZED VIEW summary AS SELECT n, count(*) FROM left_half GROUP BY n;
    CREATE VIEW shown AS SELECT id FROM changing;
    CREATE TABLE parted (k int, v text) PARTITION BY LIST (k);";

/// One round of changes; in every committed state, both halves contain the same 100 rows.
fn round(sql: &mut String, n: usize) {
    let (from, to) = if n.is_multiple_of(2) { ("moving_b", "moving_a") } else { ("moving_a", "moving_b") };
    write!(
        sql,
        "BEGIN; TRUNCATE left_half, right_half;
         INSERT INTO left_half SELECT {n}, g FROM generate_series(1, 100) g;
         INSERT INTO right_half SELECT {n}, g FROM generate_series(1, 100) g; COMMIT;
         CREATE TABLE fleeting_{n} (a int PRIMARY KEY); COMMENT ON TABLE fleeting_{n} IS 'soon gone';
         CREATE FUNCTION fleeting_{n}(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
         CREATE VIEW over_{n} AS SELECT fleeting_{n}(a) FROM fleeting_{n};
         ALTER TABLE changing ADD COLUMN c{n} int DEFAULT {n};
         BEGIN; DROP VIEW shown; CREATE VIEW shown AS SELECT id, c{n} FROM changing; COMMIT;
         ALTER TABLE {from} RENAME TO {to};
         CREATE INDEX changing_v ON changing (v); REINDEX TABLE changing; DROP INDEX changing_v;
         REFRESH MATERIALIZED VIEW summary;
         CREATE TABLE part_{n} PARTITION OF parted FOR VALUES IN ({n}); INSERT INTO parted VALUES ({n}, 'x');
         ALTER TABLE changing ALTER COLUMN v TYPE varchar({length});
         DROP TABLE fleeting_{n} CASCADE; DROP FUNCTION fleeting_{n};
         BEGIN; DROP VIEW shown; CREATE VIEW shown AS SELECT id FROM changing; COMMIT;
         ALTER TABLE changing DROP COLUMN c{n}; DROP TABLE part_{n};\n",
        length = 10 + n % 50,
    )
    .unwrap();
}

/// More rounds than the test has time for. The number of a dropped column is never reused, and a table can have 1600.
fn script() -> String {
    let mut sql = String::new();
    (1..1000).for_each(|n| round(&mut sql, n));
    sql
}

fn dump(database: &Database, file: &std::path::Path) -> Output {
    let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
    command.arg("dump").args(database.server().connection_options());
    command.args(["-d", database.name(), "-j", "3", "-f"]).arg(file).output().unwrap()
}

/// The restored halves: the number of rows and of rounds, and which rounds.
const HALVES: &str = "SELECT count(*), count(DISTINCT n), min(n) FROM left_half
                      UNION ALL SELECT count(*), count(DISTINCT n), min(n) FROM right_half";

fn check(major: u32) {
    let servers = Servers::from_environment().unwrap();
    let server = servers.postgres(major).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let from = Database::create(server, "ddl_from", &Settings::default()).unwrap();
    from.query(SETUP).unwrap();
    let mut hammer = Hammer::start(&from, &script(), OnError::Stop, folder.path());
    let (start, mut whole, mut refused, mut rounds) = (Instant::now(), 0, 0, Vec::new());
    while start.elapsed() < Duration::from_secs(20) || whole == 0 {
        assert!(start.elapsed() < Duration::from_secs(90), "no dump succeeded; {refused} were refused");
        hammer.assert_works();
        let file = folder.path().join("dump.sql");
        let output = dump(&from, &file);
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(4), "{stderr}");
            assert!(stderr.contains("pgsiphon: error: "), "{stderr}");
            assert!(!file.exists(), "a failed dump left a file: {stderr}");
            println!("refused: {}", stderr.trim());
            refused += 1;
            continue;
        }
        let to = Database::create(server, "ddl_to", &Settings::default()).unwrap();
        to.load(&[&file]).unwrap();
        let halves = to.query(HALVES).unwrap();
        let (left, right) = halves.trim().split_once('\n').unwrap();
        assert_eq!(left, right, "the halves are of different states");
        assert!(left.starts_with("100|1|"), "{left}");
        rounds.push(left.to_owned());
        std::fs::remove_file(&file).unwrap();
        whole += 1;
    }
    rounds.dedup();
    assert!(rounds.len() > 1, "nothing changed between {whole} dumps");
    println!("{whole} dumps were whole, {refused} were refused");
}

#[test]
fn each_dump_is_one_state_on_14() {
    check(14);
}

#[test]
fn each_dump_is_one_state_on_18() {
    check(18);
}

//! Changes a table continuously while it is read in ranges of a few blocks: each dump has each row once, and all rows of
//! one state.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::hammer::{Hammer, OnError};
use crate::support::database::{Database, Settings};
use crate::support::servers::{Servers, clean_command};

const ROWS: usize = 4000;

/// In every committed state, the table has these rows, with the same round in all of them.
fn rows(round: usize) -> String {
    format!("SELECT g, {round}, repeat('x', 150 + g % 100) FROM generate_series(1, {ROWS}) g")
}

fn script() -> String {
    // The dump holds a lock that VACUUM FULL and TRUNCATE would wait for.
    let mut sql = "SET lock_timeout = '20ms';\n".to_owned();
    for n in (1..20_000).step_by(4) {
        write!(
            sql,
            "UPDATE hammered SET round = {n};
             VACUUM hammered;
             BEGIN; DELETE FROM hammered WHERE id % 3 = 0; UPDATE hammered SET round = {b}, pad = pad || 'y';
             INSERT INTO hammered SELECT * FROM ({rows_b}) r (id, round, pad) WHERE id % 3 = 0; COMMIT;
             VACUUM FULL hammered;
             BEGIN; TRUNCATE hammered; INSERT INTO hammered {rows_c}; COMMIT;
             UPDATE hammered SET round = {d}, pad = left(pad, 150) WHERE id > 0;
             VACUUM (TRUNCATE) hammered;\n",
            b = n + 1,
            rows_b = rows(n + 1),
            rows_c = rows(n + 2),
            d = n + 3,
        )
        .unwrap();
    }
    sql
}

fn dumped_rows(database: &Database) -> Vec<(usize, usize)> {
    let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
    command.arg("dump").args(database.server().connection_options());
    command.args(["-d", database.name(), "-a", "-j", "3"]).env("PGSIPHON_TEST_BLOCKS_PER_RANGE", "8");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, rows) = text.split_once("FROM stdin;\n").unwrap();
    let (rows, _) = rows.split_once("\\.\n").unwrap();
    let number = |field: Option<&str>| field.unwrap().parse().unwrap();
    let fields = rows.lines().map(|row| row.split('\t'));
    fields.map(|mut fields| (number(fields.next()), number(fields.next()))).collect()
}

fn check(major: u32) {
    let servers = Servers::from_environment().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database =
        Database::create(servers.postgres(major).unwrap(), "hammered", &Settings::default()).unwrap();
    database.query("CREATE TABLE hammered (id int, round int, pad text) WITH (fillfactor = 50)").unwrap();
    database.query(&format!("INSERT INTO hammered {}", rows(0))).unwrap();
    let mut hammer = Hammer::start(&database, &script(), OnError::Continue, folder.path());
    let (start, mut rounds) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_secs(12) || rounds.len() < 5 {
        hammer.assert_works();
        let rows = dumped_rows(&database);
        let ids: HashSet<_> = rows.iter().map(|(id, _)| id).collect();
        assert_eq!((rows.len(), ids.len()), (ROWS, ROWS), "rows are missing, or there twice");
        let round = rows[0].1;
        assert!(rows.iter().all(|row| row.1 == round), "the rows are of different states");
        rounds.push(round);
    }
    rounds.dedup();
    assert!(rounds.len() > 2, "nothing changed between the dumps");
}

#[test]
fn each_row_is_dumped_once_on_14() {
    check(14);
}

#[test]
fn each_row_is_dumped_once_on_18() {
    check(18);
}

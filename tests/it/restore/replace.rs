//! `restore --replace`: a new database replaces the old one, which is unchanged until then.

use super::*;
use crate::support::database::ask;

const GOOD: &str = "COMMENT ON SCHEMA public IS 'new';\nCREATE TABLE public.fresh (a int);\n";

/// The contents of the old database, and the number of databases.
fn state(world: &World, database: &Database) -> (String, usize) {
    let sql = "SELECT oid, datdba::regrole, to_regclass('public.old'), to_regclass('public.fresh')
                 FROM pg_database WHERE datname = current_database()";
    let all = format!("SELECT count(*) FROM pg_database WHERE datname LIKE '{}%'", database.name());
    let count = world.database("rp_count", "").query(&all).unwrap().trim().parse().unwrap();
    (database.query(sql).unwrap(), count)
}

#[test]
fn a_database_is_replaced_by_a_complete_one() {
    let world = World::new();
    for options in [&[][..], &["-1"]] {
        let to = world.database("rp_good", "CREATE TABLE old (a int)");
        let owner = format!("{}_owner", to.name());
        to.query(&format!("CREATE ROLE {owner}; ALTER DATABASE {} OWNER TO {owner}", to.name())).unwrap();
        let text = std::fs::read_to_string(world.script("good.sql", GOOD)).unwrap();
        let role = format!("{}_role", to.name());
        let globals = format!(
            "-- PostgreSQL database cluster dump\nCREATE ROLE {role};\n\
             -- PostgreSQL database cluster dump complete\n"
        );
        let dump = world.path("both.sql");
        std::fs::write(&dump, globals + &text).unwrap();
        let output =
            world.restore(to.name(), &[&["--replace", "--yes"], options].concat(), &dump).output().unwrap();
        let (row, count) = state(&world, &to);
        to.query(&format!(
            "ALTER DATABASE {} OWNER TO CURRENT_USER; DROP ROLE {owner}; DROP ROLE IF EXISTS {role}",
            to.name()
        ))
        .unwrap();
        assert_done(&output);
        assert!(row.trim().ends_with(&format!("{owner}||fresh")), "{row}");
        assert_eq!(count, 1, "a database is left behind");
    }
}

#[test]
fn a_replacement_that_is_refused_or_fails_changes_nothing() {
    let world = World::new();
    let role = format!("{}_role", world.database("rp_role", "").name());
    let globals = format!(
        "-- PostgreSQL database cluster dump\nCREATE ROLE {role};\n-- PostgreSQL database cluster dump complete\n"
    );
    std::fs::write(world.path("globals.sql"), &globals).unwrap();
    std::fs::write(world.path("cut.sql"), format!("-- PostgreSQL database dump\n{GOOD}")).unwrap();
    std::fs::write(world.path("text.sql"), "no dump\n;").unwrap();
    world.script("good.sql", GOOD);
    world.script("fails.sql", &format!("{GOOD}SELECT nope;\n"));
    world.script("own.sql", "CREATE DATABASE rp_own WITH TEMPLATE = template0;\n");
    let to = world.database("rp_bad", "CREATE TABLE old (a int)");
    let before = state(&world, &to);
    for (name, options, code, says) in [
        ("good.sql", &["--replace"][..], 2, "--yes"),
        ("missing.sql", &["--replace", "--yes"], 5, "missing.sql"),
        ("text.sql", &["--replace", "--yes"], 8, "is unchanged"),
        ("cut.sql", &["--replace", "--yes"], 8, "is unchanged"),
        ("fails.sql", &["--replace", "--yes"], 11, "is unchanged"),
        ("fails.sql", &["--replace", "--yes", "-1"], 11, "is unchanged"),
        ("own.sql", &["--replace", "--yes"], 11, "creates or selects its database itself"),
        ("globals.sql", &["--replace", "--yes"], 11, "contains no dump of a database"),
        ("globals.sql", &["--replace", "--yes", "-1"], 11, "contains no dump of a database"),
        ("good.sql", &["--replace", "--yes", "--create"], 2, "cannot be used with"),
        ("good.sql", &["--yes"], 2, "--replace"),
    ] {
        let output = world.restore(to.name(), options, world.path(name)).output().unwrap();
        assert_fails(&output, code, &[says]);
        let roles = to.query(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'")).unwrap();
        assert_eq!(roles.trim(), "0", "{name} {options:?}");
        assert_eq!(state(&world, &to), before, "{name} {options:?}");
    }
    let good = world.path("good.sql");
    for protected in ["postgres", "template0", "template1"] {
        let output = world.restore(protected, &["--replace", "--yes"], &good).output().unwrap();
        assert_fails(&output, 2, &["never replaced"]);
    }
    let output = world.restore("rp_missing", &["--replace", "--yes"], &good).output().unwrap();
    assert_fails(&output, 11, &["it does not exist", "--create"]);
    assert_fails(&world.restore_nowhere(&["--replace", "--yes"], &good), 2, &["--to"]);
}

#[test]
fn other_sessions_are_named_and_only_ended_by_force() {
    let world = World::new();
    let to = world.database("rp_others", "CREATE TABLE old (a int)");
    let dump = world.script("good.sql", GOOD);
    let mut other = world.server.client("psql");
    other.env("PGAPPNAME", "the shop").args(["-XAt", "-d", to.name(), "-c", "SELECT pg_sleep(60)"]);
    let mut other = other.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = backend(&to, "%pg_sleep(60)%");
    let before = state(&world, &to);
    let output = world.restore(to.name(), &["--replace", "--yes"], &dump).output().unwrap();
    assert_fails(&output, 11, &["(the shop)", &format!("pid {pid}"), "--force"]);
    assert_eq!(state(&world, &to), before);
    let output = world.restore(to.name(), &["--replace", "--yes", "--force"], &dump).output().unwrap();
    assert_done(&output);
    assert!(!other.wait().unwrap().success());
    assert!(state(&world, &to).0.trim().ends_with("||fresh"));
}

#[test]
fn an_interrupted_replacement_leaves_the_old_database_alone() {
    let world = World::new();
    let to = world.database("rp_stop", "CREATE TABLE old (a int)");
    let before = state(&world, &to);
    let dump = world.script("sleeps.sql", &format!("{GOOD}SELECT pg_catalog.pg_sleep(60);\n"));
    let child = world.restore(to.name(), &["--replace", "--yes"], &dump).spawn().unwrap();
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '{}_new_%' AND query LIKE '%pg_sleep(60)%'",
        to.name()
    );
    let start = Instant::now();
    // Not from the database itself, because a connection to it prevents replacing it.
    while ask(&world.server, "postgres", &sql).unwrap().trim() != "1" {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is restored");
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(&child, "-INT");
    assert_fails(&child.wait_with_output().unwrap(), 130, &["is unchanged"]);
    assert_eq!(state(&world, &to), before);
}

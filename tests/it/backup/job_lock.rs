//! Runs that are killed, that overlap, and that lose their lock.

use super::world::{BIG, World, ends, json, stderr, wait_until};

#[test]
fn killed_runs_leave_no_backup_and_the_next_run_cleans_up() {
    let world = World::new();
    let database = world.database("bk_kill_9", BIG);
    for place in world.places() {
        let command = || {
            let mut command = world.command(&place, database.name(), &["backup"]);
            command.env("PGSIPHON_DATABASES_GLOBALS", "false");
            command
        };
        for round in 0..2 {
            let mut killed = command().spawn().unwrap();
            // The second run first removes what the first has left.
            if round == 1 {
                wait_until("the clean-up", || place.pending() == 0);
            }
            wait_until("the upload", || place.uploads());
            killed.kill().unwrap();
            killed.wait().unwrap();
            assert_eq!(place.pending(), 1, "round {round}");
            let listed = json(world.command(&place, database.name(), &["list"]), 0);
            assert_eq!(listed.as_array().unwrap().len(), 0, "{listed}");
            // The server may take a moment to notice.
            let slot = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", database.name());
            wait_until("the end of the killed run's sessions", || {
                database.query(&slot).unwrap().trim() == "1"
            });
        }
        let first = command().arg("--json").spawn().unwrap();
        wait_until("the clean-up", || place.pending() == 0);
        wait_until("the upload", || place.uploads());
        // While it runs, another run is refused, and removes nothing.
        let second = ends(command(), 9);
        assert!(
            stderr(&second).contains("another run holds its lock: server process"),
            "{}",
            stderr(&second)
        );
        let output = first.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report[0]["removed_uploads"], 1);
        assert_eq!((place.pending(), place.names().len()), (0, 2));
        assert_eq!(json(world.command(&place, database.name(), &["list"]), 0)[0]["state"], "good");
    }
}

#[test]
fn a_lost_lock_ends_the_attempt_and_another_one_succeeds() {
    let world = World::new();
    let database = world.database("bk_lost_slot", BIG);
    let place = world.directory();
    let mut command = world.command(&place, database.name(), &["backup", "--json"]);
    command.env("PGSIPHON_DATABASES_GLOBALS", "false");
    let run = command.spawn().unwrap();
    wait_until("the upload", || place.uploads());
    let terminated = database
        .query(
            "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
              WHERE l.locktype = 'advisory' AND d.datname = current_database()",
        )
        .unwrap();
    assert_eq!(terminated.trim(), "1");
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report[0]["backups"][0]["attempts"], 2, "{report}");
    assert_eq!(place.names().len(), 2);
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let world = World::new();
    let database = world.database("bk_interrupted", BIG);
    let place = world.bucket();
    let run = world.command(&place, database.name(), &["backup"]).spawn().unwrap();
    wait_until("the upload", || place.uploads());
    let killed = std::process::Command::new("kill").args(["-TERM", &run.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert_eq!(place.pending(), 0);
    // The globals were complete by then.
    assert!(place.names().keys().all(|name| name.starts_with("globals_")), "{:?}", place.names());
}

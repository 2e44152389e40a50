//! What prune removes, and what it leaves.

use serde_json::{Value, json as value};

use super::world::{Place, World, ends, json, stderr};

/// Stores a backup as if the job had run on that day of January 2025.
fn pretend(place: &Place, job: &str, database: &str, day: u32) -> String {
    let name = format!("{database}_2025-01-{day:02}_04-00-00.sql.gz");
    let body = format!("backup of day {day}");
    place.put(&name, body.as_bytes());
    let time = format!("2025-01-{day:02}T04:00:00Z");
    let manifest: Value = value!({
        "format_version": 1, "pgsiphon_version": "0.1.0", "job": job, "run_id": format!("run{day}"),
        "scope": if database == "globals" { "globals" } else { "database" }, "database": database,
        "server_version": "18.6", "started_at": time, "finished_at": time, "timestamp": time,
        "key": place.key(&name), "stored_bytes": body.len(), "text_bytes": 1, "sha256": "", "text_crc32": "",
        "compression": "gzip:5", "relations": [], "large_objects": 0, "warnings": [],
    });
    place.put(&format!("{name}.manifest.json"), &serde_json::to_vec(&manifest).unwrap());
    name
}

fn prune(world: &World, place: &Place, arguments: &[&str]) -> std::process::Command {
    let mut all = vec!["prune"];
    all.extend(arguments);
    let mut command = world.command(place, "postgres", &all);
    command.env("PGSIPHON_RETENTION_KEEP_LAST", "2").env("PGSIPHON_RETENTION_KEEP_MINIMUM", "1");
    command
}

#[test]
fn only_our_expired_backups_are_removed() {
    let world = World::new();
    for place in world.places() {
        let job = place.job();
        let days: Vec<_> = (1..=5).map(|day| pretend(&place, &job, "shop", day)).collect();
        (1..=5).for_each(|day| drop(pretend(&place, &job, "globals", day)));
        let theirs = pretend(&place, "another", "shop2", 1);
        place.put("shop_2025-01-06_04-00-00.sql.gz", b"no manifest");
        place.put("notes.txt", b"mine");
        let all = place.names();

        assert!(
            stderr(&ends(world.command(&place, "postgres", &["prune"]), 2))
                .contains("no rule says what to keep")
        );
        let plan = json(prune(&world, &place, &[]), 0);
        assert_eq!(plan[0]["dry_run"], true);
        assert_eq!(place.names(), all, "a dry run removed something");

        let pruned = json(prune(&world, &place, &["--yes"]), 0);
        assert_eq!(pruned[0]["result"]["removed"].as_array().unwrap().len(), 6, "{pruned}");
        let left = place.names();
        for (name, is_left) in days.iter().zip([false, false, false, true, true]) {
            assert_eq!(left.contains_key(name), is_left, "{name}");
            assert_eq!(left.contains_key(&format!("{name}.manifest.json")), is_left);
            let globals = name.replace("shop", "globals");
            assert_eq!(left.contains_key(&globals), is_left, "globals follow their run");
        }
        for name in [&theirs, "notes.txt", "shop_2025-01-06_04-00-00.sql.gz"] {
            assert!(left.contains_key(name), "{name}");
        }
        assert_eq!(left.len(), 2 * 4 + 4);
        // A second run has nothing to do.
        let again = json(prune(&world, &place, &["--yes"]), 0);
        assert_eq!(again[0]["result"]["removed"].as_array().unwrap().len(), 0);
        assert_eq!(place.names(), left);
    }
}

#[test]
fn a_prune_that_was_interrupted_is_finished_by_the_next() {
    let world = World::new();
    let place = world.directory();
    let names: Vec<_> = (1..=3).map(|day| pretend(&place, &place.job(), "shop", day)).collect();
    let Place::Directory(folder) = &place else { unreachable!() };
    // Killed after the manifest was removed, and before the backup was.
    let path = |suffix: &str| folder.path().join(format!("{}{suffix}", names[0]));
    std::fs::rename(path(".manifest.json"), path(".pruned.json")).unwrap();
    // A removal begun by another job is not ours to finish.
    let theirs = pretend(&place, "another", "shop2", 1);
    let of = |suffix: &str| folder.path().join(format!("{theirs}{suffix}"));
    std::fs::rename(of(".manifest.json"), of(".pruned.json")).unwrap();
    let pruned = json(prune(&world, &place, &["--yes"]), 0);
    assert_eq!(pruned[0]["result"]["removed"], value!([names[0]]));
    let left = place.names();
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(left.contains_key(&theirs) && !left.contains_key(&names[0]));
}

#[test]
fn failed_removals_are_reported_and_the_rest_is_removed() {
    let world = World::new();
    let place = world.directory();
    let names: Vec<_> = (1..=4).map(|day| pretend(&place, &place.job(), "shop", day)).collect();
    let Place::Directory(folder) = &place else { unreachable!() };
    // A directory at the path of the marker with which a prune begins: even root cannot write it.
    let obstacle = folder.path().join(format!("{}.pruned.json", names[0]));
    std::fs::create_dir(&obstacle).unwrap();
    let failed = ends(prune(&world, &place, &["--yes"]), 6);
    assert!(stderr(&failed).contains(&names[0]), "{}", stderr(&failed));
    assert!(place.names().contains_key(&names[0]) && !place.names().contains_key(&names[1]));
    std::fs::remove_dir(&obstacle).unwrap();
    ends(prune(&world, &place, &["--yes"]), 0);
    assert!(!place.names().contains_key(&names[0]));
    assert_eq!(place.names().len(), 4);
}

#[test]
fn a_damaged_newest_backup_refuses() {
    let world = World::new();
    let place = world.directory();
    let names: Vec<_> = (1..=5).map(|day| pretend(&place, &place.job(), "shop", day)).collect();
    place.put(&names[4], b"cut");
    let refused = ends(prune(&world, &place, &["--yes"]), 12);
    assert!(stderr(&refused).contains("is damaged"), "{}", stderr(&refused));
    assert_eq!(place.names().len(), 10);
}

#[test]
fn locked_backups_are_not_removed() {
    let world = World::new();
    let database = world.database("bk_locked", "CREATE TABLE t (a int)");
    let place = world.locking_bucket();
    let command = |arguments: &[&str]| {
        let mut command = world.command(&place, database.name(), arguments);
        command
            .env("PGSIPHON_DATABASES_GLOBALS", "false")
            .env("PGSIPHON_RETENTION_KEEP_LAST", "1")
            .env("PGSIPHON_RETENTION_KEEP_MINIMUM", "0")
            .env("PGSIPHON_RETENTION_MINIMUM_AGE", "0");
        command
    };
    for round in 0..2 {
        let mut backup = command(&["backup"]);
        if round == 0 {
            backup
                .env("PGSIPHON_DESTINATION_OBJECT_LOCK_MODE", "GOVERNANCE")
                .env("PGSIPHON_DESTINATION_OBJECT_LOCK_DAYS", "1");
        }
        ends(backup, 0);
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    let plan = json(command(&["prune"]), 0);
    let reasons = plan[0]["decisions"][1]["reasons"].to_string();
    assert!(reasons.contains("locked until 20"), "{plan}");
    assert_eq!(json(command(&["prune", "--yes"]), 0)[0]["result"]["removed"], value!([]));
    assert_eq!(place.names().len(), 4);
}

#[test]
fn a_run_prunes_only_if_everything_succeeded() {
    let world = World::new();
    let database = world.database("bk_prunes", "CREATE TABLE t (a int)");
    let place = world.directory();
    (1..=5).for_each(|day| drop(pretend(&place, &place.job(), database.name(), day)));
    let command = || {
        let mut command = world.command(&place, database.name(), &["backup"]);
        command
            .env("PGSIPHON_RETENTION_KEEP_LAST", "1")
            .env("PGSIPHON_RETENTION_KEEP_MINIMUM", "1")
            .env("PGSIPHON_RETENTION_PRUNE_AFTER_BACKUP", "true")
            // The failing run would store them, perhaps in the second in which the next run begins.
            .env("PGSIPHON_DATABASES_GLOBALS", "false")
            .env("PGSIPHON_BACKUP_MIN_SIZE_RATIO", "0");
        command
    };
    let mut failing = command();
    failing.env("PGSIPHON_DUMP_EXCLUDE_TABLES", "too.many.dotted.names");
    let failed = failing.output().unwrap();
    assert!(!failed.status.success());
    assert!(place.names().len() >= 10);
    let report = json(command(), 0);
    assert_eq!(report[0]["pruned"], 5, "{report}");
}

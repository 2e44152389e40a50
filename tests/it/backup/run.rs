//! What a run stores, and how list and status show it.

use std::io::Read;

use super::world::{World, ends, json, stderr, stdout};
use crate::support::database::{Database, administer};
use crate::support::servers::clean_command;

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn databases_and_globals_are_stored_listed_and_fresh() {
    let world = World::new();
    let shop = world.database(
        "bk_shop",
        "CREATE TABLE t AS SELECT generate_series(1, 7); CREATE TABLE none (a int); SELECT lo_create(4711)",
    );
    let cache = world.database("bk_shop_cache", "CREATE TABLE t (a int)");
    for place in world.places() {
        // Objects of others must neither disturb nor be disturbed.
        for name in ["notes.txt", "shop.sql.gz", "shop_2025-01-08_04-00-00.sql.gz.bak"] {
            place.put(name, b"mine");
        }
        place.put("stranger_2025-01-08_04-00-00.sql.gz", b"mine too");
        let command = |arguments: &[&str]| {
            let mut command = world.command(&place, "postgres", arguments);
            command
                .env("PGSIPHON_DATABASES_INCLUDE", format!("{}, {}", shop.name(), cache.name()))
                .env("PGSIPHON_DATABASES_EXCLUDE", "*shop_cache*");
            command
        };
        let dry = json(command(&["backup", "--dry-run"]), 0);
        assert_eq!(dry[0]["backups"].as_array().unwrap().len(), 2, "{dry}");
        assert_eq!(place.names().len(), 4);

        let report = &json(command(&["backup", "--now"]), 0)[0];
        assert_eq!((&report["succeeded"], &report["backups"][0]["globals"]), (&true.into(), &true.into()));
        let backup = &report["backups"][1];
        assert_eq!(backup["database"], shop.name());
        let stored = &backup["stored"];
        assert_eq!((stored["rows"].as_u64(), stored["relations"].as_u64()), (Some(7), Some(2)), "{report}");
        assert_eq!(stored["large_objects"], 1);
        let location = backup["location"].as_str().unwrap();
        let name = location.trim_end_matches('"').rsplit('/').next().unwrap().to_owned();
        let object = place.get(&name);
        assert_eq!(stored["stored_bytes"], object.len() as u64);
        assert!(gunzip(&object).contains("COPY public.t (generate_series) FROM stdin;\n1\n2\n"));

        let manifest: serde_json::Value =
            serde_json::from_slice(&place.get(&format!("{name}.manifest.json"))).unwrap();
        assert_eq!(manifest["key"], place.key(&name));
        assert_eq!(manifest["sha256"], stored["sha256"]);
        assert_eq!(manifest["relations"][1]["name"], "public.t");
        assert_eq!(manifest["relations"][1]["rows"], 7);
        assert_eq!(manifest["job"], place.job());

        let listed = json(command(&["list"]), 0);
        let states: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|e| (e["database"].as_str(), e["state"].as_str().unwrap()))
            .collect();
        // The other job's backup looks like one of ours, except for the manifest.
        assert_eq!(states, [(Some(shop.name()), "good"), (Some("stranger"), "no-manifest"), (None, "good")]);
        let status = json(command(&["status", "--max-age", "26h"]), 0);
        assert_eq!(status.as_array().unwrap().len(), 2, "{status}");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let stale = ends(command(&["status", "--max-age", "1s"]), 1);
        assert!(stderr(&stale).contains("older than 1s"), "{}", stderr(&stale));
        let mut missing = command(&["status"]);
        missing.env("PGSIPHON_DATABASES_INCLUDE", "other_database");
        assert!(stderr(&ends(missing, 1)).contains("other_database: no good backup exists"));

        // The newest good backup can be named `latest`.
        let again = Database::expected(world.postgres(), &format!("{}_again", shop.name()));
        ends(command(&["restore", "latest", "--create", "--to", again.name()]), 0);
        assert_eq!(again.query("SELECT count(*) FROM t").unwrap().trim(), "7");
        assert!(stdout(&ends(command(&["verify", "latest:globals"]), 0)).contains("/globals_"));
        ends(command(&["verify", "latest:stranger"]), 5);

        // A backup that disagrees with its manifest is not good.
        place.put(&name, b"cut short");
        assert!(stderr(&ends(command(&["verify", "latest"]), 5)).contains("no good backup exists"));
        assert_eq!(json(command(&["list", "--database", shop.name()]), 0)[0]["state"], "damaged");
        ends(command(&["status"]), 1);
        for name in ["notes.txt", "shop.sql.gz", "shop_2025-01-08_04-00-00.sql.gz.bak"] {
            assert_eq!(place.get(name), b"mine");
        }
    }
}

#[test]
fn a_smaller_backup_causes_a_warning() {
    let world = World::new();
    let database =
        world.database("bk_shrinks", "CREATE TABLE t AS SELECT md5(g::text) FROM generate_series(1, 2000) g");
    let place = world.directory();
    let command = || {
        let mut command = world.command(&place, database.name(), &["backup"]);
        command.env("PGSIPHON_DATABASES_GLOBALS", "false");
        command
    };
    ends(command(), 0);
    database.query("TRUNCATE t").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let report = json(command(), 0);
    let warning = report[0]["backups"][0]["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains("is something missing?"), "{report}");
}

#[test]
fn a_failed_database_does_not_stop_the_others() {
    let world = World::new();
    let closed = world.database("bk_a_closed", "CREATE TABLE secret (a int)");
    let open = world.database("bk_b_open", "SELECT 1");
    let role = format!("{}_role", open.name());
    administer(world.postgres(), &format!("CREATE ROLE {role} LOGIN")).unwrap();
    let place = world.directory();
    let mut command = world.command(&place, open.name(), &["backup"]);
    command.env("PGSIPHON_SOURCE_USER", &role);
    command.env("PGSIPHON_DATABASES_INCLUDE", format!("{},{}", closed.name(), open.name()));
    let report = json(command, 4);
    administer(world.postgres(), &format!("DROP ROLE {role}")).unwrap();
    let backups = report[0]["backups"].as_array().unwrap();
    assert_eq!(backups.len(), 3);
    // Roles are stored without passwords if these cannot be read.
    assert!(backups[0]["warnings"][0].as_str().unwrap().contains("without their passwords"), "{report}");
    let failure = &backups[1]["failed"];
    assert!(
        failure["message"].as_str().unwrap().contains("no SELECT privilege on public.secret"),
        "{report}"
    );
    // A missing privilege is not retried.
    assert_eq!((&failure["exit_code"], &backups[1]["attempts"]), (&4.into(), &1.into()));
    assert!(backups[2]["stored"].is_object());
    assert_eq!(place.names().len(), 4, "{:?}", place.names());
    assert_eq!(report[0]["succeeded"], false);
}

#[test]
fn a_pattern_without_a_database_is_an_error() {
    let world = World::new();
    let place = world.directory();
    let mut command = world.command(&place, "postgres", &["backup"]);
    command.env("PGSIPHON_DATABASES_INCLUDE", "no_such_database_*");
    assert!(
        stderr(&ends(command, 2)).contains("find databases that match \"no_such_database_*\": none exists")
    );
}

#[test]
fn latest_is_found_even_if_another_store_cannot_be_listed() {
    let world = World::new();
    let shop = world.database("bk_latest", "CREATE TABLE t (a int)");
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let postgres = world.postgres();
    let config = format!(
        "[[job]]\nname = \"good\"\ndatabases.include = ['{0}']\ndestination.url = '{1}'\n\
         source.host = '{2}'\nsource.port = '{3}'\nsource.user = '{4}'\nsource.dbname = '{0}'\n\
         [[job]]\nname = \"away\"\ndestination.url = 's3://no-such-bucket/x'\n\
         destination.endpoint_url = 'http://127.0.0.1:9'\ndestination.max_attempts = 1\n\
         destination.region = 'us-east-1'\naws.access_key_id = 'k'\naws.secret_access_key = 's'\n",
        shop.name(),
        store.display(),
        postgres.host,
        postgres.port,
        postgres.user,
    );
    let path = folder.path().join("pgsiphon.toml");
    std::fs::write(&path, config).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
        command.args(arguments).env("PGSIPHON_CONFIG", &path).current_dir(folder.path());
        command
    };
    ends(run(&["backup", "good"]), 0);
    let found = ends(run(&["verify", &format!("latest:{}", shop.name())]), 0);
    assert!(stderr(&found).contains("job away: cannot look at its backups"), "{}", stderr(&found));
    ends(run(&["verify", "latest:globals"]), 0);
    let missing = ends(run(&["verify", "latest:nothing"]), 5);
    assert!(
        stderr(&missing).contains("none was found in the destinations that could be read; job away: "),
        "{}",
        stderr(&missing)
    );

    // A database may have the name that stands for roles.
    let called_so = Database::expected(postgres, "globals");
    administer(postgres, "CREATE DATABASE globals").unwrap();
    ends(
        run(&["backup", "good", "--set", "databases.include=globals", "--set", "databases.globals=false"]),
        0,
    );
    drop(called_so);
    let asked = ends(run(&["verify", "latest:globals"]), 2);
    let says = "latest:\"globals\", latest:(globals)";
    assert!(stderr(&asked).contains(says), "{}", stderr(&asked));
    ends(run(&["verify", "latest:(globals)"]), 0);
    ends(run(&["verify", "latest:\"globals\""]), 0);
}

//! Tests how the program reads its configuration.

use std::process::Command;

use super::world::{Place, World, ends, json, stderr};
use crate::support::servers::clean_command;

fn pgsiphon(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
    command.args(arguments).current_dir(folder.path());
    command
}

#[test]
fn init_writes_once_and_show_names_the_origin_of_values() {
    let folder = tempfile::tempdir().unwrap();
    ends(pgsiphon(&folder, &["config", "init"]), 0);
    assert!(stderr(&ends(pgsiphon(&folder, &["config", "init"]), 2)).contains("already exists"));
    let mut show = pgsiphon(&folder, &["config", "show", "--set", "dump.jobs=3"]);
    show.env("PGSIPHON_SOURCE_PASSWORD", "hunter2").env("PGSIPHON_SOURCE_USER", "app");
    let shown = json(show, 0);
    let of =
        |key: &str| (shown[0][key]["value"].as_str().unwrap(), shown[0][key]["origin"].as_str().unwrap());
    assert_eq!(of("dump.jobs"), ("3", "--set dump.jobs"));
    assert_eq!(of("source.user"), ("\"app\"", "PGSIPHON_SOURCE_USER"));
    assert_eq!(of("source.password"), ("\"********\"", "PGSIPHON_SOURCE_PASSWORD"));
    assert!(of("destination.url").1.starts_with("pgsiphon.toml:"));
    assert_eq!(of("backup.attempts").1, "default");

    std::fs::write(folder.path().join("other.toml"), "[sorce]\nhost = \"h\"\n").unwrap();
    let mut wrong = pgsiphon(&folder, &["config", "show"]);
    wrong.env("PGSIPHON_CONFIG", "other.toml");
    assert!(
        stderr(&ends(wrong, 2))
            .contains("sorce (other.toml:1): unknown setting (hint: did you mean source?)")
    );
    let secret = pgsiphon(&folder, &["config", "show", "--set", "source.password=hunter2"]);
    let refused = ends(secret, 2);
    assert!(!stderr(&refused).contains("hunter2"), "{}", stderr(&refused));
    let mut misspelt = pgsiphon(&folder, &["config", "show"]);
    misspelt.env("PGSIPHON_DESTINATON_URL", "x");
    assert!(stderr(&ends(misspelt, 0)).contains("did you mean PGSIPHON_DESTINATION_URL?"));
}

#[test]
fn failures_reveal_no_secrets() {
    let world = World::new();
    let place = world.bucket();
    let mut backup = world.command(&place, "postgres", &["backup", "-vv"]);
    backup
        .env("PGSIPHON_AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
        .env("PGSIPHON_NOTIFY_PING_URL", "https://hc.example/hunter2hunter2");
    let output = ends(backup, 5);
    let told = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
    assert!(!told.contains("hunter2hunter2"), "{told}");
    let mut login = world.command(&place, "postgres", &["backup"]);
    login
        .env("PGSIPHON_SOURCE_URL", "postgresql://nobody:hunter2hunter2@127.0.0.1:1/x")
        .env("PGSIPHON_BACKUP_ATTEMPTS", "1")
        .env_remove("PGSIPHON_SOURCE_DBNAME");
    let output = ends(login, 3);
    assert!(!stderr(&output).contains("hunter2hunter2"), "{}", stderr(&output));
}

#[test]
fn a_job_is_chosen_by_name() {
    let world = World::new();
    let (one, two) = (world.directory(), world.directory());
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "databases.globals = false\nsource.dbname = \"postgres\"\n\
         [[job]]\nname = \"one-{0}\"\ndestination.url = \"{1}\"\n[[job]]\nname = \"two-{0}\"\ndestination.url = \"{2}\"\n",
        one.job(),
        one.url(),
        two.url()
    );
    let path = folder.path().join("jobs.toml");
    std::fs::write(&path, file).unwrap();
    let run = |job: &str| {
        let mut command =
            world.command(&one, "postgres", &["backup", job, "--config", path.to_str().unwrap()]);
        for name in ["NAME", "DESTINATION_URL", "SOURCE_DBNAME"] {
            command.env_remove(format!("PGSIPHON_{name}"));
        }
        command
    };
    ends(run(&format!("two-{}", one.job())), 0);
    assert_eq!((one.names().len(), two.names().len()), (0, 2));
    assert!(stderr(&ends(run("three"), 2)).contains("find job \"three\": it is not configured"));
}

/// Variables that containers and AWS tools set must not cause failures.
#[test]
fn empty_and_unrelated_variables_are_ignored() {
    let world = World::new();
    let place = world.bucket();
    let database = world.database("variables", "CREATE TABLE t ()");
    let Place::S3 { s3, .. } = &place else { unreachable!() };
    let folder = tempfile::tempdir().unwrap();
    let dump = |variables: &[(&str, &str)]| {
        let file = format!("{}variables.sql", place.url());
        let mut dump = world.command(&place, database.name(), &["dump", "--overwrite", "-f", &file]);
        dump.arg(database.name())
            .envs([("AWS_ACCESS_KEY_ID", &s3.access_key), ("AWS_SECRET_ACCESS_KEY", &s3.secret_key)])
            .env("AWS_ENDPOINT_URL", &s3.endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", folder.path())
            .envs(variables.iter().copied());
        dump
    };
    for name in [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_ENDPOINT_URL_S3",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "PGSSLMODE",
        "PGOPTIONS",
        "PGTZ",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGSYSCONFDIR",
        "PGPASSFILE",
        "DATABASE_URL",
        "PGSIPHON_CONFIG",
        "PGSIPHON_LOG",
        "PGSIPHON_LOG_FORMAT",
        "PGSIPHON_DESTINATION_MAX_ATTEMPTS",
    ] {
        let output = ends(dump(&[(name, "")]), 0);
        assert_eq!(stderr(&output), "", "{name}");
    }
    for (name, value) in [
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_RETRY_MODE", "nonsense"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "nonsense"),
        ("AWS_SDK_UA_APP_ID", "no app, but \u{e9}"),
        ("AWS_USE_FIPS_ENDPOINT", "perhaps"),
    ] {
        ends(dump(&[(name, value)]), 0);
    }
    for line in ["retry_mode = legacy", "retry_mode =", "max_attempts = 0", "max_attempts = many"] {
        let file = folder.path().join("aws");
        std::fs::write(&file, format!("[default]\n{line}\n")).unwrap();
        ends(dump(&[("AWS_CONFIG_FILE", file.to_str().unwrap())]), 0);
    }
    // Wrong values are reported where they matter.
    for value in ["0", "-1", "many", "99999999999"] {
        assert!(stderr(&ends(dump(&[("AWS_MAX_ATTEMPTS", value)]), 2)).contains("AWS_MAX_ATTEMPTS"));
        let mut elsewhere = world.command(&world.directory(), database.name(), &["dump", database.name()]);
        ends(
            {
                elsewhere.env("AWS_MAX_ATTEMPTS", value);
                elsewhere
            },
            0,
        );
        let mut backup = world.command(&place, database.name(), &["backup"]);
        backup.env("AWS_MAX_ATTEMPTS", value);
        assert!(stderr(&ends(backup, 2)).contains("AWS_MAX_ATTEMPTS"));
    }
    for (name, value) in [("AWS_ACCESS_KEY_ID", "key\n"), ("AWS_SESSION_TOKEN", "a b")] {
        let told = stderr(&ends(dump(&[(name, value)]), 5));
        assert!(told.contains("not allowed in keys") && told.lines().count() == 1, "{told}");
    }
}

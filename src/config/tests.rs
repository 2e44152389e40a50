use std::collections::HashMap;
use std::path::Path;

use super::layer::{Raw, from_text};
use super::*;
use crate::pg::secret::Secret;
use crate::storage::Place;

#[derive(Default)]
struct Env(HashMap<String, String>);

impl Environment for Env {
    fn raw(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn os_user(&self) -> Option<String> {
        Some("os".into())
    }
}

fn env(pairs: &[(&str, &str)]) -> Env {
    Env(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn load(file: &str, env: &Env, flags: &[(&str, &str)]) -> Result<Config> {
    let flags = flags.iter().map(|(key, value)| {
        let setting = setting::find(key).unwrap();
        let raw = from_text(setting.kind, value, key, &layer::Origin::Default).unwrap();
        (format!("--{key}"), (*key).to_owned(), raw)
    });
    let path = Path::new("pgsiphon.toml");
    Config::resolve(Some(path.into()), Some(File::parse(path, file)?), Layer::of_flags(flags)?, env)
}

fn complaint(file: &str) -> String {
    match load(file, &Env::default(), &[]) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Usage);
            error.report()
        }
    }
}

fn shown(config: &Config, key: &str) -> (String, String) {
    let mut all = config.settings[0].shown();
    let (_, value, origin) = all.find(|(setting, ..)| setting.key == key).unwrap();
    (value, origin)
}

#[test]
fn flags_are_above_variables_and_these_above_the_file() {
    let file = "[source]\nhost = \"file\"\nuser = \"file\"\nport = 1\n";
    let env = env(&[("PGSIPHON_SOURCE_HOST", "variable"), ("PGSIPHON_SOURCE_USER", "variable")]);
    let config = load(file, &env, &[("source.host", "flag")]).unwrap();
    let holds = |key: &str, value: &str, origin: &str| {
        assert_eq!(shown(&config, key), (value.to_owned(), origin.to_owned()));
    };
    holds("source.host", "\"flag\"", "--source.host");
    holds("source.user", "\"variable\"", "PGSIPHON_SOURCE_USER");
    holds("source.port", "\"1\"", "pgsiphon.toml:4");
    holds("backup.attempts", "3", "default");
}

#[test]
fn an_unknown_key_names_the_near_one_and_the_line() {
    for (file, says) in [
        (
            "\n[destination]\nstorage_clas = \"x\"",
            "read destination.storage_clas (pgsiphon.toml:3): unknown setting (hint: did you mean destination.storage_class?)",
        ),
        (
            "[destinaton]\nurl = \"x\"",
            "destinaton (pgsiphon.toml:1): unknown setting (hint: did you mean destination?)",
        ),
        ("[source]\nkeep_daily = 1", "did you mean retention.keep_daily?"),
        ("[source]\nlock_wait_timeout_file = 1", "unknown setting"),
        ("frobnicate = 1", "pgsiphon config schema lists all settings"),
        ("[[job]]\nname = \"a\"\n[job.source]\nhots = \"h\"", "source.hots (pgsiphon.toml:4)"),
    ] {
        let report = complaint(file);
        assert!(report.contains(says), "{file}: {report}");
    }
}

#[test]
fn wrong_values_are_told_with_their_place() {
    for (file, says) in [
        ("[source\n", "pgsiphon.toml:1"),
        ("source = 1", "it is a section; write [source]"),
        ("job = 1", "a job begins with [[job]]"),
        (
            "[retention]\nkeep_daily = \"x\"",
            "retention.keep_daily (pgsiphon.toml:2): \"x\" is not a whole number",
        ),
        ("[retention]\nkeep_daily = -1", "\"-1\" is not a whole number"),
        ("[databases]\ninclude = \"x\"", "it is a string, but should be a list of texts"),
        ("[databases]\nglobals = \"perhaps\"", "neither true nor false"),
        ("[backup]\nretry_delay = \"soon\"", "is not a time span"),
        ("[backup]\nattempts = 0", "it must be 1 or more"),
        ("[backup]\nmin_size_ratio = 2", "between 0 and 1"),
        ("[schedule]\ncron = \"61 4 * * *\"", "is not a cron expression"),
        ("[schedule]\ntime_zone = \"Mars/Olympus\"", "\"Mars/Olympus\" is not a time zone"),
        ("[destination]\nurl = \"gs://b\"", "only s3:// is supported"),
        ("[destination]\nurl = \"s3://\"", "is not a valid bucket name"),
        ("[destination]\nprefix = \"/a\"", "cannot start a key"),
        ("[destination]\nkey = \"{database}\"", "it must contain {timestamp} exactly once"),
        ("[destination]\nurl = \"s3://b\"\nencryption = \"rot13\"", "is not one of AES256"),
        ("[destination]\nurl = \"s3://b\"\nkms_key_id = \"k\"", "is not aws:kms"),
        ("[destination]\nurl = \"s3://b\"\nobject_lock_mode = \"GOVERNANCE\"", "object_lock_days is missing"),
        ("[destination]\nurl = \"s3://b\"\n[aws]\naccess_key_id = \"x\"", "aws.secret_access_key is missing"),
        ("[source]\npassword = \"a\"\npassword_command = \"b\"", "source.password_command is set, too"),
        (
            "[source]\npassword_file = \"/no/such/file\"",
            "source.password_file (pgsiphon.toml:2) names this file",
        ),
        ("[notify]\nping_url = \"hc.example\"", "it is not of the form https://host/"),
        ("name = \"a b\"", "may only contain letters"),
        ("[[job]]\nname = \"a\"\n[[job]]\nname = \"a\"", "two jobs have this name"),
        ("[[job]]\nname = \"a\"\n[[job]]\n", "read job number 2: if there are several jobs"),
        (
            "[[job]]\nname = \"a\"\n[[job]]\nname = \"b\"",
            "its globals would get the same keys as those of job \"a\"",
        ),
    ] {
        let report = complaint(file);
        assert!(report.contains(says), "{file}: {report}");
    }
}

#[test]
fn jobs_override_what_is_common() {
    let file = "[source]\nhost = \"common\"\n[destination]\nurl = \"s3://b/p\"\nregion = \"r\"\n\
                [[job]]\nname = \"a\"\n[job.destination]\nprefix = \"a-\"\n\
                [[job]]\nname = \"b\"\nsource.host = \"own\"\ndatabases.globals = false\n";
    let config = load(file, &Env::default(), &[]).unwrap();
    let names: Vec<_> = config.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let hosts: Vec<_> = config.settings.iter().map(|s| s.text("source.host").unwrap()).collect();
    assert_eq!(hosts, ["common", "own"]);
    assert_eq!(config.jobs[0].destination.naming.common_prefix(), "p/a-");
    assert!(config.select(&["b".into()]).is_ok());
    assert!(config.select(&["c".into()]).is_err_and(|e| e.report().contains("configured: a, b")));
}

#[test]
fn a_bucket_without_its_scheme_is_no_directory() {
    for text in ["bucket", "bucket/prefix", "my.bucket", "...", "file://bucket", "~/backups", "S3:/bucket"] {
        let report = complaint(&format!("[destination]\nurl = \"{text}\"\n"));
        assert!(report.contains("destination.url") && report.contains("s3://"), "{text}: {report}");
        let report = load("", &env(&[("PGSIPHON_DESTINATION_URL", text)]), &[]).err().unwrap().report();
        assert!(report.contains("PGSIPHON_DESTINATION_URL"), "{report}");
    }
    for text in ["/backups", "./backups", "../backups", ".", "..", "file:///backups"] {
        let config = load("", &env(&[("PGSIPHON_DESTINATION_URL", text)]), &[]).unwrap();
        assert!(matches!(config.jobs[0].destination.place, Place::Directory(_)), "{text}");
    }
}

#[test]
fn parts_are_as_wished() {
    let file = "[destination]\nurl = \"s3://b\"\npart_size = \"16MiB\"\nequal_parts = true\n";
    let config = load(file, &env(&[]), &[]).unwrap();
    let Place::S3 { options, .. } = &config.jobs[0].destination.place else { panic!("no bucket") };
    assert_eq!((options.object.parts.bytes, options.object.parts.equal), (Some(16 << 20), Some(true)));
    let report = complaint("[destination]\nurl = \"s3://b\"\npart_size = \"1MiB\"\n");
    assert!(report.contains("part_size") && report.contains("5 MiB"), "{report}");
}

#[test]
fn a_job_needs_nothing() {
    let config = load("", &Env::default(), &[]).unwrap();
    let job = &config.jobs[0];
    assert_eq!(job.name, "default");
    assert!(matches!(&job.destination.place, Place::Directory(path) if path == Path::new("./backups")));
    assert_eq!(job.dump.compression, crate::codec::Compression::GZIP);
    assert!(!job.retention.has_rules());
}

#[test]
fn the_words_of_rails_credentials_do() {
    let file = "[aws]\naccess_key_id = \"AK\"\nsecret_access_key = \"SK\"\ns3_region = \"eu-x\"\npostgres_bucket = \"bkt\"";
    let config = load(file, &Env::default(), &[]).unwrap();
    let Place::S3 { bucket, options } = &config.jobs[0].destination.place else { panic!("no bucket") };
    assert_eq!((bucket.as_str(), options.connection.region.as_deref()), ("bkt", Some("eu-x")));
    assert!(options.connection.credentials.is_some());
}

#[test]
fn secrets_come_from_files_and_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\n").unwrap();
    let env = env(&[
        ("PGSIPHON_SOURCE_PASSWORD_FILE", path.to_str().unwrap()),
        ("PGSIPHON_AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("PGSIPHON_AWS_ACCESS_KEY_ID", "hunter2"),
        ("PGSIPHON_NOTIFY_PING_URL", "https://hc.example/hunter2"),
    ]);
    let file = "[source]\nurl = \"postgresql://u:hunter2@h/d\"\n[destination]\nurl = \"s3://b\"";
    let config = load(file, &env, &[]).unwrap();
    assert!(
        matches!(&config.jobs[0].source.password, Password::Known(secret) if secret.reveal() == "hunter2")
    );
    for (setting, value, origin) in config.settings[0].shown() {
        assert!(!value.contains("hunter2") && !origin.contains("hunter2"), "{}: {value}", setting.key);
    }
    let (_, origin) = shown(&config, "source.password");
    assert_eq!(origin, format!("{}, named by PGSIPHON_SOURCE_PASSWORD_FILE", path.display()));
}

#[tokio::test]
async fn what_is_stronger_corrects_the_url_and_what_is_weaker_fills_it_up() {
    let env = env(&[("PGSIPHON_SOURCE_HOST", "other")]);
    let file = "[source]\nurl = \"postgresql://u@h:1/d\"\n";
    let config = load(file, &env, &[("source.dbname", "x")]).unwrap();
    let params = config.jobs[0].source.params(None, &env).await.unwrap();
    assert_eq!((params.dbname.as_str(), params.user.as_str()), ("x", "u"));
    assert!(params.hosts[0].to_string().contains("\"other\", port 1"), "{}", params.hosts[0]);

    let url = self::env(&[("PGSIPHON_SOURCE_URL", "postgresql://h/d")]);
    let config = load("[source]\nuser = \"u\"\nhost = \"file\"\n", &url, &[]).unwrap();
    let params = config.jobs[0].source.params(Some("other"), &url).await.unwrap();
    assert_eq!((params.dbname.as_str(), params.user.as_str()), ("other", "u"));
    assert!(params.hosts[0].to_string().contains("\"h\""));
}

#[tokio::test]
async fn a_command_prints_the_password() {
    let command = |command: &str| {
        let env = env(&[("PGSIPHON_SOURCE_PASSWORD_COMMAND", command), ("PGHOST", "h")]);
        (load("", &env, &[]).unwrap(), env)
    };
    let (config, env) = command("echo hunter2");
    let params = config.jobs[0].source.params(None, &env).await.unwrap();
    assert_eq!(params.prompt.answer(), Some(Secret::new("hunter2")));
    let (config, env) = command("exit 3");
    let error = config.jobs[0].source.params(None, &env).await.unwrap_err();
    assert!(error.report().contains("exit status: 3"), "{}", error.report());
}

#[test]
fn the_sample_is_a_configuration_with_its_comments_and_without() {
    load(SAMPLE, &Env::default(), &[]).unwrap();
    let set: String = SAMPLE
        .lines()
        .filter(|line| !line.contains("_file = ") && !line.starts_with("#password_command"))
        .map(|line| {
            let uncommented =
                line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty());
            format!("{}\n", uncommented.unwrap_or(line))
        })
        .map(|line| line.replace("access_key_id = \"…\"", "access_key_id = \"a\"\nsecret_access_key = \"b\""))
        .collect();
    // Otherwise the two jobs at the end would share globals.
    load(&set, &Env::default(), &[]).map(drop).unwrap();
}

#[test]
fn empty_variables_are_none() {
    let config = load("", &env(&[("PGSIPHON_DUMP_JOBS", "")]), &[]).unwrap();
    assert_eq!(shown(&config, "dump.jobs").1, "default");
    assert!(matches!(Raw::List(Vec::new()), Raw::List(_)));
}

/// The documentation contains every setting.
#[test]
fn the_documentation_is_complete() {
    let page = include_str!("../../docs/configuration.md");
    for line in setting::table().lines() {
        assert!(
            page.contains(line),
            "this line is missing in docs/configuration.md; see pgsiphon config schema:\n{line}"
        );
    }
}

//! The servers, places to store backups in, and the program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use serde_json::Value;

use crate::support::database::{Database, Settings};
use crate::support::servers::{Postgres, S3, Servers, clean_command};

/// Rows that don't compress well, so that several parts are uploaded, and that take some time.
pub(crate) const BIG: &str =
    "CREATE TABLE big AS SELECT g, md5(g::text) a, md5((g * 7)::text) b, md5((g * 11)::text) c
                                FROM generate_series(1, 400000) g";

pub(crate) struct World {
    pub(crate) servers: Servers,
}

impl World {
    pub(crate) fn new() -> Self {
        World { servers: Servers::from_environment().unwrap() }
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        self.servers.newest().unwrap()
    }

    pub(crate) fn database(&self, stem: &str, sql: &str) -> Database {
        let database = Database::create(self.postgres(), stem, &Settings::default()).unwrap();
        database.query(sql).unwrap();
        database
    }

    /// A prefix in the bucket for one test.
    pub(crate) fn bucket(&self) -> Place {
        self.bucket_named(None)
    }

    /// A separate bucket for the test, in which objects can be locked.
    pub(crate) fn locking_bucket(&self) -> Place {
        let place = self.bucket_named(Some(format!("locks-{:016x}", rand::random::<u64>())));
        let Place::S3 { s3, runtime, client, .. } = &place else { unreachable!() };
        let create = client.create_bucket().bucket(&s3.bucket).object_lock_enabled_for_bucket(true);
        runtime.block_on(create.send()).unwrap();
        place
    }

    fn bucket_named(&self, name: Option<String>) -> Place {
        let mut s3 = Box::new(self.servers.s3().unwrap().clone());
        s3.bucket = name.unwrap_or(s3.bucket);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let prefix = format!("backup-{:016x}/", rand::random::<u64>());
        let client = s3.client();
        Place::S3 { s3, prefix, runtime, client }
    }

    pub(crate) fn directory(&self) -> Place {
        Place::Directory(tempfile::tempdir().unwrap())
    }

    pub(crate) fn places(&self) -> [Place; 2] {
        [self.bucket(), self.directory()]
    }

    /// A command configured only by the environment, as in containers.
    pub(crate) fn command(&self, place: &Place, database: &str, arguments: &[&str]) -> Command {
        let postgres = self.postgres();
        let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
        command
            .args(arguments)
            .env("PGHOST", &postgres.host)
            .env("PGPORT", postgres.port.to_string())
            .env("PGUSER", &postgres.user)
            .env("PGSIPHON_SOURCE_DBNAME", database)
            // Jobs of different tests must not wait for each other's lock.
            .env("PGSIPHON_NAME", place.job())
            .env("PGSIPHON_DESTINATION_URL", place.url())
            .env("PGSIPHON_BACKUP_RETRY_DELAY", "100ms")
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Place::S3 { s3, .. } = place {
            command
                .env("PGSIPHON_DESTINATION_ENDPOINT_URL", &s3.endpoint)
                .env("PGSIPHON_AWS_S3_REGION", &s3.region)
                .env("PGSIPHON_AWS_ACCESS_KEY_ID", &s3.access_key)
                .env("PGSIPHON_AWS_SECRET_ACCESS_KEY", &s3.secret_key);
        }
        command
    }
}

/// Accesses stored backups without pgsiphon.
pub(crate) enum Place {
    S3 { s3: Box<S3>, prefix: String, runtime: tokio::runtime::Runtime, client: Client },
    Directory(tempfile::TempDir),
}

impl Place {
    pub(crate) fn url(&self) -> String {
        match self {
            Place::S3 { s3, prefix, .. } => format!("s3://{}/{prefix}", s3.bucket),
            Place::Directory(folder) => folder.path().display().to_string(),
        }
    }

    /// The name of the job that writes here.
    pub(crate) fn job(&self) -> String {
        let url = self.url();
        let name = url.trim_end_matches('/').rsplit('/').next().unwrap();
        name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
    }

    /// The full key, as in manifests, of a name in this place.
    pub(crate) fn key(&self, name: &str) -> String {
        match self {
            Place::S3 { prefix, .. } => format!("{prefix}{name}"),
            Place::Directory(_) => name.to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        let Place::Directory(folder) = self else { panic!("no directory") };
        folder.path().join(name)
    }

    /// The names and sizes of everything in this place, including temporary files.
    pub(crate) fn names(&self) -> BTreeMap<String, u64> {
        match self {
            Place::S3 { s3, prefix, runtime, client } => {
                let request = client.list_objects_v2().bucket(&s3.bucket).prefix(prefix);
                let listed = runtime.block_on(request.send()).unwrap();
                let named = |o: &aws_sdk_s3::types::Object| {
                    (o.key().unwrap()[prefix.len()..].to_owned(), o.size().unwrap_or(0) as u64)
                };
                listed.contents().iter().map(named).collect()
            }
            Place::Directory(folder) => std::fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap())
                // A file that is gone by now was a temporary file.
                .filter_map(|entry| {
                    Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len()))
                })
                .collect(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        match self {
            Place::S3 { s3, runtime, client, .. } => runtime.block_on(async {
                let request = client.get_object().bucket(&s3.bucket).key(self.key(name));
                request.send().await.unwrap().body.collect().await.unwrap().to_vec()
            }),
            Place::Directory(_) => std::fs::read(self.path(name)).unwrap(),
        }
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        match self {
            Place::S3 { s3, runtime, client, .. } => {
                let request = client.put_object().bucket(&s3.bucket).key(self.key(name));
                runtime.block_on(request.body(bytes.to_vec().into()).send()).unwrap();
            }
            Place::Directory(_) => std::fs::write(self.path(name), bytes).unwrap(),
        }
    }

    /// The number of pending uploads or temporary files.
    pub(crate) fn pending(&self) -> usize {
        match self {
            Place::S3 { s3, prefix, runtime, client } => {
                let request = client.list_multipart_uploads().bucket(&s3.bucket);
                let listed = runtime.block_on(request.send()).unwrap();
                listed.uploads().iter().filter(|upload| upload.key().unwrap().starts_with(prefix)).count()
            }
            Place::Directory(_) => self.partial().count(),
        }
    }

    /// Whether a backup is being uploaded. In a directory, a run first creates an empty temporary file
    /// to test whether it can write.
    pub(crate) fn uploads(&self) -> bool {
        match self {
            Place::S3 { .. } => self.pending() > 0,
            Place::Directory(_) => self.partial().any(|size| size > 0),
        }
    }

    /// The sizes of a directory's temporary files.
    fn partial(&self) -> impl Iterator<Item = u64> {
        self.names().into_iter().filter(|(name, _)| name.ends_with(".partial")).map(|(_, size)| size)
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command that must exit with this code.
pub(crate) fn ends(mut command: Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}\n{}", stdout(&output), stderr(&output));
    output
}

/// Like `ends`, with `--json`.
pub(crate) fn json(mut command: Command, code: i32) -> Value {
    command.arg("--json");
    serde_json::from_slice(&ends(command, code).stdout).unwrap()
}

/// Waits until the condition is true.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} was never seen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

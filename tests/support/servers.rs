//! The servers started by `scripts/servers`, as listed in its `servers.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::Outcome;

/// The environment variable with the path of `servers.json`.
pub(crate) const SERVERS_VARIABLE: &str = "PGSIPHON_TEST_SERVERS";

/// All running servers.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Servers {
    /// By major version.
    pub(crate) postgres: BTreeMap<u32, Postgres>,
    pub(crate) s3: Option<S3>,
}

/// A temporary cluster; its superuser logs in without a password.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Postgres {
    /// "18.6", "19rc1"
    pub(crate) version: String,
    /// The directory of its Unix socket; it also listens on 127.0.0.1.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    /// The directory of psql and pg_dump: the server's own, or those of 14 for older servers.
    pub(crate) bindir: PathBuf,
    /// The postmaster, for tests that kill it.
    pub(crate) pid: u32,
}

/// An S3 server with one empty bucket.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) region: String,
    pub(crate) bucket: String,
    pub(crate) pid: u32,
}

impl Servers {
    /// Reads the file named by the environment; without it the test fails rather than being skipped.
    pub(crate) fn from_environment() -> Outcome<Self> {
        let path = std::env::var_os(SERVERS_VARIABLE).ok_or_else(|| {
            format!(
                "{SERVERS_VARIABLE} is not set: run scripts/test, or scripts/servers run -- cargo nextest run"
            )
        })?;
        Servers::read(Path::new(&path))
    }

    /// Reads a `servers.json`.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| format!("read {} ({SERVERS_VARIABLE}): {e}", path.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("parse {}: {e}", path.display()))
    }

    /// The cluster of that major version; an error if it was not started.
    pub(crate) fn postgres(&self, major: u32) -> Outcome<&Postgres> {
        self.postgres.get(&major).ok_or_else(|| {
            format!("no PostgreSQL {major} is running: scripts/servers run --versions …,{major}")
        })
    }

    /// The newest cluster.
    pub(crate) fn newest(&self) -> Outcome<&Postgres> {
        self.postgres.values().next_back().ok_or_else(|| "no PostgreSQL is running".to_owned())
    }

    /// The S3 server; an error if it was not started.
    pub(crate) fn s3(&self) -> Outcome<&S3> {
        self.s3.as_ref().ok_or_else(|| "no S3 server is running: scripts/servers run --s3".to_owned())
    }
}

impl Postgres {
    /// The first number of the version.
    pub(crate) fn major(&self) -> u32 {
        let major = self.version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        major.parse().expect("servers.json has versions such as 18.6")
    }

    /// A PostgreSQL client program, in a clean environment, with the options to connect to this cluster.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = clean_command(self.bindir.join(program));
        command.args(self.connection_options());
        command
    }

    /// `-h HOST -p PORT -U USER`, which pg_dump, psql and pgsiphon all accept.
    pub(crate) fn connection_options(&self) -> [String; 6] {
        ["-h", &self.host, "-p", &self.port.to_string(), "-U", &self.user].map(str::to_owned)
    }
}

/// A command without the `PG*` and `AWS_*` variables that would redirect it.
pub(crate) fn clean_command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let steers = name.starts_with("PG") && !name.starts_with("PGSIPHON_TEST") && name != "PGSIPHON_CACHE";
        if steers || name.starts_with("AWS_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
    command
}

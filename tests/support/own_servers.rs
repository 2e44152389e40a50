//! Servers for a single test, which may kill them or create cluster-wide objects.

use std::process::Command;

use super::Outcome;
use super::servers::{Servers, clean_command};

/// Servers that run as long as this value lives.
pub(crate) struct OwnServers {
    folder: tempfile::TempDir,
    pub(crate) servers: Servers,
}

impl OwnServers {
    /// Starts one server of each of these major versions, and an S3 server if `options` say so, using
    /// `scripts/servers up`.
    pub(crate) fn start(options: &[&str]) -> Outcome<Self> {
        let folder = tempfile::tempdir().map_err(|e| format!("make a temporary folder: {e}"))?;
        let up = command("up", &folder)
            .args(options)
            .output()
            .map_err(|e| format!("start scripts/servers: {e}"))?;
        if !up.status.success() {
            return Err(format!("scripts/servers up failed: {}", String::from_utf8_lossy(&up.stderr)));
        }
        let servers = Servers::read(&folder.path().join("servers.json"))?;
        Ok(OwnServers { folder, servers })
    }

    /// Restarts the S3 server with its data; it may take seconds until it responds.
    pub(crate) fn restart_s3(&self) -> Outcome<()> {
        let restarted = command("restart-s3", &self.folder).output();
        let restarted = restarted.map_err(|e| format!("start scripts/servers: {e}"))?;
        match restarted.status.success() {
            true => Ok(()),
            false => Err(format!("restart-s3 failed: {}", String::from_utf8_lossy(&restarted.stderr))),
        }
    }
}

fn command(verb: &str, folder: &tempfile::TempDir) -> Command {
    let mut command = clean_command(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/servers"));
    command.args([verb, "--dir"]).arg(folder.path());
    command
}

impl Drop for OwnServers {
    fn drop(&mut self) {
        let down = command("down", &self.folder).status();
        assert!(std::thread::panicking() || down.is_ok_and(|status| status.success()));
    }
}

//! A directory as the destination: whether it is writable, and has enough space.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::report::{Findings, size};
use crate::codec::Compression;
use crate::config::Job;
use crate::error::{Error, ErrorKind};
use crate::ops::Inventory;
use crate::storage::store;

/// Without an earlier backup, a compressed dump is assumed to take this fraction of the database's size
/// on disk. Most are smaller, because indexes are not dumped and text compresses well.
const COMPRESSED_SHARE: u64 = 2;

/// Checks the directory. `databases` are those of the job, with their sizes on disk.
pub(super) async fn check(job: &Job, path: &Path, databases: &[(String, u64)]) -> Findings {
    let mut findings = Findings::default();
    let existing = nearest(path);
    match try_to_write(&existing) {
        Ok(()) if existing == path => {
            findings.ok("write", format!("directory \"{}\" is writable", path.display()));
        }
        Ok(()) => {
            findings.ok("write", format!("directory \"{}\" can be created", path.display()));
        }
        Err(error) => {
            let error = Error::new(
                ErrorKind::StorageUnreachable,
                format!("write in directory \"{}\"", existing.display()),
            )
            .because(error)
            .hint("allow the user that runs pgsiphon to write there");
            findings.fail("write", &error);
        }
    }
    space(job, &existing, databases, &mut findings).await;
    if on_same_disk(&existing) {
        findings.warn(
            "place",
            "backups are on the system disk, and would be lost with the machine",
            "use a bucket, or a separate disk or network share",
        );
    }
    findings
}

/// The directory itself, or the nearest existing parent.
fn nearest(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = absolute.ancestors().find(|ancestor| ancestor.exists()).map(Path::to_owned);
    match found {
        Some(found) if found == absolute => path.to_owned(),
        Some(found) => found,
        None => absolute,
    }
}

/// Writing a file is the only reliable test.
fn try_to_write(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".pgsiphon-check-{:016x}", rand::random::<u64>()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(b"pgsiphon check\n").and_then(|()| file.sync_all()));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }
}

async fn space(job: &Job, directory: &Path, databases: &[(String, u64)], findings: &mut Findings) {
    const CHECK: &str = "space";
    let free = match rustix::fs::statvfs(directory) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            findings.ok(CHECK, format!("cannot determine the free space: {error}"));
            return;
        }
    };
    let before = last_sizes(job).await;
    let mut needed = 0u64;
    for (name, on_disk) in databases {
        let known = before.iter().find(|(known, _)| known == name).map(|(_, bytes)| *bytes);
        needed = needed.saturating_add(known.unwrap_or(match job.dump.compression {
            Compression::None => *on_disk,
            _ => *on_disk / COMPRESSED_SHARE,
        }));
    }
    let found = format!(
        "{} free; a run may need about {}, judging by {}",
        size(free),
        size(needed),
        if before.is_empty() { "the size of the databases" } else { "the last backup" }
    );
    if databases.is_empty() {
        findings.ok(CHECK, format!("{} free; how much a run needs is unknown", size(free)));
    } else if free < needed {
        findings.warn(CHECK, found, "free some space, or run pgsiphon prune");
    } else {
        findings.ok(CHECK, found);
    }
}

/// The size of the newest good backup of each database.
async fn last_sizes(job: &Job) -> Vec<(String, u64)> {
    let Ok(store) = store::open(&job.destination.place).await else { return Vec::new() };
    let Ok(inventory) = Inventory::read_newest(&*store, &job.name, &job.destination.naming, 1).await else {
        return Vec::new();
    };
    inventory.entries.iter().map(|entry| (entry.parsed.subject.to_string(), entry.object.bytes)).collect()
}

/// Whether it is on the root file system.
fn on_same_disk(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(directory), fs::metadata("/")) {
        (Ok(here), Ok(root)) => here.dev() == root.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(nearest(path), path);
        assert_eq!(nearest(&path.join("a/b")), path);
        try_to_write(path).unwrap();
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
        assert!(try_to_write(&path.join("a")).is_err());
    }
}

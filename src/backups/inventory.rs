//! The backups of a job in a store. Objects of others are ignored.

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::manifest::{self, Manifest};
use super::naming::{Naming, Parsed, Subject};
use crate::error::{ErrorKind, Result};
use crate::storage::StoredObject;
use crate::storage::store::Store;

/// Suffix of the object that marks a backup for removal.
pub(crate) const TOMBSTONE: &str = ".pruned.json";

/// How many manifests are read concurrently.
const READS_IN_FLIGHT: usize = 16;

/// The state of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupState {
    /// It has a manifest that agrees with the stored size.
    Good,
    /// It has a manifest that disagrees with the stored object or cannot be read.
    Damaged,
    /// It has no manifest: its run ended before writing one, or pgsiphon did not write the backup.
    NoManifest,
}

impl BackupState {
    /// The name of the state, for people.
    pub fn describe(self) -> &'static str {
        match self {
            BackupState::Good => "good",
            BackupState::Damaged => "damaged",
            BackupState::NoManifest => "no manifest",
        }
    }
}

/// A stored backup.
#[derive(Debug, Clone)]
pub struct StoredBackup {
    /// The object.
    pub object: StoredObject,
    /// What its key says.
    pub parsed: Parsed,
    /// Whether it is good.
    pub state: BackupState,
    /// Its manifest, if it could be read.
    pub manifest: Option<Manifest>,
    /// What is wrong with it. None if it is good.
    pub problem: Option<String>,
}

/// A job's backups in a store, by database, oldest first, and manifests without a backup, which a prune
/// interrupted midway would leave if it deleted backups first.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The backups.
    pub entries: Vec<StoredBackup>,
    /// Manifests of this job without a backup.
    pub lonely_manifests: Vec<String>,
    /// Keys of this job's backups whose removal a prune began but did not finish.
    pub unfinished: Vec<String>,
}

impl Inventory {
    /// Lists the store under a job's keys, and reads the manifests.
    ///
    /// # Errors
    /// `StorageUnreachable`. A damaged manifest is not an error, but part of the result.
    pub async fn read(store: &dyn Store, job: &str, naming: &Naming) -> Result<Inventory> {
        Inventory::read_newest(store, job, naming, usize::MAX).await
    }

    /// Like [`Inventory::read`], but only for the newest `count` backups of each database; does not read
    /// older manifests.
    ///
    /// # Errors
    /// As [`Inventory::read`].
    pub async fn read_newest(
        store: &dyn Store,
        job: &str,
        naming: &Naming,
        count: usize,
    ) -> Result<Inventory> {
        let listed = Listed::new(naming, store.list(naming.common_prefix()).await?, count);
        let read = stream::iter(listed.backups)
            .map(|found| entry(store, found.object, found.parsed, found.has_manifest))
            .buffered(READS_IN_FLIGHT);
        let mut entries: Vec<StoredBackup> = read.try_collect().await?;
        // Backups of another job are not ours, whatever their keys look like.
        entries.retain(|entry| entry.manifest.as_ref().is_none_or(|manifest| manifest.job == job));
        let mut unfinished = Vec::new();
        for key in listed.doomed {
            if is_of_job(store, &format!("{key}{TOMBSTONE}"), job).await? {
                unfinished.push(key);
            }
        }
        let mut lonely_manifests = Vec::new();
        for key in listed.lonely {
            let manifest = manifest::key_for(&key);
            if !unfinished.contains(&key) && is_of_job(store, &manifest, job).await? {
                lonely_manifests.push(manifest);
            }
        }
        entries.retain(|entry| !unfinished.contains(&entry.object.key));
        Ok(Inventory { entries, lonely_manifests, unfinished })
    }

    /// The good backups of one database, oldest first.
    pub fn good<'i>(&'i self, subject: &'i Subject) -> impl DoubleEndedIterator<Item = &'i StoredBackup> {
        self.entries
            .iter()
            .filter(move |entry| entry.state == BackupState::Good && entry.parsed.subject == *subject)
    }
}

/// The keys found by listing.
struct Listed {
    /// By database, oldest first.
    backups: Vec<Found>,
    /// Keys of backups that are gone except for the manifest.
    lonely: Vec<String>,
    /// Keys of backups whose removal a prune began.
    doomed: Vec<String>,
}

struct Found {
    object: StoredObject,
    parsed: Parsed,
    has_manifest: bool,
}

impl Listed {
    /// `objects` must be sorted by key; `count` is how many backups of each database are wanted.
    fn new(naming: &Naming, objects: Vec<StoredObject>, count: usize) -> Self {
        let is_there = |key: &str| objects.binary_search_by(|object| object.key.as_str().cmp(key)).is_ok();
        let beside = |suffix: &'static str| {
            let keys = objects.iter().filter_map(move |object| object.key.strip_suffix(suffix));
            keys.filter(|key| naming.parse(key).is_some()).map(str::to_owned)
        };
        let lonely = beside(manifest::SUFFIX).filter(|key| !is_there(key)).collect();
        let doomed = beside(TOMBSTONE).collect();
        let found = |object: &StoredObject| {
            let has_manifest = is_there(&manifest::key_for(&object.key));
            Some(Found { parsed: naming.parse(&object.key)?, object: object.clone(), has_manifest })
        };
        let mut backups: Vec<Found> = objects.iter().filter_map(found).collect();
        // Newest first, to count them.
        backups.sort_by(|a, b| {
            (&a.parsed.subject, b.parsed.timestamp).cmp(&(&b.parsed.subject, a.parsed.timestamp))
        });
        let mut current = (None, 0);
        backups.retain(|found| {
            let subject = Some(found.parsed.subject.clone());
            current = if current.0 == subject { (subject, current.1 + 1) } else { (subject, 1) };
            current.1 <= count
        });
        backups.sort_by(|a, b| {
            (&a.parsed.subject, a.parsed.timestamp).cmp(&(&b.parsed.subject, b.parsed.timestamp))
        });
        Listed { backups, lonely, doomed }
    }
}

/// Whether a manifest, or a copy of one, names this job.
async fn is_of_job(store: &dyn Store, key: &str, job: &str) -> Result<bool> {
    let text = store.get(key, manifest::MAX_BYTES).await?;
    let manifest = text.and_then(|text| Manifest::from_json(&text, key).ok());
    Ok(manifest.is_some_and(|manifest| manifest.job == job))
}

async fn entry(
    store: &dyn Store,
    object: StoredObject,
    parsed: Parsed,
    has_manifest: bool,
) -> Result<StoredBackup> {
    let no_manifest = |object, parsed| StoredBackup {
        object,
        parsed,
        state: BackupState::NoManifest,
        manifest: None,
        problem: Some("it has no manifest".to_owned()),
    };
    if !has_manifest {
        return Ok(no_manifest(object, parsed));
    }
    let key = manifest::key_for(&object.key);
    let read = match store.get(&key, manifest::MAX_BYTES).await {
        // Removed since the listing.
        Ok(None) => return Ok(no_manifest(object, parsed)),
        Ok(Some(text)) => Manifest::from_json(&text, &store.shown(&key)),
        Err(error) if error.kind() == ErrorKind::Damaged => Err(error),
        Err(error) => return Err(error),
    };
    let (manifest, problem) = match read {
        Err(error) => (None, Some(error.report())),
        Ok(manifest) => {
            let problem = disagreement(&object, &parsed, &manifest);
            (Some(manifest), problem)
        }
    };
    let state = if problem.is_none() { BackupState::Good } else { BackupState::Damaged };
    Ok(StoredBackup { object, parsed, state, manifest, problem })
}

/// How the manifest disagrees with the object.
fn disagreement(object: &StoredObject, parsed: &Parsed, manifest: &Manifest) -> Option<String> {
    if manifest.stored_bytes != object.bytes {
        let (said, found) = (manifest.stored_bytes, object.bytes);
        return Some(format!("its manifest says {said} bytes, but {found} are stored"));
    }
    let of = match &parsed.subject {
        Subject::Globals => None,
        Subject::Database(name) => Some(name),
    };
    if manifest.key != object.key {
        return Some(format!("its manifest is for the key {}", manifest.key));
    }
    if manifest.scope != parsed.subject.scope() || of.is_some_and(|name| *name != manifest.database) {
        return Some(format!("its manifest is for {}", manifest.database));
    }
    None
}

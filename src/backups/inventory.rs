//! What a store holds of a job's backups. Other people's objects are not looked at.

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::manifest::{self, Manifest};
use super::naming::{Naming, Parsed, Subject};
use crate::error::{ErrorKind, Result};
use crate::storage::StoredObject;
use crate::storage::store::Store;

/// What follows a backup's key in the key of the note that it is being removed.
pub(crate) const TOMBSTONE: &str = ".pruned.json";

/// How many manifests are read at a time.
const READS_IN_FLIGHT: usize = 16;

/// What is known of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupState {
    /// It has a manifest, which agrees with its size.
    Good,
    /// It has a manifest, which says another size, or cannot be read.
    Damaged,
    /// It has no manifest: its run ended between the two, or pgsiphon did not write it.
    NoManifest,
}

impl BackupState {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            BackupState::Good => "good",
            BackupState::Damaged => "damaged",
            BackupState::NoManifest => "no manifest",
        }
    }
}

/// A backup that is stored.
#[derive(Debug, Clone)]
pub struct StoredBackup {
    /// The object.
    pub object: StoredObject,
    /// What its key says.
    pub parsed: Parsed,
    /// What is known of it.
    pub state: BackupState,
    /// Its manifest, if it could be read.
    pub manifest: Option<Manifest>,
    /// What is wrong, if something is.
    pub problem: Option<String>,
}

/// A job's backups in a store, by database and from old to new; and manifests without a backup,
/// which a prune that was interrupted the other way round would leave.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The backups.
    pub entries: Vec<StoredBackup>,
    /// Manifests of this job whose backup is gone.
    pub lonely_manifests: Vec<String>,
    /// Keys of backups of this job that a prune began to remove, and did not finish with.
    pub unfinished: Vec<String>,
}

impl Inventory {
    /// Lists what the store has under a job's keys, and reads the manifests.
    ///
    /// # Errors
    /// `StorageUnreachable`. That a manifest is damaged is part of the answer.
    pub async fn read(store: &dyn Store, job: &str, naming: &Naming) -> Result<Inventory> {
        Inventory::read_newest(store, job, naming, usize::MAX).await
    }

    /// The same for the newest `count` backups of each database, without reading what is older.
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
        // What another job wrote is not ours, whatever its key looks like.
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

    /// The good backups of one database, from old to new.
    pub fn good<'i>(&'i self, subject: &'i Subject) -> impl DoubleEndedIterator<Item = &'i StoredBackup> {
        self.entries
            .iter()
            .filter(move |entry| entry.state == BackupState::Good && entry.parsed.subject == *subject)
    }
}

/// What the keys of a listing say.
struct Listed {
    /// By database and from old to new.
    backups: Vec<Found>,
    /// Keys of backups that are gone, but for their manifest.
    lonely: Vec<String>,
    /// Keys of backups that a prune began to remove.
    doomed: Vec<String>,
}

struct Found {
    object: StoredObject,
    parsed: Parsed,
    has_manifest: bool,
}

impl Listed {
    /// `objects` are sorted by key; `count` is how many of each database are wanted.
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
        // The newest first, to count them.
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

/// What the manifest says otherwise than the object.
fn disagreement(object: &StoredObject, parsed: &Parsed, manifest: &Manifest) -> Option<String> {
    if manifest.stored_bytes != object.bytes {
        let (said, found) = (manifest.stored_bytes, object.bytes);
        return Some(format!("its manifest says {said} bytes, and {found} are stored"));
    }
    let of = match &parsed.subject {
        Subject::Globals => None,
        Subject::Database(name) => Some(name),
    };
    if manifest.key != object.key {
        return Some(format!("its manifest is for the key {}", manifest.key));
    }
    if manifest.scope != parsed.subject.scope() || of.is_some_and(|name| *name != manifest.database) {
        return Some(format!("its manifest is of {}", manifest.database));
    }
    None
}

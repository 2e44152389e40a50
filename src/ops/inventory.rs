//! What a store holds of a job's backups. Other people's objects are not looked at.

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::config::Job;
use crate::error::{ErrorKind, Result};
use crate::manifest::{self, Manifest};
use crate::naming::{Parsed, Subject};
use crate::store::{Object, Store};

/// What follows a backup's key in the key of the note that it is being removed.
pub(super) const TOMBSTONE: &str = ".pruned.json";

/// How many manifests are read at a time.
const READS_IN_FLIGHT: usize = 16;

/// What is known of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has a manifest, which agrees with its size.
    Good,
    /// It has a manifest, which says another size, or cannot be read.
    Damaged,
    /// It has no manifest: its run ended between the two, or pgsiphon did not write it.
    NoManifest,
}

impl State {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Damaged => "damaged",
            State::NoManifest => "no manifest",
        }
    }
}

/// A backup that is stored.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The object.
    pub object: Object,
    /// What its key says.
    pub parsed: Parsed,
    /// What is known of it.
    pub state: State,
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
    pub entries: Vec<Entry>,
    /// Manifests of this job whose backup is gone.
    pub lonely_manifests: Vec<String>,
    /// Keys of backups of this job that a prune began to remove, and did not finish with.
    pub unfinished: Vec<String>,
}

impl Inventory {
    /// Lists the store, and reads the manifests.
    ///
    /// # Errors
    /// `StorageUnreachable`. That a manifest is damaged is part of the answer.
    pub async fn read(store: &dyn Store, job: &Job) -> Result<Inventory> {
        let naming = &job.destination.naming;
        let objects = store.list(naming.common_prefix()).await?;
        let is_there = |key: &str| objects.binary_search_by(|object| object.key.as_str().cmp(key)).is_ok();
        let beside = |object: &Object, suffix: &str| {
            let key = object.key.strip_suffix(suffix).filter(|key| naming.parse(key).is_some());
            key.map(str::to_owned)
        };
        let lonely =
            objects.iter().filter(|o| beside(o, manifest::SUFFIX).is_some_and(|key| !is_there(&key)));
        let doomed = objects.iter().filter_map(|o| Some((&o.key, beside(o, TOMBSTONE)?)));
        let ours = objects.iter().filter_map(|object| {
            let parsed = naming.parse(&object.key)?;
            let has_manifest = is_there(&manifest::key_for(&object.key));
            Some((object.clone(), parsed, has_manifest))
        });
        let read = stream::iter(ours)
            .map(|(object, parsed, has_manifest)| entry(store, object, parsed, has_manifest))
            .buffered(READS_IN_FLIGHT);
        let mut entries: Vec<Entry> = read.try_collect().await?;
        // What another job wrote is not ours, whatever its key looks like.
        entries.retain(|entry| entry.manifest.as_ref().is_none_or(|manifest| manifest.job == job.name));
        entries.sort_by(|a, b| {
            (&a.parsed.subject, a.parsed.timestamp).cmp(&(&b.parsed.subject, b.parsed.timestamp))
        });
        let mut lonely_manifests = Vec::new();
        for object in lonely {
            if is_of_job(store, &object.key, job).await? {
                lonely_manifests.push(object.key.clone());
            }
        }
        let mut unfinished = Vec::new();
        for (tombstone, key) in doomed {
            if is_of_job(store, tombstone, job).await? {
                unfinished.push(key);
            }
        }
        entries.retain(|entry| !unfinished.contains(&entry.object.key));
        lonely_manifests.retain(|key| {
            let backup = key.strip_suffix(manifest::SUFFIX).unwrap_or(key);
            !unfinished.iter().any(|unfinished| unfinished == backup)
        });
        Ok(Inventory { entries, lonely_manifests, unfinished })
    }

    /// The good backups of one database, from old to new.
    pub fn good<'i>(&'i self, subject: &'i Subject) -> impl DoubleEndedIterator<Item = &'i Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.state == State::Good && entry.parsed.subject == *subject)
    }
}

/// Whether a manifest, or a copy of one, names this job.
async fn is_of_job(store: &dyn Store, key: &str, job: &Job) -> Result<bool> {
    let text = store.get(key, manifest::MAX_BYTES).await?;
    let manifest = text.and_then(|text| Manifest::from_json(&text, key).ok());
    Ok(manifest.is_some_and(|manifest| manifest.job == job.name))
}

async fn entry(store: &dyn Store, object: Object, parsed: Parsed, has_manifest: bool) -> Result<Entry> {
    let no_manifest = |object, parsed| Entry {
        object,
        parsed,
        state: State::NoManifest,
        manifest: None,
        problem: Some("there is no manifest beside it".to_owned()),
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
    let state = if problem.is_none() { State::Good } else { State::Damaged };
    Ok(Entry { object, parsed, state, manifest, problem })
}

/// What the manifest says otherwise than the object.
fn disagreement(object: &Object, parsed: &Parsed, manifest: &Manifest) -> Option<String> {
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

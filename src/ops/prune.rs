//! Removes the backups that no rule of retention keeps.
//!
//! A backup without its manifest counts for nothing, and is nobody's; so the manifest goes first,
//! and for a prune that is interrupted between the two there is a third object: the manifest's copy
//! under another name, which says that the backup is to be removed. It is written before and removed
//! after everything else, and the next prune finishes what it finds.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

use super::job_lock::JobLock;
use crate::backups::inventory::{BackupState, Inventory, StoredBackup, TOMBSTONE};
use crate::backups::manifest;
use crate::backups::retention::{self, Backup, Decision, Verdict};
use crate::config::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::conninfo::OsEnvironment;
use crate::progress::Warnings;
use crate::storage::PendingUpload;
use crate::storage::store::Store;

/// A pending upload that is older belongs to no run that lives.
const STALE: TimeDelta = TimeDelta::hours(24);

/// A backup this far in the future tells that a clock is wrong.
const FUTURE: TimeDelta = TimeDelta::hours(24);

/// How many requests are under way at a time.
const IN_FLIGHT: usize = 16;

/// What a prune would do, or does.
pub struct PrunePlan {
    /// What becomes of each good backup.
    pub decisions: Vec<Decision>,
    /// Keys of backups that an earlier prune began to remove.
    pub unfinished: Vec<String>,
    /// Manifests whose backup is gone.
    pub lonely_manifests: Vec<String>,
    /// Pending uploads of dead runs.
    pub stale_uploads: Vec<PendingUpload>,
    manifests: HashMap<String, Vec<u8>>,
}

impl PrunePlan {
    /// The backups that go.
    pub fn expired(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.verdict == Verdict::Expire)
    }
}

/// What a prune came to.
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// The keys of the backups that are gone.
    pub removed: Vec<String>,
    /// How many pending uploads are.
    pub removed_uploads: usize,
    /// What could not be removed.
    pub failures: Vec<String>,
}

impl Pruned {
    /// The error, if not everything could be removed.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub fn result(&self) -> Result<()> {
        match self.failures.first() {
            None => Ok(()),
            Some(first) => Err(Error::new(ErrorKind::StorageFailed, "remove all expired backups")
                .because(format!(
                    "{} were removed, {} failed: {first}",
                    self.removed.len(),
                    self.failures.len()
                ))
                .hint("run it again: it goes on where it stopped")),
        }
    }
}

/// Decides what a prune at `now` would remove. Removes nothing.
///
/// # Errors
/// `Usage`, if there are no rules; `PruneRefused`, if something is wrong that a person should look
/// at before anything is removed; `StorageUnreachable`.
pub async fn plan(
    store: &dyn Store,
    job: &Job,
    now: DateTime<Utc>,
    warnings: &Warnings,
) -> Result<PrunePlan> {
    if !job.retention.has_rules() {
        return Err(Error::new(ErrorKind::Usage, format!("prune job \"{}\"", job.name))
            .because("no rule says what to keep")
            .hint("set retention.keep_last, keep_daily, keep_weekly, keep_monthly or keep_yearly"));
    }
    let inventory = Inventory::read(store, &job.name, &job.destination.naming).await?;
    refuse(store, job, &inventory, now)?;
    let decisions = decide(store, job, &inventory, now).await?;
    let expired: HashSet<&str> = decisions
        .iter()
        .filter(|decision| decision.verdict == Verdict::Expire)
        .map(|decision| decision.backup.key.as_str())
        .collect();
    let manifests = inventory.entries.iter().filter(|entry| expired.contains(entry.object.key.as_str()));
    let manifests = manifests
        .filter_map(|entry| Some((entry.object.key.clone(), entry.manifest.as_ref()?.to_json())))
        .map(|(key, text)| Ok((key, text?)))
        .collect::<Result<_>>()?;
    let stale_uploads = stale_uploads(store, job, now, warnings).await?;
    Ok(PrunePlan {
        decisions,
        unfinished: inventory.unfinished,
        lonely_manifests: inventory.lonely_manifests,
        stale_uploads,
        manifests,
    })
}

/// Refuses where a person should look first.
fn refuse(store: &dyn Store, job: &Job, inventory: &Inventory, now: DateTime<Utc>) -> Result<()> {
    let refused = |reason: String, hint: &str| {
        Err(Error::new(ErrorKind::PruneRefused, format!("prune job \"{}\"", job.name))
            .because(reason)
            .hint(hint))
    };
    for entries in inventory.entries.chunk_by(|a, b| a.parsed.subject == b.parsed.subject) {
        let Some(newest) = entries.last() else { continue };
        let subject = &newest.parsed.subject;
        if newest.parsed.timestamp > now + FUTURE {
            let when = newest.parsed.timestamp.format("%Y-%m-%d %H:%M:%S UTC");
            return refused(
                format!(
                    "the newest backup of {subject} is of {when}, and it is {}",
                    now.format("%Y-%m-%d %H:%M:%S UTC")
                ),
                "set the clock, or remove what has a wrong time",
            );
        }
        if newest.state == BackupState::Damaged {
            let problem = newest.problem.clone().unwrap_or_default();
            return refused(
                format!(
                    "the newest backup of {subject}, {}, is damaged: {problem}",
                    store.shown(&newest.object.key)
                ),
                "look at it, and remove it or make a good one first",
            );
        }
    }
    Ok(())
}

/// Applies the rules; what they would remove is looked at for locks, until nothing new comes up.
async fn decide(
    store: &dyn Store,
    job: &Job,
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<Vec<Decision>> {
    // Without a manifest that names this job, it is not ours.
    let mut backups: Vec<Backup> = inventory.entries.iter().filter_map(backup).collect();
    let mut asked: HashSet<String> = HashSet::new();
    loop {
        let decisions = retention::plan(&job.retention, &backups, now);
        let expired = decisions.iter().filter(|decision| decision.verdict == Verdict::Expire);
        let new: Vec<String> =
            expired.map(|decision| decision.backup.key.clone()).filter(|key| !asked.contains(key)).collect();
        if new.is_empty() {
            return Ok(decisions);
        }
        let locks: Vec<Result<(String, Option<String>)>> = stream::iter(new)
            .map(|key| async move { store.lock_of(&key).await.map(|lock| (key, lock)) })
            .buffered(IN_FLIGHT)
            .collect()
            .await;
        for lock in locks {
            let (key, locked) = lock?;
            if let Some(backup) = backups.iter_mut().find(|backup| backup.key == key) {
                backup.locked = locked;
            }
            asked.insert(key);
        }
    }
}

fn backup(entry: &StoredBackup) -> Option<Backup> {
    let manifest = entry.manifest.as_ref()?;
    Some(Backup {
        key: entry.object.key.clone(),
        subject: entry.parsed.subject.clone(),
        run_id: manifest.run_id.clone(),
        timestamp: entry.parsed.timestamp,
        is_good: entry.state == BackupState::Good,
        locked: None,
    })
}

async fn stale_uploads(
    store: &dyn Store,
    job: &Job,
    now: DateTime<Utc>,
    warnings: &Warnings,
) -> Result<Vec<PendingUpload>> {
    let naming = &job.destination.naming;
    let pending = match store.pending(naming.common_prefix()).await {
        Ok(pending) => pending,
        // Who may remove objects need not have the right to see uploads.
        Err(error) => {
            warnings.warn(error.report());
            return Ok(Vec::new());
        }
    };
    let is_stale = |upload: &PendingUpload| upload.initiated.is_some_and(|initiated| now - initiated > STALE);
    Ok(pending.into_iter().filter(|upload| is_stale(upload) && naming.parse(&upload.key).is_some()).collect())
}

/// Carries a plan out. What fails is in the answer, and the rest is done nevertheless.
pub async fn apply(store: &dyn Store, job: &Job, plan: &PrunePlan, warnings: &Warnings) -> Pruned {
    let mut pruned = Pruned::default();
    let mut doomed: Vec<String> = plan.unfinished.clone();
    let expired: Vec<String> = plan.expired().map(|decision| decision.backup.key.clone()).collect();
    let marking = stream::iter(expired)
        .map(|key| async move {
            let text = plan.manifests.get(&key).cloned().unwrap_or_default();
            let marked = store.put(&tombstone(&key), Bytes::from(text), "application/json").await;
            (key, marked)
        })
        .buffered(IN_FLIGHT)
        .collect::<Vec<_>>();
    for (key, marked) in marking.await {
        match marked {
            Ok(()) => doomed.push(key),
            Err(error) => pruned.failures.push(error.report()),
        }
    }
    let doomed = remove(store, &doomed, manifest::key_for, &mut pruned.failures).await;
    let doomed = remove(store, &doomed, str::to_owned, &mut pruned.failures).await;
    let gone = remove(store, &doomed, tombstone, &mut pruned.failures).await;
    for key in &gone {
        tracing::info!("removed {}", store.shown(key));
    }
    pruned.removed = doomed;
    remove(store, &plan.lonely_manifests, str::to_owned, &mut pruned.failures).await;
    if !plan.stale_uploads.is_empty() && !is_running(job, warnings).await {
        for upload in &plan.stale_uploads {
            match store.abort(upload).await {
                Ok(()) => pruned.removed_uploads += 1,
                Err(error) => pruned.failures.push(error.report()),
            }
        }
    }
    pruned
}

fn tombstone(key: &str) -> String {
    format!("{key}{TOMBSTONE}")
}

/// Removes what belongs to these keys; gives the keys for which that succeeded.
async fn remove(
    store: &dyn Store,
    keys: &[String],
    belonging: impl Fn(&str) -> String,
    failures: &mut Vec<String>,
) -> Vec<String> {
    let objects: Vec<String> = keys.iter().map(|key| belonging(key)).collect();
    let outcomes = store.delete(&objects).await;
    let mut removed = Vec::with_capacity(keys.len());
    for (key, outcome) in keys.iter().zip(outcomes) {
        match outcome {
            Ok(()) => removed.push(key.clone()),
            Err(error) => failures.push(error.report()),
        }
    }
    removed
}

/// Whether a run holds the job's lock: then an upload may be old and alive. Where the source cannot
/// be asked, its age decides.
async fn is_running(job: &Job, warnings: &Warnings) -> bool {
    let taken = async {
        let params = job.source.params(None, &OsEnvironment).await?;
        JobLock::take(&params, &job.name).await
    };
    match taken.await {
        Ok(lock) => {
            lock.release().await;
            false
        }
        Err(error) if error.kind() == ErrorKind::JobLocked => {
            warnings.warn("pending uploads are left alone because a run is in progress");
            true
        }
        Err(error) => {
            tracing::debug!("the source does not say whether a run is under way: {}", error.report());
            false
        }
    }
}

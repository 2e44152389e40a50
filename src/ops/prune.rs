//! Removes the backups that no retention rule keeps.
//!
//! A backup without a manifest does not count as good, and belongs to no job, so the manifest is deleted
//! first. In case a prune is interrupted between the two, there is a third object: a copy of the
//! manifest under another name, which marks the backup for removal. It is written before anything is
//! deleted, and deleted last, and the next prune finishes what it finds.

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

/// Pending uploads older than this do not belong to a run in progress.
const STALE: TimeDelta = TimeDelta::hours(24);

/// A backup this far in the future means that a clock is wrong.
const FUTURE: TimeDelta = TimeDelta::hours(24);

/// How many requests run concurrently.
const IN_FLIGHT: usize = 16;

/// What a prune would remove.
pub struct PrunePlan {
    /// The decision about each good backup.
    pub decisions: Vec<Decision>,
    /// Keys of backups whose removal an earlier prune began.
    pub unfinished: Vec<String>,
    /// Manifests without a backup.
    pub lonely_manifests: Vec<String>,
    /// Pending uploads of killed runs.
    pub stale_uploads: Vec<PendingUpload>,
    manifests: HashMap<String, Vec<u8>>,
}

impl PrunePlan {
    /// The backups to be removed.
    pub fn expired(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.verdict == Verdict::Expire)
    }
}

/// The result of a prune.
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// The keys of the removed backups.
    pub removed: Vec<String>,
    /// How many pending uploads were removed.
    pub removed_uploads: usize,
    /// What could not be removed.
    pub failures: Vec<String>,
}

impl Pruned {
    /// Returns an error if something could not be removed.
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
                .hint("run it again to continue where it stopped")),
        }
    }
}

/// Decides what a prune at `now` would remove. Changes nothing.
///
/// # Errors
/// `Usage`, if there are no rules; `PruneRefused`, if something is wrong that a person should look at
/// first; `StorageUnreachable`.
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

/// Refuses if something is wrong that a person should look at first.
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
                    "the newest backup of {subject} is dated {when}, but now it is {}",
                    now.format("%Y-%m-%d %H:%M:%S UTC")
                ),
                "set the clock, or remove the backups with a wrong time",
            );
        }
        if newest.state == BackupState::Damaged {
            let problem = newest.problem.clone().unwrap_or_default();
            return refused(
                format!(
                    "the newest backup of {subject}, {}, is damaged: {problem}",
                    store.shown(&newest.object.key)
                ),
                "inspect it, and then remove it or make a good backup first",
            );
        }
    }
    Ok(())
}

/// Applies the rules. Backups to be removed are checked for locks, which may change the decisions, until
/// nothing changes.
async fn decide(
    store: &dyn Store,
    job: &Job,
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<Vec<Decision>> {
    // A backup without a manifest naming this job is not ours.
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
        // A role that may remove objects need not be allowed to list uploads.
        Err(error) => {
            warnings.warn(error.report());
            return Ok(Vec::new());
        }
    };
    let is_stale = |upload: &PendingUpload| upload.initiated.is_some_and(|initiated| now - initiated > STALE);
    Ok(pending.into_iter().filter(|upload| is_stale(upload) && naming.parse(&upload.key).is_some()).collect())
}

/// Carries out a plan. A failure is recorded in the result, and does not stop the rest.
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

/// Deletes the objects that belong to these keys, and returns the keys for which that succeeded.
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

/// Whether a run holds the job's lock. An old upload may then still be in progress. If the source cannot
/// be asked, the upload's age decides.
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
            tracing::debug!("cannot ask the source whether a run is in progress: {}", error.report());
            false
        }
    }
}

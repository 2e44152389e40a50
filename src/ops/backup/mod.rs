//! Runs a job: backs up each of its databases to its own key, and roles and tablespaces to another.
//!
//! A failed database does not stop the others. The run holds the job's lock from start to end (see
//! [`super::job_lock`]), so anything pending under the job's keys was left by a run that was killed, and
//! is removed at once rather than after a day.

mod attempt;
mod record;
mod retry;

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures::future::FutureExt;
use tokio_util::sync::CancellationToken;

use super::job_lock::JobLock;
use super::report::{BackupReport, Failure, Outcome, RunReport};
use super::{databases, prune};
use crate::backups::inventory::Inventory;
use crate::backups::manifest;
use crate::backups::naming::Subject;
use crate::config::{Connector, Job};
use crate::error::Result;
use crate::pg::connect::connect;
use crate::pg::conninfo::OsEnvironment;
use crate::progress::{Progress, Warnings};
use crate::storage::PendingUpload;
use crate::storage::store::{self, Store};
pub(super) use attempt::{dump_options, session_options};
use retry::{cancelled_within, interrupted, may_pass, or_interrupted, pauses, retried};

/// How many earlier backups a backup's size is compared with.
const PREDECESSORS: usize = 5;

/// What a run would do.
#[derive(Debug)]
pub struct RunPlan {
    /// What it would back up, and to which keys.
    pub backups: Vec<(Subject, String)>,
    /// Uploads left by killed runs, which it would remove.
    pub pending: Vec<PendingUpload>,
}

/// Finds out what a run started at `now` would do. Changes nothing and takes no lock, so an upload that
/// seems abandoned may belong to a run in progress.
///
/// # Errors
/// Those of connecting to the source and to the storage.
pub async fn plan(job: &Job, now: DateTime<Utc>) -> Result<RunPlan> {
    let store = store::open(&job.destination.place).await?;
    let connector = job.source.connector().await?;
    let subjects = subjects(job, &connector).await?;
    let key = |subject: Subject| {
        let key = job.destination.naming.key(&subject, now);
        (subject, key)
    };
    let pending = own_pending(&*store, job, &subjects).await?;
    Ok(RunPlan { backups: subjects.into_iter().map(key).collect(), pending })
}

/// Runs a job. `now` is the time in its keys. This function does not fail: failures are in the report.
/// When `shutdown` is cancelled, the run ends soon, and leaves nothing incomplete.
pub async fn run(
    job: &Job,
    now: DateTime<Utc>,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> RunReport {
    let mut report = RunReport {
        job: job.name.clone(),
        run_id: format!("{:016x}", rand::random::<u64>()),
        started_at: now,
        finished_at: now,
        succeeded: false,
        backups: Vec::new(),
        warnings: Vec::new(),
        removed_uploads: 0,
        pruned: 0,
        failure: None,
    };
    let started = Instant::now();
    let warnings = Warnings::default();
    if let Err(error) = run_all(job, now, progress, &warnings, shutdown, &mut report).boxed().await {
        report.failure = Some(Failure::from(&error));
    }
    report.warnings = warnings.texts();
    report.succeeded = report.first_failure().is_none();
    report.finished_at = now + started.elapsed();
    report
}

async fn run_all(
    job: &Job,
    now: DateTime<Utc>,
    progress: Arc<dyn Progress>,
    warnings: &Warnings,
    shutdown: CancellationToken,
    report: &mut RunReport,
) -> Result<()> {
    let store = store::open(&job.destination.place).await?;
    let beginning = retried(job.attempts, warnings, &shutdown, || begin(job, warnings).boxed());
    let Begun { lock, subjects, connected } = or_interrupted(&shutdown, beginning).await?;
    report.removed_uploads = clean_up(&*store, job, &subjects, warnings).boxed().await;
    let inventory = match Inventory::read_newest(&*store, &job.name, &job.destination.naming, PREDECESSORS)
        .boxed()
        .await
    {
        Ok(inventory) => inventory,
        // A writer need not be allowed to list; then sizes are not compared.
        Err(error) => {
            warnings.warn(format_args!("cannot compare the size with earlier backups: {}", error.report()));
            Inventory::default()
        }
    };
    let mut run = JobRun {
        job,
        store: &*store,
        now,
        run_id: report.run_id.clone(),
        inventory,
        connected,
        lock: Some(lock),
        warnings: warnings.clone(),
        progress,
        shutdown,
    };
    for subject in subjects {
        let interrupted = run.shutdown.is_cancelled();
        let backup = if interrupted { run.not_begun(&subject) } else { run.backup(&subject).boxed().await };
        report.backups.push(backup);
    }
    let lock = run.lock.take();
    let is_complete = report.backups.iter().all(|backup| backup.failure().is_none());
    let pruned = match job.prune_after_backup && is_complete {
        true => prune_after(&*store, job, now, warnings, report).boxed().await,
        false => Ok(()),
    };
    if let Some(lock) = lock {
        lock.release().await;
    }
    pruned
}

async fn prune_after(
    store: &dyn Store,
    job: &Job,
    now: DateTime<Utc>,
    warnings: &Warnings,
    report: &mut RunReport,
) -> Result<()> {
    let mut plan = prune::plan(store, job, now, warnings).await?;
    // Already removed when the run began.
    plan.stale_uploads.clear();
    let pruned = prune::apply(store, job, &plan, warnings).await;
    report.pruned = pruned.removed.len();
    pruned.result()
}

/// A run that may proceed.
struct Begun {
    lock: JobLock,
    subjects: Vec<Subject>,
    /// The database that the source settings name.
    connected: String,
}

async fn begin(job: &Job, warnings: &Warnings) -> Result<Begun> {
    let connector = job.source.connector().await?.warning(warnings);
    let params = connector.params(None, &OsEnvironment)?;
    let lock = JobLock::take(&params, &job.name).await?;
    let subjects = subjects(job, &connector).await?;
    Ok(Begun { lock, subjects, connected: params.dbname })
}

/// Globals first, since a restore needs them first; then the databases by name.
async fn subjects(job: &Job, connector: &Connector) -> Result<Vec<Subject>> {
    let params = connector.params(None, &OsEnvironment)?;
    let session = connect(&params).await?;
    let names = databases::list(&session, &job.databases, &params.dbname).await?;
    session.close().await;
    let globals = job.databases.globals.then_some(Subject::Globals);
    Ok(globals.into_iter().chain(names.into_iter().map(Subject::Database)).collect())
}

/// The pending uploads for keys that only this job writes.
async fn own_pending(store: &dyn Store, job: &Job, subjects: &[Subject]) -> Result<Vec<PendingUpload>> {
    let naming = &job.destination.naming;
    let pending = store.pending(naming.common_prefix()).await?.into_iter();
    Ok(pending
        .filter(|upload| {
            let key = upload.key.strip_suffix(manifest::SUFFIX).unwrap_or(&upload.key);
            naming.parse(key).is_some_and(|parsed| subjects.contains(&parsed.subject))
        })
        .collect())
}

/// Removes what killed runs left, and returns the number of uploads removed. A failure is only a
/// warning: the backup matters more than the space.
async fn clean_up(store: &dyn Store, job: &Job, subjects: &[Subject], warnings: &Warnings) -> usize {
    let pending = match own_pending(store, job, subjects).boxed().await {
        Ok(pending) => pending,
        Err(error) => {
            warnings.warn(format_args!("cannot look for uploads left by killed runs: {}", error.report()));
            return 0;
        }
    };
    let mut removed = 0;
    for upload in pending {
        match store.abort(&upload).await {
            Ok(()) => {
                tracing::info!("removed an incomplete upload of {}", store.shown(&upload.key));
                removed += 1;
            }
            Err(error) => warnings.warn(error.report()),
        }
    }
    removed
}

/// A run that holds its job's lock.
struct JobRun<'a> {
    job: &'a Job,
    store: &'a dyn Store,
    now: DateTime<Utc>,
    run_id: String,
    inventory: Inventory,
    connected: String,
    /// None after the lock was lost and could not be taken again.
    lock: Option<JobLock>,
    /// Of the run as a whole; each backup has its own.
    warnings: Warnings,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
}

impl JobRun<'_> {
    fn new_report(&self, subject: &Subject, outcome: Outcome) -> BackupReport {
        let key = self.job.destination.naming.key(subject, self.now);
        BackupReport {
            database: match subject {
                Subject::Database(name) => name.clone(),
                Subject::Globals => String::new(),
            },
            globals: *subject == Subject::Globals,
            location: self.store.shown(&key),
            key,
            attempts: 0,
            seconds: 0.0,
            outcome,
            warnings: Vec::new(),
        }
    }

    fn not_begun(&self, subject: &Subject) -> BackupReport {
        self.new_report(subject, Outcome::Failed(Failure::from(&interrupted())))
    }

    /// Backs up one database, or the globals, in up to the configured number of attempts.
    async fn backup(&mut self, subject: &Subject) -> BackupReport {
        let started = Instant::now();
        let mut attempts = 0;
        let mut pauses = pauses(self.job.attempts);
        let (outcome, warnings) = loop {
            attempts += 1;
            let warnings = Warnings::default();
            let error = match self.attempt(subject, &warnings).boxed().await {
                Ok((dumped, began)) => {
                    self.warn_if_small(subject, dumped.summary.written.stored_bytes, &warnings);
                    let stored = self.record(subject, began, dumped, &warnings).await;
                    break (stored, warnings);
                }
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| may_pass(&error) && !self.shutdown.is_cancelled());
            let Some(pause) = pause else { break (Err(error), warnings) };
            self.warnings.warn(format_args!(
                "back up {subject}: attempt {attempts} failed; trying again in {} s: {}",
                pause.as_secs(),
                error.report()
            ));
            if cancelled_within(&self.shutdown, pause).await {
                break (Err(interrupted()), warnings);
            }
        };
        let outcome = outcome.unwrap_or_else(|error| Outcome::Failed(Failure::from(&error)));
        let mut report = self.new_report(subject, outcome);
        report.attempts = attempts;
        report.seconds = started.elapsed().as_secs_f64();
        report.warnings = warnings.texts();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scheduler spawns it as a task.
    #[test]
    fn a_run_can_be_moved_to_another_thread() {
        fn is_send<F: Future + Send>(_: impl Fn(&'static Job) -> F) {}
        let progress = || Arc::new(crate::progress::Silent) as Arc<dyn Progress>;
        is_send(|job| run(job, Utc::now(), progress(), CancellationToken::new()));
    }
}

//! A run of a job: each of its databases to a key of its own, and roles and tablespaces beside them.
//!
//! One database that fails does not stop the others. The run holds the job's slot from its begin to
//! its end (see [`crate::ops::job_lock`]); while it does, whatever is pending under the job's keys was left
//! by the dead, and is removed at once rather than after a day.

use std::sync::Arc;
use std::time::Instant;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use futures::future::{BoxFuture, FutureExt};
use tokio_util::sync::CancellationToken;

use super::job_lock::JobLock;
use super::report::{BackupReport, Failure, Outcome, RunReport};
use super::retry::may_pass;
use super::{databases, prune, warnings};
use crate::backups::inventory::Inventory;
use crate::backups::manifest::{self, FORMAT_VERSION, Manifest, hex};
use crate::backups::naming::Subject;
use crate::codec::Compression;
use crate::config::{Attempts, Connector, Job};
use crate::dump::{ClusterRequest, DumpRequest, Dumped, dump, dump_cluster};
use crate::error::{Error, Result};
use crate::pg::connect::connect;
use crate::pg::conninfo::OsEnvironment;
use crate::pg::error::sqlstate;
use crate::progress::Progress;
use crate::select::options::{ClusterOptions, DumpOptions};
use crate::snapshot::SessionOptions;
use crate::storage::PendingUpload;
use crate::storage::sink::Sink;
use crate::storage::store::{self, Store};

/// How many predecessors a backup's size is compared with.
const PREDECESSORS: usize = 5;

/// What a run would do.
#[derive(Debug)]
pub struct RunPlan {
    /// What it would back up, and to which keys.
    pub backups: Vec<(Subject, String)>,
    /// The uploads of dead runs that it would remove.
    pub pending: Vec<PendingUpload>,
}

/// Finds out what a run that began at `now` would do. Nothing is changed, and no slot is taken: what
/// seems to be left by a dead run may be a living one's.
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

/// Runs a job. `now` is the time that its keys bear. What failed is in the report: this function
/// itself does not. When `shutdown` is cancelled, the run ends soon, and leaves nothing half done.
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
    let running = run_all(job, now, progress, shutdown, &mut report).boxed();
    let (ended, warned) = warnings::remember(running).await;
    if let Err(error) = ended {
        report.failure = Some(Failure::from(&error));
    }
    // Warnings of single backups are with them.
    report.warnings.extend(warned);
    report.succeeded = report.first_failure().is_none();
    report.finished_at = now + started.elapsed();
    report
}

async fn run_all(
    job: &Job,
    now: DateTime<Utc>,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
    report: &mut RunReport,
) -> Result<()> {
    let store = store::open(&job.destination.place).await?;
    let Begun { slot, subjects, connected } =
        or_interrupted(&shutdown, retried(job.attempts, &shutdown, || begin(job).boxed())).await?;
    report.removed_uploads = clean_up(&*store, job, &subjects).boxed().await;
    let inventory =
        match Inventory::read_newest(&*store, &job.name, &job.destination.naming, PREDECESSORS).boxed().await
        {
            Ok(inventory) => inventory,
            // A writer need not have the right to list: then sizes are compared with nothing.
            Err(error) => {
                tracing::warn!("the sizes of earlier backups are unknown: {}", error.report());
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
        slot: Some(slot),
        progress,
        shutdown,
    };
    for subject in subjects {
        let interrupted = run.shutdown.is_cancelled();
        let backup = if interrupted { run.not_begun(&subject) } else { run.backup(&subject).boxed().await };
        report.backups.push(backup);
    }
    let slot = run.slot.take();
    let is_complete = report.backups.iter().all(|backup| backup.failure().is_none());
    let pruned = match job.prune_after_backup && is_complete {
        true => prune_after(&*store, job, now, report).boxed().await,
        false => Ok(()),
    };
    if let Some(slot) = slot {
        slot.release().await;
    }
    pruned
}

/// Removes old backups, now that there are new ones.
async fn prune_after(store: &dyn Store, job: &Job, now: DateTime<Utc>, report: &mut RunReport) -> Result<()> {
    let mut plan = prune::plan(store, job, now).await?;
    // They were removed when the run began.
    plan.stale_uploads.clear();
    let pruned = prune::apply(store, job, &plan).await;
    report.pruned = pruned.removed.len();
    pruned.result()
}

/// A run that may go on.
struct Begun {
    slot: JobLock,
    subjects: Vec<Subject>,
    /// The database that the source's settings name.
    connected: String,
}

/// Takes the slot, and lists what is to be backed up.
async fn begin(job: &Job) -> Result<Begun> {
    let connector = job.source.connector().await?;
    let params = connector.params(None, &OsEnvironment)?;
    let slot = JobLock::take(&params, &job.name).await?;
    let subjects = subjects(job, &connector).await?;
    Ok(Begun { slot, subjects, connected: params.dbname })
}

/// Globals first, as a restore wants them; then the databases by name.
async fn subjects(job: &Job, connector: &Connector) -> Result<Vec<Subject>> {
    let params = connector.params(None, &OsEnvironment)?;
    let session = connect(&params).await?;
    let names = databases::list(&session, &job.databases, &params.dbname).await?;
    session.close().await;
    let globals = job.databases.globals.then_some(Subject::Globals);
    Ok(globals.into_iter().chain(names.into_iter().map(Subject::Database)).collect())
}

/// The pending uploads for keys that this job writes, and nobody else.
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

/// Removes what dead runs left, and says how much that was. Failing to is a warning: the backup is
/// worth more than the space.
async fn clean_up(store: &dyn Store, job: &Job, subjects: &[Subject]) -> usize {
    let pending = match own_pending(store, job, subjects).boxed().await {
        Ok(pending) => pending,
        Err(error) => {
            tracing::warn!("what dead runs may have left is unknown: {}", error.report());
            return 0;
        }
    };
    let mut removed = 0;
    for upload in pending {
        match store.abort(&upload).await {
            Ok(()) => {
                tracing::info!("removed what a dead run left for {}", store.shown(&upload.key));
                removed += 1;
            }
            Err(error) => tracing::warn!("{}", error.report()),
        }
    }
    removed
}

/// How a job's sessions are set up.
pub(super) fn session_options(job: &Job) -> SessionOptions {
    SessionOptions {
        role: job.source.role.clone(),
        lock_wait_timeout: job.dump.lock_wait_timeout.clone(),
        ..SessionOptions::default()
    }
}

/// What a job dumps of each database.
pub(super) fn dump_options(job: &Job) -> DumpOptions {
    let mut options = DumpOptions::new(restrict_key());
    options.patterns.exclude_schemas = job.dump.exclude_schemas.clone();
    options.patterns.exclude_tables = job.dump.exclude_tables.clone();
    options.patterns.exclude_table_data = job.dump.exclude_table_data.clone();
    options.allow_unknown = job.dump.allow_unknown;
    options
}

/// A run that holds its slot.
struct JobRun<'a> {
    job: &'a Job,
    store: &'a dyn Store,
    now: DateTime<Utc>,
    run_id: String,
    inventory: Inventory,
    connected: String,
    /// None after a loss that could not be made good.
    slot: Option<JobLock>,
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

    /// Backs one database up, or the globals, in as many attempts as it takes or is allowed.
    async fn backup(&mut self, subject: &Subject) -> BackupReport {
        let started = Instant::now();
        let mut attempts = 0;
        let mut pauses = pauses(self.job.attempts);
        let (outcome, warned) = loop {
            attempts += 1;
            let (outcome, warned) = warnings::remember(self.attempt(subject).boxed()).await;
            let error = match outcome {
                Ok((dumped, began)) => {
                    let mut warned = warned;
                    warned.extend(self.suspicion(subject, dumped.summary.stored_bytes));
                    let stored = self.record(subject, began, dumped, &warned).await;
                    break (stored, warned);
                }
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| may_pass(&error) && !self.shutdown.is_cancelled());
            let Some(pause) = pause else { break (Err(error), warned) };
            tracing::warn!(
                "back up {subject}: attempt {attempts} failed, and there is another in {} s: {}",
                pause.as_secs(),
                error.report()
            );
            if cancelled_within(&self.shutdown, pause).await {
                break (Err(interrupted()), warned);
            }
        };
        let outcome = outcome.unwrap_or_else(|error| Outcome::Failed(Failure::from(&error)));
        let mut report = self.new_report(subject, outcome);
        report.attempts = attempts;
        report.seconds = started.elapsed().as_secs_f64();
        report.warnings = warned;
        report
    }

    async fn attempt(&mut self, subject: &Subject) -> Result<(Dumped, DateTime<Utc>)> {
        let connector = self.job.source.connector().await?;
        if self.slot.as_ref().is_none_or(|slot| slot.lost().is_cancelled()) {
            self.slot = None;
            // Somebody else may have it by now; then this run is over.
            self.slot = Some(JobLock::take(&connector.params(None, &OsEnvironment)?, &self.job.name).await?);
        }
        let Some(slot) = &self.slot else { return Err(interrupted()) };
        let began = Utc::now().trunc_subsecs(0);
        let stop = self.shutdown.child_token();
        let dumping = self.dump(subject, connector, stop.clone()).boxed();
        let watching = async {
            slot.lost().cancelled().await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        let dumped = tokio::select! {
            dumped = dumping => dumped,
            () = watching => Err(slot.loss()),
        };
        match dumped {
            Err(_) if slot.lost().is_cancelled() && !self.shutdown.is_cancelled() => Err(slot.loss()),
            dumped => dumped.map(|dumped| (dumped, began)),
        }
    }

    async fn dump(&self, subject: &Subject, connector: Connector, stop: CancellationToken) -> Result<Dumped> {
        match subject {
            Subject::Database(name) => {
                let request = DumpRequest {
                    params: connector.params(Some(name), &OsEnvironment)?,
                    session: session_options(self.job),
                    options: dump_options(self.job),
                    compression: self.compression(subject),
                    jobs: self.job.dump.jobs,
                    sink: self.sink(subject).await?,
                };
                dump(request, Arc::clone(&self.progress), stop).await
            }
            Subject::Globals => match self.globals(connector.clone(), false, stop.clone()).await {
                Err(error) if sqlstate(&error).is_some_and(|state| state.code() == "42501") => {
                    tracing::warn!(
                        "roles are backed up without their passwords, which only superusers may read"
                    );
                    self.globals(connector, true, stop).await
                }
                dumped => dumped,
            },
        }
    }

    async fn globals(
        &self,
        connector: Connector,
        no_role_passwords: bool,
        stop: CancellationToken,
    ) -> Result<Dumped> {
        let subject = Subject::Globals;
        let request = ClusterRequest {
            database: Some(self.connected.clone()),
            params_for: Box::new(move |database| connector.params(Some(database), &OsEnvironment)),
            session: session_options(self.job),
            cluster: ClusterOptions {
                roles: true,
                tablespaces: true,
                databases: false,
                no_role_passwords,
                exclude_databases: Vec::new(),
            },
            options: DumpOptions::new(restrict_key()),
            compression: self.compression(&subject),
            jobs: 1,
            sink: self.sink(&subject).await?,
        };
        dump_cluster(request, Arc::clone(&self.progress), stop).await
    }

    async fn sink(&self, subject: &Subject) -> Result<Box<dyn Sink>> {
        let key = self.job.destination.naming.key(subject, self.now);
        self.store.sink(&key, self.compression(subject).content_type()).await
    }

    fn compression(&self, subject: &Subject) -> Compression {
        match subject {
            Subject::Database(_) => self.job.dump.compression,
            Subject::Globals => self.job.dump.globals_compression,
        }
    }

    /// Whether the backup is much smaller than those before it.
    fn suspicion(&self, subject: &Subject, stored_bytes: u64) -> Option<String> {
        let mut sizes: Vec<u64> =
            self.inventory.good(subject).rev().take(PREDECESSORS).map(|entry| entry.object.bytes).collect();
        let warning = too_small(&mut sizes, stored_bytes, self.job.min_size_ratio)?;
        tracing::warn!("{subject}: {warning}");
        Some(warning)
    }

    /// Stores the manifest. Only with it the backup counts as good.
    async fn record(
        &self,
        subject: &Subject,
        began: DateTime<Utc>,
        dumped: Dumped,
        warned: &[String],
    ) -> Result<Outcome> {
        let Dumped { summary, server_version, relations, large_objects } = dumped;
        let key = self.job.destination.naming.key(subject, self.now);
        let database = match subject {
            Subject::Database(name) => name.clone(),
            Subject::Globals => self.connected.clone(),
        };
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            pgsiphon_version: env!("CARGO_PKG_VERSION").to_owned(),
            job: self.job.name.clone(),
            run_id: self.run_id.clone(),
            scope: subject.scope(),
            database,
            server_version,
            started_at: began,
            finished_at: Utc::now().trunc_subsecs(0),
            timestamp: self.now.trunc_subsecs(0),
            key: key.clone(),
            stored_bytes: summary.stored_bytes,
            text_bytes: summary.raw_bytes,
            sha256: hex(&summary.sha256),
            text_crc32: format!("{:08x}", summary.crc32),
            compression: self.compression(subject).to_string(),
            relations,
            large_objects,
            warnings: warned.to_vec(),
        };
        let text = Bytes::from(manifest.to_json()?);
        let stored = self.store.put(&manifest::key_for(&key), text, "application/json").await;
        stored.map_err(|error| {
            error
                .context(format!("record the backup {}", self.store.shown(&key)))
                .and_hint("the backup itself is stored, whole; but without its manifest it is not counted")
        })?;
        Ok(Outcome::Stored {
            relations: manifest.relations.len(),
            rows: manifest.rows(),
            large_objects: manifest.large_objects,
            text_bytes: manifest.text_bytes,
            stored_bytes: manifest.stored_bytes,
            sha256: manifest.sha256,
        })
    }
}

/// Says so if a backup is suspiciously small.
fn too_small(predecessors: &mut [u64], stored_bytes: u64, min_ratio: f64) -> Option<String> {
    predecessors.sort_unstable();
    let median = *predecessors.get(predecessors.len() / 2)?;
    ((stored_bytes as f64) < median as f64 * min_ratio).then(|| {
        let count = predecessors.len();
        format!("the backup has {stored_bytes} bytes, and the median of the {count} before it is {median}: is something missing?")
    })
}

/// What psql is to be locked with while it reads the dump: unknown to who wrote the data.
fn restrict_key() -> String {
    hex(&rand::random::<[u8; 32]>())
}

fn pauses(attempts: Attempts) -> impl Iterator<Item = std::time::Duration> {
    ExponentialBuilder::default()
        .with_min_delay(attempts.first_delay)
        .with_max_delay(attempts.max_delay.max(attempts.first_delay))
        .with_max_times(attempts.attempts.saturating_sub(1) as usize)
        .with_jitter()
        .build()
}

/// Tries something again that may pass by itself.
async fn retried<'a, T>(
    attempts: Attempts,
    shutdown: &CancellationToken,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let mut pauses = pauses(attempts);
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(pause) = pauses.next().filter(|_| may_pass(&error)) else { return Err(error) };
        tracing::warn!("the run cannot begin, and tries again in {} s: {}", pause.as_secs(), error.report());
        if cancelled_within(shutdown, pause).await {
            return Err(interrupted());
        }
    }
}

async fn cancelled_within(shutdown: &CancellationToken, time: std::time::Duration) -> bool {
    tokio::time::timeout(time, shutdown.cancelled()).await.is_ok()
}

async fn or_interrupted<T>(
    shutdown: &CancellationToken,
    doing: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(interrupted()),
        done = doing => done,
    }
}

fn interrupted() -> Error {
    Error::interrupted("run the backup")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scheduler runs it as a task of its own.
    #[test]
    fn a_run_can_be_moved_to_another_thread() {
        fn is_send<F: Future + Send>(_: impl Fn(&'static Job) -> F) {}
        let progress = || Arc::new(crate::progress::Silent) as Arc<dyn Progress>;
        is_send(|job| run(job, Utc::now(), progress(), CancellationToken::new()));
    }

    #[test]
    fn a_backup_of_half_the_size_is_suspicious() {
        assert_eq!(too_small(&mut [], 0, 0.5), None);
        assert_eq!(too_small(&mut [100, 120, 90, 110, 10], 51, 0.5), None);
        let text = too_small(&mut [100, 120, 90, 110, 10], 49, 0.5).unwrap();
        assert!(text.contains("49 bytes") && text.contains("the 5 before it is 100"), "{text}");
        assert_eq!(too_small(&mut [100], 1, 0.0), None);
    }

    #[test]
    fn there_is_one_pause_less_than_attempts() {
        let attempts = |attempts| Attempts {
            attempts,
            first_delay: std::time::Duration::from_secs(1),
            max_delay: std::time::Duration::from_secs(3),
        };
        assert_eq!(pauses(attempts(1)).count(), 0);
        assert_eq!(pauses(attempts(4)).count(), 3);
    }
}

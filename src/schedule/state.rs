//! What the scheduler knows, for the status page and the metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::ops::{BackupState, Inventory, RunReport};

/// How many failed runs are kept.
const FAILURES: usize = 20;

/// The state of all jobs.
pub struct SchedulerState {
    jobs: Vec<Mutex<JobState>>,
}

#[derive(Debug, Clone, Default)]
pub struct JobState {
    pub name: String,
    /// The cron expression and time zone, as configured.
    pub schedule: String,
    /// When the next run is due.
    pub next: Option<DateTime<Utc>>,
    /// When the current run started, if one is in progress.
    pub running_since: Option<DateTime<Utc>>,
    /// The last run since the scheduler started.
    pub last: Option<FinishedRun>,
    /// The last failed runs, newest first.
    pub failures: Vec<FinishedRun>,
    /// Successful runs since the scheduler started.
    pub succeeded: u64,
    /// Failed runs since the scheduler started.
    pub failed: u64,
    /// The job's backups, by database, oldest first.
    pub backups: Vec<Backup>,
    /// When the backups were last listed.
    pub listed_at: Option<DateTime<Utc>>,
    /// Why the last attempt to list them failed.
    pub list_problem: Option<String>,
}

#[derive(Debug, Clone)]
pub struct FinishedRun {
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// What failed. Empty if the run succeeded.
    pub failures: Vec<String>,
    pub warnings: Vec<String>,
}

/// A backup in the store.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The database, or `globals`.
    pub subject: String,
    /// The time in its key.
    pub timestamp: DateTime<Utc>,
    /// Size in the store.
    pub stored_bytes: u64,
    /// Size of the uncompressed text.
    pub text_bytes: Option<u64>,
    pub rows: Option<u64>,
    pub seconds: Option<f64>,
    pub is_good: bool,
    pub problem: Option<String>,
    /// Its path or URL.
    pub location: String,
}

impl SchedulerState {
    /// The state of these jobs, in this order.
    pub fn new(jobs: impl IntoIterator<Item = JobState>) -> Self {
        SchedulerState { jobs: jobs.into_iter().map(Mutex::new).collect() }
    }

    pub fn read(&self) -> Vec<JobState> {
        self.jobs.iter().map(|job| lock(job).clone()).collect()
    }

    pub(super) fn update(&self, job: usize, change: impl FnOnce(&mut JobState)) {
        if let Some(job) = self.jobs.get(job) {
            change(&mut lock(job));
        }
    }
}

fn lock(job: &Mutex<JobState>) -> MutexGuard<'_, JobState> {
    job.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobState {
    /// Records a finished run.
    pub(super) fn ended(&mut self, report: &RunReport) {
        let backups = report.backups.iter().flat_map(|backup| &backup.warnings);
        let run = FinishedRun {
            started_at: report.started_at,
            finished_at: report.finished_at,
            failures: report.failures().map(|failure| failure.message.clone()).collect(),
            warnings: report.warnings.iter().chain(backups).cloned().collect(),
        };
        self.running_since = None;
        if run.failures.is_empty() {
            self.succeeded += 1;
        } else {
            self.failed += 1;
            self.failures.insert(0, run.clone());
            self.failures.truncate(FAILURES);
        }
        self.last = Some(run);
    }

    /// Records what the store holds.
    pub(super) fn listed(
        &mut self,
        inventory: &Inventory,
        now: DateTime<Utc>,
        shown: impl Fn(&str) -> String,
    ) {
        let backup = |entry: &crate::ops::StoredBackup| {
            let manifest = entry.manifest.as_ref();
            Backup {
                subject: entry.parsed.subject.to_string(),
                timestamp: entry.parsed.timestamp,
                stored_bytes: entry.object.bytes,
                text_bytes: manifest.map(|m| m.text_bytes),
                rows: manifest.map(|m| m.rows()),
                seconds: manifest.map(|m| (m.finished_at - m.started_at).num_milliseconds() as f64 / 1000.0),
                is_good: entry.state == BackupState::Good,
                problem: entry.problem.clone(),
                location: shown(&entry.object.key),
            }
        };
        self.backups = inventory.entries.iter().map(backup).collect();
        self.listed_at = Some(now);
        self.list_problem = None;
    }

    /// The databases that have backups, sorted.
    pub fn subjects(&self) -> Vec<&str> {
        let mut subjects: Vec<&str> = self.backups.iter().map(|backup| backup.subject.as_str()).collect();
        subjects.dedup();
        subjects
    }

    /// The good backups of a database, oldest first.
    pub fn good<'s>(&'s self, subject: &'s str) -> impl DoubleEndedIterator<Item = &'s Backup> {
        self.backups.iter().filter(move |backup| backup.subject == subject && backup.is_good)
    }
}

//! What the scheduler knows, for those who ask: the status page, the metrics, the health check.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::ops::{BackupState, Inventory, RunReport};

/// How many failed runs are remembered.
const FAILURES: usize = 20;

/// The state of all jobs.
pub struct SchedulerState {
    jobs: Vec<Mutex<JobState>>,
}

/// The state of one job.
#[derive(Debug, Clone, Default)]
pub struct JobState {
    /// The job's name.
    pub name: String,
    /// Its cron expression and time zone, as written.
    pub schedule: String,
    /// When it is due next.
    pub next: Option<DateTime<Utc>>,
    /// Since when it has been running, if it is.
    pub running_since: Option<DateTime<Utc>>,
    /// Its last run, since the scheduler has been up.
    pub last: Option<FinishedRun>,
    /// Its last failed runs, from new to old.
    pub failures: Vec<FinishedRun>,
    /// How many runs succeeded since the scheduler has been up.
    pub succeeded: u64,
    /// How many failed.
    pub failed: u64,
    /// Its backups, by database and from old to new.
    pub backups: Vec<Backup>,
    /// When these were listed.
    pub listed_at: Option<DateTime<Utc>>,
    /// Why they could not be listed, the last time.
    pub list_problem: Option<String>,
}

/// A run that is over.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// What failed; nothing, if it succeeded.
    pub failures: Vec<String>,
    /// What was warned of.
    pub warnings: Vec<String>,
}

/// A backup in the store.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The database, or `globals`.
    pub subject: String,
    /// The time in its key.
    pub timestamp: DateTime<Utc>,
    /// Its size in the store, in bytes.
    pub stored_bytes: u64,
    /// The size of its text, in bytes.
    pub text_bytes: Option<u64>,
    /// How many rows it has.
    pub rows: Option<u64>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// Whether it is good.
    pub is_good: bool,
    /// What is wrong with it, if something is.
    pub problem: Option<String>,
    /// Its path or URL.
    pub location: String,
}

impl SchedulerState {
    /// A board for these jobs, in this order.
    pub fn new(jobs: impl IntoIterator<Item = JobState>) -> Self {
        SchedulerState { jobs: jobs.into_iter().map(Mutex::new).collect() }
    }

    /// What is known now.
    pub fn read(&self) -> Vec<JobState> {
        self.jobs.iter().map(|job| lock(job).clone()).collect()
    }

    /// Changes what is known of a job.
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
    /// Takes note of a run that is over.
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

    /// Takes note of what the store holds.
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

    /// The databases that have backups, in order.
    pub fn subjects(&self) -> Vec<&str> {
        let mut subjects: Vec<&str> = self.backups.iter().map(|backup| backup.subject.as_str()).collect();
        subjects.dedup();
        subjects
    }

    /// The good backups of a database, from old to new.
    pub fn good<'s>(&'s self, subject: &'s str) -> impl DoubleEndedIterator<Item = &'s Backup> {
        self.backups.iter().filter(move |backup| backup.subject == subject && backup.is_good)
    }
}

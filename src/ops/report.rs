//! What a run came to.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::{Error, ErrorKind};

/// What a run of a job came to.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// The job.
    pub job: String,
    /// Names the run.
    pub run_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Whether everything succeeded.
    pub succeeded: bool,
    /// Each backup that was tried.
    pub backups: Vec<BackupReport>,
    /// What was warned of that belongs to no single backup.
    pub warnings: Vec<String>,
    /// How many uploads, or temporary files, of dead runs were removed.
    pub removed_uploads: usize,
    /// How many backups were pruned.
    pub pruned: usize,
    /// What failed that belongs to no single backup.
    pub failure: Option<Failure>,
}

/// What became of one backup.
#[derive(Debug, Serialize)]
pub struct BackupReport {
    /// The database; empty for globals.
    pub database: String,
    /// Whether it is roles and tablespaces.
    pub globals: bool,
    /// Its key.
    pub key: String,
    /// Where it is, in words.
    pub location: String,
    /// How many times it was tried.
    pub attempts: u32,
    /// How long it took, with pauses, in seconds.
    pub seconds: f64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was warned of.
    pub warnings: Vec<String>,
}

/// How a backup ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is stored, whole, with its manifest.
    Stored {
        /// How many relations have rows in it.
        relations: usize,
        /// How many rows.
        rows: u64,
        /// How many large objects.
        large_objects: u64,
        /// The text, in bytes.
        text_bytes: u64,
        /// What is stored, in bytes.
        stored_bytes: u64,
        /// The SHA-256 of that.
        sha256: String,
    },
    /// It is not.
    Failed(Failure),
}

/// A failure, as reports have it.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// The line for a person.
    pub message: String,
    /// The process's exit code for it.
    pub exit_code: u8,
    /// The error itself.
    #[serde(skip)]
    pub kind: ErrorKind,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure { message: error.report(), exit_code: error.kind().exit_code(), kind: error.kind() }
    }
}

impl BackupReport {
    /// Its failure, if it failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Stored { .. } => None,
        }
    }

    /// What it is of, for people.
    pub fn subject(&self) -> &str {
        if self.globals { "(globals)" } else { &self.database }
    }
}

impl RunReport {
    /// The first failure: the process's exit code is its.
    pub fn first_failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or_else(|| self.backups.iter().find_map(BackupReport::failure))
    }

    /// All failures, in order.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failure.iter().chain(self.backups.iter().filter_map(BackupReport::failure))
    }
}

//! The result of a run.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::{Error, ErrorKind};

/// The result of a run of a job.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// The job.
    pub job: String,
    /// Identifies the run.
    pub run_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Whether everything succeeded.
    pub succeeded: bool,
    /// One entry for each backup attempted.
    pub backups: Vec<BackupReport>,
    /// Warnings that belong to no single backup.
    pub warnings: Vec<String>,
    /// How many uploads, or temporary files, of killed runs were removed.
    pub removed_uploads: usize,
    /// How many backups were pruned.
    pub pruned: usize,
    /// A failure that belongs to no single backup.
    pub failure: Option<Failure>,
}

/// The result of one backup.
#[derive(Debug, Serialize)]
pub struct BackupReport {
    /// The database; empty for globals.
    pub database: String,
    /// Whether this is the backup of roles and tablespaces.
    pub globals: bool,
    /// Its key.
    pub key: String,
    /// The path or URL.
    pub location: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// Duration in seconds, including pauses between attempts.
    pub seconds: f64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Warnings of this backup.
    pub warnings: Vec<String>,
}

/// How a backup ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The backup is stored completely, with its manifest.
    Stored {
        /// How many relations' rows it contains.
        relations: usize,
        /// How many rows it contains.
        rows: u64,
        /// How many large objects it contains.
        large_objects: u64,
        /// Size of the uncompressed text.
        text_bytes: u64,
        /// Size as stored.
        stored_bytes: u64,
        /// SHA-256 of the stored bytes, in hexadecimal.
        sha256: String,
    },
    /// Nothing was stored, or it has no manifest.
    Failed(Failure),
}

/// A failure as it appears in reports.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// One line for people.
    pub message: String,
    /// The exit code of the process for it.
    pub exit_code: u8,
    /// The class of the error.
    #[serde(skip)]
    pub kind: ErrorKind,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure { message: error.report(), exit_code: error.kind().exit_code(), kind: error.kind() }
    }
}

impl BackupReport {
    /// The failure, if the backup failed.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Stored { .. } => None,
        }
    }

    /// The name to show to people.
    pub fn subject(&self) -> &str {
        if self.globals { "(globals)" } else { &self.database }
    }
}

impl RunReport {
    /// The first failure, which decides the exit code of the process.
    pub fn first_failure(&self) -> Option<&Failure> {
        self.failure.as_ref().or_else(|| self.backups.iter().find_map(BackupReport::failure))
    }

    /// All failures, in order.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failure.iter().chain(self.backups.iter().filter_map(BackupReport::failure))
    }
}

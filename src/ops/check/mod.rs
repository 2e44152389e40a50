//! Checks everything that a job needs, each item separately, and says how to fix what is wrong.
//!
//! Nothing is changed in the source. In the destination, a small object and a small upload are created
//! and removed again, because permissions cannot be queried, only tried.

mod bucket;
mod directory;
mod plan;
mod privileges;
mod report;
mod server;
mod source;
mod versions;

use chrono::{DateTime, Utc};

pub use report::{Finding, Level, Report};

use crate::config::Job;
use crate::storage::Place;

/// Checks a job. Does not fail: problems are in the report.
pub async fn run(job: &Job, now: DateTime<Utc>) -> Report {
    let (mut findings, facts) = Box::pin(source::check(job, now)).await;
    let databases = &facts.database_bytes;
    findings.extend(match &job.destination.place {
        Place::S3 { bucket, options } => {
            let largest = databases.iter().max_by_key(|(_, bytes)| *bytes);
            Box::pin(bucket::check(job, bucket, options, largest)).await
        }
        Place::Directory(path) => Box::pin(directory::check(job, path, databases)).await,
    });
    findings.extend(plan::check(job, now));
    Report::new(&job.name, findings)
}

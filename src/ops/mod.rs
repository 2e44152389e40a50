//! What is done with backups from end to end: made, listed, judged, removed;
//! and whether they can be made at all.
//!
//! Everything here takes a [`crate::config::Job`], and the clock as an argument.

pub mod backup;
pub mod check;
mod databases;
pub(crate) mod job_lock;
mod latest;
pub mod notify;
pub mod prune;
mod report;
pub mod status;

pub use crate::backups::inventory::{BackupState, Inventory, StoredBackup};
pub use latest::Latest;
pub use report::{BackupReport, Failure, Outcome, RunReport};

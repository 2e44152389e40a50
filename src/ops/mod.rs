//! Operations on backups from end to end: making, listing, judging and pruning them, and checking
//! whether they can be made.
//!
//! Functions here take a [`crate::config::Job`], and the time as an argument.

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

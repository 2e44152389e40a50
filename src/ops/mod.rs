//! What is done with backups from end to end: made, listed, judged, removed.
//!
//! Everything here takes a [`crate::config::Job`], and the clock as an argument.

pub mod backup;
mod databases;
mod inventory;
pub mod prune;
mod report;
mod retry;
pub mod slot;
pub mod status;
pub mod warnings;

pub use inventory::{Entry, Inventory, State};
pub use report::{BackupReport, Failure, Outcome, RunReport};

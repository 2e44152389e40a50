//! Proves that a backup is good: first by reading it whole, then, if asked, by restoring it.
//!
//! * [`inspect`] reads a text and says what is in it: rows per relation, statements, checksums;
//! * [`against_manifest`] compares that with the manifest that was stored beside the backup;
//! * [`scratch`] restores it into a database of its own, dumps that one, and drops it;
//! * `rows`, `instants` and `compare` say whether both dumps are of the same database.

pub mod against_manifest;
mod compare;
pub(crate) mod inspect;
mod instants;
mod names;
mod rows;
pub mod scratch;
mod stream;

pub use compare::Comparison;
pub use inspect::{BackupContents, Depth, read_back};

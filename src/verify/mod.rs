//! Proves that a backup is good: first by reading all of it, then, if asked, by restoring it.
//!
//! * [`inspect`] reads a text and says what is in it: rows per relation, statements, checksums;
//! * [`against_manifest`] compares that with the manifest stored next to the backup;
//! * `against_index` and `restart` compare it with the index at the backup's end;
//! * `sample` reads only some pieces of it;
//! * [`scratch`] restores it into a new database, dumps that database, and drops it;
//! * `rows`, `instants` and `compare` decide whether both dumps are of the same database.

mod against_index;
pub mod against_manifest;
mod compare;
pub(crate) mod inspect;
mod instants;
mod names;
mod restart;
mod rows;
mod sample;
pub mod scratch;
mod stream;

pub use compare::Comparison;
pub use inspect::{BackupContents, Depth, TEXT_IS_COMPLETE, read_back, read_back_by_index};
pub use sample::{Sample, read_sample};

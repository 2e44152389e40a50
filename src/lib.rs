//! pgsiphon: a native PostgreSQL dumper.
//!
//! The modules follow a dump's way through the program:
//!
//! ```text
//! pg ─► snapshot ─► catalog ─► order ─► emit ─► plan ─► contents ─► pipeline ─► codec ─► storage
//! ```
//!
//! * [`select`] says what is dumped: options, patterns, filter files;
//! * [`pg`] connects, and speaks the wire protocol and COPY;
//! * `snapshot` locks what is dumped, and holds one view of it for any number of sessions;
//! * `catalog` reads the system catalogs, one file per kind of object;
//! * `order` sorts the objects as pg_dump does, and breaks the legal dependency loops;
//! * `emit` turns objects into SQL text, again one file per kind;
//! * `plan` makes an ordered list of segments from that;
//! * `contents` produces the contents of segments;
//! * `pipeline` lets workers produce the segments and one writer join them in order;
//! * [`codec`] compresses, [`storage`] stores, and reads back.
//!
//! [`dump`] is the one place that wires a dump together. [`restore`] runs a stored dump, and [`verify`]
//! proves that it can be read and restored.
//!
//! Around single dumps there are jobs: [`config`] says what they are, [`backups`] which keys their backups
//! get and which are kept, and [`ops`] runs them. [`schedule`] does so at set times, and [`web`] shows the
//! results.
//!
//! `docs/architecture.md` has the whole picture. Imports run one way, in the order in `tests/it/layers.rs`.

pub mod backups;
mod catalog;
pub mod codec;
pub mod config;
mod contents;
pub mod dump;
mod emit;
pub mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod ops;
mod order;
pub mod pg;
mod pipeline;
mod plan;
pub mod progress;
pub mod restore;
pub mod schedule;
pub mod select;
mod snapshot;
pub mod storage;
pub mod verify;
pub mod web;

pub use error::{Error, ErrorKind, Result};

//! pgsiphon: a native PostgreSQL dumper.
//!
//! The modules follow the path of a dump through the program:
//!
//! ```text
//! pg ─► snapshot ─► catalog ─► order ─► emit ─► plan ─► contents ─► pipeline ─► codec ─► storage
//! ```
//!
//! * [`select`] defines what is dumped: options, patterns and filter files;
//! * [`pg`] connects, and implements the wire protocol and COPY;
//! * `snapshot` locks what is dumped, and holds one snapshot of it for any number of sessions;
//! * `catalog` reads the system catalogs, one file per kind of object;
//! * `order` sorts the objects as pg_dump does, and breaks the legal dependency loops;
//! * `emit` turns objects into SQL text, again one file per kind;
//! * `plan` turns them into an ordered list of segments;
//! * `contents` produces the contents of segments;
//! * `pipeline` runs the workers that produce the segments, and the one writer that joins them in order;
//! * [`codec`] compresses, and [`storage`] stores the dump and reads it back.
//!
//! [`dump`] is the one place that connects these steps. [`extract`] finds parts of a stored dump, [`restore`] runs it,
//! and [`verify`] checks that it can be read and restored.
//!
//! Jobs are built on single dumps: [`config`] defines them, [`backups`] decides which keys their backups get
//! and which backups are kept, and [`ops`] runs them. [`schedule`] runs them at set times, and [`web`] shows
//! the results.
//!
//! `docs/architecture.md` has the whole picture. Modules may only import in one direction, in the order given
//! in `tests/it/layers.rs`.

pub mod backups;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod catalog;
pub mod codec;
pub mod config;
mod contents;
pub mod dump;
mod emit;
pub mod error;
pub mod extract;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod index;
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

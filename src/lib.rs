//! pgsiphon: a native PostgreSQL dumper.
//!
//! The modules follow a dump's way through the program:
//!
//! ```text
//! pg ─► snapshot ─► catalog ─► order ─► emit ─► plan ─► rows ─► pipeline ─► codec ─► sink
//! ```
//!
//! * [`pg`] connects, and speaks the wire protocol and COPY;
//! * [`snapshot`] locks what is dumped, and holds one view of it for any number of sessions;
//! * [`catalog`] reads the system catalogs, one file per kind of object;
//! * [`order`] sorts the objects as pg_dump does, and breaks the legal dependency loops;
//! * [`emit`] turns objects into SQL text, again one file per kind;
//! * [`plan`] makes of that an ordered list of segments;
//! * [`rows`] produces the contents of segments;
//! * [`pipeline`] lets workers produce the segments and one writer join them in order;
//! * [`codec`] compresses, [`sink`] stores.
//!
//! The way back is short: [`input`] reads what is stored, [`restore`] runs it, [`verify`] proves that both
//! will do.
//!
//! [`dump`] is the one place that wires a dump together. [`manifest`] is the record of a backup that
//! is stored beside it.
//!
//! Around single dumps there are jobs: [`config`] says what they are, [`naming`] which keys their backups
//! get, [`store`] what a bucket or a directory holds, [`retention`] what is kept, and [`ops`] does it: runs,
//! lists, prunes. [`schedule`] does so at its times, and [`web`] shows what became of it.
//!
//! Imports run one way, in the order that `tests/layers.rs` has.

pub mod catalog;
pub mod codec;
pub mod config;
pub mod dump;
pub mod emit;
pub mod error;
pub mod filter;
pub mod input;
pub mod manifest;
pub mod naming;
pub mod ops;
pub mod options;
pub mod order;
pub mod pattern;
pub mod pg;
pub mod pipeline;
pub mod plan;
pub mod quote;
pub mod restore;
pub mod retention;
pub mod rows;
pub mod schedule;
pub mod sink;
pub mod snapshot;
pub mod store;
pub mod verify;
pub mod web;

pub use error::{Error, ErrorKind, Result};

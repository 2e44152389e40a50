//! One consistent view of the database, for any number of sessions.
//!
//! pg_dump takes its snapshot first and locks afterwards. TRUNCATE and rewriting ALTER TABLEs are not
//! MVCC-safe (<https://www.postgresql.org/docs/current/mvcc-caveats.html>), so a table that is truncated in
//! between is dumped as empty, without an error. We list the tables in a separate transaction, lock them, and
//! only then run a query that takes the snapshot: LOCK TABLE does not take one
//! (<https://www.postgresql.org/docs/current/sql-lock.html>). If the snapshot then shows a table that we did
//! not lock, we start over.
//!
//! Everything is set by SET LOCAL, so that it works through poolers that assign a server connection per
//! transaction.
//!
//! * `settings` sets up each session;
//! * `locks` locks the tables, and finds out which sessions block them;
//! * `leader` does all of this in the right order, and holds the resulting session.

mod leader;
mod locks;
mod settings;

pub(crate) use leader::{Leader, begin_reading, lead};
pub use settings::SessionOptions;
pub(crate) use settings::begin;

//! One consistent view of the database, for any number of sessions.
//!
//! pg_dump takes its snapshot first and locks then. TRUNCATE and rewriting ALTER TABLEs are not
//! MVCC-safe (<https://www.postgresql.org/docs/current/mvcc-caveats.html>), so a table that is
//! truncated in between is dumped as empty, without an error. We list the tables in a
//! transaction of their own, lock them, and only then let a query take the snapshot: LOCK TABLE
//! takes none (<https://www.postgresql.org/docs/current/sql-lock.html>). If the snapshot then
//! shows a table that we did not lock, we start over.
//!
//! Everything is SET LOCAL, so that it works through poolers that hand out a server connection
//! per transaction.
//!
//! * `settings` says how each session is set up;
//! * `locks` locks the tables, and finds out who is in the way;
//! * `leader` does it all in the right order, and holds what came of it.

mod leader;
mod locks;
mod settings;

pub(crate) use leader::{Leader, begin_reading, lead};
pub use settings::SessionOptions;
pub(crate) use settings::begin;

//! Restores a dump without psql: reads it once, and does what it says, in its order.
//!
//! * [`script`] cuts the text into statements, rows, comments and meta-commands;
//! * `statement` and `meta` say what these are, [`completeness`] whether it is a whole dump;
//! * `place` says where they go; `run` does them; `target` looks after the database,
//!   `replace` puts it in another's place, `failure` says what went wrong.
//!
//! A dump can be restored as one transaction, or as psql does it: each statement by itself, so that
//! what was done before an error stays. Rows of a COPY whose text ends too early are never kept.

pub(crate) mod completeness;
pub(crate) mod encoding;
mod failure;
pub(crate) mod lexer;
mod meta;
mod place;
mod replace;
mod run;
pub mod script;
pub(crate) mod statement;
mod target;
mod text;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::dump::ParamsFor;
use crate::error::Result;
use crate::pg::params::ConnectParams;
use crate::progress::Progress;
use crate::storage::input::Opened;

pub use text::Script;

/// What to restore, where to, and how.
pub struct RestoreRequest {
    /// The backup.
    pub backup: Opened,
    /// The database to restore to.
    pub params: ConnectParams,
    /// Other databases of the same server, to which a dump may connect.
    pub params_for: Box<ParamsFor>,
    /// How.
    pub options: RestoreOptions,
}

/// How to restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Make the database first, unless the dump does so itself.
    pub create: bool,
    /// Put what is restored in the place of the database, which is there, when it is whole.
    pub replace: bool,
    /// End the sessions of others to replace a database.
    pub force: bool,
    /// No database was named: only the dump itself can say where its contents go.
    pub no_database: bool,
    /// All or nothing.
    pub single_transaction: bool,
    /// Go on after errors.
    pub continue_on_error: bool,
    /// Write into a database that holds anything already.
    pub into_nonempty: bool,
    /// Stay in the database that was given: whatever the dump says of databases is left out.
    pub stay_in_database: bool,
    /// Leave out who owns what: all belongs to whoever restores.
    pub no_owner: bool,
    /// Leave out what is granted and revoked.
    pub no_privileges: bool,
    /// The role to become first.
    pub role: Option<String>,
}

/// What a restore came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Statements that were run.
    pub statements: u64,
    /// Rows that were copied.
    pub rows: u64,
}

/// Restores. What becomes of the part that was done before an error is up to the options.
///
/// # Errors
/// `RestoreFailed` names the statement, its line and what the server says of it; `Damaged`, if the
/// backup is not whole; `SourceUnreachable`, if the server cannot be reached; `Interrupted`.
pub async fn restore(
    request: RestoreRequest,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Restored> {
    run::run(request, progress, shutdown).await
}

/// Whether only clients can have this encoding, as `SJIS`.
pub(crate) fn client_only(encoding: &str) -> bool {
    encoding::ClientOnly::named(encoding).is_some()
}

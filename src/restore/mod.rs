//! Restores a dump without psql: reads it once, and executes it in order.
//!
//! * [`script`] cuts the text into statements, rows, comments and meta-commands;
//! * `statement` and `meta` classify them, [`completeness`] checks that the dump is complete;
//! * `place` decides where they go; `run` executes them; `target` prepares the database, `replace` swaps
//!   it with another, `failure` describes errors.
//!
//! A dump can be restored in one transaction, or like psql does it: each statement separately, so that
//! what succeeded before an error stays. Rows of a COPY that is cut off are never kept.

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

pub use statement::rename::Rename;
pub use text::Script;

/// What to restore, where to, and how.
pub struct RestoreRequest {
    /// The backup.
    pub backup: Opened,
    /// The database to restore to.
    pub params: ConnectParams,
    /// How to connect to other databases of the same server, which a dump may name.
    pub params_for: Box<ParamsFor>,
    /// How to restore.
    pub options: RestoreOptions,
}

/// How to restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Create the database first, unless the dump does so itself.
    pub create: bool,
    /// Replace the existing database with the restored one once that is complete.
    pub replace: bool,
    /// End other sessions to replace a database.
    pub force: bool,
    /// No database was named: only the dump itself can say where its contents go.
    pub no_database: bool,
    /// Restore everything in one transaction, or nothing.
    pub single_transaction: bool,
    /// Continue after errors.
    pub continue_on_error: bool,
    /// Allow restoring into a database that is not empty.
    pub into_nonempty: bool,
    /// Stay in the given database: skip what the dump says about databases.
    pub stay_in_database: bool,
    /// Skip ownership: everything belongs to the restoring role.
    pub no_owner: bool,
    /// Skip GRANT and REVOKE.
    pub no_privileges: bool,
    /// The role to switch to first.
    pub role: Option<String>,
    /// The backup is only a part of a dump.
    pub is_part: bool,
    /// Give this relation another name. Its schema is created if it does not exist.
    pub rename: Option<Rename>,
}

/// The result of a restore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Number of statements executed.
    pub statements: u64,
    /// Number of rows copied.
    pub rows: u64,
}

/// Restores a backup. The options decide whether the part done before an error stays.
///
/// # Errors
/// `RestoreFailed` names the statement, its line and the server's message; `Damaged`, if the backup is
/// incomplete or corrupt; `SourceUnreachable`, if the server cannot be reached; `Interrupted`.
pub async fn restore(
    request: RestoreRequest,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Restored> {
    run::run(request, progress, shutdown).await
}

/// Whether only clients can have this encoding, for example `SJIS`.
pub(crate) fn client_only(encoding: &str) -> bool {
    encoding::ClientOnly::named(encoding).is_some()
}

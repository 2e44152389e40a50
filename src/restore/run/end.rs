//! How a restore ends, and what it says about what is in the database then.

use super::{PATIENCE, Runner};
use crate::error::{Error, ErrorKind, Result};
use crate::restore::Restored;
use crate::restore::target::drop_statement;

impl Runner {
    /// Ends the session, rolling back what must not stay, and says what the result is.
    pub(super) async fn end(mut self, outcome: Result<()>) -> Result<Restored> {
        if let Some(session) = self.session.take() {
            if let Err(error) = &outcome {
                if error.kind() == ErrorKind::Interrupted
                    && let Err(error) = session.cancel().await
                {
                    tracing::debug!("{}", error.report());
                }
                // Waits until the server has discarded what was in progress.
                let rollback = session.client.batch_execute("ROLLBACK");
                if !matches!(tokio::time::timeout(PATIENCE, rollback).await, Ok(Ok(()))) {
                    tracing::debug!("the server did not confirm the rollback");
                }
            }
            session.close().await;
        }
        match outcome {
            Ok(()) if self.errors > 0 => {
                let (errors, done) = (self.errors, self.done.statements);
                Err(Error::new(ErrorKind::RestoreFailed, self.attempted())
                    .because(format!("{errors} statements failed, {done} succeeded")))
            }
            Ok(()) => Ok(self.done),
            Err(error) => Err(self.with_what_stays(error)),
        }
    }

    /// Adds to the error what part of the dump is now in the database.
    fn with_what_stays(&self, error: Error) -> Error {
        // A database meant to replace another is dropped again.
        if !self.has_changed || self.options.replace {
            return error;
        }
        let what = if self.is_target_made {
            let database = &self.target.dbname;
            let held = if self.options.single_transaction { "empty" } else { "partly restored" };
            format!(
                "database \"{database}\" was created and is {held}: drop it before you try again, with {}",
                drop_statement(database)
            )
        } else if self.options.single_transaction {
            "nothing from the dump is in the database".to_owned()
        } else {
            "everything before this is in the database; --single-transaction makes it all or nothing"
                .to_owned()
        };
        error.and_hint(what)
    }
}

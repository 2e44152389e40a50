//! Statements that another session runs one after the other while a test does something else.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::support::database::Database;

/// What an error of a statement means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    /// The script is wrong.
    Stop,
    /// It waited too long for a lock, as expected.
    Continue,
}

/// Stopped at the end of the test.
pub(crate) struct Hammer(Child);

impl Hammer {
    pub(crate) fn start(database: &Database, sql: &str, on_error: OnError, folder: &Path) -> Self {
        let path = folder.join("hammer.sql");
        std::fs::write(&path, format!("SET client_min_messages = warning;\n{sql}")).unwrap();
        let mut psql = database.server().client("psql");
        psql.args(["-X", "-q", "-d", database.name(), "-f"]).arg(path).stdout(Stdio::null());
        match on_error {
            OnError::Stop => psql.args(["-v", "ON_ERROR_STOP=1"]),
            OnError::Continue => psql.stderr(Stdio::null()),
        };
        Hammer(psql.spawn().unwrap())
    }

    pub(crate) fn assert_works(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "the hammer broke");
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

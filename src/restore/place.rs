//! Decides in which database the statements of a dump are executed.
//!
//! The header of a text says what it is: the dump of a database, or of a cluster with its roles. What
//! follows the settings tells whether a database's dump creates that database itself. The kind of a
//! statement alone is not enough: a COMMENT can come first, and belongs to the database.

use super::statement::StatementKind;
use super::statement::names::{is_about_database, prepares_database, updates_databases};

/// The position in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptPlace {
    /// After a header: it is still unknown whether the dump creates its database itself. Statements that
    /// change nothing in a database (settings, roles) wait.
    Undecided,
    /// Among the roles and tablespaces of a cluster whose dump creates or names its databases itself.
    Cluster,
    /// The dump creates its database itself, and connects to it later.
    Own,
    /// In the database to which the contents belong.
    Contents,
}

/// What to do with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Keep it until more is known.
    Hold,
    /// Run it in the current database.
    Run,
    /// Run it in the current database, if that was empty.
    RunInEmpty,
    /// Note that the dump creates its database itself, and run the statement in the current one.
    MakeOwn,
    /// Run it in the requested database.
    EnterTarget,
}

impl ScriptPlace {
    /// What to do with a statement at this place. `has_connected`: the dump of a cluster has itself
    /// connected to a database. `is_cluster`: the statement is in the dump of a cluster, whose roles
    /// wait for what follows.
    pub(super) fn step(
        self,
        kind: StatementKind,
        statement: &[u8],
        has_connected: bool,
        is_cluster: bool,
    ) -> Step {
        match (self, kind) {
            (ScriptPlace::Undecided, StatementKind::Setting) => Step::Hold,
            (ScriptPlace::Undecided, StatementKind::Database) => Step::MakeOwn,
            // Comes before DROP DATABASE; the next statement decides.
            (ScriptPlace::Undecided, StatementKind::Cluster) if prepares_database(statement) => Step::Hold,
            (ScriptPlace::Undecided, StatementKind::Cluster | StatementKind::CreateRole) if is_cluster => {
                Step::Hold
            }
            (
                ScriptPlace::Undecided,
                StatementKind::Cluster
                | StatementKind::CreateRole
                | StatementKind::Begin
                | StatementKind::Commit
                | StatementKind::Content,
            ) => Step::EnterTarget,

            (ScriptPlace::Cluster, StatementKind::Content) if has_connected => Step::RunInEmpty,
            (ScriptPlace::Cluster, StatementKind::Content) => Step::EnterTarget,
            (
                ScriptPlace::Cluster,
                StatementKind::Setting
                | StatementKind::Database
                | StatementKind::CreateRole
                | StatementKind::Cluster
                | StatementKind::Begin
                | StatementKind::Commit,
            ) => Step::Run,

            (ScriptPlace::Own, StatementKind::Setting | StatementKind::Database) => Step::Run,
            (ScriptPlace::Own, StatementKind::Cluster)
                if is_about_database(statement) || prepares_database(statement) =>
            {
                Step::Run
            }
            (
                ScriptPlace::Own,
                StatementKind::Cluster
                | StatementKind::CreateRole
                | StatementKind::Begin
                | StatementKind::Commit
                | StatementKind::Content,
            ) => Step::EnterTarget,

            (ScriptPlace::Contents, StatementKind::Setting) => Step::Run,
            (ScriptPlace::Contents, StatementKind::Database) => Step::MakeOwn,
            // In the dump of a cluster, before the next database is dropped.
            (ScriptPlace::Contents, StatementKind::Cluster) if updates_databases(statement) => Step::Run,
            (
                ScriptPlace::Contents,
                StatementKind::CreateRole
                | StatementKind::Cluster
                | StatementKind::Begin
                | StatementKind::Commit
                | StatementKind::Content,
            ) => Step::RunInEmpty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_the_first_statement_does_not_decide() {
        for first in ["COMMENT ON SCHEMA public IS 'x';", "CREATE ROLE a;", "BEGIN;", "CREATE TABLE t ();"] {
            let step = |place: ScriptPlace| {
                place.step(StatementKind::of(first.as_bytes()), first.as_bytes(), false, false)
            };
            assert_eq!(step(ScriptPlace::Undecided), Step::EnterTarget, "{first}");
            assert_eq!(step(ScriptPlace::Own), Step::EnterTarget, "{first}");
            assert_eq!(step(ScriptPlace::Contents), Step::RunInEmpty, "{first}");
        }
        for (first, step) in [
            ("SET a = 1;", Step::Hold),
            ("ALTER DATABASE a SET b TO c;", Step::Hold),
            ("DROP DATABASE a;", Step::MakeOwn),
            ("CREATE DATABASE a;", Step::MakeOwn),
        ] {
            let kind = StatementKind::of(first.as_bytes());
            assert_eq!(ScriptPlace::Undecided.step(kind, first.as_bytes(), false, false), step, "{first}");
        }
        let role = b"CREATE ROLE a;";
        assert_eq!(ScriptPlace::Undecided.step(StatementKind::of(role), role, false, true), Step::Hold);
    }
}

//! Where the statements of a dump go.
//!
//! A text says by its headers what it is: the dump of a database, or of a cluster with its roles. What
//! comes first after the settings says whether a database's dump makes that database itself. The kind
//! of a statement alone says nothing: a COMMENT can come first, and belongs to the database.

use super::statement::StatementKind;
use super::statement::names::{is_about_database, prepares_database, updates_databases};

/// Where we are in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptPlace {
    /// After a header: nothing says yet whether the dump makes its database itself. What changes nothing
    /// in a database waits, settings and roles.
    Undecided,
    /// Among roles and tablespaces of a cluster whose dump makes or names its databases itself.
    Cluster,
    /// The dump makes its database itself, and connects to it later.
    Own,
    /// In the database that the contents belong to.
    Contents,
}

/// What to do about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Keep it until more is known.
    Hold,
    /// Run it where we are.
    Run,
    /// Run it where we are, if that was empty.
    RunInEmpty,
    /// Note that the dump makes its database itself, and run it where we are.
    MakeOwn,
    /// Run it in the database that was asked for.
    EnterTarget,
}

impl ScriptPlace {
    /// What to do about a statement here. `has_connected` says that the dump of a cluster has connected
    /// to a database by itself, `is_cluster` that we are in the dump of one, whose roles wait for what follows.
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
            // Comes before DROP DATABASE; what follows will show.
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

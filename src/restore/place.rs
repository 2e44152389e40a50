//! Where the statements of a dump go.
//!
//! A text says by its headers what it is: the dump of a database, or of a cluster with its roles. What
//! comes first after the settings says whether a database's dump makes that database itself. The kind
//! of a statement alone says nothing: a COMMENT can come first, and belongs to the database.

use super::statement::Kind;
use super::words::{is_about_database, prepares_database, updates_databases};

/// Where we are in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
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

impl Place {
    /// What to do about a statement here. `has_connected` says that the dump of a cluster has connected
    /// to a database by itself, `is_cluster` that we are in the dump of one, whose roles wait for what follows.
    pub(super) fn step(self, kind: Kind, statement: &[u8], has_connected: bool, is_cluster: bool) -> Step {
        match (self, kind) {
            (Place::Undecided, Kind::Setting) => Step::Hold,
            (Place::Undecided, Kind::Database) => Step::MakeOwn,
            // Comes before DROP DATABASE; what follows will show.
            (Place::Undecided, Kind::Cluster) if prepares_database(statement) => Step::Hold,
            (Place::Undecided, Kind::Cluster | Kind::CreateRole) if is_cluster => Step::Hold,
            (
                Place::Undecided,
                Kind::Cluster | Kind::CreateRole | Kind::Begin | Kind::Commit | Kind::Content,
            ) => Step::EnterTarget,

            (Place::Cluster, Kind::Content) if has_connected => Step::RunInEmpty,
            (Place::Cluster, Kind::Content) => Step::EnterTarget,
            (
                Place::Cluster,
                Kind::Setting
                | Kind::Database
                | Kind::CreateRole
                | Kind::Cluster
                | Kind::Begin
                | Kind::Commit,
            ) => Step::Run,

            (Place::Own, Kind::Setting | Kind::Database) => Step::Run,
            (Place::Own, Kind::Cluster) if is_about_database(statement) || prepares_database(statement) => {
                Step::Run
            }
            (Place::Own, Kind::Cluster | Kind::CreateRole | Kind::Begin | Kind::Commit | Kind::Content) => {
                Step::EnterTarget
            }

            (Place::Contents, Kind::Setting) => Step::Run,
            (Place::Contents, Kind::Database) => Step::MakeOwn,
            // In the dump of a cluster, before the next database is dropped.
            (Place::Contents, Kind::Cluster) if updates_databases(statement) => Step::Run,
            (
                Place::Contents,
                Kind::CreateRole | Kind::Cluster | Kind::Begin | Kind::Commit | Kind::Content,
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
            let step = |place: Place| place.step(Kind::of(first.as_bytes()), first.as_bytes(), false, false);
            assert_eq!(step(Place::Undecided), Step::EnterTarget, "{first}");
            assert_eq!(step(Place::Own), Step::EnterTarget, "{first}");
            assert_eq!(step(Place::Contents), Step::RunInEmpty, "{first}");
        }
        for (first, step) in [
            ("SET a = 1;", Step::Hold),
            ("ALTER DATABASE a SET b TO c;", Step::Hold),
            ("DROP DATABASE a;", Step::MakeOwn),
            ("CREATE DATABASE a;", Step::MakeOwn),
        ] {
            let kind = Kind::of(first.as_bytes());
            assert_eq!(Place::Undecided.step(kind, first.as_bytes(), false, false), step, "{first}");
        }
        let role = b"CREATE ROLE a;";
        assert_eq!(Place::Undecided.step(Kind::of(role), role, false, true), Step::Hold);
    }
}

//! The comments that begin and end dumps of pg_dump and pg_dumpall; without them a text is incomplete.

use super::meta::MetaCommand;

/// Opening and closing comments; the latter without the line ending.
const DATABASE: [&[u8]; 2] = [b"-- PostgreSQL database dump", b"-- PostgreSQL database dump complete"];
const CLUSTER: [&[u8]; 2] =
    [b"-- PostgreSQL database cluster dump", b"-- PostgreSQL database cluster dump complete"];

/// What a marker comment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A dump of one database begins.
    DatabaseBegins,
    /// A dump of one database ends.
    DatabaseEnds,
    /// A dump of a cluster begins: roles and tablespaces, and perhaps databases.
    ClusterBegins,
    /// A dump of a cluster ends.
    ClusterEnds,
}

/// The markers seen so far.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    begun: bool,
    database_open: bool,
    cluster_open: bool,
    restricted: Option<String>,
}

impl Marks {
    /// Takes note of a comment between statements, and returns the mark if it is one.
    pub(crate) fn comment(&mut self, comment: &[u8]) -> Option<Mark> {
        let comment = comment.trim_ascii_end();
        let mark = [
            (DATABASE[0], Mark::DatabaseBegins),
            (DATABASE[1], Mark::DatabaseEnds),
            (CLUSTER[0], Mark::ClusterBegins),
            (CLUSTER[1], Mark::ClusterEnds),
        ]
        .into_iter()
        .find_map(|(text, mark)| (comment == text).then_some(mark))?;
        match mark {
            Mark::DatabaseBegins => (self.begun, self.database_open) = (true, true),
            Mark::DatabaseEnds => self.database_open = false,
            Mark::ClusterBegins => (self.begun, self.cluster_open) = (true, true),
            Mark::ClusterEnds => self.cluster_open = false,
        }
        Some(mark)
    }

    /// Parses a meta-command, and keeps track of `\restrict`.
    ///
    /// # Errors
    /// Why it is not allowed here.
    pub(crate) fn meta_command(&mut self, line: &[u8]) -> Result<MetaCommand, String> {
        let command = MetaCommand::read(line)?;
        match (&command, &self.restricted) {
            (MetaCommand::Restrict(key), None) => self.restricted = Some(key.clone()),
            (MetaCommand::Unrestrict(key), Some(restricted)) if key == restricted => self.restricted = None,
            (MetaCommand::Unrestrict(_), _) => {
                return Err("the key of \\unrestrict differs from that of \\restrict".to_owned());
            }
            (_, Some(_)) => return Err("\\restrict forbids meta-commands here".to_owned()),
            _ => {}
        }
        Ok(command)
    }

    /// Whether the text is a dump of a whole cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster_open
    }

    /// Whether the current position is in the dump of a database, alone or in a cluster.
    pub(crate) fn is_in_database(&self) -> bool {
        self.database_open
    }

    /// Whether the text began like a dump.
    pub(crate) fn have_begun(&self) -> bool {
        self.begun
    }

    /// What is missing at the end of the text.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        if !self.begun {
            return Some("it does not begin like a dump made by pg_dump or pgsiphon");
        }
        if self.database_open {
            return Some("it is cut off: \"-- PostgreSQL database dump complete\" is missing at its end");
        }
        if self.cluster_open {
            return Some(
                "it is cut off: \"-- PostgreSQL database cluster dump complete\" is missing at its end",
            );
        }
        self.restricted.as_ref().map(|_| "it is cut off: \\unrestrict is missing at its end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(comments: &[&str]) -> Option<&'static str> {
        let mut marks = Marks::default();
        for comment in comments {
            marks.comment(comment.as_bytes());
        }
        marks.missing()
    }

    #[test]
    fn a_dump_is_whole_when_all_that_was_opened_is_closed() {
        let [open, close] = ["-- PostgreSQL database dump\n", "-- PostgreSQL database dump complete\r\n"];
        let [all, all_close] =
            ["-- PostgreSQL database cluster dump\n", "-- PostgreSQL database cluster dump complete"];
        assert_eq!(missing(&["--\n", open, "-- x", close]), None);
        assert_eq!(missing(&[all, open, close, open, close, all_close]), None);
        for cut in [&[][..], &["-- x"], &[open], &[all, open, close], &[all, open], &[close]] {
            assert!(missing(cut).is_some(), "{cut:?}");
        }
    }

    #[test]
    fn what_is_restricted_has_to_be_unrestricted() {
        let mut marks = Marks::default();
        marks.comment(b"-- PostgreSQL database dump");
        marks.meta_command(b"\\restrict a\n").unwrap();
        marks.comment(b"-- PostgreSQL database dump complete");
        for refused in ["\\unrestrict b", "\\connect x", "\\restrict b"] {
            assert!(marks.meta_command(refused.as_bytes()).is_err(), "{refused}");
            assert!(marks.missing().is_some());
        }
        marks.meta_command(b"\\unrestrict a\n").unwrap();
        assert!(marks.missing().is_none());
        marks.meta_command(b"\\connect x\n").unwrap();
    }
}

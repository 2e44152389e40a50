//! The comments by which pg_dump and pg_dumpall begin and end, without which a text is not whole.

use super::meta::MetaCommand;

/// Opening and closing comments, the latter without its line's end.
const DATABASE: [&[u8]; 2] = [b"-- PostgreSQL database dump", b"-- PostgreSQL database dump complete"];
const CLUSTER: [&[u8]; 2] =
    [b"-- PostgreSQL database cluster dump", b"-- PostgreSQL database cluster dump complete"];

/// What a comment says of the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A dump of one database begins.
    DatabaseBegins,
    /// It ends.
    DatabaseEnds,
    /// A dump of a cluster begins: of its roles and tablespaces, and perhaps of its databases.
    ClusterBegins,
    /// It ends.
    ClusterEnds,
}

/// What of the comments was seen.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    begun: bool,
    database_open: bool,
    cluster_open: bool,
    restricted: Option<String>,
}

impl Marks {
    /// Looks at a comment between statements, and tells if it is one of the marks.
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

    /// Reads a meta-command, and follows what it says about others.
    ///
    /// # Errors
    /// Why it must not be here.
    pub(crate) fn meta_command(&mut self, line: &[u8]) -> Result<MetaCommand, String> {
        let command = MetaCommand::read(line)?;
        match (&command, &self.restricted) {
            (MetaCommand::Restrict(key), None) => self.restricted = Some(key.clone()),
            (MetaCommand::Unrestrict(key), Some(restricted)) if key == restricted => self.restricted = None,
            (MetaCommand::Unrestrict(_), _) => {
                return Err("\\unrestrict has another key than \\restrict".to_owned());
            }
            (_, Some(_)) => return Err("a meta-command where \\restrict forbids them".to_owned()),
            _ => {}
        }
        Ok(command)
    }

    /// Whether the text is of a whole cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster_open
    }

    /// Whether the text is of a database, be it one of a cluster.
    pub(crate) fn is_in_database(&self) -> bool {
        self.database_open
    }

    /// Whether the text began as a dump does.
    pub(crate) fn have_begun(&self) -> bool {
        self.begun
    }

    /// What is missing at the end of the text.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        if !self.begun {
            return Some("it does not begin as a dump of pg_dump or pgsiphon does");
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

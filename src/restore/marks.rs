//! The comments by which pg_dump and pg_dumpall begin and end, without which a text is not whole.

/// Opening and closing comments, the latter without its line's end.
const DATABASE: [&[u8]; 2] = [b"-- PostgreSQL database dump", b"-- PostgreSQL database dump complete"];
const CLUSTER: [&[u8]; 2] =
    [b"-- PostgreSQL database cluster dump", b"-- PostgreSQL database cluster dump complete"];

/// What of the comments was seen.
#[derive(Debug, Default)]
pub struct Marks {
    begun: bool,
    database_open: bool,
    cluster_open: bool,
    restricted: Option<String>,
}

impl Marks {
    /// Looks at a comment between statements.
    pub fn comment(&mut self, comment: &[u8]) {
        let comment = comment.trim_ascii_end();
        let is = |mark: &[u8]| comment == mark;
        if is(DATABASE[0]) {
            (self.begun, self.database_open) = (true, true);
        } else if is(CLUSTER[0]) {
            (self.begun, self.cluster_open) = (true, true);
        } else if is(DATABASE[1]) {
            self.database_open = false;
        } else if is(CLUSTER[1]) {
            self.cluster_open = false;
        }
    }

    /// `\restrict`.
    pub(super) fn restrict(&mut self, key: String) {
        self.restricted = Some(key);
    }

    /// `\unrestrict`; whether it has the right key.
    pub(super) fn unrestrict(&mut self, key: &str) -> bool {
        let is_right = self.restricted.as_deref() == Some(key);
        if is_right {
            self.restricted = None;
        }
        is_right
    }

    /// Whether meta-commands are forbidden just now.
    pub(super) fn is_restricted(&self) -> bool {
        self.restricted.is_some()
    }

    /// Whether the text is of a whole cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.cluster_open
    }

    /// Whether the text began as a dump does.
    pub fn have_begun(&self) -> bool {
        self.begun
    }

    /// What is missing at the end of the text.
    pub fn missing(&self) -> Option<&'static str> {
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
        comments.iter().for_each(|comment| marks.comment(comment.as_bytes()));
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
        marks.restrict("a".into());
        marks.comment(b"-- PostgreSQL database dump complete");
        assert!(!marks.unrestrict("b") && marks.is_restricted() && marks.missing().is_some());
        assert!(marks.unrestrict("a") && marks.missing().is_none());
    }
}

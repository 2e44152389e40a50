//! How identifiers and literals are quoted.

use std::borrow::Cow;
use std::collections::HashMap;

/// Quotes as the source server would, so it needs that server's keywords.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quoter {
    keywords: HashMap<String, char>,
    all: bool,
    standard_conforming_strings: bool,
    always_conforming: bool,
}

impl Quoter {
    /// `keywords` are those that must be quoted as a name in some places (all except the unreserved ones of
    /// `pg_get_keywords()`), with their `catcode`. `all` is `--quote-all-identifiers`.
    pub(crate) fn new(keywords: HashMap<String, char>, all: bool, standard_conforming_strings: bool) -> Self {
        Quoter { keywords, all, standard_conforming_strings, always_conforming: false }
    }

    /// The same for a server of that major version: from version 19 on, `standard_conforming_strings` can't
    /// be turned off.
    pub(crate) fn for_major(self, major: u32) -> Self {
        Quoter { always_conforming: major >= 19, ..self }
    }

    /// Whether a backslash in a plain literal is an ordinary character.
    pub(crate) fn standard_conforming_strings(&self) -> bool {
        self.standard_conforming_strings
    }

    /// An identifier, quoted if necessary or if all identifiers are to be quoted.
    pub(crate) fn id<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let safe = !self.all
            && name.bytes().all(plain)
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && !self.keywords.contains_key(name);
        if safe { Cow::Borrowed(name) } else { Cow::Owned(quoted(name)) }
    }

    /// An identifier where the grammar expects a `ColId`, quoted only if the server would read it as another
    /// name, or not as a name at all, without quotes. This holds even if all identifiers are to be quoted
    /// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>).
    pub(crate) fn id_unless_readable<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let starts = |c: char| c.is_ascii_lowercase() || c == '_' || !c.is_ascii();
        let continues = |c: char| starts(c) || c.is_ascii_digit() || c == '$';
        let readable = name.starts_with(starts)
            && name.chars().all(continues)
            && !matches!(self.keywords.get(name), Some('R' | 'T'));
        if readable { Cow::Borrowed(name) } else { Cow::Owned(quoted(name)) }
    }

    /// `namespace.name`, or just the name.
    pub(crate) fn qualified(&self, namespace: Option<&str>, name: &str) -> String {
        match namespace {
            Some(namespace) if !namespace.is_empty() => format!("{}.{}", self.id(namespace), self.id(name)),
            _ => self.id(name).into_owned(),
        }
    }

    /// Identifiers, separated by commas.
    pub(crate) fn ids<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> String {
        let quoted: Vec<_> = names.into_iter().map(|name| self.id(name)).collect();
        quoted.join(", ")
    }

    /// A string literal for a session with the source's `standard_conforming_strings`, which the dump sets.
    pub(crate) fn literal(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('\'');
        self.push_escaped(&mut out, text);
        out.push('\'');
        out
    }

    /// A string literal that has the same value in a session whose `standard_conforming_strings` differs from
    /// the source's.
    pub(crate) fn portable_literal(&self, text: &str) -> String {
        if self.always_conforming { self.literal(text) } else { portable_literal(text) }
    }

    /// Appends the contents of a string literal.
    pub(crate) fn push_escaped(&self, out: &mut String, text: &str) {
        for c in text.chars() {
            if c == '\'' || (c == '\\' && !self.standard_conforming_strings) {
                out.push(c);
            }
            out.push(c);
        }
    }

    /// A dollar-quoted literal, with the shortest delimiter that does not occur in the text.
    pub(crate) fn dollar(&self, text: &str) -> String {
        let mut delimiter = "$".to_owned();
        let mut suffix = "_XXXXXXX".chars().cycle();
        while text.contains(&delimiter) {
            delimiter.extend(suffix.next());
        }
        delimiter.push('$');
        format!("{delimiter}{text}{delimiter}")
    }
}

/// An identifier in double quotes, even if it needs none.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal that has the same value with any `standard_conforming_strings`: it uses `E''` if it
/// contains backslashes.
pub(crate) fn portable_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoter() -> Quoter {
        Quoter::new(HashMap::from([("table".to_owned(), 'R'), ("values".to_owned(), 'C')]), false, true)
    }

    #[test]
    fn identifiers() {
        let q = quoter();
        for (name, expected) in [
            ("a_1", "a_1"),
            ("_a", "_a"),
            ("1a", "\"1a\""),
            ("A", "\"A\""),
            ("", "\"\""),
            ("table", "\"table\""),
            ("values", "\"values\""),
            ("é", "\"é\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(q.id(name), expected);
        }
        assert_eq!(q.qualified(Some("s"), "T"), "s.\"T\"");
    }

    #[test]
    fn identifiers_that_the_server_reads_as_they_are() {
        let q = quoter();
        for name in ["a_1", "é", "表", "a$", "values"] {
            assert_eq!(q.id_unless_readable(name), name);
        }
        for name in ["A", "1a", "$a", "a b", "table", "a\"b", "", "a-b", "a\n"] {
            assert_eq!(q.id_unless_readable(name), quoted(name));
        }
    }

    #[test]
    fn literals() {
        assert_eq!(quoter().literal("a'b\\"), "'a''b\\'");
        let old = Quoter::new(HashMap::new(), false, false);
        assert_eq!(old.literal("a'b\\"), "'a''b\\\\'");
        assert_eq!(quoter().for_major(18).portable_literal("a\\'"), "E'a\\\\'''");
        assert_eq!(quoter().for_major(19).portable_literal("a\\'"), "'a\\'''");
        assert_eq!(quoter().dollar("a$b"), "$_$a$b$_$");
        assert_eq!(quoter().dollar("a$_b$_X"), "$_XX$a$_b$_X$_XX$");
    }

    proptest! {
        #[test]
        fn a_dollar_quoted_text_ends_where_it_should(text: String) {
            let quoted = quoter().dollar(&text);
            let delimiter = &quoted[..=quoted[1..].find('$').unwrap() + 1];
            let inside = &quoted[delimiter.len()..];
            prop_assert_eq!(inside.find(delimiter).map(|i| &inside[..i]), Some(text.as_str()));
        }
    }
}

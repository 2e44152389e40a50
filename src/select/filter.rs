//! The file given by `--filter`
//! (<https://www.postgresql.org/docs/current/app-pgdump.html#APP-PGDUMP-OPTIONS>): one pattern per line, as
//! `include table PATTERN` or `exclude schema PATTERN`, with `#` comments.

use super::options::Patterns;
use crate::error::{Error, ErrorKind, Result};

/// Where the patterns of a filter file are added.
pub enum Lists<'a> {
    /// For a dump of one database: all patterns that pg_dump accepts.
    Database(&'a mut Patterns),
    /// For a dump of the cluster: the databases to leave out, the only pattern that pg_dumpall accepts.
    Cluster(&'a mut Vec<String>),
}

/// Adds the patterns in `text`, the contents of the file `name`.
///
/// The file is read exactly as pg_dump reads it, quirks included, so that it selects the same.
///
/// # Errors
///
/// A usage error that gives the line, for everything that pg_dump refuses and for zero bytes.
pub fn add(text: &str, name: &str, mut lists: Lists<'_>) -> Result<()> {
    let mut scanner = Scanner { rest: text, line: 1 };
    while !scanner.rest.is_empty() {
        let line = scanner.line;
        scanner.row(&mut lists).map_err(|reason| {
            Error::new(ErrorKind::Usage, format!("read filter file \"{name}\", line {line}")).because(reason)
        })?;
    }
    Ok(())
}

struct Scanner<'a> {
    rest: &'a str,
    /// Counted from 1. A quoted name may span several lines.
    line: usize,
}

impl<'a> Scanner<'a> {
    /// Reads to the end of a line, or further if a quoted name spans several lines.
    fn row(&mut self, lists: &mut Lists<'_>) -> Result<(), String> {
        self.skip_blanks();
        if !self.at_end_of_row() {
            let command = self.keyword();
            let include = match command.to_ascii_lowercase().as_str() {
                "include" => true,
                "exclude" => false,
                _ => {
                    return Err(format!(
                        "invalid filter command {command:?} (expected \"include\" or \"exclude\")"
                    ));
                }
            };
            self.skip_blanks();
            let kind = self.keyword();
            if kind.is_empty() {
                return Err("missing filter object type".into());
            }
            let list = lists.list_for(include, kind)?;
            list.push(self.pattern()?);
        }
        // The rest of the line is a comment.
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
        self.advance();
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn at_end_of_row(&self) -> bool {
        matches!(self.peek(), None | Some('\n' | '#'))
    }

    /// Skips blanks within the line, and returns whether there were any.
    fn skip_blanks(&mut self) -> bool {
        let rest = self.rest.trim_start_matches(|c| c != '\n' && is_blank(c));
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some
    }

    /// Only a blank ends a keyword, so `table-data` is one keyword, even though it is unknown.
    fn keyword(&mut self) -> &'a str {
        let end = self.rest.find(is_blank).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        word
    }

    /// Reads a pattern. Blanks within a name, such as an operator's or a routine's signature, become one
    /// space; next to a dot or a parenthesis they are dropped. Before a quoted name they always become one
    /// space. A pattern that consists of a comment only is empty, and matches nothing.
    fn pattern(&mut self) -> Result<String, String> {
        let mut pattern = String::new();
        let mut space = false;
        let mut glued = true;
        self.skip_blanks();
        if matches!(self.peek(), None | Some('\n')) {
            return Err("missing object name pattern".into());
        }
        while !self.at_end_of_row() {
            match self.peek() {
                Some(',') => {
                    pattern.push_str(", ");
                    self.advance();
                    glued = true;
                }
                Some(c @ ('.' | '(' | ')')) => {
                    pattern.push(c);
                    self.advance();
                    glued = true;
                }
                Some('"') => {
                    if space {
                        pattern.push(' ');
                    }
                    self.quoted(&mut pattern)?;
                    glued = false;
                }
                _ => {
                    if space && !glued {
                        pattern.push(' ');
                    }
                    self.bare(&mut pattern);
                    glued = false;
                }
            }
            space = self.skip_blanks();
        }
        if pattern.contains('\0') {
            return Err("the name has a zero byte; is the file UTF-16? It must be UTF-8".into());
        }
        Ok(pattern)
    }

    fn bare(&mut self, pattern: &mut String) {
        let ends = |c: char| is_blank(c) || "#,.()\"".contains(c);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        pattern.push_str(&self.rest[..end]);
        self.rest = &self.rest[end..];
    }

    /// Copies a quoted name with its quotes. It may contain line ends. A backslash followed by `n` stands for
    /// a line feed, and two backslashes for one backslash. Any other backslash is dropped, together with the
    /// character after it.
    fn quoted(&mut self, pattern: &mut String) -> Result<(), String> {
        pattern.extend(self.advance());
        loop {
            match self.advance().ok_or(UNENDED)? {
                '"' => {
                    pattern.push('"');
                    if self.peek() != Some('"') {
                        return Ok(());
                    }
                    pattern.extend(self.advance());
                }
                '\\' => match self.advance().ok_or(UNENDED)? {
                    'n' => pattern.push('\n'),
                    '\\' => pattern.push('\\'),
                    '\n' => self.next_line_of_name(pattern)?,
                    other if other.is_ascii() => {}
                    other => return Err(format!("a backslash is followed by {other:?}")),
                },
                '\r' => {}
                '\n' => self.next_line_of_name(pattern)?,
                other => pattern.push(other),
            }
        }
    }

    /// Continues on the next line. pg_dump treats a line end at the start of a line as part of the name, so
    /// an empty line counts twice.
    fn next_line_of_name(&mut self, pattern: &mut String) -> Result<(), String> {
        loop {
            if self.rest.is_empty() {
                return Err(UNENDED.into());
            }
            pattern.push('\n');
            match self.peek() {
                Some('\n') => pattern.extend(self.advance()),
                Some('\r') => {
                    pattern.extend(self.advance());
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
    }
}

const UNENDED: &str = "a quoted name is not terminated";

/// As C's isspace() for ASCII.
fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0B'
}

impl Lists<'_> {
    fn list_for(&mut self, include: bool, kind: &str) -> Result<&mut Vec<String>, String> {
        let command = if include { "include" } else { "exclude" };
        let kind = kind.to_ascii_lowercase();
        let not_allowed = |why: &str| Err(format!("\"{command}\" filter for \"{kind}\" is not allowed{why}"));
        let p = match self {
            Lists::Database(patterns) => patterns,
            Lists::Cluster(databases) if !include && kind == "database" => return Ok(databases),
            Lists::Cluster(_) => {
                return not_allowed(" in a dump of the cluster, which only allows \"exclude database\"");
            }
        };
        Ok(match (include, kind.as_str()) {
            (true, "schema") => &mut p.schemas,
            (false, "schema") => &mut p.exclude_schemas,
            (true, "table") => &mut p.tables,
            (false, "table") => &mut p.exclude_tables,
            (true, "table_and_children") => &mut p.tables_and_children,
            (false, "table_and_children") => &mut p.exclude_tables_and_children,
            (false, "table_data") => &mut p.exclude_table_data,
            (false, "table_data_and_children") => &mut p.exclude_table_data_and_children,
            (true, "extension") => &mut p.extensions,
            (false, "extension") => &mut p.exclude_extensions,
            (true, "foreign_data") => &mut p.foreign_servers,
            (_, "table_data" | "table_data_and_children" | "foreign_data") => return not_allowed(""),
            (_, "database") => return not_allowed(" in a dump of one database"),
            (_, "function" | "index" | "trigger") => {
                return not_allowed(": these are dumped with their schema or table");
            }
            _ => return Err(format!("unsupported filter object type {kind:?}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Patterns> {
        let mut patterns = Patterns::default();
        add(text, "f", Lists::Database(&mut patterns))?;
        Ok(patterns)
    }

    #[test]
    fn each_kind_has_its_list() {
        let text = "# all of it\n\n include table a*  # why\nexclude  table\tb\ninclude schema s\nexclude schema t\n\
                    include table_and_children p\nexclude table_and_children q\nexclude table_data d\n\
                    exclude table_data_and_children e\ninclude extension x\nexclude extension y\ninclude foreign_data f";
        let p = read(text).unwrap();
        assert_eq!((p.tables, p.exclude_tables), (vec!["a*".into()], vec!["b".into()]));
        assert_eq!((p.schemas, p.exclude_schemas), (vec!["s".into()], vec!["t".into()]));
        assert_eq!(
            (p.tables_and_children, p.exclude_tables_and_children),
            (vec!["p".into()], vec!["q".into()])
        );
        assert_eq!(
            (p.exclude_table_data, p.exclude_table_data_and_children),
            (vec!["d".into()], vec!["e".into()])
        );
        assert_eq!((p.extensions, p.exclude_extensions), (vec!["x".into()], vec!["y".into()]));
        assert_eq!(p.foreign_servers, ["f"]);
    }

    /// How pg_dump 17 and 18 read the same lines.
    #[test]
    fn names_are_read_as_pg_dump_reads_them() {
        for (line, pattern) in [
            ("include table  \"my \"\"sch\"\"\".\"two\nlines\" # yes", "\"my \"\"sch\"\"\".\"two\nlines\""),
            ("include table b c", "b c"),
            ("INCLUDE Table\u{b}b\u{b}", "b"),
            ("include table s . b", "s.b"),
            ("include table s. \"b\"", "s. \"b\""),
            ("include table s .\"b\"", "s.\"b\""),
            ("include table \"a\" \"b\"c", "\"a\" \"b\"c"),
            ("include table f ( a,b , c )", "f(a, b, c)"),
            ("include table a#b", "a"),
            ("include table #b", ""),
            ("include table \"two\\nlines\"", "\"two\nlines\""),
            ("include table \"a\\\\n\"", "\"a\\n\""),
            ("include table \"a\\tb\\\"c\"", "\"abc\""),
            ("include table \"a\r\nb\rc\"\r\n", "\"a\nbc\""),
            ("include table \"a\n\nb\"", "\"a\n\n\nb\""),
            ("include table \"a\n\rb\"", "\"a\n\rb\""),
            ("include table \"a\\\nb\"", "\"a\nb\""),
        ] {
            let p = read(line).unwrap_or_else(|error| panic!("{line:?}: {}", error.report()));
            assert_eq!(p.tables, [pattern], "{line:?}");
        }
    }

    #[test]
    fn a_dump_of_the_cluster_takes_databases_only() {
        let read = |text: &str| {
            let mut databases = Vec::new();
            add(text, "f", Lists::Cluster(&mut databases)).map(|()| databases)
        };
        assert_eq!(read("# x\nexclude database shop*\n").unwrap(), ["shop*"]);
        for text in ["include database shop", "exclude table t"] {
            assert!(read(text).unwrap_err().report().contains("only allows \"exclude database\""), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, says) in [
            ("\ninclude", "line 2: missing filter object type"),
            ("exclude table\n", "line 1: missing object name pattern"),
            ("use table x", "invalid filter command \"use\""),
            ("*", "invalid filter command \"*\""),
            ("\u{feff}include table x", "invalid filter command \"\\u{feff}include\""),
            ("include#table x", "invalid filter command \"include#table\""),
            ("include tables x", "unsupported filter object type \"tables\""),
            ("exclude table-data x", "unsupported filter object type \"table-data\""),
            ("exclude table#data x", "unsupported filter object type \"table#data\""),
            ("exclude table.data x", "unsupported filter object type \"table.data\""),
            ("include table_data x", "\"include\" filter for \"table_data\" is not allowed"),
            ("exclude foreign_data x", "\"exclude\" filter for \"foreign_data\" is not allowed"),
            ("exclude database x", "not allowed in a dump of one database"),
            ("include function f()", "\"include\" filter for \"function\" is not allowed"),
            ("include table \"x\ny", "is not terminated"),
            ("include table \"x\n", "is not terminated"),
            ("include table \"x\\", "is not terminated"),
            ("include table \"\\é\"", "a backslash is followed by 'é'"),
            ("include table x\0", "zero byte"),
        ] {
            let report = read(text).unwrap_err().report();
            assert!(report.contains(says), "{text:?}: {report}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String, rest in "(include|exclude) table [a-z\\\\\r\". \n#,()]{0,40}") {
            let _ = read(&text);
            let _ = read(&rest);
        }
    }
}

//! The file of `--filter`
//! (<https://www.postgresql.org/docs/current/app-pgdump.html#APP-PGDUMP-OPTIONS>): one line per
//! pattern, `include table PATTERN` or `exclude schema PATTERN`, with `#` comments.

use crate::error::{Error, ErrorKind, Result};
use crate::options::Patterns;

/// Adds the patterns in `text`, the contents of the file `name`.
pub fn add(text: &str, name: &str, patterns: &mut Patterns) -> Result<()> {
    let mut scanner = Scanner { rest: text, line: 1 };
    while !scanner.rest.is_empty() {
        let line = scanner.line;
        scanner.row(patterns).map_err(|reason| {
            Error::new(ErrorKind::Usage, format!("read filter file \"{name}\", line {line}")).because(reason)
        })?;
    }
    Ok(())
}

struct Scanner<'a> {
    rest: &'a str,
    /// Counted from 1. A quoted name may go over several.
    line: usize,
}

impl<'a> Scanner<'a> {
    /// Reads to the end of a line, and of a name that goes on after it.
    fn row(&mut self, patterns: &mut Patterns) -> Result<(), String> {
        self.skip_blanks();
        if !self.at_end_of_row() {
            let command = self.keyword();
            let include = match command {
                "include" => true,
                "exclude" => false,
                "" => return Err("no filter command found (expected \"include\" or \"exclude\")".into()),
                _ => return Err(format!("invalid filter command \"{command}\"")),
            };
            self.skip_blanks();
            let kind = self.keyword();
            if kind.is_empty() {
                return Err("missing filter object type".into());
            }
            let list = list_for(include, kind, patterns)?;
            list.push(self.pattern()?);
        }
        // What is left is a comment.
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

    /// Skips blanks within the line, and says whether there were any.
    fn skip_blanks(&mut self) -> bool {
        let blank = |c: char| c != '\n' && c.is_ascii_whitespace();
        let rest = self.rest.trim_start_matches(blank);
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some
    }

    fn keyword(&mut self) -> &'a str {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        word
    }

    /// Reads a pattern as psql would: blanks mean one space within a name, as in an operator's or a
    /// routine's signature, and nothing beside a dot or a parenthesis.
    fn pattern(&mut self) -> Result<String, String> {
        let mut pattern = String::new();
        let mut space = false;
        let mut glued = true;
        self.skip_blanks();
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
                Some(c) => {
                    if space && !glued {
                        pattern.push(' ');
                    }
                    if c == '"' {
                        self.quoted(&mut pattern)?
                    } else {
                        self.bare(&mut pattern)
                    }
                    glued = false;
                }
                None => {}
            }
            space = self.skip_blanks();
        }
        if pattern.is_empty() { Err("missing object name pattern".into()) } else { Ok(pattern) }
    }

    fn bare(&mut self, pattern: &mut String) {
        let ends = |c: char| c.is_ascii_whitespace() || "#,.()\"".contains(c);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        pattern.push_str(&self.rest[..end]);
        self.rest = &self.rest[end..];
    }

    /// Copies a quoted name with its quotes; within them a line may end.
    fn quoted(&mut self, pattern: &mut String) -> Result<(), String> {
        pattern.extend(self.advance());
        while let Some(c) = self.advance() {
            pattern.push(c);
            if c == '"' {
                if self.peek() != Some('"') {
                    return Ok(());
                }
                pattern.extend(self.advance());
            }
        }
        Err("a quoted name does not end".into())
    }
}

fn list_for<'a>(include: bool, kind: &str, p: &'a mut Patterns) -> Result<&'a mut Vec<String>, String> {
    Ok(match (include, kind) {
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
        (_, "table_data" | "table_data_and_children" | "foreign_data") => {
            let command = if include { "include" } else { "exclude" };
            return Err(format!("\"{command}\" filter for \"{kind}\" is not allowed"));
        }
        (_, "database" | "function" | "index" | "trigger") => {
            return Err(format!("filter object type \"{kind}\" is for other programs, not for a dump"));
        }
        _ => return Err(format!("unsupported filter object type \"{kind}\"")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Patterns> {
        let mut patterns = Patterns::default();
        add(text, "f", &mut patterns)?;
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

    #[test]
    fn names_may_be_quoted_and_spaced() {
        let p =
            read("include table  \"my \"\"sch\"\"\" . \"two\nlines\" # yes\ninclude table b c\n").unwrap();
        assert_eq!(p.tables, ["\"my \"\"sch\"\"\".\"two\nlines\"", "b c"]);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, says) in [
            ("\ninclude", "line 2: missing filter object type"),
            ("exclude table\n", "line 1: missing object name pattern"),
            ("include table #x\n", "missing object name pattern"),
            ("use table x", "invalid filter command \"use\""),
            ("*", "no filter command found"),
            ("include tables x", "unsupported filter object type \"tables\""),
            ("include table_data x", "\"include\" filter for \"table_data\" is not allowed"),
            ("exclude foreign_data x", "\"exclude\" filter for \"foreign_data\" is not allowed"),
            ("include function f()", "other programs"),
            ("include table \"x\ny", "does not end"),
        ] {
            let report = read(text).unwrap_err().report();
            assert!(report.contains(says), "{text:?}: {report}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String, rest in "(include|exclude) table [a-z\". \n#,()]{0,40}") {
            let _ = read(&text);
            let _ = read(&rest);
        }
    }
}

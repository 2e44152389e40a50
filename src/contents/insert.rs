//! Rows as INSERT commands, made from COPY's text format. It has each value in the form of its type's output
//! function, which a cast to text may not give.

use std::borrow::Cow;

use crate::catalog::{Oid, Relation};
use crate::error::Result;
use crate::pg::quote::Quoter;
use crate::pipeline::BlockWriter;
use crate::select::options::DumpOptions;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// A generated column, which the server computes.
    Default,
    /// Unquoted if it is a plain number; quoted otherwise (NaN, Infinity).
    Number,
    /// `B'…'`
    Bits,
    Bool,
    Literal,
}

impl Spelling {
    /// Chooses by the type's OID; for a domain, that is its base type's OID.
    fn of(typid: Oid) -> Spelling {
        match typid {
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Spelling::Number,
            1560 | 1562 => Spelling::Bits,
            16 => Spelling::Bool,
            _ => Spelling::Literal,
        }
    }
}

/// Converts rows in COPY's text format to INSERT commands.
pub(super) struct InsertWriter {
    /// `INSERT INTO … VALUES`
    head: Vec<u8>,
    columns: Vec<Spelling>,
    standard_conforming_strings: bool,
    on_conflict: &'static str,
    rows_per_command: u32,
    rows_in_command: u32,
    buffer: Vec<u8>,
}

impl InsertWriter {
    pub(super) fn new(
        options: &DumpOptions,
        quoter: &Quoter,
        relation: &Relation,
        into: &str,
        rows_per_command: u32,
    ) -> Self {
        let printed: Vec<_> = relation
            .attributes
            .iter()
            .filter(|a| !a.attisdropped && (a.attgenerated == '\0' || !options.column_inserts))
            .collect();
        let mut head = format!("INSERT INTO {into} ");
        if printed.is_empty() {
            head.push_str("DEFAULT VALUES;\n");
        } else {
            if options.column_inserts {
                head.push_str(&format!("({}) ", quoter.ids(printed.iter().map(|a| a.attname.as_str()))));
            }
            if relation.needs_override {
                head.push_str("OVERRIDING SYSTEM VALUE ");
            }
            head.push_str("VALUES");
        }
        let spelling = |a: &&crate::catalog::Attribute| {
            if a.attgenerated == '\0' { Spelling::of(a.base_type) } else { Spelling::Default }
        };
        InsertWriter {
            head: crate::pg::text::encode(&head).into_owned(),
            columns: printed.iter().map(spelling).collect(),
            standard_conforming_strings: quoter.standard_conforming_strings(),
            on_conflict: if options.on_conflict_do_nothing { " ON CONFLICT DO NOTHING" } else { "" },
            rows_per_command,
            rows_in_command: 0,
            buffer: Vec::new(),
        }
    }

    /// Adds a row: a line with its line feed.
    pub(super) fn push(&mut self, row: &[u8], out: &mut BlockWriter) -> Result<()> {
        self.buffer.clear();
        if self.columns.is_empty() {
            self.buffer.extend_from_slice(&self.head);
            return out.push(&self.buffer, 1);
        }
        if self.rows_in_command == 0 {
            self.buffer.extend_from_slice(&self.head);
        }
        let lead: &[u8] = match (self.rows_per_command, self.rows_in_command) {
            (1, _) => b" (",
            (_, 0) => b"\n\t(",
            _ => b",\n\t(",
        };
        self.buffer.extend_from_slice(lead);
        self.values(row.strip_suffix(b"\n").unwrap_or(row));
        self.buffer.push(b')');
        self.rows_in_command += 1;
        if self.rows_in_command >= self.rows_per_command {
            self.end_command();
        }
        out.push(&self.buffer, 1)
    }

    /// Ends the last command.
    pub(super) fn finish(&mut self, out: &mut BlockWriter) -> Result<()> {
        if self.rows_in_command == 0 {
            return Ok(());
        }
        self.buffer.clear();
        self.end_command();
        out.push(&self.buffer, 0)
    }

    fn end_command(&mut self) {
        self.buffer.extend_from_slice(self.on_conflict.as_bytes());
        self.buffer.extend_from_slice(b";\n");
        self.rows_in_command = 0;
    }

    fn values(&mut self, row: &[u8]) {
        let mut fields = row.split(|&b| b == b'\t');
        for i in 0..self.columns.len() {
            if i > 0 {
                self.buffer.extend_from_slice(b", ");
            }
            let spelling = self.columns[i];
            if spelling == Spelling::Default {
                self.buffer.extend_from_slice(b"DEFAULT");
                continue;
            }
            match fields.next() {
                None | Some(b"\\N") => self.buffer.extend_from_slice(b"NULL"),
                Some(field) => {
                    let value = unescape(field);
                    self.value(spelling, &value);
                }
            }
        }
    }

    fn value(&mut self, spelling: Spelling, value: &[u8]) {
        let plain = |b: &u8| b.is_ascii_digit() || b" +-eE.".contains(b);
        match spelling {
            Spelling::Number if value.iter().all(plain) => self.buffer.extend_from_slice(value),
            Spelling::Bool => {
                self.buffer.extend_from_slice(if value == b"t" { b"true" } else { b"false" });
            }
            Spelling::Bits => {
                self.buffer.push(b'B');
                self.literal(value);
            }
            Spelling::Default | Spelling::Number | Spelling::Literal => self.literal(value),
        }
    }

    fn literal(&mut self, value: &[u8]) {
        self.buffer.push(b'\'');
        for &b in value {
            if b == b'\'' || (b == b'\\' && !self.standard_conforming_strings) {
                self.buffer.push(b);
            }
            self.buffer.push(b);
        }
        self.buffer.push(b'\'');
    }
}

/// Undoes the escapes of COPY's text format
/// (<https://www.postgresql.org/docs/current/sql-copy.html>).
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 0x0B,
            Some(&other) => other,
            None => b'\\',
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(&*unescape(b"a\\\\b\\n\\t\\.\\b\\v"), b"a\\b\n\t.\x08\x0B");
        assert!(matches!(unescape(b"plain"), Cow::Borrowed(b"plain")));
    }

    #[test]
    fn spellings() {
        let mut writer = InsertWriter {
            head: b"INSERT INTO t VALUES".to_vec(),
            columns: vec![
                Spelling::Number,
                Spelling::Number,
                Spelling::Bool,
                Spelling::Bits,
                Spelling::Default,
                Spelling::Literal,
            ],
            standard_conforming_strings: true,
            on_conflict: "",
            rows_per_command: 1,
            rows_in_command: 0,
            buffer: Vec::new(),
        };
        writer.values(b"-1.5e+10\tNaN\tt\t0101\tit's \\\\");
        assert_eq!(writer.buffer, b"-1.5e+10, 'NaN', true, B'0101', DEFAULT, 'it''s \\'");
    }
}

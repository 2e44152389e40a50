//! Compares the text with what the backup's index says about it, piece by piece.

use std::borrow::Cow;
use std::collections::VecDeque;

use memchr::memmem;

use super::names::parts;
use crate::index::{Contents, CountedRange, Index, IndexEntry, Rows, TextRange, setting_name};
use crate::pg::text::{decode, encode};
use crate::restore::script::{Piece, PieceKind};
use crate::restore::statement::{StatementKind, names};

/// What is wrong with an index, or `Ok`.
type Outcome = Result<(), String>;

/// What is set before an entry for its sake.
const ENTRY_SETTINGS: [&str; 3] =
    ["SET default_tablespace", "SET default_table_access_method", "SET SESSION AUTHORIZATION"];

/// Follows the text. Holds a few words for each restart point and each range of the index.
pub(super) struct IndexCheck {
    index: Index,
    /// How much of the text was seen, and its last byte.
    at: u64,
    last: u8,
    crc32: crc32fast::Hasher,
    /// The restart point whose text is being read, and that text's checksum.
    point: usize,
    crc32_of_point: crc32fast::Hasher,
    /// Where header comments begin, and the number of the entry.
    headers: VecDeque<(u64, usize)>,
    /// The entry whose header comment has begun.
    in_header: Option<usize>,
    /// The ranges of rows and large objects that are still to come, and the number of the entry.
    counted: VecDeque<(CountedRange, usize)>,
    /// How many rows or large objects of the first of them were seen.
    seen: u64,
    /// Where the current entry ends.
    entry_end: u64,
    /// The commands that the session's settings are from, and whether they are for the next entry.
    session: Vec<(String, bool)>,
    /// The target of the last COPY.
    target: (Vec<String>, Vec<String>),
    loads_via_root: bool,
}

impl IndexCheck {
    /// # Errors
    /// If the index contradicts itself.
    pub(super) fn new(index: Index) -> Result<Self, String> {
        let mut headers = Vec::new();
        let mut counted = Vec::new();
        for (number, entry) in index.entries.iter().enumerate() {
            headers.extend(entry.ranges.iter().map(|range| (range.offset, number)));
            for range in entry.contents.iter().flat_map(Contents::ranges) {
                if !entry.ranges.iter().any(|outer| contains(outer, &range.range)) {
                    return Err(format!("the rows of {} are not in its text", shown(entry)));
                }
                counted.push((*range, number));
            }
        }
        headers.sort_unstable();
        counted.sort_unstable_by_key(|(range, _)| (range.range.offset, range.range.length));
        for pair in counted.windows(2) {
            if pair[0].0.range.end().is_none_or(|end| end > pair[1].0.range.offset) {
                return Err(format!(
                    "rows of {} are also those of another",
                    shown(&index.entries[pair[0].1])
                ));
            }
        }
        Ok(IndexCheck {
            index,
            at: 0,
            last: b'\n',
            crc32: crc32fast::Hasher::new(),
            point: 0,
            crc32_of_point: crc32fast::Hasher::new(),
            headers: headers.into(),
            in_header: None,
            counted: counted.into(),
            seen: 0,
            entry_end: 0,
            session: Vec::new(),
            target: Default::default(),
            loads_via_root: false,
        })
    }

    /// Compares the next piece of the text.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(super) fn piece(&mut self, piece: &Piece) -> Outcome {
        match piece.kind {
            PieceKind::CopyFromStdin => {
                let (table, columns) = names::copy_target(&decode(&piece.text));
                self.target = (parts(&table), columns.iter().map(|column| parts(column).join(".")).collect());
            }
            PieceKind::Comment => {
                self.loads_via_root |= piece.text.starts_with(b"-- load via partition root ");
            }
            // A new session has none of them.
            PieceKind::MetaCommand if piece.text.starts_with(b"\\connect") => self.session.clear(),
            PieceKind::Space
            | PieceKind::Statement
            | PieceKind::Rows
            | PieceKind::EndOfRows
            | PieceKind::MetaCommand => {}
        }
        self.checksums(&piece.text)?;
        self.settings(piece)?;
        self.header(piece)?;
        self.counted(piece)?;
        self.at += piece.text.len() as u64;
        self.last = piece.text.last().copied().unwrap_or(self.last);
        Ok(())
    }

    /// Compares what is known at the end of the text.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(super) fn finish(mut self) -> Outcome {
        if self.at != self.index.text_bytes {
            return Err(format!(
                "the text has {} bytes, but the index says {}",
                self.at, self.index.text_bytes
            ));
        }
        self.end_of_point()?;
        let found = self.crc32.clone().finalize();
        if found != self.index.text_crc32 {
            return Err(format!(
                "the text's CRC-32 is {found:08x}, but the index says {:08x}",
                self.index.text_crc32
            ));
        }
        // What begins at the end of the text has no header.
        match self.in_header.or(self.headers.front().map(|(_, number)| *number)) {
            Some(number) => Err(self.no_header(number)),
            None => Ok(()),
        }
    }

    fn checksums(&mut self, mut text: &[u8]) -> Outcome {
        self.crc32.update(text);
        let mut at = self.at;
        while let Some(next) = self.index.restart_points.get(self.point + 1) {
            let rest = usize::try_from(next.text_offset - at).unwrap_or(usize::MAX);
            let Some((before, after)) = text.split_at_checked(rest) else { break };
            self.crc32_of_point.update(before);
            self.end_of_point()?;
            self.point += 1;
            (text, at) = (after, at + before.len() as u64);
        }
        self.crc32_of_point.update(text);
        Ok(())
    }

    fn end_of_point(&mut self) -> Outcome {
        let found = std::mem::take(&mut self.crc32_of_point).finalize();
        match self.index.restart_points.get(self.point) {
            Some(point) if point.crc32 != found => Err(format!(
                "the CRC-32 of the text from byte {} to the next restart point is {found:08x}, but the index says \
                 {:08x}",
                point.text_offset, point.crc32
            )),
            _ => Ok(()),
        }
    }

    /// Each range of an entry begins with `--` on a line, and then says what the entry is.
    fn header(&mut self, piece: &Piece) -> Outcome {
        if let Some(number) = self.in_header.take()
            && !(piece.kind == PieceKind::Comment && announces(&piece.text, &self.index.entries[number]))
        {
            // With --verbose, there is a line with a number before.
            if !piece.text.starts_with(b"-- TOC entry ") {
                return Err(self.no_header(number));
            }
            self.in_header = Some(number);
        }
        let end = self.at + piece.text.len() as u64;
        while let Some((offset, number)) = self.headers.pop_front_if(|(offset, _)| *offset < end) {
            if offset != self.at || *piece.text != *b"--\n" || self.in_header.is_some() {
                return Err(self.no_header(number));
            }
            let entry = &self.index.entries[number];
            let range = entry.ranges.iter().find(|range| range.offset == offset);
            self.entry_end = range.and_then(TextRange::end).unwrap_or(offset);
            self.settings_of(number)?;
            self.in_header = Some(number);
        }
        Ok(())
    }

    /// Follows the settings of the session: the opening sets nothing else, and what an entry needs is set before it.
    fn settings(&mut self, piece: &Piece) -> Outcome {
        let opening_bytes = self.index.opening_bytes;
        let end = self.at + piece.text.len() as u64;
        let is_space = piece.kind == PieceKind::Space;
        if self.at < opening_bytes && opening_bytes < end && !is_space {
            return Err("the opening of the text ends within a command".to_owned());
        }
        if piece.kind != PieceKind::Statement {
            return Ok(());
        }
        let is_setting = StatementKind::of(&piece.text) == StatementKind::Setting;
        if self.at < opening_bytes {
            return match is_setting {
                true => Ok(()),
                false => Err("the opening of the text does more than to prepare a session".to_owned()),
            };
        }
        if is_setting {
            let command = decode(&piece.text);
            self.session.retain(|(other, _)| setting_name(other) != setting_name(&command));
            let is_for_next = self.at >= self.entry_end && ENTRY_SETTINGS.contains(&setting_name(&command));
            self.session.push((command, is_for_next));
        }
        Ok(())
    }

    /// Compares the settings of the session with those that an entry needs, at its beginning.
    fn settings_of(&mut self, number: usize) -> Outcome {
        let entry = &self.index.entries[number];
        let has = |command: &str| self.session.iter().any(|(other, _)| *other == *command);
        if let Some(command) = entry.settings.iter().find(|command| !has(command)) {
            return Err(format!("{command} is not before {} in the text", shown(entry)));
        }
        for (command, is_for_next) in &mut self.session {
            let is_known = entry.settings.iter().any(|known| **known == **command);
            if std::mem::take(is_for_next) && !is_known && self.index.opening_bytes > 0 {
                return Err(format!("{command} is before {}, but the index does not say so", shown(entry)));
            }
        }
        Ok(())
    }

    fn no_header(&self, number: usize) -> String {
        format!("no header comment of {} is where the index says", shown(&self.index.entries[number]))
    }

    fn counted(&mut self, piece: &Piece) -> Outcome {
        let end = self.at + piece.text.len() as u64;
        while let Some(&(CountedRange { range, count }, number)) = self.counted.front()
            && (range.offset < end || range.length == 0)
        {
            let entry = &self.index.entries[number];
            let range_end = range.offset + range.length;
            let from = (range.offset.max(self.at) - self.at) as usize;
            let to = (range_end.min(end).max(self.at) - self.at) as usize;
            if range.length > 0 {
                let before = if from == 0 { self.last } else { piece.text[from - 1] };
                if range.offset >= self.at && before != b'\n' {
                    return Err(format!("rows of {} do not begin on a line of their own", shown(entry)));
                }
                let part = &piece.text[from..to];
                let is_whole = part.len() == piece.text.len();
                let is_first = range.offset >= self.at;
                self.seen += self.count(entry, piece, part, is_whole, is_first).ok_or_else(|| {
                    format!("a range of {} holds something else than its rows", shown(entry))
                })?;
                if range_end > end {
                    break;
                }
                if piece.text[to - 1] != b'\n' {
                    return Err(format!("rows of {} do not end with a line", shown(entry)));
                }
            }
            let seen = std::mem::take(&mut self.seen);
            if seen != count {
                return Err(format!(
                    "from byte {} of the text on, {} has {seen} rows or large objects in {} bytes, but the index \
                     says {count}",
                    range.offset,
                    shown(entry),
                    range.length
                ));
            }
            self.counted.pop_front();
        }
        Ok(())
    }

    /// The number of rows or large objects in a part of a piece. `None` if there should be none.
    fn count(
        &self,
        entry: &IndexEntry,
        piece: &Piece,
        part: &[u8],
        is_whole: bool,
        is_first: bool,
    ) -> Option<u64> {
        match (piece.kind, entry.contents.as_ref()?) {
            (PieceKind::Space, _) => Some(0),
            (PieceKind::Rows, Contents::Rows(rows)) => {
                (!is_first || self.is_target(rows)).then(|| memchr::memchr_iter(b'\n', part).count() as u64)
            }
            (PieceKind::Statement, Contents::Rows(rows)) => {
                let inserted = inserted(&piece.text).filter(|_| is_whole)?;
                let is_same = || is_name_of(&insert_target(&piece.text), rows);
                (!is_first || self.loads_via_root || is_same()).then_some(inserted)
            }
            (PieceKind::Statement, Contents::LargeObjects(_)) if is_whole => {
                Some(piece.text.starts_with(b"SELECT pg_catalog.lo_open(").into())
            }
            _ => None,
        }
    }

    /// Whether the last COPY is into the relation and columns that the index names. One without a list of columns
    /// does not say.
    fn is_target(&self, rows: &Rows) -> bool {
        let (table, columns) = &self.target;
        let columns = columns.iter().map(String::as_str);
        (self.loads_via_root || is_name_of(table, rows))
            && (columns.len() == 0 || columns.eq(rows.columns.iter().map(|column| &**column)))
    }
}

/// Old dumps leave out the schema.
fn is_name_of(parts: &[String], rows: &Rows) -> bool {
    match parts {
        [relation] => **relation == *rows.relation,
        [namespace, relation] => **namespace == *rows.namespace && **relation == *rows.relation,
        _ => false,
    }
}

fn contains(outer: &TextRange, inner: &TextRange) -> bool {
    outer.offset <= inner.offset && inner.end() <= outer.end()
}

/// An entry as messages name it.
pub(super) fn shown(entry: &IndexEntry) -> String {
    if entry.namespace.is_empty() {
        return format!("{} {}", entry.kind, entry.tag);
    }
    format!("{} {}.{}", entry.kind, entry.namespace, entry.tag)
}

/// Whether a comment is the line that says what the entry is.
fn announces(comment: &[u8], entry: &IndexEntry) -> bool {
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    let schema = if entry.namespace.is_empty() { "-" } else { &entry.namespace };
    let expected = format!(
        "Name: {}; Type: {}; Schema: {}; Owner: ",
        one_line(&entry.tag),
        one_line(&entry.kind),
        one_line(schema)
    );
    let expected: Cow<'_, [u8]> = encode(&expected);
    [&b"-- "[..], b"-- Data for ", b"-- Statistics for "]
        .iter()
        .any(|start| comment.strip_prefix(*start).is_some_and(|rest| rest.starts_with(&expected)))
}

fn insert_target(statement: &[u8]) -> Vec<String> {
    let start = &statement[..memmem::find(statement, b" VALUES").unwrap_or(statement.len())];
    parts(&names::copy_target(&decode(start).replacen("INSERT INTO", "COPY", 1)).0)
}

/// The number of rows that an INSERT as pg_dump writes it inserts; `None` for another statement.
///
/// Backslashes need no attention: pg_dump writes a quote within a literal as two, never with a backslash.
fn inserted(statement: &[u8]) -> Option<u64> {
    if !statement.starts_with(b"INSERT INTO ") {
        return None;
    }
    let (mut depth, mut quote, mut rows) = (0u32, None, 0);
    // The columns, if any, are a list of their own before VALUES.
    let mut is_behind_values = false;
    for (at, &byte) in statement.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) => {
                if byte == open {
                    quote = None;
                }
            }
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(') => {
                rows += u64::from(depth == 0 && is_behind_values);
                depth += 1;
            }
            (None, b')') => depth = depth.saturating_sub(1),
            (None, b'V') if depth == 0 && statement[at..].starts_with(b"VALUES") => {
                // `DEFAULT VALUES` is a row without columns.
                rows += u64::from(statement[..at].ends_with(b"DEFAULT "));
                is_behind_values = true;
            }
            (None, _) => {}
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_inserts_are_counted() {
        for (statement, rows) in [
            ("INSERT INTO s.t VALUES (1, ')(', 'it''s (');", Some(1)),
            ("INSERT INTO s.t (a, \"VALUES (\") OVERRIDING SYSTEM VALUE VALUES (1, NULL);", Some(1)),
            ("INSERT INTO s.\"(\" VALUES\n\t(1),\n\t(E'\\\\'),\n\t('\n(');", Some(3)),
            ("INSERT INTO s.t VALUES (1) ON CONFLICT DO NOTHING;", Some(1)),
            ("INSERT INTO s.t DEFAULT VALUES;", Some(1)),
            ("UPDATE s.t SET a = 1;", None),
        ] {
            assert_eq!(inserted(statement.as_bytes()), rows, "{statement}");
        }
        assert_eq!(insert_target(b"INSERT INTO s.\"T x\" (a) VALUES (1);"), ["s", "T x"]);
        assert_eq!(insert_target(b"INSERT INTO s.t DEFAULT VALUES;"), ["s", "t"]);
    }

    #[test]
    fn a_header_names_its_entry() {
        let entry = |tag: &str, namespace: &str| IndexEntry {
            kind: "TABLE".into(),
            tag: tag.into(),
            namespace: namespace.into(),
            ..IndexEntry::default()
        };
        let header = b"-- Name: a b; Type: TABLE; Schema: -; Owner: o; Tablespace: t\n";
        assert!(announces(header, &entry("a\nb", "")));
        assert!(!announces(header, &entry("a", "")));
        assert!(!announces(header, &entry("a b", "s")));
        assert!(announces(b"-- Data for Name: t; Type: TABLE; Schema: s; Owner: -\n", &entry("t", "s")));
        let latin1 = entry(&decode(b"gr\xf6\xdfe"), "s");
        assert!(announces(b"-- Name: gr\xf6\xdfe; Type: TABLE; Schema: s; Owner: o\n", &latin1));
    }
}

//! Writes the sections of an index.

use rustc_hash::FxHashMap;

use super::varint::{put, put_signed};
use super::{Contents, CountedRange, Index, IndexEntry, MAX_ITEMS, Section};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::text;

/// The sections. `docs/file-format.md` says what is in each.
pub(super) mod id {
    pub(crate) const TEXT: u64 = 1;
    pub(crate) const RESTART_POINTS: u64 = 2;
    pub(crate) const STRINGS: u64 = 3;
    pub(crate) const ENTRIES: u64 = 4;
    pub(crate) const ROWS: u64 = 5;
    pub(crate) const LARGE_OBJECTS: u64 = 6;
    pub(crate) const SESSION: u64 = 7;
}

/// Fails if there are more entries or strings than a reader accepts.
pub(super) fn sections(index: &Index) -> Result<Vec<u8>> {
    let mut strings = Strings::for_entries(index.entries.len());
    let entries = entries(&index.entries, &mut strings);
    let rows = rows(&index.entries, &mut strings);
    let session = session(index, &mut strings);
    let items = index.entries.len().max(strings.list.len());
    if items > MAX_ITEMS {
        return Err(Error::new(ErrorKind::Other, "write the index")
            .because(format!("it has {items} entries or strings, more than {MAX_ITEMS}")));
    }
    let mut out =
        Vec::with_capacity(16 * index.restart_points.len() + strings.bytes + entries.len() + rows.len());
    section(&mut out, id::TEXT, &text_section(index));
    section(&mut out, id::RESTART_POINTS, &restart_points(index));
    section(&mut out, id::STRINGS, &strings.encode());
    section(&mut out, id::ENTRIES, &entries);
    section(&mut out, id::ROWS, &rows);
    section(&mut out, id::LARGE_OBJECTS, &large_objects(&index.entries));
    section(&mut out, id::SESSION, &session);
    Ok(out)
}

fn section(out: &mut Vec<u8>, id: u64, contents: &[u8]) {
    put(out, id);
    put(out, contents.len() as u64);
    out.extend_from_slice(contents);
}

fn text_section(index: &Index) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, index.text_bytes);
    out.extend_from_slice(&index.text_crc32.to_le_bytes());
    out
}

/// Column by column: what resembles each other stands together, which compresses better.
fn restart_points(index: &Index) -> Vec<u8> {
    let points = &index.restart_points;
    let mut out = Vec::with_capacity(10 * points.len() + 16);
    put(&mut out, points.len() as u64);
    let mut before = 0;
    for point in points {
        put(&mut out, point.stored_offset.wrapping_sub(before));
        before = point.stored_offset;
    }
    before = 0;
    for point in points {
        put(&mut out, point.text_offset.wrapping_sub(before));
        before = point.text_offset;
    }
    for point in points {
        out.extend_from_slice(&point.crc32.to_le_bytes());
    }
    out
}

/// Each string once, in the order of first use.
struct Strings<'a> {
    numbers: FxHashMap<&'a str, u64>,
    list: Vec<&'a str>,
    bytes: usize,
}

impl<'a> Strings<'a> {
    /// Most entries have a name of their own. Growing the map would hash all names again, several times.
    fn for_entries(count: usize) -> Self {
        let numbers = FxHashMap::with_capacity_and_hasher(count, Default::default());
        Strings { numbers, list: Vec::with_capacity(count), bytes: 0 }
    }

    fn put(&mut self, out: &mut Vec<u8>, string: &'a str) {
        let number = *self.numbers.entry(string).or_insert_with(|| {
            self.bytes += string.len() + 2;
            self.list.push(string);
            self.list.len() as u64 - 1
        });
        put(out, number);
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes + 10);
        put(&mut out, self.list.len() as u64);
        for string in &self.list {
            let bytes = text::encode(string);
            put(&mut out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
        }
        out
    }
}

fn entries<'a>(entries: &'a [IndexEntry], strings: &mut Strings<'a>) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 * entries.len() + 10);
    put(&mut out, entries.len() as u64);
    let (mut before, mut end) = (0, 0u64);
    for entry in entries {
        let dump_id = i64::from(entry.dump_id);
        put_signed(&mut out, dump_id - before);
        before = dump_id;
        strings.put(&mut out, &entry.kind);
        put(&mut out, entry.classoid.into());
        put(&mut out, entry.oid.into());
        strings.put(&mut out, &entry.namespace);
        strings.put(&mut out, &entry.tag);
        strings.put(&mut out, &entry.owner);
        out.push(match entry.section {
            Section::None => 0,
            Section::PreData => 1,
            Section::Data => 2,
            Section::PostData => 3,
        });
        put(&mut out, entry.dependencies.len() as u64);
        for dependency in &entry.dependencies {
            put_signed(&mut out, dump_id - i64::from(*dependency));
        }
        put(&mut out, entry.ranges.len() as u64);
        for range in &entry.ranges {
            put_signed(&mut out, range.offset.wrapping_sub(end) as i64);
            put(&mut out, range.length);
            end = range.offset.wrapping_add(range.length);
        }
    }
    out
}

fn rows<'a>(entries: &'a [IndexEntry], strings: &mut Strings<'a>) -> Vec<u8> {
    with_contents(entries, |contents, end, out| {
        let Contents::Rows(rows) = contents else { return false };
        strings.put(out, &rows.namespace);
        strings.put(out, &rows.relation);
        put(out, rows.columns.len() as u64);
        for column in &rows.columns {
            strings.put(out, column);
        }
        counted_ranges(out, &rows.ranges, end);
        true
    })
}

fn session<'a>(index: &'a Index, strings: &mut Strings<'a>) -> Vec<u8> {
    let with_settings = index.entries.iter().enumerate().filter(|(_, entry)| !entry.settings.is_empty());
    let mut out = Vec::new();
    put(&mut out, index.opening_bytes);
    put(&mut out, with_settings.clone().count() as u64);
    let mut before = 0;
    for (number, entry) in with_settings {
        put(&mut out, (number - before) as u64);
        before = number;
        put(&mut out, entry.settings.len() as u64);
        entry.settings.iter().for_each(|command| strings.put(&mut out, command));
    }
    out
}

fn large_objects(entries: &[IndexEntry]) -> Vec<u8> {
    with_contents(entries, |contents, end, out| {
        let Contents::LargeObjects(ranges) = contents else { return false };
        counted_ranges(out, ranges, end);
        true
    })
}

/// The entries of which `one` writes the contents, each behind its number's distance from the one before.
fn with_contents<'a>(
    entries: &'a [IndexEntry],
    mut one: impl FnMut(&'a Contents, &mut u64, &mut Vec<u8>) -> bool,
) -> Vec<u8> {
    let (mut count, mut body, mut written) = (0, Vec::new(), Vec::new());
    let (mut before, mut end) = (0, 0);
    for (number, entry) in entries.iter().enumerate() {
        written.clear();
        if entry.contents.as_ref().is_some_and(|contents| one(contents, &mut end, &mut written)) {
            put(&mut body, (number - before) as u64);
            body.extend_from_slice(&written);
            (count, before) = (count + 1, number);
        }
    }
    let mut out = Vec::with_capacity(body.len() + 10);
    put(&mut out, count);
    out.extend_from_slice(&body);
    out
}

fn counted_ranges(out: &mut Vec<u8>, ranges: &[CountedRange], end: &mut u64) {
    put(out, ranges.len() as u64);
    for CountedRange { range, count } in ranges {
        put_signed(out, range.offset.wrapping_sub(*end) as i64);
        put(out, range.length);
        put(out, *count);
        *end = range.offset.wrapping_add(range.length);
    }
}

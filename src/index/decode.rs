//! Reads the sections of an index, and checks that they don't contradict each other.

use std::sync::Arc;

use super::encode::id;
use super::varint::Cursor;
use super::{
    Broken, Contents, CountedRange, Index, IndexEntry, MAX_ITEMS, RestartPoint, Rows, Section, TextRange,
};
use crate::pg::text;

/// The fewest bytes of a restart point, an entry, a range, an entry's rows, and its large objects.
const LEAST_OF_POINT: usize = 6;
const LEAST_OF_ENTRY: usize = 10;
const LEAST_OF_RANGE: usize = 2;
const LEAST_OF_COUNTED_RANGE: usize = 3;
const LEAST_OF_ROWS: usize = 5;
const LEAST_OF_LARGE_OBJECTS: usize = 2;
const LEAST_OF_SETTINGS: usize = 2;

pub(super) fn index(sections: &[u8]) -> Result<Index, Broken> {
    let sections = Sections::find(sections)?;
    let mut text = Cursor::new(sections.text.ok_or(Broken("it does not say how long the text is"))?);
    let mut index = Index { text_bytes: text.number()?, text_crc32: text.word()?, ..Index::default() };
    if let Some(section) = sections.restart_points {
        index.restart_points = restart_points(section, index.text_bytes)?;
    }
    let strings = Strings::read(sections.strings.unwrap_or(&[0]))?;
    if let Some(section) = sections.entries {
        index.entries = entries(section, &strings, index.text_bytes)?;
    }
    if let Some(section) = sections.rows {
        contents(section, LEAST_OF_ROWS, &mut index, |cursor, end, text_bytes| {
            let (namespace, relation) = (strings.take(cursor)?, strings.take(cursor)?);
            let columns = (0..cursor.count(1)?).map(|_| strings.take(cursor)).collect::<Result<_, _>>()?;
            let ranges = counted_ranges(cursor, end, text_bytes)?;
            Ok(Contents::Rows(Rows { namespace, relation, columns, ranges }))
        })?;
    }
    if let Some(section) = sections.large_objects {
        contents(section, LEAST_OF_LARGE_OBJECTS, &mut index, |cursor, end, text_bytes| {
            Ok(Contents::LargeObjects(counted_ranges(cursor, end, text_bytes)?))
        })?;
    }
    if let Some(section) = sections.session {
        session(section, &strings, &mut index)?;
    }
    Ok(index)
}

/// The sections that this version knows. It skips others, and ignores what follows the known part of one.
#[derive(Default)]
struct Sections<'a> {
    text: Option<&'a [u8]>,
    restart_points: Option<&'a [u8]>,
    strings: Option<&'a [u8]>,
    entries: Option<&'a [u8]>,
    rows: Option<&'a [u8]>,
    large_objects: Option<&'a [u8]>,
    session: Option<&'a [u8]>,
}

impl<'a> Sections<'a> {
    fn find(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut found = Sections::default();
        let mut cursor = Cursor::new(bytes);
        while !cursor.rest.is_empty() {
            let number = cursor.number()?;
            let contents = cursor.string()?;
            let section = match number {
                id::TEXT => &mut found.text,
                id::RESTART_POINTS => &mut found.restart_points,
                id::STRINGS => &mut found.strings,
                id::ENTRIES => &mut found.entries,
                id::ROWS => &mut found.rows,
                id::LARGE_OBJECTS => &mut found.large_objects,
                id::SESSION => &mut found.session,
                _ => continue,
            };
            if section.replace(contents).is_some() {
                return Err(Broken("it has a section twice"));
            }
        }
        Ok(found)
    }
}

fn restart_points(section: &[u8], text_bytes: u64) -> Result<Vec<RestartPoint>, Broken> {
    let mut cursor = Cursor::new(section);
    let count = cursor.count(LEAST_OF_POINT)?;
    let mut points = vec![RestartPoint { stored_offset: 0, text_offset: 0, crc32: 0 }; count];
    let mut offset = 0u64;
    for (number, point) in points.iter_mut().enumerate() {
        offset = ascending(offset, cursor.number()?, number)?;
        point.stored_offset = offset;
    }
    offset = 0;
    for (number, point) in points.iter_mut().enumerate() {
        offset = ascending(offset, cursor.number()?, number)?;
        point.text_offset = offset;
    }
    for point in &mut points {
        point.crc32 = cursor.word()?;
    }
    match (points.first(), points.last()) {
        (Some(first), _) if first.text_offset != 0 => {
            Err(Broken("the text begins before the restart points"))
        }
        (_, Some(last)) if last.text_offset >= text_bytes => {
            Err(Broken("a restart point is behind the text"))
        }
        _ => Ok(points),
    }
}

fn ascending(before: u64, distance: u64, number: usize) -> Result<u64, Broken> {
    let offset = before.checked_add(distance).filter(|_| distance > 0 || number == 0);
    offset.ok_or(Broken("the restart points don't ascend"))
}

struct Strings(Vec<Arc<str>>);

impl Strings {
    fn read(section: &[u8]) -> Result<Self, Broken> {
        let mut cursor = Cursor::new(section);
        let count = few(cursor.count(1)?)?;
        let strings =
            (0..count).map(|_| Ok(text::decode(cursor.string()?).into())).collect::<Result<_, _>>()?;
        Ok(Strings(strings))
    }

    /// The string whose number comes next. Strings are shared: a hostile index could use a long one often.
    fn take(&self, cursor: &mut Cursor<'_>) -> Result<Arc<str>, Broken> {
        let number = usize::try_from(cursor.number()?).ok();
        number.and_then(|number| self.0.get(number)).cloned().ok_or(Broken("it lacks a string that it uses"))
    }
}

fn entries(section: &[u8], strings: &Strings, text_bytes: u64) -> Result<Vec<IndexEntry>, Broken> {
    let mut cursor = Cursor::new(section);
    let count = few(cursor.count(LEAST_OF_ENTRY)?)?;
    let mut entries = Vec::with_capacity(count);
    let (mut dump_id, mut end) = (0u32, 0);
    for _ in 0..count {
        dump_id = id_at(dump_id, cursor.signed()?)?;
        let mut entry = IndexEntry {
            dump_id,
            kind: strings.take(&mut cursor)?,
            classoid: cursor.small()?,
            oid: cursor.small()?,
            namespace: strings.take(&mut cursor)?,
            tag: strings.take(&mut cursor)?,
            owner: strings.take(&mut cursor)?,
            section: match cursor.number()? {
                0 => Section::None,
                1 => Section::PreData,
                2 => Section::Data,
                3 => Section::PostData,
                _ => return Err(Broken("an entry is in an unknown section of the dump")),
            },
            ..IndexEntry::default()
        };
        let number_of_dependencies = cursor.count(1)?;
        entry.dependencies = Vec::with_capacity(number_of_dependencies);
        for _ in 0..number_of_dependencies {
            let distance = cursor.signed()?.checked_neg().ok_or(Broken("a number is too large"))?;
            entry.dependencies.push(id_at(dump_id, distance)?);
        }
        let number_of_ranges = cursor.count(LEAST_OF_RANGE)?;
        entry.ranges = Vec::with_capacity(number_of_ranges);
        for number in 0..number_of_ranges {
            entry.ranges.push(range(&mut cursor, &mut end, text_bytes, number > 0)?);
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn session(section: &[u8], strings: &Strings, index: &mut Index) -> Result<(), Broken> {
    let mut cursor = Cursor::new(section);
    index.opening_bytes = cursor.number()?;
    let first = index.entries.iter().flat_map(|entry| &entry.ranges).map(|range| range.offset).min();
    if index.opening_bytes > first.unwrap_or(index.text_bytes) {
        return Err(Broken("the text's opening reaches into an entry"));
    }
    let mut number = 0usize;
    for _ in 0..cursor.count(LEAST_OF_SETTINGS)? {
        let distance = usize::try_from(cursor.number()?).ok();
        number = distance.and_then(|distance| number.checked_add(distance)).unwrap_or(usize::MAX);
        let settings = (0..cursor.count(1)?).map(|_| strings.take(&mut cursor)).collect::<Result<_, _>>()?;
        let Some(entry) = index.entries.get_mut(number) else {
            return Err(Broken("it has settings of an entry that it lacks"));
        };
        if !std::mem::replace(&mut entry.settings, settings).is_empty() {
            return Err(Broken("an entry has settings twice"));
        }
    }
    Ok(())
}

fn few(count: usize) -> Result<usize, Broken> {
    if count <= MAX_ITEMS { Ok(count) } else { Err(Broken("it has too many entries or strings")) }
}

fn id_at(id: u32, distance: i64) -> Result<u32, Broken> {
    let id = i64::from(id).checked_add(distance).and_then(|id| u32::try_from(id).ok());
    id.ok_or(Broken("a dump id is too large"))
}

/// A range at a distance from the end of the one before it, and behind it if it belongs to the same entry.
fn range(
    cursor: &mut Cursor<'_>,
    end: &mut u64,
    text_bytes: u64,
    is_behind: bool,
) -> Result<TextRange, Broken> {
    let distance = cursor.signed()?;
    if is_behind && distance < 0 {
        return Err(Broken("ranges of an entry overlap"));
    }
    let range = TextRange { offset: end.wrapping_add_signed(distance), length: cursor.number()? };
    *end = range.end().filter(|end| *end <= text_bytes).ok_or(Broken("a range is outside of the text"))?;
    Ok(range)
}

fn counted_ranges(
    cursor: &mut Cursor<'_>,
    end: &mut u64,
    text_bytes: u64,
) -> Result<Vec<CountedRange>, Broken> {
    let count = cursor.count(LEAST_OF_COUNTED_RANGE)?;
    let mut ranges = Vec::with_capacity(count);
    for number in 0..count {
        let range = range(cursor, end, text_bytes, number > 0)?;
        ranges.push(CountedRange { range, count: cursor.number()? });
    }
    Ok(ranges)
}

/// Reads the contents of entries, each behind its entry's distance from the one before.
fn contents(
    section: &[u8],
    least: usize,
    index: &mut Index,
    mut one: impl FnMut(&mut Cursor<'_>, &mut u64, u64) -> Result<Contents, Broken>,
) -> Result<(), Broken> {
    let mut cursor = Cursor::new(section);
    let count = cursor.count(least)?;
    let (mut entry, mut end) = (0usize, 0);
    for _ in 0..count {
        let distance = usize::try_from(cursor.number()?).ok();
        entry = distance.and_then(|distance| entry.checked_add(distance)).unwrap_or(usize::MAX);
        let contents = one(&mut cursor, &mut end, index.text_bytes)?;
        let Some(entry) = index.entries.get_mut(entry) else {
            return Err(Broken("it has contents of an entry that it lacks"));
        };
        if entry.contents.replace(contents).is_some() {
            return Err(Broken("an entry has contents twice"));
        }
    }
    Ok(())
}

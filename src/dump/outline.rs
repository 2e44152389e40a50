//! What the index says about a dump: what was planned, joined with where it was written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Catalog, DumpId, ObjectKind};
use crate::codec::Compression;
use crate::emit::{self, Entry};
use crate::error::Result;
use crate::index::{
    Contents, CountedRange, Index, IndexEntry, RestartPoint, Rows, Section, SeekTable, TextRange, wrap,
};
use crate::pipeline::{PartSummary, Written};
use crate::plan::{Plan, Position};
use crate::select::options::{DumpOptions, RowFormat};

/// The entries of a dump before it is written.
#[derive(Debug, Default)]
pub(super) struct Outline {
    entries: Vec<Planned>,
    opening_end: Option<Position>,
    /// For each part of the plan, the number of its first step.
    pub first_steps: Vec<usize>,
}

/// An entry whose ranges are not known yet.
#[derive(Debug)]
struct Planned {
    entry: IndexEntry,
    spans: Vec<(Position, Position)>,
    /// The part with its contents.
    part: Option<usize>,
}

impl Outline {
    pub(super) fn new(catalog: &Catalog, entries: &[Entry], plan: &Plan, options: &DumpOptions) -> Self {
        let printed: Vec<_> = plan.printed.iter().map(|printed| &entries[printed.entry]).collect();
        let mut lister = Lister::new(catalog, &printed, options);
        let planned = plan.printed.iter().zip(&printed).map(|(printed, entry)| Planned {
            entry: IndexEntry {
                settings: printed.settings.iter().flatten().map(Arc::clone).collect(),
                ..lister.list(entry)
            },
            spans: printed.spans.clone(),
            part: printed.contents,
        });
        Outline { entries: planned.collect(), opening_end: plan.opening_end, first_steps: Vec::new() }
    }

    /// The index of what was written, in the form in which it is appended.
    ///
    /// # Errors
    /// `Other`, if the dump has more entries than an index can have.
    pub(super) fn index(self, compression: Compression, written: &Written) -> Result<Bytes> {
        let places = Places::new(&self.first_steps, written);
        let opening_bytes = self.opening_end.map_or(0, |end| places.offset(end));
        let entries = self.entries.into_iter().map(|Planned { mut entry, spans, part }| {
            entry.ranges = spans.into_iter().map(|(start, end)| places.range(start, end)).collect();
            if let (Some(part), Some(contents)) = (part, &mut entry.contents) {
                match contents {
                    Contents::Rows(rows) => rows.ranges = places.counted_ranges(part),
                    Contents::LargeObjects(ranges) => *ranges = places.counted_ranges(part),
                }
            }
            entry
        });
        let restart_points = written.restart_points.iter().map(|point| RestartPoint {
            stored_offset: point.stored_offset,
            text_offset: point.text_offset,
            crc32: point.crc32,
        });
        let index = Index {
            text_bytes: written.raw_bytes,
            text_crc32: written.crc32,
            restart_points: restart_points.collect(),
            entries: entries.collect(),
            opening_bytes,
        };
        wrap(compression, &index.encode()?, written.stored_bytes, seek_table(written)?)
    }
}

/// Where the parts of a plan are in the text.
struct Places<'a> {
    first_steps: &'a [usize],
    steps: Vec<&'a PartSummary>,
    /// Where each step begins, and where the text ends.
    starts: Vec<u64>,
}

impl<'a> Places<'a> {
    fn new(first_steps: &'a [usize], written: &'a Written) -> Self {
        let steps: Vec<_> = written.segments.iter().flat_map(|segment| &segment.parts).collect();
        let mut starts = vec![0];
        let mut at = 0;
        starts.extend(steps.iter().map(|step| {
            at += step.raw_bytes;
            at
        }));
        Places { first_steps, steps, starts }
    }

    /// The number of a part's first step. What is after the last part is after the last step.
    fn first_step(&self, part: usize) -> usize {
        self.first_steps.get(part).copied().unwrap_or(self.steps.len())
    }

    fn offset(&self, position: Position) -> u64 {
        self.starts[self.first_step(position.part)] + position.offset
    }

    fn range(&self, start: Position, end: Position) -> TextRange {
        let offset = self.offset(start);
        TextRange { offset, length: self.offset(end) - offset }
    }

    fn counted_ranges(&self, part: usize) -> Vec<CountedRange> {
        let mut ranges = Vec::new();
        for number in self.first_step(part)..self.first_step(part + 1) {
            let mut offset = self.starts[number];
            for range in &self.steps[number].ranges {
                let length = range.raw_bytes;
                ranges.push(CountedRange { range: TextRange { offset, length }, count: range.rows });
                offset += length;
            }
        }
        ranges
    }
}

/// All frames: each begins at a restart point.
fn seek_table(written: &Written) -> Result<SeekTable> {
    let mut frames = SeekTable::default();
    let mut points = written.restart_points.iter().peekable();
    if points.peek().is_none() && written.stored_bytes > 0 {
        frames.push(written.stored_bytes, written.raw_bytes)?;
    }
    while let Some(point) = points.next() {
        let end = points.peek().map(|next| (next.stored_offset, next.text_offset));
        let (stored, text) = end.unwrap_or((written.stored_bytes, written.raw_bytes));
        frames.push(stored - point.stored_offset, text - point.text_offset)?;
    }
    Ok(frames)
}

/// Describes entries as `pg_restore -l` would list them.
struct Lister<'a> {
    catalog: &'a Catalog,
    options: &'a DumpOptions,
    /// The objects of which an entry is printed: others are not in the index, but what they need may be.
    listed: HashSet<DumpId>,
    /// The number of the next entry that has no object of its own.
    next: u32,
    /// The strings that many entries share.
    shared: HashMap<&'a str, Arc<str>>,
}

impl<'a> Lister<'a> {
    fn new(catalog: &'a Catalog, printed: &[&'a Entry], options: &'a DumpOptions) -> Self {
        let listed = printed.iter().filter_map(|entry| entry.dump_id).collect();
        let next = catalog.ids().map(number).max().unwrap_or(0) + 1;
        Lister { catalog, options, listed, next, shared: HashMap::new() }
    }

    fn list(&mut self, entry: &'a Entry) -> IndexEntry {
        let (dump_id, dependencies) = match (entry.dump_id, entry.object) {
            (Some(object), _) => (number(object), self.dependencies(object)),
            (None, object) => {
                let own = self.next;
                self.next += 1;
                let needs = match object {
                    Some(object) if self.listed.contains(&object) => vec![number(object)],
                    // What is set or refreshed is another object than the one that is printed.
                    Some(object) => self.dependencies(object),
                    None => Vec::new(),
                };
                (own, needs)
            }
        };
        let owner = entry.owner.as_deref().filter(|_| !self.options.no_owner);
        IndexEntry {
            dump_id,
            kind: self.share(entry.kind.header()),
            classoid: entry.catalog_id.classoid,
            oid: entry.catalog_id.oid,
            namespace: self.share(entry.namespace.as_deref().unwrap_or_default()),
            tag: entry.tag.as_str().into(),
            owner: self.share(owner.unwrap_or_default()),
            section: section(entry.section),
            dependencies,
            ranges: Vec::new(),
            contents: entry.contents.and_then(|contents| self.contents(contents)),
            settings: Vec::new(),
        }
    }

    fn share(&mut self, text: &'a str) -> Arc<str> {
        Arc::clone(self.shared.entry(text).or_insert_with(|| text.into()))
    }

    /// The listed objects that an object needs, also by way of others.
    fn dependencies(&self, object: DumpId) -> Vec<u32> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut open = self.catalog.object(object).dependencies.clone();
        while let Some(needed) = open.pop() {
            // The boundaries between sections need all objects of a section.
            let kind = &self.catalog.object(needed).kind;
            let is_boundary = matches!(kind, ObjectKind::PreDataBoundary | ObjectKind::PostDataBoundary);
            if is_boundary || needed == object || !seen.insert(needed) {
                continue;
            }
            if self.listed.contains(&needed) {
                found.push(number(needed));
            } else {
                open.extend(&self.catalog.object(needed).dependencies);
            }
        }
        found.sort_unstable();
        found
    }

    fn contents(&mut self, contents: emit::Contents) -> Option<Contents> {
        let emit::Contents::Rows(data) = contents else { return Some(Contents::LargeObjects(Vec::new())) };
        if self.options.rows != RowFormat::Copy {
            // Where an INSERT begins and ends is not recorded.
            return None;
        }
        let catalog = self.catalog;
        let table = catalog.table_data(data)?.table;
        let columns = emit::copied_attributes(catalog.relation(table)?).map(|it| it.attname.as_str().into());
        Some(Contents::Rows(Rows {
            namespace: self.share(catalog.namespace_name(table).unwrap_or_default()),
            relation: catalog.object(table).name.as_str().into(),
            columns: columns.collect(),
            ranges: Vec::new(),
        }))
    }
}

/// As in pg_dump, the numbers begin with 1.
fn number(id: DumpId) -> u32 {
    u32::try_from(id.index() + 1).unwrap_or(u32::MAX)
}

fn section(section: emit::Section) -> Section {
    match section {
        emit::Section::None => Section::None,
        emit::Section::PreData => Section::PreData,
        emit::Section::Data => Section::Data,
        emit::Section::PostData => Section::PostData,
    }
}

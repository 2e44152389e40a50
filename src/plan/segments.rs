//! Divides the parts of a dump into segments of similar size: many small tables make one segment, a large table
//! makes many.
//!
//! Where a large table is divided depends only on its size when the dump began, so the dump's bytes do not depend
//! on the number of workers. Each range of blocks is read by a TID range scan, which PostgreSQL has since version
//! 14. The first and the last range are open, so every row is in exactly one of them, whatever the table's size
//! has become. A row that the snapshot shows stays where it is: what would move it takes a lock that the dump
//! holds off.

use super::Part;
use crate::catalog::{Catalog, DumpId, Oid, RelationSize, RelationSizes};

/// A segment takes further tables until it has this many bytes, or [`MOST_TABLES`].
const ENOUGH_BYTES: u64 = 2 << 20;

/// How many tables a segment has at most.
const MOST_TABLES: usize = 64;

/// A large table is divided into about this many segments, unless they would be too small or too large.
const USUAL_RANGES: u64 = 16;

/// The smallest range of blocks, as bytes of the table.
const SMALLEST_RANGE: u64 = 4 << 20;

/// How many large objects a segment has at most.
const MOST_LARGE_OBJECTS: usize = 100;

/// A range of a table's blocks; without an end, all that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BlockRange {
    /// The first block.
    pub start: u32,
    /// The block after the last one.
    pub end: Option<u32>,
}

impl BlockRange {
    /// All blocks.
    pub(crate) const ALL: BlockRange = BlockRange { start: 0, end: None };
}

/// What a worker writes in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Text that is already known.
    Text(String),
    /// Rows of this table data object, without the commands around them.
    Rows(DumpId, BlockRange),
    /// The contents of these large objects.
    LargeObjects(Vec<Oid>),
    /// For `-v`: a comment that says when the dump ended.
    CompletionTime,
}

/// The unit of parallel work. Segments follow each other in the dump, and each can be produced independently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Segment {
    pub steps: Vec<Step>,
}

impl Segment {
    /// Whether producing it takes a session.
    pub(crate) fn reads(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Rows(..) | Step::LargeObjects(_) => true,
            Step::Text(_) | Step::CompletionTime => false,
        })
    }
}

/// How to divide a dump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Division {
    /// The size of a large table's segments, in bytes of the table.
    pub range_bytes: u64,
    /// Whether a table may be divided: not if the text of a row depends on the rows before it.
    pub splits_tables: bool,
    /// For tests: divides every table, into ranges of this many blocks.
    pub blocks_per_range: Option<u32>,
}

impl Division {
    /// In builds with debug assertions, `PGSIPHON_TEST_BLOCKS_PER_RANGE` forces small ranges.
    pub(crate) fn new(range_bytes: u64, splits_tables: bool) -> Self {
        let forced = || std::env::var("PGSIPHON_TEST_BLOCKS_PER_RANGE").ok()?.parse().ok();
        let blocks_per_range = if cfg!(debug_assertions) { forced() } else { None };
        Division { range_bytes, splits_tables, blocks_per_range }
    }

    /// Whether it depends on the sizes of small tables, too.
    pub(crate) fn needs_exact_sizes(&self) -> bool {
        self.blocks_per_range.is_some()
    }

    /// How many blocks each range of a table has; `None` if it is not divided.
    fn blocks_per_range(&self, size: &RelationSize) -> Option<u32> {
        if !self.splits_tables || !size.has_block_ranges || size.blocks == 0 {
            return None;
        }
        if self.blocks_per_range.is_some() {
            return self.blocks_per_range;
        }
        // Rounded, so that it stays the same while the table grows a little.
        let wanted = (size.bytes / USUAL_RANGES).clamp(SMALLEST_RANGE, self.range_bytes.max(SMALLEST_RANGE));
        let wanted = power_of_two_below(wanted);
        let blocks = power_of_two_below((u64::from(size.blocks) * wanted / size.bytes.max(1)).max(1));
        u32::try_from(blocks).ok().filter(|blocks| *blocks < size.blocks)
    }
}

fn power_of_two_below(number: u64) -> u64 {
    1 << number.max(1).ilog2()
}

/// The segments of a dump, and where to find its parts in them.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    pub list: Vec<Segment>,
    /// For each part, the number of its first step, counted through all segments.
    pub first_steps: Vec<usize>,
}

/// Divides the parts of a dump.
pub(crate) fn divide(parts: Vec<Part>, catalog: &Catalog, sizes: &RelationSizes, how: &Division) -> Segments {
    let mut divider = Divider::default();
    for part in parts {
        divider.segments.first_steps.push(divider.steps);
        match part {
            Part::Text(text) => {
                let bytes = text.len() as u64;
                divider.add(Step::Text(text), bytes);
            }
            Part::CompletionTime => divider.add(Step::CompletionTime, 0),
            Part::LargeObjects(group) => {
                for oids in large_objects(catalog, group).chunks(MOST_LARGE_OBJECTS) {
                    divider.add(Step::LargeObjects(oids.to_vec()), ENOUGH_BYTES);
                }
            }
            Part::Rows(data) => {
                let Some(it) = catalog.table_data(data) else { continue };
                let size = sizes.get(catalog.object(it.table).catalog_id.oid).copied().unwrap_or_default();
                // Rows that an extension's condition chooses may come from child tables too.
                let blocks = if it.condition.is_none() { how.blocks_per_range(&size) } else { None };
                divider.rows(data, &size, blocks);
            }
        }
    }
    divider.end_segment();
    divider.segments
}

fn large_objects(catalog: &Catalog, group: Option<DumpId>) -> Vec<Oid> {
    match group {
        Some(group) => catalog.large_objects(group).map(|it| it.oids.clone()).unwrap_or_default(),
        None => {
            catalog.ids().filter_map(|id| catalog.large_objects(id)).flat_map(|it| it.oids.clone()).collect()
        }
    }
}

#[derive(Default)]
struct Divider {
    segments: Segments,
    segment: Segment,
    bytes: u64,
    tables: usize,
    steps: usize,
}

impl Divider {
    fn add(&mut self, step: Step, bytes: u64) {
        self.segment.steps.push(step);
        self.steps += 1;
        self.bytes += bytes;
        if self.bytes >= ENOUGH_BYTES || self.tables >= MOST_TABLES {
            self.end_segment();
        }
    }

    fn rows(&mut self, data: DumpId, size: &RelationSize, blocks_per_range: Option<u32>) {
        let Some(blocks) = blocks_per_range else {
            self.tables += 1;
            return self.add(Step::Rows(data, BlockRange::ALL), size.bytes);
        };
        let starts: Vec<u32> = (0..size.blocks).step_by(blocks.max(1) as usize).collect();
        for (number, &start) in starts.iter().enumerate() {
            let end = starts.get(number + 1).copied();
            // Each range has a segment of its own, except for what comes before the first one.
            self.add(Step::Rows(data, BlockRange { start, end }), ENOUGH_BYTES);
        }
    }

    fn end_segment(&mut self) {
        if !self.segment.steps.is_empty() {
            self.segments.list.push(std::mem::take(&mut self.segment));
        }
        (self.bytes, self.tables) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{Fixture, table};
    use crate::catalog::{ObjectKind, TableData};

    const DIVISION: Division =
        Division { range_bytes: 16 << 20, splits_tables: true, blocks_per_range: None };

    /// Tables of these numbers of blocks, and the parts of their dump.
    fn tables(blocks: &[u32], has_block_ranges: bool) -> (Catalog, RelationSizes, Vec<Part>) {
        let mut f = Fixture::new();
        let (mut sizes, mut parts) = (Vec::new(), Vec::new());
        for &blocks in blocks {
            let table = f.add_relation("t", table(&[("a", "integer")]));
            let data = f.add("t", ObjectKind::TableData(TableData { table, condition: None }));
            sizes.push((
                f.oid(table),
                RelationSize { blocks, bytes: u64::from(blocks) * 8192, has_block_ranges },
            ));
            parts.extend([Part::Text("COPY".into()), Part::Rows(data)]);
        }
        parts.push(Part::CompletionTime);
        (f.catalog, RelationSizes::of(sizes), parts)
    }

    fn ranges(segments: &Segments) -> Vec<BlockRange> {
        let steps = segments.list.iter().flat_map(|segment| &segment.steps);
        steps.filter_map(|step| if let Step::Rows(_, range) = step { Some(*range) } else { None }).collect()
    }

    #[test]
    fn small_tables_share_segments() {
        let (catalog, sizes, parts) = tables(&[1; 150], true);
        let segments = divide(parts, &catalog, &sizes, &DIVISION);
        let counts: Vec<_> = segments.list.iter().map(|segment| segment.steps.len()).collect();
        // A text for each table, and the time at the end.
        assert_eq!(counts, [128, 128, 45]);
        let (catalog, sizes, parts) = tables(&[200; 4], true);
        let segments = divide(parts, &catalog, &sizes, &DIVISION);
        assert_eq!(segments.list.iter().map(|segment| segment.steps.len()).collect::<Vec<_>>(), [4, 4, 1]);
    }

    #[test]
    fn the_ranges_of_a_table_have_no_gaps() {
        for blocks in [513, 1024, 5000, 100_000, 131_072, u32::MAX] {
            let (catalog, sizes, parts) = tables(&[blocks], true);
            let found = ranges(&divide(parts, &catalog, &sizes, &DIVISION));
            assert!(found.len() > 1 && found[0].start == 0, "{blocks}: {found:?}");
            assert!(
                found.windows(2).all(|two| two[0].end == Some(two[1].start) && two[0].start < two[1].start)
            );
            // What was added since belongs to the last one.
            assert_eq!(found.last().map(|last| last.end), Some(None));
        }
    }

    #[test]
    fn the_division_stays_the_same_while_a_table_grows_a_little() {
        let starts = |blocks| {
            let (catalog, sizes, parts) = tables(&[blocks], true);
            ranges(&divide(parts, &catalog, &sizes, &DIVISION)).iter().map(|it| it.start).collect::<Vec<_>>()
        };
        assert_eq!(starts(20_000), starts(20_001));
        assert!(starts(30_000).starts_with(&starts(20_000)));
    }

    #[test]
    fn only_tables_that_allow_it_are_divided() {
        let (catalog, sizes, parts) = tables(&[100_000], false);
        assert_eq!(ranges(&divide(parts, &catalog, &sizes, &DIVISION)), [BlockRange::ALL]);
        let (catalog, sizes, parts) = tables(&[100_000], true);
        let whole = Division { splits_tables: false, ..DIVISION };
        assert_eq!(ranges(&divide(parts, &catalog, &sizes, &whole)), [BlockRange::ALL]);
        let (catalog, sizes, parts) = tables(&[400, 0], true);
        assert_eq!(ranges(&divide(parts, &catalog, &sizes, &DIVISION)), [BlockRange::ALL; 2]);
    }

    #[test]
    fn parts_are_found_in_the_segments() {
        let (catalog, sizes, parts) = tables(&[2000, 1], true);
        let forced = Division { blocks_per_range: Some(1000), ..DIVISION };
        let segments = divide(parts, &catalog, &sizes, &forced);
        let steps: Vec<_> = segments.list.iter().flat_map(|segment| &segment.steps).collect();
        assert_eq!(segments.first_steps, [0, 1, 3, 4, 5]);
        assert!(matches!(steps[1], Step::Rows(_, BlockRange { start: 0, end: Some(1000) })));
        assert!(matches!(steps[4], Step::Rows(_, BlockRange::ALL)));
        assert!(matches!(steps[5], Step::CompletionTime));
    }
}

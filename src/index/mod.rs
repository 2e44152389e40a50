//! The index of a dump file: where in the file each part of its text is.
//!
//! The index stands behind the compressed text, where ordinary decompressors see nothing of it. With it, a
//! reader finds one table's rows with a few ranged reads, starts several decoders in the middle of a file, and
//! checks parts of it. `docs/file-format.md` is the format's contract.
//!
//! * [`Index`] is what the index says; [`Index::encode`] and [`Index::decode`] turn it into a payload and back:
//!   sections (`encode`, `decode`), compressed under a header with a checksum (`payload`).
//! * [`wrap`] puts the payload into gzip members or into frames that decompressors skip; [`locate`] and
//!   [`payload_of`] find it again from the file's last bytes (`wrapping`, `members`,
//!   `locator`, `seek_table`).
//!
//! Nothing here reads or writes files. What is decoded may come from anybody: every length is checked before
//! it is believed, and memory is bounded by [`MAX_BYTES`].

mod decode;
mod encode;
mod locator;
mod members;
mod payload;
mod seek_table;
mod varint;
mod wrapping;

use std::sync::Arc;

pub use self::locator::{StoredRange, TAIL_BYTES, locate};
pub use self::seek_table::SeekTable;
pub use self::wrapping::{payload_of, wrap};
use crate::error::{Error, ErrorKind, Result};

/// The longest index in bytes, before compression: enough for 6 million restart points. With [`MAX_ITEMS`] it
/// bounds the memory of those who read a hostile file, to about a gigabyte.
pub const MAX_BYTES: usize = 64 << 20;

/// The most entries of an index, and the most different strings. Both take more memory than space in the file.
pub const MAX_ITEMS: usize = 1 << 22;

/// What the index of a dump says.
///
/// Names are represented as by [`crate::pg::text`], so that those in any encoding survive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// The length of the uncompressed text in bytes.
    pub text_bytes: u64,
    /// The CRC-32 of the uncompressed text.
    pub text_crc32: u32,
    /// Where decoding can begin, in ascending order. Empty, or the first is where the text begins.
    pub restart_points: Vec<RestartPoint>,
    /// What the text consists of, in its order.
    pub entries: Vec<IndexEntry>,
    /// How many bytes of the text, from its beginning, prepare a new session. 0 if the text is not that of one
    /// database.
    pub opening_bytes: u64,
}

/// A place where decoding can begin without anything before it: for gzip raw deflate on a byte boundary, for
/// zstd and lz4 the start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPoint {
    /// The place in the compressed file, in bytes from its beginning.
    pub stored_offset: u64,
    /// The place in the text, in bytes from its beginning.
    pub text_offset: u64,
    /// The CRC-32 of the text from here to the next restart point, or to the text's end.
    pub crc32: u32,
}

/// What `pg_restore -l` would list as one entry, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexEntry {
    /// The number that other entries' dependencies use.
    pub dump_id: u32,
    /// The kind, as in the header comment: `TABLE DATA`.
    pub kind: Arc<str>,
    /// The OID of the system catalog that has the object, such as 1259 for `pg_class`; 0 if none has.
    pub classoid: u32,
    /// The object's OID in that catalog.
    pub oid: u32,
    /// The namespace; empty for objects outside of namespaces.
    pub namespace: Arc<str>,
    /// The name in the header comment.
    pub tag: Arc<str>,
    /// The owner; empty if there is none.
    pub owner: Arc<str>,
    /// The section.
    pub section: Section,
    /// The dump ids of the entries that this one needs.
    pub dependencies: Vec<u32>,
    /// Where the text of the entry is. Each range begins with a header comment. An entry whose definition and
    /// rows stand apart has two.
    pub ranges: Vec<TextRange>,
    /// The rows or large objects within the ranges.
    pub contents: Option<Contents>,
    /// The commands that a session must have executed before the text of the entry, with their semicolons:
    /// `SET default_tablespace = fast;`. The text has them before the entry, or before an earlier one.
    pub settings: Vec<Arc<str>>,
}

/// [`setting_name`] of the commands that change the session's user.
pub(crate) const SESSION_AUTHORIZATION: &str = "SET SESSION AUTHORIZATION";

/// What one of [`IndexEntry::settings`] sets: the command up to the value.
pub(crate) fn setting_name(command: &str) -> &str {
    if command.starts_with(SESSION_AUTHORIZATION) {
        return SESSION_AUTHORIZATION;
    }
    command.split(" =").next().unwrap_or(command)
}

/// The sections of pg_dump's `--section`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Section {
    /// In none of the three.
    #[default]
    None,
    /// Before the rows.
    PreData,
    /// Rows, sequence values and large objects.
    Data,
    /// After the rows.
    PostData,
}

/// A part of the uncompressed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextRange {
    /// Where it begins, in bytes from the text's beginning.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// What an entry holds besides SQL that defines an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// Rows of a relation: lines of a COPY, or INSERT commands.
    Rows(Rows),
    /// Large objects, in ranges that each hold whole ones.
    LargeObjects(Vec<CountedRange>),
}

/// Rows of a relation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The relation's namespace.
    pub namespace: Arc<str>,
    /// The relation's name.
    pub relation: Arc<str>,
    /// The names of the columns whose values the rows have, in their order.
    pub columns: Vec<Arc<str>>,
    /// Where the rows are, in the text's order.
    pub ranges: Vec<CountedRange>,
}

/// A part of the text that holds whole rows, or whole large objects. It begins and ends at line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedRange {
    /// Where it is.
    pub range: TextRange,
    /// How many rows or large objects it holds.
    pub count: u64,
}

impl TextRange {
    /// The offset after its last byte; `None` if that is no offset of any text.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }
}

impl Contents {
    /// The ranges of rows or large objects.
    pub fn ranges(&self) -> &[CountedRange] {
        match self {
            Contents::Rows(rows) => &rows.ranges,
            Contents::LargeObjects(ranges) => ranges,
        }
    }

    /// The number of rows or large objects.
    pub fn count(&self) -> u64 {
        self.ranges().iter().fold(0, |sum, range| sum.saturating_add(range.count))
    }
}

impl Index {
    /// The payload for [`wrap`].
    ///
    /// # Errors
    /// `Other`, if it is larger than [`MAX_BYTES`] or has more than [`MAX_ITEMS`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        payload::seal(&encode::sections(self)?)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// `Damaged`, if it is not what [`Index::encode`] wrote, or contradicts itself; `Other`, if a later version
    /// of pgsiphon wrote it.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        Index::of_sections(&payload::open(payload)?)
    }

    /// Reads what was in a payload.
    pub(crate) fn of_sections(sections: &[u8]) -> Result<Self> {
        decode::index(sections).map_err(|broken| damaged(broken.0))
    }

    /// The last restart point at or before an offset of the text.
    pub fn restart_point_before(&self, text_offset: u64) -> Option<&RestartPoint> {
        let after = self.restart_points.partition_point(|point| point.text_offset <= text_offset);
        self.restart_points.get(after.checked_sub(1)?)
    }
}

/// Why bytes are no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Broken(&'static str);

fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Damaged, "read the index").because(why.into())
}

/// The version of the format: a reader knows what sections of another minor version mean, if it knows the
/// sections, and nothing of another major version.
const MAJOR: u8 = 1;
const MINOR: u8 = 0;

fn check_major(found: u8) -> Result<()> {
    if found == MAJOR {
        return Ok(());
    }
    if found == 0 {
        return Err(damaged("its version is 0, which never was"));
    }
    Err(Error::new(ErrorKind::Other, "read the index")
        .because(format!("it has format version {found}, but this pgsiphon only knows {MAJOR}"))
        .hint("it was written by a newer pgsiphon: update this one"))
}

#[cfg(test)]
mod tests;

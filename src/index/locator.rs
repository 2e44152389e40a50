//! Finds the index from the end of a file.

use memchr::memmem;

use super::members::{GZIP_MEMBER_HEAD, LOCATOR_SUBFIELD, gzip_member, skippable_frame};
use super::payload::MAGIC as PAYLOAD_MAGIC;
use super::seek_table::SeekTableEnd;
use super::{MAJOR, MAX_BYTES, MINOR, check_major, damaged};
use crate::error::Result;

/// How many bytes from the end of a file a reader should ask for. An index that is small, as most are, is
/// among them, and they always say where a larger one is.
pub const TAIL_BYTES: u64 = 64 << 10;

/// The first bytes of the locator. Like those of the payload.
const MAGIC: [u8; 8] = *b"\x9bpgs\0loc";

/// Magic number, version, two reserved bytes, where the index begins, its length, the checksum.
const LOCATOR_BYTES: usize = 32;

/// Where the locator begins in the last gzip member, and in the last LZ4 frame.
const GZIP_LOCATOR_START: usize = GZIP_MEMBER_HEAD.len() + 2 + 4;
const LZ4_LOCATOR_START: usize = 8;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRange {
    /// Where it begins, in bytes from the file's beginning.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

impl StoredRange {
    /// These bytes, if the last bytes of a file of that length contain them.
    pub fn within(self, tail: &[u8], file_length: u64) -> Option<&[u8]> {
        let tail_offset = file_length.checked_sub(tail.len() as u64)?;
        let start = usize::try_from(self.offset.checked_sub(tail_offset)?).ok()?;
        tail.get(start..start.checked_add(usize::try_from(self.length).ok()?)?)
    }
}

/// Finds the index of a file of `file_length` bytes, of which `tail` are the last ones: [`TAIL_BYTES`], or all
/// if there are fewer. The bytes of the range are what [`super::payload_of`] takes. The compressed text ends
/// where the range begins.
///
/// Returns `None` if there is no index; then nothing is known to be wrong with the file.
///
/// # Errors
/// `Damaged`, if there is an index, and the file was cut, extended or changed; `Other`, if a later version of
/// pgsiphon wrote it.
pub fn locate(tail: &[u8], file_length: u64) -> Result<Option<StoredRange>> {
    if let Some(end) = SeekTableEnd::of(tail)? {
        // A seek table of another program does not end with a frame without text.
        let Some((length, 0)) = end.last else { return none(tail) };
        let offset = file_length.checked_sub(end.stored_bytes).and_then(|offset| offset.checked_sub(length));
        let offset = offset.ok_or_else(|| damaged("the seek table is longer than the file"))?;
        return checked(StoredRange { offset, length }).map(Some);
    }
    let member: fn(&[u8]) -> Vec<u8> = |locator| gzip_member(LOCATOR_SUBFIELD, locator);
    for (start, wrapped) in [(GZIP_LOCATOR_START, member), (LZ4_LOCATOR_START, skippable_frame)] {
        let length = wrapped(&[0; LOCATOR_BYTES]).len();
        let Some(end) = tail.len().checked_sub(length).map(|at| &tail[at..]) else { continue };
        let locator = &end[start..start + LOCATOR_BYTES];
        let is_whole = wrapped(locator) == end;
        if is_whole && locator.starts_with(&MAGIC) {
            return read(locator, file_length - length as u64).map(Some);
        }
        // One that was changed is still recognized, either by itself or by what is around it.
        if is_whole || locator.starts_with(&MAGIC) {
            return Err(damaged("its locator is not as it was written"));
        }
    }
    none(tail)
}

/// No index, unless there are parts of one.
fn none(tail: &[u8]) -> Result<Option<StoredRange>> {
    if memmem::find(tail, &PAYLOAD_MAGIC).is_some() || memmem::find(tail, &MAGIC).is_some() {
        return Err(damaged("it is cut off, or what follows it is not as it was written"));
    }
    Ok(None)
}

/// What says that the index is there.
pub(super) fn locator(range: StoredRange) -> [u8; LOCATOR_BYTES] {
    let mut out = [0; LOCATOR_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    (out[8], out[9]) = (MAJOR, MINOR);
    out[12..20].copy_from_slice(&range.offset.to_le_bytes());
    out[20..28].copy_from_slice(&range.length.to_le_bytes());
    let crc = crc32fast::hash(&out[..28]);
    out[28..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Reads a locator that begins at this offset of the file, where the index must end.
fn read(locator: &[u8], begins_at: u64) -> Result<StoredRange> {
    let number =
        |at: usize| locator[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let crc = crc32fast::hash(&locator[..28]);
    if locator[28..] != crc.to_le_bytes() {
        return Err(damaged("the checksum of its locator is wrong"));
    }
    check_major(locator[8])?;
    let range = StoredRange { offset: number(12), length: number(20) };
    if range.offset.checked_add(range.length) != Some(begins_at) {
        return Err(damaged(format!(
            "the file had {} bytes before its locator when it was written, and now has {begins_at}",
            range.offset.saturating_add(range.length)
        )));
    }
    checked(range)
}

/// Refuses an index that would take more memory than any real one.
fn checked(range: StoredRange) -> Result<StoredRange> {
    // What does not compress becomes hardly longer, and gzip members add 24 bytes to 64 KiB.
    if range.length > MAX_BYTES as u64 + MAX_BYTES as u64 / 64 + (64 << 10) {
        return Err(damaged(format!("it claims to have {} bytes", range.length)));
    }
    Ok(range)
}

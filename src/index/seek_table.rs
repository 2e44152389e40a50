//! The seek table of zstd's seekable format
//! (<https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>).

use super::damaged;
use crate::error::{Error, ErrorKind, Result};

/// The magic number of the skippable frame.
const FRAME_MAGIC: u32 = 0x184D_2A5E;

/// The file's last four bytes.
const END_MAGIC: u32 = 0x8F92_EAB1;

const HEADER_BYTES: usize = 8;
const FOOTER_BYTES: usize = 9;

/// In the descriptor: each entry also has a checksum.
const CHECKSUM_FLAG: u8 = 0x80;
/// In the descriptor: bits that must be zero, and two that the format leaves unused. Nobody sets those, so one that is
/// set was damaged.
const RESERVED_BITS: u8 = 0x7f;

/// The most frames, and the longest in bytes of text, that the reference implementation reads
/// (`zstd_seekable.h`).
const MAX_FRAMES: usize = 0x0800_0000;
const MAX_FRAME_TEXT_BYTES: u64 = 0x4000_0000;

/// All frames of a zstd file, in order: one for each piece that was compressed on its own.
///
/// It takes 8 bytes of memory for each frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeekTable {
    frames: Vec<(u32, u32)>,
}

impl SeekTable {
    /// Adds the next frame: its length in the file, and that of its text, in bytes.
    ///
    /// # Errors
    /// `Other`, if it is too long or one too many for the format.
    pub fn push(&mut self, stored_bytes: u64, text_bytes: u64) -> Result<()> {
        let failed = |why: &str| Error::new(ErrorKind::Other, "write the seek table").because(why);
        if self.frames.len() >= MAX_FRAMES {
            return Err(failed("there are too many frames"));
        }
        let stored_bytes = u32::try_from(stored_bytes).map_err(|_| failed("a frame is too long"))?;
        let text_bytes =
            u32::try_from(text_bytes).ok().filter(|bytes| u64::from(*bytes) <= MAX_FRAME_TEXT_BYTES);
        self.frames
            .push((stored_bytes, text_bytes.ok_or_else(|| failed("the text of a frame is too long"))?));
        Ok(())
    }

    /// The length in the file and that of the text of each frame, in bytes.
    pub fn frames(&self) -> impl Iterator<Item = (u64, u64)> {
        self.frames.iter().map(|&(stored, text)| (stored.into(), text.into()))
    }

    /// The skippable frame that must end the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = 8 * self.frames.len() + FOOTER_BYTES;
        let mut out = Vec::with_capacity(HEADER_BYTES + length);
        out.extend_from_slice(&FRAME_MAGIC.to_le_bytes());
        out.extend_from_slice(&(length as u32).to_le_bytes());
        for (stored_bytes, text_bytes) in &self.frames {
            out.extend_from_slice(&stored_bytes.to_le_bytes());
            out.extend_from_slice(&text_bytes.to_le_bytes());
        }
        out.extend_from_slice(&(self.frames.len() as u32).to_le_bytes());
        // No checksums: each of our frames ends with its own.
        out.push(0);
        out.extend_from_slice(&END_MAGIC.to_le_bytes());
        out
    }

    /// Whether a file with these last bytes ends with a seek table.
    pub fn ends(tail: &[u8]) -> bool {
        tail.ends_with(&END_MAGIC.to_le_bytes())
    }

    /// Reads the skippable frame that ends a file.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn decode(frame: &[u8]) -> Result<Self> {
        let end = SeekTableEnd::of(frame)?.filter(|end| end.stored_bytes == frame.len() as u64);
        let end = end.ok_or_else(|| damaged("the seek table has not the length that it says"))?;
        let header = (word(frame, 0), word(frame, 4));
        let length = frame.len() - HEADER_BYTES;
        if header != (Some(FRAME_MAGIC), u32::try_from(length).ok()) {
            return Err(damaged("the seek table does not begin like one"));
        }
        let entries = frame[HEADER_BYTES..frame.len() - FOOTER_BYTES].chunks_exact(end.entry_bytes);
        let frames = entries.filter_map(|entry| Some((word(entry, 0)?, word(entry, 4)?)));
        Ok(SeekTable { frames: frames.collect() })
    }
}

/// What the last bytes of a file say of its seek table.
pub(super) struct SeekTableEnd {
    /// The length of the whole skippable frame.
    pub(super) stored_bytes: u64,
    entry_bytes: usize,
    /// The length in the file and that of the text of the last frame before the table. None if there is none.
    pub(super) last: Option<(u64, u64)>,
}

impl SeekTableEnd {
    /// `None` if the bytes don't end with a seek table.
    pub(super) fn of(tail: &[u8]) -> Result<Option<Self>> {
        let Some((rest, footer)) = tail.split_last_chunk::<FOOTER_BYTES>() else { return Ok(None) };
        if word(footer, 5) != Some(END_MAGIC) {
            return Ok(None);
        }
        if footer[4] & RESERVED_BITS != 0 {
            return Err(damaged("the seek table has an unknown form"));
        }
        let frames = word(footer, 0).unwrap_or_default();
        let entry_bytes = if footer[4] & CHECKSUM_FLAG == 0 { 8 } else { 12 };
        let stored_bytes = (HEADER_BYTES + FOOTER_BYTES) as u64 + u64::from(frames) * entry_bytes as u64;
        let last = match rest.len().checked_sub(entry_bytes).filter(|_| frames > 0) {
            Some(at) => {
                word(rest, at).zip(word(rest, at + 4)).map(|(stored, text)| (stored.into(), text.into()))
            }
            None => None,
        };
        Ok(Some(SeekTableEnd { stored_bytes, entry_bytes, last }))
    }
}

/// Four bytes, little-endian.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

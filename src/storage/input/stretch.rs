//! The text between two restart points of a backup: it is decoded without what is before it.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::container::{Decoder, Format};
use crate::index::{Index, StoredRange};

/// The longest text that is decoded at once. pgsiphon writes stretches of up to 33 MiB.
const LONGEST_TEXT: u64 = 64 << 20;

/// The longest piece of stored bytes that is decoded at once: what does not compress becomes hardly longer.
const LONGEST_STORED: u64 = LONGEST_TEXT + LONGEST_TEXT / 16;

/// Stored bytes from which text is decoded without what comes before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Where it is in the file.
    pub stored: StoredRange,
    /// Where its text begins.
    pub text_offset: u64,
    /// The length of its text.
    pub text_bytes: u64,
    /// The CRC-32 of the text from the last restart point to here, if the next one is here.
    pub crc32: Option<u32>,
}

/// The stretches of a file whose compressed text ends at `stored_end`, in order.
pub(crate) fn between_restart_points(index: &Index, stored_end: u64) -> Vec<Stretch> {
    let points = &index.restart_points;
    let ends = points.iter().skip(1).map(|point| (point.stored_offset, point.text_offset));
    let ends = ends.chain([(stored_end, index.text_bytes)]);
    points
        .iter()
        .zip(ends)
        .map(|(point, (stored_end, text_end))| Stretch {
            stored: StoredRange {
                offset: point.stored_offset,
                length: stored_end.saturating_sub(point.stored_offset),
            },
            text_offset: point.text_offset,
            text_bytes: text_end.saturating_sub(point.text_offset),
            crc32: Some(point.crc32),
        })
        .collect()
}

/// Decodes what is stored from a restart point on.
///
/// # Errors
/// If memory cannot be allocated.
pub(crate) fn decoder<'r>(format: Format, stored: impl BufRead + 'r) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match format {
        // Within a member there is only deflate.
        Format::Gzip => Box::new(Inflate { reader: stored, state: Decompress::new(false) }),
        Format::Zstd | Format::Lz4 | Format::Plain => Box::new(Decoder::new(format, stored)?),
    })
}

impl Stretch {
    /// Where its text ends.
    pub(crate) fn text_end(&self) -> u64 {
        self.text_offset.saturating_add(self.text_bytes)
    }

    /// Refuses more than may be read at once, before it is.
    pub(crate) fn refuse_long(&self) -> Result<(), String> {
        let is_long = self.text_bytes > LONGEST_TEXT || self.stored.length > LONGEST_STORED;
        match is_long {
            true => Err(format!("from byte {} on, the index has too few restart points", self.stored.offset)),
            false => Ok(()),
        }
    }

    /// The whole text of what is stored here, and the stored bytes that the decoder left.
    ///
    /// # Errors
    /// Says what is wrong, if it is not the text that the index promises.
    pub(crate) fn decode<'s>(&self, format: Format, stored: &'s [u8]) -> Result<(Vec<u8>, &'s [u8]), String> {
        let at = format!("decoding from byte {}", self.stored.offset);
        self.refuse_long()?;
        let mut text = Vec::with_capacity(self.text_bytes as usize);
        let mut rest = stored;
        let read = decoder(format, &mut rest).and_then(|decoder| {
            // One more would be too many.
            decoder.take(self.text_bytes + 1).read_to_end(&mut text)
        });
        read.map_err(|error| format!("{at}: {error}"))?;
        check_length(&at, text.len() as u64, self.text_bytes)?;
        if let Some(expected) = self.crc32 {
            check_crc32(&at, crc32fast::hash(&text), expected)?;
        }
        Ok((text, rest))
    }
}

/// Compares the length of a text, or a greater number once it has more than expected.
pub(crate) fn check_length(at: &str, length: u64, expected: u64) -> Result<(), String> {
    if length > expected {
        return Err(format!("{at} gives more than the {expected} bytes of text that the index says"));
    }
    if length < expected {
        return Err(format!("{at} gives {length} bytes of text, but the index says {expected}"));
    }
    Ok(())
}

/// Compares the checksum of a text.
pub(crate) fn check_crc32(at: &str, found: u32, expected: u32) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{at} gives a text with the CRC-32 {found:08x}, but the index says {expected:08x}"))
}

/// Decodes raw deflate that may end between two blocks, and not with the last one.
struct Inflate<R> {
    reader: R,
    state: Decompress,
}

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.reader.fill_buf()?;
            let is_end = input.is_empty();
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, buffer, FlushDecompress::None)?;
            let read = (self.state.total_in() - read) as usize;
            let written = (self.state.total_out() - written) as usize;
            self.reader.consume(read);
            if written > 0 || is_end || status == Status::StreamEnd {
                return Ok(written);
            }
        }
    }
}

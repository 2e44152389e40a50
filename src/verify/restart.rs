//! Decodes a backup once more, beginning anew wherever its index says that decoding can begin.
//!
//! The stored bytes pass through on their way to the ordinary decoder, so they are read only once. Memory does
//! not depend on how far restart points are apart.

use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::index::{Index, SeekTable, StoredRange};
use crate::storage::input::index::FoundIndex;
use crate::storage::input::stretch::{Stretch, between_restart_points, check_crc32, check_length, decoder};
use crate::storage::input::text::Format;

/// How many chunks may wait.
const CHUNKS: usize = 4;

/// The size of each read of text.
const TEXT_BYTES: usize = 128 << 10;

/// Takes the stored bytes.
pub(super) struct Restarts {
    pub(super) chunks: mpsc::Sender<Bytes>,
    decoding: JoinHandle<Result<(), String>>,
}

impl Restarts {
    /// Starts a thread that decodes what [`Restarts::chunks`] takes.
    ///
    /// # Errors
    /// If the index contradicts the seek table.
    pub(super) fn start(
        index: &Index,
        stored: StoredRange,
        seek_table: Option<&SeekTable>,
    ) -> Result<Self, String> {
        let mut stretches = between_restart_points(index, stored.offset);
        if let Some(seek_table) = seek_table {
            stretches = frames(&stretches, seek_table, stored)?;
        }
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        let decoding = tokio::task::spawn_blocking(move || {
            decode_all(Stored { chunks: receiver, current: Bytes::new(), offset: 0 }, &stretches)
        });
        Ok(Restarts { chunks, decoding })
    }

    /// Waits until all was decoded, once all stored bytes were sent.
    ///
    /// # Errors
    /// If it was not the text that the index says.
    pub(super) async fn finish(self) -> Result<(), String> {
        drop(self.chunks);
        self.decoding.await.map_err(|error| error.to_string())?
    }
}

/// Whether the frames of a seek table are what is between restart points, so that each has its checksum in the index.
pub(super) fn has_a_frame_for_each(found: &FoundIndex, seek_table: &SeekTable) -> bool {
    let stretches = between_restart_points(&found.index, found.stored.offset);
    frames(&stretches, seek_table, found.stored).is_ok_and(|frames| frames == stretches)
}

/// Cuts stretches at the frames of a seek table, which must begin wherever a stretch does.
fn frames(stretches: &[Stretch], seek_table: &SeekTable, index: StoredRange) -> Result<Vec<Stretch>, String> {
    let mut starts = stretches.iter().map(|stretch| (stretch.stored.offset, stretch.text_offset)).peekable();
    let mut crcs = stretches.iter().map(|stretch| stretch.crc32);
    let mut found: Vec<Stretch> = Vec::new();
    let (mut offset, mut text_offset) = (0u64, 0u64);
    for (stored_bytes, text_bytes) in seek_table.frames() {
        if offset == index.offset && (stored_bytes, text_bytes) == (index.length, 0) {
            offset += stored_bytes;
            break;
        }
        if starts.next_if_eq(&(offset, text_offset)).is_some()
            && let Some(last) = found.last_mut()
        {
            last.crc32 = crcs.next().flatten();
        }
        let stored = StoredRange { offset, length: stored_bytes };
        found.push(Stretch { stored, text_offset, text_bytes, crc32: None });
        offset += stored_bytes;
        text_offset += text_bytes;
    }
    if let Some((stored, text)) = starts.next() {
        return Err(format!(
            "no frame in the seek table begins at byte {stored}, with byte {text} of the text"
        ));
    }
    let text_end = stretches.last().map_or(text_offset, |last| last.text_offset + last.text_bytes);
    if (offset, text_offset) != (index.offset + index.length, text_end) {
        return Err(format!(
            "the frames in the seek table have {offset} bytes and {text_offset} of text, not {} and {text_end}",
            index.offset + index.length
        ));
    }
    if let Some(last) = found.last_mut() {
        last.crc32 = crcs.next().flatten();
    }
    Ok(found)
}

fn decode_all(mut reader: Stored, stretches: &[Stretch]) -> Result<(), String> {
    let mut crc32 = crc32fast::Hasher::new();
    let mut buffer = vec![0; TEXT_BYTES];
    let format = reader.format();
    for stretch in stretches {
        let at = format!("decoding from byte {}", stretch.stored.offset);
        reader.skip_to(stretch.stored.offset).map_err(|error| format!("{at}: {error}"))?;
        let length = reader.decode(format, *stretch, &mut buffer, &mut crc32);
        let length = length.map_err(|error| format!("{at}: {error}"))?;
        check_length(&at, length, stretch.text_bytes)?;
        if let Some(expected) = stretch.crc32 {
            check_crc32(&at, std::mem::take(&mut crc32).finalize(), expected)?;
        }
    }
    Ok(())
}

/// The stored bytes.
struct Stored {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
    offset: u64,
}

impl Stored {
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let distance = offset.checked_sub(self.offset).ok_or(io::ErrorKind::InvalidData)?;
        io::copy(&mut self.take(distance), &mut io::sink()).map(|_| ())
    }

    /// The format of a file that is still at its beginning.
    fn format(&mut self) -> Format {
        let mut head = Vec::new();
        while head.len() < 4
            && let Some(chunk) = self.chunks.blocking_recv()
        {
            head.extend_from_slice(&chunk);
        }
        self.current = head.into();
        Format::of(&self.current)
    }

    /// Decodes a stretch. Returns the length of its text, or a greater number once it has more than expected.
    fn decode(
        &mut self,
        format: Format,
        stretch: Stretch,
        buffer: &mut [u8],
        crc: &mut crc32fast::Hasher,
    ) -> io::Result<u64> {
        let mut decoder = decoder(format, self.take(stretch.stored.length))?;
        let mut length = 0;
        while length <= stretch.text_bytes {
            let read = decoder.read(buffer)?;
            if read == 0 {
                break;
            }
            crc.update(&buffer[..read]);
            length += read as u64;
        }
        Ok(length)
    }
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => break,
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, bytes: usize) {
        self.current.advance(bytes);
        self.offset += bytes as u64;
    }
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

//! The text of a backup with an index, decoded by several threads.
//!
//! The stored bytes are read once, from beginning to end, and cut at the restart points. What is between two of them
//! is decoded and compared with its checksum on a thread of its own; the texts are joined in order. What is before
//! the first one and behind the last one must be what an ordinary decoder expects there, so that it would find the same
//! text.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::container::{Decoder, Format};
use super::index::FoundIndex;
use super::stretch::{Stretch, between_restart_points};
use super::text::BackupText;
use super::{ByteStream, Opened};
use crate::codec::{Compression, Container};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;

/// How much text may be decoded ahead of the reader, for each thread and at least. The pieces of repetitive text are
/// eight times as long as usual.
const AHEAD_BYTES_PER_JOB: u32 = 8 << 20;
const LEAST_AHEAD_BYTES: u32 = 24 << 20;

/// More than a file of any format has before its text.
const LONGEST_HEAD: u64 = 64;

const OTHER_HEAD: &str = "it does not begin as pgsiphon writes it";

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// What is before the first restart point.
    Head {
        length: u64,
    },
    Stretch(Stretch),
    /// The last of them; in a gzip file, this trailer follows its text.
    LastStretch(Stretch, [u8; 8]),
    /// The index, to the end of the file.
    Tail,
}

/// Decodes a backup of which this index was found, by `jobs` threads. `progress` is informed as by
/// [`super::text::read`].
pub(crate) fn read(
    opened: Opened,
    found: &FoundIndex,
    jobs: usize,
    progress: Arc<dyn Progress>,
) -> BackupText {
    let Opened { location, bytes, .. } = opened;
    let (decoded, chunks) = mpsc::channel(1);
    let (format, pieces) = (found.format, pieces(found));
    let name = location.clone();
    let counting = Arc::clone(&progress);
    let bytes = bytes.inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            counting.stored_bytes(chunk.len() as u64);
        }
    });
    let ahead = u32::try_from(jobs).unwrap_or(u32::MAX).saturating_mul(AHEAD_BYTES_PER_JOB);
    let ahead = Ahead::new(ahead.clamp(LEAST_AHEAD_BYTES, u32::MAX >> 3));
    // Twice as many as threads: some are done, and some are still being read.
    let texts = cut(bytes.boxed(), pieces, name.clone())
        .map(move |piece| decode_aside(format, piece, name.clone(), ahead.clone()))
        .buffered(2 * jobs.max(1));
    tokio::spawn(forward(texts.boxed(), decoded, progress));
    let known = OnceLock::new();
    let _ = known.set(format);
    BackupText::new(location, Arc::new(known), chunks)
}

fn pieces(found: &FoundIndex) -> Vec<Piece> {
    let index = &found.index;
    let mut stretches = between_restart_points(index, found.stored.offset);
    let Some(last) = stretches.pop() else { return vec![Piece::Tail] };
    // RFC 1952: the CRC-32, and the length modulo 2^32.
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&index.text_crc32.to_le_bytes());
    trailer[4..].copy_from_slice(&(index.text_bytes as u32).to_le_bytes());
    let head = Piece::Head { length: stretches.first().unwrap_or(&last).stored.offset };
    let end = [Piece::LastStretch(last, trailer), Piece::Tail];
    [head].into_iter().chain(stretches.into_iter().map(Piece::Stretch)).chain(end).collect()
}

/// The stored bytes of each piece.
fn cut(
    bytes: ByteStream,
    pieces: Vec<Piece>,
    location: String,
) -> BoxStream<'static, Result<(Piece, Bytes)>> {
    let state = (bytes, BytesMut::new(), pieces.into_iter(), location);
    stream::try_unfold(state, |(mut bytes, mut held, mut pieces, location)| async move {
        let Some(piece) = pieces.next() else { return Ok(None) };
        let length = match piece {
            Piece::Head { length } if length > LONGEST_HEAD => {
                return Err(damaged(&location, OTHER_HEAD.to_owned()));
            }
            Piece::Head { length } => length,
            Piece::Stretch(stretch) | Piece::LastStretch(stretch, _) => {
                stretch.refuse_long().map_err(|why| damaged(&location, why))?;
                stretch.stored.length
            }
            Piece::Tail => u64::MAX,
        };
        while (held.len() as u64) < length {
            match bytes.next().await {
                Some(chunk) => held.extend_from_slice(&chunk?),
                None if piece == Piece::Tail => break,
                None => return Err(damaged(&location, "it is shorter than its index says".to_owned())),
            }
        }
        let taken = held.split_to(usize::try_from(length).unwrap_or(usize::MAX).min(held.len())).freeze();
        Ok(Some(((piece, taken), (bytes, held, pieces, location))))
    })
    .boxed()
}

/// Bounds the text that is ahead of the reader.
#[derive(Debug, Clone)]
struct Ahead {
    room: Arc<Semaphore>,
    bytes: u32,
}

/// A text, and the room that it takes until it is dropped.
type Decoded = (Bytes, Option<OwnedSemaphorePermit>);

impl Ahead {
    fn new(bytes: u32) -> Self {
        Ahead { room: Arc::new(Semaphore::new(bytes as usize)), bytes }
    }

    /// Waits until there is room for a piece. The first who waits is the first who gets it.
    async fn room_for(self, piece: Piece) -> Option<OwnedSemaphorePermit> {
        let bytes = match piece {
            Piece::Stretch(stretch) | Piece::LastStretch(stretch, _) => stretch.text_bytes,
            Piece::Head { .. } | Piece::Tail => return None,
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        // It is never closed.
        self.room.acquire_many_owned(bytes).await.ok()
    }
}

async fn decode_aside(
    format: Format,
    piece: Result<(Piece, Bytes)>,
    location: String,
    ahead: Ahead,
) -> Result<Decoded> {
    let (piece, stored) = piece?;
    let room = ahead.room_for(piece).await;
    let decoded = tokio::task::spawn_blocking(move || piece.decode(format, &stored)).await;
    let decoded =
        decoded.map_err(|error| Error::new(ErrorKind::Other, format!("decode {location}")).because(error))?;
    decoded.map(|text| (text, room)).map_err(|why| damaged(&location, why))
}

fn damaged(location: &str, why: String) -> Error {
    Error::new(ErrorKind::Damaged, format!("read {location}")).because(why)
}

async fn forward(
    mut texts: BoxStream<'static, Result<Decoded>>,
    decoded: mpsc::Sender<Result<Bytes>>,
    progress: Arc<dyn Progress>,
) {
    while let Some(text) = texts.next().await {
        let (text, _room) = match text {
            Ok((text, room)) => (Ok(text), room),
            Err(error) => (Err(error), None),
        };
        if let Ok(text) = &text {
            progress.raw_bytes(text.len() as u64);
        }
        let is_empty = text.as_ref().is_ok_and(Bytes::is_empty);
        if !is_empty && decoded.send(text).await.is_err() {
            return;
        }
    }
}

impl Piece {
    fn decode(self, format: Format, stored: &[u8]) -> Result<Bytes, String> {
        match self {
            Piece::Head { .. } => {
                let expected = match format {
                    Format::Gzip => Container::new(Compression::GZIP).header(),
                    Format::Zstd | Format::Lz4 | Format::Plain => Bytes::new(),
                };
                if expected != stored {
                    return Err(OTHER_HEAD.to_owned());
                }
                Ok(Bytes::new())
            }
            Piece::Stretch(stretch) => decode_to(&[], stretch, format, stored),
            Piece::LastStretch(stretch, trailer) if format == Format::Gzip => {
                decode_to(&trailer, stretch, format, stored)
            }
            Piece::LastStretch(stretch, _) => decode_to(&[], stretch, format, stored),
            Piece::Tail => {
                let mut decoder = Decoder::new(format, stored).map_err(|error| error.to_string())?;
                let mut text = [0];
                match decoder.read(&mut text) {
                    Ok(0) => Ok(Bytes::new()),
                    Ok(_) => Err("there is text behind what the index describes".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        }
    }
}

/// The text of a stretch, behind which exactly this must be left.
fn decode_to(trailer: &[u8], stretch: Stretch, format: Format, stored: &[u8]) -> Result<Bytes, String> {
    let (text, rest) = stretch.decode(format, stored)?;
    if rest != trailer {
        return Err(format!("the text from byte {} on does not end as it should", stretch.stored.offset));
    }
    Ok(text.into())
}

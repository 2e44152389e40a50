//! The text of a backup, decompressed while it is read.
//!
//! Decoders are blocking code, so they run on their own thread, between two short queues that limit
//! reading ahead.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::sync::mpsc;

pub use super::container::Format;
use super::container::{Counted, Decoder, damaged, peek};
use super::{ByteStream, Opened};
use crate::error::Result;
use crate::progress::Progress;

/// How many stored chunks may wait for the decoder.
const STORED_CHUNKS: usize = 4;

/// How many chunks of text may wait for the consumer, and their size.
const TEXT_CHUNKS: usize = 8;
const TEXT_CHUNK_BYTES: usize = 128 << 10;

/// The decoded text of a backup.
pub struct BackupText {
    location: String,
    format: Arc<OnceLock<Format>>,
    chunks: mpsc::Receiver<Result<Bytes>>,
}

impl BackupText {
    /// A text of this format that arrives in chunks.
    pub(super) fn new(
        location: String,
        format: Arc<OnceLock<Format>>,
        chunks: mpsc::Receiver<Result<Bytes>>,
    ) -> Self {
        BackupText { location, format, chunks }
    }

    /// The path or URL, for messages.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The container format; None before the first chunk.
    pub fn format(&self) -> Option<Format> {
        self.format.get().copied()
    }

    /// The next chunk, or `None` at the end.
    ///
    /// # Errors
    /// `Damaged`, if the stored bytes are corrupt; errors of reading. There are no more chunks after an
    /// error.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.chunks.recv().await.transpose()
    }
}

/// Detects the format and decompresses. `progress` is informed of the stored bytes as they arrive, and
/// of the text's as they are consumed.
pub fn read(opened: Opened, progress: Arc<dyn Progress>) -> BackupText {
    let Opened { location, bytes, .. } = opened;
    let (stored, to_decode) = mpsc::channel(STORED_CHUNKS);
    let (decoded, chunks) = mpsc::channel(TEXT_CHUNKS);
    let counting = Arc::clone(&progress);
    tokio::spawn(feed(bytes, stored, counting));
    let name = location.clone();
    let format = Arc::new(OnceLock::new());
    let found = Arc::clone(&format);
    tokio::task::spawn_blocking(move || {
        let position = Rc::new(Cell::new(0));
        let reader = Stored { chunks: to_decode, current: Bytes::new() };
        let reader = Counted { reader, position: Rc::clone(&position) };
        if let Err(error) = decode(reader, &found, &decoded, progress.as_ref()) {
            let format = found.get().copied().unwrap_or(Format::Plain);
            let _ = decoded.blocking_send(Err(damaged(&name, format, position.get(), error)));
        }
    });
    BackupText { location, format, chunks }
}

/// Forwards stored chunks until they end, or the receiver is gone.
async fn feed(mut bytes: ByteStream, stored: mpsc::Sender<Result<Bytes>>, progress: Arc<dyn Progress>) {
    while let Some(chunk) = bytes.next().await {
        if let Ok(chunk) = &chunk {
            progress.stored_bytes(chunk.len() as u64);
        }
        if stored.send(chunk).await.is_err() {
            return;
        }
    }
}

fn decode(
    reader: impl BufRead,
    format: &OnceLock<Format>,
    decoded: &mpsc::Sender<Result<Bytes>>,
    progress: &dyn Progress,
) -> io::Result<()> {
    let (found, reader) = peek(reader)?;
    let _ = format.set(found);
    let mut decoder = Decoder::new(found, reader)?;
    loop {
        let mut chunk = vec![0; TEXT_CHUNK_BYTES];
        // Return what is available, even if little: more may take long.
        let length = decoder.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        chunk.truncate(length);
        progress.raw_bytes(length as u64);
        if decoded.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(());
        }
    }
}

/// Gives blocking code access to the stored bytes.
struct Stored {
    chunks: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => break,
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, bytes: usize) {
        self.current.advance(bytes);
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

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::codec::{BlockCompressor, Compression, Container};
    use crate::error::{Error, ErrorKind};
    use crate::progress::Silent;

    const METHODS: [Compression; 4] =
        [Compression::GZIP, Compression::Lz4(0), Compression::ZSTD, Compression::None];

    fn compressed(compression: Compression, text: &[u8]) -> Vec<u8> {
        let mut compressor = BlockCompressor::new(compression).unwrap();
        let mut container = Container::new(compression);
        let mut out = container.header().to_vec();
        for block in text.chunks(3000) {
            let block = compressor.compress(&mut block.to_vec(), true).unwrap();
            container.append(&block);
            out.extend_from_slice(&block.bytes);
        }
        out.extend_from_slice(&container.trailer(text.len() as u64));
        out
    }

    fn opened(chunks: Vec<Result<Bytes>>) -> Opened {
        Opened { location: "test".into(), size: None, bytes: stream::iter(chunks).boxed() }
    }

    async fn decoded(stored: &[u8], chunk: usize) -> Result<Vec<u8>> {
        let chunks = stored.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let mut text = read(opened(chunks), Arc::new(Silent));
        let mut all = Vec::new();
        while let Some(chunk) = text.next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    fn sample() -> Vec<u8> {
        (0..4000u32).flat_map(|n| format!("{n}\t{}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    #[tokio::test]
    async fn what_was_compressed_comes_back_however_it_is_cut() {
        for compression in METHODS {
            for text in [&b""[..], b"x", &sample()] {
                let stored = compressed(compression, text);
                for chunk in [1, 7, 4096, 1 << 20] {
                    assert!(decoded(&stored, chunk).await.unwrap() == text, "{compression} {chunk}");
                }
            }
        }
    }

    #[tokio::test]
    async fn several_members_are_one_text() {
        for compression in METHODS {
            let stored = [compressed(compression, b"one\n"), compressed(compression, b"two\n")].concat();
            assert_eq!(decoded(&stored, 5).await.unwrap(), b"one\ntwo\n", "{compression}");
        }
    }

    #[tokio::test]
    async fn what_is_cut_off_or_followed_by_anything_is_damaged() {
        for compression in [Compression::GZIP, Compression::Lz4(0), Compression::ZSTD] {
            let stored = compressed(compression, &sample());
            // If cut between two frames, the file is complete in itself.
            let is_one = matches!(compression, Compression::Gzip(_));
            for cut in (5..stored.len()).step_by(997).filter(|_| is_one).chain([stored.len() - 1]) {
                let error = decoded(&stored[..cut], 4096).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {cut}: {error:?}");
            }
            // Like gzip, ignore zeros, which pad files on tapes.
            let padding: &[u8] = if is_one { b"\0\0x" } else { b"\0" };
            for garbage in [padding, b"x", b"garbage that is long enough"] {
                let error = decoded(&[&stored[..], garbage].concat(), 4096).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {garbage:?}: {error:?}");
            }
        }
    }

    #[tokio::test]
    async fn zeros_behind_gzip_are_padding() {
        let stored = [&compressed(Compression::GZIP, b"one\n")[..], &[0; 5000]].concat();
        for chunk in [1, 100, 1 << 20] {
            assert_eq!(decoded(&stored, chunk).await.unwrap(), b"one\n");
        }
    }

    #[tokio::test]
    async fn the_largest_windows_of_zstd_are_read() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(31).unwrap();
        // Without a content size in its header, the frame declares the whole window.
        std::io::Write::write_all(&mut encoder, &sample()).unwrap();
        let stored = encoder.finish().unwrap();
        assert!(decoded(&stored, 4096).await.unwrap() == sample());
    }

    #[tokio::test]
    async fn flipped_bits_are_found_with_their_place() {
        for compression in [Compression::GZIP, Compression::Lz4(0), Compression::ZSTD] {
            let text = sample();
            let stored = compressed(compression, &text);
            for at in (16..stored.len()).step_by(211) {
                let mut flipped = stored.clone();
                flipped[at] ^= 0x10;
                let error = decoded(&flipped, 1 << 20).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged);
                assert!(error.report().contains("at byte "), "{error:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_failure_to_read_is_no_damage() {
        let stored = compressed(Compression::GZIP, &sample());
        let lost = Error::new(ErrorKind::StorageFailed, "read s3://b/k").because("lost");
        let chunks = vec![Ok(Bytes::copy_from_slice(&stored[..100])), Err(lost)];
        let mut text = read(opened(chunks), Arc::new(Silent));
        let error = loop {
            match text.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the text is not whole"),
                Err(error) => break error,
            }
        };
        assert_eq!(
            (error.kind(), error.report().as_str()),
            (ErrorKind::StorageFailed, "read s3://b/k: lost")
        );
    }

    #[tokio::test]
    async fn a_bomb_takes_no_more_memory_than_a_chunk() {
        // Ten thousand blocks of a megabyte, if all were read.
        let block = compressed(Compression::ZSTD, &vec![b'x'; 1 << 20]);
        let chunks: Vec<_> = (0..10_000).map(|_| Ok(Bytes::from(block.clone()))).collect();
        let mut text = read(opened(chunks), Arc::new(Silent));
        for _ in 0..20 {
            assert!(text.next().await.unwrap().is_some_and(|chunk| chunk.len() <= TEXT_CHUNK_BYTES));
        }
    }
}

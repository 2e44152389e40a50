//! The one writer: joins the segments' blocks in order, and hands them to the upload.
//!
//! Short ends of segments arrive as text. They are collected until the next one would exceed a block, or
//! until a block arrives; then the collected text is compressed as a block. So blocks depend only on the text
//! and the list of segments.

use std::sync::Arc;

use bytes::Bytes;

use super::digest::StoredDigest;
use super::ordered_queue::{OrderedQueue, Piece, Step};
use super::{SegmentSummary, Summary};
use crate::codec::{BLOCK_BYTES, BlockCompressor, CompressedBlock, Compression, Container};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::storage::sink::Upload;

pub(super) struct OrderedWriter {
    upload: Box<dyn Upload>,
    progress: Arc<dyn Progress>,
    container: Container,
    /// `None` while it is in use on another thread.
    compressor: Option<BlockCompressor>,
    gathered: Vec<u8>,
    raw_bytes: u64,
    stored_bytes: u64,
    segments: Vec<SegmentSummary>,
    /// The digest of the stored bytes, updated in the same pass.
    digest: StoredDigest,
}

impl OrderedWriter {
    pub(super) fn new(
        compression: Compression,
        upload: Box<dyn Upload>,
        progress: Arc<dyn Progress>,
    ) -> Result<Self> {
        Ok(OrderedWriter {
            upload,
            progress,
            container: Container::new(compression),
            compressor: Some(BlockCompressor::new(compression)?),
            gathered: Vec::new(),
            raw_bytes: 0,
            stored_bytes: 0,
            segments: Vec::new(),
            digest: StoredDigest::start(),
        })
    }

    /// Writes the bytes before the first segment.
    pub(super) async fn begin(&mut self) -> Result<()> {
        self.write(self.container.header()).await
    }

    /// Writes all segments of a queue, except a short end that may be joined with later text.
    pub(super) async fn write_segments(&mut self, queue: &OrderedQueue) -> Result<()> {
        loop {
            match queue.next().await? {
                Step::Piece(Piece::Block(block)) => {
                    self.write_gathered().await?;
                    self.write_block(block).await?;
                }
                Step::Piece(Piece::Tail(text)) => self.gather(&text).await?,
                Step::SegmentDone(summary) => {
                    self.progress.segment_done(self.segments.len());
                    self.segments.push(summary);
                }
                Step::Finished => return Ok(()),
            }
        }
    }

    /// Writes the remaining text and the bytes after the last segment, and waits until as much of it as
    /// possible is stored.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.write_gathered().await?;
        self.write(self.container.trailer(self.raw_bytes)).await?;
        self.upload.flush().await
    }

    async fn gather(&mut self, text: &[u8]) -> Result<()> {
        if self.gathered.len() + text.len() > BLOCK_BYTES {
            self.write_gathered().await?;
        }
        self.gathered.extend_from_slice(text);
        Ok(())
    }

    /// Compression takes milliseconds: too long for the thread that also serves the upload.
    async fn write_gathered(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.gathered);
        let Some(mut compressor) = self.compressor.take() else {
            return Err(lost_compressor("its thread did not return it"));
        };
        let (compressor, mut text, block) = tokio::task::spawn_blocking(move || {
            let block = compressor.compress(&text);
            (compressor, text, block)
        })
        .await
        .map_err(lost_compressor)?;
        text.clear();
        self.gathered = text;
        self.compressor = Some(compressor);
        self.write_block(block?).await
    }

    async fn write_block(&mut self, block: CompressedBlock) -> Result<()> {
        self.container.append(&block);
        self.raw_bytes += block.raw_len;
        self.write(block.bytes).await
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len() as u64;
        self.digest.update(bytes.clone()).await;
        self.upload.write(bytes).await?;
        self.stored_bytes += length;
        self.progress.stored_bytes(length);
        Ok(())
    }

    pub(super) async fn complete(self) -> Result<Summary> {
        let sha256 = self.digest.finish().await?;
        let published = self.upload.complete().await?;
        Ok(Summary {
            raw_bytes: self.raw_bytes,
            stored_bytes: self.stored_bytes,
            crc32: self.container.crc32(),
            sha256,
            segments: self.segments,
            published,
        })
    }

    pub(super) async fn abort(self) -> Result<()> {
        self.upload.abort().await
    }
}

fn lost_compressor(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Other, "compress the ends of segments").because(cause)
}

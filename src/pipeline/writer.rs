//! The one writer: joins the segments' blocks in order, and hands them to the upload.
//!
//! Short segments arrive as text. They are collected until the next one would exceed a block, or until a block
//! arrives; then the collected text is compressed as a block. So blocks depend only on the text and the list of
//! segments.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::digest::StoredDigest;
use super::ordered_queue::{OrderedQueue, Piece, Step};
use super::waits::Waits;
use super::{Appendix, PipelineOptions, RestartPoint, Summary, Written};
use crate::codec::{BLOCK_BYTES, BlockCompressor, CompressedBlock, Container};
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
    written: Written,
    /// The checksum of the text since the last restart point.
    run_crc: crc32fast::Hasher,
    /// The digest of the stored bytes, updated in the same pass.
    digest: Option<StoredDigest>,
    waits: Arc<Waits>,
}

impl OrderedWriter {
    pub(super) fn new(
        options: PipelineOptions,
        upload: Box<dyn Upload>,
        progress: Arc<dyn Progress>,
        waits: Arc<Waits>,
    ) -> Result<Self> {
        let compression = options.compression;
        Ok(OrderedWriter {
            upload,
            progress,
            container: Container::new(compression),
            compressor: Some(BlockCompressor::new(compression)?),
            gathered: Vec::new(),
            written: Written::default(),
            run_crc: crc32fast::Hasher::new(),
            digest: options.digest.then(StoredDigest::start),
            waits,
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
                    let bytes = block.bytes.clone();
                    self.write_block(block).await?;
                    queue.recycle(bytes);
                }
                Step::Piece(Piece::Tail(text)) => self.gather(&text).await?,
                Step::SegmentDone(summary) => {
                    self.progress.segment_done(self.written.segments.len());
                    self.written.segments.push(summary);
                }
                Step::Finished => return Ok(()),
            }
        }
    }

    /// Writes the remaining text and the bytes after the last segment, and waits until as much of it as
    /// possible is stored.
    pub(super) async fn finish(&mut self, appendix: Option<Appendix>) -> Result<()> {
        self.write_gathered().await?;
        self.end_run();
        self.write(self.container.trailer(self.written.raw_bytes)).await?;
        self.written.crc32 = self.container.crc32();
        if let Some(appendix) = appendix {
            self.append(appendix).await?;
        }
        let started = Instant::now();
        let flushed = self.upload.flush().await;
        self.waits.add_upload(started.elapsed());
        flushed
    }

    async fn append(&mut self, appendix: Appendix) -> Result<()> {
        let written = std::mem::take(&mut self.written);
        let made = tokio::task::spawn_blocking(move || (appendix(&written), written)).await;
        let (bytes, written) =
            made.map_err(|error| Error::new(ErrorKind::Other, "make the index").because(error))?;
        self.written = written;
        self.write(bytes?).await
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
        let mut text = std::mem::take(&mut self.gathered);
        let Some(mut compressor) = self.compressor.take() else {
            return Err(lost_compressor("its thread did not return it"));
        };
        let (compressor, text, block) = tokio::task::spawn_blocking(move || {
            let block = compressor.compress(&mut text, true);
            text.clear();
            (compressor, text, block)
        })
        .await
        .map_err(lost_compressor)?;
        self.gathered = text;
        self.compressor = Some(compressor);
        self.write_block(block?).await
    }

    async fn write_block(&mut self, block: CompressedBlock) -> Result<()> {
        if block.is_restart_point {
            self.end_run();
            self.written.restart_points.push(RestartPoint {
                stored_offset: self.written.stored_bytes,
                text_offset: self.written.raw_bytes,
                crc32: 0,
            });
        }
        let checksum = crc32fast::Hasher::new_with_initial_len(block.crc32, block.raw_len);
        self.run_crc.combine(&checksum);
        self.container.append(&block);
        self.written.raw_bytes += block.raw_len;
        self.write(block.bytes).await
    }

    /// Notes the checksum of the text since the last restart point.
    fn end_run(&mut self) {
        let crc = std::mem::take(&mut self.run_crc);
        if let Some(point) = self.written.restart_points.last_mut() {
            point.crc32 = crc.finalize();
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len() as u64;
        if let Some(digest) = &self.digest {
            digest.update(bytes.clone()).await;
        }
        let started = Instant::now();
        self.upload.write(bytes).await?;
        self.waits.add_upload(started.elapsed());
        self.written.stored_bytes += length;
        self.progress.stored_bytes(length);
        Ok(())
    }

    pub(super) async fn complete(self) -> Result<Summary> {
        let sha256 = match self.digest {
            Some(digest) => Some(digest.finish().await?),
            None => None,
        };
        let published = self.upload.complete().await?;
        Ok(Summary { written: self.written, sha256, waited: self.waits.waited(), published })
    }

    pub(super) async fn abort(self) -> Result<()> {
        self.upload.abort().await
    }
}

fn lost_compressor(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Other, "compress short segments").because(cause)
}

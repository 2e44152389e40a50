//! Cuts a segment's text into blocks, and compresses them on the worker's thread.

use std::sync::Arc;

use super::SegmentSummary;
use super::ordered_queue::{OrderedQueue, Piece};
use crate::codec::{BLOCK_BYTES, BlockCompressor, Compression};
use crate::error::Result;
use crate::progress::Progress;

/// A segment's last block is passed to the writer as text, to be joined with its neighbours, if it is shorter
/// than this: 20,000 tiny tables must not become 20,000 tiny blocks. Longer ends remain separate blocks,
/// because there is only one writer but many workers.
const TAIL_BYTES: usize = BLOCK_BYTES / 4;

/// Takes the text of one segment, and cuts it into blocks of at most [`BLOCK_BYTES`].
///
/// Blocks end between pushes. Only a push that is longer than a block is cut, into blocks that hold nothing
/// else. So if each push is a row, blocks begin and end with rows.
pub(crate) struct BlockWriter {
    queue: Arc<OrderedQueue>,
    progress: Arc<dyn Progress>,
    compressor: BlockCompressor,
    buffer: Vec<u8>,
    segment: usize,
    raw_len: u64,
    rows: u64,
}

impl BlockWriter {
    pub(super) fn new(
        queue: Arc<OrderedQueue>,
        progress: Arc<dyn Progress>,
        compression: Compression,
    ) -> Result<Self> {
        Ok(BlockWriter {
            queue,
            progress,
            compressor: BlockCompressor::new(compression)?,
            buffer: Vec::with_capacity(BLOCK_BYTES),
            segment: 0,
            raw_len: 0,
            rows: 0,
        })
    }

    /// Appends a row, or other text that should not be cut.
    ///
    /// Usually this only copies to a buffer. When a block is full, it is compressed immediately; and if the
    /// writer is too far behind, this blocks the thread until there is room.
    ///
    /// # Errors
    /// If the run was stopped. Return this error from [`super::Produce::produce`].
    #[inline]
    pub(crate) fn push(&mut self, row: &[u8]) -> Result<()> {
        if self.buffer.len() + row.len() <= BLOCK_BYTES {
            self.buffer.extend_from_slice(row);
            return Ok(());
        }
        self.push_into_next_block(row)
    }

    fn push_into_next_block(&mut self, row: &[u8]) -> Result<()> {
        self.cut()?;
        if row.len() <= BLOCK_BYTES {
            self.buffer.extend_from_slice(row);
            return Ok(());
        }
        // Parts of equal size, rather than full blocks and a tiny rest.
        let parts = row.len().div_ceil(BLOCK_BYTES);
        row.chunks(row.len().div_ceil(parts)).try_for_each(|part| self.put_block(part))
    }

    /// Counts one more row or large object of the source in the segment.
    #[inline]
    pub(crate) fn count_row(&mut self) {
        self.rows += 1;
    }

    pub(super) fn begin_segment(&mut self, segment: usize) {
        self.buffer.clear();
        self.segment = segment;
        self.raw_len = 0;
        self.rows = 0;
    }

    pub(super) fn finish_segment(&mut self) -> Result<()> {
        if self.buffer.len() >= TAIL_BYTES {
            self.cut()?;
        } else if !self.buffer.is_empty() {
            let tail = self.buffer.as_slice().to_vec();
            self.buffer.clear();
            self.count(tail.len());
            self.queue.put(self.segment, Piece::Tail(tail))?;
        }
        let summary = SegmentSummary { raw_bytes: self.raw_len, rows: self.rows };
        self.queue.finish_segment(self.segment, summary);
        Ok(())
    }

    /// Ends the current block.
    fn cut(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let put = self.put_block(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        put
    }

    fn put_block(&mut self, raw: &[u8]) -> Result<()> {
        let block = self.compressor.compress(raw)?;
        self.count(raw.len());
        self.queue.put(self.segment, Piece::Block(block))
    }

    fn count(&mut self, raw_bytes: usize) {
        self.raw_len += raw_bytes as u64;
        self.progress.raw_bytes(raw_bytes as u64);
    }
}

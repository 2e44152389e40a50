//! Cuts a segment's text into blocks, and compresses them on the worker's thread.

use std::sync::Arc;
use std::time::Instant;

use super::ordered_queue::{OrderedQueue, Piece};
use super::{PartSummary, RowRange, SegmentSummary};
use crate::codec::{BLOCK_BYTES, BlockCompressor, CompressedBlock, Compression};
use crate::error::Result;
use crate::progress::Progress;

/// The text of a segment shorter than this is passed to the writer as it is, to be joined with its neighbours: few
/// tables must not become many tiny blocks. Longer ones are compressed by the worker, because there is only one
/// writer but many workers.
const TAIL_BYTES: usize = BLOCK_BYTES / 4;

/// Takes the text of one segment, and cuts it into blocks of at most [`BLOCK_BYTES`].
///
/// Blocks end between pushes. Only a push that is longer than a block is cut, into blocks that hold nothing
/// else. So if each push is a row, or several, blocks begin and end with rows.
pub(crate) struct BlockWriter {
    queue: Arc<OrderedQueue>,
    progress: Arc<dyn Progress>,
    compressor: BlockCompressor,
    buffer: Vec<u8>,
    segment: usize,
    parts: Vec<PartSummary>,
    part: PartSummary,
    /// The rows since the start of the current part's last range.
    range: RowRange,
    /// The position in the current part where `buffer` begins, if it does so between two rows.
    buffer_start: Option<RowRange>,
    /// Whether the text so far ends within a row.
    is_within_row: bool,
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
            parts: Vec::new(),
            part: PartSummary::default(),
            range: RowRange::default(),
            buffer_start: None,
            is_within_row: false,
        })
    }

    /// Appends text that should not be cut, with the number of rows, or large objects, that end in it: at its end, if
    /// there is one.
    ///
    /// Usually this only copies to a buffer. When a block is full, it is compressed immediately; and if the
    /// writer is too far behind, this blocks the thread until there is room.
    ///
    /// # Errors
    /// If the run was stopped. Return this error from [`super::Produce::produce`].
    #[inline]
    pub(crate) fn push(&mut self, text: &[u8], rows: u64) -> Result<()> {
        if self.buffer.len() + text.len() > BLOCK_BYTES {
            self.cut(false)?;
            if text.len() > BLOCK_BYTES {
                return self.push_long(text, rows);
            }
        }
        self.before_push();
        self.buffer.extend_from_slice(text);
        self.after_push(text.len(), rows);
        self.is_within_row = rows == 0;
        Ok(())
    }

    /// The same as [`BlockWriter::push`], but takes the buffer instead of copying it if it can, and leaves an empty
    /// one. Text that ends within a row has no rows; what follows is pushed next. It has at most [`BLOCK_BYTES`].
    pub(crate) fn push_buffer(&mut self, text: &mut Vec<u8>, rows: u64) -> Result<()> {
        if self.buffer.len() + text.len() > BLOCK_BYTES {
            self.cut(false)?;
        }
        self.before_push();
        let length = text.len();
        if self.buffer.is_empty() {
            std::mem::swap(&mut self.buffer, text);
        } else {
            self.buffer.extend_from_slice(text);
        }
        text.clear();
        self.after_push(length, rows);
        self.is_within_row = rows == 0;
        Ok(())
    }

    fn push_long(&mut self, text: &[u8], rows: u64) -> Result<()> {
        // Parts of equal size, rather than full blocks and a tiny rest.
        let parts = text.len().div_ceil(BLOCK_BYTES);
        for part in text.chunks(text.len().div_ceil(parts)) {
            self.before_push();
            self.buffer.extend_from_slice(part);
            self.after_push(part.len(), 0);
            self.is_within_row = true;
            self.cut(false)?;
        }
        self.is_within_row = false;
        self.part.rows += rows;
        self.range.rows += rows;
        Ok(())
    }

    #[inline]
    fn before_push(&mut self) {
        if self.buffer.is_empty() {
            self.buffer_start = (!self.is_within_row).then_some(self.range);
        }
    }

    #[inline]
    fn after_push(&mut self, length: usize, rows: u64) {
        self.part.raw_bytes += length as u64;
        self.part.rows += rows;
        self.range.raw_bytes += length as u64;
        self.range.rows += rows;
    }

    /// Ends a part of the segment, whose summary is kept apart from that of others.
    pub(crate) fn end_part(&mut self) {
        let range = std::mem::take(&mut self.range);
        let mut part = std::mem::take(&mut self.part);
        if range.rows > 0 {
            part.ranges.push(range);
        }
        self.parts.push(part);
        // A block that began in this part does not begin in the next one.
        self.buffer_start = None;
        self.is_within_row = false;
    }

    pub(super) fn begin_segment(&mut self, segment: usize) {
        self.buffer.clear();
        self.buffer_start = None;
        self.is_within_row = false;
        self.compressor.restart();
        self.segment = segment;
        self.parts = Vec::new();
        self.part = PartSummary::default();
        self.range = RowRange::default();
    }

    pub(super) fn finish_segment(&mut self) -> Result<()> {
        if self.part.raw_bytes > 0 {
            self.end_part();
        }
        if !self.compressor.is_at_restart_point() || self.buffer.len() >= TAIL_BYTES {
            self.cut(true)?;
            if let Some(end) = self.compressor.end_run()? {
                self.put(end)?;
            }
        } else if !self.buffer.is_empty() {
            self.queue.admit(self.buffer.len())?;
            let tail = self.buffer.as_slice().to_vec();
            self.buffer.clear();
            self.progress.raw_bytes(tail.len() as u64);
            self.queue.put(self.segment, Piece::Tail(tail))?;
        }
        let summary = SegmentSummary { parts: std::mem::take(&mut self.parts) };
        self.queue.finish_segment(self.segment, summary);
        Ok(())
    }

    /// Ends the current block.
    fn cut(&mut self, is_last: bool) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.queue.admit(self.buffer.len())?;
        let started = Instant::now();
        self.compressor.reuse(self.queue.spare_buffer());
        let block = self.compressor.compress(&mut self.buffer, is_last)?;
        self.queue.waits.add_encoder(started.elapsed());
        self.buffer.clear();
        if block.is_restart_point
            && let Some(start) = self.buffer_start
            && start.raw_bytes > 0
        {
            self.part.ranges.push(start);
            self.range.raw_bytes -= start.raw_bytes;
            self.range.rows -= start.rows;
        }
        self.put(block)
    }

    fn put(&mut self, block: CompressedBlock) -> Result<()> {
        self.progress.raw_bytes(block.raw_len);
        self.queue.put(self.segment, Piece::Block(block))
    }
}

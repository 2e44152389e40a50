//! `COPY … TO STDOUT` in the simple query protocol, many rows at a time.
//!
//! tokio-postgres passes each row on as a value of its own, through a channel, which takes more time than
//! reading it. So we send the COPY as a plain query, and the stream below tokio-postgres
//! ([`crate::pg::frontend_stream`]) takes the rows out of what the server sends, and copies them once, into
//! chunks of many rows. tokio-postgres only sees a slow query, and its outcome. (Manual, "COPY Operations".)

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::future::{BoxFuture, FutureExt};
use tokio_postgres::Client;

/// How many buffers a connection keeps for further chunks: as many as are in use at a time.
const SPARE_BUFFERS: usize = 3;

/// Some of the text that a COPY sends. It consists of whole rows, unless a single row is longer than a chunk:
/// that row then has chunks of its own. Where chunks end depends only on the rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// The text, with each row's line feed.
    pub text: Vec<u8>,
    /// How many rows end in this chunk.
    pub rows: u64,
}

/// What a COPY sends.
#[derive(Debug, PartialEq, Eq)]
pub enum Copied {
    /// The next rows.
    Rows(Chunk),
    /// One COPY is complete. Others of the same query may follow.
    End,
}

/// Why the rows could not be read.
#[derive(Debug)]
pub enum CopyOutError {
    /// The server reported an error, or the connection was lost.
    Failed(tokio_postgres::Error),
    /// The rows do not have the form that COPY's text format gives them, and must not be written to a script.
    Malformed(&'static str),
}

/// What the sink and the reader of a query share.
#[derive(Debug, Default)]
struct Shared {
    copied: VecDeque<Copied>,
    /// The length of the text in `copied`.
    ready_bytes: usize,
    malformed: Option<&'static str>,
    /// The reader is gone, so rows are discarded.
    is_abandoned: bool,
    /// Wakes the task that drives the connection when there is room.
    writer: Option<Waker>,
    /// Wakes the task that waits for rows.
    reader: Option<Waker>,
}

type Handle = Arc<Mutex<Shared>>;

fn lock(shared: &Handle) -> MutexGuard<'_, Shared> {
    // No code panics while it holds the lock, so the state behind a poisoned lock is valid.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The buffers of chunks that were written, for further chunks: new memory takes longer to touch than to fill.
#[derive(Debug, Clone, Default)]
struct SpareBuffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl SpareBuffers {
    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, mut buffer: Vec<u8>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() > 0 && spare.len() < SPARE_BUFFERS {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// Where the stream of a connection finds the sink for the rows of the next COPY.
#[derive(Debug, Clone, Default)]
pub(crate) struct CopyOutSlot {
    sink: Arc<Mutex<Option<CopySink>>>,
    spare: SpareBuffers,
}

impl CopyOutSlot {
    /// Takes the sink, if a COPY is expected.
    pub(crate) fn take(&self) -> Option<CopySink> {
        self.lock().take()
    }

    pub(crate) fn is_filled(&self) -> bool {
        self.lock().is_some()
    }

    fn fill(&self, sink: CopySink) {
        *self.lock() = Some(sink);
    }

    /// Takes the buffer of a chunk, to be used for a later one.
    pub(crate) fn recycle(&self, text: Vec<u8>) {
        self.spare.put(text);
    }

    fn lock(&self) -> MutexGuard<'_, Option<CopySink>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot that expects a COPY, whose rows nobody waits for.
    #[cfg(any(test, fuzzing, feature = "bench"))]
    pub(crate) fn filled(chunk_bytes: usize) -> (Self, CopyOutEnd) {
        let slot = CopyOutSlot::default();
        let (sink, shared) = CopySink::new(chunk_bytes, slot.spare.clone());
        slot.fill(sink);
        (slot, CopyOutEnd(shared))
    }
}

/// Shows what arrived.
#[cfg(any(test, fuzzing, feature = "bench"))]
pub(crate) struct CopyOutEnd(Handle);

#[cfg(any(test, fuzzing, feature = "bench"))]
impl CopyOutEnd {
    /// Everything that arrived so far, or what is wrong with it.
    pub(crate) fn take(&self) -> Result<Vec<Copied>, &'static str> {
        let mut shared = lock(&self.0);
        shared.ready_bytes = 0;
        let copied = shared.copied.drain(..).collect();
        shared.malformed.map_or(Ok(copied), Err)
    }
}

/// Takes the rows from the stream, and makes chunks of them.
#[derive(Debug)]
pub(crate) struct CopySink {
    shared: Handle,
    chunk_bytes: usize,
    filling: Vec<u8>,
    spare: SpareBuffers,
    /// How many rows end in `filling`.
    rows: u64,
    /// The length of the current row.
    row_bytes: usize,
    /// The length of the parts of a row that is longer than a chunk.
    part_bytes: Option<usize>,
    last_byte: u8,
}

impl CopySink {
    fn new(chunk_bytes: usize, spare: SpareBuffers) -> (Self, Handle) {
        let shared = Handle::default();
        let sink = CopySink {
            shared: Arc::clone(&shared),
            chunk_bytes,
            filling: spare.take().unwrap_or_default(),
            spare,
            rows: 0,
            row_bytes: 0,
            part_bytes: None,
            last_byte: 0,
        };
        (sink, shared)
    }

    /// Waits until the reader has taken enough for more to be read.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut shared = lock(&self.shared);
        if shared.ready_bytes < self.chunk_bytes {
            return Poll::Ready(());
        }
        shared.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes the whole CopyData messages at the start of `bytes`, and returns their length.
    pub(crate) fn take_messages(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&[b'd', a, b, c, d]) = bytes.get(at..at + 5) {
            let Some(length) = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok() else { break };
            let Some(row) = bytes.get(at + 5..(at + 1).saturating_add(length)) else { break };
            self.begin_row(row.len());
            self.push(row);
            self.end_row();
            at += 5 + row.len();
        }
        at
    }

    /// Begins a row of this length, of which [`CopySink::push`] then gets the bytes.
    #[inline]
    pub(crate) fn begin_row(&mut self, length: usize) {
        self.row_bytes = length;
        if self.filling.len() + length <= self.chunk_bytes {
            return;
        }
        self.hand_over();
        if length > self.chunk_bytes {
            // Parts of equal size, rather than full chunks and a tiny rest.
            self.part_bytes = Some(length.div_ceil(length.div_ceil(self.chunk_bytes)));
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        let Some(&last) = bytes.last() else { return };
        self.last_byte = last;
        if let Some(part_bytes) = self.part_bytes {
            while self.filling.len() + bytes.len() > part_bytes {
                let (part, rest) = bytes.split_at(part_bytes - self.filling.len());
                self.filling.extend_from_slice(part);
                self.hand_over();
                bytes = rest;
            }
        }
        self.filling.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn end_row(&mut self) {
        if self.last_byte != b'\n' || self.row_bytes == 0 {
            self.reject("a row without a line feed at its end");
        }
        // A correct server escapes the backslash here. psql would read what follows as commands.
        if self.row_bytes == 3 && self.filling.ends_with(b"\\.\n") {
            self.reject("a row that looks like the end of the data");
        }
        self.rows += 1;
        if self.part_bytes.take().is_some() {
            self.hand_over();
        }
    }

    /// Ends one COPY.
    pub(crate) fn end_copy(&mut self) {
        self.hand_over();
        self.send(Copied::End);
    }

    fn hand_over(&mut self) {
        if self.filling.is_empty() {
            return;
        }
        // Line feeds within values are escaped, so each one ends a row. Others could hide a row from the checks.
        if memchr::memchr_iter(b'\n', &self.filling).count() as u64 != self.rows {
            self.reject("a row with several lines");
        }
        let text = std::mem::take(&mut self.filling);
        let rows = std::mem::take(&mut self.rows);
        self.send(Copied::Rows(Chunk { text, rows }));
    }

    fn send(&mut self, copied: Copied) {
        let mut shared = lock(&self.shared);
        if let Copied::Rows(chunk) = &copied {
            self.filling = self.spare.take().unwrap_or_else(|| self.new_buffer(chunk));
        }
        if shared.is_abandoned || shared.malformed.is_some() {
            return;
        }
        if let Copied::Rows(chunk) = &copied {
            shared.ready_bytes += chunk.text.len();
        }
        shared.copied.push_back(copied);
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// A COPY whose first chunk is full is likely to fill more.
    fn new_buffer(&self, last: &Chunk) -> Vec<u8> {
        let is_full = last.text.len() > self.chunk_bytes / 2;
        Vec::with_capacity(if is_full { self.chunk_bytes } else { 0 })
    }

    /// Nothing more is passed on.
    fn reject(&mut self, reason: &'static str) {
        let mut shared = lock(&self.shared);
        shared.malformed.get_or_insert(reason);
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
    }
}

impl Drop for CopySink {
    fn drop(&mut self) {
        self.spare.put(std::mem::take(&mut self.filling));
    }
}

/// A query with one or more COPY commands in progress. Dropping it discards the rows that still arrive; cancel
/// the query first, unless it is complete.
pub struct CopyOut {
    outcome: BoxFuture<'static, Result<(), tokio_postgres::Error>>,
    is_over: bool,
    shared: Handle,
    slot: CopyOutSlot,
}

impl CopyOut {
    pub(crate) fn begin(
        client: Arc<Client>,
        slot: &CopyOutSlot,
        statements: String,
        chunk_bytes: usize,
    ) -> Self {
        let (sink, shared) = CopySink::new(chunk_bytes, slot.spare.clone());
        slot.fill(sink);
        let outcome = async move { client.batch_execute(&statements).await }.boxed();
        CopyOut { outcome, is_over: false, shared, slot: slot.clone() }
    }

    /// The next rows, or the end of a COPY; `None` when the whole query has succeeded.
    ///
    /// # Errors
    /// If the query fails, or the server sends what COPY never sends.
    pub async fn next(&mut self) -> Result<Option<Copied>, CopyOutError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Copied>, CopyOutError>> {
        if let Some(taken) = self.take(cx) {
            return Poll::Ready(taken.map(Some));
        }
        if !self.is_over {
            match self.outcome.poll_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(CopyOutError::Failed(error))),
                Poll::Ready(Ok(())) => self.is_over = true,
            }
        }
        // Rows may have arrived just before the outcome.
        Poll::Ready(self.take(cx).transpose())
    }

    fn take(&self, cx: &Context<'_>) -> Option<Result<Copied, CopyOutError>> {
        let mut shared = lock(&self.shared);
        if let Some(reason) = shared.malformed {
            return Some(Err(CopyOutError::Malformed(reason)));
        }
        let Some(copied) = shared.copied.pop_front() else {
            shared.reader = Some(cx.waker().clone());
            return None;
        };
        if let Copied::Rows(chunk) = &copied {
            shared.ready_bytes -= chunk.text.len();
        }
        let writer = shared.writer.take();
        drop(shared);
        if let Some(writer) = writer {
            writer.wake();
        }
        Some(Ok(copied))
    }

    /// Returns the buffer of a chunk, to be used for a later one.
    pub fn recycle(&self, text: Vec<u8>) {
        self.slot.recycle(text);
    }
}

impl Drop for CopyOut {
    fn drop(&mut self) {
        // If no COPY began, its sink was never taken.
        drop(self.slot.take());
        let mut shared = lock(&self.shared);
        shared.is_abandoned = true;
        shared.ready_bytes = 0;
        shared.copied.clear();
        if let Some(writer) = shared.writer.take() {
            writer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(row: &[u8]) -> Vec<u8> {
        [&b"d"[..], &u32::try_from(row.len() + 4).unwrap().to_be_bytes(), row].concat()
    }

    fn chunks(chunk_bytes: usize, rows: &[&[u8]]) -> Result<Vec<Copied>, &'static str> {
        let (mut sink, shared) = CopySink::new(chunk_bytes, SpareBuffers::default());
        for row in rows {
            let message = message(row);
            assert_eq!(sink.take_messages(&message), message.len());
        }
        sink.end_copy();
        CopyOutEnd(shared).take()
    }

    fn rows(text: &[u8], rows: u64) -> Copied {
        Copied::Rows(Chunk { text: text.to_vec(), rows })
    }

    #[test]
    fn chunks_hold_as_many_whole_rows_as_fit() {
        let copied = chunks(8, &[b"ab\n", b"cd\n", b"ef\n", b"1234567\n", b"\n"]).unwrap();
        let expected =
            [rows(b"ab\ncd\n", 2), rows(b"ef\n", 1), rows(b"1234567\n", 1), rows(b"\n", 1), Copied::End];
        assert_eq!(copied, expected);
        assert_eq!(chunks(8, &[]).unwrap(), [Copied::End]);
    }

    #[test]
    fn a_long_row_has_chunks_of_equal_size_to_itself() {
        let copied = chunks(4, &[b"a\n", b"123456789\n", b"b\n"]).unwrap();
        let expected = [
            rows(b"a\n", 1),
            rows(b"1234", 0),
            rows(b"5678", 0),
            rows(b"9\n", 1),
            rows(b"b\n", 1),
            Copied::End,
        ];
        assert_eq!(copied, expected);
    }

    #[test]
    fn rows_that_could_become_commands_are_rejected() {
        for row in [&b"\\.\n"[..], b"a", b"", b"a\nb\n", b"\\.\n\\! x\n", b"0123456789\n0123456789\n"] {
            assert!(chunks(8, &[b"1\n", row, b"2\n"]).is_err(), "{row:?}");
        }
        assert!(chunks(8, &[b"\\\\.\n", b"x\\.\n", b".\n"]).is_ok());
        // A row that is sent in two messages, which together look like the end of the data.
        assert!(chunks(8, &[b"\\", b".\n"]).is_err());
    }
}

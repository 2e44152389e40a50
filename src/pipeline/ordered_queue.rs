//! The queue in which workers leave blocks, and from which the writer takes them in segment order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::SegmentSummary;
use super::rate_limit::RateLimit;
use super::waits::Waits;
use crate::codec::{BLOCK_BYTES, CompressedBlock};
use crate::error::{Error, ErrorKind, Result};

/// How many bytes of the segment at the head may be waiting, regardless of the other segments.
const HEAD_BYTES: usize = 2 * BLOCK_BYTES;

/// How many buffers are kept for further blocks.
const SPARE_BUFFERS: usize = 4;

/// What a worker passes to the writer.
pub(super) enum Piece {
    Block(CompressedBlock),
    /// The short end of a segment, still as text, for the writer to join with its neighbours.
    Tail(Vec<u8>),
}

impl Piece {
    fn held_bytes(&self) -> usize {
        match self {
            Piece::Block(block) => block.bytes.len(),
            Piece::Tail(text) => text.capacity(),
        }
    }
}

pub(super) enum Step {
    Piece(Piece),
    /// The segment at the head is complete, with this summary.
    SegmentDone(SegmentSummary),
    /// All segments are complete.
    Finished,
}

/// One segment's pieces on their way from its worker to the writer.
#[derive(Default)]
struct QueuedSegment {
    pieces: VecDeque<Piece>,
    held_bytes: usize,
    finished: Option<SegmentSummary>,
}

struct QueueState {
    /// The segment that the writer is processing.
    head: usize,
    /// The next segment that no worker has taken.
    next: usize,
    queued: BTreeMap<usize, QueuedSegment>,
    held_bytes: usize,
    stopped: bool,
    /// Buffers of blocks that were written, for further blocks: new memory takes longer to touch than to fill.
    spare: Vec<Vec<u8>>,
    failure: Option<Error>,
}

/// Connects workers and writer. Workers block their threads here; the writer awaits.
pub(super) struct OrderedQueue {
    segments: usize,
    byte_budget: usize,
    pub(super) waits: Arc<Waits>,
    rate_limit: Option<Arc<RateLimit>>,
    state: Mutex<QueueState>,
    /// Workers wait here for room.
    room: Condvar,
    /// The writer waits here for pieces.
    ready: Notify,
    /// Cancelled when the run is over, to wake producers that are waiting for something else.
    stop: CancellationToken,
}

impl OrderedQueue {
    pub(super) fn new(
        segments: usize,
        byte_budget: usize,
        waits: Arc<Waits>,
        rate_limit: Option<Arc<RateLimit>>,
    ) -> Self {
        OrderedQueue {
            segments,
            byte_budget,
            waits,
            rate_limit,
            state: Mutex::new(QueueState {
                head: 0,
                next: 0,
                queued: BTreeMap::new(),
                held_bytes: 0,
                stopped: false,
                spare: Vec::new(),
                failure: None,
            }),
            room: Condvar::new(),
            ready: Notify::new(),
            stop: CancellationToken::new(),
        }
    }

    /// No code panics while it holds the lock, so the state behind a poisoned lock is valid.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the buffer of a block that was written, if nobody else has it.
    pub(super) fn recycle(&self, block: Bytes) {
        if block.is_unique() && block.len() <= BLOCK_BYTES {
            let mut state = self.lock();
            if state.spare.len() < SPARE_BUFFERS {
                state.spare.push(block.into());
            }
        }
    }

    /// A buffer for a block; without any capacity if there is none to reuse.
    pub(super) fn spare_buffer(&self) -> Vec<u8> {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Gives the next segment to a worker, or `None` if no segment is left or the run is over.
    pub(super) fn take_segment(&self) -> Option<usize> {
        let mut state = self.lock();
        if state.stopped || state.next == self.segments {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    /// Blocks the thread until text of this length may be produced.
    ///
    /// # Errors
    /// If the run was stopped.
    pub(super) fn admit(&self, bytes: usize) -> Result<()> {
        let Some(limit) = &self.rate_limit else { return Ok(()) };
        let started = Instant::now();
        let until = limit.admit(bytes as u64, started);
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Err(stopped());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Also woken when there is room in the queue.
            (state, _) = self.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        self.waits.add_rate_limit(started.elapsed());
        Ok(())
    }

    /// Adds a piece; blocks the thread until there is room for it.
    pub(super) fn put(&self, segment: usize, piece: Piece) -> Result<()> {
        let bytes = piece.held_bytes();
        let mut state = self.lock();
        if !state.stopped && !self.has_room(&state, segment, bytes) {
            let started = Instant::now();
            while !state.stopped && !self.has_room(&state, segment, bytes) {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            self.waits.add_queue(started.elapsed());
        }
        if state.stopped {
            return Err(stopped());
        }
        state.held_bytes += bytes;
        let segment_queue = state.queued.entry(segment).or_default();
        segment_queue.held_bytes += bytes;
        segment_queue.pieces.push_back(piece);
        self.wake_writer(&state, segment);
        Ok(())
    }

    fn has_room(&self, state: &QueueState, segment: usize, bytes: usize) -> bool {
        // The bytes *before* this piece must be below HEAD_BYTES: so a piece may exceed the limit, but never
        // gets stuck.
        let at_head = segment == state.head
            && state.queued.get(&segment).is_none_or(|segment_queue| segment_queue.held_bytes < HEAD_BYTES);
        at_head || state.held_bytes + bytes <= self.byte_budget
    }

    /// Marks a segment as complete, with its summary.
    pub(super) fn finish_segment(&self, segment: usize, summary: SegmentSummary) {
        let mut state = self.lock();
        state.queued.entry(segment).or_default().finished = Some(summary);
        self.wake_writer(&state, segment);
    }

    fn wake_writer(&self, state: &QueueState, segment: usize) {
        if segment == state.head {
            self.ready.notify_one();
        }
    }

    /// Waits for the writer's next step. Fails if the run was stopped; the cause is reported elsewhere.
    pub(super) async fn next(&self) -> Result<Step> {
        loop {
            if let Some(step) = self.try_next()? {
                return Ok(step);
            }
            // There is only one waiter, so a notification that arrives in between leaves a permit.
            self.ready.notified().await;
        }
    }

    fn try_next(&self) -> Result<Option<Step>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.stopped {
            return Err(stopped());
        }
        if state.head == self.segments {
            return Ok(Some(Step::Finished));
        }
        let segment = state.head;
        let Some(segment_queue) = state.queued.get_mut(&segment) else { return Ok(None) };
        if let Some(piece) = segment_queue.pieces.pop_front() {
            let bytes = piece.held_bytes();
            segment_queue.held_bytes -= bytes;
            state.held_bytes -= bytes;
            self.room.notify_all();
            return Ok(Some(Step::Piece(piece)));
        }
        let Some(summary) = segment_queue.finished.take() else { return Ok(None) };
        state.queued.remove(&segment);
        state.head += 1;
        // The new head may continue, whatever the budget.
        self.room.notify_all();
        Ok(Some(Step::SegmentDone(summary)))
    }

    /// Records a failure, if it is the first and the run was not already over, and stops the run.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.lock();
        if !state.stopped {
            state.failure = Some(error);
        }
        drop(state);
        self.stop();
    }

    /// Stops the run: every wait on this queue ends with an error.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.room.notify_all();
        self.ready.notify_one();
        self.stop.cancel();
    }

    /// Completes when the run is over.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }
}

/// The error for tasks that are stopped because of another failure; never the first cause.
fn stopped() -> Error {
    Error::new(ErrorKind::Other, "write the dump").because("the run was stopped")
}

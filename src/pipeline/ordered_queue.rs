//! Where workers leave blocks and the writer picks them up in segment order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::SegmentSummary;
use crate::codec::{BLOCK_BYTES, CompressedBlock};
use crate::error::{Error, ErrorKind, Result};

/// How many bytes the segment at the head may have waiting, whatever the others hold.
const HEAD_BYTES: usize = 2 * BLOCK_BYTES;

/// What a worker hands over.
pub(super) enum Piece {
    /// A compressed block.
    Block(CompressedBlock),
    /// The short end of a segment, still text, for the writer to join with its neighbours.
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

/// What the writer does next.
pub(super) enum Step {
    /// Write this.
    Piece(Piece),
    /// The segment at the head is whole, and this is what it holds.
    SegmentDone(SegmentSummary),
    /// All segments are whole.
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
    /// The segment that the writer is at.
    head: usize,
    /// The next segment that no worker has taken.
    next: usize,
    queued: BTreeMap<usize, QueuedSegment>,
    held_bytes: usize,
    stopped: bool,
    failure: Option<Error>,
}

/// The meeting place of workers and writer. Workers block their threads here; the writer awaits.
pub(super) struct OrderedQueue {
    segments: usize,
    byte_budget: usize,
    state: Mutex<QueueState>,
    /// Workers wait here for room.
    room: Condvar,
    /// The writer waits here for pieces.
    ready: Notify,
    /// Cancelled when the run is over, to wake producers that await something of their own.
    stop: CancellationToken,
}

impl OrderedQueue {
    pub(super) fn new(segments: usize, byte_budget: usize) -> Self {
        OrderedQueue {
            segments,
            byte_budget,
            state: Mutex::new(QueueState {
                head: 0,
                next: 0,
                queued: BTreeMap::new(),
                held_bytes: 0,
                stopped: false,
                failure: None,
            }),
            room: Condvar::new(),
            ready: Notify::new(),
            stop: CancellationToken::new(),
        }
    }

    /// No code panics while it holds the lock, so a poisoned lock guards a sound state.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the next segment to a worker, or none if there is none or the run is over.
    pub(super) fn take_segment(&self) -> Option<usize> {
        let mut state = self.lock();
        if state.stopped || state.next == self.segments {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    /// Hands over a piece; blocks the thread until there is room for it.
    pub(super) fn put(&self, segment: usize, piece: Piece) -> Result<()> {
        let bytes = piece.held_bytes();
        let mut state = self.lock();
        while !state.stopped && !self.has_room(&state, segment, bytes) {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
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
        // Less than HEAD_BYTES *before* the piece: one piece may overshoot, none can get stuck.
        let at_head = segment == state.head
            && state.queued.get(&segment).is_none_or(|segment_queue| segment_queue.held_bytes < HEAD_BYTES);
        at_head || state.held_bytes + bytes <= self.byte_budget
    }

    /// Says that a segment is whole, and what it holds.
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

    /// Waits for the writer's next step. An error if the run was stopped; the cause is elsewhere.
    pub(super) async fn next(&self) -> Result<Step> {
        loop {
            if let Some(step) = self.try_next()? {
                return Ok(step);
            }
            // A permit is kept if the notification came in between: there is one waiter only.
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
        let Some(summary) = segment_queue.finished else { return Ok(None) };
        state.queued.remove(&segment);
        state.head += 1;
        // The new head may go on whatever the budget says.
        self.room.notify_all();
        Ok(Some(Step::SegmentDone(summary)))
    }

    /// Notes a failure, if it is the first and the run was not over already, and stops the run.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.lock();
        if !state.stopped {
            state.failure = Some(error);
        }
        drop(state);
        self.stop();
    }

    /// Stops the run: every wait here ends, with an error.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.room.notify_all();
        self.ready.notify_one();
        self.stop.cancel();
    }

    /// Ends when the run is over.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }
}

/// What those hear who are stopped because of something else; never the first cause.
fn stopped() -> Error {
    Error::new(ErrorKind::Other, "write the dump").because("the run was stopped")
}

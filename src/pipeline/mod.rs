//! Workers produce the dump's segments in parallel; one writer joins them in order.
//!
//! ```text
//! worker 0 ─ produce ─ cut ─ compress ─┐
//! worker 1 ─ produce ─ cut ─ compress ─┼─► queue ───► writer ─► upload
//! worker 2 ─ produce ─ cut ─ compress ─┘   (budget)    (segment order)
//! ```
//!
//! Each worker is an OS thread with its own current-thread runtime, so compression may occupy the thread as
//! long as necessary. Workers take segments in order. A worker that is ahead of the writer waits when the byte
//! budget is used up. The worker whose segment the writer needs next never waits for the others, so there is
//! always one that makes progress, and no deadlock.
//!
//! **The output does not depend on `jobs` or on timing.** The rules that cut blocks from a segment's text
//! depend only on that text ([`BlockWriter`]); how short neighbouring segments are joined depends only on their
//! order ([`writer`]).
//!
//! **Memory use** is at most
//! `byte_budget + 3 MiB (head) + 5 MiB (writer) + jobs × (2.2 MiB + compressor state)`,
//! plus what the producers and the upload hold: a connection that reads rows has up to three chunks of a MiB. The
//! compressor state is 0.4 MB for gzip, and 2 to 40 MB for zstd. A row of any size arrives in parts, and is never held
//! as a whole.

mod block_writer;
mod digest;
mod ordered_queue;
mod rate_limit;
mod waits;
mod worker;
mod writer;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

pub(crate) use block_writer::BlockWriter;
pub use waits::Waited;

use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::storage::sink::{Published, Upload, with_leftover};
use ordered_queue::OrderedQueue;
pub use rate_limit::BytesPerSecond;
use rate_limit::RateLimit;
use waits::Waits;
use writer::OrderedWriter;

/// Produces the text of segments. One producer serves one worker, for segment after segment. It never leaves
/// the worker's thread, so neither it nor its futures need to be `Send`.
pub(crate) trait Produce<S> {
    /// Writes the whole text of `segment` to `out`, and returns when it is complete.
    ///
    /// The future is dropped when the run fails or is interrupted elsewhere; then [`Produce::cancel`] is
    /// called.
    fn produce(&mut self, segment: &S, out: &mut BlockWriter) -> impl Future<Output = Result<()>>;

    /// Ends the producer after its last segment. Here it can still report that its output was not consistent:
    /// an error fails the run.
    fn finish(self) -> impl Future<Output = Result<()>>
    where
        Self: Sized,
    {
        async { Ok(()) }
    }

    /// Called after a segment was left unfinished: should tell the server to stop sending. It gets a few
    /// seconds, then the producer is dropped.
    fn cancel(&mut self) -> impl Future<Output = ()> {
        async {}
    }
}

/// Creates the producers, each on its own worker's thread and runtime.
pub(crate) trait ProducerFactory<S>: Send + Sync + 'static {
    type Producer: Produce<S>;

    /// Creates the producer for worker number `worker`, counted from 0.
    fn producer(&self, worker: usize) -> impl Future<Output = Result<Self::Producer>>;
}

/// How to run a pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipelineOptions {
    pub compression: Compression,
    /// How many workers to start, at least 1. There are never more workers than segments.
    pub jobs: usize,
    /// How many bytes of compressed blocks may wait for the writer. Any number works; a larger one lets
    /// workers run further ahead of a slow segment.
    pub byte_budget: usize,
    /// Whether to compute the SHA-256 of the stored bytes.
    pub digest: bool,
    /// How many bytes of text may be produced in a second.
    pub rate_limit: Option<BytesPerSecond>,
}

impl PipelineOptions {
    /// A budget with which each worker can finish a segment of usual size while the first one is still busy with
    /// its own.
    pub(crate) fn byte_budget(jobs: usize) -> usize {
        const SEGMENT: usize = 10 << 20;
        (32 << 20) + jobs.saturating_sub(2).min(MOST_AHEAD) * SEGMENT
    }
}

/// From this number of workers on, more of them do not get more memory.
const MOST_AHEAD: usize = 20;

/// What was written for one segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentSummary {
    /// Its parts, in order.
    pub parts: Vec<PartSummary>,
}

/// What was written for a part of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartSummary {
    /// The length of its text in bytes.
    pub raw_bytes: u64,
    /// How many rows or large objects of the source it contains.
    pub rows: u64,
    /// Its text in pieces that begin and end between rows; where possible, they begin at restart points.
    pub ranges: Vec<RowRange>,
}

/// A piece of the text of some rows, which begins and ends between rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowRange {
    /// The length of its text in bytes.
    pub raw_bytes: u64,
    /// How many rows it has.
    pub rows: u64,
}

/// A place where decoding can begin without what comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPoint {
    /// Its position in the stored bytes.
    pub stored_offset: u64,
    /// Its position in the text.
    pub text_offset: u64,
    /// The CRC-32 of the text from here to the next restart point, or to the end.
    pub crc32: u32,
}

/// What was written of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// The length of the text in bytes.
    pub raw_bytes: u64,
    /// The CRC-32 of the text.
    pub crc32: u32,
    /// The length of the stored bytes, after compression, with what was appended to them.
    pub stored_bytes: u64,
    /// What was written for each segment, in order.
    pub segments: Vec<SegmentSummary>,
    /// Where decoding can begin, in order.
    pub restart_points: Vec<RestartPoint>,
}

/// Gives the bytes that are stored after the compressed text, such as an index. It may take long: it gets a thread
/// of its own.
pub(crate) type Appendix = Box<dyn FnOnce(&Written) -> Result<Bytes> + Send>;

/// What a run wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The text and its segments.
    pub written: Written,
    /// The SHA-256 of the stored bytes, if it was wanted.
    pub sha256: Option<[u8; 32]>,
    /// What the time went into.
    pub waited: Waited,
    /// The object that was published.
    pub published: Published,
}

/// Produces all segments, and publishes them as one upload, with what `appendix` gives.
///
/// The first error, from a producer or the upload, stops everything, aborts the upload, and is returned; if
/// aborting fails too, the hint tells what is left. A panic in a producer counts as an error. Cancelling
/// `shutdown` does the same, and its error has the kind `Interrupted`. Once the upload is being completed,
/// `shutdown` no longer has an effect: that step either publishes or cleans up by itself, in bounded time.
pub(crate) async fn run<S, F>(
    segments: Vec<S>,
    factory: F,
    options: PipelineOptions,
    upload: Box<dyn Upload>,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
    appendix: Option<Appendix>,
) -> Result<Summary>
where
    S: Send + Sync + 'static,
    F: ProducerFactory<S>,
{
    let mut run = PipelineRun::new(options, upload, progress, shutdown)?;
    match run.write(segments, factory).await {
        Ok(()) => run.complete(appendix).await,
        Err(error) => Err(run.abort(error).await),
    }
}

/// An upload that is written in several steps, each with its own segments and producers; together they form
/// one text. The description of [`run`] applies to the whole.
///
/// After an error of [`PipelineRun::write`] or of the caller, [`PipelineRun::abort`] must be called.
pub(crate) struct PipelineRun {
    writer: OrderedWriter,
    options: PipelineOptions,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
    waits: Arc<Waits>,
    rate_limit: Option<Arc<RateLimit>>,
    is_begun: bool,
    /// The workers of a step that failed, which were told to stop.
    stopping: Option<worker::Workers>,
}

impl PipelineRun {
    /// Starts a run, with nothing written yet.
    ///
    /// # Errors
    /// If memory for compression cannot be allocated.
    pub(crate) fn new(
        options: PipelineOptions,
        upload: Box<dyn Upload>,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Self> {
        let waits = Arc::new(Waits::default());
        let writer = OrderedWriter::new(options, upload, Arc::clone(&progress), Arc::clone(&waits))?;
        let rate_limit = options.rate_limit.map(|limit| Arc::new(RateLimit::new(limit)));
        Ok(PipelineRun {
            writer,
            options,
            progress,
            shutdown,
            waits,
            rate_limit,
            is_begun: false,
            stopping: None,
        })
    }

    /// Produces and writes the next segments. Returns when their producers have finished.
    ///
    /// # Errors
    /// The first error, from a producer or the upload.
    pub(crate) async fn write<S, F>(&mut self, segments: Vec<S>, factory: F) -> Result<()>
    where
        S: Send + Sync + 'static,
        F: ProducerFactory<S>,
    {
        let (waits, rate_limit) = (Arc::clone(&self.waits), self.rate_limit.clone());
        let queue = OrderedQueue::new(segments.len(), self.options.byte_budget, waits, rate_limit);
        let queue = Arc::new(queue);
        // However this function ends, even if its future is dropped, the workers must end too.
        let _stop_workers = StopOnDrop(Arc::clone(&queue));
        let mut workers = worker::start(segments, factory, self.options, &queue, &self.progress);
        let written = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(interrupted()),
            written = write_all(&mut self.writer, &mut self.is_begun, &queue, &mut workers) => written,
        };
        // If a worker failed first, its error is the cause, and the writer's error only a consequence.
        if let Err(error) = written {
            queue.fail(error);
        }
        let Some(error) = queue.take_failure() else { return Ok(()) };
        self.stopping = Some(workers);
        Err(error)
    }

    /// Publishes the upload, with what `appendix` gives.
    ///
    /// # Errors
    /// As for [`run`]; in that case nothing is left to abort.
    pub(crate) async fn complete(mut self, appendix: Option<Appendix>) -> Result<Summary> {
        let finished = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(interrupted()),
            finished = self.writer.finish(appendix) => finished,
        };
        match finished {
            Ok(()) => self.writer.complete().await,
            Err(error) => Err(self.abort(error).await),
        }
    }

    /// Aborts the upload because of `error`, and returns `error`, with a hint if something is left behind.
    pub(crate) async fn abort(self, error: Error) -> Error {
        let stopped = async {
            match self.stopping {
                Some(mut workers) => tokio::time::timeout(worker::STOP_TIME, workers.join()).await.is_ok(),
                None => true,
            }
        };
        let (aborted, stopped) = tokio::join!(self.writer.abort(), stopped);
        if !stopped {
            tracing::warn!("some workers did not stop in time");
        }
        with_leftover(error, aborted)
    }
}

/// Writes all segments of a step, and waits for its workers.
async fn write_all(
    writer: &mut OrderedWriter,
    is_begun: &mut bool,
    queue: &OrderedQueue,
    workers: &mut worker::Workers,
) -> Result<()> {
    if !std::mem::replace(is_begun, true) {
        writer.begin().await?;
    }
    writer.write_segments(queue).await?;
    // A worker may only find out at its end that its output was not consistent.
    workers.join().await;
    Ok(())
}

fn interrupted() -> Error {
    Error::interrupted("write the dump")
}

struct StopOnDrop(Arc<OrderedQueue>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests;

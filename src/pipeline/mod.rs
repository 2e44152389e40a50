//! Workers produce the dump's segments side by side; one writer joins them in order.
//!
//! ```text
//! worker 0 ─ produce ─ cut ─ compress ─┐
//! worker 1 ─ produce ─ cut ─ compress ─┼─► queue ───► writer ─► upload
//! worker 2 ─ produce ─ cut ─ compress ─┘   (budget)    (segment order)
//! ```
//!
//! Each worker is an OS thread with a current-thread runtime of its own, on which its connection is
//! polled: no wake-ups between threads for each row, and compressing may take the thread as long
//! as it likes. Workers take segments in order. A worker whose segment the writer has not reached
//! yet waits when the byte budget is used up; the one at the head never waits for the others, so
//! there is always one that moves, and no deadlock.
//!
//! **The bytes do not depend on `jobs` or on timing.** Blocks are cut from the text of each segment
//! by rules that look at the text only ([`BlockWriter`]); how short ends of neighbouring segments
//! are joined depends on their order only ([`writer`]).
//!
//! **Memory** is at most
//! `byte_budget + 3 MiB (head) + 5 MiB (writer) + jobs × (2.2 MiB + compressor state)`,
//! and what the producers and the upload hold themselves. The compressor state is 0.4 MB for gzip.
//! A row of any size is cut and compressed from where the producer holds it, and is never copied
//! whole.

mod block_writer;
mod digest;
mod ordered_queue;
mod worker;
mod writer;

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub(crate) use block_writer::BlockWriter;

use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::storage::sink::{Published, Upload, with_leftover};
use ordered_queue::OrderedQueue;
use writer::OrderedWriter;

/// Makes the text of segments. One producer serves one worker, for segment after segment; it never
/// leaves the worker's thread, so neither it nor its futures need be `Send`.
pub(crate) trait Produce<S> {
    /// Writes the whole text of `segment` to `out`, and returns when there is no more.
    ///
    /// The future is dropped when the run fails or is interrupted elsewhere; [`Produce::cancel`]
    /// follows.
    fn produce(&mut self, segment: &S, out: &mut BlockWriter) -> impl Future<Output = Result<()>>;

    /// Ends the producer after its last segment: its chance to notice that what it produced was
    /// not consistent after all. An error fails the run.
    fn finish(self) -> impl Future<Output = Result<()>>
    where
        Self: Sized,
    {
        async { Ok(()) }
    }

    /// Called after a segment was left unfinished: tell the server to stop sending. Takes a few
    /// seconds at most, then the producer is dropped.
    fn cancel(&mut self) -> impl Future<Output = ()> {
        async {}
    }
}

/// Makes the producers, each on its own worker's thread and runtime.
pub(crate) trait ProducerFactory<S>: Send + Sync + 'static {
    /// What it makes.
    type Producer: Produce<S>;

    /// Makes the producer of worker number `worker`, counted from 0.
    fn producer(&self, worker: usize) -> impl Future<Output = Result<Self::Producer>>;
}

/// How to run a pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipelineOptions {
    /// How to compress.
    pub compression: Compression,
    /// How many workers, at least 1. There are never more than segments.
    pub jobs: usize,
    /// How many bytes of compressed blocks may wait for the writer. Any number works; more lets
    /// workers run further ahead of a slow segment.
    pub byte_budget: usize,
}

impl PipelineOptions {
    /// A budget that lets two cores run ahead over a few dozen blocks.
    pub(crate) const DEFAULT_BYTE_BUDGET: usize = 32 << 20;
}

/// What was written of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentSummary {
    /// The length of its text in bytes.
    pub raw_bytes: u64,
    /// How many rows or large objects of the source are in it.
    pub rows: u64,
}

/// What a run wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The length of the text in bytes.
    pub raw_bytes: u64,
    /// The length of what was stored in bytes.
    pub stored_bytes: u64,
    /// The CRC-32 of the text.
    pub crc32: u32,
    /// The SHA-256 of what was stored.
    pub sha256: [u8; 32],
    /// What each segment holds, in order.
    pub segments: Vec<SegmentSummary>,
    /// What the storage holds now.
    pub published: Published,
}

/// Produces all segments, and publishes them as one upload.
///
/// The first error, from whatever side, stops everything, aborts the upload, and is returned; if
/// aborting fails too, the hint says what is left. A panic in a producer is an error. The same
/// goes for `shutdown`, whose error has the kind `Interrupted`. Once the upload is being completed
/// `shutdown` no longer has an effect: that step either publishes or cleans up by itself, and takes bounded
/// time.
pub(crate) async fn run<S, F>(
    segments: Vec<S>,
    factory: F,
    options: PipelineOptions,
    upload: Box<dyn Upload>,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Summary>
where
    S: Send + Sync + 'static,
    F: ProducerFactory<S>,
{
    let mut run = PipelineRun::new(options, upload, progress, shutdown)?;
    match run.write(segments, factory).await {
        Ok(()) => run.complete().await,
        Err(error) => Err(run.abort(error).await),
    }
}

/// An upload that is written in parts, each with segments and producers of its own; they become
/// one text. What [`run`] says holds for the whole.
///
/// After an error of [`PipelineRun::write`], or one of the caller's own, [`PipelineRun::abort`] must follow.
pub(crate) struct PipelineRun {
    writer: OrderedWriter,
    options: PipelineOptions,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
    is_begun: bool,
    /// Those of a part that failed, who have been told to stop.
    stopping: Option<worker::Workers>,
}

impl PipelineRun {
    /// Begins with nothing written yet.
    ///
    /// # Errors
    /// If there is no memory for compressing.
    pub(crate) fn new(
        options: PipelineOptions,
        upload: Box<dyn Upload>,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Self> {
        let writer = OrderedWriter::new(options.compression, upload, Arc::clone(&progress))?;
        Ok(PipelineRun { writer, options, progress, shutdown, is_begun: false, stopping: None })
    }

    /// Produces and writes the next segments. Returns when their producers have finished.
    ///
    /// # Errors
    /// The first one, from whatever side.
    pub(crate) async fn write<S, F>(&mut self, segments: Vec<S>, factory: F) -> Result<()>
    where
        S: Send + Sync + 'static,
        F: ProducerFactory<S>,
    {
        let queue = Arc::new(OrderedQueue::new(segments.len(), self.options.byte_budget));
        // Whatever ends this function, or drops its future, ends the workers too.
        let _stop_workers = StopOnDrop(Arc::clone(&queue));
        let mut workers = worker::start(segments, factory, self.options, &queue, &self.progress);
        let written = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(interrupted()),
            written = write_all(&mut self.writer, &mut self.is_begun, &queue, &mut workers) => written,
        };
        // If a worker failed first, its error is the cause, and the writer's only a consequence.
        if let Err(error) = written {
            queue.fail(error);
        }
        let Some(error) = queue.take_failure() else { return Ok(()) };
        self.stopping = Some(workers);
        Err(error)
    }

    /// Publishes what was written.
    ///
    /// # Errors
    /// As [`run`]; nothing is left to abort then.
    pub(crate) async fn complete(mut self) -> Result<Summary> {
        let finished = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(interrupted()),
            finished = self.writer.finish() => finished,
        };
        match finished {
            Ok(()) => self.writer.complete().await,
            Err(error) => Err(self.abort(error).await),
        }
    }

    /// Aborts the upload because of `error`, and returns that, with a hint if something is left.
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

/// Writes all segments of a part, and waits for its workers.
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
    // A worker may find out at its end that what it produced was not sound.
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

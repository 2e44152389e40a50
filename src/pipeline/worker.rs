//! The worker threads.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::mpsc;

use super::ordered_queue::OrderedQueue;
use super::{BlockWriter, PipelineOptions, Produce, ProducerFactory};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;

/// How long a producer may take to cancel its current work.
const CANCEL_TIME: Duration = Duration::from_secs(4);

/// How long to wait for workers after a failure, to cancel and to finish the current block.
pub(super) const STOP_TIME: Duration = Duration::from_secs(6);

/// The running threads. Each holds a sender of the channel until it ends.
pub(super) struct Workers {
    ended: mpsc::Receiver<()>,
}

impl Workers {
    /// Waits until all have ended. Its future may be dropped, and the method called again.
    pub(super) async fn join(&mut self) {
        while self.ended.recv().await.is_some() {}
    }
}

struct Shared<S, F> {
    segments: Vec<S>,
    factory: F,
    options: PipelineOptions,
    queue: Arc<OrderedQueue>,
    progress: Arc<dyn Progress>,
}

/// Starts the workers. If that fails, the error is recorded in the queue, as for any failure of a worker.
pub(super) fn start<S, F>(
    segments: Vec<S>,
    factory: F,
    options: PipelineOptions,
    queue: &Arc<OrderedQueue>,
    progress: &Arc<dyn Progress>,
) -> Workers
where
    S: Send + Sync + 'static,
    F: ProducerFactory<S>,
{
    let jobs = options.jobs.clamp(1, segments.len().max(1));
    let (queue, progress) = (Arc::clone(queue), Arc::clone(progress));
    let shared = Arc::new(Shared { segments, factory, options, queue, progress });
    let (sender, ended) = mpsc::channel(1);
    for worker in 0..jobs {
        let sender = sender.clone();
        let spawned = thread::Builder::new().name(format!("worker-{worker}")).spawn({
            let shared = Arc::clone(&shared);
            move || {
                work_or_fail(&shared, worker);
                drop(shared);
                drop(sender);
            }
        });
        if let Err(error) = spawned {
            shared.queue.fail(start_failed(worker, error));
        }
    }
    Workers { ended }
}

fn start_failed(worker: usize, error: io::Error) -> Error {
    Error::new(ErrorKind::Other, format!("start worker {worker}")).because(error)
}

fn work_or_fail<S, F: ProducerFactory<S>>(shared: &Shared<S, F>, worker: usize) {
    let run = || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| start_failed(worker, error))?;
        runtime.block_on(work(shared, worker))
    };
    let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        Err(Error::new(ErrorKind::Other, format!("run worker {worker}")).because(panic_text(&*panic)))
    });
    if let Err(error) = outcome {
        shared.queue.fail(error);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("a defect in pgsiphon: {text}")
}

/// Produces segment after segment until none is left, or the run is over.
async fn work<S, F: ProducerFactory<S>>(shared: &Shared<S, F>, worker: usize) -> Result<()> {
    let queue = &shared.queue;
    let made = tokio::select! {
        biased;
        () = queue.stopped() => return Ok(()),
        made = shared.factory.producer(worker) => made,
    };
    let mut producer = made?;
    let mut out =
        BlockWriter::new(Arc::clone(queue), Arc::clone(&shared.progress), shared.options.compression)?;
    while let Some(number) = queue.take_segment() {
        let Some(segment) = shared.segments.get(number) else { break };
        let started = Instant::now();
        out.begin_segment(number);
        let produced = tokio::select! {
            biased;
            () = queue.stopped() => None,
            produced = producer.produce(segment, &mut out) => Some(produced),
        };
        match produced {
            Some(Ok(())) => {
                out.finish_segment()?;
                queue.waits.add_produced(started.elapsed());
            }
            ended => {
                // Recorded first, so that nobody waits for the cancellation.
                if let Some(Err(error)) = ended {
                    queue.fail(error);
                }
                if tokio::time::timeout(CANCEL_TIME, producer.cancel()).await.is_err() {
                    tracing::warn!(worker, "the worker's running command could not be cancelled in time");
                }
                return Ok(());
            }
        }
    }
    tokio::select! {
        biased;
        () = queue.stopped() => Ok(()),
        finished = producer.finish() => finished,
    }
}

//! What the time of a run went into.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Adds up how long the workers and the writer took for each step. The workers' figures are sums over all of them.
#[derive(Debug, Default)]
pub(super) struct Waits {
    produced: AtomicU64,
    encoder: AtomicU64,
    queue: AtomicU64,
    rate_limit: AtomicU64,
    upload: AtomicU64,
}

/// How long the workers and the writer of a run took for each step. The workers' figures are sums over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waited {
    /// Workers waited for the source, and copied what it sent.
    pub source: Duration,
    /// Workers compressed.
    pub encoder: Duration,
    /// Workers were ahead of the writer, and waited for it.
    pub queue: Duration,
    /// Workers waited because of the rate limit.
    pub rate_limit: Duration,
    /// The writer waited for the storage.
    pub upload: Duration,
}

impl Waits {
    /// The whole time that a worker took for a segment.
    pub(super) fn add_produced(&self, time: Duration) {
        add(&self.produced, time);
    }

    pub(super) fn add_encoder(&self, time: Duration) {
        add(&self.encoder, time);
    }

    pub(super) fn add_queue(&self, time: Duration) {
        add(&self.queue, time);
    }

    pub(super) fn add_rate_limit(&self, time: Duration) {
        add(&self.rate_limit, time);
    }

    pub(super) fn add_upload(&self, time: Duration) {
        add(&self.upload, time);
    }

    pub(super) fn waited(&self) -> Waited {
        let get = |sum: &AtomicU64| Duration::from_micros(sum.load(Ordering::Relaxed));
        let (encoder, queue, rate_limit) = (get(&self.encoder), get(&self.queue), get(&self.rate_limit));
        Waited {
            source: get(&self.produced).saturating_sub(encoder + queue + rate_limit),
            encoder,
            queue,
            rate_limit,
            upload: get(&self.upload),
        }
    }
}

fn add(sum: &AtomicU64, time: Duration) {
    sum.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

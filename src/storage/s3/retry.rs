//! The one layer of retries; the SDK's own is switched off.

use std::fmt;
use std::time::Duration;

use rand::RngExt;

use crate::progress::Warnings;

/// How often and how long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times a request is sent at most.
    pub attempts: u32,
    /// The pause before the second attempt; each further one is twice as long.
    pub first_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
    /// How long one attempt may take; for parts, the time to send them slowly is added.
    pub attempt_timeout: Duration,
}

impl Default for RetryPolicy {
    /// Eight attempts within about half a minute, if each fails at once.
    fn default() -> Self {
        RetryPolicy {
            attempts: 8,
            first_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(20),
            attempt_timeout: Duration::from_secs(60),
        }
    }
}

/// Below this rate, a part's upload counts as failed.
const MIN_BYTES_PER_SECOND: u64 = 100_000;

/// The failed attempt after which whoever waits is told why.
const TELL_AT_ATTEMPT: u32 = 4;

/// What a request is for, which decides how patient to be with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// An answer that comes at once.
    Ordinary,
    /// Carries a body of so many bytes.
    Body(usize),
    /// CompleteMultipartUpload, which may take S3 minutes.
    Complete,
    /// Cleans up: more patient, since what is left behind costs money and nobody comes back for it, but
    /// with a limit, since somebody may wait at the terminal. By default a storage that refuses
    /// connections may take more than a minute to come back.
    Cleanup,
}

impl RetryPolicy {
    /// The policy for a class of requests.
    pub(super) fn for_class(mut self, class: RequestClass) -> Self {
        match class {
            RequestClass::Ordinary => {}
            RequestClass::Body(bytes) => {
                self.attempt_timeout += Duration::from_secs(bytes as u64 / MIN_BYTES_PER_SECOND);
            }
            RequestClass::Complete => self.attempt_timeout *= 5,
            RequestClass::Cleanup => {
                self.attempts *= 2;
                self.max_delay = self.max_delay.min(Duration::from_secs(10));
                self.attempt_timeout = self.attempt_timeout.min(Duration::from_secs(10));
            }
        }
        self
    }
}

/// The attempts at one thing, be it a request, the reading of an answer, or several requests that belong
/// together.
pub(crate) struct Attempts {
    policy: RetryPolicy,
    /// How many have failed.
    failed: u32,
    warnings: Warnings,
}

impl Attempts {
    pub(super) fn new(policy: RetryPolicy, warnings: Warnings) -> Self {
        Attempts { policy, failed: 0, warnings }
    }

    /// Counts a failed attempt at `what`. Pauses if there is to be another one, or says that there is none.
    pub(crate) async fn again(&mut self, what: &str, failure: impl fmt::Display) -> bool {
        self.failed += 1;
        if self.failed >= self.policy.attempts {
            return false;
        }
        if self.failed == TELL_AT_ATTEMPT {
            self.warnings.warn(format_args!("{what} keeps failing; still retrying: {failure}"));
        } else {
            tracing::debug!(attempt = self.failed, %failure, "{what} failed; retrying");
        }
        self.pause().await;
        true
    }

    /// Waits before the next attempt. Half of the pause is random, so that workers that failed together
    /// do not come back together.
    async fn pause(&self) {
        let factor = 1u32 << (self.failed - 1).min(16);
        let delay = self.policy.first_delay.saturating_mul(factor).min(self.policy.max_delay);
        let share = rand::rng().random_range(0.5..=1.0);
        tokio::time::sleep(delay.mul_f64(share)).await;
    }

    /// Something came of the last attempt: the next failure is a first one.
    pub(crate) fn restart(&mut self) {
        self.failed = 0;
    }
}

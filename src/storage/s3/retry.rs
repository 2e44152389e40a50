//! The only layer of retries; the SDK's own is turned off.

use std::fmt;
use std::time::Duration;

use rand::RngExt;

use crate::progress::Warnings;

/// How often to try, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The maximum number of attempts for a request.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles for each further attempt.
    pub first_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
    /// How long one attempt may take; uploads of parts get extra time for slow connections.
    pub attempt_timeout: Duration,
}

impl Default for RetryPolicy {
    /// Eight attempts within about half a minute, if each fails immediately.
    fn default() -> Self {
        RetryPolicy {
            attempts: 8,
            first_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(20),
            attempt_timeout: Duration::from_secs(60),
        }
    }
}

/// At a lower rate, the upload of a part counts as failed.
const MIN_BYTES_PER_SECOND: u64 = 100_000;

/// The number of failed attempts after which a warning gives the reason.
const TELL_AT_ATTEMPT: u32 = 4;

/// The purpose of a request, which determines the timeout and the number of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// Answered quickly.
    Ordinary,
    /// Carries a body of this many bytes.
    Body(usize),
    /// CompleteMultipartUpload, which may take S3 several minutes.
    Complete,
    /// Cleans up. Has more attempts, because what is left behind costs money and nobody else will remove
    /// it, but limited, because somebody may be waiting at the terminal. By default it covers a storage
    /// that refuses connections for more than a minute.
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

/// Counts attempts at one thing: a request, reading a response, or several requests that belong
/// together.
pub(crate) struct Attempts {
    policy: RetryPolicy,
    /// The number of failed attempts.
    failed: u32,
    warnings: Warnings,
}

impl Attempts {
    pub(super) fn new(policy: RetryPolicy, warnings: Warnings) -> Self {
        Attempts { policy, failed: 0, warnings }
    }

    /// The same with at least so many attempts, whatever the policy says.
    pub(crate) fn at_least(mut self, attempts: u32) -> Self {
        self.policy.attempts = self.policy.attempts.max(attempts);
        self
    }

    /// Counts a failed attempt at `what`. Pauses and returns true if there may be another attempt.
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
    /// do not retry together.
    async fn pause(&self) {
        let factor = 1u32 << (self.failed - 1).min(16);
        let delay = self.policy.first_delay.saturating_mul(factor).min(self.policy.max_delay);
        let share = rand::rng().random_range(0.5..=1.0);
        tokio::time::sleep(delay.mul_f64(share)).await;
    }

    /// Resets the count after progress.
    pub(crate) fn restart(&mut self) {
        self.failed = 0;
    }
}

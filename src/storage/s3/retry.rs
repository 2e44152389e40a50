//! The one layer of retries; the SDK's own is switched off.

use std::future::Future;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use rand::RngExt;

use super::failure::S3Failure;

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

impl RetryPolicy {
    /// The policy for a request that carries `bytes`.
    pub(crate) fn for_body(mut self, bytes: usize) -> Self {
        self.attempt_timeout += Duration::from_secs(bytes as u64 / MIN_BYTES_PER_SECOND);
        self
    }

    /// The policy for cleaning up: more patient, since what is left behind costs money and nobody
    /// comes back for it, but with a limit, since somebody may wait at the terminal. By default a
    /// storage that refuses connections may take more than a minute to come back.
    pub(crate) fn for_cleanup(mut self) -> Self {
        self.attempts *= 2;
        self.max_delay = self.max_delay.min(Duration::from_secs(10));
        self.attempt_timeout = self.attempt_timeout.min(Duration::from_secs(10));
        self
    }

    /// The policy for CompleteMultipartUpload, which S3 may work at for minutes.
    pub(crate) fn for_complete(mut self) -> Self {
        self.attempt_timeout *= 5;
        self
    }

    /// Waits before the attempt that follows attempt number `attempt`, counted from 1. Half of the
    /// pause is random, so that workers that failed together do not come back together.
    pub(crate) async fn pause(&self, attempt: u32) {
        let factor = 1u32 << (attempt - 1).min(16);
        let delay = self.first_delay.saturating_mul(factor).min(self.max_delay);
        let share = rand::rng().random_range(0.5..=1.0);
        tokio::time::sleep(delay.mul_f64(share)).await;
    }

    /// Sends once, within the time limit.
    pub(crate) async fn once<O, E>(
        &self,
        request: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<O, S3Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match tokio::time::timeout(self.attempt_timeout, request).await {
            Ok(answer) => answer.map_err(S3Failure::from),
            Err(_) => Err(S3Failure::timeout(self.attempt_timeout)),
        }
    }

    /// Sends until there is an answer that trying again would not better.
    pub(crate) async fn run<O, E, F>(&self, what: &str, request: impl FnMut() -> F) -> Result<O, S3Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        self.run_checked(what, request, Ok).await
    }

    /// The same, with a check of what an answer that says success holds.
    pub(crate) async fn run_checked<O, T, E, F>(
        &self,
        what: &str,
        mut request: impl FnMut() -> F,
        check: impl Fn(O) -> Result<T, S3Failure>,
    ) -> Result<T, S3Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        let mut attempt = 1;
        loop {
            match self.once(Box::pin(request())).await.and_then(&check) {
                Err(failure) if failure.is_retryable() && attempt < self.attempts => {
                    if attempt == TELL_AT_ATTEMPT {
                        tracing::warn!("{what} keeps failing, and is tried for a while yet: {failure}");
                    } else {
                        tracing::debug!(attempt, %failure, "{what} failed, and is tried again");
                    }
                    self.pause(attempt).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

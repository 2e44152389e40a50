//! The time, as a parameter, so that tests can use a clock of their own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// Tells the time, and waits.
pub trait Clock: Send + Sync {
    /// The time of day. It may jump.
    fn now(&self) -> DateTime<Utc>;

    /// Waits. Time during which the machine sleeps does not count.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// The system clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

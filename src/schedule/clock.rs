//! The time, as a parameter: tests have a clock of their own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

/// Tells the time, and waits.
pub trait Clock: Send + Sync {
    /// The time of day, which may jump.
    fn now(&self) -> DateTime<Utc>;

    /// Waits, as long as the machine is awake.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// The machine's clock.
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

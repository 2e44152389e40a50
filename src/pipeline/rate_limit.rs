//! Spreads the production of text over time, so that a dump leaves the server's disks and network to others.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::parts::parse_bytes;

/// How many bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BytesPerSecond(NonZeroU64);

impl FromStr for BytesPerSecond {
    type Err = Error;

    /// Parses a number of bytes, also with `KiB`, `MiB` or `GiB` (or `K`, `M`, `G`).
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &'static str| {
            Error::new(ErrorKind::Usage, format!("read the rate \"{text}\""))
                .because(reason)
                .hint("use a number of bytes per second, such as 20MiB")
        };
        let bytes = parse_bytes(text).map_err(wrong)?;
        NonZeroU64::new(bytes).map(BytesPerSecond).ok_or_else(|| wrong("nothing can be read at that rate"))
    }
}

/// Decides when each block of text may follow those before it, whichever worker it comes from.
#[derive(Debug)]
pub(super) struct RateLimit {
    rate: BytesPerSecond,
    /// When the text that was admitted so far is paid for.
    paid_at: Mutex<Instant>,
}

impl RateLimit {
    pub(super) fn new(rate: BytesPerSecond) -> Self {
        RateLimit { rate, paid_at: Mutex::new(Instant::now()) }
    }

    /// Admits text at this time, and returns when its producer may go on. Time in which nothing was produced cannot be
    /// made up for.
    pub(super) fn admit(&self, bytes: u64, now: Instant) -> Instant {
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate.0.get() as f64);
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A cost beyond all bounds is as good as none: nobody waits for that long.
        *paid_at = (*paid_at).max(now).checked_add(cost).unwrap_or(now);
        *paid_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_parsed() {
        let parsed = |text: &str| text.parse::<BytesPerSecond>().map(|rate| rate.0.get());
        assert_eq!(parsed("1000").unwrap(), 1000);
        assert_eq!(parsed("20MiB").unwrap(), 20 << 20);
        for wrong in ["", "0", "fast", "-1", "10 parsec", "99999999999999999999"] {
            assert_eq!(parsed(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }

    #[test]
    fn text_takes_its_time_whoever_produces_it() {
        let limit = RateLimit::new("1000".parse().unwrap());
        let start = Instant::now();
        assert_eq!(limit.admit(500, start), start + Duration::from_millis(500));
        assert_eq!(limit.admit(1000, start), start + Duration::from_millis(1500));
        // After a pause, it does not catch up.
        let later = start + Duration::from_secs(60);
        assert_eq!(limit.admit(100, later), later + Duration::from_millis(100));
    }
}

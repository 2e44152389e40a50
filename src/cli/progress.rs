//! The progress bar.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pgsiphon::progress::Progress;

/// When to show a progress bar on standard error.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

impl When {
    /// Whether to show one; `piped` means that another program may write to the terminal.
    pub(super) fn shows(self, piped: bool) -> bool {
        match self {
            When::Auto => super::on_terminal() && !piped,
            When::Always => true,
            When::Never => false,
        }
    }
}

/// A spinner with bytes and speed: the size of a dump is not known in advance.
pub(super) struct Bar {
    bar: ProgressBar,
    stored: AtomicU64,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let template = "{spinner} {elapsed_precise} read {bytes} ({bytes_per_sec}), stored {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar { bar, stored: AtomicU64::new(0) }
    }
}

/// How much of a backup has been read, and the time left if its size is known.
pub(super) struct ReadBar {
    bar: ProgressBar,
    text: AtomicU64,
}

impl ReadBar {
    pub(super) fn new(size: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(10));
        let template = match size {
            Some(_) => "{bar:30} {bytes} of {total_bytes}, {eta} left ({bytes_per_sec}; {msg} of SQL)",
            None => "{spinner} {elapsed_precise} read {bytes} ({bytes_per_sec}; {msg} of SQL)",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        ReadBar { bar, text: AtomicU64::new(0) }
    }
}

impl Progress for ReadBar {
    fn raw_bytes(&self, bytes: u64) {
        let text = self.text.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bar.set_message(indicatif::BinaryBytes(text).to_string());
    }

    fn stored_bytes(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

impl Drop for ReadBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn raw_bytes(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn stored_bytes(&self, bytes: u64) {
        let stored = self.stored.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bar.set_message(indicatif::BinaryBytes(stored).to_string());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

//! What a run reports while it is running: its progress and its warnings.

mod warnings;

pub use warnings::Warnings;

/// Receives the progress of a run, from several threads. All methods are optional.
pub trait Progress: Send + Sync {
    /// `bytes` more bytes of text were produced.
    fn raw_bytes(&self, bytes: u64) {
        let _ = bytes;
    }

    /// `bytes` more bytes were passed to the upload.
    fn stored_bytes(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Segment number `segment` (from 0) and all before it are written.
    fn segment_done(&self, segment: usize) {
        let _ = segment;
    }
}

/// Ignores all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

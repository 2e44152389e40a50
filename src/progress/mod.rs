//! What a run tells while it is running: how far it has come, and what it warns of.

mod warnings;

pub use warnings::Warnings;

/// Hears how far a run has come, from several threads. Everything is optional.
pub trait Progress: Send + Sync {
    /// `bytes` more of text were produced.
    fn raw_bytes(&self, bytes: u64) {
        let _ = bytes;
    }

    /// `bytes` more were handed to the upload.
    fn stored_bytes(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Segment number `segment` (from 0) is written, and so are all before it.
    fn segment_done(&self, segment: usize) {
        let _ = segment;
    }
}

/// Progress that nobody wants to hear of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

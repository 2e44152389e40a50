//! Stores a dump in S3, a file, or standard output.
//!
//! A [`Sink`] is a destination; an [`Upload`] is one dump being written to it. Nothing is published
//! before [`Upload::complete`] succeeds, and an upload that is aborted or dropped leaves nothing.
//! (Except on standard output, where bytes cannot be taken back.)

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::{Error, Result};
use crate::progress::Warnings;

pub mod file;
pub mod memory;
pub mod s3;
pub mod stdout;

/// The result of a completed upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The path or URL, as in messages.
    pub location: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A destination of one dump.
pub trait Sink: Send + Sync {
    /// The path or URL, for messages: `s3://bucket/key`.
    fn location(&self) -> String;

    /// The maximum size, if there is a known limit.
    fn max_bytes(&self) -> Option<u64> {
        None
    }

    /// Sets where warnings go. Must be called before [`Sink::preflight`].
    fn warn_to(&mut self, warnings: &Warnings) {
        let _ = warnings;
    }

    /// Checks, before any work is done, that the upload can work: the storage responds and grants
    /// access, and nothing exists that must not be overwritten.
    ///
    /// # Errors
    /// `StorageUnreachable`, `KeyExists`, or `Usage` if the destination can never hold a dump.
    fn preflight(&self) -> BoxFuture<'_, Result<()>>;

    /// Starts an upload.
    ///
    /// # Errors
    /// As for [`Sink::preflight`].
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Upload>>>;
}

/// One dump being written to a [`Sink`].
///
/// The futures of `write` and `flush` may be dropped; after that, and after any error, only
/// [`Upload::abort`] may be called. Dropping an upload aborts it as far as that is possible without
/// waiting.
pub trait Upload: Send {
    /// Appends bytes. Returns when there is room for more, which may be before they are stored.
    ///
    /// # Errors
    /// `StorageFailed`, possibly about bytes from an earlier call; `KeyExists`.
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Waits until everything is stored that can be stored before [`Upload::complete`]. This is the last
    /// step that may be interrupted.
    ///
    /// # Errors
    /// As for [`Upload::write`].
    fn flush(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Publishes the dump, in bounded time. On failure it cleans up like `abort`; only after
    /// `OutcomeUnknown` may the dump exist.
    ///
    /// # Errors
    /// `StorageFailed`, `KeyExists`, `OutcomeUnknown`.
    fn complete(self: Box<Self>) -> BoxFuture<'static, Result<Published>>;

    /// Cleans up, so that nothing is left behind.
    ///
    /// # Errors
    /// What is left, with a hint how to remove it.
    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// Adds what could not be cleaned up to the hint of the original error.
pub(crate) fn with_leftover(error: Error, aborted: Result<()>) -> Error {
    match aborted {
        Ok(()) => error,
        Err(leftover) => error.and_hint(leftover.report()),
    }
}

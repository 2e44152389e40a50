//! Where a dump goes: S3, a file, or standard output.
//!
//! A [`Sink`] is a place; an [`Upload`] is one dump on its way there. Nothing is published before
//! [`Upload::complete`] succeeds, and an upload that is aborted, or dropped, leaves nothing.
//! (Standard output is the one place where bytes cannot be called back.)

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::{Error, Result};
use crate::progress::Warnings;

pub mod file;
pub mod memory;
pub mod s3;
pub mod stdout;

/// What a completed upload is, once it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The path or URL, as in messages.
    pub location: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A place to store one dump.
pub trait Sink: Send + Sync {
    /// The path or URL, for messages: `s3://bucket/key`.
    fn location(&self) -> String;

    /// How many bytes fit, if there is a limit that is known.
    fn max_bytes(&self) -> Option<u64> {
        None
    }

    /// What the sink warns of from here on goes there. Must come before [`Sink::preflight`].
    fn warn_to(&mut self, warnings: &Warnings) {
        let _ = warnings;
    }

    /// Proves, before any work is done, that the upload has a chance: the storage answers and lets
    /// us in, and nothing is there already that must not be overwritten.
    ///
    /// # Errors
    /// `StorageUnreachable`, `KeyExists`, or `Usage` if the place can never hold a dump.
    fn preflight(&self) -> BoxFuture<'_, Result<()>>;

    /// Starts an upload.
    ///
    /// # Errors
    /// As [`Sink::preflight`].
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Upload>>>;
}

/// One dump on its way into a [`Sink`].
///
/// The futures of `write` and `flush` may be dropped unfinished; what can be done then is
/// [`Upload::abort`]. After an error, too, nothing but `abort` makes sense. Dropping an upload
/// aborts it as well as can be done without waiting.
pub trait Upload: Send {
    /// Appends bytes. Returns when there is room for more, not when they are stored.
    ///
    /// # Errors
    /// `StorageFailed`, perhaps for bytes of an earlier call; `KeyExists`.
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Waits until all that can be stored before [`Upload::complete`] is. The last step that may
    /// be interrupted.
    ///
    /// # Errors
    /// As [`Upload::write`].
    fn flush(&mut self) -> BoxFuture<'_, Result<()>>;

    /// Publishes. If it fails it has cleaned up, as `abort` does; only `OutcomeUnknown` leaves in
    /// doubt whether the dump is there. Takes bounded time.
    ///
    /// # Errors
    /// `StorageFailed`, `KeyExists`, `OutcomeUnknown`.
    fn complete(self: Box<Self>) -> BoxFuture<'static, Result<Published>>;

    /// Leaves nothing behind.
    ///
    /// # Errors
    /// What is left, and in the hint how to remove it.
    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// Adds what could not be cleaned up to the hint of the error that made it necessary.
pub(crate) fn with_leftover(error: Error, aborted: Result<()>) -> Error {
    match aborted {
        Ok(()) => error,
        Err(leftover) => error.and_hint(leftover.report()),
    }
}

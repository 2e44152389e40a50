//! Where a backup is read from: S3, a file, or standard input; and the text in it.
//!
//! An [`Input`] is a place; [`Input::open`] gives its bytes as they are stored, [`text::read`] the
//! text that they hold.

pub(crate) mod container;
pub mod file;
pub mod s3;
pub mod text;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::error::Result;

/// Bytes of a backup, in order. After an error nothing comes.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// A backup that is being read.
pub struct Opened {
    /// The path or URL, as in messages.
    pub location: String,
    /// How many bytes will come, where that is known.
    pub size: Option<u64>,
    /// They.
    pub bytes: ByteStream,
}

/// A place that holds a backup.
pub trait Input: Send + Sync {
    /// The path or URL, for messages: `s3://bucket/key`.
    fn location(&self) -> String;

    /// Starts to read from the beginning.
    ///
    /// # Errors
    /// `StorageUnreachable`, if it is not there, or cannot be reached. The stream fails with
    /// `StorageFailed`.
    fn open(&self) -> BoxFuture<'_, Result<Opened>>;
}

//! Reads backups from S3, a file, or standard input, and decodes their text.
//!
//! An [`Input`] is a location; [`Input::open`] returns the bytes as stored, [`text::read`] the text
//! decoded from them.

pub(crate) mod container;
pub mod file;
pub mod s3;
pub mod text;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::error::Result;

/// The bytes of a backup, in order. Ends after an error.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// A backup that is being read.
pub struct Opened {
    /// The path or URL, as in messages.
    pub location: String,
    /// The number of bytes, if known.
    pub size: Option<u64>,
    /// The bytes.
    pub bytes: ByteStream,
}

/// A location of a backup.
pub trait Input: Send + Sync {
    /// The path or URL, for messages: `s3://bucket/key`.
    fn location(&self) -> String;

    /// Starts reading from the beginning.
    ///
    /// # Errors
    /// `StorageUnreachable`, if it does not exist or cannot be reached. The stream fails with
    /// `StorageFailed`.
    fn open(&self) -> BoxFuture<'_, Result<Opened>>;
}

//! Reads backups from S3, a file, or standard input, and decodes their text.
//!
//! An [`Input`] is a location; [`Input::open`] returns the bytes as stored, [`text::read`] the text
//! decoded from them. [`Input::ending`] reads single parts, [`index::find`] the index, and
//! [`text_ranges::TextRanges`] parts of the text.

pub(crate) mod container;
pub mod file;
pub mod index;
pub mod s3;
pub(crate) mod stretch;
pub mod text;
pub(crate) mod text_by_index;
pub mod text_ranges;

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

/// The end of a backup, from which a reader learns which other parts it wants.
pub struct Ending {
    /// The number of all bytes.
    pub size: u64,
    /// The last of them: as many as were asked for, or all if there are fewer.
    pub bytes: Bytes,
    /// Reads the others.
    pub parts: Box<dyn Parts>,
}

/// Reads parts of a backup in any order.
pub trait Parts: Send + Sync {
    /// The `length` bytes from `offset` on.
    ///
    /// # Errors
    /// `StorageFailed`, also if there are fewer bytes, or the backup was replaced since its end was read.
    fn read(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes>>;
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

    /// Reads the last `length` bytes, or all if there are fewer. `None` if only [`Input::open`] can read it:
    /// it is a pipe, or its storage does not support ranges.
    ///
    /// # Errors
    /// Those of [`Input::open`]; `StorageFailed`.
    fn ending(&self, length: u64) -> BoxFuture<'_, Result<Option<Ending>>>;
}

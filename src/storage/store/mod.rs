//! A place that holds backups: lists, reads, writes and removes them.
//!
//! A [`crate::storage::sink::Sink`] stores one dump; a store is the whole place, and creates the sinks.
//! Keys are like in S3: in a directory, they are relative paths with slashes.

mod directory;
pub mod lifecycle;
pub(crate) mod probe;
mod s3;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::sink::Sink;
use super::{PendingUpload, Place, StoredObject};
use crate::error::Result;

pub use directory::DirectoryStore;
pub use s3::S3Store;

/// A place that holds backups. Methods retry transient failures.
pub trait Store: Send + Sync {
    /// The place, for messages: `s3://bucket`.
    fn location(&self) -> String;

    /// A key as a URL or a path, for messages and for `pgsiphon restore`.
    fn shown(&self, key: &str) -> String;

    /// All objects whose key begins with `prefix`, sorted by key, from all pages.
    ///
    /// # Errors
    /// `StorageUnreachable`. A directory that does not exist is empty.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredObject>>>;

    /// Reads a small object completely; `None` if it does not exist.
    ///
    /// # Errors
    /// `StorageUnreachable`; `Damaged`, if it is larger than `max_bytes`.
    fn get<'a>(&'a self, key: &'a str, max_bytes: u64) -> BoxFuture<'a, Result<Option<Bytes>>>;

    /// Stores a small object, replacing any that exists.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, content_type: &'static str)
    -> BoxFuture<'a, Result<()>>;

    /// Removes objects, and returns a result for each. Succeeds for objects that do not exist.
    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<()>>>;

    /// The pending uploads whose keys begin with `prefix`.
    ///
    /// # Errors
    /// `StorageUnreachable`.
    fn pending<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<PendingUpload>>>;

    /// Removes a pending upload. Succeeds if it is already gone.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn abort<'a>(&'a self, pending: &'a PendingUpload) -> BoxFuture<'a, Result<()>>;

    /// Until when the storage protects an object from removal, in words; None if it does not.
    ///
    /// # Errors
    /// `StorageUnreachable`.
    fn lock_of<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>>>;

    /// A sink for a new object, which must not exist yet.
    ///
    /// # Errors
    /// `Usage`, if the key is not valid; `StorageUnreachable`.
    fn sink<'a>(&'a self, key: &'a str, content_type: &'static str) -> BoxFuture<'a, Result<Box<dyn Sink>>>;
}

/// Opens a place. Sends no requests yet.
///
/// # Errors
/// `Usage`, if the endpoint or the region is invalid.
pub fn open(place: &Place) -> BoxFuture<'_, Result<Box<dyn Store>>> {
    async move {
        Ok(match place {
            Place::Directory(path) => Box::new(DirectoryStore::new(path.clone())) as Box<dyn Store>,
            Place::S3 { bucket, options } => {
                Box::new(S3Store::new(bucket.clone(), (**options).clone()).await?)
            }
        })
    }
    .boxed()
}

//! A place that holds backups: what there is, and how to read, write and remove it.
//!
//! A [`crate::storage::sink::Sink`] takes in one dump; a store is the whole place around it, and makes the
//! sinks. Keys are S3's: in a directory they are paths inside of it, with slashes.

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

/// A place that holds backups. Methods retry what may pass by itself.
pub trait Store: Send + Sync {
    /// The place, for messages: `s3://bucket`.
    fn location(&self) -> String;

    /// A key in it, for messages, and as `pgsiphon restore` takes it: a URL or a path.
    fn shown(&self, key: &str) -> String;

    /// Everything whose key begins with `prefix`, sorted by key; of however many pages.
    ///
    /// # Errors
    /// `StorageUnreachable`. A directory that does not exist is empty.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredObject>>>;

    /// Reads a small object whole; `None` if there is none.
    ///
    /// # Errors
    /// `StorageUnreachable`; `Damaged`, if it is larger than `max_bytes`.
    fn get<'a>(&'a self, key: &'a str, max_bytes: u64) -> BoxFuture<'a, Result<Option<Bytes>>>;

    /// Stores a small object, and replaces what is there.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes, content_type: &'static str)
    -> BoxFuture<'a, Result<()>>;

    /// Removes objects, and says of each what became of it. What is not there is removed.
    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<()>>>;

    /// The pending uploads whose key begins with `prefix`.
    ///
    /// # Errors
    /// `StorageUnreachable`.
    fn pending<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<PendingUpload>>>;

    /// Removes a pending upload. One that is gone is removed.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn abort<'a>(&'a self, pending: &'a PendingUpload) -> BoxFuture<'a, Result<()>>;

    /// Until when the storage protects an object from being removed, in words, if it does.
    ///
    /// # Errors
    /// `StorageUnreachable`.
    fn lock_of<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>>>;

    /// A sink for a new object, which must not be there yet.
    ///
    /// # Errors
    /// `Usage`, if the key is none; `StorageUnreachable`.
    fn sink<'a>(&'a self, key: &'a str, content_type: &'static str) -> BoxFuture<'a, Result<Box<dyn Sink>>>;
}

/// Opens a place. Sends nothing yet.
///
/// # Errors
/// `Usage`, if the endpoint or the region is wrong.
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

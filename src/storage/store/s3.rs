//! A bucket as a store.

use aws_sdk_s3::types::ObjectLockLegalHoldStatus;
use bytes::Bytes;
use chrono::Utc;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};

use super::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::{
    Bucket, KEYS_PER_DELETE, NewObject, ObjectOptions, RequestClass, S3Failure, S3Location, S3Options, time,
};
use crate::storage::sink::Sink;
use crate::storage::sink::s3::{S3Sink, abort_upload};
use crate::storage::{PendingUpload, StoredObject};

/// How many single deletions run concurrently if the storage has no batch deletion.
const DELETES_IN_FLIGHT: usize = 8;

/// A bucket that stores backups.
pub struct S3Store {
    bucket: Bucket,
    options: ObjectOptions,
}

impl S3Store {
    /// Creates a client. Sends no requests yet.
    ///
    /// # Errors
    /// `Usage`, if the endpoint is not a URL, or there is no region.
    pub async fn new(bucket: String, options: S3Options) -> Result<Self> {
        let bucket = Bucket::connect(&bucket, &options.connection).await?;
        Ok(S3Store { bucket, options: options.object })
    }

    pub(super) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// A new object with this store's options.
    pub(super) fn new_object(&self, key: &str) -> NewObject {
        NewObject::new(key, &self.options)
    }

    async fn read(&self, key: &str, max_bytes: u64) -> Result<Option<Bytes>> {
        let attempted = || format!("read {}", self.shown(key));
        let mut attempts = self.bucket.attempts(RequestClass::Ordinary);
        loop {
            let object = match self.bucket.get(key, None).await {
                Err(failure) if failure.is_code("NoSuchKey") || failure.status == Some(404) => {
                    return Ok(None);
                }
                Err(failure) => return Err(failure.into_error(ErrorKind::StorageUnreachable, attempted())),
                Ok(object) => object,
            };
            let length = object.content_length.and_then(|length| u64::try_from(length).ok());
            if let Some(length) = length.filter(|length| *length > max_bytes) {
                return Err(
                    Error::new(ErrorKind::Damaged, attempted()).because(format!("it has {length} bytes"))
                );
            }
            match object.body.collect().await {
                Ok(body) => return Ok(Some(body.into_bytes())),
                Err(error) => {
                    if !attempts.again("the body of a response to GetObject", &error).await {
                        return Err(Error::new(ErrorKind::StorageUnreachable, attempted()).because(error));
                    }
                }
            }
        }
    }

    fn failed(&self, failure: S3Failure, verb: &str, key: &str) -> Error {
        failure.into_error(ErrorKind::StorageFailed, format!("{verb} {}", self.shown(key)))
    }

    /// Deletes many keys with one request.
    async fn delete_batch(&self, keys: &[String]) -> Result<Vec<Result<()>>, S3Failure> {
        let errors = self.bucket.delete_many(keys).await?;
        let outcome = |key: &String| match errors.iter().find(|error| error.key.as_ref() == Some(key)) {
            Some(error) => {
                let code = error.code.as_deref().unwrap_or("an error");
                let message = error.message.as_deref().unwrap_or_default();
                Err(Error::new(ErrorKind::StorageFailed, format!("remove {}", self.shown(key)))
                    .because(format!("the storage answered {code}: {message}"))
                    .hint("try again; removal needs s3:DeleteObject on the key"))
            }
            None => Ok(()),
        };
        Ok(keys.iter().map(outcome).collect())
    }

    async fn delete_one(&self, key: &str) -> Result<()> {
        self.bucket.delete(key, None).await.map_err(|failure| self.failed(failure, "remove", key))
    }

    async fn delete_all(&self, keys: &[String]) -> Vec<Result<()>> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for batch in keys.chunks(KEYS_PER_DELETE) {
            match self.delete_batch(batch).await {
                Ok(deleted) => outcomes.extend(deleted),
                Err(failure) if failure.is_unsupported() => {
                    let single = futures::stream::iter(batch.to_vec())
                        .map(|key| async move { self.delete_one(&key).await });
                    outcomes.extend(single.buffered(DELETES_IN_FLIGHT).collect::<Vec<_>>().await);
                }
                Err(failure) => {
                    outcomes.extend(batch.iter().map(|key| Err(self.failed(failure.clone(), "remove", key))))
                }
            }
        }
        outcomes
    }

    async fn protection(&self, key: &str) -> Result<Option<String>, S3Failure> {
        let Some(head) = self.bucket.head(key, RequestClass::Ordinary).await? else { return Ok(None) };
        if head.object_lock_legal_hold_status == Some(ObjectLockLegalHoldStatus::On) {
            return Ok(Some("by a legal hold".to_owned()));
        }
        let until = head.object_lock_retain_until_date.and_then(|until| time(&until));
        let until = until.filter(|until| *until > Utc::now());
        Ok(until.map(|until| format!("until {}", until.format("%Y-%m-%d %H:%M:%S UTC"))))
    }
}

impl Store for S3Store {
    fn location(&self) -> String {
        format!("s3://{}", self.bucket.name())
    }

    fn shown(&self, key: &str) -> String {
        self.bucket.url(key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredObject>>> {
        async move {
            self.bucket.list(prefix).await.map_err(|failure| {
                failure.into_error(ErrorKind::StorageUnreachable, format!("list {}", self.shown(prefix)))
            })
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a str, max_bytes: u64) -> BoxFuture<'a, Result<Option<Bytes>>> {
        self.read(key, max_bytes).boxed()
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        content_type: &'static str,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let options = ObjectOptions { content_type: Some(content_type), ..self.options.clone() };
            let object = NewObject::new(key, &options).in_standard_class();
            let stored = self.bucket.put(&object, bytes).await;
            stored.map(drop).map_err(|failure| self.failed(failure, "store", key))
        }
        .boxed()
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<()>>> {
        self.delete_all(keys).boxed()
    }

    fn pending<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<PendingUpload>>> {
        async move {
            self.bucket.pending_uploads(prefix).await.map_err(|failure| {
                let attempted = format!("list the pending uploads of {}", self.shown(prefix));
                failure.into_error(ErrorKind::StorageUnreachable, attempted)
            })
        }
        .boxed()
    }

    fn abort<'a>(&'a self, pending: &'a PendingUpload) -> BoxFuture<'a, Result<()>> {
        abort_upload(&self.bucket, &pending.key, &pending.id).boxed()
    }

    fn lock_of<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        async move {
            self.protection(key).await.map_err(|failure| {
                let attempted = format!("ask whether {} is locked", self.shown(key));
                failure.into_error(ErrorKind::StorageUnreachable, attempted)
            })
        }
        .boxed()
    }

    fn sink<'a>(&'a self, key: &'a str, content_type: &'static str) -> BoxFuture<'a, Result<Box<dyn Sink>>> {
        async move {
            let location: S3Location = self.shown(key).parse()?;
            let options = ObjectOptions { content_type: Some(content_type), ..self.options.clone() };
            Ok(Box::new(S3Sink::in_bucket(self.bucket.clone(), location, options)) as Box<dyn Sink>)
        }
        .boxed()
    }
}

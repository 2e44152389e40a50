//! Single requests that find out what the credentials allow in a bucket, and how the bucket is
//! configured.
//!
//! Each distinguishes denials from failures, with no more patience than that takes.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::s3::S3Store;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::{
    Bucket, ConnectionOptions, Provider, RequestClass, RetryPolicy, S3Failure, S3Options,
};

/// The maximum number of attempts: the user is waiting for the answer.
const ATTEMPTS: u32 = 3;

/// The time limit for one attempt.
const PATIENCE: Duration = Duration::from_secs(15);

/// The storage's answer.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// The request succeeded.
    Done(T),
    /// The credentials do not allow it.
    Denied(Error),
    /// The storage does not support it.
    Unsupported(Error),
    /// It failed, or the storage could not be reached.
    Failed(Error),
}

/// Tests one bucket with one key.
pub(crate) struct Probe {
    store: S3Store,
    key: String,
}

impl Probe {
    /// Creates a client for tests of `key`. Sends no requests yet.
    ///
    /// # Errors
    /// `Usage`, if the endpoint is not a URL, or there is no region.
    pub(crate) async fn new(bucket: &str, options: &S3Options, key: String) -> Result<Self> {
        let retry = options.connection.retry;
        let retry = RetryPolicy {
            attempts: retry.attempts.min(ATTEMPTS),
            attempt_timeout: retry.attempt_timeout.min(PATIENCE),
            ..retry
        };
        let connection = ConnectionOptions { retry, ..options.connection.clone() };
        let options = S3Options { connection, object: options.object.clone() };
        Ok(Probe { store: S3Store::new(bucket.to_owned(), options).await?, key })
    }

    /// The bucket as a store.
    pub(crate) fn store(&self) -> &S3Store {
        &self.store
    }

    pub(crate) fn provider(&self) -> &Provider {
        self.bucket().provider()
    }

    /// The region for which requests are signed.
    pub(crate) fn region(&self) -> String {
        self.bucket().region()
    }

    /// The object's URL, for messages.
    pub(crate) fn shown(&self) -> String {
        self.bucket().url(&self.key)
    }

    /// Checks that there are credentials.
    ///
    /// # Errors
    /// `StorageUnreachable`.
    pub(crate) async fn credentials(&self) -> Result<()> {
        self.bucket().check_credentials(&self.key).await
    }

    /// Lists at most one key that begins with `prefix`, and returns the storage's clock.
    pub(crate) async fn list(&self, prefix: &str) -> Answer<Option<DateTime<Utc>>> {
        let answer = self.bucket().list_one(prefix).await.map(|()| self.clock());
        let attempted = format!("list {}", self.bucket().url(prefix));
        answer_of(answer, attempted, Some("s3:ListBucket on the bucket"))
    }

    /// The storage's clock, if it responded at all.
    pub(crate) fn clock(&self) -> Option<DateTime<Utc>> {
        self.bucket().clock()
    }

    /// Stores the object. Returns its version, if the bucket has versioning. With `if_none_match`, the
    /// storage should refuse if the object exists.
    pub(crate) async fn put(&self, body: &'static [u8], if_none_match: bool) -> Answer<Put> {
        // Like a backup, but without what would prevent its immediate removal.
        let object = self.store.new_object(&self.key).in_standard_class().without_lock();
        let object = object.only_if_new(if_none_match);
        let put = match self.bucket().put(&object, Bytes::from_static(body)).await {
            Ok(put) => Ok(Put::Stored { version: put.version_id }),
            Err(failure) if failure.is_precondition_failed() => Ok(Put::Refused),
            Err(failure) => Err(failure),
        };
        answer_of(put, format!("store {}", self.shown()), Some("s3:PutObject on the key"))
    }

    pub(crate) async fn get(&self) -> Answer<Bytes> {
        let attempted = format!("read {}", self.shown());
        match self.bucket().get(&self.key, None).await {
            Ok(object) => match object.body.collect().await {
                Ok(body) => Answer::Done(body.into_bytes()),
                Err(error) => {
                    Answer::Failed(Error::new(ErrorKind::StorageUnreachable, attempted).because(error))
                }
            },
            Err(failure) => answer_of(Err(failure), attempted, Some("s3:GetObject on the key")),
        }
    }

    /// Deletes the object; with a version, only that version.
    pub(crate) async fn delete(&self, version: Option<&str>) -> Answer<()> {
        let answer = self.bucket().delete(&self.key, version).await;
        answer_of(answer, format!("remove {}", self.shown()), Some("s3:DeleteObject on the key"))
    }

    /// Begins an upload like a large backup, and sends a part. Returns the upload's id.
    pub(crate) async fn begin_upload(&self, body: &'static [u8]) -> Answer<String> {
        let attempted = format!("upload {} in parts", self.shown());
        answer_of(self.create_and_send(body).await, attempted, Some("s3:PutObject on the key"))
    }

    async fn create_and_send(&self, body: &'static [u8]) -> Result<String, S3Failure> {
        let id = self.bucket().create_upload(&self.store.new_object(&self.key)).await?;
        match self.bucket().put_part(&self.key, &id, 1, Bytes::from_static(body)).await {
            Ok(_) => Ok(id),
            Err(failure) => {
                let _ = self.abort_upload(&id).await;
                Err(failure)
            }
        }
    }

    /// Lists the pending uploads of the key, and returns whether this one is among them.
    pub(crate) async fn sees_upload(&self, id: &str) -> Answer<bool> {
        let answer = self.bucket().pending_uploads_of(&self.key, RequestClass::Ordinary).await;
        answer_of(
            answer.map(|listed| listed.iter().any(|upload| upload.id == id)),
            format!("list the pending uploads of {}", self.shown()),
            Some("s3:ListBucketMultipartUploads on the bucket"),
        )
    }

    pub(crate) async fn abort_upload(&self, id: &str) -> Answer<()> {
        answer_of(
            self.bucket().abort_upload(&self.key, id, RequestClass::Ordinary).await,
            format!("abort multipart upload {id} of {}", self.shown()),
            Some("s3:AbortMultipartUpload on the key"),
        )
    }

    /// Whether the bucket keeps old versions.
    pub(crate) async fn has_versions(&self) -> Answer<bool> {
        let attempted = format!("ask whether s3://{} keeps versions", self.bucket().name());
        answer_of(self.bucket().has_versions().await, attempted, Some("s3:GetBucketVersioning on the bucket"))
    }

    pub(crate) async fn has_object_lock(&self) -> Answer<bool> {
        let attempted = format!("ask whether s3://{} has Object Lock", self.bucket().name());
        let right = "s3:GetBucketObjectLockConfiguration on the bucket";
        answer_of(self.bucket().has_object_lock().await, attempted, Some(right))
    }

    fn bucket(&self) -> &Bucket {
        self.store.bucket()
    }
}

/// The result of storing an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was stored.
    Stored {
        /// Its version.
        version: Option<String>,
    },
    /// An object already exists, and was not changed.
    Refused,
}

fn answer_of<T>(answer: Result<T, S3Failure>, attempted: String, right: Option<&str>) -> Answer<T> {
    match answer {
        Ok(done) => Answer::Done(done),
        Err(failure) if failure.is_denied() => {
            let error = Error::new(ErrorKind::StorageUnreachable, attempted).because(failure);
            Answer::Denied(error.hint_if(right.map(|right| format!("the credentials need {right}"))))
        }
        Err(failure) if failure.is_unsupported() => {
            Answer::Unsupported(failure.into_error(ErrorKind::StorageUnreachable, attempted))
        }
        Err(failure) => Answer::Failed(failure.into_error(ErrorKind::StorageUnreachable, attempted)),
    }
}

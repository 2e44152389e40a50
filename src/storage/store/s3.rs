//! A bucket as a store.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime as S3DateTime};
use aws_sdk_s3::types::{Delete, ObjectIdentifier, ObjectLockLegalHoldStatus};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};

use super::{PendingUpload, Store, StoredObject};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::client::{Connected, connect};
use crate::storage::s3::failure::S3Failure;
use crate::storage::s3::headers::ObjectHeaders;
use crate::storage::s3::{Provider, S3Location, S3Options};
use crate::storage::sink::Sink;
use crate::storage::sink::s3::S3Sink;

/// How many keys DeleteObjects takes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
const KEYS_PER_DELETE: usize = 1000;

/// How many single deletions are under way at a time, where the storage has no other.
const DELETES_IN_FLIGHT: usize = 8;

/// A bucket.
pub struct S3Store {
    bucket: String,
    options: S3Options,
    connected: Connected,
}

impl S3Store {
    /// Makes a client. Sends nothing yet.
    ///
    /// # Errors
    /// `Usage`, if the endpoint is no URL, or if there is no region.
    pub async fn new(bucket: String, options: S3Options) -> Result<Self> {
        let connected = connect(&options).await?;
        Ok(S3Store { bucket, options, connected })
    }

    pub(super) fn client(&self) -> &Client {
        &self.connected.client
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn options(&self) -> &S3Options {
        &self.options
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.connected.provider
    }

    /// Looks whether there are credentials at all.
    pub(super) async fn check_credentials(&self, key: &str) -> Result<()> {
        self.object_sink(key, None)?.check_credentials().await
    }

    fn owner(&self) -> Option<String> {
        self.options.expected_bucket_owner.clone()
    }

    fn object_sink(&self, key: &str, content_type: Option<&'static str>) -> Result<S3Sink> {
        let location: S3Location = self.shown(key).parse()?;
        let options = S3Options { content_type, ..self.options.clone() };
        Ok(S3Sink::from_connected(location, options, self.connected.clone()))
    }

    async fn list_all(&self, prefix: &str) -> Result<Vec<StoredObject>, S3Failure> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let request = || {
                let request = self.client().list_objects_v2().bucket(&self.bucket).prefix(prefix);
                request.set_expected_bucket_owner(self.owner()).set_continuation_token(token.clone()).send()
            };
            let page = self.options.retry.run("ListObjectsV2", request).await?;
            objects.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                Some(StoredObject {
                    key: object.key?,
                    bytes: u64::try_from(object.size.unwrap_or(0)).unwrap_or(0),
                    modified: object.last_modified.and_then(|at| time(&at)),
                })
            }));
            match (page.is_truncated, page.next_continuation_token) {
                // The same token again would be an endless list.
                (Some(true), Some(next)) if token.as_ref() != Some(&next) => token = Some(next),
                (Some(true), _) => return Err(S3Failure::incomplete("the list breaks off")),
                _ => break,
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    async fn pending_uploads(&self, prefix: &str) -> Result<Vec<PendingUpload>, S3Failure> {
        let mut pending = Vec::new();
        let mut marker: (Option<String>, Option<String>) = (None, None);
        loop {
            let request = || {
                let request = self.client().list_multipart_uploads().bucket(&self.bucket).prefix(prefix);
                request
                    .set_expected_bucket_owner(self.owner())
                    .set_key_marker(marker.0.clone())
                    .set_upload_id_marker(marker.1.clone())
                    .send()
            };
            let page = self.options.retry.run("ListMultipartUploads", request).await?;
            pending.extend(page.uploads.unwrap_or_default().into_iter().filter_map(|upload| {
                let key = upload.key.filter(|key| key.starts_with(prefix))?;
                let initiated = upload.initiated.and_then(|at| time(&at));
                Some(PendingUpload { key, id: upload.upload_id?, initiated })
            }));
            let next = (page.next_key_marker, page.next_upload_id_marker);
            match page.is_truncated {
                Some(true) if next != marker && next.0.is_some() => marker = next,
                Some(true) => return Err(S3Failure::incomplete("the list of uploads breaks off")),
                _ => return Ok(pending),
            }
        }
    }

    async fn read(&self, key: &str, max_bytes: u64) -> Result<Option<Bytes>> {
        let attempted = || format!("read {}", self.shown(key));
        let mut attempt = 1;
        loop {
            let request = || {
                let request = self.client().get_object().bucket(&self.bucket).key(key);
                request.set_expected_bucket_owner(self.owner()).send()
            };
            let object = match self.options.retry.run("GetObject", request).await {
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
                Err(error) if attempt >= self.options.retry.attempts => {
                    return Err(Error::new(ErrorKind::StorageUnreachable, attempted()).because(error));
                }
                Err(error) => {
                    tracing::debug!(%error, "reading {key} broke off, and is tried again");
                    self.options.retry.pause(attempt).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn write(&self, key: &str, bytes: Bytes, content_type: &'static str) -> Result<(), S3Failure> {
        let checksum = self.options.checksum.unwrap_or(self.connected.provider.checksum);
        let headers = || ObjectHeaders::new(&self.options);
        let request = || {
            let headers = headers();
            self.client()
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                .content_type(content_type)
                // Manifests are small and read often: cold classes would only make them dear.
                .set_server_side_encryption(headers.encryption)
                .set_ssekms_key_id(headers.kms_key_id)
                .set_tagging(headers.tagging)
                .set_object_lock_mode(headers.lock_mode)
                .set_object_lock_retain_until_date(headers.lock_until)
                .set_expected_bucket_owner(self.owner())
                .set_checksum_algorithm(checksum.algorithm())
                .body(ByteStream::from(bytes.clone()))
                .send()
        };
        self.options.retry.for_body(bytes.len()).run("PutObject", request).await.map(drop)
    }

    /// One request for many keys.
    async fn delete_batch(&self, keys: &[String]) -> Result<Vec<Result<()>>, S3Failure> {
        let identifiers: Vec<_> =
            keys.iter().filter_map(|key| ObjectIdentifier::builder().key(key).build().ok()).collect();
        let delete = Delete::builder()
            .set_objects(Some(identifiers))
            .quiet(true)
            .build()
            .map_err(|error| S3Failure::incomplete(&error.to_string()))?;
        let request = || {
            let request = self.client().delete_objects().bucket(&self.bucket).delete(delete.clone());
            request.set_expected_bucket_owner(self.owner()).send()
        };
        let answer = self.options.retry.run("DeleteObjects", request).await?;
        let errors = answer.errors.unwrap_or_default();
        let outcome = |key: &String| {
            let error = errors.iter().find(|error| error.key.as_ref() == Some(key));
            match error {
                // Some storages report what is gone already.
                Some(error) if error.code.as_deref() == Some("NoSuchKey") => Ok(()),
                Some(error) => {
                    let code = error.code.as_deref().unwrap_or("an error");
                    let message = error.message.as_deref().unwrap_or_default();
                    Err(Error::new(ErrorKind::StorageFailed, format!("remove {}", self.shown(key)))
                        .because(format!("the storage answered {code}: {message}"))
                        .hint("run it again; removing needs s3:DeleteObject on the key"))
                }
                None => Ok(()),
            }
        };
        Ok(keys.iter().map(outcome).collect())
    }

    async fn delete_one(&self, key: &str) -> Result<()> {
        let request = || {
            let request = self.client().delete_object().bucket(&self.bucket).key(key);
            request.set_expected_bucket_owner(self.owner()).send()
        };
        match self.options.retry.run("DeleteObject", request).await {
            Err(failure) if !failure.is_code("NoSuchKey") => {
                Err(failure.into_error(ErrorKind::StorageFailed, format!("remove {}", self.shown(key))))
            }
            _ => Ok(()),
        }
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
                Err(failure) => outcomes.extend(batch.iter().map(|key| {
                    let attempted = format!("remove {}", self.shown(key));
                    Err(failure.clone().into_error(ErrorKind::StorageFailed, attempted))
                })),
            }
        }
        outcomes
    }

    async fn protection(&self, key: &str) -> Result<Option<String>, S3Failure> {
        let request = || {
            let request = self.client().head_object().bucket(&self.bucket).key(key);
            request.set_expected_bucket_owner(self.owner()).send()
        };
        let head = match self.options.retry.run("HeadObject", request).await {
            Err(failure) if failure.status == Some(404) => return Ok(None),
            head => head?,
        };
        if head.object_lock_legal_hold_status == Some(ObjectLockLegalHoldStatus::On) {
            return Ok(Some("by a legal hold".to_owned()));
        }
        let until = head.object_lock_retain_until_date.and_then(|until| time(&until));
        let until = until.filter(|until| *until > Utc::now());
        Ok(until.map(|until| format!("until {}", until.format("%Y-%m-%d %H:%M:%S UTC"))))
    }
}

fn time(at: &S3DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}

impl Store for S3Store {
    fn location(&self) -> String {
        format!("s3://{}", self.bucket)
    }

    fn shown(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredObject>>> {
        async move {
            self.list_all(prefix).await.map_err(|failure| {
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
            self.write(key, bytes, content_type).await.map_err(|failure| {
                failure.into_error(ErrorKind::StorageFailed, format!("store {}", self.shown(key)))
            })
        }
        .boxed()
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<()>>> {
        self.delete_all(keys).boxed()
    }

    fn pending<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<PendingUpload>>> {
        async move {
            self.pending_uploads(prefix).await.map_err(|failure| {
                let attempted = format!("list the pending uploads of {}", self.shown(prefix));
                failure.into_error(ErrorKind::StorageUnreachable, attempted)
            })
        }
        .boxed()
    }

    fn abort<'a>(&'a self, pending: &'a PendingUpload) -> BoxFuture<'a, Result<()>> {
        async move { self.object_sink(&pending.key, None)?.abort_pending(&pending.id).await }.boxed()
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
        async move { Ok(Box::new(self.object_sink(key, Some(content_type))?) as Box<dyn Sink>) }.boxed()
    }
}

//! Single requests that find out what the credentials may do in a bucket, and what the bucket is like.
//!
//! Each tells a refusal from a failure, and none is more patient than it takes to tell.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockEnabled};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::s3::S3Store;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::failure::S3Failure;
use crate::storage::s3::headers::ObjectHeaders;
use crate::storage::s3::{Checksum, Provider, RetryPolicy, S3Options};

/// How often a request is sent at most: whoever asks waits for the answer.
const ATTEMPTS: u32 = 3;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the storage answered.
#[derive(Debug)]
pub enum Answer<T> {
    /// It did what was asked.
    Done(T),
    /// It says that these credentials may not.
    Denied(Error),
    /// It does not offer this.
    Unsupported(Error),
    /// It failed, or could not be reached.
    Failed(Error),
}

/// Asks one bucket, about one key.
pub struct Probe {
    store: S3Store,
    key: String,
    date: DateTap,
}

impl Probe {
    /// Makes a client for questions about `key`. Sends nothing yet.
    ///
    /// # Errors
    /// `Usage`, if the endpoint is no URL, or if there is no region.
    pub async fn new(bucket: &str, options: &S3Options, key: String) -> Result<Self> {
        let retry = RetryPolicy {
            attempts: options.retry.attempts.min(ATTEMPTS),
            attempt_timeout: options.retry.attempt_timeout.min(PATIENCE),
            ..options.retry
        };
        let store = S3Store::new(bucket.to_owned(), S3Options { retry, ..options.clone() }).await?;
        Ok(Probe { store, key, date: DateTap::default() })
    }

    /// The bucket as a store.
    pub fn store(&self) -> &S3Store {
        &self.store
    }

    /// What is known of the provider.
    pub fn provider(&self) -> &Provider {
        self.store.provider()
    }

    /// The region that requests are signed for.
    pub fn region(&self) -> String {
        self.store.client().config().region().map_or_else(String::new, ToString::to_string)
    }

    /// The object's name, for messages.
    pub fn shown(&self) -> String {
        format!("s3://{}/{}", self.store.bucket(), self.key)
    }

    /// Looks whether there are credentials at all.
    ///
    /// # Errors
    /// `StorageUnreachable`.
    pub async fn credentials(&self) -> Result<()> {
        self.store.check_credentials(&self.key).await
    }

    /// Lists keys that begin with `prefix`, at most one, and gives the storage's clock.
    pub async fn list(&self, prefix: &str) -> Answer<Option<DateTime<Utc>>> {
        let request = || {
            let request = self.store.client().list_objects_v2().bucket(self.store.bucket()).prefix(prefix);
            let request = request.max_keys(1).set_expected_bucket_owner(self.owner());
            request.customize().interceptor(self.date.clone()).send()
        };
        let attempted = format!("list s3://{}/{prefix}", self.store.bucket());
        let answer = self.store.options().retry.run("ListObjectsV2", request).await;
        answer_of(answer.map(|_| self.date.time()), attempted, Some("s3:ListBucket on the bucket"))
    }

    /// The storage's clock, if the last list was answered at all.
    pub fn clock(&self) -> Option<DateTime<Utc>> {
        self.date.time()
    }

    /// Stores the object. Gives its version, if the bucket has versions. Where there is an object
    /// already and `if_none_match` is set, an honest storage does not.
    pub async fn put(&self, body: &'static [u8], if_none_match: bool) -> Answer<Put> {
        let options = self.store.options();
        let checksum = self.checksum();
        let request = || {
            let headers = ObjectHeaders::new(options);
            self.store
                .client()
                .put_object()
                .bucket(self.store.bucket())
                .key(&self.key)
                // As backups are stored, but for what would keep it from being removed at once.
                .set_server_side_encryption(headers.encryption)
                .set_ssekms_key_id(headers.kms_key_id)
                .set_tagging(headers.tagging)
                .set_expected_bucket_owner(self.owner())
                .set_checksum_algorithm(checksum.algorithm())
                .set_if_none_match(if_none_match.then(|| "*".to_owned()))
                .body(ByteStream::from_static(body))
                .send()
        };
        let put = match options.retry.run("PutObject", request).await {
            Ok(put) => Ok(Put::Stored { version: put.version_id }),
            Err(failure) if failure.is_precondition_failed() => Ok(Put::Refused),
            Err(failure) => Err(failure),
        };
        answer_of(put, format!("store {}", self.shown()), Some("s3:PutObject on the key"))
    }

    /// Reads the object back.
    pub async fn get(&self) -> Answer<Bytes> {
        let request = || {
            let request = self.store.client().get_object().bucket(self.store.bucket()).key(&self.key);
            request.set_expected_bucket_owner(self.owner()).send()
        };
        let attempted = format!("read {}", self.shown());
        let right = Some("s3:GetObject on the key");
        match self.store.options().retry.run("GetObject", request).await {
            Ok(object) => match object.body.collect().await {
                Ok(body) => Answer::Done(body.into_bytes()),
                Err(error) => {
                    Answer::Failed(Error::new(ErrorKind::StorageUnreachable, attempted).because(error))
                }
            },
            Err(failure) => answer_of(Err(failure), attempted, right),
        }
    }

    /// Removes the object; a version of it, if there is one, only if the first was granted.
    pub async fn delete(&self, version: Option<&str>) -> Answer<()> {
        let request = || {
            let request = self.store.client().delete_object().bucket(self.store.bucket()).key(&self.key);
            let request = request.set_version_id(version.map(str::to_owned));
            request.set_expected_bucket_owner(self.owner()).send()
        };
        let answer = self.store.options().retry.run("DeleteObject", request).await;
        answer_of(answer.map(drop), format!("remove {}", self.shown()), Some("s3:DeleteObject on the key"))
    }

    /// Begins an upload, as a large backup does, and sends a part. Gives the upload's id.
    pub async fn begin_upload(&self, body: &'static [u8]) -> Answer<String> {
        match self.create_and_send(body).await {
            Ok(id) => Answer::Done(id),
            Err(failure) => {
                let attempted = format!("upload {} in parts", self.shown());
                answer_of(Err(failure), attempted, Some("s3:PutObject on the key"))
            }
        }
    }

    async fn create_and_send(&self, body: &'static [u8]) -> Result<String, S3Failure> {
        let (client, options) = (self.store.client(), self.store.options());
        let checksum = self.checksum();
        let algorithm = checksum.algorithm();
        let create = || {
            let headers = ObjectHeaders::new(options);
            client
                .create_multipart_upload()
                .bucket(self.store.bucket())
                .key(&self.key)
                .set_storage_class(headers.storage_class)
                .set_server_side_encryption(headers.encryption)
                .set_ssekms_key_id(headers.kms_key_id)
                .set_tagging(headers.tagging)
                .set_object_lock_mode(headers.lock_mode)
                .set_object_lock_retain_until_date(headers.lock_until)
                .set_expected_bucket_owner(self.owner())
                .set_checksum_algorithm(algorithm.clone())
                .send()
        };
        let created = options.retry.run("CreateMultipartUpload", create).await?;
        let id = created.upload_id.ok_or_else(|| S3Failure::incomplete("the answer names no upload"))?;
        let send = || {
            client
                .upload_part()
                .bucket(self.store.bucket())
                .key(&self.key)
                .upload_id(&id)
                .part_number(1)
                .set_expected_bucket_owner(self.owner())
                .set_checksum_algorithm(algorithm.clone())
                .body(ByteStream::from_static(body))
                .send()
        };
        match options.retry.run("UploadPart", send).await {
            Ok(_) => Ok(id),
            Err(failure) => {
                let _ = self.abort_upload(&id).await;
                Err(failure)
            }
        }
    }

    /// Lists the pending uploads of the key, and says whether this one is among them.
    pub async fn sees_upload(&self, id: &str) -> Answer<bool> {
        let request = || {
            let request =
                self.store.client().list_multipart_uploads().bucket(self.store.bucket()).prefix(&self.key);
            request.set_expected_bucket_owner(self.owner()).send()
        };
        let answer = self.store.options().retry.run("ListMultipartUploads", request).await;
        let seen = answer.map(|listed| listed.uploads().iter().any(|upload| upload.upload_id() == Some(id)));
        answer_of(
            seen,
            format!("list the pending uploads of {}", self.shown()),
            Some("s3:ListBucketMultipartUploads on the bucket"),
        )
    }

    /// Aborts the upload.
    pub async fn abort_upload(&self, id: &str) -> Answer<()> {
        let request = || {
            let request =
                self.store.client().abort_multipart_upload().bucket(self.store.bucket()).key(&self.key);
            request.upload_id(id).set_expected_bucket_owner(self.owner()).send()
        };
        let answer = self.store.options().retry.run("AbortMultipartUpload", request).await;
        answer_of(
            answer.map(drop),
            format!("abort multipart upload {id} of {}", self.shown()),
            Some("s3:AbortMultipartUpload on the key"),
        )
    }

    /// Whether the bucket keeps old versions.
    pub async fn has_versions(&self) -> Answer<bool> {
        let request = || {
            let request = self.store.client().get_bucket_versioning().bucket(self.store.bucket());
            request.set_expected_bucket_owner(self.owner()).send()
        };
        let answer = self.store.options().retry.run("GetBucketVersioning", request).await;
        let enabled = answer.map(|found| found.status == Some(BucketVersioningStatus::Enabled));
        let attempted = format!("ask whether s3://{} keeps versions", self.store.bucket());
        answer_of(enabled, attempted, Some("s3:GetBucketVersioning on the bucket"))
    }

    /// Whether the bucket has Object Lock.
    pub async fn has_object_lock(&self) -> Answer<bool> {
        let request = || {
            let request = self.store.client().get_object_lock_configuration().bucket(self.store.bucket());
            request.set_expected_bucket_owner(self.owner()).send()
        };
        let enabled = match self.store.options().retry.run("GetObjectLockConfiguration", request).await {
            Ok(found) => Ok(found.object_lock_configuration.and_then(|lock| lock.object_lock_enabled)
                == Some(ObjectLockEnabled::Enabled)),
            Err(failure) if failure.is_code("ObjectLockConfigurationNotFoundError") => Ok(false),
            Err(failure) => Err(failure),
        };
        let attempted = format!("ask whether s3://{} has StoredObject Lock", self.store.bucket());
        answer_of(enabled, attempted, Some("s3:GetBucketObjectLockConfiguration on the bucket"))
    }

    fn owner(&self) -> Option<String> {
        self.store.options().expected_bucket_owner.clone()
    }

    fn checksum(&self) -> Checksum {
        self.store.options().checksum.unwrap_or(self.provider().checksum)
    }
}

/// What became of an object that was to be stored.
#[derive(Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Stored {
        /// As which version.
        version: Option<String>,
    },
    /// There is one already, and it was left alone.
    Refused,
}

fn answer_of<T>(answer: Result<T, S3Failure>, attempted: String, right: Option<&str>) -> Answer<T> {
    match answer {
        Ok(done) => Answer::Done(done),
        Err(failure) if failure.is_denied() => {
            let error = Error::new(ErrorKind::StorageUnreachable, attempted).because(failure);
            Answer::Denied(match right {
                Some(right) => error.hint(format!("the credentials need {right}")),
                None => error,
            })
        }
        Err(failure) if failure.is_unsupported() => {
            Answer::Unsupported(failure.into_error(ErrorKind::StorageUnreachable, attempted))
        }
        Err(failure) => Answer::Failed(failure.into_error(ErrorKind::StorageUnreachable, attempted)),
    }
}

/// Remembers the `Date` of answers.
#[derive(Debug, Clone, Default)]
struct DateTap(Arc<Mutex<Option<DateTime<Utc>>>>);

impl DateTap {
    fn time(&self) -> Option<DateTime<Utc>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for DateTap {
    fn name(&self) -> &'static str {
        "DateTap"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.with_timezone(&Utc));
        }
        Ok(())
    }
}

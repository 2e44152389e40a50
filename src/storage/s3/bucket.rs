//! One bucket: the client, and the parameters of each request.

use std::future::Future;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::ProvideCredentials;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use chrono::{DateTime, Utc};

use super::client::{Connected, connect};
use super::failure::{S3Failure, innermost};
use super::retry::{Attempts, RequestClass};
use super::{Checksum, ConnectionOptions, Provider};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Warnings;

/// A bucket. Clones share a client.
#[derive(Clone)]
pub(crate) struct Bucket {
    shared: Arc<Shared>,
    warnings: Warnings,
}

struct Shared {
    name: String,
    options: ConnectionOptions,
    connected: Connected,
}

/// Every request starts with one of these methods, so that none lacks the expected owner of the bucket.
macro_rules! requests {
    ($($operation:ident -> $Builder:ident,)*) => {
        impl Bucket {
            $(
                pub(super) fn $operation(&self) -> aws_sdk_s3::operation::$operation::builders::$Builder {
                    self.client()
                        .$operation()
                        .bucket(&self.shared.name)
                        .set_expected_bucket_owner(self.shared.options.expected_bucket_owner.clone())
                }
            )*
        }
    };
}

requests! {
    abort_multipart_upload -> AbortMultipartUploadFluentBuilder,
    complete_multipart_upload -> CompleteMultipartUploadFluentBuilder,
    create_multipart_upload -> CreateMultipartUploadFluentBuilder,
    delete_bucket_lifecycle -> DeleteBucketLifecycleFluentBuilder,
    delete_object -> DeleteObjectFluentBuilder,
    delete_objects -> DeleteObjectsFluentBuilder,
    get_bucket_lifecycle_configuration -> GetBucketLifecycleConfigurationFluentBuilder,
    get_bucket_versioning -> GetBucketVersioningFluentBuilder,
    get_object -> GetObjectFluentBuilder,
    get_object_lock_configuration -> GetObjectLockConfigurationFluentBuilder,
    head_object -> HeadObjectFluentBuilder,
    list_multipart_uploads -> ListMultipartUploadsFluentBuilder,
    list_objects_v2 -> ListObjectsV2FluentBuilder,
    list_parts -> ListPartsFluentBuilder,
    put_bucket_lifecycle_configuration -> PutBucketLifecycleConfigurationFluentBuilder,
    put_object -> PutObjectFluentBuilder,
    upload_part -> UploadPartFluentBuilder,
}

impl Bucket {
    /// Creates a client from the environment and the profile. Sends nothing to the storage.
    ///
    /// # Errors
    /// `Usage`, if the endpoint is not a URL, or there is no region.
    pub(crate) async fn connect(name: &str, options: &ConnectionOptions) -> Result<Self> {
        let connected = connect(options).await?;
        let shared = Shared { name: name.to_owned(), options: options.clone(), connected };
        Ok(Bucket { shared: Arc::new(shared), warnings: Warnings::default() })
    }

    /// The same bucket, with separate warnings for a run.
    pub(crate) fn warning(&self, warnings: &Warnings) -> Self {
        Bucket { shared: Arc::clone(&self.shared), warnings: warnings.clone() }
    }

    pub(crate) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    /// The URL of a key, for messages: `s3://bucket/key`.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.shared.name)
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.shared.connected.provider
    }

    /// The endpoint, if it is not AWS.
    pub(crate) fn endpoint_url(&self) -> Option<&str> {
        self.shared.connected.endpoint_url.as_deref()
    }

    /// The region for which requests are signed.
    pub(crate) fn region(&self) -> String {
        self.client().config().region().map_or_else(String::new, ToString::to_string)
    }

    /// The storage's clock, according to its last response.
    pub(crate) fn clock(&self) -> Option<DateTime<Utc>> {
        self.shared.connected.clock.time()
    }

    /// The checksum sent with objects and parts.
    pub(super) fn checksum(&self) -> Checksum {
        self.shared.options.checksum.unwrap_or(self.provider().checksum)
    }

    fn client(&self) -> &Client {
        &self.shared.connected.client
    }

    /// Checks that there are credentials, before anything is done to the object at `key`.
    ///
    /// # Errors
    /// `StorageUnreachable`.
    pub(crate) async fn check_credentials(&self, key: &str) -> Result<()> {
        let missing = |reason: String| {
            Error::new(ErrorKind::StorageUnreachable, format!("find credentials for {}", self.url(key)))
                .because(reason)
                .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
        };
        let Some(provider) = &self.shared.connected.credentials else {
            return Err(missing("no credentials provider is configured".into()));
        };
        match provider.provide_credentials().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let reason = innermost(&error);
                tracing::debug!(reason, "no credentials");
                // The chain lists everything that it tried, on many lines.
                Err(missing(reason.split(". Attempted").next().unwrap_or_default().to_owned()))
            }
        }
    }

    /// Attempts at something that takes more than one request.
    pub(crate) fn attempts(&self, class: RequestClass) -> Attempts {
        Attempts::new(self.shared.options.retry.for_class(class), self.warnings.clone())
    }

    /// Sends a request once, within the time limit.
    pub(super) async fn send_once<O, E>(
        &self,
        class: RequestClass,
        request: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<O, S3Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let limit = self.shared.options.retry.for_class(class).attempt_timeout;
        match tokio::time::timeout(limit, Box::pin(request)).await {
            Ok(answer) => answer.map_err(S3Failure::from),
            Err(_) => Err(S3Failure::timeout(limit)),
        }
    }

    /// Sends a request until it succeeds, or fails in a way that a retry would not fix.
    pub(super) async fn send<O, E, F>(
        &self,
        class: RequestClass,
        what: &str,
        request: impl FnMut() -> F,
    ) -> Result<O, S3Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        self.send_checked(class, what, request, Ok).await
    }

    /// Like `send`, but also checks the contents of a successful response.
    pub(super) async fn send_checked<O, T, E, F>(
        &self,
        class: RequestClass,
        what: &str,
        mut request: impl FnMut() -> F,
        check: impl Fn(O) -> Result<T, S3Failure>,
    ) -> Result<T, S3Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        let mut attempts = self.attempts(class);
        loop {
            match self.send_once(class, request()).await.and_then(&check) {
                Err(failure) if failure.is_retryable() && attempts.again(what, &failure).await => {}
                outcome => return outcome,
            }
        }
    }
}

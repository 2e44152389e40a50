//! Stores a dump as an object in S3 or compatible storage.
//!
//! A dump of at most one part is sent with one PutObject. A longer one is a multipart upload: parts are
//! collected in memory, so that each can be sent again, and a few are sent concurrently. The object
//! appears with the response to CompleteMultipartUpload, and not earlier.
//!
//! **Memory** is at most `(concurrent parts + 1) × part size`; as parts grow, fewer are sent
//! concurrently, so that the product stays below [`ObjectOptions::memory_bytes`] as long as two parts
//! do.
//!
//! `upload` sends parts, `commit` publishes, `cleanup` makes sure that nothing is left behind.

mod cleanup;
mod commit;
pub(crate) mod part_buffer;
mod target;
mod upload;

use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, FutureExt};

use super::{Sink, Upload};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Warnings;
use crate::storage::s3::{Bucket, ObjectOptions, RequestClass, S3Failure, S3Location, S3Options};
pub(crate) use cleanup::abort_upload;
use target::Target;
use upload::S3Upload;

/// A new object in S3.
#[derive(Clone)]
pub struct S3Sink {
    target: Arc<Target>,
}

impl S3Sink {
    /// Creates a client from the environment and the profile. Sends nothing to the storage.
    ///
    /// # Errors
    /// `Usage`, if the endpoint is not a URL, or there is no region.
    pub async fn new(location: S3Location, options: S3Options) -> Result<Self> {
        let bucket = Bucket::connect(&location.bucket, &options.connection).await?;
        Ok(S3Sink::in_bucket(bucket, location, options.object))
    }

    /// A sink in a bucket with an existing client.
    pub(crate) fn in_bucket(bucket: Bucket, location: S3Location, options: ObjectOptions) -> Self {
        S3Sink { target: Arc::new(Target { bucket, location, options, known_uploads: OnceLock::new() }) }
    }

    /// Lists the pending uploads of this key. Unlike that of a HEAD, the response has a body, and so
    /// tells what is wrong with the key, the bucket, the region or the clock.
    async fn check_access(&self) -> Result<Access> {
        let Target { bucket, known_uploads, .. } = &*self.target;
        match bucket.pending_uploads_of(self.target.key(), RequestClass::Ordinary).await {
            Ok(uploads) => {
                cleanup::warn_of_stale_uploads(bucket, &uploads);
                let ids = uploads.into_iter().map(|upload| upload.id).collect();
                // Already set by an earlier preflight, whose answer is the relevant one.
                let _ = known_uploads.set(ids);
                Ok(Access::Proven)
            }
            Err(failure) if failure.is_denied() || failure.is_unsupported() => Ok(Access::Unproven(failure)),
            Err(failure) => Err(self.unreachable(failure)),
        }
    }

    /// Checks whether the key is free.
    async fn check_key(&self) -> Result<Access> {
        match self.target.bucket.head(self.target.key(), RequestClass::Ordinary).await {
            Ok(Some(_)) if self.target.options.overwrite => Ok(Access::Proven),
            Ok(Some(_)) => Err(self.target.key_exists()),
            Ok(None) => Ok(Access::Proven),
            // Without s3:ListBucket, AWS returns 403 for a free key.
            Err(failure) if failure.is_denied() => Ok(Access::Unproven(failure)),
            Err(failure) => Err(self.unreachable(failure)),
        }
    }

    fn unreachable(&self, failure: S3Failure) -> Error {
        failure.into_error(ErrorKind::StorageUnreachable, self.target.attempted("prepare to write"))
    }
}

/// Whether a response proved that we have access.
enum Access {
    Proven,
    Unproven(S3Failure),
}

impl Sink for S3Sink {
    fn location(&self) -> String {
        self.target.location.to_string()
    }

    fn max_bytes(&self) -> Option<u64> {
        Some(self.target.max_bytes())
    }

    fn warn_to(&mut self, warnings: &Warnings) {
        let Target { bucket, location, options, .. } = &*self.target;
        *self = S3Sink::in_bucket(bucket.warning(warnings), location.clone(), options.clone());
    }

    fn preflight(&self) -> BoxFuture<'_, Result<()>> {
        async {
            self.target.bucket.check_credentials(self.target.key()).await?;
            let listing = self.check_access().await?;
            match (self.check_key().await?, listing) {
                (Access::Proven, _) => Ok(()),
                (Access::Unproven(_), Access::Proven) => {
                    tracing::debug!("cannot find out whether the key is free");
                    Ok(())
                }
                // Everything was denied: only an attempt to write distinguishes a writer with few
                // permissions from someone without any.
                (Access::Unproven(_), Access::Unproven(denied)) => {
                    tracing::debug!(%denied, "testing whether an upload can be started");
                    S3Upload::new(Arc::clone(&self.target)).probe().await
                }
            }
        }
        .boxed()
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Upload>>> {
        async { Ok(Box::new(S3Upload::new(Arc::clone(&self.target))) as Box<dyn Upload>) }.boxed()
    }
}

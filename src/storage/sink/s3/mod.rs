//! An object in S3, or in what speaks its language.
//!
//! A dump of one part or less is one PutObject. A longer one is a multipart upload: parts are
//! gathered whole in memory, so that each can be sent again, and a few are under way at a time.
//! The object appears with the answer to CompleteMultipartUpload, and not before.
//!
//! **Memory** is at most `(parts under way + 1) × part size`; as parts grow, fewer are under way,
//! so that the product stays under [`ObjectOptions::memory_bytes`] as long as two parts do.
//!
//! `upload` sends parts, `commit` publishes, `cleanup` leaves nothing behind.

mod cleanup;
mod commit;
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

/// An object to be.
#[derive(Clone)]
pub struct S3Sink {
    target: Arc<Target>,
}

impl S3Sink {
    /// Reads the environment and the profile, and makes a client. Sends nothing to the storage.
    ///
    /// # Errors
    /// `Usage` if the endpoint is no URL, or if there is no region.
    pub async fn new(location: S3Location, options: S3Options) -> Result<Self> {
        let bucket = Bucket::connect(&location.bucket, &options.connection).await?;
        Ok(S3Sink::in_bucket(bucket, location, options.object))
    }

    /// The same in a bucket that we are connected to.
    pub(crate) fn in_bucket(bucket: Bucket, location: S3Location, options: ObjectOptions) -> Self {
        S3Sink { target: Arc::new(Target { bucket, location, options, known_uploads: OnceLock::new() }) }
    }

    /// Asks for the pending uploads of this key. The answer has a body, and so, unlike that of a
    /// HEAD, names what is wrong with the key, the bucket, the region or the clock.
    async fn check_access(&self) -> Result<Access> {
        let Target { bucket, known_uploads, .. } = &*self.target;
        match bucket.pending_uploads_of(self.target.key(), RequestClass::Ordinary).await {
            Ok(uploads) => {
                cleanup::warn_of_stale_uploads(bucket, &uploads);
                let ids = uploads.into_iter().map(|upload| upload.id).collect();
                // Set by an earlier preflight already: what was known then is what matters.
                let _ = known_uploads.set(ids);
                Ok(Access::Proven)
            }
            Err(failure) if failure.is_denied() || failure.is_unsupported() => Ok(Access::Unproven(failure)),
            Err(failure) => Err(self.unreachable(failure)),
        }
    }

    /// Looks whether the key is free.
    async fn check_key(&self) -> Result<Access> {
        match self.target.bucket.head(self.target.key(), RequestClass::Ordinary).await {
            Ok(Some(_)) if self.target.options.overwrite => Ok(Access::Proven),
            Ok(Some(_)) => Err(self.target.key_exists()),
            Ok(None) => Ok(Access::Proven),
            // Without s3:ListBucket, AWS answers 403 for a key that is free.
            Err(failure) if failure.is_denied() => Ok(Access::Unproven(failure)),
            Err(failure) => Err(self.unreachable(failure)),
        }
    }

    fn unreachable(&self, failure: S3Failure) -> Error {
        failure.into_error(ErrorKind::StorageUnreachable, self.target.attempted("prepare to write"))
    }
}

/// Whether an answer proved that we are let in.
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
                    tracing::debug!("the storage does not say whether the key is free");
                    Ok(())
                }
                // All questions were refused: then only an attempt to write tells a writer with
                // few rights from somebody without any.
                (Access::Unproven(_), Access::Unproven(denied)) => {
                    tracing::debug!(%denied, "trying whether an upload can be started");
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

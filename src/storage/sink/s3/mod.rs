//! An object in S3, or in what speaks its language.
//!
//! A dump of one part or less is one PutObject. A longer one is a multipart upload: parts are
//! gathered whole in memory, so that each can be sent again, and a few are under way at a time.
//! The object appears with the answer to CompleteMultipartUpload, and not before.
//!
//! **Memory** is at most `(parts under way + 1) × part size`; as parts grow, fewer are under way,
//! so that the product stays under [`S3Options::memory_bytes`] as long as two parts do.
//!
//! * [`parts`](crate::storage::s3::parts) says how large parts are,
//!   [`provider`](crate::storage::s3::provider) what providers differ in;
//! * `retry` and `failure` beside them say what is tried again, and what an answer means;
//! * `upload` sends parts, `commit` publishes, `cleanup` leaves nothing behind.

mod cleanup;
mod commit;
mod upload;

use std::sync::{Arc, OnceLock};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
use futures::future::{BoxFuture, FutureExt};

use super::{Sink, Upload};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::client;
use crate::storage::s3::failure::{self, S3Failure};
use crate::storage::s3::{Checksum, PartSizing, Provider, S3Location, S3Options};
use upload::S3Upload;

/// An object to be.
#[derive(Clone)]
pub struct S3Sink {
    target: Arc<Target>,
}

/// What uploads share with their sink.
struct Target {
    client: Client,
    credentials: Option<SharedCredentialsProvider>,
    location: S3Location,
    options: S3Options,
    provider: Provider,
    /// Only for the commands in hints.
    endpoint_url: Option<String>,
    /// The uploads for this key that were pending before ours, if the storage told us.
    known_uploads: OnceLock<Vec<String>>,
}

impl Target {
    fn attempted(&self, verb: &str) -> String {
        format!("{verb} {}", self.location)
    }

    fn checksum(&self) -> Checksum {
        self.options.checksum.unwrap_or(self.provider.checksum)
    }

    fn part_sizing(&self) -> PartSizing {
        self.provider.part_sizing.with(self.options.parts)
    }

    fn part_bytes(&self, part_number: u32) -> Option<u64> {
        self.part_sizing().part_bytes(part_number, self.provider.max_parts)
    }

    /// How many parts of this size may be under way while another one is filled.
    fn parts_in_flight(&self, part_bytes: u64) -> usize {
        let fit = (self.options.memory_bytes / part_bytes.max(1)).saturating_sub(1);
        usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, self.provider.parts_in_flight)
    }

    /// `*` where nothing must be overwritten and the provider can see to it itself.
    fn if_none_match(&self) -> Option<String> {
        (!self.options.overwrite && self.provider.conditional_writes).then(|| "*".to_owned())
    }

    fn key_exists(&self) -> Error {
        Error::new(ErrorKind::KeyExists, self.attempted("create"))
            .because("there is an object at this key already")
            .hint("choose another key, or allow overwriting")
    }
}

impl S3Sink {
    /// Reads the environment and the profile, and makes a client. Sends nothing to the storage.
    ///
    /// # Errors
    /// `Usage` if the endpoint is no URL, or if there is no region.
    pub async fn new(location: S3Location, options: S3Options) -> Result<Self> {
        let made = client::connect(&options).await?;
        Ok(S3Sink::from_connected(location, options, made))
    }

    /// The same with a client that is there already.
    pub(crate) fn from_connected(location: S3Location, options: S3Options, made: client::Connected) -> Self {
        S3Sink {
            target: Arc::new(Target {
                client: made.client,
                credentials: made.credentials,
                location,
                options,
                provider: made.provider,
                endpoint_url: made.endpoint_url,
                known_uploads: OnceLock::new(),
            }),
        }
    }

    /// Removes an upload to this key that somebody else left.
    pub(crate) async fn abort_pending(&self, upload_id: &str) -> Result<()> {
        cleanup::abort_upload(&self.target, upload_id).await
    }

    /// Looks whether there are credentials at all.
    pub(crate) async fn check_credentials(&self) -> Result<()> {
        let missing = |reason: String| {
            Error::new(ErrorKind::StorageUnreachable, self.target.attempted("find credentials for"))
                .because(reason)
                .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
        };
        let Some(provider) = &self.target.credentials else {
            return Err(missing("there is no provider of credentials".into()));
        };
        match provider.provide_credentials().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let reason = failure::innermost(&error);
                tracing::debug!(reason, "no credentials");
                // The chain lists all that it tried, in many lines.
                Err(missing(reason.split(". Attempted").next().unwrap_or_default().to_owned()))
            }
        }
    }

    /// Asks for the pending uploads of this key. The answer has a body, and so, unlike that of a
    /// HEAD, names what is wrong with the key, the bucket, the region or the clock.
    async fn check_access(&self) -> Result<Access> {
        let listed = cleanup::pending_uploads(&self.target, self.target.options.retry).await;
        match listed {
            Ok(uploads) => {
                cleanup::warn_of_stale_uploads(&self.target, &uploads);
                let ids = uploads.into_iter().map(|upload| upload.id).collect();
                // Set by an earlier preflight already: what was known then is what matters.
                let _ = self.target.known_uploads.set(ids);
                Ok(Access::Proven)
            }
            Err(failure) if failure.is_denied() || failure.is_unsupported() => Ok(Access::Unproven(failure)),
            Err(failure) => Err(self.unreachable(failure)),
        }
    }

    /// Looks whether the key is free.
    async fn check_key(&self) -> Result<Access> {
        let Target { client, location, options, .. } = &*self.target;
        let head = || {
            let request = client.head_object().bucket(&location.bucket).key(&location.key);
            request.set_expected_bucket_owner(options.expected_bucket_owner.clone()).send()
        };
        match options.retry.run("HeadObject", head).await {
            Ok(_) if options.overwrite => Ok(Access::Proven),
            Ok(_) => Err(self.target.key_exists()),
            Err(failure) if failure.status == Some(404) => Ok(Access::Proven),
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
        Some(self.target.part_sizing().max_object_bytes(self.target.provider.max_parts))
    }

    fn preflight(&self) -> BoxFuture<'_, Result<()>> {
        async {
            self.check_credentials().await?;
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

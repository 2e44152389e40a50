//! An object in S3, or in what speaks its language.
//!
//! A dump of one part or less is one PutObject. A longer one is a multipart upload: parts are
//! gathered whole in memory, so that each can be sent again, and a few are under way at a time.
//! The object appears with the answer to CompleteMultipartUpload, and not before.
//!
//! **Memory** is at most `(parts under way + 1) × part size`; as parts grow, fewer are under way,
//! so that the product stays under [`S3Options::memory_bytes`] as long as two parts do.
//!
//! * [`parts`] says how large parts are, [`provider`] what providers differ in;
//! * `retry` and `failure` say what is tried again, and what an answer means;
//! * `upload` sends parts, `commit` publishes, `cleanup` leaves nothing behind.

mod cleanup;
pub(crate) mod client;
mod commit;
pub(crate) mod failure;
pub(crate) mod headers;
pub mod parts;
pub mod provider;
pub(crate) mod retry;
mod upload;
mod whole;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
use futures::future::{BoxFuture, FutureExt};

use super::{Sink, Upload};
use crate::error::{Error, ErrorKind, Result};
use failure::S3Failure;
pub use parts::{PartSizing, PartWish};
pub use provider::{Checksum, Provider};
pub use retry::RetryPolicy;
use upload::S3Upload;
pub(crate) use upload::algorithm;

/// Where an object is, or is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// The key, without a slash at its start.
    pub key: String,
}

impl S3Location {
    /// Whether a target given by the user means S3 at all.
    pub fn is_s3(target: &str) -> bool {
        target.starts_with("s3://")
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Reads `s3://bucket/key`.
impl FromStr for S3Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| {
            Error::new(ErrorKind::Usage, format!("read S3 location \"{text}\""))
                .because(reason.to_owned())
                .hint("write s3://bucket/key")
        };
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("it does not start with s3://"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("the bucket is missing"));
        }
        // Looser than AWS's rules: other providers have their own.
        if !bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return Err(wrong("a bucket's name has letters, digits, dots and dashes only"));
        }
        if key.is_empty() || key.ends_with('/') {
            return Err(wrong("the key must name an object, not a prefix"));
        }
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
        if key.len() > 1024 {
            return Err(wrong("the key is longer than 1024 bytes"));
        }
        if key.starts_with('/') || key.chars().any(char::is_control) {
            return Err(wrong("the key starts with a slash, or has control characters"));
        }
        Ok(S3Location { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

/// How to reach the storage and to write there. `None` means: as the environment, the profile and
/// the provider say.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The endpoint's URL, for anything but AWS. Else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`,
    /// or the profile's.
    pub endpoint_url: Option<String>,
    /// The region. Else `AWS_REGION` or the profile's; with an endpoint, at last `us-east-1`.
    pub region: Option<String>,
    /// The profile of AWS's configuration files. Else `AWS_PROFILE`.
    pub profile: Option<String>,
    /// Where credentials come from. Else AWS's chain: environment, profile, web identity, container,
    /// EC2.
    pub credentials: Option<SharedCredentialsProvider>,
    /// Whether the bucket goes into the path rather than into the host name.
    pub path_style: Option<bool>,
    /// The checksum to send with each part.
    pub checksum: Option<Checksum>,
    /// The sizes of parts; else as the provider wants them.
    pub parts: PartWish,
    /// Whether to replace an object at the key.
    pub overwrite: bool,
    /// The storage class, as `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// Encryption by the storage; else as the bucket is set up.
    pub encryption: Option<Encryption>,
    /// The object's tags.
    pub tags: Vec<(String, String)>,
    /// How long nobody may remove the object.
    pub object_lock: Option<ObjectLock>,
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<String>,
    /// The object's media type.
    pub content_type: Option<&'static str>,
    /// How many bytes parts may hold in memory, as long as that allows for two of them.
    pub memory_bytes: u64,
    /// How often and how long to try.
    pub retry: RetryPolicy,
}

impl Default for S3Options {
    fn default() -> Self {
        S3Options {
            endpoint_url: None,
            region: None,
            profile: None,
            credentials: None,
            path_style: None,
            checksum: None,
            parts: PartWish::default(),
            overwrite: false,
            storage_class: None,
            encryption: None,
            tags: Vec::new(),
            object_lock: None,
            expected_bucket_owner: None,
            content_type: None,
            memory_bytes: 256 << 20,
            retry: RetryPolicy::default(),
        }
    }
}

/// Encryption at rest, by the storage
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3: `AES256`.
    S3,
    /// SSE-KMS, with this key or the account's own for S3.
    Kms(Option<String>),
    /// DSSE-KMS: two layers.
    KmsDsse(Option<String>),
}

/// A retention period for each object, in a bucket that has Object Lock
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLock {
    /// Whether nobody at all may shorten it (COMPLIANCE), or only those with a special permission
    /// (GOVERNANCE).
    pub compliance: bool,
    /// How many days from the upload's begin.
    pub days: u32,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_and_shown_alike() {
        for text in ["s3://b/k", "s3://my.bucket/a/b c/d.sql.gz", "s3://b/ä//x"] {
            assert_eq!(text.parse::<S3Location>().unwrap().to_string(), text);
        }
        let long = format!("s3://b/{}", "k".repeat(1025));
        for text in [
            "",
            "b/k",
            "s3:/b/k",
            "s3://",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "s3://b/p/",
            "s3://b//k",
            "s3://u:p@b/k",
            &long,
        ] {
            assert_eq!(text.parse::<S3Location>().unwrap_err().kind(), ErrorKind::Usage, "{text:?}");
        }
    }
}

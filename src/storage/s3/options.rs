//! How to reach the storage, and how objects are stored there.

use aws_sdk_s3::config::SharedCredentialsProvider;

use super::parts::PartWish;
use super::provider::Checksum;
use super::retry::RetryPolicy;

/// How to reach a bucket, and how objects are stored in it.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// How to reach the bucket.
    pub connection: ConnectionOptions,
    /// How objects are stored.
    pub object: ObjectOptions,
}

/// How to reach a bucket. `None` means: as the environment, the profile and the provider say.
#[derive(Debug, Clone, Default)]
pub struct ConnectionOptions {
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
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<String>,
    /// How often and how long to try.
    pub retry: RetryPolicy,
}

/// How objects are stored. `None` means: as the bucket is set up.
#[derive(Debug, Clone)]
pub struct ObjectOptions {
    /// The sizes of parts; else as the provider wants them.
    pub parts: PartWish,
    /// Whether to replace an object at the key.
    pub overwrite: bool,
    /// The storage class, as `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// Encryption by the storage.
    pub encryption: Option<Encryption>,
    /// The object's tags.
    pub tags: Vec<(String, String)>,
    /// How long nobody may remove the object.
    pub object_lock: Option<ObjectLock>,
    /// The object's media type.
    pub content_type: Option<&'static str>,
    /// How many bytes parts may hold in memory, as long as that allows for two of them.
    pub memory_bytes: u64,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        ObjectOptions {
            parts: PartWish::default(),
            overwrite: false,
            storage_class: None,
            encryption: None,
            tags: Vec::new(),
            object_lock: None,
            content_type: None,
            memory_bytes: 256 << 20,
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

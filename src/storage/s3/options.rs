//! How to reach the storage, and how to store objects.

use aws_sdk_s3::config::SharedCredentialsProvider;

use super::parts::PartWish;
use super::provider::Checksum;
use super::retry::RetryPolicy;

/// How to reach a bucket, and how to store objects in it.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// How to reach the bucket.
    pub connection: ConnectionOptions,
    /// How to store objects.
    pub object: ObjectOptions,
}

/// How to reach a bucket. `None` means the environment, the profile or the provider decides.
#[derive(Debug, Clone, Default)]
pub struct ConnectionOptions {
    /// The endpoint's URL, for anything except AWS; by default `AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL`, or the profile's.
    pub endpoint_url: Option<String>,
    /// The region; by default `AWS_REGION` or the profile's; with an endpoint, finally `us-east-1`.
    pub region: Option<String>,
    /// The profile in AWS's configuration files; by default `AWS_PROFILE`.
    pub profile: Option<String>,
    /// The source of credentials; by default AWS's chain: environment, profile, web identity, container,
    /// EC2.
    pub credentials: Option<SharedCredentialsProvider>,
    /// Whether the bucket is in the path rather than the host name.
    pub path_style: Option<bool>,
    /// The checksum sent with each part.
    pub checksum: Option<Checksum>,
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<String>,
    /// Retries and timeouts.
    pub retry: RetryPolicy,
}

/// How to store objects. `None` means the bucket's configuration decides.
#[derive(Debug, Clone)]
pub struct ObjectOptions {
    /// The sizes of parts, if they should differ from the provider's defaults.
    pub parts: PartWish,
    /// Whether to replace an existing object.
    pub overwrite: bool,
    /// The storage class, such as `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// Server-side encryption.
    pub encryption: Option<Encryption>,
    /// The tags of the object.
    pub tags: Vec<(String, String)>,
    /// How long the object is protected from deletion.
    pub object_lock: Option<ObjectLock>,
    /// The media type of the object.
    pub content_type: Option<&'static str>,
    /// How many bytes parts may use in memory, as long as that allows for two of them.
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

/// Server-side encryption
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3: `AES256`.
    S3,
    /// SSE-KMS, with this key or the account's own key for S3.
    Kms(Option<String>),
    /// DSSE-KMS, with two layers.
    KmsDsse(Option<String>),
}

/// A retention period for each object, in a bucket that has Object Lock
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLock {
    /// Whether the period cannot be shortened by anyone (COMPLIANCE), or only with a special permission
    /// (GOVERNANCE).
    pub compliance: bool,
    /// The number of days, counted from the start of the upload.
    pub days: u32,
}

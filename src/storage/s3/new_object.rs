//! A new object's parameters: how it is stored, encrypted, tagged and locked.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockMode, ServerSideEncryption, StorageClass};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Encryption, ObjectLock, ObjectOptions};

/// The object metadata that identifies the run that wrote it.
pub(crate) const TOKEN_KEY: &str = "pgsiphon-write-token";

/// A new object. PutObject and CreateMultipartUpload take the same parameters; parts and
/// CompleteMultipartUpload repeat none of them.
#[derive(Debug, Clone)]
pub(crate) struct NewObject {
    pub(super) key: String,
    pub(super) content_type: Option<&'static str>,
    pub(super) token: Option<String>,
    pub(super) storage_class: Option<StorageClass>,
    pub(super) encryption: Option<ServerSideEncryption>,
    pub(super) kms_key_id: Option<String>,
    pub(super) tagging: Option<String>,
    pub(super) lock_mode: Option<ObjectLockMode>,
    pub(super) lock_until: Option<DateTime>,
    pub(super) if_none_match: Option<String>,
}

/// Sets what PutObject and CreateMultipartUpload have in common: their builders share no trait. The checksum
/// must be declared when an upload is created, since Garage refuses parts with a checksum that was not.
macro_rules! with_object {
    ($request:expr, $object:expr, $checksum:expr) => {{
        let object: $crate::storage::s3::NewObject = $object.clone();
        let token_key = $crate::storage::s3::TOKEN_KEY.to_owned();
        $request
            .key(object.key)
            .set_metadata(object.token.map(|token| [(token_key, token)].into()))
            .set_content_type(object.content_type.map(str::to_owned))
            .set_storage_class(object.storage_class)
            .set_server_side_encryption(object.encryption)
            .set_ssekms_key_id(object.kms_key_id)
            .set_tagging(object.tagging)
            .set_object_lock_mode(object.lock_mode)
            .set_object_lock_retain_until_date(object.lock_until)
            .set_checksum_algorithm($checksum.algorithm())
    }};
}
pub(super) use with_object;

impl NewObject {
    /// An object to be stored according to the options.
    pub(crate) fn new(key: &str, options: &ObjectOptions) -> Self {
        let (encryption, kms_key_id) = match &options.encryption {
            None => (None, None),
            Some(Encryption::S3) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
            Some(Encryption::KmsDsse(key)) => (Some(ServerSideEncryption::AwsKmsDsse), key.clone()),
        };
        NewObject {
            key: key.to_owned(),
            content_type: options.content_type,
            token: None,
            storage_class: options.storage_class.as_deref().map(StorageClass::from),
            encryption,
            kms_key_id,
            tagging: (!options.tags.is_empty()).then(|| tagging(&options.tags)),
            lock_mode: options.object_lock.map(|lock| match lock.compliance {
                true => ObjectLockMode::Compliance,
                false => ObjectLockMode::Governance,
            }),
            lock_until: options.object_lock.map(lock_until),
            if_none_match: None,
        }
    }

    /// Adds the token of the run that writes it.
    pub(crate) fn with_token(self, token: &str) -> Self {
        NewObject { token: Some(token.to_owned()), ..self }
    }

    /// Uses the bucket's standard storage class: for small objects that are read often, cold ones only
    /// cost more.
    pub(crate) fn in_standard_class(self) -> Self {
        NewObject { storage_class: None, ..self }
    }

    /// Removes the retention period, so that the object can be deleted immediately.
    pub(crate) fn without_lock(self) -> Self {
        NewObject { lock_mode: None, lock_until: None, ..self }
    }

    /// Stores only if there is no object at the key (`If-None-Match: *`).
    pub(crate) fn only_if_new(self, only: bool) -> Self {
        NewObject { if_none_match: only.then(|| "*".to_owned()), ..self }
    }

    pub(crate) fn is_only_if_new(&self) -> bool {
        self.if_none_match.is_some()
    }
}

fn lock_until(lock: ObjectLock) -> DateTime {
    SystemTime::now().checked_add(Duration::from_secs(u64::from(lock.days) * 86_400)).map_or_else(
        || DateTime::from_secs(i64::MAX / 1000),
        |until| {
            // The header allows milliseconds at most.
            let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            DateTime::from_secs(i64::try_from(until.as_secs()).unwrap_or(i64::MAX / 1000))
        },
    )
}

/// Everything except what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Tags in the format of the header, a query string
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
fn tagging(tags: &[(String, String)]) -> String {
    let encoded = |text| utf8_percent_encode(text, RESERVED);
    let pairs: Vec<_> =
        tags.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_a_query_string() {
        let tags = [("team".to_owned(), "a b&c".to_owned()), ("für".to_owned(), String::new())];
        assert_eq!(tagging(&tags), "team=a%20b%26c&f%C3%BCr=");
    }

    #[test]
    fn objects_are_stored_with_their_options() {
        let options = ObjectOptions {
            encryption: Some(Encryption::Kms(Some("key".into()))),
            object_lock: Some(ObjectLock { compliance: true, days: 3 }),
            ..ObjectOptions::default()
        };
        let object = NewObject::new("k", &options);
        assert_eq!(object.encryption, Some(ServerSideEncryption::AwsKms));
        assert_eq!(object.kms_key_id.as_deref(), Some("key"));
        assert_eq!(object.lock_mode, Some(ObjectLockMode::Compliance));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        let days = (object.lock_until.unwrap().secs() - now) / 3600;
        assert!((71..=72).contains(&days), "{days}");
    }
}

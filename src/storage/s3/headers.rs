//! What goes with an object besides its bytes: how it is stored, encrypted, tagged and locked.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockMode, ServerSideEncryption, StorageClass};

use super::{Encryption, ObjectLock, S3Options};

/// The same for CreateMultipartUpload and for PutObject; parts and CompleteMultipartUpload repeat
/// none of it but for the bucket's owner.
pub(crate) struct ObjectHeaders {
    pub(crate) storage_class: Option<StorageClass>,
    pub(crate) encryption: Option<ServerSideEncryption>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) tagging: Option<String>,
    pub(crate) lock_mode: Option<ObjectLockMode>,
    pub(crate) lock_until: Option<DateTime>,
}

impl ObjectHeaders {
    pub(crate) fn new(options: &S3Options) -> Self {
        let (encryption, kms_key_id) = match &options.encryption {
            None => (None, None),
            Some(Encryption::S3) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
            Some(Encryption::KmsDsse(key)) => (Some(ServerSideEncryption::AwsKmsDsse), key.clone()),
        };
        ObjectHeaders {
            storage_class: options.storage_class.as_deref().map(StorageClass::from),
            encryption,
            kms_key_id,
            tagging: (!options.tags.is_empty()).then(|| tagging(&options.tags)),
            lock_mode: options.object_lock.map(|lock| match lock.compliance {
                true => ObjectLockMode::Compliance,
                false => ObjectLockMode::Governance,
            }),
            lock_until: options.object_lock.map(lock_until),
        }
    }
}

fn lock_until(lock: ObjectLock) -> DateTime {
    SystemTime::now().checked_add(Duration::from_secs(u64::from(lock.days) * 86_400)).map_or_else(
        || DateTime::from_secs(i64::MAX / 1000),
        |until| {
            // The header has room for milliseconds at most.
            let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            DateTime::from_secs(i64::try_from(until.as_secs()).unwrap_or(i64::MAX / 1000))
        },
    )
}

/// Tags as the header wants them: a query string
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
fn tagging(tags: &[(String, String)]) -> String {
    let encoded = |text: &str| {
        let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let encode =
            |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(encode).collect::<String>()
    };
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
    fn headers_are_as_asked_for() {
        let options = S3Options {
            encryption: Some(Encryption::Kms(Some("key".into()))),
            object_lock: Some(ObjectLock { compliance: true, days: 3 }),
            ..S3Options::default()
        };
        let headers = ObjectHeaders::new(&options);
        assert_eq!(headers.encryption, Some(ServerSideEncryption::AwsKms));
        assert_eq!(headers.kms_key_id.as_deref(), Some("key"));
        assert_eq!(headers.lock_mode, Some(ObjectLockMode::Compliance));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        let days = (headers.lock_until.unwrap().secs() - now) / 3600;
        assert!((71..=72).contains(&days), "{days}");
    }
}

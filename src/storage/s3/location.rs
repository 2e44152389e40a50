//! The location of an object: `s3://bucket/key`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The location of an object that exists or is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket's name.
    pub bucket: String,
    /// The key, without a leading slash.
    pub key: String,
}

impl S3Location {
    /// Whether a target given by the user is in S3.
    pub fn is_s3(target: &str) -> bool {
        target.starts_with("s3://")
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Parses `s3://bucket/key`.
impl FromStr for S3Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: &str| {
            Error::new(ErrorKind::Usage, format!("read S3 location \"{text}\""))
                .because(reason.to_owned())
                .hint("use s3://bucket/key")
        };
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("it does not start with s3://"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("the bucket is missing"));
        }
        // Less strict than AWS's rules, because other providers have their own.
        if !bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return Err(wrong("a bucket name may only contain letters, digits, dots and dashes"));
        }
        if key.is_empty() || key.ends_with('/') {
            return Err(wrong("the key must name an object, not a prefix"));
        }
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
        if key.len() > 1024 {
            return Err(wrong("the key is longer than 1024 bytes"));
        }
        if key.starts_with('/') || key.chars().any(char::is_control) {
            return Err(wrong("the key starts with a slash, or contains control characters"));
        }
        Ok(S3Location { bucket: bucket.to_owned(), key: key.to_owned() })
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

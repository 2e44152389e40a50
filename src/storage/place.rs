//! The location of a storage: a bucket or a directory.

use std::path::PathBuf;

use super::s3::S3Options;

/// A location of backups.
#[derive(Clone)]
pub enum Place {
    /// An S3 bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// How to reach it, and how to store objects.
        options: Box<S3Options>,
    },
    /// A local directory.
    Directory(PathBuf),
}

impl Place {
    /// Whether both are the same place, as far as names can tell.
    pub fn is_same(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::S3 { bucket: a, options: x }, Place::S3 { bucket: b, options: y }) => {
                a == b && x.connection.endpoint_url == y.connection.endpoint_url
            }
            (Place::Directory(a), Place::Directory(b)) => a == b,
            (Place::S3 { .. } | Place::Directory(_), _) => false,
        }
    }
}

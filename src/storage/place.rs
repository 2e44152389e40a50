//! Which storage: a bucket or a directory.

use std::path::PathBuf;

use super::s3::S3Options;

/// A storage of backups.
#[derive(Clone)]
pub enum Place {
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// How to reach it, and how objects are stored.
        options: Box<S3Options>,
    },
    /// A directory.
    Directory(PathBuf),
}

impl Place {
    /// Whether both are the same, as far as can be told by their names.
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

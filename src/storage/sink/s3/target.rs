//! State that uploads share with their sink.

use std::sync::OnceLock;

use crate::error::{Error, ErrorKind};
use crate::storage::s3::{Bucket, NewObject, ObjectOptions, PartNumber, PartSizing, S3Location};

/// A new object, and how to store it.
pub(super) struct Target {
    pub(super) bucket: Bucket,
    pub(super) location: S3Location,
    pub(super) options: ObjectOptions,
    /// The uploads for this key that were pending before ours, if the storage listed them.
    pub(super) known_uploads: OnceLock<Vec<String>>,
}

impl Target {
    pub(super) fn key(&self) -> &str {
        &self.location.key
    }

    pub(super) fn attempted(&self, verb: &str) -> String {
        format!("{verb} {}", self.location)
    }

    /// The new object, with the token of one upload.
    pub(super) fn object(&self, token: &str) -> NewObject {
        NewObject::new(self.key(), &self.options).with_token(token)
    }

    pub(super) fn part_sizing(&self) -> PartSizing {
        self.bucket.provider().part_sizing.with(self.options.parts)
    }

    pub(super) fn part_bytes(&self, part_number: PartNumber) -> Option<u64> {
        self.part_sizing().part_bytes(part_number, self.bucket.provider().max_parts)
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.part_sizing().max_object_bytes(self.bucket.provider().max_parts)
    }

    /// How many parts of this size may be sent while another is being filled.
    pub(super) fn parts_in_flight(&self, part_bytes: u64) -> usize {
        let fit = (self.options.memory_bytes / part_bytes.max(1)).saturating_sub(1);
        usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, self.bucket.provider().parts_in_flight)
    }

    /// Whether overwriting is not allowed, and the provider itself can prevent it.
    pub(super) fn only_if_new(&self) -> bool {
        !self.options.overwrite && self.bucket.provider().conditional_writes
    }

    pub(super) fn key_exists(&self) -> Error {
        Error::new(ErrorKind::KeyExists, self.attempted("create"))
            .because("an object already exists at this key")
            .hint("choose another key, or allow overwriting")
    }
}

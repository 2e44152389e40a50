//! Results of listing a store: objects and pending uploads.

use chrono::{DateTime, Utc};

/// An object that a store lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// The full key, with its prefix.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was stored, if known.
    pub modified: Option<DateTime<Utc>>,
}

/// An upload that is neither complete nor aborted: it is in progress, or the process that wrote it was
/// killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingUpload {
    /// The key of the object being uploaded.
    pub key: String,
    /// The store's identifier of the upload.
    pub id: String,
    /// When it began, if known.
    pub initiated: Option<DateTime<Utc>>,
}

//! What a listing shows: objects, and uploads that are pending.

use chrono::{DateTime, Utc};

/// Something that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was stored, if that is told.
    pub modified: Option<DateTime<Utc>>,
}

/// An upload that is neither complete nor aborted: it runs, or the process that wrote it died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingUpload {
    /// The key that it is for.
    pub key: String,
    /// What the store knows it by.
    pub id: String,
    /// When it began, if that is told.
    pub initiated: Option<DateTime<Utc>>,
}

//! Where backups are stored: S3 or a directory.
//!
//! * [`s3`] sends requests to S3: to one bucket, with its options and retries;
//! * [`sink`] stores one dump, [`store`] is the whole place that contains it;
//! * [`input`] reads a backup back.

pub mod input;
mod listing;
mod place;
pub mod s3;
pub mod sink;
pub mod store;

pub use listing::{PendingUpload, StoredObject};
pub use place::Place;

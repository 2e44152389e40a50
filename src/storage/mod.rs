//! Where backups are stored: S3 or a directory.
//!
//! * [`s3`] sends requests to S3: one bucket, its options, its retries;
//! * [`sink`] takes in one dump, [`store`] is the whole place around it;
//! * [`input`] reads a backup back.

pub mod input;
mod listing;
mod place;
pub mod s3;
pub mod sink;
pub mod store;

pub use listing::{PendingUpload, StoredObject};
pub use place::Place;

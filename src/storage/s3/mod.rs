//! Amazon S3, and what speaks its language.

pub(crate) mod client;
pub(crate) mod failure;
pub(crate) mod headers;
mod location;
mod options;
pub mod parts;
pub mod provider;
pub(crate) mod retry;
mod whole;

pub use location::S3Location;
pub use options::{Encryption, ObjectLock, S3Options};
pub use parts::{PartSizing, PartWish};
pub use provider::{Checksum, Provider};
pub use retry::RetryPolicy;

//! Amazon S3 and compatible storage.
//!
//! [`Bucket`] sends all requests, and sets what each of them needs: the expected owner, the checksum,
//! retries and timeouts. What is stored, and when an object counts as stored, is decided by
//! [`super::sink`], [`super::store`] and [`super::input`], which build on it.
//!
//! * `bucket` connects; `objects`, `uploads` and `configuration` contain its requests, `new_object`
//!   everything about a new object except its bytes;
//! * [`parts`] decides how large parts are, [`provider`] lists how providers differ;
//! * `retry` and `failure` decide what is retried, and what a response means.

mod bucket;
mod client;
mod clock;
mod configuration;
mod failure;
mod location;
mod new_object;
mod objects;
mod options;
pub mod parts;
pub(crate) mod provider;
mod retry;
mod uploads;
mod whole;

pub(crate) use bucket::Bucket;
pub(crate) use failure::{S3Failure, innermost};
pub use location::S3Location;
pub(crate) use new_object::{NewObject, TOKEN_KEY};
pub(crate) use objects::{KEYS_PER_DELETE, time};
pub use options::{ConnectionOptions, Encryption, ObjectLock, ObjectOptions, S3Options};
pub use parts::{PartSizing, PartWish};
pub use provider::{Checksum, Provider};
pub use retry::RetryPolicy;
pub(crate) use retry::{Attempts, RequestClass};
pub(crate) use uploads::PartNumber;

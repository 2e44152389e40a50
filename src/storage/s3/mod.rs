//! Amazon S3, and what speaks its language.
//!
//! [`Bucket`] sends all requests. Whatever goes with each of them it sets itself: the expected owner, the
//! checksum, how often and how long to try. What is stored there, and when an object counts as stored, is
//! for [`super::sink`], [`super::store`] and [`super::input`], which stand on it.
//!
//! * `bucket` connects; `objects`, `uploads` and `configuration` have its requests, `new_object` what goes
//!   with an object besides its bytes;
//! * [`parts`] says how large parts are, [`provider`] what providers differ in;
//! * `retry` and `failure` say what is tried again, and what an answer means.

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

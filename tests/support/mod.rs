//! What the integration tests share: real servers, scratch databases, and pg_dump as the oracle.

// Each test binary takes what it needs of this; nothing here is used by all of them.
#![allow(dead_code)]

pub(crate) mod case;
pub(crate) mod database;
pub(crate) mod difference;
pub(crate) mod not_null_names;
pub(crate) mod oracle;
pub(crate) mod own_servers;
mod s3;
pub(crate) mod scripted_s3;
pub(crate) mod servers;

/// A test's outcome: the error is a text for a person to read.
pub(crate) type Outcome<T> = Result<T, String>;

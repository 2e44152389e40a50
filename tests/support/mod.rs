//! Shared by the integration tests: real servers, scratch databases, and pg_dump as the oracle.

// Each test binary uses a part of this, and none of them everything.
#![allow(dead_code)]

pub(crate) mod case;
pub(crate) mod database;
pub(crate) mod difference;
pub(crate) mod indexed_dump;
pub(crate) mod not_null_names;
pub(crate) mod oracle;
pub(crate) mod own_servers;
mod s3;
pub(crate) mod scripted_s3;
pub(crate) mod servers;
pub(crate) mod split;

/// The result of a test; the error is a text for people.
pub(crate) type Outcome<T> = Result<T, String>;

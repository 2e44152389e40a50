//! The integration tests. They are modules of one program, because every additional program is linked
//! with everything that pgsiphon depends on.

// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod check_rights;
mod comparison;
mod completions_and_man;
mod concurrent_ddl;
mod concurrent_writes;
mod end_to_end;
mod excerpts;
mod expected_owner;
mod foreign_readers;
mod hammer;
mod hints;
mod index_of_dumps;
mod indexed_dumps;
mod layers;
mod newer_server;
mod parts;
mod restore;
mod s3_faults;
mod s3_read;
mod sink_contract;
mod store_contract;
mod verify;
mod warnings;

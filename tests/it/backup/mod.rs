//! The nightly job as users run it: on a real PostgreSQL, into a real S3 server and a directory.

mod check;
mod job_lock;
mod lifecycle;
mod page;
mod prune;
mod run;
mod schedule;
mod settings;
mod world;

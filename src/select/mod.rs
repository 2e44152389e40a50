//! What is dumped: options, patterns and filter files, with pg_dump's names and meanings.

pub mod filter;
pub mod options;
pub mod pattern;

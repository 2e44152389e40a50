//! Restores a dump without psql.

mod encoding;
mod lexer;
pub mod script;

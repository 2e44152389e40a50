//! The source: a PostgreSQL server, spoken to by its wire protocol.

pub mod text;

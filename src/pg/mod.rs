//! The source: a PostgreSQL server, accessed by its wire protocol.
//!
//! [`conninfo`] finds out where to connect and as whom, as libpq does; [`connect`] opens a
//! [`connect::Session`], with TLS if required, on a stream that carries text in any encoding
//! ([`frontend_stream`], [`text`]). [`error`] turns the server's errors into typed failures.

pub(crate) mod quote;

pub(crate) mod attempts;
pub(crate) mod backend_filter;
pub mod connect;
pub mod conninfo;
pub(crate) mod copy_in;
pub(crate) mod copy_out;
pub mod error;
pub mod frontend_stream;
pub mod login;
pub mod params;
pub mod secret;
pub(crate) mod server;
mod session;
pub mod text;
pub(crate) mod tls;
mod transport;
pub(crate) mod version;

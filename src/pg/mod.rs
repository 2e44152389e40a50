//! The source: a PostgreSQL server, spoken to by its wire protocol.
//!
//! [`conninfo`] finds out where to connect and as whom, as libpq does; [`connect`] opens a
//! [`connect::Session`], over TLS where it is wanted, on a stream that carries texts of any
//! encoding ([`frontend_stream`], [`text`]). What the server complains about becomes a typed failure in
//! [`error`].

pub(crate) mod quote;

pub(crate) mod attempts;
pub(crate) mod backend_filter;
pub mod connect;
pub mod conninfo;
pub(crate) mod copy_in;
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

//! The source: a PostgreSQL server, spoken to by its wire protocol.
//!
//! [`conninfo`] finds out where to connect and as whom, as libpq does; [`connect`] opens a
//! [`connect::Session`], over TLS where it is wanted, on a stream that carries texts of any
//! encoding ([`wire`], [`text`]). What the server complains about becomes a typed failure in
//! [`error`].

pub mod connect;
pub mod conninfo;
pub(crate) mod connstring;
mod copy_in;
pub mod error;
pub(crate) mod failure;
pub(crate) mod keywords;
pub mod login;
pub mod params;
mod passfile;
pub mod secret;
pub mod server;
mod service;
mod session;
mod tap;
pub mod text;
pub(crate) mod tls;
mod transport;
pub mod version;
pub mod wire;

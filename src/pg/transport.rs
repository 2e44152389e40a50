//! Sockets: opening, tuning and encrypting them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::params::{ConnectParams, SslNegotiation};
use super::tls::{TlsConnector, TlsSocket};

/// Length 8, code 80877103 (manual, "Message Formats", SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The address to connect to: one of a host's addresses.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// A connection to a server, encrypted or not.
pub(crate) enum Transport {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsSocket>),
}

/// Whether to encrypt, and how.
#[derive(Debug, Clone)]
pub(crate) enum Encryption {
    None,
    Tls {
        connector: TlsConnector,
        /// The server's name in the handshake.
        name: String,
        /// Continue without TLS on the same connection if the server does not support it (prefer).
        optional: bool,
    },
}

/// Why there is no TLS. It is the cause inside an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsRefused {
    NotSupported,
    /// CVE-2021-23222: unencrypted data between the answer and the handshake comes from an attacker.
    EarlyData,
    /// The answer to the SSLRequest is invalid: perhaps the server is not PostgreSQL.
    Unexpected,
}

impl fmt::Display for TlsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsRefused::NotSupported => "the server does not support TLS",
            TlsRefused::EarlyData => "received unencrypted data after the answer to the TLS request",
            TlsRefused::Unexpected => "the answer to the TLS request is not from a PostgreSQL server",
        })
    }
}

impl std::error::Error for TlsRefused {}

impl Address {
    /// The address of the socket in `directory`; `@` marks the abstract namespace.
    pub(crate) fn unix(directory: &Path, port: u16) -> Self {
        let mut bytes = directory.join(format!(".s.PGSQL.{port}")).into_os_string().into_vec();
        if bytes.first() == Some(&b'@') {
            bytes[0] = 0;
        }
        Address::Unix(std::ffi::OsStr::from_bytes(&bytes).into())
    }
}

impl Transport {
    /// Opens a connection. The caller must apply timeouts.
    pub(crate) async fn open(
        address: &Address,
        encryption: &Encryption,
        params: &ConnectParams,
    ) -> io::Result<Transport> {
        let mut socket = match address {
            Address::Unix(path) => return Ok(Transport::Unix(UnixStream::connect(path).await?)),
            Address::Tcp(address) => TcpStream::connect(address).await?,
        };
        tune(&socket, params)?;
        let Encryption::Tls { connector, name, optional } = encryption else {
            return Ok(Transport::Tcp(socket));
        };
        if params.tls.negotiation == SslNegotiation::Postgres {
            match request_tls(&mut socket).await? {
                true => {}
                false if *optional => return Ok(Transport::Tcp(socket)),
                false => return Err(io::Error::other(TlsRefused::NotSupported)),
            }
        }
        let stream = Box::pin(connector.connect(name, socket)).await?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Transport::Tls(_))
    }
}

fn tune(socket: &TcpStream, params: &ConnectParams) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    if params.keepalives.enabled {
        let mut keepalive = TcpKeepalive::new();
        if let Some(idle) = params.keepalives.idle {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = params.keepalives.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(count) = params.keepalives.count {
            keepalive = keepalive.with_retries(count);
        }
        socket.set_keepalive(true)?;
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(timeout) = params.tcp_user_timeout {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    Ok(())
}

/// Requests TLS; returns false if the server declines.
async fn request_tls(socket: &mut TcpStream) -> io::Result<bool> {
    socket.write_all(&SSL_REQUEST).await?;
    let mut answer = [0; 2];
    let length = socket.read(&mut answer).await?;
    match (&answer[..length], answer[0]) {
        ([], _) => Err(io::ErrorKind::UnexpectedEof.into()),
        ([_], b'S') => Ok(true),
        ([_], b'N') => Ok(false),
        (_, b'S' | b'N') => Err(io::Error::other(TlsRefused::EarlyData)),
        _ => Err(io::Error::other(TlsRefused::Unexpected)),
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl TlsStream for Transport {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Transport::Tls(stream) => stream.channel_binding(),
            Transport::Unix(_) | Transport::Tcp(_) => ChannelBinding::none(),
        }
    }
}

/// The stream itself, with or without TLS, presented as the result of a handshake: only then does
/// tokio-postgres ask it for channel binding.
pub(crate) struct ReadyTls;

impl<S: TlsStream + Unpin> TlsConnect<S> for ReadyTls {
    type Stream = S;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<S>>;

    fn connect(self, stream: S) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}

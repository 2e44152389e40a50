//! The scheduler's HTTP server: a status page, a health check and metrics. It is read-only.

mod metrics;
mod page;
mod plot;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::error::{Error, ErrorKind, Result};
use crate::schedule::state::SchedulerState;

/// The page is self-contained, and names and messages cannot make it run anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Limits on what clients can use: backups run in the same process and need its memory and file
/// descriptors.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Concurrent connections. More wait in the system's queue for the port.
    connections: usize,
    /// Time to receive a request's head, from accepting the connection.
    head: Duration,
    /// Time for a whole connection, including a client that reads slowly.
    connection: Duration,
}

const LIMITS: Limits =
    Limits { connections: 64, head: Duration::from_secs(10), connection: Duration::from_secs(30) };

/// The scheduler's HTTP server, listening on an open port.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Server {
    /// Opens `ADDRESS:PORT`. Port 0 picks a free port.
    ///
    /// # Errors
    /// `Usage`: the address cannot be parsed, or the port cannot be opened.
    pub async fn bind(listen: &str) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Usage, format!("listen on {listen} (http.listen)"))
                .because(error)
                .hint("use ADDRESS:PORT, for example 127.0.0.1:8080")
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, limits: LIMITS })
    }

    /// The address it listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until dropped.
    pub async fn serve(self, board: Arc<SchedulerState>) {
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Perhaps out of file descriptors: backups go on, and this retries later.
                    tracing::warn!("cannot accept a connection on {}: {error}", self.address);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let answered = answer_one(stream, Arc::clone(&board), self.limits.head);
            let limit = self.limits.connection;
            tokio::spawn(async move {
                // Errors of clients are not worth logging.
                drop(tokio::time::timeout(limit, answered).await);
                drop(slot);
            });
        }
    }
}

/// Answers one request, then closes the connection, so that an idle client does not hold one open.
/// Clients that poll every few seconds don't need keep-alive.
async fn answer_one(stream: TcpStream, board: Arc<SchedulerState>, head: Duration) -> hyper::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &board, Utc::now());
        async move { Ok::<_, Infallible>(response) }
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(head).keep_alive(false);
    connection.serve_connection(TokioIo::new(stream), service).await
}

fn answer(method: &Method, path: &str, board: &SchedulerState, now: DateTime<Utc>) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/" => response(StatusCode::OK, "text/html; charset=utf-8", page::render(&board.read(), now)),
        // Says only that the process is up and answering: a restart would not fix anything about the
        // backups, whose state is in the metrics and in `status`.
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
        "/metrics" => match metrics::render(&board.read(), now) {
            Ok(body) => response(StatusCode::OK, metrics::CONTENT_TYPE, body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "not found; try /, /healthz or /metrics\n".to_owned()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn get(method: Method, path: &str) -> (StatusCode, String) {
        let response = answer(&method, path, &SchedulerState::new([]), Utc::now());
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn paths_and_methods() {
        assert_eq!(get(Method::GET, "/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
        assert_eq!(get(Method::HEAD, "/").await.0, StatusCode::OK);
        assert_eq!(get(Method::GET, "/metrics").await.0, StatusCode::OK);
        assert_eq!(get(Method::GET, "/etc/passwd").await.0, StatusCode::NOT_FOUND);
        assert_eq!(get(Method::POST, "/").await.0, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_a_usage_error() {
        let error = Server::bind("nowhere").await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
    const SHORT: Limits =
        Limits { connections: 2, head: Duration::from_millis(300), connection: Duration::from_secs(20) };

    /// The address of a server that runs until the test ends.
    async fn serving(limits: Limits) -> SocketAddr {
        let server = Server { limits, ..Server::bind("127.0.0.1:0").await.unwrap() };
        let address = server.address();
        tokio::spawn(server.serve(Arc::new(SchedulerState::new([]))));
        address
    }

    /// Everything the server sends until it closes the connection.
    async fn heard(stream: &mut TcpStream) -> String {
        let mut all = Vec::new();
        // A reset also closes the connection.
        drop(stream.read_to_end(&mut all).await);
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_closed_after_its_answer() {
        let address = serving(Limits { head: Duration::from_secs(60), ..SHORT }).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let answer = heard(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }

    #[tokio::test]
    async fn clients_that_ask_nothing_or_never_end_are_closed() {
        let address = serving(SHORT).await;
        for said in [&b""[..], b"GET / HTTP/1.1\r\nHost: h\r\n"] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(said).await.unwrap();
            let answer = heard(&mut client).await;
            assert!(!answer.contains("200"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_connection_has_an_end_whatever_its_client_does() {
        let limits =
            Limits { head: Duration::from_secs(60), connection: Duration::from_millis(300), ..SHORT };
        let mut client = TcpStream::connect(serving(limits).await).await.unwrap();
        assert_eq!(heard(&mut client).await, "");
    }

    #[tokio::test]
    async fn more_connections_than_there_may_be_wait_for_others_to_end() {
        let address = serving(SHORT).await;
        let begun = Instant::now();
        let _idle = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        assert!(heard(&mut client).await.ends_with("ok\n"));
        assert!(begun.elapsed() >= SHORT.head, "{:?}", begun.elapsed());
    }
}

//! The scheduler's HTTP port: a status page, a health check, metrics. It reads, and changes nothing.

mod metrics;
mod page;
mod plot;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::error::{Error, ErrorKind, Result};
use crate::schedule::state::SchedulerState;

/// The page brings all that it needs, and what is in names and messages can't make it run anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A port that is open.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Opens the port: `ADDRESS:PORT`, where port 0 means any that is free.
    ///
    /// # Errors
    /// `Usage`: the address cannot be read, or it cannot be listened at.
    pub async fn bind(listen: &str) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Usage, format!("listen at {listen} (http.listen)"))
                .because(error)
                .hint("write ADDRESS:PORT, such as 127.0.0.1:8080")
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped.
    pub async fn serve(self, board: Arc<SchedulerState>) {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, perhaps: backups go on, and so do we, later.
                    tracing::warn!("accept a connection at {}: {error}", self.address);
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    continue;
                }
            };
            let board = Arc::clone(&board);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let response = answer(request.method(), request.uri().path(), &board, Utc::now());
                    async move { Ok::<_, Infallible>(response) }
                });
                // Clients come and go; what they do wrong is their affair.
                let mut connection = http1::Builder::new();
                connection.timer(TokioTimer::new());
                drop(connection.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    }
}

fn answer(method: &Method, path: &str, board: &SchedulerState, now: DateTime<Utc>) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/" => response(StatusCode::OK, "text/html; charset=utf-8", page::render(&board.read(), now)),
        // The process lives and answers: what the backups are like is for status and metrics, since a
        // restart would fix nothing about them.
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
        "/metrics" => match metrics::render(&board.read(), now) {
            Ok(body) => response(StatusCode::OK, metrics::CONTENT_TYPE, body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /, /healthz and /metrics\n".to_owned()),
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
    use super::*;
    use http_body_util::BodyExt;

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
}

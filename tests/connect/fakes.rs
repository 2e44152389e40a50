//! Fake servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use pgsiphon::ErrorKind;

use crate::world::{World, block_on, try_connect};

/// Answers each connection's first bytes with `answer`, then waits for the client if `stays`.
fn answering(answer: &'static [u8], stays: bool) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer);
            if stays {
                thread::spawn(move || {
                    let _ = stream.read_to_end(&mut Vec::new());
                });
            }
        }
    });
    address
}

fn string(address: SocketAddr, rest: &str) -> String {
    format!("host=127.0.0.1 port={} user=u dbname=d password=hunter2 {rest}", address.port())
}

fn report(address: SocketAddr, rest: &str) -> String {
    let error = block_on(try_connect(&string(address, rest))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceUnreachable);
    assert!(!error.report().contains("hunter2"));
    error.report()
}

pub(crate) fn a_silent_server_times_out(_: &World) {
    let silent = answering(b"", true);
    for mode in ["disable", "prefer", "require"] {
        let started = Instant::now();
        let report = report(silent, &format!("sslmode={mode} connect_timeout=1"));
        assert!(report.contains("no answer within 1 s"), "{report}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

/// CVE-2021-23222.
pub(crate) fn bytes_before_tls_are_refused(_: &World) {
    let injecting = answering(b"SR\0\0\0\x08\0\0\0\0", true);
    let report = report(injecting, "sslmode=require connect_timeout=5");
    assert!(report.contains("unencrypted data"), "{report}");
}

pub(crate) fn nonsense_does_not_panic(_: &World) {
    const LONG: &[u8] = b"R\x7f\xff\xff\xff\0\0\0\x0a";
    const NEGATIVE: &[u8] = b"R\xff\xff\xff\xff\0\0\0\0";
    const NO_SASL: &[u8] = b"R\0\0\0\x0a\0\0\0\x0a\0\0";
    const OK_THEN_NOTHING: &[u8] = b"R\0\0\0\x08\0\0\0\0";
    const NO_VERSION: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    for answer in [b"", HTTP, LONG, NEGATIVE, NO_SASL, OK_THEN_NOTHING, NO_VERSION, b"N", b"S"] {
        let address = answering(answer, false);
        for mode in ["disable", "require"] {
            report(address, &format!("sslmode={mode} connect_timeout=5"));
        }
    }
    // An invalid answer to the TLS request is not a reason to continue without TLS.
    let http = answering(HTTP, false);
    assert!(report(http, "sslmode=require").contains("not from a PostgreSQL server"));
}

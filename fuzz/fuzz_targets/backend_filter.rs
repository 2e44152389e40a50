//! What tokio-postgres sees of the server's messages is what a simple reading of the protocol says,
//! however they are cut; the rows of a COPY are the same; and the login is watched the same way.

#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use pgsiphon::fuzzing::{filter_backend, rows_of};
use pgsiphon::pg::frontend_stream::{FrontendStream, StartupEdits};
use pgsiphon::pg::login::LoginWatch;
use pgsiphon::pg::params::RequireAuth;
use pgsiphon_fuzz::Input;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const CHUNK_BYTES: usize = 64;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::of(data) else { return };
    let is_copying = input.option(0);
    let expected = seen(input.text, is_copying);
    assert_eq!(filter_backend(input.whole(), is_copying), expected);
    assert_eq!(filter_backend(input.chunks(), is_copying), expected);

    let whole = rows_of(input.whole(), CHUNK_BYTES);
    assert_eq!(rows_of(input.chunks(), CHUNK_BYTES), whole);
    if let Ok((text, rows, _)) = whole {
        // Only the last row may still be without its end.
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count() as u64, rows);
    }

    let has_password = input.option(1);
    let whole = read(input.whole(), std::iter::repeat(input.text.len().max(1)), has_password);
    let chunked = read(input.chunks(), input.lengths(), has_password);
    assert_eq!(whole.is_ok(), chunked.is_ok());
    if let (Ok(whole), Ok(chunked)) = (whole, chunked) {
        assert_eq!(whole, chunked);
        assert_eq!(whole.len(), input.text.len());
    }
});

/// What is seen, and whether rows are waited for in the end.
fn seen(mut rest: &[u8], is_copying: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    // Whether the COPY was not asked for its rows yet, and whether it is being asked.
    let (mut is_expected, mut is_asked) = (is_copying, false);
    while !rest.is_empty() {
        let is_hidden = rest[0] == b'G' && is_expected;
        if rest.len() < 5 {
            out.extend(rest.iter().filter(|_| !is_hidden));
            break;
        }
        let length = u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]);
        let (message, after) = rest.split_at((length.max(4) as usize + 1).min(rest.len()));
        rest = after;
        match message[0] {
            b'G' if is_hidden => (is_expected, is_asked) = (false, true),
            b'S' => {
                out.extend_from_slice(&message[..5]);
                out.extend(message[5..].iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }));
            }
            kind => {
                if matches!(kind, b'E' | b'Z') {
                    is_asked = false;
                }
                out.extend_from_slice(message);
            }
        }
    }
    (out, is_asked)
}

fn read<'a>(
    chunks: impl Iterator<Item = &'a [u8]> + Unpin,
    lengths: impl Iterator<Item = usize>,
    has_password: bool,
) -> io::Result<Vec<u8>> {
    let watch = LoginWatch::new(RequireAuth::Any, has_password);
    let mut stream = FrontendStream::new(Server(chunks.peekable()), StartupEdits::default(), Some(watch));
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    for length in lengths {
        let mut buffer = vec![0; length];
        let mut buffer = ReadBuf::new(&mut buffer);
        if let Poll::Ready(read) = Pin::new(&mut stream).poll_read(&mut cx, &mut buffer) {
            read?;
        }
        if buffer.filled().is_empty() {
            break;
        }
        all.extend_from_slice(buffer.filled());
    }
    Ok(all)
}

/// Says what is in the chunks, as far as there is room.
struct Server<I: Iterator>(std::iter::Peekable<I>);

impl<'a, I: Iterator<Item = &'a [u8]> + Unpin> AsyncRead for Server<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(chunk) = self.0.peek_mut() {
            let (now, later) = chunk.split_at(chunk.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *chunk = later;
            if later.is_empty() {
                self.0.next();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Iterator + Unpin> AsyncWrite for Server<I>
where
    I::Item: Unpin,
{
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

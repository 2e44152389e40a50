//! What the server gets is what a simple reading of the protocol says, however tokio-postgres's bytes
//! are cut and however slowly the server takes them.

#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use pgsiphon::pg::frontend_stream::{FrontendStream, StartupEdits};
use pgsiphon::pg::text;
use pgsiphon_fuzz::Input;
use tokio::io::AsyncWrite;

const PROTOCOL_3_0: u32 = 3 << 16;
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::of(data) else { return };
    let is_flushed = input.option(0);
    let server =
        Server { taken: Vec::new(), lengths: input.lengths(), is_busy: input.option(1), turn: false };
    let mut stream = FrontendStream::new(server, edits(), None);
    let mut cx = Context::from_waker(Waker::noop());
    for mut chunk in input.chunks() {
        while !chunk.is_empty() {
            if let Poll::Ready(written) = Pin::new(&mut stream).poll_write(&mut cx, chunk) {
                let written = written.unwrap();
                assert!(written > 0);
                chunk = &chunk[written..];
            }
        }
        if is_flushed {
            flush(&mut stream, &mut cx);
        }
    }
    flush(&mut stream, &mut cx);
    assert_eq!(stream.get_ref().taken, sent(input.text));
});

fn edits() -> StartupEdits {
    StartupEdits { remove: vec!["client_encoding"], add: vec![("TimeZone", "UTC".to_owned())] }
}

fn flush(stream: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) {
    loop {
        if let Poll::Ready(flushed) = Pin::new(&mut *stream).poll_flush(cx) {
            return flushed.unwrap();
        }
    }
}

/// What of `rest` is sent, and how: the whole text at once.
fn sent(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // Messages without a type, up to the startup message.
    loop {
        let Some(length) = length_at(rest, 0) else { return out };
        let Some(length) = length else { return [&out[..], rest].concat() };
        let Some((message, after)) = rest.split_at_checked(length) else { return out };
        rest = after;
        let code = message.get(4..8).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
        if code == Some(PROTOCOL_3_0) {
            out.extend(startup(message));
            break;
        }
        out.extend_from_slice(message);
        if !code.is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code)) {
            break;
        }
    }
    loop {
        let Some(length) = length_at(rest, 1) else { return out };
        let Some(length) = length else { return [&out[..], rest].concat() };
        let is_text = matches!(rest[0], b'Q' | b'P');
        match rest.split_at_checked(length + 1) {
            Some((message, after)) => {
                if is_text {
                    out.extend(query(message));
                } else {
                    out.extend_from_slice(message);
                }
                rest = after;
            }
            // Texts are held until they are whole.
            None if is_text => return out,
            None => return [&out[..], rest].concat(),
        }
    }
}

/// The length of a message: `None` if it is not all there, `Some(None)` if it cannot be.
fn length_at(bytes: &[u8], at: usize) -> Option<Option<usize>> {
    let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().unwrap());
    Some(i32::try_from(length).ok().filter(|length| *length >= 4).map(|length| length as usize))
}

fn encoded(bytes: &[u8]) -> Vec<u8> {
    str::from_utf8(bytes).map_or(bytes.to_vec(), |held| text::encode(held).into_owned())
}

fn startup(message: &[u8]) -> Vec<u8> {
    let mut body = message[4..8].to_vec();
    let strings: Vec<&[u8]> = message[8..].split(|byte| *byte == 0).collect();
    for pair in strings.chunks_exact(2).take_while(|pair| !pair[0].is_empty()) {
        if pair[0] != b"client_encoding" {
            body.extend([pair[0], b"\0", &encoded(pair[1]), b"\0"].concat());
        }
    }
    body.extend_from_slice(b"TimeZone\0UTC\0\0");
    [&(body.len() as u32 + 4).to_be_bytes(), &body[..]].concat()
}

fn query(message: &[u8]) -> Vec<u8> {
    let strings = if message[0] == b'P' { 2 } else { 1 };
    // Without a terminator a string is none.
    let mut end = 5;
    for _ in 0..strings {
        end += message[end..].iter().position(|byte| *byte == 0).map_or(0, |at| at + 1);
    }
    let body = [&encoded(&message[5..end])[..], &message[end..]].concat();
    [&message[..1], &(body.len() as u32 + 4).to_be_bytes(), &body].concat()
}

/// Takes so many bytes at a time; a busy one only every other time.
struct Server<I> {
    taken: Vec<u8>,
    lengths: I,
    is_busy: bool,
    turn: bool,
}

impl<I: Iterator<Item = usize> + Unpin> AsyncWrite for Server<I> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.turn = !self.turn;
        if self.is_busy && self.turn {
            return Poll::Pending;
        }
        let length = self.lengths.next().unwrap_or(1).min(bytes.len());
        self.taken.extend_from_slice(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! The stream between tokio-postgres and the socket or TLS: it converts texts to the bytes that they
//! represent, and watches the login.
//!
//! tokio-postgres takes query texts as `&str`, while ours may contain bytes in any encoding, represented as
//! described in [`super::text`]. [`FrontendStream`] finds the messages Query and Parse in what tokio-postgres
//! writes, converts their text back to those bytes, and corrects the message's length. Everything else passes
//! through, mostly uncopied. (Manual, "Message Formats".)

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::backend_filter::BackendFilter;
use super::copy_in::{CopyMessage, CopySlot, put_message};
use super::copy_out::CopyOutSlot;
use super::login::LoginWatch;
use super::text;

/// Protocol 3.0, the first word of a startup message after its length.
const PROTOCOL_3_0: u32 = 3 << 16;
/// SSLRequest and GSSENCRequest: another message without a type byte follows.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];
/// The first two UTF-8 bytes of the characters that represent bytes, see [`text::decode`].
const LEAD: [u8; 2] = [0xF4, 0x8F];

/// How many bytes are read at once while the server sends rows. Socket buffers are of about this size.
const READ_BYTES: usize = 256 << 10;

/// Changes to the startup message that tokio-postgres has no setting for.
#[derive(Debug, Clone, Default)]
pub struct StartupEdits {
    /// Parameters to leave out. tokio-postgres requests UTF8 as the client encoding, which a database in
    /// MULE_INTERNAL must refuse, and which we set ourselves later anyway.
    pub remove: Vec<&'static str>,
    /// Parameters to add.
    pub add: Vec<(&'static str, String)>,
}

/// The stream described in the module's documentation.
pub struct FrontendStream<S> {
    inner: S,
    state: WriteState,
    edits: StartupEdits,
    /// The start of a message that must be complete before it can be sent.
    held: BytesMut,
    /// Bytes that are ready to be sent to `inner`.
    pending: BytesMut,
    watch: Option<LoginWatch>,
    tap: BackendFilter,
    /// Whether rows of a COPY are being sent, or some are still unsent.
    is_copying: bool,
    /// The buffer for rows that the server sends, once it has sent any.
    input: Box<[u8]>,
    /// Bytes between or after the rows, which tokio-postgres has not yet read.
    aside: BytesMut,
}

/// The position of the next written byte in the flow of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WriteState {
    /// At the start of a message without a type byte.
    Untyped,
    /// At the start of a message with a type byte.
    Typed,
    /// Within a message that passes unchanged; this many bytes of it are still to come.
    Passing(usize),
    /// Not a valid message: it passes unchanged, and the server will complain.
    Lost,
}

impl<S> FrontendStream<S> {
    /// Wraps a stream at the start of a connection, before its startup message.
    pub fn new(inner: S, edits: StartupEdits, watch: Option<LoginWatch>) -> Self {
        FrontendStream {
            inner,
            state: WriteState::Untyped,
            edits,
            held: BytesMut::new(),
            pending: BytesMut::new(),
            watch,
            tap: BackendFilter::default(),
            is_copying: false,
            input: Box::default(),
            aside: BytesMut::new(),
        }
    }

    /// Sends the rows of a COPY when the server asks for them, if the slot has any, and takes the rows that
    /// the server sends, if a sink for them is in the other slot.
    pub(crate) fn with_copies(mut self, copy_in: CopySlot, copy_out: CopyOutSlot) -> Self {
        self.tap = BackendFilter::new(copy_in, copy_out);
        self
    }

    /// The underlying stream.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Length of the longest prefix of `bytes` that may be sent unchanged.
    fn clean_prefix(&self, bytes: &[u8]) -> usize {
        let mut at = match self.state {
            WriteState::Passing(left) => left,
            WriteState::Typed => 0,
            WriteState::Untyped => return 0,
            WriteState::Lost => return bytes.len(),
        };
        while at < bytes.len() {
            let message = &bytes[at..];
            match frame(message) {
                Frame::Complete(length) if !needs_encoding(&message[..length]) => at += length,
                Frame::Cut(length) if !has_text(message[0]) => at += length,
                Frame::Complete(_) | Frame::Cut(_) | Frame::CutHeader | Frame::Invalid => return at,
            }
        }
        bytes.len()
    }

    /// Advances the state over `written` bytes of a clean prefix of `bytes`.
    fn advance(&mut self, bytes: &[u8], written: usize) {
        let mut at = match self.state {
            WriteState::Passing(left) => left,
            WriteState::Typed => 0,
            WriteState::Untyped | WriteState::Lost => return,
        };
        while at < written {
            at += match frame(&bytes[at..]) {
                Frame::Complete(length) | Frame::Cut(length) => length,
                Frame::CutHeader | Frame::Invalid => {
                    self.state = WriteState::Lost;
                    return;
                }
            };
        }
        self.state = if at == written { WriteState::Typed } else { WriteState::Passing(at - written) };
    }

    /// Takes bytes of a message that cannot pass unchanged, and finishes it when it is complete. Returns how
    /// many bytes were taken.
    fn hold(&mut self, bytes: &[u8]) -> usize {
        let untyped = self.state == WriteState::Untyped;
        let header = if untyped { 4 } else { 5 };
        if self.held.len() < header {
            let taken = bytes.len().min(header - self.held.len());
            self.held.extend_from_slice(&bytes[..taken]);
            return taken;
        }
        let length = message_length(&self.held, untyped);
        let taken = length.map_or(0, |length| bytes.len().min(length.saturating_sub(self.held.len())));
        self.held.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Moves `held` to `pending`, as soon as its contents are clear.
    fn settle_held(&mut self) {
        let untyped = self.state == WriteState::Untyped;
        if self.held.len() < if untyped { 4 } else { 5 } {
            return;
        }
        let Some(length) = message_length(&self.held, untyped) else {
            self.state = WriteState::Lost;
            self.pending.unsplit(self.held.split());
            return;
        };
        if !untyped && !has_text(self.held[0]) {
            self.state = match length - self.held.len() {
                0 => WriteState::Typed,
                left => WriteState::Passing(left),
            };
            self.pending.unsplit(self.held.split());
        } else if self.held.len() == length {
            let message = self.held.split();
            if untyped {
                self.settle_untyped(&message);
            } else {
                encode_message(&message, &mut self.pending);
            }
        }
    }

    fn settle_untyped(&mut self, message: &[u8]) {
        match message.get(4..8).map(|mut code| code.get_u32()) {
            Some(PROTOCOL_3_0) => {
                edit_startup(message, &self.edits, &mut self.pending);
                self.state = WriteState::Typed;
            }
            Some(code) if ENCRYPTION_REQUESTS.contains(&code) => self.pending.extend_from_slice(message),
            _ => {
                self.pending.extend_from_slice(message);
                self.state = WriteState::Typed;
            }
        }
    }
}

/// What is known of a message with a type byte from its first bytes.
enum Frame {
    /// The header is incomplete.
    CutHeader,
    /// The whole message is there; this is its length with the type byte.
    Complete(usize),
    /// Only its start is there.
    Cut(usize),
    /// The length is impossible.
    Invalid,
}

fn frame(bytes: &[u8]) -> Frame {
    if bytes.len() < 5 {
        return Frame::CutHeader;
    }
    match message_length(bytes, false) {
        Some(length) if length <= bytes.len() => Frame::Complete(length),
        Some(length) => Frame::Cut(length),
        None => Frame::Invalid,
    }
}

/// Length of the message that starts here, with its type byte if it has one.
fn message_length(bytes: &[u8], untyped: bool) -> Option<usize> {
    let type_length = usize::from(!untyped);
    let mut word = bytes.get(type_length..type_length + 4)?;
    let length = usize::try_from(word.get_u32()).ok()?;
    (4..=i32::MAX as usize).contains(&length).then_some(length + type_length)
}

/// Query and Parse contain a statement.
fn has_text(type_byte: u8) -> bool {
    matches!(type_byte, b'Q' | b'P')
}

/// The text in a complete Query or Parse, with its terminators. It excludes the numbers at the end of Parse,
/// which could look like text.
fn text_part(message: &[u8]) -> &[u8] {
    let body = &message[5..];
    let strings = if message[0] == b'P' { 2 } else { 1 };
    let ends = body.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
    &body[..ends.take(strings).last().unwrap_or(0)]
}

fn needs_encoding(message: &[u8]) -> bool {
    has_text(message[0]) && text_part(message).windows(2).any(|pair| pair == LEAD)
}

fn encode_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    str::from_utf8(bytes).map_or(Cow::Borrowed(bytes), text::encode)
}

fn put_length(out: &mut BytesMut, length: usize) {
    // The text only ever gets shorter, and a parameter of the startup message is small.
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn encode_message(message: &[u8], out: &mut BytesMut) {
    let text = text_part(message);
    let rest = &message[5 + text.len()..];
    let encoded = encode_text(text);
    out.extend_from_slice(&message[..1]);
    put_length(out, 4 + encoded.len() + rest.len());
    out.extend_from_slice(&encoded);
    out.extend_from_slice(rest);
}

/// Rewrites the startup message: pairs of strings, ended by an empty name.
fn edit_startup(message: &[u8], edits: &StartupEdits, out: &mut BytesMut) {
    let mut body = BytesMut::new();
    let mut strings = message[8..].split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (strings.next().filter(|name| !name.is_empty()), strings.next()) {
        if !edits.remove.iter().any(|removed| removed.as_bytes() == name) {
            put_pair(&mut body, name, &encode_text(value));
        }
    }
    for (name, value) in &edits.add {
        put_pair(&mut body, name.as_bytes(), &text::encode(value));
    }
    put_length(out, 8 + body.len() + 1);
    out.extend_from_slice(&message[4..8]);
    out.extend_from_slice(&body);
    out.extend_from_slice(&[0]);
}

fn put_pair(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    for part in [name, &[0], value, &[0]] {
        out.extend_from_slice(part);
    }
}

impl<S: AsyncWrite + Unpin> FrontendStream<S> {
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> FrontendStream<S> {
    /// Sends rows that the server is waiting for, as far as they are available and the server accepts them.
    /// Nothing else is sent meanwhile: tokio-postgres waits for the outcome.
    fn send_rows(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(rows) = self.tap.rows() {
            if !self.pending.is_empty() {
                match self.poll_pending(cx) {
                    Poll::Ready(sent) => sent?,
                    Poll::Pending => return Ok(()),
                }
                continue;
            }
            let message = match rows.poll_recv(cx) {
                Poll::Ready(message) => message,
                Poll::Pending => break,
            };
            if !matches!(message, Some(CopyMessage::Rows(_))) {
                *self.tap.rows() = None;
            }
            put_message(message.as_ref(), &mut self.pending);
        }
        match self.poll_pending(cx) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => return Ok(()),
        }
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrontendStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx))?;
        let clean = if this.held.is_empty() { this.clean_prefix(bytes).min(bytes.len()) } else { 0 };
        if clean > 0 {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &bytes[..clean]))?;
            this.advance(bytes, written);
            return Poll::Ready(Ok(written));
        }
        let mut taken = 0;
        while taken < bytes.len() && this.pending.is_empty() {
            taken += this.hold(&bytes[taken..]);
            this.settle_held();
        }
        // What is finished now is sent with the next write or flush.
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> FrontendStream<S> {
    /// Reads rows, and keeps what stands between them aside. Returns how many bytes were read; 0 means that the
    /// server closed the connection.
    fn poll_rows(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.tap.poll_room(cx));
        if self.input.is_empty() {
            self.input = vec![0; READ_BYTES].into();
        }
        let mut input = ReadBuf::new(&mut self.input);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut input))?;
        let read = input.filled_mut();
        let length = read.len();
        let kept = self.tap.filter(read);
        self.aside.extend_from_slice(&read[..kept]);
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FrontendStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            // A task that waits for the outcome of a COPY reads, so its rows are sent here.
            if this.is_copying || this.tap.rows().is_some() {
                if this.send_rows(cx).is_err() {
                    // A server that closes the connection sends the reason first, which is still to be read.
                    *this.tap.rows() = None;
                    this.pending.clear();
                }
                this.is_copying = this.tap.rows().is_some() || !this.pending.is_empty();
            }
            if !this.aside.is_empty() {
                let length = this.aside.len().min(buf.remaining());
                buf.put_slice(&this.aside.split_to(length));
                return Poll::Ready(Ok(()));
            }
            if this.tap.takes_rows() {
                if ready!(this.poll_rows(cx))? == 0 {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let read = &mut buf.filled_mut()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let kept = this.tap.filter(read);
            if let Some(watch) = &mut this.watch {
                watch.see(&mut read[..kept])?;
                if watch.is_over() {
                    this.watch = None;
                }
            }
            buf.set_filled(before + kept);
            // Returning nothing would look like the end of the stream.
            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: tokio_postgres::tls::TlsStream + Unpin> tokio_postgres::tls::TlsStream for FrontendStream<S> {
    fn channel_binding(&self) -> tokio_postgres::tls::ChannelBinding {
        self.inner.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn message(type_byte: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[type_byte][..], &length.to_be_bytes(), body].concat()
    }

    fn untyped(body: &[u8]) -> Vec<u8> {
        message(0, body)[1..].to_vec()
    }

    fn startup(parameters: &[u8]) -> Vec<u8> {
        untyped(&[&PROTOCOL_3_0.to_be_bytes()[..], parameters].concat())
    }

    fn edits() -> StartupEdits {
        StartupEdits { remove: vec!["client_encoding"], add: vec![("TimeZone", "UTC".into())] }
    }

    /// The bytes that arrive when `pieces` are written one by one through a pipe of `capacity` bytes.
    async fn sent(pieces: &[&[u8]], capacity: usize) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(capacity);
        let reader = async {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            all
        };
        let writer = async {
            let mut stream = FrontendStream::new(near, edits(), None);
            for piece in pieces {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream.shutdown().await.unwrap();
        };
        tokio::join!(reader, writer).0
    }

    /// All kinds of messages, and the bytes expected for them.
    fn dialogue() -> (Vec<u8>, Vec<u8>) {
        let held = text::decode(b"t\xe9 \xf4\x8f\xbf\xa9 \xff");
        let query = |text: &[u8]| message(b'Q', &[text, &[0]].concat());
        // The numbers at the end of Parse, and parameters, look like text that needs conversion.
        let oids = b"\0\x01\xf4\x8f\xbf\xa9";
        let parse = |text: &[u8]| message(b'P', &[b"s1\0", text, b"\0", oids].concat());
        let binding = message(b'B', held.as_bytes());
        let data = message(b'd', &[held.as_bytes(), &[0x8f; 300]].concat());
        let given = [
            untyped(&ENCRYPTION_REQUESTS[0].to_be_bytes()),
            startup(&[b"client_encoding\0UTF8\0user\0", held.as_bytes(), b"\0database\0d\0\0"].concat()),
            query(b"SELECT 1"),
            query(held.as_bytes()),
            message(b'S', b""),
            parse(b"SELECT $1"),
            parse(held.as_bytes()),
            binding.clone(),
            data.clone(),
            query("été".as_bytes()),
            message(b'X', b""),
        ];
        let bytes = b"t\xe9 \xf4\x8f\xbf\xa9 \xff";
        let expected = [
            untyped(&ENCRYPTION_REQUESTS[0].to_be_bytes()),
            startup(&[b"user\0", &bytes[..], b"\0database\0d\0TimeZone\0UTC\0\0"].concat()),
            query(b"SELECT 1"),
            query(bytes),
            message(b'S', b""),
            parse(b"SELECT $1"),
            parse(bytes),
            binding,
            data,
            query("été".as_bytes()),
            message(b'X', b""),
        ];
        (given.concat(), expected.concat())
    }

    #[tokio::test]
    async fn messages_may_be_cut_anywhere() {
        let (given, expected) = dialogue();
        assert_eq!(sent(&[&given], 1 << 20).await, expected);
        for cut in 0..=given.len() {
            assert_eq!(sent(&[&given[..cut], &given[cut..]], 1 << 20).await, expected, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_slow_peer_changes_nothing() {
        let (given, expected) = dialogue();
        let bytes: Vec<&[u8]> = given.chunks(1).collect();
        assert_eq!(sent(&bytes, 1 << 20).await, expected);
        for capacity in [1, 2, 7, 64] {
            assert_eq!(sent(&[&given], capacity).await, expected, "capacity {capacity}");
            let pieces: Vec<&[u8]> = given.chunks(11).collect();
            assert_eq!(sent(&pieces, capacity).await, expected, "pieces, capacity {capacity}");
        }
    }

    #[tokio::test]
    async fn a_cancel_request_passes() {
        let request = untyped(&[&80_877_102_u32.to_be_bytes()[..], &[1; 8]].concat());
        assert_eq!(sent(&[&request], 64).await, request);
    }

    #[tokio::test]
    async fn reads_pass_and_are_watched() {
        use crate::pg::params::RequireAuth;
        let (near, mut far) = tokio::io::duplex(64);
        let watch = LoginWatch::new(RequireAuth::Any, false);
        let mut stream = FrontendStream::new(near, edits(), Some(watch));
        let parameter = message(b'S', b"a\0\xe9\0");
        let row = message(b'D', b"\xe9");
        far.write_all(&[parameter.clone(), message(b'Z', b"I"), parameter, row.clone()].concat())
            .await
            .unwrap();
        drop(far);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        let reported = message(b'S', b"a\0?\0");
        assert_eq!(all, [reported.clone(), message(b'Z', b"I"), reported, row].concat());
    }

    proptest! {
        #[test]
        fn any_query_arrives_as_its_bytes(bytes in proptest::collection::vec(1u8.., 0..200), cut in 0usize..400) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let given = [startup(b"\0"), message(b'Q', &[text::decode(&bytes).as_bytes(), &[0]].concat())].concat();
            let cut = cut.min(given.len());
            let arrived = runtime.block_on(sent(&[&given[..cut], &given[cut..]], 50));
            let expected = [startup(b"TimeZone\0UTC\0\0"), message(b'Q', &[&bytes[..], &[0]].concat())].concat();
            prop_assert_eq!(arrived, expected);
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>, cut in 0usize..100) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let cut = cut.min(bytes.len());
            let given = startup(b"\0");
            let _ = runtime.block_on(sent(&[&given, &bytes[..cut], &bytes[cut..]], 16));
        }
    }
}

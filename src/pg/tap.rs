//! Watches the server's messages for the rest of a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many errors the server has reported.
///
/// While rows are sent by COPY nobody reads what the server says to them: tokio-postgres does so
/// at their end. Somebody who sends a terabyte wants to know earlier that it is in vain.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorCount(Arc<AtomicU64>);

impl ErrorCount {
    /// The number so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Follows the messages (manual, "Message Formats"), wherever they are cut. It counts errors, and
/// makes non-ASCII bytes in reported parameters `?`, as [`super::login::LoginWatch`] does at login:
/// `SET SESSION AUTHORIZATION` makes the server report a role's name in whatever encoding.
#[derive(Debug, Default)]
pub(crate) struct MessageTap {
    errors: ErrorCount,
    header: [u8; 5],
    /// Bytes of the header that were seen.
    seen: usize,
    /// Bytes of the body that are still to come.
    left: usize,
}

impl MessageTap {
    pub(crate) fn new(errors: ErrorCount) -> Self {
        MessageTap { errors, ..MessageTap::default() }
    }

    /// Looks at the next bytes from the server.
    pub(crate) fn see(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let length = self.left.min(bytes.len());
                let (body, rest) = bytes.split_at_mut(length);
                if self.header[0] == b'S' {
                    body.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
                }
                self.left -= length;
                bytes = rest;
                continue;
            }
            self.header[self.seen] = bytes[0];
            self.seen += 1;
            bytes = &mut bytes[1..];
            if self.seen == self.header.len() {
                self.at_header();
            }
        }
    }

    fn at_header(&mut self) {
        let [kind, length @ ..] = self.header;
        self.seen = 0;
        self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(4);
        if kind == b'E' {
            self.errors.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_followed_wherever_they_are_cut() {
        let message = |kind: u8, body: &[u8]| {
            [&[kind][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
        };
        let given = [
            message(b'Z', b"I"),
            message(b'S', b"session_authorization\0r\xf4le\0"),
            message(b'D', b"E\0\0\0\x04\xe9"),
            message(b'E', b"SERROR\0\xe9\0"),
            message(b'2', b""),
            message(b'E', b""),
        ]
        .concat();
        let expected: Vec<u8> = given.iter().map(|byte| if *byte == 0xf4 { b'?' } else { *byte }).collect();
        for piece in 1..given.len() {
            let errors = ErrorCount::default();
            let mut tap = MessageTap::new(errors.clone());
            let mut seen = given.clone();
            seen.chunks_mut(piece).for_each(|bytes| tap.see(bytes));
            assert_eq!(seen, expected);
            assert_eq!(errors.get(), 2);
        }
    }
}

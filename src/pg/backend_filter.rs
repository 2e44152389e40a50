//! Follows the server's messages for the whole session (manual, "Message Formats").

use super::copy_in::{CopyRows, CopySlot};

/// Removes what tokio-postgres must not see from the server's messages:
///
/// * non-ASCII bytes in reported parameters become `?`, as [`super::login::LoginWatch`] does at login: `SET
///   SESSION AUTHORIZATION` makes the server report a role's name in any encoding;
/// * the CopyInResponse of a COPY that [`super::copy_in`] runs.
#[derive(Debug, Default)]
pub(crate) struct BackendFilter {
    slot: CopySlot,
    header: [u8; 5],
    /// How many bytes of the header were seen.
    seen: usize,
    /// How many bytes of the body are still to come.
    left: usize,
    /// Whether the current message is hidden from tokio-postgres.
    hides: bool,
    /// The rows that the server asked for.
    rows: Option<CopyRows>,
}

impl BackendFilter {
    pub(crate) fn new(slot: CopySlot) -> Self {
        BackendFilter { slot, ..BackendFilter::default() }
    }

    /// The rows that the server is waiting for, if any.
    pub(crate) fn rows(&mut self) -> &mut Option<CopyRows> {
        &mut self.rows
    }

    /// Processes the next bytes from the server. Moves those that tokio-postgres may see to the start of the
    /// buffer, and returns their length.
    pub(crate) fn filter(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() {
            let from = at;
            if self.left > 0 {
                let length = self.left.min(bytes.len() - at);
                if self.header[0] == b'S' {
                    let body = &mut bytes[at..at + length];
                    body.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
                }
                self.left -= length;
                at += length;
            } else {
                self.header[self.seen] = bytes[at];
                if self.seen == 0 {
                    self.hides = bytes[at] == b'G' && self.slot.is_filled();
                }
                self.seen += 1;
                at += 1;
                if self.seen == self.header.len() {
                    self.at_header();
                }
            }
            if !self.hides {
                bytes.copy_within(from..at, kept);
                kept += at - from;
            }
        }
        kept
    }

    fn at_header(&mut self) {
        let [kind, length @ ..] = self.header;
        self.seen = 0;
        self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(4);
        match kind {
            b'G' if self.hides => self.rows = self.slot.take(),
            // After an error, or before the next query, no rows are expected.
            b'E' | b'Z' => self.rows = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
    }

    /// What is kept of `given` when it arrives in pieces of length `piece`.
    fn kept(tap: &mut BackendFilter, given: &[u8], piece: usize) -> Vec<u8> {
        let mut all = Vec::new();
        for bytes in given.chunks(piece) {
            let mut bytes = bytes.to_vec();
            let length = tap.filter(&mut bytes);
            all.extend_from_slice(&bytes[..length]);
        }
        all
    }

    #[test]
    fn parameters_become_ascii_wherever_messages_are_cut() {
        let given = [
            message(b'Z', b"I"),
            message(b'S', b"session_authorization\0r\xf4le\0"),
            message(b'D', b"S\0\0\0\x08\xe9"),
            message(b'G', b"not expected"),
            message(b'2', b""),
        ]
        .concat();
        let expected: Vec<u8> = given.iter().map(|byte| if *byte == 0xf4 { b'?' } else { *byte }).collect();
        for piece in 1..given.len() {
            assert_eq!(kept(&mut BackendFilter::default(), &given, piece), expected);
        }
    }

    #[test]
    fn a_request_for_rows_is_kept_from_others() {
        let before = message(b'N', b"notice");
        let after = message(b'N', b"G");
        let given = [before.clone(), message(b'G', b"\0\0\0"), after.clone()].concat();
        for piece in 1..given.len() {
            let (_sender, rows) = tokio::sync::mpsc::channel(1);
            let slot = CopySlot::filled(rows);
            let mut tap = BackendFilter::new(slot.clone());
            assert_eq!(kept(&mut tap, &given, piece), [before.clone(), after.clone()].concat());
            assert!(tap.rows().is_some() && !slot.is_filled());
            kept(&mut tap, &message(b'E', b""), piece);
            assert!(tap.rows().is_none());
        }
    }
}

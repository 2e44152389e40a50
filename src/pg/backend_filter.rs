//! Follows the server's messages for the whole session (manual, "Message Formats").

use std::task::{Context, Poll};

use super::copy_in::{CopyRows, CopySlot};
use super::copy_out::{CopyOutSlot, CopySink};

/// Removes what tokio-postgres must not see from the server's messages:
///
/// * non-ASCII bytes in reported parameters become `?`, as [`super::login::LoginWatch`] does at login: `SET
///   SESSION AUTHORIZATION` makes the server report a role's name in any encoding;
/// * the CopyInResponse of a COPY that [`super::copy_in`] runs;
/// * the rows of a COPY that [`super::copy_out`] runs, with the messages around them.
#[derive(Debug, Default)]
pub(crate) struct BackendFilter {
    slot: CopySlot,
    out_slot: CopyOutSlot,
    header: [u8; 5],
    /// How many bytes of the header were seen.
    seen: usize,
    /// How many bytes of the body are still to come.
    left: usize,
    /// Whether the current message is hidden from tokio-postgres.
    hides: bool,
    /// The rows that the server asked for.
    rows: Option<CopyRows>,
    /// Takes the rows that the server sends.
    sink: Option<CopySink>,
}

impl BackendFilter {
    pub(crate) fn new(slot: CopySlot, out_slot: CopyOutSlot) -> Self {
        BackendFilter { slot, out_slot, ..BackendFilter::default() }
    }

    /// The rows that the server is waiting for, if any.
    pub(crate) fn rows(&mut self) -> &mut Option<CopyRows> {
        &mut self.rows
    }

    /// Whether the server is sending rows that we take.
    pub(crate) fn takes_rows(&self) -> bool {
        self.sink.is_some()
    }

    /// Waits until there is room for more rows, if the server is sending any.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.sink.as_ref().map_or(Poll::Ready(()), |sink| sink.poll_room(cx))
    }

    /// Processes the next bytes from the server. Moves those that tokio-postgres may see to the start of the
    /// buffer, and returns their length.
    pub(crate) fn filter(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() {
            if let (Some(sink), 0, 0) = (&mut self.sink, self.left, self.seen) {
                at += sink.take_messages(&bytes[at..]);
                if at == bytes.len() {
                    break;
                }
            }
            let from = at;
            if self.left > 0 {
                let length = self.left.min(bytes.len() - at);
                let body = &mut bytes[at..at + length];
                self.left -= length;
                at += length;
                match (self.header[0], &mut self.sink) {
                    (b'S', _) => {
                        body.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
                    }
                    (b'd', Some(sink)) => {
                        sink.push(body);
                        if self.left == 0 {
                            sink.end_row();
                        }
                    }
                    _ => {}
                }
            } else {
                self.header[self.seen] = bytes[at];
                if self.seen == 0 {
                    self.hides = self.is_ours(bytes[at]);
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

    /// Whether a message of this type belongs to a COPY of ours.
    fn is_ours(&self, kind: u8) -> bool {
        match kind {
            b'G' => self.slot.is_filled(),
            b'H' => self.sink.is_some() || self.out_slot.is_filled(),
            b'd' | b'c' => self.sink.is_some(),
            _ => false,
        }
    }

    fn at_header(&mut self) {
        let [kind, length @ ..] = self.header;
        self.seen = 0;
        self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(4);
        match kind {
            b'G' if self.hides => self.rows = self.slot.take(),
            b'H' if self.hides && self.sink.is_none() => self.sink = self.out_slot.take(),
            b'd' => {
                if let Some(sink) = &mut self.sink {
                    sink.begin_row(self.left);
                    if self.left == 0 {
                        sink.end_row();
                    }
                }
            }
            b'c' => {
                if let Some(sink) = &mut self.sink {
                    sink.end_copy();
                }
            }
            // After an error, or before the next query, no rows are expected.
            b'E' | b'Z' => (self.rows, self.sink) = (None, None),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::copy_out::Copied;
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
            let mut tap = BackendFilter::new(slot.clone(), CopyOutSlot::default());
            assert_eq!(kept(&mut tap, &given, piece), [before.clone(), after.clone()].concat());
            assert!(tap.rows().is_some() && !slot.is_filled());
            kept(&mut tap, &message(b'E', b""), piece);
            assert!(tap.rows().is_none());
        }
    }
    #[test]
    fn rows_are_taken_wherever_messages_are_cut() {
        let row = |text: &str| message(b'd', text.as_bytes());
        let (before, between, after) =
            (message(b'N', b"d"), message(b'S', b"a\0b\0"), message(b'C', b"COPY 3"));
        let long = format!("{}\n", "x".repeat(50));
        let copies = [
            [message(b'H', b"\0\0\0"), row("1\n"), row(&long)].concat(),
            [row("22\n"), message(b'c', b"")].concat(),
            [message(b'H', b""), message(b'c', b"")].concat(),
        ];
        let given = [&before[..], &copies[0], &between, &copies[1], &after, &copies[2], &message(b'Z', b"T")]
            .concat();
        let expected = [before, between, after, message(b'Z', b"T")].concat();
        for piece in 1..given.len() {
            let (slot, end) = CopyOutSlot::filled(20);
            let mut tap = BackendFilter::new(CopySlot::default(), slot);
            assert_eq!(kept(&mut tap, &given, piece), expected, "pieces of {piece}");
            let (mut text, mut rows, mut ends) = (Vec::new(), 0, 0);
            for copied in end.take().unwrap() {
                match copied {
                    Copied::Rows(chunk) => {
                        assert!(chunk.text.len() <= 20);
                        text.extend(chunk.text);
                        rows += chunk.rows;
                    }
                    Copied::End => ends += 1,
                }
            }
            assert_eq!((text, rows, ends), (format!("1\n{long}22\n").into_bytes(), 3, 2));
            assert!(!tap.takes_rows());
        }
    }
}

//! The way of rows from the socket to a worker, on the messages that a server sends for a COPY.

use bytes::{BufMut, BytesMut};
use divan::counter::BytesCount;
use pgsiphon::bench::read_copy;

use crate::rows::Kind;

/// As workers ask for.
const CHUNK_BYTES: usize = 1 << 20;

/// CopyOutResponse, a CopyData for each row, CopyDone, CommandComplete and ReadyForQuery.
fn recorded(kind: Kind) -> (Vec<u8>, usize) {
    let rows = kind.rows(32 << 20);
    let mut messages = BytesMut::new();
    let mut put = |kind: u8, body: &[u8]| {
        messages.put_u8(kind);
        messages.put_u32(u32::try_from(body.len() + 4).expect("a short message"));
        messages.extend_from_slice(body);
    };
    put(b'H', &[0, 0, 2, 0, 0, 0, 0]);
    rows.iter().for_each(|row| put(b'd', row));
    put(b'c', b"");
    put(b'C', format!("COPY {}\0", rows.len()).as_bytes());
    put(b'Z', b"T");
    (messages.to_vec(), rows.len())
}

#[divan::bench(args = Kind::ALL, sample_count = 20)]
fn copy(bencher: divan::Bencher<'_, '_>, kind: Kind) {
    let (messages, count) = recorded(kind);
    bencher.counter(BytesCount::new(messages.len())).bench_local(|| {
        let (rows, bytes) = read_copy(&messages, CHUNK_BYTES).expect("good rows");
        assert_eq!(rows, count as u64);
        bytes
    });
}

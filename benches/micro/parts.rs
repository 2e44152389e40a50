//! The assembly of S3 parts from compressed blocks.

use bytes::Bytes;
use divan::counter::BytesCount;
use pgsiphon::bench::assemble_parts;

/// The first parts of an upload.
const PART_BYTES: usize = 8 << 20;
/// About as long as a block of 1 MiB is after gzip.
const BLOCK_BYTES: usize = 220_000;

#[divan::bench(sample_count = 20)]
fn assemble(bencher: divan::Bencher<'_, '_>) {
    let blocks = vec![Bytes::from(vec![7; BLOCK_BYTES]); 200];
    bencher
        .counter(BytesCount::new(BLOCK_BYTES * blocks.len()))
        .bench_local(|| assemble_parts(&blocks, PART_BYTES));
}

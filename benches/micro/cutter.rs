//! The whole pipeline behind the rows, without a compressor and without a destination.

use std::sync::Arc;

use bytes::Bytes;
use divan::counter::BytesCount;
use pgsiphon::bench::write_rows;
use pgsiphon::codec::Compression;
use tokio::runtime::Runtime;

use crate::rows::Kind;

const SEGMENTS: usize = 8;

fn cut(bencher: divan::Bencher<'_, '_>, kind: Kind, jobs: usize) {
    let runtime = Runtime::new().expect("a runtime");
    let rows: Arc<[Bytes]> = kind.rows(8 << 20).into();
    let bytes = SEGMENTS * rows.iter().map(Bytes::len).sum::<usize>();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let segments = vec![Arc::clone(&rows); SEGMENTS];
        runtime.block_on(write_rows(segments, Compression::None, jobs)).expect("a dump")
    });
}

#[divan::bench(args = Kind::ALL, sample_count = 20)]
fn one_worker(bencher: divan::Bencher<'_, '_>, kind: Kind) {
    cut(bencher, kind, 1);
}

#[divan::bench(args = Kind::ALL, sample_count = 20)]
fn two_workers(bencher: divan::Bencher<'_, '_>, kind: Kind) {
    cut(bencher, kind, 2);
}

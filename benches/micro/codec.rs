//! The compressors, on blocks of one run.

use divan::counter::BytesCount;
use pgsiphon::codec::{BLOCK_BYTES, BlockCompressor, Compression};

use crate::rows::Kind;

const BLOCKS: usize = 8;

const METHODS: [Compression; 7] = [
    Compression::Gzip(1),
    Compression::GZIP,
    Compression::Gzip(6),
    Compression::Zstd { level: 1, long: false },
    Compression::ZSTD,
    Compression::Lz4(0),
    Compression::None,
];

#[divan::bench(args = METHODS, sample_count = 20)]
fn compress(bencher: divan::Bencher<'_, '_>, compression: Compression) {
    let text = Kind::Event.rows(BLOCKS * BLOCK_BYTES).concat();
    let blocks: Vec<&[u8]> = text.chunks(BLOCK_BYTES).collect();
    bencher
        .counter(BytesCount::new(text.len()))
        .with_inputs(|| {
            let compressor = BlockCompressor::new(compression).expect("memory for the compressor");
            (compressor, blocks.iter().map(|block| block.to_vec()).collect::<Vec<_>>())
        })
        .bench_local_refs(|(compressor, blocks)| {
            let last = blocks.len() - 1;
            let mut stored = 0;
            for (number, block) in blocks.iter_mut().enumerate() {
                stored += compressor.compress(block, number == last).expect("a block").bytes.len();
            }
            stored
        });
}

//! Compression: blocks that workers compress side by side, and the container that joins them.
//!
//! Workers compress blocks of about [`BLOCK_BYTES`] of text, each on its own thread; one writer joins them in
//! order. Consecutive blocks of one worker form a *run*: each may refer to those before it, so that repetitive
//! text compresses as well as in one long stream. A run begins at a *restart point*, where decoding can begin
//! without anything before it. The output is what a single-threaded program could have written:
//!
//! * **gzip**: *one* member (RFC 1952). Each block is raw deflate ended by a sync flush, which leaves the stream
//!   on a byte boundary; the first one of a run refers to nothing before it. The trailer's CRC-32 is combined
//!   from those of the blocks. One member, because many readers stop silently after the first member of a
//!   concatenated file, and for a backup that is silent loss.
//! * **zstd**: one frame per run with a content checksum (RFC 8878, section 3: a decoder must read concatenated
//!   frames). Each block is ended by a flush.
//! * **lz4**: one frame per block (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>). LZ4 looks back
//!   64 KiB only, so longer runs would gain little.
//! * **none**: the plain text.
//!
//! The output depends only on the blocks, where they end a run, and the level; it contains no time, name or
//! machine.

mod compression;
mod compressor;
mod lz4_frame;

use bytes::Bytes;

pub use self::compression::Compression;
pub use self::compressor::{BlockCompressor, CompressedBlock};
pub(crate) use lz4_frame::Lz4Frame;

/// The maximum size of a block of text in bytes.
pub const BLOCK_BYTES: usize = 1 << 20;

/// ID1, ID2, CM = deflate, FLG = 0, MTIME = 0 (none), XFL = 0, OS = 255 (unknown). RFC 1952, 2.3.1.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty final block with fixed Huffman codes, which ends a deflate stream. RFC 1951, 3.2.3.
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

/// A frame without content: magic number, descriptor (single segment, checksum), content size 0, a last raw
/// block of size 0, and the low half of XXH64 of the empty string. RFC 8878, 3.1.1.
const ZSTD_EMPTY_FRAME: [u8; 13] = [0x28, 0xb5, 0x2f, 0xfd, 0x24, 0, 1, 0, 0, 0x99, 0xe9, 0xd8, 0x51];

/// A frame without content: magic number, FLG = version 1, independent blocks; BD = 64 KB blocks, the
/// header's checksum, and the end mark.
const LZ4_EMPTY_FRAME: [u8; 11] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0];

/// The bytes around the blocks in the stream, and the totals over the blocks.
pub struct Container {
    compression: Compression,
    crc: crc32fast::Hasher,
}

impl Container {
    /// Creates an empty container.
    pub fn new(compression: Compression) -> Self {
        Container { compression, crc: crc32fast::Hasher::new() }
    }

    /// The bytes that come before the first block.
    pub fn header(&self) -> Bytes {
        match self.compression {
            Compression::Gzip(_) => Bytes::from_static(&GZIP_HEADER),
            Compression::Lz4(_) | Compression::Zstd { .. } | Compression::None => Bytes::new(),
        }
    }

    /// Adds the next block to the totals; the caller writes its bytes.
    pub fn append(&mut self, block: &CompressedBlock) {
        self.crc.combine(&crc32fast::Hasher::new_with_initial_len(block.crc32, block.raw_len));
    }

    /// The CRC-32 of the text so far.
    pub fn crc32(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// The bytes after the last block, for a text of `raw_len` bytes in total.
    pub fn trailer(&self, raw_len: u64) -> Bytes {
        match self.compression {
            Compression::Gzip(_) => {
                let mut trailer = Vec::with_capacity(10);
                trailer.extend_from_slice(&DEFLATE_END);
                trailer.extend_from_slice(&self.crc32().to_le_bytes());
                // ISIZE is the length modulo 2^32.
                trailer.extend_from_slice(&(raw_len as u32).to_le_bytes());
                trailer.into()
            }
            // Without any frame it would not be a valid file of that format.
            Compression::Zstd { .. } if raw_len == 0 => Bytes::from_static(&ZSTD_EMPTY_FRAME),
            Compression::Lz4(_) if raw_len == 0 => Bytes::from_static(&LZ4_EMPTY_FRAME),
            Compression::Lz4(_) | Compression::Zstd { .. } | Compression::None => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// Joins blocks as the pipeline's writer does.
    fn join(compression: Compression, blocks: &[Vec<u8>]) -> Vec<u8> {
        let mut compressor = BlockCompressor::new(compression).unwrap();
        let mut container = Container::new(compression);
        let mut out = container.header().to_vec();
        let mut raw_len = 0;
        for (number, raw) in blocks.iter().enumerate() {
            // Some runs have one block, some two.
            let block = compressor.compress(&mut raw.clone(), number % 3 == 0).unwrap();
            container.append(&block);
            raw_len += block.raw_len;
            out.extend_from_slice(&block.bytes);
        }
        if let Some(end) = compressor.end_run().unwrap() {
            out.extend_from_slice(&end.bytes);
        }
        out.extend_from_slice(&container.trailer(raw_len));
        out
    }

    fn decode(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match compression {
            // GzDecoder only reads the first member, so this checks that there is no second one.
            Compression::Gzip(_) => {
                let mut decoder = flate2::bufread::GzDecoder::new(bytes);
                decoder.read_to_end(&mut text).unwrap();
                assert!(decoder.into_inner().is_empty(), "bytes after the gzip member");
            }
            // lz4's decoder stops after each frame.
            Compression::Lz4(_) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let mut decoder = lz4::Decoder::new(Lz4Frame::new(rest)).unwrap();
                    decoder.read_to_end(&mut text).unwrap();
                    let (left, result) = decoder.finish();
                    result.unwrap();
                    rest = left.into_inner();
                }
            }
            Compression::Zstd { .. } => {
                zstd::Decoder::new(bytes).unwrap().read_to_end(&mut text).unwrap();
            }
            Compression::None => text.extend_from_slice(bytes),
        }
        text
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn an_empty_text_is_a_valid_file() {
        for compression in [Compression::GZIP, Compression::Lz4(0), Compression::ZSTD, Compression::None] {
            assert_eq!(decode(compression, &join(compression, &[])), b"");
        }
    }

    #[test]
    fn incompressible_blocks_survive() {
        let blocks = [noise(BLOCK_BYTES), noise(1), noise(3 * BLOCK_BYTES + 7)];
        for level in 1..=9 {
            let compression = Compression::Gzip(level);
            assert!(decode(compression, &join(compression, &blocks)) == blocks.concat(), "level {level}");
        }
    }

    #[test]
    fn frames_of_lz4_end_where_they_end() {
        let blocks = [noise(200_000), vec![b'x'; 100_000], Vec::new(), noise(70_000)];
        let joined = join(Compression::Lz4(0), &blocks);
        for room in [1, 7, 1000, 65_536] {
            let (mut text, mut rest) = (Vec::new(), joined.as_slice());
            while !rest.is_empty() {
                let mut decoder = lz4::Decoder::new(Lz4Frame::new(rest)).unwrap();
                let mut buffer = vec![0; room];
                loop {
                    match decoder.read(&mut buffer).unwrap() {
                        0 => break,
                        length => text.extend_from_slice(&buffer[..length]),
                    }
                }
                let (frame, result) = decoder.finish();
                result.unwrap();
                rest = frame.into_inner();
            }
            assert!(text == blocks.concat(), "{room}");
        }
        for cut in [0, 3, 5, 6, 9, 5000, 200_018, 200_022] {
            let mut decoder = lz4::Decoder::new(Lz4Frame::new(&joined[..cut])).unwrap();
            let outcome = decoder.read_to_end(&mut Vec::new());
            assert!(outcome.is_err() || decoder.finish().1.is_err(), "{cut}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_joined_decodes_to_the_text(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8),
            repeat in 1usize..200,
            compression in prop::sample::select(vec![
                Compression::Gzip(1), Compression::GZIP, Compression::Gzip(9),
                Compression::Lz4(0), Compression::Lz4(9), Compression::None,
                Compression::Zstd { level: -3, long: false }, Compression::ZSTD,
                Compression::Zstd { level: 12, long: true },
            ]),
        ) {
            let blocks: Vec<Vec<u8>> = blocks.into_iter().map(|block| block.repeat(repeat)).collect();
            let joined = join(compression, &blocks);
            prop_assert!(decode(compression, &joined) == blocks.concat());
        }
    }
}

//! Compression: blocks that are compressed independently, and the container that joins them.
//!
//! Workers compress blocks of about [`BLOCK_BYTES`] of text, each on its own thread; one writer joins them in
//! order. The output is what a single-threaded program could have written:
//!
//! * **gzip**: *one* member (RFC 1952). Each block is raw deflate ended by a full flush, which
//!   leaves the stream on a byte boundary and refers to nothing before it; the trailer's CRC-32 is
//!   combined from those of the blocks. One member, because many readers stop silently after the
//!   first member of a concatenated file, and for a backup that is silent loss.
//! * **zstd**: one frame per block with a content checksum (RFC 8878, section 3: a decoder must
//!   read concatenated frames).
//! * **lz4**: the same with LZ4 frames
//!   (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>).
//! * **none**: the plain text.
//!
//! The output depends only on the blocks and the level; it contains no time, name or machine.

mod compression;
mod lz4_frame;

use std::io::Write;

use bytes::Bytes;
use flate2::{Compress, FlushCompress};

pub use self::compression::Compression;
use crate::error::{Error, ErrorKind, Result};
pub(crate) use lz4_frame::Lz4Frame;

/// The maximum size of a block of text in bytes. Compared with one long stream, independent blocks of this
/// size increase the compressed size by about 0.3 %.
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

/// A block of text, compressed so that it can be placed anywhere in the stream.
#[derive(Debug, Clone)]
pub struct CompressedBlock {
    /// The compressed bytes.
    pub bytes: Bytes,
    /// The CRC-32 of the uncompressed text.
    pub crc32: u32,
    /// The length of the uncompressed text in bytes.
    pub raw_len: u64,
}

/// Compresses blocks, one after another, reusing its state. Each worker has one. It uses about 0.4 MB of heap
/// for gzip, and 1.4 to 15 MB for zstd.
pub struct BlockCompressor {
    method: Method,
    /// Holds a block's output until its size is known, so that the block that is passed on is no larger than
    /// needed: the byte budget counts lengths, which should match the memory used.
    scratch: Vec<u8>,
}

enum Method {
    Gzip(Compress),
    Lz4(u32),
    Zstd(zstd::bulk::Compressor<'static>),
    None,
}

impl BlockCompressor {
    /// Creates the state for one method and level.
    pub fn new(compression: Compression) -> Result<Self> {
        let method = match compression {
            Compression::Gzip(level) => Method::Gzip(Compress::new(flate2::Compression::new(level), false)),
            Compression::Lz4(level) => Method::Lz4(level),
            Compression::Zstd { level, long } => Method::Zstd(zstd_compressor(level, long).map_err(failed)?),
            Compression::None => Method::None,
        };
        Ok(BlockCompressor { method, scratch: Vec::new() })
    }

    /// Compresses one block. The result depends only on `raw` and the level.
    pub fn compress(&mut self, raw: &[u8]) -> Result<CompressedBlock> {
        let bytes = match &mut self.method {
            Method::None => Bytes::copy_from_slice(raw),
            Method::Gzip(state) => {
                deflate_block(state, raw, &mut self.scratch)?;
                Bytes::copy_from_slice(&self.scratch)
            }
            Method::Lz4(level) => lz4_frame(raw, *level).map_err(failed)?,
            Method::Zstd(state) => {
                self.scratch.clear();
                self.scratch.reserve(zstd::zstd_safe::compress_bound(raw.len()));
                state.compress_to_buffer(raw, &mut self.scratch).map_err(failed)?;
                Bytes::copy_from_slice(&self.scratch)
            }
        };
        Ok(CompressedBlock { bytes, crc32: crc32fast::hash(raw), raw_len: raw.len() as u64 })
    }
}

fn lz4_frame(raw: &[u8], level: u32) -> std::io::Result<Bytes> {
    let mut encoder = lz4::EncoderBuilder::new()
        .level(level)
        .block_size(lz4::BlockSize::Max1MB)
        .checksum(lz4::ContentChecksum::ChecksumEnabled)
        .build(Vec::new())?;
    encoder.write_all(raw)?;
    let (mut frame, result) = encoder.finish();
    result?;
    frame.shrink_to_fit();
    Ok(frame.into())
}

fn zstd_compressor(level: i32, long: bool) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.include_checksum(true)?;
    compressor.long_distance_matching(long)?;
    Ok(compressor)
}

/// Writes `raw` as raw deflate, ended by a full flush, into `out`.
fn deflate_block(state: &mut Compress, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
    state.reset();
    out.clear();
    out.reserve(deflate_bound(raw.len()));
    state.compress_vec(raw, out, FlushCompress::Full).map_err(failed)?;
    // One call must be enough. A second call might write the flush marker again, and the output would then
    // depend on the size of the buffer that an earlier block left behind.
    if state.total_in() as usize != raw.len() || out.len() == out.capacity() {
        return Err(failed("the block outgrew its bound"));
    }
    Ok(())
}

/// Upper bound for the deflate output: level 1 may spend 9 bits on each literal; the rest covers block
/// headers and the flush marker.
fn deflate_bound(raw_len: usize) -> usize {
    raw_len + raw_len / 8 + raw_len / 64 + 64
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Other, "compress a block").because(error)
}

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
        for raw in blocks {
            let block = compressor.compress(raw).unwrap();
            container.append(&block);
            raw_len += block.raw_len;
            out.extend_from_slice(&block.bytes);
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
    fn each_gzip_block_inflates_on_its_own() {
        let mut compressor = BlockCompressor::new(Compression::GZIP).unwrap();
        let text = b"1\tone\n".repeat(10_000);
        compressor.compress(&text).unwrap();
        let second = compressor.compress(&text).unwrap();
        let mut inflated = Vec::with_capacity(text.len() + 1);
        flate2::Decompress::new(false)
            .decompress_vec(&second.bytes, &mut inflated, flate2::FlushDecompress::Sync)
            .unwrap();
        assert!(inflated == text);
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

//! Compression: blocks that are made independently of each other, and the container that joins them.
//!
//! Workers compress blocks of about [`BLOCK_BYTES`] of text, each on its own thread; one writer
//! joins them in order. What comes out is what a single-threaded program could have written:
//!
//! * **gzip**: *one* member (RFC 1952). Each block is raw deflate ended by a full flush, which
//!   leaves the stream on a byte boundary and refers to nothing before it; the trailer's CRC-32 is
//!   combined from those of the blocks. One member, because many readers stop silently after the
//!   first member of a concatenated file, and for a backup that is silent loss.
//! * **zstd**: one frame per block with a content checksum (RFC 8878, section 3: a decoder must
//!   read concatenated frames).
//! * **none**: the text.
//!
//! The bytes depend on the blocks and the level alone: no time, name or machine is in them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use flate2::{Compress, FlushCompress};

use crate::error::{Error, ErrorKind, Result};

/// How many bytes of text a block holds at most. Independent blocks of this size cost about
/// 0.3 % of compressed size against one long stream.
pub const BLOCK_BYTES: usize = 1 << 20;

/// The default level of gzip: with zlib-rs it gives files a little smaller than `gzip -6` at
/// almost three times its speed.
const GZIP_DEFAULT_LEVEL: i32 = 5;

/// The level of zstd when none is given: zstd's own default, and pg_dump's.
const ZSTD_DEFAULT_LEVEL: i32 = 3;

/// Which levels each method takes. zlib's 0 ("stored") is left out, as pg_dump leaves it out.
const GZIP_LEVELS: std::ops::RangeInclusive<i32> = 1..=9;

/// ID1, ID2, CM = deflate, FLG = 0, MTIME = 0 (none), XFL = 0, OS = 255 (unknown). RFC 1952, 2.3.1.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty final block with fixed Huffman codes, which ends a deflate stream. RFC 1951, 3.2.3.
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

/// A frame without content: magic number, descriptor (single segment, checksum), content size 0, a
/// last raw block of size 0, and the low half of XXH64 of nothing. RFC 8878, 3.1.1.
const ZSTD_EMPTY_FRAME: [u8; 13] = [0x28, 0xb5, 0x2f, 0xfd, 0x24, 0, 1, 0, 0, 0x99, 0xe9, 0xd8, 0x51];

/// A compression method with its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, level 1 to 9.
    Gzip(u32),
    /// zstd, with a level of zstd's range, which includes negative ones.
    Zstd(i32),
    /// The text as it is.
    None,
}

impl Compression {
    /// gzip at our default level.
    pub const GZIP: Compression = Compression::Gzip(GZIP_DEFAULT_LEVEL as u32);
    /// zstd at our default level.
    pub const ZSTD: Compression = Compression::Zstd(ZSTD_DEFAULT_LEVEL);

    /// The method that a file or key name asks for by its suffix: `.gz`, `.zst`, or else none.
    pub fn for_name(name: &str) -> Compression {
        let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
        match suffix.as_deref() {
            Some("gz") => Compression::GZIP,
            Some("zst") => Compression::ZSTD,
            _ => Compression::None,
        }
    }

    /// The media type of what comes out.
    pub fn content_type(self) -> &'static str {
        match self {
            Compression::Gzip(_) => "application/gzip",
            Compression::Zstd(_) => "application/zstd",
            Compression::None => "application/sql",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::Gzip(level) => write!(f, "gzip:{level}"),
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
            Compression::None => f.write_str("none"),
        }
    }
}

/// Reads what pg_dump's `-Z` takes: `METHOD`, `METHOD:LEVEL`, `METHOD:level=LEVEL`, or a plain
/// number, which is gzip's level, with 0 for none.
impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(level) = text.parse::<i32>() {
            return if level == 0 { Ok(Compression::None) } else { gzip(level, text) };
        }
        let (method, detail) = match text.split_once(':') {
            Some((method, detail)) => (method, Some(detail)),
            None => (text, None),
        };
        let level = match detail {
            Some(detail) => Some(parse_level(detail, text)?),
            None => None,
        };
        match method {
            "gzip" => gzip(level.unwrap_or(GZIP_DEFAULT_LEVEL), text),
            "zstd" => zstd(level.unwrap_or(ZSTD_DEFAULT_LEVEL), text),
            "none" if level.unwrap_or(0) == 0 => Ok(Compression::None),
            "none" => Err(bad_compression(text, "none takes no level")),
            _ => Err(bad_compression(text, "the method is not one of gzip, zstd and none")),
        }
    }
}

fn parse_level(detail: &str, text: &str) -> Result<i32> {
    let digits = detail.strip_prefix("level=").unwrap_or(detail);
    digits.parse().map_err(|_| bad_compression(text, "the level is not a number"))
}

fn gzip(level: i32, text: &str) -> Result<Compression> {
    if !GZIP_LEVELS.contains(&level) {
        return Err(bad_compression(text, "gzip takes a level between 1 and 9"));
    }
    Ok(Compression::Gzip(level.unsigned_abs()))
}

fn zstd(level: i32, text: &str) -> Result<Compression> {
    let levels = zstd::compression_level_range();
    if !levels.contains(&level) {
        let reason = format!("zstd takes a level between {} and {}", levels.start(), levels.end());
        return Err(bad_compression(text, reason));
    }
    Ok(Compression::Zstd(level))
}

fn bad_compression(text: &str, reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, format!("read compression \"{text}\""))
        .because(reason.into())
        .hint("give gzip[:1-9], zstd[:level], none, or a number from 0 (none) to 9 (gzip)")
}

/// A block of text, compressed so that it can stand anywhere in the stream.
#[derive(Debug, Clone)]
pub struct CompressedBlock {
    /// What to write.
    pub bytes: Bytes,
    /// The CRC-32 of the text.
    pub crc32: u32,
    /// The length of the text in bytes.
    pub raw_len: u64,
}

/// Compresses blocks, one after another; its state is made once and used again.
/// Each worker has its own. About 0.4 MB of heap for gzip, 1.4 to 15 MB for zstd.
pub struct BlockCompressor {
    method: Method,
    /// Holds a block's output until its size is known, so that what is handed on is no larger
    /// than it must be: the byte budget counts lengths, and they should be what memory holds.
    scratch: Vec<u8>,
}

enum Method {
    Gzip(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
    None,
}

impl BlockCompressor {
    /// Makes the state for one method and level.
    pub fn new(compression: Compression) -> Result<Self> {
        let method = match compression {
            Compression::Gzip(level) => Method::Gzip(Compress::new(flate2::Compression::new(level), false)),
            Compression::Zstd(level) => Method::Zstd(zstd_compressor(level).map_err(failed)?),
            Compression::None => Method::None,
        };
        Ok(BlockCompressor { method, scratch: Vec::new() })
    }

    /// Compresses one block. The result depends on `raw` and the level only.
    pub fn compress(&mut self, raw: &[u8]) -> Result<CompressedBlock> {
        let bytes = match &mut self.method {
            Method::None => Bytes::copy_from_slice(raw),
            Method::Gzip(state) => {
                deflate_block(state, raw, &mut self.scratch)?;
                Bytes::copy_from_slice(&self.scratch)
            }
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

fn zstd_compressor(level: i32) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}

/// Writes `raw` as raw deflate, ended by a full flush, into `out`.
fn deflate_block(state: &mut Compress, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
    state.reset();
    out.clear();
    out.reserve(deflate_bound(raw.len()));
    state.compress_vec(raw, out, FlushCompress::Full).map_err(failed)?;
    // One call must do. A second one might write the flush marker again, and the bytes would then
    // depend on how large a buffer an earlier block happened to leave behind.
    if state.total_in() as usize != raw.len() || out.len() == out.capacity() {
        return Err(failed("the block outgrew its bound"));
    }
    Ok(())
}

/// No deflate is longer: level 1 may spend 9 bits on each literal; the rest covers block headers
/// and the flush marker.
fn deflate_bound(raw_len: usize) -> usize {
    raw_len + raw_len / 8 + raw_len / 64 + 64
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Other, "compress a block").because(error)
}

/// What surrounds the blocks in the stream, and sums them up.
pub struct Container {
    compression: Compression,
    crc: crc32fast::Hasher,
}

impl Container {
    /// An empty container.
    pub fn new(compression: Compression) -> Self {
        Container { compression, crc: crc32fast::Hasher::new() }
    }

    /// The bytes that come before the first block.
    pub fn header(&self) -> Bytes {
        match self.compression {
            Compression::Gzip(_) => Bytes::from_static(&GZIP_HEADER),
            Compression::Zstd(_) | Compression::None => Bytes::new(),
        }
    }

    /// Counts the next block in; the caller writes its bytes.
    pub fn append(&mut self, block: &CompressedBlock) {
        self.crc.combine(&crc32fast::Hasher::new_with_initial_len(block.crc32, block.raw_len));
    }

    /// The CRC-32 of all the text so far.
    pub fn crc32(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// The bytes that come after the last block, of a text of `raw_len` bytes in all.
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
            // No frame at all would not be a zstd file.
            Compression::Zstd(_) if raw_len == 0 => Bytes::from_static(&ZSTD_EMPTY_FRAME),
            Compression::Zstd(_) | Compression::None => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// Joins blocks as the writer does.
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
            // GzDecoder reads the first member only: that there is no second is the point.
            Compression::Gzip(_) => {
                let mut decoder = flate2::bufread::GzDecoder::new(bytes);
                decoder.read_to_end(&mut text).unwrap();
                assert!(decoder.into_inner().is_empty(), "bytes after the gzip member");
            }
            Compression::Zstd(_) => {
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
    fn reads_what_pg_dump_reads() {
        for (text, expected) in [
            ("gzip", Compression::Gzip(5)),
            ("gzip:9", Compression::Gzip(9)),
            ("gzip:level=1", Compression::Gzip(1)),
            ("zstd", Compression::Zstd(3)),
            ("zstd:-5", Compression::Zstd(-5)),
            ("zstd:22", Compression::Zstd(22)),
            ("none", Compression::None),
            ("none:0", Compression::None),
            ("0", Compression::None),
            ("6", Compression::Gzip(6)),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap(), expected, "{text}");
            assert_eq!(expected.to_string().parse::<Compression>().unwrap(), expected);
        }
    }

    #[test]
    fn refuses_bad_methods_and_levels() {
        for text in
            ["", "10", "-1", "gzip:", "gzip:0", "gzip:10", "gzip:x", "zstd:23", "none:1", "lz4", "GZIP", " 5"]
        {
            let error = text.parse::<Compression>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text:?}");
        }
    }

    #[test]
    fn a_name_asks_by_its_suffix() {
        assert_eq!(Compression::for_name("a/b.sql.gz"), Compression::GZIP);
        assert_eq!(Compression::for_name("b.SQL.ZST"), Compression::ZSTD);
        assert_eq!(Compression::for_name("b.sql"), Compression::None);
        assert_eq!(Compression::for_name("gz"), Compression::None);
    }

    #[test]
    fn an_empty_text_is_a_valid_file() {
        for compression in [Compression::GZIP, Compression::ZSTD, Compression::None] {
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_joined_decodes_to_the_text(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8),
            repeat in 1usize..200,
            compression in prop::sample::select(vec![
                Compression::Gzip(1), Compression::GZIP, Compression::Gzip(9),
                Compression::Zstd(-3), Compression::ZSTD, Compression::Zstd(12), Compression::None,
            ]),
        ) {
            let blocks: Vec<Vec<u8>> = blocks.into_iter().map(|block| block.repeat(repeat)).collect();
            let joined = join(compression, &blocks);
            prop_assert!(decode(compression, &joined) == blocks.concat());
        }
    }
}

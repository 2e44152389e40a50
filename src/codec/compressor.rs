//! Compresses the blocks of a run.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compress, FlushCompress};
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{self, CCtx, CParameter, InBuffer, OutBuffer, get_error_name};

use super::{BLOCK_BYTES, Compression};
use crate::error::{Error, ErrorKind, Result};

/// A run ends when its text has this length, and its compressed blocks [`RUN_STORED_BYTES`].
const RUN_TEXT_BYTES: u64 = 4 << 20;

/// What a new run costs is independent of how well its text compresses: a few kilobytes, since it must learn the
/// text anew. So runs of repetitive text are longer.
const RUN_STORED_BYTES: u64 = 1 << 20;

/// The maximum length of a run: decoding can begin this far before any point of the text, or nearer.
const LONGEST_RUN_BYTES: u64 = 32 << 20;

/// The largest window for zstd, as a power of two: 4 MiB. The highest levels would use more, and more memory than
/// all else together.
const ZSTD_WINDOW_LOG: u32 = 22;

/// The lowest level whose own window is as large.
const ZSTD_LEVEL_OF_WINDOW: i32 = 9;

/// The smallest window: 1 MiB. Level 1 and those below it have half as much by default. In repetitive rows, which differ
/// in a counter, twice the window finds much longer matches: they take a third less space, in the same time.
const ZSTD_LEAST_WINDOW_LOG: u32 = 20;

/// The highest level whose own window is smaller.
const ZSTD_LEVEL_OF_LEAST_WINDOW: i32 = 1;

/// The window for long-distance matching: 16 MiB.
const ZSTD_LONG_WINDOW_LOG: u32 = 24;

/// A block of text, compressed so that it can follow the block before it in its run, or, if it is the first, be
/// placed anywhere in the stream.
#[derive(Debug, Clone)]
pub struct CompressedBlock {
    /// The compressed bytes.
    pub bytes: Bytes,
    /// The CRC-32 of the uncompressed text.
    pub crc32: u32,
    /// The length of the uncompressed text in bytes.
    pub raw_len: u64,
    /// Whether it begins a run.
    pub is_restart_point: bool,
}

/// Compresses blocks, one after another, reusing its state. Each worker has one. It uses about 0.4 MB of heap
/// for gzip, and 2 to 40 MB for zstd, depending on the level.
pub struct BlockCompressor {
    method: Method,
    /// Holds a block's output until its size is known, so that the block that is passed on is no larger than
    /// needed: the byte budget counts lengths, which should match the memory used.
    scratch: Vec<u8>,
    /// The buffer of an earlier block.
    spare: Vec<u8>,
    run: Run,
}

/// What the current run has so far.
#[derive(Default)]
struct Run {
    text_bytes: u64,
    stored_bytes: u64,
}

impl Run {
    /// Whether a block of `text_bytes` should be the last. This depends on earlier blocks only, since the decision
    /// comes before compression.
    fn ends_with(&self, text_bytes: u64) -> bool {
        let text_bytes = self.text_bytes + text_bytes;
        let is_long = text_bytes >= RUN_TEXT_BYTES && self.stored_bytes >= RUN_STORED_BYTES;
        is_long || text_bytes + BLOCK_BYTES as u64 > LONGEST_RUN_BYTES
    }
}

enum Method {
    Gzip(Compress),
    Lz4(u32),
    Zstd(CCtx<'static>),
    None,
}

impl BlockCompressor {
    /// Creates the state for one method and level.
    pub fn new(compression: Compression) -> Result<Self> {
        let method = match compression {
            Compression::Gzip(level) => {
                Method::Gzip(Compress::new(flate2::Compression::new(zlib_rs_level(level)), false))
            }
            Compression::Lz4(level) => Method::Lz4(level),
            Compression::Zstd { level, long } => Method::Zstd(zstd_context(level, long).map_err(failed)?),
            Compression::None => Method::None,
        };
        Ok(BlockCompressor { method, scratch: Vec::new(), spare: Vec::new(), run: Run::default() })
    }

    /// Whether the next block begins a run.
    pub fn is_at_restart_point(&self) -> bool {
        self.run.text_bytes == 0
    }

    /// Gives the buffer of an earlier block, for the next one: new memory takes longer to touch than to fill.
    pub fn reuse(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.spare = buffer;
    }

    /// The scratch's contents, in the spare buffer if that is not much larger.
    fn output(&mut self) -> Bytes {
        let length = self.scratch.len();
        let mut out = std::mem::take(&mut self.spare);
        if !(length..=length + length / 4).contains(&out.capacity()) {
            out = Vec::with_capacity(length);
        }
        out.extend_from_slice(&self.scratch);
        out.into()
    }

    /// Compresses the next block of the run. It is the run's last if `is_last`, or if the run is long enough. The
    /// result depends only on the run's blocks and the level. `raw` may be left with another buffer: its own then became
    /// the block.
    ///
    /// # Errors
    /// If memory cannot be allocated.
    pub fn compress(&mut self, raw: &mut Vec<u8>, is_last: bool) -> Result<CompressedBlock> {
        let (crc32, raw_len) = (crc32fast::hash(raw), raw.len() as u64);
        let is_restart_point = self.is_at_restart_point();
        let ends = is_last || self.run.ends_with(raw_len);
        let (bytes, is_alone) = match &mut self.method {
            Method::None => (Bytes::from(std::mem::replace(raw, std::mem::take(&mut self.spare))), true),
            Method::Gzip(state) => {
                if is_restart_point {
                    state.reset();
                }
                deflate_block(state, raw, &mut self.scratch)?;
                (self.output(), false)
            }
            Method::Lz4(level) => (lz4_frame(raw, *level).map_err(failed)?, true),
            Method::Zstd(state) => {
                zstd_block(state, raw, ends, &mut self.scratch).map_err(failed)?;
                (self.output(), false)
            }
        };
        self.run.text_bytes += raw_len;
        self.run.stored_bytes += bytes.len() as u64;
        if ends || is_alone {
            self.run = Run::default();
        }
        Ok(CompressedBlock { bytes, crc32, raw_len, is_restart_point })
    }

    /// Ends a run whose last block was not known to be the last. Returns what that adds, if anything.
    ///
    /// # Errors
    /// As for [`BlockCompressor::compress`].
    pub fn end_run(&mut self) -> Result<Option<CompressedBlock>> {
        if std::mem::take(&mut self.run).text_bytes == 0 {
            return Ok(None);
        }
        let Method::Zstd(state) = &mut self.method else { return Ok(None) };
        zstd_block(state, &[], true, &mut self.scratch).map_err(failed)?;
        let bytes = self.output();
        Ok(Some(CompressedBlock { bytes, crc32: 0, raw_len: 0, is_restart_point: false }))
    }

    /// Begins a new run; an unfinished one is forgotten.
    pub fn restart(&mut self) {
        self.run = Run::default();
        if let Method::Zstd(state) = &mut self.method {
            // Resetting the session cannot fail.
            let _ = state.reset(zstd_safe::ResetDirective::SessionOnly);
        }
    }
}

/// zlib-rs's level for one of gzip's. Its own first level is faster than anybody expects, and its output a third larger
/// than that of `gzip -1`; its second one is smaller than that, and takes half the time.
fn zlib_rs_level(level: u32) -> u32 {
    if level == 1 { 2 } else { level }
}

fn lz4_frame(raw: &[u8], level: u32) -> io::Result<Bytes> {
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

fn zstd_error(code: usize) -> io::Error {
    io::Error::other(get_error_name(code))
}

fn zstd_context(level: i32, long: bool) -> io::Result<CCtx<'static>> {
    let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    let mut set = |parameter| context.set_parameter(parameter).map_err(zstd_error);
    set(CParameter::CompressionLevel(level))?;
    set(CParameter::ChecksumFlag(true))?;
    if long {
        set(CParameter::EnableLongDistanceMatching(true))?;
        set(CParameter::WindowLog(ZSTD_LONG_WINDOW_LOG))?;
    } else if level >= ZSTD_LEVEL_OF_WINDOW {
        set(CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
    } else if level <= ZSTD_LEVEL_OF_LEAST_WINDOW {
        set(CParameter::WindowLog(ZSTD_LEAST_WINDOW_LOG))?;
    }
    Ok(context)
}

/// Compresses a block of a frame into `out`, and ends the frame or flushes it.
fn zstd_block(context: &mut CCtx<'static>, raw: &[u8], ends: bool, out: &mut Vec<u8>) -> io::Result<()> {
    let how = if ends { ZSTD_EndDirective::ZSTD_e_end } else { ZSTD_EndDirective::ZSTD_e_flush };
    out.clear();
    out.reserve(zstd_safe::compress_bound(raw.len()) + ZSTD_OVERHEAD);
    let mut input = InBuffer::around(raw);
    loop {
        out.reserve(ZSTD_OVERHEAD);
        let written = out.len();
        let mut output = OutBuffer::around_pos(out, written);
        let left = context.compress_stream2(&mut output, &mut input, how).map_err(zstd_error)?;
        if left == 0 && input.pos == raw.len() {
            return Ok(());
        }
    }
}

/// What a frame's header, its end and flushed blocks may add to the bound of their text.
const ZSTD_OVERHEAD: usize = 1 << 10;

/// Writes `raw` as raw deflate, ended by a sync flush, into `out`.
fn deflate_block(state: &mut Compress, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let before = state.total_in();
    out.clear();
    out.reserve(deflate_bound(raw.len()));
    state.compress_vec(raw, out, FlushCompress::Sync).map_err(failed)?;
    // One call must be enough. A second call might write the flush marker again, and the output would then
    // depend on the size of the buffer that an earlier block left behind.
    if (state.total_in() - before) as usize != raw.len() || out.len() == out.capacity() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(salt: usize) -> Vec<u8> {
        (0..40_000)
            .flat_map(|row| format!("{row}\t{}\n", (row + salt) * 7919 % 100_003).into_bytes())
            .collect()
    }

    #[test]
    fn each_run_decodes_on_its_own() {
        for compression in [Compression::GZIP, Compression::Lz4(0), Compression::ZSTD, Compression::None] {
            let mut compressor = BlockCompressor::new(compression).unwrap();
            compressor.compress(&mut text(0), true).unwrap();
            let blocks = [
                compressor.compress(&mut text(1), false).unwrap(),
                compressor.compress(&mut text(2), true).unwrap(),
                compressor.compress(&mut text(3), false).unwrap(),
            ];
            assert!(blocks[0].is_restart_point && blocks[2].is_restart_point);
            let run = [&blocks[0].bytes[..], &blocks[1].bytes].concat();
            let expected = [text(1), text(2)].concat();
            let decoded = match compression {
                Compression::Gzip(_) => {
                    let mut inflated = Vec::with_capacity(expected.len() + 1);
                    flate2::Decompress::new(false)
                        .decompress_vec(&run, &mut inflated, flate2::FlushDecompress::Sync)
                        .unwrap();
                    inflated
                }
                Compression::Zstd { .. } => zstd::decode_all(&run[..]).unwrap(),
                Compression::Lz4(_) | Compression::None => continue,
            };
            assert!(decoded == expected, "{compression}");
        }
    }

    #[test]
    fn blocks_of_a_run_share_what_they_learned() {
        for compression in [Compression::GZIP, Compression::ZSTD] {
            let mut compressor = BlockCompressor::new(compression).unwrap();
            let alone = compressor.compress(&mut text(0), true).unwrap();
            compressor.compress(&mut text(0), false).unwrap();
            let after = compressor.compress(&mut text(0), true).unwrap();
            assert!(!after.is_restart_point);
            assert!(after.bytes.len() < alone.bytes.len(), "{compression}");
        }
    }

    #[test]
    fn runs_end_by_themselves() {
        let block: Vec<u8> = text(0).into_iter().cycle().take(BLOCK_BYTES).collect();
        for (compression, most) in [(Compression::GZIP, 6), (Compression::ZSTD, 32), (Compression::None, 1)] {
            let mut compressor = BlockCompressor::new(compression).unwrap();
            let mut blocks = (0..40).map(|_| compressor.compress(&mut block.clone(), false).unwrap());
            assert!(blocks.next().unwrap().is_restart_point);
            let length = blocks.position(|block| block.is_restart_point).unwrap() + 1;
            assert!(length <= most, "{compression}: {length} blocks");
        }
    }

    #[test]
    fn a_forgotten_run_leaves_nothing_behind() {
        let mut compressor = BlockCompressor::new(Compression::ZSTD).unwrap();
        compressor.compress(&mut text(0), false).unwrap();
        compressor.restart();
        assert!(compressor.end_run().unwrap().is_none());
        let block = compressor.compress(&mut text(1), true).unwrap();
        assert!(block.is_restart_point && zstd::decode_all(&block.bytes[..]).unwrap() == text(1));
    }
}

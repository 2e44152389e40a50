//! What was compressed comes back whatever the chunks, and what was not decodes to the same, or fails.

#![no_main]

use std::io::{self, BufRead, Read};

use libfuzzer_sys::fuzz_target;
use pgsiphon::codec::{BlockCompressor, Compression, Container};
use pgsiphon::fuzzing::{Format, decode};
use pgsiphon_fuzz::Input;

/// No more of the text is decoded: small inputs can hold much.
const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::of(data) else { return };
    if input.option(0) { comes_back(&input) } else { is_read_alike(&input) }
});

fn is_read_alike(input: &Input<'_>) {
    let (text, result) = decode(input.text, std::iter::repeat(1 << 16), LIMIT);
    let (chunked, chunked_result) = decode(InChunks::of(input), input.lengths(), LIMIT);
    if text.len() < LIMIT && chunked.len() < LIMIT {
        assert_eq!(result.as_ref().ok(), chunked_result.as_ref().ok(), "{result:?} {chunked_result:?}");
    }
    if result.is_ok() && chunked_result.is_ok() {
        assert!(text == chunked);
    }
}

fn comes_back(input: &Input<'_>) {
    let level = u32::from(input.options[1] >> 2);
    let (compression, format) = match input.options[1] % 4 {
        0 => (Compression::Gzip(level % 10), Format::Gzip),
        1 => (Compression::Lz4(level % 13), Format::Lz4),
        2 => (Compression::Zstd { level: 1 + (level % 9) as i32, long: false }, Format::Zstd),
        _ => (Compression::None, Format::Plain),
    };
    // Text that looks like a container is one when it is stored as it is.
    if format == Format::Plain && Format::of(input.text) != Format::Plain {
        return;
    }
    let mut stored = compress(compression, input);
    let mut expected = input.text.to_vec();
    if input.option(1) {
        stored.extend_from_within(..);
        expected.extend_from_within(..);
    }
    let (text, result) =
        decode(InChunks { chunks: input.lengths(), rest: &stored, left: 0 }, input.lengths(), LIMIT);
    assert_eq!(result.unwrap(), Some(format));
    assert!(text == expected);
}

fn compress(compression: Compression, input: &Input<'_>) -> Vec<u8> {
    let mut compressor = BlockCompressor::new(compression).unwrap();
    let mut container = Container::new(compression);
    let mut out = container.header().to_vec();
    let mut blocks = input.chunks().peekable();
    while let Some(block) = blocks.next() {
        let block = compressor.compress(&mut block.to_vec(), blocks.peek().is_none()).unwrap();
        container.append(&block);
        out.extend_from_slice(&block.bytes);
    }
    out.extend_from_slice(&container.trailer(input.text.len() as u64));
    out
}

/// Bytes of which a reader sees no more than a chunk at a time.
struct InChunks<'a, I> {
    chunks: I,
    rest: &'a [u8],
    /// What is left of the current chunk.
    left: usize,
}

impl<'a> InChunks<'a, ()> {
    fn of(input: &Input<'a>) -> InChunks<'a, impl Iterator<Item = usize> + use<>> {
        InChunks { chunks: input.lengths(), rest: input.text, left: 0 }
    }
}

impl<I: Iterator<Item = usize>> BufRead for InChunks<'_, I> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            self.left = self.chunks.next().unwrap_or(1).min(self.rest.len());
        }
        Ok(&self.rest[..self.left])
    }

    fn consume(&mut self, bytes: usize) {
        self.left -= bytes;
        self.rest = &self.rest[bytes..];
    }
}

impl<I: Iterator<Item = usize>> Read for InChunks<'_, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

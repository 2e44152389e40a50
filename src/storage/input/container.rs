//! The container formats of a stored text, recognized by their first bytes.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Read};
use std::rc::Rc;

use crate::codec::Lz4Frame;
use crate::error::{Error, ErrorKind};

/// The container formats that are recognised by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// gzip members (RFC 1952).
    Gzip,
    /// zstd frames (RFC 8878).
    Zstd,
    /// LZ4 frames.
    Lz4,
    /// Uncompressed.
    Plain,
}

impl Format {
    /// The format of data that begins with these bytes; needs at least four unless there are fewer.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Format::Gzip,
            // A frame, or a skippable frame.
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Format::Lz4,
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
            _ => Format::Plain,
        }
    }

    /// The name, as `-Z` accepts it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
            Format::Lz4 => "lz4",
            Format::Plain => "none",
        }
    }
}

/// How many bytes were read from a reader.
pub(crate) type Position = Rc<Cell<u64>>;

/// Counts the bytes read from a reader.
pub(crate) struct Counted<R> {
    pub(crate) reader: R,
    pub(crate) position: Position,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.position.set(self.position.get() + bytes as u64);
        self.reader.consume(bytes);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

/// The window of `zstd --long=31`, the largest possible: 2 GiB. zstd itself stops at 27 by default. Only
/// files made that way use so much memory.
const LARGEST_WINDOW_LOG: u32 = 31;

/// Decodes all members or frames up to the end of the input.
pub(crate) enum Decoder<R: BufRead> {
    Gzip(Option<Box<flate2::bufread::GzDecoder<R>>>),
    Zstd(Box<zstd::Decoder<'static, R>>),
    Lz4(Option<lz4::Decoder<Lz4Frame<R>>>),
    Plain(R),
}

impl<R: BufRead> Decoder<R> {
    pub(crate) fn new(format: Format, reader: R) -> io::Result<Self> {
        Ok(match format {
            Format::Gzip => Decoder::Gzip(Some(Box::new(flate2::bufread::GzDecoder::new(reader)))),
            Format::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(reader)?;
                decoder.window_log_max(LARGEST_WINDOW_LOG)?;
                Decoder::Zstd(Box::new(decoder))
            }
            Format::Lz4 => Decoder::Lz4(Some(lz4::Decoder::new(Lz4Frame::new(reader))?)),
            Format::Plain => Decoder::Plain(reader),
        })
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Plain(reader) => reader.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
            Decoder::Gzip(current) => loop {
                let Some(decoder) = current.as_mut() else { return Ok(0) };
                let length = decoder.read(buffer)?;
                if length > 0 {
                    return Ok(length);
                }
                let mut rest = match current.take() {
                    Some(decoder) => decoder.into_inner(),
                    None => return Ok(0),
                };
                if rest.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                if rest.fill_buf()?.first() == Some(&0) {
                    return skip_zeros(rest);
                }
                if rest.fill_buf()?.first() != Some(&0x1f) {
                    return Err(trailing("gzip member"));
                }
                *current = Some(Box::new(flate2::bufread::GzDecoder::new(rest)));
            },
            Decoder::Lz4(current) => loop {
                let Some(decoder) = current.as_mut() else { return Ok(0) };
                let length = decoder.read(buffer)?;
                if length > 0 {
                    return Ok(length);
                }
                let Some(decoder) = current.take() else { return Ok(0) };
                let (frame, finished) = decoder.finish();
                let mut rest = frame.into_inner();
                if finished.is_err() {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the last frame is cut off"));
                }
                while matches!(rest.fill_buf()?.first(), Some(0x50..=0x5f)) {
                    skip_frame(&mut rest)?;
                }
                if rest.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                *current = Some(lz4::Decoder::new(Lz4Frame::new(rest))?);
            },
        }
    }
}

/// Skips the zeros with which tapes and block devices pad files, like gzip does.
fn skip_zeros(mut rest: impl BufRead) -> io::Result<usize> {
    loop {
        let padding = rest.fill_buf()?;
        if padding.is_empty() {
            return Ok(0);
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err(trailing("gzip member"));
        }
        let length = padding.len();
        rest.consume(length);
    }
}

/// Skips a frame that LZ4 decoders must skip: its magic number is 0x184D2A50 to 0x184D2A5F.
fn skip_frame(mut reader: impl BufRead) -> io::Result<()> {
    let mut header = [0; 8];
    reader.read_exact(&mut header)?;
    let [_, magic @ .., a, b, c, d] = header;
    if magic != [0x2a, 0x4d, 0x18] {
        return Err(trailing("frame"));
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if io::copy(&mut reader.take(length), &mut io::sink())? < length {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the last frame is cut off"));
    }
    Ok(())
}

fn trailing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("something follows the last {what}"))
}

/// How many bytes are needed to recognize the format, also of the text in its first chunk.
const HEAD_BYTES: usize = 8;

/// A reader whose first bytes were read and put back.
pub(crate) type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Reads the first bytes to recognize the format, and puts them back.
pub(crate) fn peek<R: BufRead>(mut reader: R) -> io::Result<(Format, Peeked<R>)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok((Format::of(&head), Cursor::new(head).chain(reader)))
}

/// Converts a decoder's error: the data is damaged, unless reading it failed.
pub(crate) fn damaged(location: &str, format: Format, position: u64, error: io::Error) -> Error {
    if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<Error>().ok());
        return inner
            .map_or_else(|| Error::new(ErrorKind::StorageFailed, format!("read {location}")), |e| *e);
    }
    if format == Format::Zstd && error.to_string().contains("too much memory") {
        return Error::new(ErrorKind::Usage, format!("read {location}"))
            .because("its zstd frames need a window of more than 2 GiB")
            .hint(
                "decode it with `zstd -d --memory=…`, and use the decoded file, or pipe it to standard input",
            );
    }
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut off",
        _ => "it is corrupt",
    };
    Error::new(ErrorKind::Damaged, format!("read {location}"))
        .because(format!("{what}: {} fails at byte {position}: {error}", format.name()))
}

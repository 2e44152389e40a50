//! What the targets in `fuzz/` reach, and no other user of the library does. It is only there with
//! `--cfg fuzzing`, which cargo-fuzz sets.

use std::io::{self, BufRead, Read};

pub use crate::storage::input::container::Format;

use crate::error::Result;
use crate::index::Index;
use crate::pg::backend_filter::BackendFilter;
use crate::pg::conninfo::connstring;
use crate::pg::copy_in::CopySlot;
use crate::pg::copy_out::{Copied, CopyOutSlot};
use crate::restore::encoding::ClientOnly;
use crate::restore::lexer::{Lexer, Stop};
use crate::storage::input::container::{Decoder, peek};

/// Where the restore's lexer stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// How many bytes of the text it had taken by then.
    pub at: usize,
    /// `Comment`, `Statement` or `Backslash`, or `Hungry` at the end of the text.
    pub why: String,
    /// Whether anything but comments came before.
    pub is_significant: bool,
    /// Whether the statement is a COPY that reads rows.
    pub is_copy_from_stdin: bool,
    /// Whether it is a SET.
    pub is_set: bool,
    /// Whether nothing was open.
    pub is_between: bool,
}

/// Runs the restore's lexer over a text that comes in chunks, and over each backslash as if it were not
/// there. `encoding` is the name of a client encoding.
pub fn lex<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    standard_conforming_strings: bool,
    encoding: &str,
) -> Vec<Stopped> {
    let mut lexer = Lexer::new(standard_conforming_strings);
    lexer.set_encoding(ClientOnly::named(encoding));
    let mut stops = Vec::new();
    let mut at = 0;
    let stopped = |lexer: &Lexer, at: usize, why: Stop| Stopped {
        at,
        why: format!("{why:?}"),
        is_significant: lexer.is_significant(),
        is_copy_from_stdin: lexer.is_copy_from_stdin(),
        is_set: lexer.is_set(),
        is_between: lexer.is_between(),
    };
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let (taken, why) = lexer.scan(chunk);
            at += taken;
            chunk = &chunk[taken..];
            if why == Stop::Hungry {
                break;
            }
            stops.push(stopped(&lexer, at, why));
            if why == Stop::Backslash {
                at += 1;
                chunk = &chunk[1..];
            }
            lexer.reset();
        }
    }
    lexer.end_of_input();
    stops.push(stopped(&lexer, at, Stop::Hungry));
    stops
}

/// Decodes what is stored, in whatever container it is, by reads of at most these lengths, to at most
/// `limit` bytes of text. Gives the text so far also with an error.
pub fn decode(
    stored: impl BufRead,
    reads: impl Iterator<Item = usize>,
    limit: usize,
) -> (Vec<u8>, io::Result<Option<Format>>) {
    let mut text = Vec::new();
    let decode = || {
        let (format, stored) = peek(stored)?;
        let mut decoder = Decoder::new(format, stored)?;
        for length in reads {
            let mut buffer = vec![0; length];
            let length = decoder.read(&mut buffer)?;
            text.extend_from_slice(&buffer[..length]);
            if length == 0 || text.len() >= limit {
                break;
            }
        }
        Ok(Some(format))
    };
    let result = decode();
    text.truncate(limit);
    (text, result)
}

/// The index in these sections, as if they had been compressed under a good checksum.
///
/// # Errors
/// As for an index in a file.
pub fn index_of_sections(sections: &[u8]) -> Result<Index> {
    Index::of_sections(sections)
}

/// What a connection string says, in the order of the keywords' names.
///
/// # Errors
/// As for a connection string on the command line.
pub fn connection_settings(string: &str) -> Result<Vec<(&'static str, String)>> {
    connstring::parse(string).map(|settings| settings.pairs())
}

/// What tokio-postgres sees of the server's messages that come in chunks, and whether the server waits
/// for rows at the end. With `is_copying` a COPY expects to be asked for them.
pub fn filter_backend<'a>(chunks: impl Iterator<Item = &'a [u8]>, is_copying: bool) -> (Vec<u8>, bool) {
    let (_sender, rows) = tokio::sync::mpsc::channel(1);
    let slot = if is_copying { CopySlot::filled(rows) } else { CopySlot::default() };
    let mut filter = BackendFilter::new(slot, CopyOutSlot::default());
    let mut seen = Vec::new();
    for chunk in chunks {
        let mut bytes = chunk.to_vec();
        let kept = filter.filter(&mut bytes);
        seen.extend_from_slice(&bytes[..kept]);
    }
    (seen, filter.rows().is_some())
}

/// What the reader of a COPY gets of the server's messages that come in chunks: the text, how many rows it has, and how
/// many COPY commands ended; or why it is refused.
pub fn rows_of<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    chunk_bytes: usize,
) -> std::result::Result<(Vec<u8>, u64, usize), &'static str> {
    let (slot, end) = CopyOutSlot::filled(chunk_bytes);
    let mut filter = BackendFilter::new(CopySlot::default(), slot);
    for chunk in chunks {
        filter.filter(&mut chunk.to_vec());
    }
    let (mut text, mut rows, mut ends) = (Vec::new(), 0, 0);
    for copied in end.take()? {
        match copied {
            Copied::Rows(chunk) => {
                assert!(chunk.text.len() <= chunk_bytes);
                text.extend_from_slice(&chunk.text);
                rows += chunk.rows;
            }
            Copied::End => ends += 1,
        }
    }
    Ok((text, rows, ends))
}

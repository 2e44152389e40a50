//! Reads a backup's text as pieces.

use bytes::BytesMut;

use super::script::{Piece, ScriptError, Splitter};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::input::text::{BackupText, Format};

/// The pieces of a backup's text, read on demand.
pub struct Script {
    text: BackupText,
    /// Tracks the position in the text, and how to read it.
    pub(super) splitter: Splitter,
    /// The first bytes, until there are enough to recognize the format.
    head: BytesMut,
    begun: bool,
    ended: bool,
}

/// The first bytes of pg_dump's other formats: custom, and tar with the name of its first file.
const ARCHIVES: [&[u8]; 2] = [b"PGDMP", b"toc.dat\0"];

/// UTF-8's byte order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How many bytes are needed to recognize a text: the longest archive header.
const HEAD_BYTES: usize = 8;

/// What a text is according to its first bytes, if it is not SQL, and what to do about it. SQL has no
/// zero bytes, so a zero byte next to an ASCII character is half of a UTF-16 or part of a UTF-32
/// character.
fn other_than_text(head: &[u8]) -> Option<(String, String)> {
    let encoding = match head {
        [0xFF, 0xFE, 0, 0, ..] | [1..=255, 0, 0, 0, ..] => "UTF-32LE",
        [0, 0, 0xFE, 0xFF, ..] | [0, 0, 0, 1..=255, ..] => "UTF-32BE",
        [0xFF, 0xFE, ..] | [1..=255, 0, 1..=255, 0, ..] => "UTF-16LE",
        [0xFE, 0xFF, ..] | [0, 1..=255, 0, 1..=255, ..] => "UTF-16BE",
        [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x04, 0x22, 0x4D, 0x18, ..] => {
            return Some(("compressed twice".into(), "decompress it once, and try again".into()));
        }
        [b'<', ..] => {
            let what = "an HTML or XML document, such as a web server's error message".into();
            return Some((what, "check where it was downloaded from".into()));
        }
        _ => return None,
    };
    // If there is a byte order mark, iconv finds the byte order, and drops the mark.
    let from = match head {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, 0, 0xFE, 0xFF, ..] => &encoding[..6],
        _ => encoding,
    };
    Some((
        format!("text in {encoding}"),
        format!("convert it to UTF-8 first: iconv -f {from} -t UTF-8 dump.sql > dump.utf8.sql"),
    ))
}

impl Script {
    /// A script at the start of its text.
    pub fn new(text: BackupText) -> Self {
        Script { text, splitter: Splitter::new(true), head: BytesMut::new(), begun: false, ended: false }
    }

    /// The path or URL, for messages.
    pub fn location(&self) -> &str {
        self.text.location()
    }

    /// Whether the container has checksums that reveal corruption.
    pub(super) fn is_checked(&self) -> bool {
        self.format().is_some_and(|format| format != Format::Plain)
    }

    /// The container format; None until the first bytes are read.
    pub fn format(&self) -> Option<Format> {
        self.text.format()
    }

    /// The next piece, or `None` at the end. The future may be dropped.
    ///
    /// # Errors
    /// `Damaged`, if the text is cut off, or the stored bytes are corrupt; `RestoreFailed`, if it is not
    /// a dump.
    pub async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.splitter.next_piece().map_err(|e| self.refused(e))? {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            match self.text.next().await? {
                Some(chunk) => {
                    if self.begun {
                        self.splitter.push(chunk);
                        continue;
                    }
                    self.head.extend_from_slice(&chunk);
                    if self.head.len() >= HEAD_BYTES {
                        self.begin()?;
                    }
                }
                None if !self.begun => self.begin()?,
                None => {
                    self.ended = true;
                    return self.splitter.finish().map_err(|e| self.refused(e));
                }
            }
        }
    }

    /// Examines the first bytes; drops a byte order mark, like psql.
    fn begin(&mut self) -> Result<()> {
        self.begun = true;
        let mut head = std::mem::take(&mut self.head).freeze();
        self.refuse_archive(&head)?;
        if let Some((what, advice)) = other_than_text(&head) {
            return Err(Error::new(ErrorKind::RestoreFailed, format!("read {}", self.location()))
                .because(format!("it is {what}, not plain SQL"))
                .hint(advice));
        }
        if head.starts_with(BYTE_ORDER_MARK) {
            let _ = head.split_to(BYTE_ORDER_MARK.len());
        }
        if !head.is_empty() {
            self.splitter.push(head);
        }
        Ok(())
    }

    fn refuse_archive(&self, head: &[u8]) -> Result<()> {
        if !ARCHIVES.iter().any(|magic| head.starts_with(magic)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Usage, format!("read {}", self.location()))
            .because("it is an archive in pg_dump's custom or tar format, not plain SQL")
            .hint("restore it with pg_restore, or convert it to plain SQL with `pg_restore -f -`"))
    }

    fn refused(&self, error: ScriptError) -> Error {
        let kind = match error {
            ScriptError::EndsWithin(..) => ErrorKind::Damaged,
            _ => ErrorKind::RestoreFailed,
        };
        Error::new(kind, format!("read {}", self.location())).because(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures::{StreamExt, stream};

    use super::*;
    use crate::progress::Silent;
    use crate::storage::input::{Opened, text};

    /// Reads a stored text in chunks of this size, and joins the pieces.
    async fn joined(stored: &[u8], chunk: usize) -> Result<Vec<u8>> {
        let chunks: Vec<Result<Bytes>> =
            stored.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let opened = Opened { location: "b".into(), size: None, bytes: stream::iter(chunks).boxed() };
        let mut script = Script::new(text::read(opened, Arc::new(Silent)));
        let mut all = Vec::new();
        while let Some(piece) = script.next().await? {
            all.extend_from_slice(&piece.text);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_dropped() {
        for text in ["", ";", "SELECT 1;", "SELECT '\u{FEFF}';\r\nSELECT 2;\r\n"] {
            let marked = [BYTE_ORDER_MARK, text.as_bytes()].concat();
            for chunk in [1, 2, 5, 100] {
                assert_eq!(joined(text.as_bytes(), chunk).await.unwrap(), text.as_bytes());
                assert_eq!(joined(&marked, chunk).await.unwrap(), text.as_bytes(), "{text:?} {chunk}");
            }
            let packed = zstd::encode_all(&marked[..], 1).unwrap();
            assert_eq!(joined(&packed, 3).await.unwrap(), text.as_bytes(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_sql_is_named() {
        let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}-- dump").encode_utf16().flat_map(order).collect()
        };
        let wider = |order: fn(u32) -> [u8; 4], mark: &str| -> Vec<u8> {
            format!("{mark}-- dump").chars().flat_map(|c| order(u32::from(c))).collect()
        };
        let twice = zstd::encode_all(&zstd::encode_all(&b"SELECT 1;"[..], 1).unwrap()[..], 1).unwrap();
        for (stored, says, advises) in [
            (wide(u16::to_le_bytes, "\u{FEFF}"), "UTF-16LE", "-f UTF-16 "),
            (wide(u16::to_be_bytes, "\u{FEFF}"), "UTF-16BE", "-f UTF-16 "),
            (wide(u16::to_le_bytes, ""), "UTF-16LE", "-f UTF-16LE "),
            (wide(u16::to_be_bytes, ""), "UTF-16BE", "-f UTF-16BE "),
            (wider(u32::to_le_bytes, "\u{FEFF}"), "UTF-32LE", "-f UTF-32 "),
            (wider(u32::to_be_bytes, "\u{FEFF}"), "UTF-32BE", "-f UTF-32 "),
            (wider(u32::to_le_bytes, ""), "UTF-32LE", "-f UTF-32LE "),
            (wider(u32::to_be_bytes, ""), "UTF-32BE", "-f UTF-32BE "),
            (b"<?xml version='1.0'?><Error/>".to_vec(), "XML", "downloaded"),
            (b"PGDMP\x01\x10\x00".to_vec(), "custom", "pg_restore"),
            (twice, "compressed twice", "once"),
        ] {
            let error = joined(&stored, 3).await.unwrap_err();
            assert!(error.report().contains(says), "{says}: {error:?}");
            assert!(error.hints().is_some_and(|advice| advice.contains(advises)), "{advises}: {error:?}");
        }
    }
}

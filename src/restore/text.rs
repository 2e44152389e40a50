//! A backup's text, piece by piece as it comes.

use bytes::{Buf, BytesMut};

use super::script::{Piece, ScriptError, Splitter};
use crate::error::{Error, ErrorKind, Result};
use crate::input::text::{Format, Text};

/// The pieces of a backup's text.
pub struct Script {
    text: Text,
    /// Knows where in the text we are, and how it is read.
    pub(super) splitter: Splitter,
    /// The first bytes, until there are enough to tell what they are.
    head: Option<BytesMut>,
    ended: bool,
}

/// What tells the texts apart that are not plain SQL.
const HEAD_BYTES: usize = 8;

/// A UTF-8 byte order mark, which psql drops too.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How texts in encodings of two or four bytes a letter begin: with a byte order mark, or with the dashes
/// of the first comment or the line feed before it.
const WIDE: [(&[u8], &str); 10] = [
    (b"\xff\xfe\0\0", "UTF-32LE"),
    (b"\0\0\xfe\xff", "UTF-32BE"),
    (b"\xff\xfe", "UTF-16LE"),
    (b"\xfe\xff", "UTF-16BE"),
    (b"-\0\0\0", "UTF-32LE"),
    (b"\0\0\0-", "UTF-32BE"),
    (b"-\0", "UTF-16LE"),
    (b"\0-", "UTF-16BE"),
    (b"\n\0", "UTF-16LE"),
    (b"\0\n", "UTF-16BE"),
];

/// How pg_dump's other formats begin: custom, and tar with its first file's name.
const ARCHIVES: [&[u8]; 2] = [b"PGDMP", b"toc.dat\0"];

impl Script {
    /// A script at the start of its text.
    pub fn new(text: Text) -> Self {
        Script { text, splitter: Splitter::new(true), head: Some(BytesMut::new()), ended: false }
    }

    /// Where it comes from, for messages.
    pub fn location(&self) -> &str {
        self.text.location()
    }

    /// Whether wrong bytes can be told from right ones.
    pub(super) fn is_checked(&self) -> bool {
        self.format().is_some_and(|format| format != Format::Plain)
    }

    /// How the text is stored; known as soon as there is any.
    pub fn format(&self) -> Option<Format> {
        self.text.format()
    }

    /// The next piece, or `None` at the end. May be dropped unfinished.
    ///
    /// # Errors
    /// `Damaged`, if the text is cut off, or what is stored is not what was written; `RestoreFailed`,
    /// if it is no dump's.
    pub async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.splitter.next_piece().map_err(|e| self.refused(e))? {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            match self.text.next().await? {
                Some(chunk) => match &mut self.head {
                    None => self.splitter.push(chunk),
                    Some(head) => {
                        head.extend_from_slice(&chunk);
                        if head.len() >= HEAD_BYTES {
                            self.begin()?;
                        }
                    }
                },
                // Shorter than any head; what it holds is cut up before the text ends.
                None if self.head.is_some() => self.begin()?,
                None => {
                    self.ended = true;
                    return self.splitter.finish().map_err(|e| self.refused(e));
                }
            }
        }
    }

    /// Looks at the first bytes, and hands them on.
    fn begin(&mut self) -> Result<()> {
        let Some(mut head) = self.head.take() else { return Ok(()) };
        self.refuse_archive(&head)?;
        if let Some((_, encoding)) = WIDE.iter().find(|(start, _)| head.starts_with(start)) {
            return Err(Error::new(ErrorKind::RestoreFailed, format!("read {}", self.location()))
                .because(format!("it is text in {encoding}, as PowerShell's > writes it"))
                .hint(format!("convert it by `iconv -f {encoding} -t UTF-8`, or dump with -f")));
        }
        if head.starts_with(BYTE_ORDER_MARK) {
            head.advance(BYTE_ORDER_MARK.len());
        }
        self.splitter.push(head.freeze());
        Ok(())
    }

    fn refuse_archive(&self, head: &[u8]) -> Result<()> {
        if !ARCHIVES.iter().any(|magic| head.starts_with(magic)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Usage, format!("read {}", self.location()))
            .because("it is an archive in pg_dump's custom or tar format, not plain SQL")
            .hint("pg_restore restores it, and `pg_restore -f -` makes plain SQL of it"))
    }

    fn refused(&self, error: ScriptError) -> Error {
        let kind = match error {
            ScriptError::EndsWithin(..) => ErrorKind::Damaged,
            _ => ErrorKind::RestoreFailed,
        };
        Error::new(kind, format!("read {}", self.location())).because(error)
    }
}

//! A backup's text, piece by piece as it comes.

use super::script::{Piece, ScriptError, Splitter};
use crate::error::{Error, ErrorKind, Result};
use crate::input::text::{Format, Text};

/// The pieces of a backup's text.
pub struct Script {
    text: Text,
    /// Knows where in the text we are, and how it is read.
    pub(super) splitter: Splitter,
    begun: bool,
    ended: bool,
}

/// How pg_dump's other formats begin: custom, and tar with its first file's name.
const ARCHIVES: [&[u8]; 2] = [b"PGDMP", b"toc.dat\0"];

impl Script {
    /// A script at the start of its text.
    pub fn new(text: Text) -> Self {
        Script { text, splitter: Splitter::new(true), begun: false, ended: false }
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
                Some(chunk) => {
                    if !std::mem::replace(&mut self.begun, true) {
                        self.refuse_archive(&chunk)?;
                    }
                    self.splitter.push(chunk);
                }
                None => {
                    self.ended = true;
                    return self.splitter.finish().map_err(|e| self.refused(e));
                }
            }
        }
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

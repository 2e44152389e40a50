//! A backup's text, piece by piece as it comes.

use super::script::{Piece, ScriptError, Splitter};
use crate::error::{Error, ErrorKind, Result};
use crate::input::text::Text;

/// The pieces of a backup's text.
pub struct Script {
    text: Text,
    /// Knows where in the text we are, and how it is read.
    pub(super) splitter: Splitter,
    ended: bool,
}

impl Script {
    /// A script at the start of its text.
    pub fn new(text: Text) -> Self {
        Script { text, splitter: Splitter::new(true), ended: false }
    }

    /// Where it comes from, for messages.
    pub fn location(&self) -> &str {
        self.text.location()
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
                Some(chunk) => self.splitter.push(chunk),
                None => {
                    self.ended = true;
                    return self.splitter.finish().map_err(|e| self.refused(e));
                }
            }
        }
    }

    fn refused(&self, error: ScriptError) -> Error {
        let kind = match error {
            ScriptError::EndsWithin(..) => ErrorKind::Damaged,
            _ => ErrorKind::RestoreFailed,
        };
        Error::new(kind, format!("read {}", self.location())).because(error)
    }
}

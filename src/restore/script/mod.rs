//! Cuts the text of a dump into pieces to be processed in order.
//!
//! The text is read like psql reads it, but only as far as pg_dump and pg_dumpall need: statements,
//! `COPY … FROM stdin` with its rows, comments, and meta-commands, which must stand where a statement
//! could begin. Joining the pieces gives back the text. At most one statement is held in memory; rows
//! are streamed.

use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::encoding::ClientOnly;
use super::lexer::{Lexer, Stop};

/// PostgreSQL's limit for a statement; a longer one means that a quote was lost.
const LONGEST_STATEMENT: usize = 1 << 30;

/// Ends the rows, at the beginning of a line.
const END_OF_ROWS: &[u8] = b"\\.";

/// The kind of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// White space between statements.
    Space,
    /// One comment between statements; a line comment includes its line ending.
    Comment,
    /// One statement, including its semicolon.
    Statement,
    /// A `COPY … FROM stdin`, including its semicolon; [`PieceKind::Rows`] follow.
    CopyFromStdin,
    /// Some bytes of a COPY's rows.
    Rows,
    /// The line that ends the rows.
    EndOfRows,
    /// A line with a psql meta-command.
    MetaCommand,
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The kind.
    pub kind: PieceKind,
    /// The bytes, in the dump's encoding.
    pub text: Bytes,
    /// The line in which it begins, counted from 1.
    pub line: u64,
}

/// The text cannot be a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptError {
    /// The text ends within something that begins on this line.
    EndsWithin(&'static str, u64),
    /// A backslash within a statement that begins on this line.
    Backslash(u64),
    /// Something follows a `COPY … FROM stdin;` on its line.
    AfterCopy(u64),
    /// A statement is longer than PostgreSQL allows.
    TooLong(u64),
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptError::EndsWithin(what, line) => {
                write!(f, "the text ends within {what} that begins on line {line}")
            }
            ScriptError::Backslash(line) => write!(f, "line {line} has a backslash within a statement"),
            ScriptError::AfterCopy(line) => {
                write!(f, "line {line} continues after a COPY that reads the lines below")
            }
            ScriptError::TooLong(line) => {
                write!(f, "the statement on line {line} has more than {LONGEST_STATEMENT} bytes")
            }
        }
    }
}

impl std::error::Error for ScriptError {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Statements, comments, and space between them.
    Text,
    MetaCommand,
    /// The rest of a COPY's line.
    AfterCopy,
    Rows {
        at_line_start: bool,
    },
}

/// Splits text; see the module documentation. Call [`Splitter::push`] when [`Splitter::next_piece`]
/// returns None.
#[derive(Debug)]
pub struct Splitter {
    mode: Mode,
    lexer: Lexer,
    /// Input that was not examined yet.
    input: Bytes,
    /// The examined part of an incomplete piece.
    held: BytesMut,
    /// The line of the next byte to be returned.
    line: u64,
    end_of_rows: memmem::Finder<'static>,
}

impl Splitter {
    /// A splitter at the start of a text. `standard_conforming_strings` is the session's initial
    /// setting; later SET commands in the text are followed.
    pub fn new(standard_conforming_strings: bool) -> Self {
        Splitter {
            mode: Mode::Text,
            lexer: Lexer::new(standard_conforming_strings),
            input: Bytes::new(),
            held: BytesMut::new(),
            line: 1,
            end_of_rows: memmem::Finder::new(b"\n\\."),
        }
    }

    /// Informs the splitter of a new session with its own settings.
    pub(super) fn reconnected(&mut self, standard_conforming_strings: bool, encoding: Option<ClientOnly>) {
        self.lexer.set_standard_conforming_strings(standard_conforming_strings);
        self.lexer.set_encoding(encoding);
    }

    /// Sets the encoding of the following text.
    pub(super) fn set_encoding(&mut self, encoding: Option<ClientOnly>) {
        self.lexer.set_encoding(encoding);
    }

    /// Applies a SET from the text again after [`Splitter::reconnected`].
    pub(super) fn follow(&mut self, statement: &[u8]) {
        self.apply(PsqlSetting::read(statement));
    }

    fn apply(&mut self, setting: Option<PsqlSetting>) {
        match setting {
            Some(PsqlSetting::StandardConformingStrings(on)) => {
                self.lexer.set_standard_conforming_strings(on)
            }
            Some(PsqlSetting::ClientEncoding(encoding)) => self.lexer.set_encoding(encoding),
            None => {}
        }
    }

    /// Adds more text. All text added before must have been consumed.
    pub fn push(&mut self, text: Bytes) {
        debug_assert!(self.input.is_empty());
        self.input = text;
    }

    /// The line of the next byte to be returned, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next piece, or `None` if it needs more text.
    ///
    /// # Errors
    /// If the text is not a dump. The splitter cannot continue afterwards.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, ScriptError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        match self.mode {
            Mode::Text => self.next_in_text(),
            Mode::MetaCommand => Ok(self.next_meta_command()),
            Mode::AfterCopy => self.next_after_copy(),
            Mode::Rows { at_line_start } => Ok(self.next_rows(at_line_start)),
        }
    }

    /// The last piece, after all text has been pushed and consumed.
    ///
    /// # Errors
    /// If the text ends within a statement, a comment or rows.
    pub fn finish(&mut self) -> Result<Option<Piece>, ScriptError> {
        debug_assert!(self.input.is_empty());
        self.lexer.end_of_input();
        match self.mode {
            Mode::Rows { .. } if self.held[..] == *END_OF_ROWS => {
                self.mode = Mode::Text;
                Ok(Some(self.held_piece(PieceKind::EndOfRows)))
            }
            Mode::Rows { .. } | Mode::AfterCopy => Err(ScriptError::EndsWithin("rows", self.line)),
            _ if self.held.is_empty() => Ok(None),
            Mode::MetaCommand => {
                self.mode = Mode::Text;
                Ok(Some(self.held_piece(PieceKind::MetaCommand)))
            }
            Mode::Text if self.lexer.is_significant() => {
                Err(ScriptError::EndsWithin("a statement", self.line))
            }
            Mode::Text if self.lexer.is_between() => Ok(Some(self.held_piece(PieceKind::Comment))),
            Mode::Text => Err(ScriptError::EndsWithin("a comment", self.line)),
        }
    }

    fn next_in_text(&mut self) -> Result<Option<Piece>, ScriptError> {
        if self.held.is_empty() {
            let space = self.input.iter().take_while(|byte| is_space(**byte)).count();
            if space > 0 {
                let text = self.input.split_to(space);
                return Ok(Some(self.piece(PieceKind::Space, text)));
            }
            if self.input.first() == Some(&b'\\') {
                self.mode = Mode::MetaCommand;
                return Ok(self.next_meta_command());
            }
        }
        let (taken, stop) = self.lexer.scan(&self.input);
        self.hold(taken);
        match stop {
            Stop::Hungry if self.held.len() > LONGEST_STATEMENT => Err(ScriptError::TooLong(self.line)),
            Stop::Hungry => Ok(None),
            Stop::Backslash => Err(ScriptError::Backslash(self.line + lines_in(&self.held))),
            Stop::Comment => {
                self.lexer.reset();
                Ok(Some(self.held_piece(PieceKind::Comment)))
            }
            Stop::Statement => Ok(Some(self.end_statement())),
        }
    }

    fn end_statement(&mut self) -> Piece {
        let is_copy = self.lexer.is_copy_from_stdin();
        if self.lexer.is_set() {
            let setting = PsqlSetting::read(&self.held);
            self.apply(setting);
        }
        self.lexer.reset();
        if is_copy {
            self.mode = Mode::AfterCopy;
        }
        self.held_piece(if is_copy { PieceKind::CopyFromStdin } else { PieceKind::Statement })
    }

    fn next_meta_command(&mut self) -> Option<Piece> {
        match memchr::memchr(b'\n', &self.input) {
            Some(end) => {
                self.hold(end + 1);
                self.mode = Mode::Text;
                Some(self.held_piece(PieceKind::MetaCommand))
            }
            None => {
                self.hold(self.input.len());
                None
            }
        }
    }

    fn next_after_copy(&mut self) -> Result<Option<Piece>, ScriptError> {
        let end = memchr::memchr(b'\n', &self.input);
        let text = self.input.split_to(end.map_or(self.input.len(), |end| end + 1));
        if !text.iter().all(|byte| is_space(*byte)) {
            return Err(ScriptError::AfterCopy(self.line));
        }
        if end.is_some() {
            self.mode = Mode::Rows { at_line_start: true };
        }
        Ok(Some(self.piece(PieceKind::Space, text)))
    }

    fn next_rows(&mut self, mut at_line_start: bool) -> Option<Piece> {
        if !self.held.is_empty() {
            return self.next_at_doubtful_line();
        }
        let mut at = 0;
        loop {
            let rest = &self.input[at..];
            if at_line_start {
                match end_of_rows(rest) {
                    EndOfRows::Here(length) if at == 0 => {
                        let text = self.input.split_to(length);
                        self.mode = Mode::Text;
                        return Some(self.piece(PieceKind::EndOfRows, text));
                    }
                    EndOfRows::Unclear if at == 0 => {
                        self.mode = Mode::Rows { at_line_start: true };
                        self.hold(self.input.len());
                        return None;
                    }
                    // Return what comes before first.
                    EndOfRows::Here(_) | EndOfRows::Unclear => {
                        let text = self.input.split_to(at);
                        self.mode = Mode::Rows { at_line_start: true };
                        return Some(self.piece(PieceKind::Rows, text));
                    }
                    EndOfRows::No => {}
                }
            }
            match self.end_of_rows.find(rest) {
                Some(newline) => {
                    at += newline + 1;
                    at_line_start = true;
                }
                None => return Some(self.rest_of_rows()),
            }
        }
    }

    /// Returns the whole input as rows, except its last bytes if they may begin the end marker.
    fn rest_of_rows(&mut self) -> Piece {
        let length = self.input.len();
        let doubtful = if self.input.ends_with(b"\n\\") { 1 } else { 0 };
        let ends_line = doubtful > 0 || self.input.ends_with(b"\n");
        let text = self.input.split_to(length - doubtful);
        self.mode = Mode::Rows { at_line_start: ends_line };
        self.piece(PieceKind::Rows, text)
    }

    /// Continues where a buffer ended within the first bytes of a line that may be the end marker.
    fn next_at_doubtful_line(&mut self) -> Option<Piece> {
        while !self.input.is_empty() {
            self.hold(1);
            match end_of_rows(&self.held) {
                EndOfRows::Unclear => {}
                EndOfRows::Here(_) => {
                    self.mode = Mode::Text;
                    return Some(self.held_piece(PieceKind::EndOfRows));
                }
                EndOfRows::No => {
                    self.mode = Mode::Rows { at_line_start: self.held.ends_with(b"\n") };
                    return Some(self.held_piece(PieceKind::Rows));
                }
            }
        }
        None
    }

    fn hold(&mut self, bytes: usize) {
        self.held.extend_from_slice(&self.input.split_to(bytes));
    }

    fn held_piece(&mut self, kind: PieceKind) -> Piece {
        let text = self.held.split().freeze();
        self.piece(kind, text)
    }

    fn piece(&mut self, kind: PieceKind, text: Bytes) -> Piece {
        let line = self.line;
        self.line += lines_in(&text);
        Piece { kind, text, line }
    }
}

enum EndOfRows {
    /// The marker is here, and has this many bytes.
    Here(usize),
    No,
    /// The bytes end before that can be decided.
    Unclear,
}

/// Whether a line that begins here ends the rows.
fn end_of_rows(bytes: &[u8]) -> EndOfRows {
    match bytes {
        [b'\\', b'.', b'\n', ..] => EndOfRows::Here(3),
        [b'\\', b'.', b'\r', b'\n', ..] => EndOfRows::Here(4),
        [] | [b'\\'] | [b'\\', b'.'] | [b'\\', b'.', b'\r'] => EndOfRows::Unclear,
        _ => EndOfRows::No,
    }
}

fn lines_in(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
}

/// What a SET changes about how the following text is read.
enum PsqlSetting {
    StandardConformingStrings(bool),
    ClientEncoding(Option<ClientOnly>),
}

impl PsqlSetting {
    fn read(statement: &[u8]) -> Option<Self> {
        let text = str::from_utf8(statement).ok()?.trim_end_matches(';');
        let mut words = text.split(|c: char| c.is_ascii_whitespace() || c == '=').filter(|w| !w.is_empty());
        let mut word = || words.next().map(str::to_ascii_lowercase);
        if word()? != "set" {
            return None;
        }
        let mut name = word()?;
        if name == "session" || name == "local" {
            name = word()?;
        }
        let mut value = word()?;
        if value == "to" {
            value = word()?;
        }
        let value = value.trim_matches('\'');
        match name.as_str() {
            "standard_conforming_strings" => {
                Some(PsqlSetting::StandardConformingStrings(!matches!(value, "off" | "false" | "no" | "0")))
            }
            "client_encoding" | "names" => Some(PsqlSetting::ClientEncoding(ClientOnly::named(value))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

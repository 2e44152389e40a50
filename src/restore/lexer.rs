//! Finds where statements end, with as much of PostgreSQL's lexical rules as that requires (manual,
//! "Lexical Structure").
//!
//! A semicolon ends a statement unless it is in a literal, a quoted name, a comment, parentheses
//! (`CREATE RULE … DO (…; …)`) or the body of a routine (`BEGIN ATOMIC …; … END`). The lexer consumes
//! one byte at a time, so it does not matter how the text is divided into buffers.

use super::encoding::ClientOnly;

/// Why [`Lexer::scan`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// All bytes were consumed.
    Hungry,
    /// A comment ended, and there have been only comments so far.
    Comment,
    /// A semicolon ended the statement.
    Statement,
    /// A backslash outside of literals, names and comments. It was not consumed.
    Backslash,
}

/// The context of the next byte.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Between two tokens.
    Between,
    /// In a keyword or an unquoted name.
    Word,
    /// In a number, including any letters in it.
    Number,
    /// After a minus that may begin a comment.
    Dash,
    /// After a slash that may begin a comment.
    Slash,
    LineComment,
    /// Block comments nest. `last` is the previous byte while it may be half of `/*` or `*/`.
    BlockComment {
        depth: u32,
        last: u8,
    },
    /// In a string literal; if `escapes`, a backslash escapes the next byte.
    Literal {
        escapes: bool,
    },
    LiteralBackslash,
    /// After a quote that ends a literal, unless another quote follows.
    LiteralQuote {
        escapes: bool,
    },
    /// In a quoted name. A doubled quote ends it and begins another, which has the same effect.
    Name,
    /// In `$tag$`, before its second dollar.
    DollarTag,
    /// In a dollar-quoted literal; the last `matched` bytes may be the start of its end.
    Dollar {
        matched: usize,
    },
}

/// The beginning of the statement, as far as it affects where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Start,
    Create,
    CreateOr,
    CreateOrReplace,
    /// CREATE FUNCTION or PROCEDURE.
    Routine,
    Copy,
    Set,
    Other,
}

/// The token before the current one, if it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Previous {
    Begin,
    From,
    Dot,
    Other,
}

/// Longer words are not relevant keywords.
const WORD_BYTES: usize = 10;

/// Splits text into statements; see the module documentation.
#[derive(Debug)]
pub(crate) struct Lexer {
    state: State,
    head: Head,
    previous: Previous,
    /// The current word in lower case, truncated.
    word: Vec<u8>,
    /// The `$tag$` of the current dollar quote.
    tag: Vec<u8>,
    parens: u32,
    /// BEGIN ATOMIC and CASE without an END so far.
    begins: u32,
    /// `FROM stdin` was seen in a COPY.
    from_stdin: bool,
    /// Something other than comments was seen.
    significant: bool,
    /// How literals like the last one are read, while another literal on a later line may continue it;
    /// and whether a line has ended since.
    continues: Option<(bool, bool)>,
    standard_conforming_strings: bool,
    encoding: Option<ClientOnly>,
    /// Remaining bytes of the current character.
    following: u8,
    /// The next byte is the second one of its character.
    second: bool,
}

impl Lexer {
    pub(crate) fn new(standard_conforming_strings: bool) -> Self {
        Lexer {
            state: State::Between,
            head: Head::Start,
            previous: Previous::Other,
            word: Vec::new(),
            tag: Vec::new(),
            parens: 0,
            begins: 0,
            from_stdin: false,
            significant: false,
            continues: None,
            standard_conforming_strings,
            encoding: None,
            following: 0,
            second: false,
        }
    }

    /// Prepares for the next statement or comment.
    pub(crate) fn reset(&mut self) {
        let mut fresh = Lexer::new(self.standard_conforming_strings);
        fresh.encoding = self.encoding;
        *self = fresh;
    }

    /// Whether there was anything except comments since the reset.
    pub(crate) fn is_significant(&self) -> bool {
        self.significant
    }

    /// Whether the lexer is between tokens with nothing open.
    pub(crate) fn is_between(&self) -> bool {
        self.state == State::Between
    }

    /// Whether the statement is a COPY that reads rows from its client.
    pub(crate) fn is_copy_from_stdin(&self) -> bool {
        self.from_stdin
    }

    /// Whether the statement is a SET.
    pub(crate) fn is_set(&self) -> bool {
        self.head == Head::Set
    }

    /// Sets `standard_conforming_strings` from the next statement on.
    pub(crate) fn set_standard_conforming_strings(&mut self, on: bool) {
        self.standard_conforming_strings = on;
    }

    /// Sets the text's encoding from the next statement on, if it needs special treatment.
    pub(crate) fn set_encoding(&mut self, encoding: Option<ClientOnly>) {
        self.encoding = encoding;
    }

    /// Consumes bytes until something ends. Returns how many it consumed.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        while at < bytes.len() {
            at += self.skip(&bytes[at..]);
            let Some(&byte) = bytes.get(at) else { break };
            let stop = self.take(byte);
            if stop == Stop::Backslash {
                return (at, stop);
            }
            at += 1;
            if stop != Stop::Hungry {
                return (at, stop);
            }
        }
        (at, Stop::Hungry)
    }

    /// Handles the end of the input, which ends a line comment.
    pub(crate) fn end_of_input(&mut self) {
        if matches!(self.state, State::LineComment) {
            self.state = State::Between;
        }
    }

    /// How many bytes can be skipped because nothing can end in them.
    fn skip(&self, bytes: &[u8]) -> usize {
        if self.encoding.is_some() {
            return 0;
        }
        let found = match self.state {
            State::Literal { escapes: false } => memchr::memchr(b'\'', bytes),
            State::Literal { escapes: true } => memchr::memchr2(b'\'', b'\\', bytes),
            State::Name => memchr::memchr(b'"', bytes),
            State::LineComment => memchr::memchr2(b'\n', b'\r', bytes),
            State::Dollar { matched: 0 } => memchr::memchr(b'$', bytes),
            _ => Some(0),
        };
        found.unwrap_or(bytes.len())
    }

    /// Hides a byte that is part of a multibyte character.
    fn disguised(&mut self, byte: u8) -> u8 {
        let Some(encoding) = self.encoding else { return byte };
        if self.following > 0 {
            self.following -= 1;
            if std::mem::take(&mut self.second) {
                self.following += encoding.following_second(byte);
            }
            return 0xFF;
        }
        self.following = encoding.following(byte);
        self.second = self.following > 0;
        byte
    }

    fn take(&mut self, byte: u8) -> Stop {
        let byte = self.disguised(byte);
        match &mut self.state {
            State::Between => return self.between(byte),
            State::Word if is_word(byte) => self.grow_word(byte),
            State::Word if byte == b'\'' && self.word == b"e" => self.open_literal(true),
            State::Word => {
                self.end_word();
                return self.between(byte);
            }
            State::Number if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' => {}
            State::Number => return self.between(byte),
            State::Dash if byte == b'-' => self.state = State::LineComment,
            State::Slash if byte == b'*' => self.state = State::BlockComment { depth: 1, last: 0 },
            State::Dash | State::Slash => {
                self.token();
                return self.between(byte);
            }
            State::LineComment if byte == b'\n' || byte == b'\r' => return self.end_comment(byte),
            State::LineComment => {}
            State::BlockComment { depth, last } => match (*last, byte) {
                (b'*', b'/') if *depth == 1 => return self.end_comment(byte),
                (b'*', b'/') => (*depth, *last) = (*depth - 1, 0),
                (b'/', b'*') => (*depth, *last) = (*depth + 1, 0),
                _ => *last = byte,
            },
            State::Literal { escapes: true } if byte == b'\\' => self.state = State::LiteralBackslash,
            State::Literal { escapes } if byte == b'\'' => {
                self.state = State::LiteralQuote { escapes: *escapes };
            }
            State::Literal { .. } => {}
            State::LiteralBackslash => self.state = State::Literal { escapes: true },
            State::LiteralQuote { escapes } if byte == b'\'' => {
                self.state = State::Literal { escapes: *escapes };
            }
            State::LiteralQuote { escapes } => {
                self.continues = Some((*escapes, false));
                return self.between(byte);
            }
            State::Name if byte == b'"' => self.state = State::Between,
            State::Name => {}
            State::DollarTag => return self.in_dollar_tag(byte),
            State::Dollar { matched } => {
                let expected = self.tag[*matched];
                *matched = match byte {
                    byte if byte == expected => *matched + 1,
                    // A mismatch may end in the dollar that starts another attempt.
                    b'$' => 1,
                    _ => 0,
                };
                if *matched == self.tag.len() {
                    self.state = State::Between;
                }
            }
        }
        Stop::Hungry
    }

    /// Consumes a byte that begins a token, is a token, or is space.
    fn between(&mut self, byte: u8) -> Stop {
        self.state = State::Between;
        match byte {
            b'\n' | b'\r' => {
                if let Some((_, line_ended)) = &mut self.continues {
                    *line_ended = true;
                }
            }
            b' ' | b'\t' | 0x0B | 0x0C => {}
            b'-' => self.state = State::Dash,
            b'/' => self.state = State::Slash,
            b'\\' => return Stop::Backslash,
            b'\'' => {
                let escapes = match self.continues {
                    Some((escapes, true)) => escapes,
                    _ => !self.standard_conforming_strings,
                };
                self.open_literal(escapes);
            }
            b'"' => {
                self.token();
                self.state = State::Name;
            }
            b'$' => {
                self.significant = true;
                self.tag.clear();
                self.tag.push(byte);
                self.state = State::DollarTag;
            }
            b'0'..=b'9' => {
                self.token();
                self.state = State::Number;
            }
            _ if is_word(byte) => {
                self.significant = true;
                self.continues = None;
                self.word.clear();
                self.grow_word(byte);
                self.state = State::Word;
            }
            b';' if self.parens == 0 && self.begins == 0 => {
                self.significant = true;
                return Stop::Statement;
            }
            _ => {
                match byte {
                    b'(' => self.parens += 1,
                    b')' => self.parens = self.parens.saturating_sub(1),
                    _ => {}
                }
                self.token();
                if byte == b'.' {
                    self.previous = Previous::Dot;
                }
            }
        }
        Stop::Hungry
    }

    /// A token that is not a word.
    fn token(&mut self) {
        self.significant = true;
        self.continues = None;
        self.previous = Previous::Other;
        if self.head == Head::Start {
            self.head = Head::Other;
        }
    }

    fn open_literal(&mut self, escapes: bool) {
        self.token();
        self.state = State::Literal { escapes };
    }

    fn end_comment(&mut self, byte: u8) -> Stop {
        self.state = State::Between;
        if !self.significant {
            return Stop::Comment;
        }
        self.between(if byte == b'/' { b' ' } else { byte })
    }

    fn in_dollar_tag(&mut self, byte: u8) -> Stop {
        let begins = self.tag.len() == 1;
        match byte {
            b'$' => {
                self.tag.push(byte);
                self.token();
                self.state = State::Dollar { matched: 0 };
            }
            // `$1` is a parameter.
            _ if is_word(byte) && byte != b'$' && !(begins && byte.is_ascii_digit()) => self.tag.push(byte),
            _ => {
                self.token();
                if begins && byte.is_ascii_digit() {
                    self.state = State::Number;
                    return Stop::Hungry;
                }
                return self.between(byte);
            }
        }
        Stop::Hungry
    }

    fn grow_word(&mut self, byte: u8) {
        if self.word.len() <= WORD_BYTES {
            self.word.push(byte.to_ascii_lowercase());
        }
    }

    fn end_word(&mut self) {
        let previous = std::mem::replace(&mut self.previous, Previous::Other);
        let word = self.word.as_slice();
        self.head = match (self.head, word) {
            (Head::Start, b"create") => Head::Create,
            (Head::Start, b"copy") => Head::Copy,
            (Head::Start, b"set") => Head::Set,
            (Head::Create, b"or") => Head::CreateOr,
            (Head::CreateOr, b"replace") => Head::CreateOrReplace,
            (Head::Create | Head::CreateOrReplace, b"function" | b"procedure") => Head::Routine,
            (head @ (Head::Routine | Head::Copy | Head::Set), _) => head,
            _ => Head::Other,
        };
        // In parentheses CASE and END come in pairs; a qualified name is not a keyword.
        if self.parens > 0 || previous == Previous::Dot {
            return;
        }
        match (self.head, word) {
            (Head::Copy, b"from") => self.previous = Previous::From,
            (Head::Copy, b"stdin") if previous == Previous::From => self.from_stdin = true,
            (Head::Routine, b"begin") if self.begins == 0 => self.previous = Previous::Begin,
            (Head::Routine, b"atomic") if previous == Previous::Begin => self.begins = 1,
            (Head::Routine, b"case") if self.begins > 0 => self.begins += 1,
            (Head::Routine, b"end") => self.begins = self.begins.saturating_sub(1),
            _ => {}
        }
    }
}

/// Letters, digits, `_`, `$`, and all non-ASCII bytes.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

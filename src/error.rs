//! The one error type of the library: what was attempted, why it failed, how to mend it.

use std::error::Error as StdError;
use std::fmt;

/// The result of anything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The classes of failure that users can tell apart by exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Anything without a class of its own.
    Other,
    /// The command line or the configuration is wrong.
    Usage,
    /// The source cannot be reached, or does not let us log in.
    SourceUnreachable,
    /// The source failed, refused a statement, or changed under us.
    SourceFailed,
    /// The storage cannot be reached, or does not let us in.
    StorageUnreachable,
    /// The storage failed while we were writing.
    StorageFailed,
    /// There is an object at the key already.
    KeyExists,
    /// A backup is damaged.
    Damaged,
    /// Another run holds the slot.
    SlotHeld,
    /// The storage's answer was lost, and nothing proves whether the object is there.
    OutcomeUnknown,
    /// A restore failed.
    RestoreFailed,
    /// A prune was refused.
    PruneRefused,
    /// SIGINT or SIGTERM ended the run; the number is the signal's.
    Interrupted(u8),
}

impl ErrorKind {
    /// The process's exit code, a contract with users (see `docs/exit-codes.md`).
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Other => 1,
            ErrorKind::Usage => 2,
            ErrorKind::SourceUnreachable => 3,
            ErrorKind::SourceFailed => 4,
            ErrorKind::StorageUnreachable => 5,
            ErrorKind::StorageFailed => 6,
            ErrorKind::KeyExists => 7,
            ErrorKind::Damaged => 8,
            ErrorKind::SlotHeld => 9,
            ErrorKind::OutcomeUnknown => 10,
            ErrorKind::RestoreFailed => 11,
            ErrorKind::PruneRefused => 12,
            ErrorKind::Interrupted(signal) => 128u8.saturating_add(signal),
        }
    }
}

/// A failure. `Display` says only what was attempted; [`StdError::source`] says why;
/// [`Error::hint`] says how to mend it. [`Error::report`] joins the three for a person to read.
pub struct Error {
    kind: ErrorKind,
    attempted: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    hint: Option<String>,
}

impl Error {
    /// `attempted` is a phrase of verb and object, lower-case, without a full stop:
    /// "read pg_index", "upload part 17 of s3://b/k".
    pub fn new(kind: ErrorKind, attempted: impl Into<String>) -> Self {
        Error { kind, attempted: attempted.into(), source: None, hint: None }
    }

    /// Attaches the cause, an error or a plain sentence.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Attaches advice on how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The class of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The advice, if there is any.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// One line for a person: `attempted: cause: cause's cause (hint: …)`.
    pub fn report(&self) -> String {
        let mut line = self.line();
        if let Some(hint) = &self.hint {
            line.push_str(" (hint: ");
            line.push_str(hint);
            line.push(')');
        }
        one_line(&line)
    }

    /// The same without the hint: `attempted: cause: cause's cause`.
    pub fn line(&self) -> String {
        let mut line = self.attempted.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries print their source as part of themselves.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        one_line(&line)
    }
}

/// Server messages may hold anything: keeps the line one line, and the terminal safe.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempted)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.report())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|s| s.as_ref() as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_joins_attempt_causes_and_hint() {
        let inner = Error::new(ErrorKind::Other, "open socket").because("no such file");
        let outer = Error::new(ErrorKind::SourceUnreachable, "connect to \"h\"")
            .because(inner)
            .hint("is the server\nrunning?");
        assert_eq!(
            outer.report(),
            "connect to \"h\": open socket: no such file (hint: is the server running?)"
        );
        assert_eq!(outer.kind().exit_code(), 3);
    }

    #[test]
    fn a_signal_gives_the_shells_exit_code() {
        assert_eq!(ErrorKind::Interrupted(2).exit_code(), 130);
        assert_eq!(ErrorKind::Interrupted(15).exit_code(), 143);
    }
}

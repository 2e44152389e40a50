//! The library's error type: what was attempted, why it failed, and what to do.
//!
//! An error is printed as one line: `attempted: cause: cause's cause (hint: what to do)`.
//!
//! * **What was attempted** is a verb and its object, in lower case and without a full stop: "read
//!   pg_index", "upload part 17 of s3://b/k". Whoever calls the operation says it, with the object's name,
//!   once: [`Error::new`] where a foreign error becomes ours, [`Error::context`] where our own error is part
//!   of something larger that the user asked for.
//! * **Why** is the source: a foreign error, or a sentence. It is attached ([`Error::because`]), never
//!   formatted into the text, so that nothing is printed twice and `source` can be inspected.
//! * **What to do** is the hint. Whoever knows the remedy gives it: mostly the place that made the error
//!   ([`Error::hint`]). A caller that knows more adds to it ([`Error::and_hint`]): what is left behind, and
//!   the command that removes it. Hints are never lost on the way up: [`Error::hints`] collects those of
//!   all errors in the chain.
//! * **The kind** is the class of failure that the exit code shows to users. It is chosen where the error is
//!   made; context does not change it.
//!
//! Errors are returned, not logged. They are logged once, where they are handled: by `main`, which prints the
//! one that ends the program; by the scheduler, for a run; and as a warning by code that continues without
//! the part that failed. They never contain rows, passwords or connection strings.

use std::error::Error as StdError;
use std::fmt;

/// The result of every fallible function of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Classes of failure that users can tell apart by the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Any failure without a class of its own.
    Other,
    /// The command line or the configuration is wrong.
    Usage,
    /// The source cannot be reached, or rejects the login.
    SourceUnreachable,
    /// The source failed, refused a statement, or changed during the run.
    SourceFailed,
    /// The storage cannot be reached, or denies access.
    StorageUnreachable,
    /// The storage failed while we were writing.
    StorageFailed,
    /// The key already has an object.
    KeyExists,
    /// A backup is damaged.
    Damaged,
    /// Another run of the job holds its lock.
    JobLocked,
    /// The storage's answer was lost, and it is unknown whether the object exists.
    OutcomeUnknown,
    /// A restore failed.
    RestoreFailed,
    /// A prune was refused.
    PruneRefused,
    /// The run was told to stop. Only the program knows which signal caused it.
    Interrupted,
}

impl ErrorKind {
    /// The process's exit code, which users rely on (see `docs/exit-codes.md`).
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
            ErrorKind::JobLocked => 9,
            ErrorKind::OutcomeUnknown => 10,
            ErrorKind::RestoreFailed => 11,
            ErrorKind::PruneRefused => 12,
            // SIGINT's exit code; `main` replaces it if it was another signal.
            ErrorKind::Interrupted => 130,
        }
    }
}

/// A failure. `Display` gives only what was attempted, [`StdError::source`] gives the reason, and
/// [`Error::hints`] gives the remedy. [`Error::report`] joins the three into a message for users.
pub struct Error {
    kind: ErrorKind,
    attempted: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    hint: Option<String>,
}

impl Error {
    /// `attempted` is a verb and its object, in lower case and without a full stop: "read pg_index", "upload
    /// part 17 of s3://b/k".
    pub fn new(kind: ErrorKind, attempted: impl Into<String>) -> Self {
        Error { kind, attempted: attempted.into(), source: None, hint: None }
    }

    /// The run was told to stop during this step.
    pub fn interrupted(attempted: impl Into<String>) -> Self {
        Error::new(ErrorKind::Interrupted, attempted).because("interrupted")
    }

    /// Attaches the cause, an error or a plain sentence.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Makes this error the cause of a larger attempt that failed. Keeps its kind and hints.
    #[must_use]
    pub fn context(self, attempted: impl Into<String>) -> Self {
        Error::new(self.kind, attempted).because(self)
    }

    /// Replaces the kind, where only the caller knows how to classify the error.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the hint, replacing any hint of this error. Hints of its causes stay.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.hint_if(Some(hint))
    }

    /// Sets the hint as [`Error::hint`] does, if there is one.
    #[must_use]
    pub fn hint_if(mut self, hint: Option<impl Into<String>>) -> Self {
        if let Some(hint) = hint {
            self.hint = Some(hint.into());
        }
        self
    }

    /// Adds a hint to those that the error already has.
    #[must_use]
    pub fn and_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(match self.hint {
            Some(first) => format!("{first}; {}", hint.into()),
            None => hint.into(),
        });
        self
    }

    /// The class of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The hints of all errors in the chain, innermost first.
    pub fn hints(&self) -> Option<String> {
        let mut hints = Vec::new();
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            hints.extend(error.downcast_ref::<Error>().and_then(|error| error.hint.as_deref()));
            cause = error.source();
        }
        hints.reverse();
        hints.dedup();
        (!hints.is_empty()).then(|| hints.join("; "))
    }

    /// The error as one line for users: `attempted: cause: cause's cause (hint: …)`.
    pub fn report(&self) -> String {
        match self.hints() {
            Some(hints) => format!("{} (hint: {})", self.line(), one_line(&hints)),
            None => self.line(),
        }
    }

    /// The same line without the hints: `attempted: cause: cause's cause`.
    pub fn line(&self) -> String {
        let mut line = self.attempted.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries include their source in their own text.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        one_line(&line)
    }
}

/// Server messages can contain anything: keeps the message on one line, and safe for the terminal.
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
    fn context_keeps_kind_and_hints() {
        let inner = Error::new(ErrorKind::StorageFailed, "abort upload u").hint("to remove it: aws …");
        let outer = inner.context("write the dump").and_hint("or wait");
        assert_eq!(outer.kind(), ErrorKind::StorageFailed);
        assert_eq!(outer.report(), "write the dump: abort upload u (hint: to remove it: aws …; or wait)");
    }

    #[test]
    fn the_hint_of_a_cause_is_not_lost() {
        let inner = Error::new(ErrorKind::SourceFailed, "lock 5 tables").hint("raise it");
        let outer = Error::new(ErrorKind::Usage, "dump").because(inner).hint("then again");
        assert_eq!(outer.report(), "dump: lock 5 tables (hint: raise it; then again)");
    }

    #[test]
    fn hints_are_added_to_the_first_one() {
        let error = |hint: Option<&str>| Error::new(ErrorKind::Other, "x").hint_if(hint);
        assert_eq!(error(None).hints(), None);
        assert_eq!(error(None).and_hint("b").hints().as_deref(), Some("b"));
        assert_eq!(error(Some("a")).and_hint("b").hints().as_deref(), Some("a; b"));
        assert_eq!(error(Some("a")).hint("b").hints().as_deref(), Some("b"));
    }
}

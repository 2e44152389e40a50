//! Warnings of a run: logged where they arise, and kept for the manifest and the report.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many warnings are kept. Further ones are only logged and counted.
const KEPT: usize = 100;

/// The warnings of one run. Clones share the same list, so each thread and task of the run can hold one.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    texts: Vec<String>,
    more: usize,
}

impl Warnings {
    /// Logs a warning and keeps it.
    pub fn warn(&self, text: impl fmt::Display) {
        let text = text.to_string();
        tracing::warn!("{text}");
        let mut kept = self.lock();
        if kept.texts.len() < KEPT {
            kept.texts.push(text);
        } else {
            kept.more += 1;
        }
    }

    /// The warnings so far. If some were not kept, the last line counts them.
    pub fn texts(&self) -> Vec<String> {
        let kept = self.lock();
        let more = (kept.more > 0).then(|| format!("{} more warnings are in the log", kept.more));
        kept.texts.iter().cloned().chain(more).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_other_threads_are_kept() {
        let warnings = Warnings::default();
        let of_thread = warnings.clone();
        warnings.warn("one");
        std::thread::spawn(move || of_thread.warn("two")).join().unwrap();
        assert_eq!(warnings.texts(), ["one", "two"]);
    }

    #[test]
    fn their_number_is_bounded() {
        let warnings = Warnings::default();
        for number in 0..KEPT + 3 {
            warnings.warn(number);
        }
        let texts = warnings.texts();
        assert_eq!(texts.len(), KEPT + 1);
        assert_eq!(texts[KEPT], "3 more warnings are in the log");
    }
}

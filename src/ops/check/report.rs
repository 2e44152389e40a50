//! The findings of `check`.

use serde::Serialize;

use crate::error::{Error, ErrorKind};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is wrong.
    Ok,
    /// Backups work, but something may go wrong later.
    Warning,
    /// A backup, or a command that uses backups, will fail.
    Failed,
}

/// The result of one check.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The name of the check, in a word or two.
    pub check: &'static str,
    /// The database, if the finding is about one.
    pub database: Option<String>,
    /// The severity.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// The exit code of a backup that fails for this reason.
    pub exit_code: u8,
    /// The class of the error, if it is one.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

/// All findings about a job, in the order of the checks.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The job.
    pub job: String,
    /// Whether nothing failed.
    pub ok: bool,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(job: &str, findings: Findings) -> Self {
        let ok = findings.0.iter().all(|finding| finding.level != Level::Failed);
        Report { job: job.to_owned(), ok, findings: findings.0 }
    }

    /// The failed checks.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.level == Level::Failed)
    }

    /// The class of the first failure.
    pub fn first_failure(&self) -> Option<ErrorKind> {
        self.failures().find_map(|finding| finding.kind)
    }
}

#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, found: impl Into<String>) -> &mut Finding {
        self.push(check, Level::Ok, found.into(), None, None)
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        hint: impl Into<String>,
    ) -> &mut Finding {
        self.push(check, Level::Warning, found.into(), Some(hint.into()), None)
    }

    /// The error's hint becomes the finding's.
    pub(super) fn fail(&mut self, check: &'static str, error: &Error) -> &mut Finding {
        let hint = error.hints();
        self.push(check, Level::Failed, error.line(), hint, Some(error.kind()))
    }

    pub(super) fn extend(&mut self, more: Findings) {
        self.0.extend(more.0);
    }

    fn push(
        &mut self,
        check: &'static str,
        level: Level,
        found: String,
        hint: Option<String>,
        kind: Option<ErrorKind>,
    ) -> &mut Finding {
        let exit_code = kind.map_or(0, ErrorKind::exit_code);
        self.0.push(Finding { check, database: None, level, found, hint, exit_code, kind });
        // It was just pushed.
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

impl Finding {
    pub(super) fn of(&mut self, database: &str) {
        self.database = Some(database.to_owned());
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Human-readable.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_decides() {
        let mut findings = Findings::default();
        findings.ok("a", "fine");
        findings.warn("b", "so so", "fix it");
        findings.fail("c", &Error::new(ErrorKind::SourceFailed, "read t").because("no").hint("grant it"));
        findings.fail("d", &Error::new(ErrorKind::StorageUnreachable, "write"));
        let report = Report::new("j", findings);
        assert!(!report.ok);
        assert_eq!(report.first_failure(), Some(ErrorKind::SourceFailed));
        let failed = report.failures().next().unwrap();
        assert_eq!((failed.found.as_str(), failed.hint.as_deref()), ("read t: no", Some("grant it")));
        assert_eq!(failed.exit_code, 4);
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!((size(7), size(1536)), ("7 B".to_owned(), "1.5 KiB".to_owned()));
        assert_eq!(size(625 << 30), "625.0 GiB");
    }
}

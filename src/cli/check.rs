//! `pgsiphon check`: tests everything a job needs.

use chrono::Utc;
use clap::Args;
use pgsiphon::error::{Error, Result};
use pgsiphon::ops::check::{self, Finding, Level, Report};

use super::jobs::JobArgs;

/// The width of the column that names the check.
const WIDTH: usize = 18;

#[derive(Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(super) jobs: JobArgs,
}

/// Runs the command.
pub(crate) async fn run(args: CheckArgs) -> Result<()> {
    let config = args.jobs.load()?;
    let mut reports = Vec::new();
    for job in args.jobs.select(&config)? {
        let report = Box::pin(check::run(job, Utc::now())).await;
        if !args.jobs.json {
            super::print(&shown(&report))?;
        }
        reports.push(report);
    }
    if args.jobs.json {
        super::print_json(&reports)?;
    }
    let failures = || reports.iter().flat_map(Report::failures);
    let Some(kind) = reports.iter().find_map(Report::first_failure) else { return Ok(()) };
    let named: Vec<_> = failures().map(|finding| finding.check).collect();
    let jobs: Vec<_> = reports.iter().filter(|report| !report.ok).map(|report| report.job.as_str()).collect();
    Err(Error::new(kind, format!("check {}", jobs.join(", ")))
        .because(format!("failed: {}", named.join(", "))))
}

fn shown(report: &Report) -> String {
    let mut text = format!("job {}\n", report.job);
    for finding in &report.findings {
        text.push_str(&line(finding));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("  {:8} {:WIDTH$} hint: {hint}\n", "", ""));
        }
    }
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    text.push_str(&format!(
        "job {}: {} ok, {} warnings, {} failed\n",
        report.job,
        count(Level::Ok),
        count(Level::Warning),
        count(Level::Failed)
    ));
    text
}

fn line(finding: &Finding) -> String {
    let level = match finding.level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Failed => "failed",
    };
    let about = finding.database.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    format!("  {level:8} {:WIDTH$} {about}{}\n", finding.check, finding.found)
}

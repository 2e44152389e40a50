//! `pgsiphon backup`: runs the configured jobs now.

use std::sync::Arc;

use chrono::{SubsecRound, Utc};
use clap::Args;
use pgsiphon::config::Job;
use pgsiphon::error::{Error, Result};
use pgsiphon::ops::{Outcome, RunReport};
use pgsiphon::ops::{backup, notify};
use pgsiphon::progress::{Progress, Silent};
use pgsiphon::storage::store;
use tokio_util::sync::CancellationToken;

use super::jobs::JobArgs;
use super::progress::{Bar, When};
use super::table::{bytes, table};

#[derive(Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(super) jobs: JobArgs,
    /// Start immediately, regardless of the schedule (always the case)
    #[arg(long)]
    now: bool,
    /// Only show what would be done
    #[arg(long, conflicts_with = "now")]
    dry_run: bool,
    /// When to show a progress bar on standard error
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,
}

/// Runs the command.
pub(crate) async fn run(args: BackupArgs, shutdown: CancellationToken) -> Result<()> {
    let config = args.jobs.load()?;
    let jobs = args.jobs.select(&config)?;
    if args.dry_run {
        return dry_run(&jobs, args.jobs.json).await;
    }
    let mut reports = Vec::new();
    for job in jobs {
        let show = args.progress.shows(false);
        let progress: Arc<dyn Progress> = if show { Arc::new(Bar::new()) } else { Arc::new(Silent) };
        let now = Utc::now().trunc_subsecs(0);
        notify::started(&job.notify).await;
        let report = Box::pin(backup::run(job, now, progress, shutdown.clone())).await;
        notify::finished(&job.notify, &report).await;
        if !args.jobs.json {
            super::print(&summary(&report))?;
        }
        reports.push(report);
        if shutdown.is_cancelled() {
            break;
        }
    }
    if args.jobs.json {
        super::print_json(&reports)?;
    }
    conclude(&reports)
}

/// The command fails with the first failure of all runs.
fn conclude(reports: &[RunReport]) -> Result<()> {
    let failures: Vec<_> = reports.iter().flat_map(RunReport::failures).collect();
    let Some(first) = failures.first() else { return Ok(()) };
    // The last line is the failure that the exit code stands for.
    for failure in failures.iter().skip(1) {
        eprintln!("pgsiphon: error: {}", failure.message);
    }
    let attempted = match reports {
        [report] => format!("run job \"{}\"", report.job),
        _ => format!("run {} jobs", reports.len()),
    };
    Err(Error::new(first.kind, attempted).because(first.message.clone()))
}

fn summary(report: &RunReport) -> String {
    let headings =
        ["DATABASE", ">RELATIONS", ">ROWS", ">TEXT", ">STORED", ">RATIO", ">TIME", ">RATE", "RESULT"];
    let rows = report.backups.iter().map(|backup| {
        let mut row = vec![backup.subject().to_owned()];
        match &backup.outcome {
            Outcome::Stored { relations, rows, text_bytes, stored_bytes, .. } => {
                let ratio = *text_bytes as f64 / (*stored_bytes).max(1) as f64;
                let rate = *text_bytes as f64 / backup.seconds.max(0.001);
                row.extend([
                    relations.to_string(),
                    rows.to_string(),
                    bytes(*text_bytes),
                    bytes(*stored_bytes),
                    format!("{ratio:.1}"),
                    format!("{:.1} s", backup.seconds),
                    format!("{}/s", bytes(rate as u64)),
                    backup.location.clone(),
                ]);
            }
            Outcome::Failed(failure) => {
                row.extend(std::iter::repeat_n(String::new(), 5));
                row.extend([
                    format!("{:.1} s", backup.seconds),
                    String::new(),
                    format!("FAILED (exit code {})", failure.exit_code),
                ]);
            }
        }
        row
    });
    let stored: u64 = report
        .backups
        .iter()
        .map(|backup| match &backup.outcome {
            Outcome::Stored { stored_bytes, .. } => *stored_bytes,
            Outcome::Failed(_) => 0,
        })
        .sum();
    let failed = report.failures().count();
    let mut text = table(&headings, rows);
    let seconds = (report.finished_at - report.started_at).num_milliseconds() as f64 / 1000.0;
    text.push_str(&format!(
        "job {}, run {}: {} of {} stored, {} in {seconds:.1} s",
        report.job,
        report.run_id,
        report.backups.iter().filter(|backup| backup.failure().is_none()).count(),
        report.backups.len(),
        bytes(stored),
    ));
    for (count, what) in [
        (failed, "failed"),
        (report.removed_uploads, "incomplete uploads of earlier runs removed"),
        (report.pruned, "old backups removed"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {count} {what}"));
        }
    }
    text.push('\n');
    text
}

async fn dry_run(jobs: &[&Job], json: bool) -> Result<()> {
    let mut plans = Vec::new();
    for job in jobs {
        let plan = Box::pin(backup::plan(job, Utc::now().trunc_subsecs(0))).await?;
        let store = store::open(&job.destination.place).await?;
        let backups = plan.backups.iter().map(|(subject, key)| (subject.to_string(), key.clone()));
        let backups: Vec<_> = backups.collect();
        let pending: Vec<_> = plan.pending.iter().map(|upload| upload.key.clone()).collect();
        if json {
            let listed: Vec<_> = backups
                .iter()
                .map(|(subject, key)| {
                    serde_json::json!({ "database": subject, "key": key, "location": store.shown(key) })
                })
                .collect();
            plans.push(serde_json::json!({ "job": job.name, "backups": listed, "pending_uploads": pending }));
            continue;
        }
        super::print(&format!("job {}, dry run: nothing was written\n", job.name))?;
        super::print(&table(
            &["DATABASE", "WOULD BE STORED AS"],
            backups.into_iter().map(|(subject, key)| vec![subject, store.shown(&key)]),
        ))?;
        for key in pending {
            super::print(&format!(
                "would remove the pending upload of {}, unless another run is using it\n",
                store.shown(&key)
            ))?;
        }
    }
    if json { super::print_json(&plans) } else { Ok(()) }
}

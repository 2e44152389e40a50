//! `pgsiphon prune`: removes backups that no rule keeps.

use chrono::Utc;
use clap::Args;
use pgsiphon::backups::retention::Verdict;
use pgsiphon::error::{Error, Result};
use pgsiphon::ops::prune::{self, PrunePlan};
use pgsiphon::progress::Warnings;
use pgsiphon::storage::store::{self, Store};

use super::jobs::JobArgs;
use super::table::table;

#[derive(Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(super) jobs: JobArgs,
    /// Remove the backups; without this, only show what would be done
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub(crate) async fn run(args: PruneArgs) -> Result<()> {
    let config = args.jobs.load()?;
    let mut listed = Vec::new();
    let mut failed: Option<Error> = None;
    for job in args.jobs.select(&config)? {
        let store = store::open(&job.destination.place).await?;
        let plan = Box::pin(prune::plan(&*store, job, Utc::now(), &Warnings::default())).await?;
        if !args.jobs.json {
            super::print(&shown(&job.name, &*store, &plan))?;
        }
        let pruned = match args.yes {
            true => Some(Box::pin(prune::apply(&*store, job, &plan, &Warnings::default())).await),
            false => None,
        };
        if args.jobs.json {
            listed.push(serde_json::json!({
                "job": job.name,
                "dry_run": !args.yes,
                "decisions": plan.decisions.iter().map(|decision| serde_json::json!({
                    "database": decision.backup.subject.to_string(),
                    "timestamp": decision.backup.timestamp,
                    "key": decision.backup.key,
                    "location": store.shown(&decision.backup.key),
                    "keep": decision.verdict == Verdict::Keep,
                    "reasons": decision.reasons,
                })).collect::<Vec<_>>(),
                "unfinished": plan.unfinished,
                "stale_uploads": plan.stale_uploads.iter().map(|upload| &upload.key).collect::<Vec<_>>(),
                "result": pruned,
            }));
        } else if let Some(pruned) = &pruned {
            let (backups, uploads) = (pruned.removed.len(), pruned.removed_uploads);
            super::print(&format!("removed {backups} backups and {uploads} pending uploads\n"))?;
            for failure in &pruned.failures {
                eprintln!("pgsiphon: error: {failure}");
            }
        } else {
            super::print("dry run: nothing was removed; use --yes to apply\n")?;
        }
        if let Some(Err(error)) = pruned.map(|pruned| pruned.result()) {
            failed.get_or_insert(error);
        }
    }
    if args.jobs.json {
        super::print_json(&listed)?;
    }
    failed.map_or(Ok(()), Err)
}

fn shown(job: &str, store: &dyn Store, plan: &PrunePlan) -> String {
    let rows = plan.decisions.iter().map(|decision| {
        vec![
            job.to_owned(),
            decision.backup.subject.to_string(),
            decision.backup.timestamp.format("%Y-%m-%d %H:%M:%S").to_string(),
            if decision.verdict == Verdict::Keep { "keep".to_owned() } else { "remove".to_owned() },
            decision.reasons.join(", "),
            store.shown(&decision.backup.key),
        ]
    });
    let mut text = table(&["JOB", "DATABASE", "TIME (UTC)", "", "BECAUSE", "BACKUP"], rows);
    for key in &plan.unfinished {
        text.push_str(&format!("remove {}: an earlier prune did not finish\n", store.shown(key)));
    }
    for key in &plan.lonely_manifests {
        text.push_str(&format!("remove {}: its backup is gone\n", store.shown(key)));
    }
    for upload in &plan.stale_uploads {
        let location = store.shown(&upload.key);
        text.push_str(&format!("remove the pending upload of {location}: it is older than a day\n"));
    }
    text
}

//! `pgsiphon list` and `status`: which backups exist, and whether they are recent enough.

use std::time::Duration;

use chrono::Utc;
use clap::Args;
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::ops::status::{self, Health};
use pgsiphon::ops::{Inventory, StoredBackup};
use pgsiphon::storage::store;

use super::jobs::JobArgs;
use super::table::{age, bytes, table};

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(super) jobs: JobArgs,
    /// Only list backups of this database
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(super) jobs: JobArgs,
    /// Fail with exit code 1 if a database's newest good backup is older than this, or missing
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
}

/// Runs `list`.
pub(crate) async fn list(args: ListArgs) -> Result<()> {
    let config = args.jobs.load()?;
    let mut rows = Vec::new();
    let mut listed = Vec::new();
    for job in args.jobs.select(&config)? {
        let store = store::open(&job.destination.place).await?;
        let inventory = Inventory::read(&*store, &job.name, &job.destination.naming).await?;
        for entry in &inventory.entries {
            let subject = entry.parsed.subject.to_string();
            if args.database.as_ref().is_some_and(|name| *name != subject) {
                continue;
            }
            listed.push(json(&job.name, &store.shown(&entry.object.key), entry));
            let manifest = entry.manifest.as_ref();
            rows.push(vec![
                job.name.clone(),
                subject,
                entry.parsed.timestamp.format("%Y-%m-%d %H:%M:%S").to_string(),
                bytes(entry.object.bytes),
                manifest.map_or_else(String::new, |m| bytes(m.text_bytes)),
                manifest.map_or_else(String::new, |m| m.rows().to_string()),
                entry.state.describe().to_owned(),
                store.shown(&entry.object.key),
            ]);
        }
    }
    if args.jobs.json {
        return super::print_json(&listed);
    }
    super::print(&table(
        &["JOB", "DATABASE", "TIME (UTC)", ">STORED", ">TEXT", ">ROWS", "STATE", "BACKUP"],
        rows,
    ))
}

fn json(job: &str, location: &str, entry: &StoredBackup) -> serde_json::Value {
    let manifest = entry.manifest.as_ref();
    serde_json::json!({
        "job": job,
        "database": match entry.parsed.subject.scope() {
            pgsiphon::backups::manifest::Scope::Globals => None,
            pgsiphon::backups::manifest::Scope::Database => Some(entry.parsed.subject.to_string()),
        },
        "scope": entry.parsed.subject.scope(),
        "timestamp": entry.parsed.timestamp,
        "key": entry.object.key,
        "location": location,
        "stored_bytes": entry.object.bytes,
        "text_bytes": manifest.map(|m| m.text_bytes),
        "rows": manifest.map(|m| m.rows()),
        "run_id": manifest.map(|m| &m.run_id),
        "server_version": manifest.map(|m| &m.server_version),
        "sha256": manifest.map(|m| &m.sha256),
        "state": entry.state,
        "problem": entry.problem,
        "warnings": manifest.map(|m| &m.warnings),
    })
}

/// Runs `status`.
pub(crate) async fn status(args: StatusArgs) -> Result<()> {
    let config = args.jobs.load()?;
    let now = Utc::now();
    let mut all: Vec<(String, Health)> = Vec::new();
    for job in args.jobs.select(&config)? {
        let health = Box::pin(status::read(job, now, args.max_age)).await?;
        all.extend(health.into_iter().map(|health| (job.name.clone(), health)));
    }
    if args.jobs.json {
        let listed: Vec<_> = all
            .iter()
            .map(|(job, health)| {
                serde_json::json!({
                    "job": job,
                    "database": health.subject.to_string(),
                    "newest_good": health.newest.as_ref().map(|entry| entry.parsed.timestamp),
                    "age_seconds": health.age_seconds,
                    "location": health.location,
                    "stored_bytes": health.newest.as_ref().map(|entry| entry.object.bytes),
                    "good": health.good,
                    "not_good": health.not_good,
                    "ok": health.problem.is_none(),
                    "problem": health.problem,
                    "warnings": health.warnings(),
                })
            })
            .collect();
        super::print_json(&listed)?;
    } else {
        let rows = all.iter().map(|(job, health)| {
            vec![
                job.clone(),
                health.subject.to_string(),
                health.good.to_string(),
                health.newest.as_ref().map_or_else(
                    || "never".to_owned(),
                    |entry| entry.parsed.timestamp.format("%Y-%m-%d %H:%M:%S").to_string(),
                ),
                health.age_seconds.map_or_else(String::new, age),
                health.newest.as_ref().map_or_else(String::new, |entry| bytes(entry.object.bytes)),
                health.problem.clone().unwrap_or_else(|| "ok".to_owned()),
            ]
        });
        let headings = ["JOB", "DATABASE", ">GOOD", "NEWEST (UTC)", ">AGE", ">STORED", "STATUS"];
        super::print(&table(&headings, rows))?;
        let warnings = all.iter().flat_map(|(job, health)| {
            health.warnings().iter().map(move |text| format!("warning: {job}, {}: {text}\n", health.subject))
        });
        super::print(&warnings.collect::<String>())?;
    }
    let problems: Vec<_> = all
        .iter()
        .filter_map(|(job, health)| Some((job, &health.subject, health.problem.as_ref()?)))
        .map(|(job, subject, problem)| format!("{job}, {subject}: {problem}"))
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Other, "find fresh backups").because(problems.join("; "))),
    }
}

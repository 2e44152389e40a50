//! `pgsiphon lifecycle`: the bucket's lifecycle rules for the backups' prefix.

use clap::{Args, Subcommand};
use pgsiphon::config::Job;
use pgsiphon::error::Result;
use pgsiphon::storage::Place;
use pgsiphon::storage::store::S3Store;
use pgsiphon::storage::store::lifecycle::{Lifecycle, Rule, describe, rule_id};

use super::content::usage;
use super::jobs::JobArgs;

#[derive(Subcommand)]
pub(crate) enum LifecycleCommand {
    /// Print the bucket's lifecycle rules
    Show(Box<ShowArgs>),
    /// Set the rule for the backups' prefix to exactly what the flags say; a dry run without --yes.
    /// The bucket does not know which backups are good, so set --expire-days well above what prune
    /// keeps
    Set(Box<SetArgs>),
}

impl LifecycleCommand {
    pub(super) fn verbosity(&self) -> u8 {
        match self {
            LifecycleCommand::Show(args) => args.jobs.verbose,
            LifecycleCommand::Set(args) => args.jobs.verbose,
        }
    }
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    jobs: JobArgs,
}

#[derive(Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    jobs: JobArgs,
    /// Remove objects after this many days
    #[arg(long, value_name = "DAYS")]
    expire_days: Option<u32>,
    /// Move objects to a storage class, such as GLACIER or DEEP_ARCHIVE, after this many days; may be
    /// repeated
    #[arg(long, value_name = "CLASS=DAYS", value_parser = transition)]
    transition: Vec<(String, u32)>,
    /// Abort incomplete uploads after this many days; allow more than the longest backup takes
    #[arg(long, value_name = "DAYS")]
    abort_days: Option<u32>,
    /// Remove the rule
    #[arg(long, conflicts_with_all = ["expire_days", "transition", "abort_days"])]
    remove: bool,
    /// Apply the change; without this, only show it
    #[arg(long)]
    yes: bool,
}

fn transition(text: &str) -> std::result::Result<(String, u32), String> {
    let (class, days) = text.split_once('=').ok_or("expected CLASS=DAYS")?;
    let days = days.parse().map_err(|_| format!("\"{days}\" is not a number of days"))?;
    Ok((class.to_ascii_uppercase(), days))
}

/// Runs the command.
pub(crate) async fn run(command: LifecycleCommand) -> Result<()> {
    match command {
        LifecycleCommand::Show(args) => show(&args).await,
        LifecycleCommand::Set(args) => set(&args).await,
    }
}

async fn store_of(job: &Job) -> Result<S3Store> {
    match &job.destination.place {
        Place::S3 { bucket, options } => S3Store::new(bucket.clone(), (**options).clone()).await,
        Place::Directory(path) => {
            Err(usage(format!("directory \"{}\" has no lifecycle rules", path.display()))
                .hint("only buckets have them; pgsiphon prune works on both"))
        }
    }
}

async fn show(args: &ShowArgs) -> Result<()> {
    let config = args.jobs.load()?;
    let mut listed = Vec::new();
    for job in args.jobs.select(&config)? {
        let rules = Lifecycle::read(&store_of(job).await?).await?.rules;
        if args.jobs.json {
            let rules: Vec<_> = rules
                .iter()
                .map(|rule| {
                    let ours = rule.id.as_deref() == Some(rule_id(&job.name).as_str());
                    serde_json::json!({ "id": rule.id, "ours": ours, "does": describe(rule) })
                })
                .collect();
            listed.push(serde_json::json!({ "job": job.name, "rules": rules }));
            continue;
        }
        if rules.is_empty() {
            super::print("the bucket has no lifecycle rules\n")?;
        }
        for line in rules.iter().flat_map(describe) {
            super::print(&format!("{line}\n"))?;
        }
    }
    if args.jobs.json { super::print_json(&listed) } else { Ok(()) }
}

async fn set(args: &SetArgs) -> Result<()> {
    let rule = Rule {
        expire_days: args.expire_days,
        transitions: args.transition.clone(),
        abort_days: args.abort_days,
    };
    if rule == Rule::default() && !args.remove {
        return Err(usage("nothing to set").hint("use --expire-days, --transition, --abort-days or --remove"));
    }
    let config = args.jobs.load()?;
    for job in args.jobs.select(&config)? {
        let store = store_of(job).await?;
        let before = Lifecycle::read(&store).await?;
        let change = before.with(&job.name, job.destination.naming.common_prefix(), &rule)?;
        let kept = before.rules.iter().filter(|found| found.id.as_deref() != Some(&rule_id(&job.name)));
        for line in kept.flat_map(describe) {
            super::print(&format!("  {line}\n"))?;
        }
        for line in &change.removed {
            super::print(&format!("- {line}\n"))?;
        }
        for line in &change.added {
            super::print(&format!("+ {line}\n"))?;
        }
        if change.after == before {
            super::print("no changes\n")?;
        } else if args.yes {
            change.after.write(&store).await?;
            super::print("written\n")?;
        } else {
            super::print("dry run: nothing was written; use --yes to apply\n")?;
        }
    }
    Ok(())
}

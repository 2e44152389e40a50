//! Decides which backups are kept, and why: pure, with the time as an argument.
//!
//! Only good backups count; otherwise a series of failures would push out the good ones, one a night.
//! Backups of roles and tablespaces are kept as long as a database of the same run.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use super::naming::Subject;

/// How long backups are kept. A rule set to 0 keeps nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Keep this many of the newest backups.
    pub keep_last: u32,
    /// Keep the newest backup of each of the last days that have one; this many days.
    pub keep_daily: u32,
    /// The same for weeks, which begin on Monday.
    pub keep_weekly: u32,
    /// The same for months.
    pub keep_monthly: u32,
    /// The same for years.
    pub keep_yearly: u32,
    /// Always keep this many good backups of a database, and at least one.
    pub keep_minimum: u32,
    /// Always keep backups younger than this.
    pub minimum_age: Duration,
    /// The time zone that defines days, weeks, months and years.
    pub time_zone: Tz,
}

impl Policy {
    /// Whether any rule is set. Without one, nothing is ever removed.
    pub fn has_rules(&self) -> bool {
        [self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly]
            .iter()
            .any(|number| *number > 0)
    }
}

/// A backup as retention sees it. It must belong to the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its key.
    pub key: String,
    /// What the backup is of; each subject is judged separately.
    pub subject: Subject,
    /// Identifies the run that made it.
    pub run_id: String,
    /// When the run began.
    pub timestamp: DateTime<Utc>,
    /// Whether it agrees with its manifest.
    pub is_good: bool,
    /// If the storage refuses to remove it: until when, in words.
    pub locked: Option<String>,
}

/// What to do with a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It is removed.
    Expire,
}

/// What to do with a backup, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The backup.
    pub backup: Backup,
    /// Whether the backup is kept, and why.
    pub verdict: Verdict,
    /// All reasons for keeping it; for an expired one, why there is none.
    pub reasons: Vec<String>,
}

/// Decides about each backup. The result is sorted by database, newest first, with globals last.
pub fn plan(policy: &Policy, backups: &[Backup], now: DateTime<Utc>) -> Vec<Decision> {
    let mut sorted: Vec<&Backup> = backups.iter().collect();
    sorted.sort_by(|a, b| (&a.subject, b.timestamp, &b.key).cmp(&(&b.subject, a.timestamp, &a.key)));
    let mut decisions = Vec::new();
    let is_globals = |backup: &&Backup| backup.subject == Subject::Globals;
    let (globals, databases): (Vec<&Backup>, Vec<&Backup>) = sorted.into_iter().partition(is_globals);
    for group in databases.chunk_by(|a, b| a.subject == b.subject) {
        decisions.extend(plan_database(policy, group, now));
    }
    let kept_runs: HashSet<&str> = decisions
        .iter()
        .filter(|decision| decision.verdict == Verdict::Keep)
        .map(|decision| decision.backup.run_id.as_str())
        .collect();
    let globals = plan_globals(policy, &globals, &kept_runs, now);
    decisions.extend(globals);
    decisions
}

/// The backups of one database, newest first.
fn plan_database(policy: &Policy, group: &[&Backup], now: DateTime<Utc>) -> Vec<Decision> {
    let good: Vec<&Backup> = group.iter().filter(|backup| backup.is_good).copied().collect();
    let mut reasons: Vec<Vec<String>> = vec![Vec::new(); good.len()];
    if let Some(newest) = reasons.first_mut() {
        newest.push("newest good".to_owned());
    }
    for (number, reasons) in reasons.iter_mut().enumerate().take(policy.keep_last as usize) {
        reasons.push(format!("last {} of {}", number + 1, policy.keep_last));
    }
    let local = |backup: &Backup| backup.timestamp.with_timezone(&policy.time_zone);
    type Bucket<'a> = (u32, &'a str, &'a dyn Fn(&Backup) -> String);
    let daily = |backup: &Backup| local(backup).format("%Y-%m-%d").to_string();
    let weekly = |backup: &Backup| {
        let week = local(backup).iso_week();
        format!("{}-W{:02}", week.year(), week.week())
    };
    let monthly = |backup: &Backup| local(backup).format("%Y-%m").to_string();
    let yearly = |backup: &Backup| local(backup).format("%Y").to_string();
    let rules: [Bucket<'_>; 4] = [
        (policy.keep_daily, "daily", &daily),
        (policy.keep_weekly, "weekly", &weekly),
        (policy.keep_monthly, "monthly", &monthly),
        (policy.keep_yearly, "yearly", &yearly),
    ];
    for (number, name, bucket) in rules {
        let mut seen = HashSet::new();
        for (backup, reasons) in good.iter().zip(&mut reasons) {
            let bucket = bucket(backup);
            if seen.len() < number as usize && seen.insert(bucket.clone()) {
                reasons.push(format!("{name} {bucket}"));
            }
        }
    }
    for (backup, reasons) in good.iter().zip(&mut reasons) {
        reasons.extend(in_any_case(policy, backup, now));
    }
    let mut missing =
        (policy.keep_minimum as usize).saturating_sub(reasons.iter().filter(|r| !r.is_empty()).count());
    for reasons in reasons.iter_mut().filter(|reasons| reasons.is_empty()) {
        if missing == 0 {
            break;
        }
        reasons.push(format!("minimum of {}", policy.keep_minimum));
        missing -= 1;
    }
    let mut reasons = reasons.into_iter();
    let decide = |backup: &&Backup| match backup.is_good {
        true => decision(policy, backup, reasons.next().unwrap_or_default()),
        false => damaged(backup),
    };
    group.iter().map(decide).collect()
}

fn plan_globals(
    policy: &Policy,
    group: &[&Backup],
    kept_runs: &HashSet<&str>,
    now: DateTime<Utc>,
) -> Vec<Decision> {
    let newest = group.iter().find(|backup| backup.is_good).map(|backup| &backup.key);
    let decide = |backup: &&Backup| {
        if !backup.is_good {
            return damaged(backup);
        }
        let mut reasons = Vec::new();
        if newest == Some(&backup.key) {
            reasons.push("newest good".to_owned());
        }
        if kept_runs.contains(backup.run_id.as_str()) {
            reasons.push("a database of its run is kept".to_owned());
        }
        reasons.extend(in_any_case(policy, backup, now));
        decision(policy, backup, reasons)
    };
    group.iter().map(decide).collect()
}

/// Reasons to keep a backup that apply regardless of the rules.
fn in_any_case(policy: &Policy, backup: &Backup, now: DateTime<Utc>) -> Vec<String> {
    let mut reasons = Vec::new();
    // A backup from the future counts as young, because some clock is wrong.
    let age = (now - backup.timestamp).to_std().unwrap_or_default();
    if age < policy.minimum_age {
        reasons.push(format!("younger than {}", humantime::format_duration(policy.minimum_age)));
    }
    if let Some(until) = &backup.locked {
        reasons.push(format!("locked {until}"));
    }
    reasons
}

fn decision(policy: &Policy, backup: &Backup, mut reasons: Vec<String>) -> Decision {
    let verdict = match (reasons.is_empty(), policy.has_rules()) {
        (true, true) => {
            reasons.push("no rule keeps it".to_owned());
            Verdict::Expire
        }
        (true, false) => {
            reasons.push("no rules are set".to_owned());
            Verdict::Keep
        }
        _ => Verdict::Keep,
    };
    Decision { backup: backup.clone(), verdict, reasons }
}

/// A backup that a person should inspect is not removed automatically.
fn damaged(backup: &Backup) -> Decision {
    let reasons = vec!["it does not match its manifest: inspect it".to_owned()];
    Decision { backup: backup.clone(), verdict: Verdict::Keep, reasons }
}

#[cfg(test)]
mod tests;

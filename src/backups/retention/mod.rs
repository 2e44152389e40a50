//! Which backups are kept, and why: pure, with the clock as an argument.
//!
//! Only good backups count. Else a series of failures would push the good ones out, one a night.
//! Backups of roles and tablespaces follow the databases' of the same run.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use super::naming::Subject;

/// How long backups are kept. A number of 0 means that the rule keeps nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The newest so many.
    pub keep_last: u32,
    /// The newest of each of the last so many days that have one.
    pub keep_daily: u32,
    /// The same for weeks, which begin on Monday.
    pub keep_weekly: u32,
    /// The same for months.
    pub keep_monthly: u32,
    /// The same for years.
    pub keep_yearly: u32,
    /// So many good ones of a database are kept in any case; at least one is.
    pub keep_minimum: u32,
    /// Younger ones are kept in any case.
    pub minimum_age: Duration,
    /// The zone of the days, weeks, months and years.
    pub time_zone: Tz,
}

impl Policy {
    /// Whether any rule keeps anything. Without one, nothing is ever removed.
    pub fn has_rules(&self) -> bool {
        [self.keep_last, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly]
            .iter()
            .any(|number| *number > 0)
    }
}

/// A backup, as far as retention looks at it. It is one of the job's own: what is not has no place
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its key.
    pub key: String,
    /// What it is of.
    pub subject: Subject,
    /// The run that it is of.
    pub run_id: String,
    /// When the run began.
    pub timestamp: DateTime<Utc>,
    /// Whether it is as its manifest says.
    pub is_good: bool,
    /// Until when the storage will not remove it, in words, if that is so.
    pub locked: Option<String>,
}

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It is removed.
    Expire,
}

/// What becomes of a backup, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The backup.
    pub backup: Backup,
    /// What becomes of it.
    pub verdict: Verdict,
    /// All that speaks for keeping it; for an expired one, why nothing does.
    pub reasons: Vec<String>,
}

/// Decides for each backup; the newest come first, by database, and globals at the end.
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

/// The backups of one database, the newest first.
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

/// What keeps a backup whatever the rules say.
fn in_any_case(policy: &Policy, backup: &Backup, now: DateTime<Utc>) -> Vec<String> {
    let mut reasons = Vec::new();
    // One from the future is young, too: some clock is wrong.
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
            reasons.push("there are no rules".to_owned());
            Verdict::Keep
        }
        _ => Verdict::Keep,
    };
    Decision { backup: backup.clone(), verdict, reasons }
}

/// What a person should look at is not removed behind their back.
fn damaged(backup: &Backup) -> Decision {
    let reasons = vec!["it is not as its manifest says: look at it".to_owned()];
    Decision { backup: backup.clone(), verdict: Verdict::Keep, reasons }
}

#[cfg(test)]
mod tests;

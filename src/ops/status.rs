//! Judges from the store alone whether a job has recent good backups.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use regex::Regex;

use crate::backups::inventory::{BackupState, Inventory, StoredBackup};
use crate::backups::naming::Subject;
use crate::config::{Databases, Job};
use crate::error::Result;
use crate::pg::conninfo::OsEnvironment;
use crate::select::pattern;
use crate::storage::store;

/// The state of one database's backups.
#[derive(Debug, Clone)]
pub struct Health {
    /// The database, or the globals.
    pub subject: Subject,
    /// Its newest good backup.
    pub newest: Option<StoredBackup>,
    /// The path or URL of that backup.
    pub location: Option<String>,
    /// The age of that backup, in seconds.
    pub age_seconds: Option<i64>,
    /// Number of good backups.
    pub good: usize,
    /// Number of backups that are not good.
    pub not_good: usize,
    /// What is wrong. None if the newest good backup is recent enough.
    pub problem: Option<String>,
}

impl Health {
    /// The warnings recorded when the newest good backup was made.
    pub fn warnings(&self) -> &[String] {
        let manifest = self.newest.as_ref().and_then(|entry| entry.manifest.as_ref());
        manifest.map_or(&[], |manifest| &manifest.warnings)
    }
}

/// Reads the store, and judges each database that the job names, and each that has backups there and
/// matches the job's patterns. Does not contact the source.
///
/// # Errors
/// `StorageUnreachable`.
pub async fn read(job: &Job, now: DateTime<Utc>, max_age: Option<Duration>) -> Result<Vec<Health>> {
    let store = store::open(&job.destination.place).await?;
    let inventory = Inventory::read(&*store, &job.name, &job.destination.naming).await?;
    let mut expected: BTreeSet<Subject> = named(job)?;
    let found = inventory.entries.iter().map(|entry| &entry.parsed.subject);
    expected.extend(found.filter(|subject| is_wanted(&job.databases, subject)).cloned());
    let judge = |subject| {
        let mut health = judge(&inventory, subject, now, max_age);
        health.location = health.newest.as_ref().map(|entry| store.shown(&entry.object.key));
        health
    };
    Ok(expected.into_iter().map(judge).collect())
}

/// The subjects that must have backups: those that the configuration names without wildcards.
fn named(job: &Job) -> Result<BTreeSet<Subject>> {
    let databases = &job.databases;
    let mut named = BTreeSet::new();
    if databases.globals {
        named.insert(Subject::Globals);
    }
    if databases.include.is_empty() && databases.exclude.is_empty() {
        let connected = job.source.database(&OsEnvironment)?;
        named.insert(Subject::Database(connected));
    }
    let literal = |pattern: &&String| !pattern.contains(['*', '?', '[', '|', '(', '+', '"', '\\', '.']);
    let names = databases.include.iter().filter(literal).map(|name| Subject::Database(name.to_lowercase()));
    named.extend(names.filter(|subject| is_wanted(databases, subject)));
    Ok(named)
}

/// Whether the job's patterns include it. The server's regular expressions and ours agree on everything
/// that psql's patterns are likely to contain; a pattern that cannot be parsed includes everything.
fn is_wanted(databases: &Databases, subject: &Subject) -> bool {
    let Subject::Database(name) = subject else { return databases.globals };
    let matches = |pattern: &String| {
        let regex = pattern::parse(pattern, false, 0).name.unwrap_or_default();
        Regex::new(&regex).map_or(true, |regex| regex.is_match(name))
    };
    if databases.include.is_empty() && databases.exclude.is_empty() {
        // The connection's own database is in `named` already; others are from an earlier configuration.
        return false;
    }
    let excluded = databases.exclude.iter().any(|pattern| {
        Regex::new(&pattern::parse(pattern, false, 0).name.unwrap_or_default())
            .is_ok_and(|regex| regex.is_match(name))
    });
    !excluded && (databases.include.is_empty() || databases.include.iter().any(matches))
}

fn judge(inventory: &Inventory, subject: Subject, now: DateTime<Utc>, max_age: Option<Duration>) -> Health {
    let of_it = inventory.entries.iter().filter(|entry| entry.parsed.subject == subject);
    let (good, not_good): (Vec<_>, Vec<_>) = of_it.partition(|entry| entry.state == BackupState::Good);
    let newest = good.last().map(|entry| (*entry).clone());
    let age = newest.as_ref().map(|entry| (now - entry.parsed.timestamp).to_std().unwrap_or_default());
    let age_seconds = age.and_then(|age| i64::try_from(age.as_secs()).ok());
    let problem = match (age, max_age) {
        (None, _) => Some("no good backup exists".to_owned()),
        (Some(age), Some(max_age)) if age > max_age => {
            let max_age = humantime::format_duration(max_age);
            Some(format!("the newest good backup is older than {max_age}"))
        }
        _ => None,
    };
    Health {
        subject,
        newest,
        location: None,
        age_seconds,
        good: good.len(),
        not_good: not_good.len(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases(include: &[&str], exclude: &[&str]) -> Databases {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
        Databases { include: owned(include), exclude: owned(exclude), globals: false }
    }

    #[test]
    fn patterns_want_what_the_server_would_find() {
        let wanted =
            |databases: &Databases, name: &str| is_wanted(databases, &Subject::Database(name.into()));
        let rails = databases(&["helix_*"], &["*_queue", "*_cache", "*_cable"]);
        assert!(wanted(&rails, "helix_production"));
        assert!(!wanted(&rails, "helix_production_cache"));
        assert!(!wanted(&rails, "other"));
        assert!(wanted(&databases(&[], &["postgres"]), "shop"));
        assert!(!wanted(&databases(&[], &["postgres"]), "postgres"));
        assert!(!wanted(&databases(&[], &[]), "shop"));
        assert!(!is_wanted(&rails, &Subject::Globals));
    }
}

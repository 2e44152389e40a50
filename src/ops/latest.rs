//! `latest`: finds the newest good backup, so that nobody has to look up its key.

use std::collections::BTreeSet;

use crate::backups::manifest::Scope;
use crate::backups::naming::Subject;
use crate::config::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::store;

use crate::backups::inventory::{BackupState, Inventory};

/// A backup named as `latest`, `latest:DATABASE` or `latest:globals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest<'n> {
    wanted: Wanted<'n>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'n> {
    /// The only database that has backups.
    TheOne,
    /// The database of this name, or with `globals` the roles and tablespaces.
    Named(&'n str),
    /// `"NAME"`: a database, even one named `globals`.
    Database(&'n str),
    /// `(globals)`: roles and tablespaces, even if a database is named `globals`.
    Globals,
}

/// The name that stands for roles and tablespaces.
const GLOBALS: &str = "globals";

impl<'n> Latest<'n> {
    /// None for any other name, such as a file's.
    pub fn parse(name: &'n str) -> Option<Self> {
        let wanted = match name.strip_prefix("latest")? {
            "" => Wanted::TheOne,
            rest => match rest.strip_prefix(':')? {
                "(globals)" => Wanted::Globals,
                name => match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
                    Some(database) => Wanted::Database(database),
                    None => Wanted::Named(name),
                },
            },
        };
        Some(Latest { wanted })
    }

    /// Returns the location of the newest good backup in all destinations of these jobs. Destinations
    /// that cannot be listed are warned about, or are in the error if nothing is found.
    ///
    /// # Errors
    /// `StorageUnreachable`, also if no good backup is found; `Usage`, if there are several databases
    /// and none is named.
    pub async fn locate(self, jobs: &[Job]) -> Result<String> {
        let attempted = || match self.wanted {
            Wanted::Named(name) | Wanted::Database(name) => format!("find the latest backup of {name}"),
            Wanted::Globals => format!("find the latest backup of {}", Subject::Globals),
            Wanted::TheOne => "find the latest backup".to_owned(),
        };
        let mut subjects = BTreeSet::new();
        let mut newest = None;
        let mut unread = Vec::new();
        for job in jobs {
            let listed = async {
                let store = store::open(&job.destination.place).await?;
                let inventory = Inventory::read(&*store, &job.name, &job.destination.naming).await?;
                Ok::<_, Error>((store, inventory))
            };
            let (store, inventory) = match listed.await {
                Ok(listed) => listed,
                Err(error) => {
                    unread.push((job, error));
                    continue;
                }
            };
            let good = inventory.entries.iter().filter(|entry| entry.state == BackupState::Good);
            for entry in good.filter(|entry| self.means(&entry.parsed.subject)) {
                newest = newest.max(Some((entry.parsed.timestamp, store.shown(&entry.object.key))));
                subjects.insert(entry.parsed.subject.clone());
            }
        }
        if subjects.len() > 1 {
            let name = |subject: &Subject| match subject {
                Subject::Database(name) if name == GLOBALS => format!("latest:\"{name}\""),
                subject => format!("latest:{subject}"),
            };
            let names: Vec<String> = subjects.iter().map(name).collect();
            return Err(Error::new(ErrorKind::Usage, attempted())
                .because("there are backups of several databases")
                .hint(format!("name one of them: {}", names.join(", "))));
        }
        let Some((_, location)) = newest else {
            let error = Error::new(ErrorKind::StorageUnreachable, attempted());
            let reports: Vec<_> =
                unread.iter().map(|(job, error)| format!("job {}: {}", job.name, error.report())).collect();
            return Err(match reports.is_empty() {
                true => error.because("no good backup exists").hint("`pgsiphon list` shows all backups"),
                false => error.because(format!(
                    "none was found in the destinations that could be read; {}",
                    reports.join("; ")
                )),
            });
        };
        for (job, error) in unread {
            tracing::warn!("job {}: cannot look at its backups: {}", job.name, error.report());
        }
        Ok(location)
    }

    fn means(self, subject: &Subject) -> bool {
        match (self.wanted, subject) {
            (Wanted::TheOne, subject) => subject.scope() == Scope::Database,
            (Wanted::Named(name), Subject::Globals) => name == GLOBALS,
            (Wanted::Named(name) | Wanted::Database(name), Subject::Database(database)) => name == database,
            (Wanted::Globals, subject) => *subject == Subject::Globals,
            (Wanted::Database(_), Subject::Globals) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_not_latest() {
        for (name, wanted) in [
            ("latest", Wanted::TheOne),
            ("latest:shop", Wanted::Named("shop")),
            ("latest:globals", Wanted::Named("globals")),
            ("latest:\"globals\"", Wanted::Database("globals")),
            ("latest:(globals)", Wanted::Globals),
        ] {
            assert_eq!(Latest::parse(name), Some(Latest { wanted }), "{name}");
        }
        for name in ["./latest", "latest.sql.gz", "latest_shop", "s3://bucket/latest", "-"] {
            assert_eq!(Latest::parse(name), None, "{name}");
        }
    }
}

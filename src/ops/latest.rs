//! `latest`: the newest good backup, so that nobody has to look its key up.

use std::collections::BTreeSet;

use crate::backups::manifest::Scope;
use crate::backups::naming::Subject;
use crate::config::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::store;

use crate::backups::inventory::{BackupState, Inventory};

/// Which backup is meant, if a name is `latest`, `latest:DATABASE` or `latest:globals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest<'n> {
    wanted: Wanted<'n>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'n> {
    /// The only database that there is.
    TheOne,
    /// What has this name: a database, or with `globals` the roles and tablespaces.
    Named(&'n str),
    /// `"NAME"`: a database, whatever it is called.
    Database(&'n str),
    /// `(globals)`: roles and tablespaces, whatever databases there are.
    Globals,
}

/// What roles and tablespaces are called.
const GLOBALS: &str = "globals";

impl<'n> Latest<'n> {
    /// None for the name of anything else, such as a file's.
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

    /// The location of the newest good one in all places that these jobs write to. A place that can't be
    /// listed is warned of, unless nothing is found.
    ///
    /// # Errors
    /// `StorageUnreachable`, also if there is none; `Usage`, if there are several databases and none
    /// is named.
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
                .hint(format!("say which: {}", names.join(", "))));
        }
        let Some((_, location)) = newest else {
            let error = Error::new(ErrorKind::StorageUnreachable, attempted());
            let reports: Vec<_> =
                unread.iter().map(|(job, error)| format!("job {}: {}", job.name, error.report())).collect();
            return Err(match reports.is_empty() {
                true => error.because("there is no good one").hint("`pgsiphon list` shows what there is"),
                false => error.because(format!("there is none where we can look; {}", reports.join("; "))),
            });
        };
        for (job, error) in unread {
            tracing::warn!("backups of job {} were not looked at: {}", job.name, error.report());
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

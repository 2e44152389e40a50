//! `latest`: the newest good backup, so that nobody has to look its key up.

use std::collections::BTreeSet;

use crate::config::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Scope;
use crate::naming::Subject;
use crate::store;

use super::inventory::{Inventory, State};

/// Which backup is meant, if a name is `latest`, `latest:DATABASE` or `latest:globals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest<'n> {
    /// Of which database; None where there is only one.
    database: Option<&'n str>,
}

impl<'n> Latest<'n> {
    /// None for the name of anything else, such as a file's.
    pub fn parse(name: &'n str) -> Option<Self> {
        match name.strip_prefix("latest")? {
            "" => Some(Latest { database: None }),
            rest => Some(Latest { database: Some(rest.strip_prefix(':')?) }),
        }
    }

    /// The location of the newest good one in all places that these jobs write to.
    ///
    /// # Errors
    /// `StorageUnreachable`, also if there is none; `Usage`, if there are several databases and none
    /// is named.
    pub async fn locate(self, jobs: &[Job]) -> Result<String> {
        let attempted = || match self.database {
            Some(name) => format!("find the latest backup of {name}"),
            None => "find the latest backup".to_owned(),
        };
        let mut subjects = BTreeSet::new();
        let mut newest = None;
        for job in jobs {
            let store = store::open(&job.destination.place).await?;
            let inventory = Inventory::read(&*store, job).await?;
            let good = inventory.entries.iter().filter(|entry| entry.state == State::Good);
            for entry in good.filter(|entry| self.means(&entry.parsed.subject)) {
                newest = newest.max(Some((entry.parsed.timestamp, store.shown(&entry.object.key))));
                subjects.insert(entry.parsed.subject.clone());
            }
        }
        if subjects.len() > 1 {
            let names: Vec<String> = subjects.iter().map(|subject| format!("latest:{subject}")).collect();
            return Err(Error::new(ErrorKind::Usage, attempted())
                .because("there are backups of several databases")
                .hint(format!("say which: {}", names.join(", "))));
        }
        newest.map(|(_, location)| location).ok_or_else(|| {
            Error::new(ErrorKind::StorageUnreachable, attempted())
                .because("there is no good one")
                .hint("`pgsiphon list` shows what there is")
        })
    }

    fn means(self, subject: &Subject) -> bool {
        match (self.database, subject) {
            (Some("globals"), Subject::Globals) => true,
            (Some(name), Subject::Database(database)) => name == database,
            (None, subject) => subject.scope() == Scope::Database,
            (Some(_), Subject::Globals) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_not_latest() {
        assert_eq!(Latest::parse("latest"), Some(Latest { database: None }));
        assert_eq!(Latest::parse("latest:shop"), Some(Latest { database: Some("shop") }));
        for name in ["./latest", "latest.sql.gz", "latest_shop", "s3://bucket/latest", "-"] {
            assert_eq!(Latest::parse(name), None, "{name}");
        }
    }
}

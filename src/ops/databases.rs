//! Chooses the databases that a job backs up.

use crate::catalog::{databases_matching, list_databases};
use crate::config::Databases;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::Session;

/// The names of the job's databases, sorted.
///
/// # Errors
/// `Usage`, if a pattern is invalid, if a named database does not exist, or if none is left.
pub(super) async fn list(session: &Session, databases: &Databases, connected: &str) -> Result<Vec<String>> {
    if databases.include.is_empty() && databases.exclude.is_empty() {
        return Ok(vec![connected.to_owned()]);
    }
    let all = list_databases(&session.client, &databases.exclude).await?;
    let mut wanted: Vec<String> = Vec::new();
    for pattern in &databases.include {
        let matching = databases_matching(&session.client, pattern).await?;
        if matching.is_empty() {
            return Err(Error::new(ErrorKind::Usage, format!("find databases that match \"{pattern}\""))
                .because("none exists")
                .hint("correct databases.include"));
        }
        wanted.extend(matching);
    }
    let names: Vec<String> = all
        .into_iter()
        .filter(|database| !database.is_excluded)
        .filter(|database| databases.include.is_empty() || wanted.contains(&database.datname))
        .map(|database| database.datname)
        .collect();
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "choose the databases to back up")
            .because("no database is left")
            .hint("correct databases.include and databases.exclude"));
    }
    Ok(names)
}

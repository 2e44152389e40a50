//! Reduces statements and flags that cause a difference.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::flags::FlagSet;
use crate::grammar::Statement;
use crate::seed::Ground;
use crate::support::Outcome;

/// What remains of a database and a flag set.
pub(crate) struct Smaller<'a> {
    pub(crate) statements: Vec<&'a Statement>,
    pub(crate) flags: FlagSet,
    pub(crate) difference: String,
}

/// Deletes flags, then statements, as long as there is a difference, for up to `limit`. None if the
/// difference disappears when the failed statements are left out.
pub(crate) fn shrink<'a>(
    ground: &Ground<'_>,
    statements: &[&'a Statement],
    flags: &FlagSet,
    limit: Duration,
    folder: &Path,
) -> Outcome<Option<Smaller<'a>>> {
    let started = Instant::now();
    let differ = |statements: &[&Statement], flags: &FlagSet| -> Outcome<Option<String>> {
        let (loaded, _) = ground.load(statements, folder)?;
        // A database on which pg_dump itself fails is not of interest.
        Ok(ground.compare(&loaded, flags, folder).unwrap_or(None))
    };
    let Some(difference) = differ(statements, flags)? else { return Ok(None) };
    let mut best = Smaller { statements: statements.to_vec(), flags: flags.clone(), difference };
    for fewer in flags.each_without_one() {
        if let Some(difference) = differ(&best.statements, &fewer)? {
            best.flags = fewer;
            best.difference = difference;
            break;
        }
    }
    let mut size = best.statements.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let mut is_smaller = false;
        // From the end, because later statements depend on earlier ones.
        while start < best.statements.len() {
            if started.elapsed() > limit {
                return Ok(Some(best));
            }
            let end = best.statements.len() - start;
            let mut rest = best.statements.clone();
            rest.drain(end.saturating_sub(size)..end);
            match differ(&rest, &best.flags)? {
                Some(difference) => {
                    best.statements = rest;
                    best.difference = difference;
                    is_smaller = true;
                }
                None => start += size,
            }
        }
        if size == 1 && !is_smaller {
            return Ok(Some(best));
        }
        size = size.div_ceil(2).max(1);
    }
}

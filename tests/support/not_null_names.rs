//! A deliberate difference from pg_dump's text: on inherited columns, pg_dump 18 writes the names of NOT
//! NULL constraints without the quotes that they may need.

use std::collections::HashSet;
use std::path::Path;

use super::database::ask;
use super::oracle::Pair;
use super::servers::Postgres;
use super::{Outcome, difference};

/// The beginning of a clause about a parent's column.
const CLAUSE: &str = "\n    CONSTRAINT ";
const END: &str = " NOT NULL ";

/// How the dumps differ after adding the missing quotes, and only these, to pg_dump's.
pub(crate) fn difference_but_for_quotes(
    server: &Postgres,
    pair: &Pair,
    folder: &Path,
) -> Outcome<Option<String>> {
    let reserved = ask(server, "postgres", "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")?;
    let reserved: HashSet<&str> = reserved.lines().collect();
    let mut theirs = read(&pair.theirs.text)?;
    for name in quoted_names(&read(&pair.ours.text)?) {
        let bare = name[1..name.len() - 1].replace("\"\"", "\"");
        if !is_readable(&bare, &reserved) {
            theirs = theirs.replace(&format!("{CLAUSE}{bare}{END}"), &format!("{CLAUSE}{name}{END}"));
        }
    }
    let quoted = folder.join("pg_dump.quoted.sql");
    let bytes: Vec<u8> = theirs.chars().map(|c| c as u8).collect();
    std::fs::write(&quoted, bytes).map_err(|e| format!("write {}: {e}", quoted.display()))?;
    difference::of_dumps(&quoted, &pair.ours.text)
}

/// Reads a dump in any encoding, with a character for each byte.
fn read(dump: &Path) -> Outcome<String> {
    let bytes = std::fs::read(dump).map_err(|e| format!("read {}: {e}", dump.display()))?;
    Ok(bytes.into_iter().map(char::from).collect())
}

/// The quoted names in such clauses, with their quotes.
fn quoted_names(dump: &str) -> HashSet<&str> {
    let clauses = dump.match_indices(CLAUSE).map(|(at, _)| &dump[at + CLAUSE.len()..]);
    clauses.filter(|rest| rest.starts_with('"')).filter_map(up_to_the_end_of_the_name).collect()
}

fn up_to_the_end_of_the_name(clause: &str) -> Option<&str> {
    let mut end = 1;
    loop {
        end += clause[end..].find('"')? + 1;
        if !clause[end..].starts_with('"') {
            return clause[end..].starts_with(END).then(|| &clause[..end]);
        }
        end += 1;
    }
}

/// Whether the server reads these bytes as the same name.
fn is_readable(bare: &str, reserved: &HashSet<&str>) -> bool {
    let starts = |c: char| matches!(c, 'a'..='z' | '_' | '\u{80}'..);
    bare.starts_with(starts)
        && bare.chars().all(|c| starts(c) || matches!(c, '0'..='9' | '$'))
        && !reserved.contains(bare)
}

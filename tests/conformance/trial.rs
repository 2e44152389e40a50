//! One case on one server.

use std::path::Path;

use crate::support::Outcome;
use crate::support::case::{Case, FlagSet};
use crate::support::database::{self, Database, Settings};
use crate::support::difference;
use crate::support::not_null_names;
use crate::support::oracle::{self, Pair, Source, Subject};
use crate::support::servers::Postgres;
use crate::support::split;

/// Loads the case, compares all its flag sets, and restores. The error contains all differences, not
/// only the first.
pub(crate) fn run(case: &Case, server: &Postgres, major: u32, built: &str) -> Outcome<()> {
    let folder = tempfile::tempdir().map_err(|e| format!("make a temporary folder: {e}"))?;
    let settings =
        Settings { encoding: case.manifest.encoding.clone(), locale: case.manifest.locale.clone() };
    let mut original = Database::create(server, &format!("cs_{}", case.name), &settings)?;
    let inputs = case.inputs(major);
    original.load(&inputs.iter().map(AsRef::as_ref).collect::<Vec<&Path>>())?;

    let subject = Subject::from_environment(built, &server.bindir);
    let mut complaints = Vec::new();
    // The dump without flags is kept for restoring.
    let plain =
        Pair::dump(&Source::database(server, original.name()), &subject, &[], &folder.path().join("plain"))?;
    let difference = |pair: &Pair, fails: bool| match pair.difference(fails)? {
        Some(_) if case.manifest.lacks_quotes && !fails => {
            not_null_names::difference_but_for_quotes(server, pair, folder.path())
        }
        other => Ok(other),
    };
    complaints.extend(difference(&plain, false)?.map(|text| format!("── without flags ──\n{text}")));
    if complaints.is_empty() {
        let source = Source::database(server, original.name());
        complaints.extend(split::difference(&subject, &source, &plain.ours.text, folder.path())?);
    }
    for flags in case.flag_sets(major) {
        if let Some(text) = compare(&original, &subject, &flags, &difference, folder.path())? {
            complaints.push(format!("── flags {:?} ──\n{text}", flags.args));
        }
    }
    for known in EARLIER.filter(|known| *known < major) {
        let refused = case.holds_news(known, major);
        if let Some(text) = as_an_earlier_build(&original, &subject, known, refused, &plain, folder.path())? {
            complaints.push(format!("── by a build that knows only {known} and older ──\n{text}"));
        }
    }
    if complaints.is_empty() {
        let same = case.round_trips(major);
        complaints.extend(round_trip(&plain, server, &settings, same, folder.path())?);
    }
    if complaints.is_empty() && case.manifest.round_trip_create {
        complaints.extend(round_trip_create(&mut original, &subject, folder.path())?);
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// The newest known versions that are simulated for newer servers.
const EARLIER: std::ops::RangeInclusive<u32> = 17..=18;

/// Dumps like a build that knows only `known` and older versions. If the case uses nothing newer, the
/// dump must be the same; otherwise there must be none.
fn as_an_earlier_build(
    database: &Database,
    subject: &Subject,
    known: u32,
    refused: bool,
    plain: &Pair,
    folder: &Path,
) -> Outcome<Option<String>> {
    let Subject::Pgsiphon(_) = subject else { return Ok(None) };
    let mut source = Source::database(database.server(), database.name());
    source.environment.insert(NEWEST_VARIABLE.to_owned(), known.to_string());
    let ours = subject.dump(&source, &[], folder, "earlier")?;
    match (refused, ours.status.code()) {
        (false, Some(0)) => difference::of_dumps(&plain.ours.text, &ours.text),
        (true, Some(4)) if ours.stderr.contains("features that this version of pgsiphon does not know: ") => {
            Ok(None)
        }
        (false, _) => Ok(Some(format!("refused, though the case uses nothing new: {}", ours.stderr))),
        (true, _) => Ok(Some(format!("not refused ({}): {}", ours.status, ours.stderr))),
    }
}

/// Makes a build with debug assertions forget newer versions.
const NEWEST_VARIABLE: &str = "PGSIPHON_TEST_NEWEST_MAJOR";

/// None if both texts are the same and satisfy the flag set.
fn compare(
    database: &Database,
    subject: &Subject,
    flags: &FlagSet,
    difference: &dyn Fn(&Pair, bool) -> Outcome<Option<String>>,
    folder: &Path,
) -> Outcome<Option<String>> {
    let mut source = Source::database(database.server(), database.name());
    source.environment = flags.env.clone();
    let mut args: Vec<String> = flags.args.iter().map(|a| a.replace("{db}", database.name())).collect();
    if let Some(filter) = &flags.filter {
        let file = folder.join("filter");
        std::fs::write(&file, filter).map_err(|e| format!("write {}: {e}", file.display()))?;
        args.push(format!("--filter={}", file.display()));
    }
    let pair = Pair::dump(&source, subject, &args, folder)?;
    if let Some(difference) = difference(&pair, flags.fails)? {
        return Ok(Some(difference));
    }
    let text = std::fs::read(&pair.ours.text).map_err(|e| format!("read our dump: {e}"))?;
    let holds = |piece: &String| text.windows(piece.len()).any(|window| window == piece.as_bytes());
    let missing = flags.like.iter().filter(|p| !holds(p)).map(|p| format!("lacks {p:?}\n"));
    let present = flags.unlike.iter().filter(|p| holds(p)).map(|p| format!("holds {p:?}\n"));
    let wrong: String = missing.chain(present).collect();
    Ok((!wrong.is_empty()).then_some(wrong))
}

/// Restores our dump into an empty database with psql, after which pg_dump must print the `same`, and
/// into another one with `pgsiphon restore`, after which pg_dump must always print the same as after
/// psql.
fn round_trip(
    first: &Pair,
    server: &Postgres,
    settings: &Settings,
    same: bool,
    folder: &Path,
) -> Outcome<Option<String>> {
    let by_psql = Database::create(server, "cs_psql", settings)?;
    let by_us = Database::create(server, "cs_restored", settings)?;
    match (by_psql.load(&[&first.ours.text]), by_us.restore(&first.ours.text)) {
        (Ok(()), Ok(())) => {}
        (Err(_), Err(_)) if !same => return Ok(None),
        (Err(text), _) => return Ok(Some(format!("── restore by psql ──\n{text}"))),
        (_, Err(text)) => return Ok(Some(format!("── restore by pgsiphon ──\n{text}"))),
    }
    let redump = |database: &Database, name: &str| {
        oracle::pg_dump(&Source::database(server, database.name()), &[], folder, name)
    };
    let second = redump(&by_psql, "psql")?;
    if same && let Some(text) = difference::of_dumps(&first.theirs.text, &second.text)? {
        return Ok(Some(format!("── after the round trip (pg_dump of both) ──\n{text}")));
    }
    let third = redump(&by_us, "restored")?;
    let difference = difference::of_dumps(&second.text, &third.text)?;
    Ok(difference.map(|text| format!("── restored by psql and by pgsiphon (pg_dump of both) ──\n{text}")))
}

/// The same with `-C`: the original is renamed, and the restore creates it again.
fn round_trip_create(original: &mut Database, subject: &Subject, folder: &Path) -> Outcome<Option<String>> {
    let server = original.server().clone();
    let flags = ["-C".to_owned()];
    let source = Source::database(&server, original.name());
    let first = Pair::dump(&source, subject, &flags, folder)?;
    let name = original.name().to_owned();
    original.rename(&format!("{name}_old"))?;
    let by_psql = || database::run_files(&server, "postgres", &[&first.ours.text]);
    let by_us = || database::restore(&server, "postgres", &first.ours.text, &["--create"]);
    for (who, restore) in [("psql", &by_psql as &dyn Fn() -> Outcome<()>), ("pgsiphon", &by_us)] {
        let _restored = Database::expected(&server, &name);
        if let Err(text) = restore() {
            return Ok(Some(format!("── restore with -C by {who} ──\n{text}")));
        }
        let second = oracle::pg_dump(&source, &flags, folder, "restored")?;
        if let Some(text) = difference::of_dumps(&first.theirs.text, &second.text)? {
            return Ok(Some(format!("── after the round trip with -C by {who} ──\n{text}")));
        }
    }
    Ok(None)
}

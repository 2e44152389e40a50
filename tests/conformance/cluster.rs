//! Roles, tablespaces and all databases: our text equals pg_dumpall's text, and a new cluster restored
//! from it is the same again.
//!
//! These belong to whole clusters, so each trial starts two: one to dump, one to restore to.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Outcome;
use crate::support::database::{administer, ask, run_files};
use crate::support::difference;
use crate::support::oracle::{self, Pair, Source, Subject};
use crate::support::own_servers::OwnServers;
use crate::support::servers::{Postgres, clean_command};

/// The first major version with its own pg_dumpall here.
pub(crate) const OLDEST_MAJOR: u32 = 14;

const GLOBALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/globals");

/// One key for all parts: by default pg_dumpall uses a random one for each.
const RESTRICT_KEY: [&str; 2] = ["--restrict-key", "key"];

/// The flags for pg_dumpall and for us. Without -g, -r or --tablespaces-only, all databases are dumped,
/// for which we also need `--all`.
const FLAGS: &[&[&str]] = &[
    &["-g"],
    &["-g", "-c", "--if-exists", "-v"],
    &["-g", "-c", "-x", "-l", "template1"],
    &["-g", "-a"],
    &["-g", "-O", "-s", "-E", "UTF8", "-l", "latin1"],
    &["-g", "--role", "everything"],
    &["-r", "--no-comments"],
    &["-r", "--no-role-passwords", "-U", "worker"],
    &["--tablespaces-only"],
    &["--tablespaces-only", "-c", "-x", "--no-comments"],
    &["-s", "-v", "--no-role-passwords"],
    &["-a", "--inserts"],
    &["-c", "--if-exists", "-O", "-x", "--exclude-database", "SKIP*|latin?"],
];

/// Labels, which only a module could set properly, and which cannot be restored without it.
const LABEL: &str = "SET allow_system_table_mods = on;
    INSERT INTO pg_shseclabel
    SELECT oid, tableoid, provider, 'it''s \\a label of ' || name
      FROM (SELECT oid, tableoid, rolname FROM pg_authid WHERE rolname IN ('plain', 'quo\"ted')
             UNION ALL SELECT oid, tableoid, spcname FROM pg_tablespace WHERE spcname = 'one'
             UNION ALL SELECT oid, tableoid, datname FROM pg_database WHERE datname = 'app') AS o (oid, tableoid, name),
           unnest(ARRAY['a provider', 'dummy']) AS provider";
const UNLABEL: &str = "SET allow_system_table_mods = on; DELETE FROM pg_shseclabel";

/// Loads the test data, compares all flag sets, and restores.
pub(crate) fn run(major: u32, built: &str) -> Outcome<()> {
    let own = OwnServers::start(&["--versions", &major.to_string()])?;
    let original = own.servers.postgres(major)?;
    run_files(original, "postgres", &inputs(major)?.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;

    let folder = tempfile::tempdir().map_err(|e| format!("make a temporary folder: {e}"))?;
    let subject = Subject::from_environment(built, &original.bindir);
    administer(original, LABEL)?;
    let mut complaints = Vec::new();
    let mut compare = |flags: &[&str]| -> Outcome<Pair> {
        let pair = dump(original, &subject, flags, folder.path())?;
        let difference = pair.difference(false)?;
        complaints.extend(difference.map(|text| format!("── flags {flags:?} ──\n{text}")));
        Ok(pair)
    };
    for flags in FLAGS {
        compare(flags)?;
    }
    administer(original, UNLABEL)?;
    let whole = compare(&[])?;
    if complaints.is_empty() {
        complaints.extend(round_trip(original, &whole, major, folder.path())?);
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// For each name `NAME.sql`, followed by `NAME.N.sql` on major versions from N on.
fn inputs(major: u32) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for name in ["roles", "tablespaces", "databases"] {
        let versions = (OLDEST_MAJOR..=major).map(|version| format!("{name}.{version}.sql"));
        let all = [format!("{name}.sql")].into_iter().chain(versions);
        files.extend(all.map(|file| Path::new(GLOBALS).join(file)).filter(|path| path.exists()));
    }
    if files.is_empty() { Err(format!("there are no tests in {GLOBALS}")) } else { Ok(files) }
}

fn dump(server: &Postgres, subject: &Subject, flags: &[&str], folder: &Path) -> Outcome<Pair> {
    let mut flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut source = Source::cluster(server);
    // A user in the flags has precedence over the superuser in the connection options.
    if let Some(user) = flags.iter().position(|flag| flag == "-U") {
        let named: Vec<String> = flags.drain(user..).collect();
        source.connection.truncate(source.connection.len() - 2);
        source.connection.extend(named);
    }
    flags.extend(RESTRICT_KEY.map(str::to_owned));
    Pair::dump_cluster(&source, subject, &flags, folder)
}

/// Restores a script of a whole cluster; returns what went wrong.
type Restore = fn(&Postgres, u32, &Path) -> Outcome<Option<String>>;

/// Restores our dump into an empty cluster with psql, and then into another with pgsiphon. pg_dumpall
/// must dump each the same, except for the directories of tablespaces, which differ by cluster.
fn round_trip(original: &Postgres, first: &Pair, major: u32, folder: &Path) -> Outcome<Option<String>> {
    let ways: [(&str, Restore); 2] = [("psql", run_script), ("pgsiphon", run_restore)];
    for (who, restore) in ways {
        let own = OwnServers::start(&["--versions", &major.to_string()])?;
        let restored = own.servers.postgres(major)?;
        let (from, to) = (spaces(original)?, spaces(restored)?);
        administer(restored, &format!("COPY (SELECT) TO PROGRAM {}", make_directories(&to)))?;
        if let Some(text) = restore(restored, major, &relocate(&first.ours.text, &from, &to)?)? {
            return Ok(Some(format!("── restore by {who} ──\n{text}")));
        }
        let expected = relocate(&first.theirs.text, &from, &to)?;
        let flags = RESTRICT_KEY.map(str::to_owned);
        let second = oracle::pg_dumpall(&Source::cluster(restored), &flags, folder, "restored")?;
        if let Some(text) = difference::of_dumps(&expected, &second.text)? {
            return Ok(Some(format!("── after the round trip by {who} (pg_dumpall of both) ──\n{text}")));
        }
    }
    Ok(None)
}

/// A copy of a dump with other tablespace directories.
fn relocate(path: &Path, from: &str, to: &str) -> Outcome<PathBuf> {
    let failed = |e: std::io::Error| format!("relocate {}: {e}", path.display());
    let text = std::fs::read(path).map_err(failed)?;
    // LATIN1 rows are not UTF-8; reading each byte as a character preserves them.
    let text: String = text.into_iter().map(char::from).collect();
    let text: Vec<u8> = text.replace(from, to).chars().map(|c| c as u8).collect();
    let relocated = path.with_extension("relocated.sql");
    std::fs::write(&relocated, text).map_err(failed)?;
    Ok(relocated)
}

/// The directories of tablespaces.sql.
fn spaces(server: &Postgres) -> Outcome<String> {
    let sql = "SELECT regexp_replace(current_setting('data_directory'), '[^/]*$', 'spaces')";
    Ok(ask(server, "postgres", sql)?.trim_end().to_owned())
}

/// A literal with the command that creates the directories of tablespaces.sql.
fn make_directories(spaces: &str) -> String {
    format!("'cat > /dev/null; mkdir -p {spaces} && cd {spaces} && mkdir one \"two \\\"2\\\"\" three'")
}

/// Runs a script with psql, and returns its errors, except for the one about the superuser, who already
/// exists.
fn run_script(server: &Postgres, major: u32, script: &Path) -> Outcome<Option<String>> {
    let mut psql = server.client("psql");
    psql.args(["-X", "-q", "-d", "postgres", "-f"]).arg(script).stdout(Stdio::null());
    allow_in_place_tablespaces(&mut psql, major);
    let done = psql.output().map_err(|e| format!("start psql: {e}"))?;
    let exists = format!("role \"{}\" already exists", server.user);
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    let unexpected: Vec<&str> =
        stderr.lines().filter(|line| line.contains("ERROR") && !line.ends_with(&exists)).collect();
    Ok((!unexpected.is_empty()).then(|| unexpected.join("\n")))
}

/// Does the same with `pgsiphon restore`, which must only report that error.
fn run_restore(server: &Postgres, major: u32, script: &Path) -> Outcome<Option<String>> {
    let mut restore = clean_command(crate::PGSIPHON);
    restore.arg("restore").args(server.connection_options()).args(["-d", "postgres"]).arg(script);
    allow_in_place_tablespaces(&mut restore, major);
    let done = restore.output().map_err(|e| format!("start pgsiphon: {e}"))?;
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    Ok((!done.status.success()).then_some(stderr))
}

fn allow_in_place_tablespaces(command: &mut Command, major: u32) {
    if major >= 17 {
        command.env("PGOPTIONS", "-c allow_in_place_tablespaces=on");
    }
}

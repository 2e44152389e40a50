//! The harness as a command, used by `scripts/conformance`:
//!
//! ```text
//! compare [--dsn DSN --bindir DIR | FILE.sql[.gz]] [-- FLAGS]
//! ```
//!
//! With a DSN, both programs dump that database, which is only read. With a file, it is loaded into a
//! scratch database on each running server, compared, and restored.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::PGSIPHON;
use crate::support::Outcome;
use crate::support::database::{Database, Settings};
use crate::support::difference;
use crate::support::oracle::{self, Pair, Source, Subject};
use crate::support::servers::{Postgres, Servers};

/// What to compare, from the command line.
struct Request {
    target: Target,
    flags: Vec<String>,
}

enum Target {
    Live { dsn: String, bindir: PathBuf },
    Sql(PathBuf),
}

/// One row of the table.
struct Row {
    what: String,
    bytes: u64,
    seconds: f32,
    result: Result<(), String>,
}

/// Prints a table and the differences; the exit code is 1 if there are any, 2 on wrong usage.
pub(crate) fn main(arguments: Vec<String>) -> ExitCode {
    let rows = match parse(arguments).and_then(|request| run(&request)) {
        Ok(rows) => rows,
        Err(text) => {
            eprintln!("conformance: {text}");
            return ExitCode::from(2);
        }
    };
    for row in &rows {
        if let Err(text) = &row.result {
            println!("═══ {} ═══\n{text}", row.what);
        }
    }
    println!("{:<28} {:>14} {:>9}  result", "what", "bytes", "seconds");
    for row in &rows {
        let verdict = if row.result.is_ok() { "same" } else { "DIFFERENT" };
        println!("{:<28} {:>14} {:>9.1}  {verdict}", row.what, row.bytes, row.seconds);
    }
    if rows.iter().all(|row| row.result.is_ok()) { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn parse(arguments: Vec<String>) -> Outcome<Request> {
    let (mut dsn, mut bindir, mut file, mut flags) = (None, None, None, Vec::new());
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--" => flags.extend(rest.by_ref()),
            "--dsn" => dsn = rest.next(),
            "--bindir" => bindir = rest.next(),
            _ if file.is_none() => file = Some(argument),
            _ => return Err(format!("one file at a time; what is {argument:?}?")),
        }
    }
    let target = match (dsn, bindir, file) {
        (Some(dsn), Some(bindir), None) => Target::Live { dsn, bindir: bindir.into() },
        (None, None, Some(file)) => Target::Sql(file.into()),
        _ => return Err("give either --dsn DSN --bindir DIR, or a file with SQL".to_owned()),
    };
    Ok(Request { target, flags })
}

fn run(request: &Request) -> Outcome<Vec<Row>> {
    let folder = tempfile::tempdir().map_err(|e| format!("make a temporary folder: {e}"))?;
    match &request.target {
        Target::Live { dsn, bindir } => {
            let connection = vec!["-d".to_owned(), dsn.clone()];
            let environment = std::env::vars().filter(|(name, _)| steers_libpq(name)).collect();
            let source = Source { bindir: bindir.clone(), connection, environment };
            Ok(vec![dumps(&source, &request.flags, folder.path(), "the database")])
        }
        Target::Sql(file) => {
            let servers = Servers::from_environment()?;
            let sql = plain_sql(file, folder.path())?;
            let mut rows = Vec::new();
            for (major, server) in &servers.postgres {
                rows.extend(on_server(server, *major, &sql, &request.flags, folder.path()));
            }
            Ok(rows)
        }
    }
}

/// Variables for a password or a service that the DSN omits; not our own variables.
fn steers_libpq(name: &str) -> bool {
    name.starts_with("PG") && !name.starts_with("PGSIPHON")
}

fn on_server(server: &Postgres, major: u32, sql: &Path, flags: &[String], folder: &Path) -> Vec<Row> {
    let started = Instant::now();
    let loaded = Database::create(server, "conformance", &Settings::default())
        .and_then(|database| database.load(&[sql]).map(|()| database));
    let database = match loaded {
        Ok(database) => database,
        Err(text) => {
            let seconds = started.elapsed().as_secs_f32();
            return vec![Row { what: format!("{major}: load"), bytes: 0, seconds, result: Err(text) }];
        }
    };
    let source = Source::database(server, database.name());
    let compared = dumps(&source, flags, folder, &format!("{major}: text"));
    let mut rows = vec![compared];
    if flags.is_empty() {
        let started = Instant::now();
        let ours = folder.join("pgsiphon.sql");
        let theirs = folder.join("pg_dump.sql");
        let result = restore(server, &ours, &theirs, folder);
        let (bytes, seconds) = (size(&theirs), started.elapsed().as_secs_f32());
        rows.push(Row { what: format!("{major}: round trip"), bytes, seconds, result });
    }
    rows
}

fn dumps(source: &Source, flags: &[String], folder: &Path, what: &str) -> Row {
    let started = Instant::now();
    let subject = Subject::from_environment(PGSIPHON, &source.bindir);
    let result = Pair::dump(source, &subject, flags, folder)
        .and_then(|pair| pair.difference(false))
        .and_then(|difference| difference.map_or(Ok(()), Err));
    let seconds = started.elapsed().as_secs_f32();
    Row { what: what.to_owned(), bytes: size(&folder.join("pg_dump.sql")), seconds, result }
}

fn restore(server: &Postgres, ours: &Path, theirs: &Path, folder: &Path) -> Outcome<()> {
    let restored = Database::create(server, "conformance_restored", &Settings::default())?;
    restored.load(&[ours])?;
    let again = oracle::pg_dump(&Source::database(server, restored.name()), &[], folder, "restored")?;
    difference::of_dumps(theirs, &again.text)?.map_or(Ok(()), Err)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// The file itself, or its decompressed contents if it is in gzip format.
fn plain_sql(file: &Path, folder: &Path) -> Outcome<PathBuf> {
    let failed = |e: std::io::Error| format!("read {}: {e}", file.display());
    let mut magic = [0u8; 2];
    let is_gzip = File::open(file).map_err(failed)?.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    if !is_gzip {
        return Ok(file.to_owned());
    }
    let plain = folder.join("input.sql");
    let mut decoder = flate2::read::MultiGzDecoder::new(BufReader::new(File::open(file).map_err(failed)?));
    let mut out = File::create(&plain).map_err(failed)?;
    std::io::copy(&mut decoder, &mut out).map_err(failed)?;
    Ok(plain)
}

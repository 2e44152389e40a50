//! Random databases: our dump of whatever the grammar draws equals pg_dump's, byte for byte.
//!
//! By default one seed on each running PostgreSQL. `PGSIPHON_RANDOM_SECONDS=1800` continues for that
//! long, seed after seed; `PGSIPHON_RANDOM_SEED=7` sets the first one. A difference is reduced to few
//! statements, which are printed and kept.

// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod flags;
mod grammar;
mod seed;
mod shrink;

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use seed::{Finding, Tally};
use support::Outcome;
use support::servers::{Postgres, Servers};

const PGSIPHON: &str = env!("CARGO_BIN_EXE_pgsiphon");
const SECONDS_VARIABLE: &str = "PGSIPHON_RANDOM_SECONDS";
const SEED_VARIABLE: &str = "PGSIPHON_RANDOM_SEED";

/// The percentage of statements that must have succeeded: below that, the grammar is broken.
const SHARE_PERCENT: usize = 70;
/// The percentage of kinds of statements that must have succeeded at least once, of those that the major
/// version supports.
const KINDS_PERCENT: usize = 85;
/// How many seeds of a long run may fail because of pg_dump or the server itself.
const FAILURES_PERCENT: u64 = 10;
/// A long run ends after this many findings: more are mostly the same.
const FINDINGS: usize = 4;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials =
        trials().unwrap_or_else(|text| vec![Trial::test("preparation", move || Err(Failed::from(text)))]);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials() -> Outcome<Vec<Trial>> {
    let servers = Servers::from_environment()?;
    let seconds = number(SECONDS_VARIABLE)?;
    let first = number(SEED_VARIABLE)?;
    let trials = servers.postgres.iter().map(|(&major, server)| {
        let server = server.clone();
        match seconds {
            None => {
                let seed = first.unwrap_or(1);
                Trial::test(format!("pg{major}::seed"), move || Ok(short(&server, major, seed)?))
            }
            Some(seconds) => {
                let run = Duration::from_secs(seconds);
                let first = first.unwrap_or_else(|| rand::random_range(0..1_000_000_000));
                Trial::test(format!("pg{major}::long"), move || Ok(long(&server, major, first, run)?))
            }
        }
    });
    Ok(trials.collect())
}

fn number(variable: &str) -> Outcome<Option<u64>> {
    let Some(text) = std::env::var_os(variable) else { return Ok(None) };
    let text = text.to_string_lossy();
    text.parse().map(Some).map_err(|e| format!("{variable}={text} is not a number: {e}"))
}

fn short(server: &Postgres, major: u32, first: u64) -> Outcome<()> {
    let (tally, finding) = seed::run(server, major, first, &seed::SHORT)?;
    match finding {
        Some(finding) => Err(report(&finding)),
        None => enough(major, &tally),
    }
}

fn long(server: &Postgres, major: u32, first: u64, run: Duration) -> Outcome<()> {
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut findings = Vec::new();
    let (mut seeds, mut failures) = (0, 0);
    while started.elapsed() < run && findings.len() < FINDINGS {
        match seed::run(server, major, first + seeds, &seed::LONG) {
            Ok((more, finding)) => {
                tally.add(&more);
                if let Some(finding) = finding {
                    eprintln!("{}", report(&finding));
                    findings.push(finding.seed);
                }
            }
            // Some databases are too much for pg_dump, and some crash the server, which then needs a
            // moment.
            Err(text) => {
                eprintln!("PostgreSQL {major}, seed {}: {text}", first + seeds);
                failures += 1;
                std::thread::sleep(Duration::from_secs(3));
            }
        }
        seeds += 1;
    }
    let seconds = started.elapsed().as_secs();
    eprintln!("PostgreSQL {major}: seeds {first} to {}, {seconds} s, {tally}", first + seeds - 1);
    if !findings.is_empty() {
        return Err(format!("seeds {findings:?} differ"));
    }
    if failures * 100 > seeds * FAILURES_PERCENT {
        return Err(format!("{failures} of {seeds} seeds could not be tried: see above"));
    }
    enough(major, &tally)
}

/// Whether the server accepted enough of the grammar.
fn enough(major: u32, tally: &Tally) -> Outcome<()> {
    if tally.succeeded() * 100 < tally.tried() * SHARE_PERCENT {
        return Err(format!("fewer than {SHARE_PERCENT} % of the statements succeeded: {tally}"));
    }
    let kinds = grammar::kinds(major);
    let never: Vec<&str> = kinds.iter().copied().filter(|kind| !tally.has(kind)).collect();
    if never.len() * 100 > kinds.len() * (100 - KINDS_PERCENT) {
        return Err(format!("too many kinds of statement never succeeded: {never:?}; {tally}"));
    }
    Ok(())
}

fn report(finding: &Finding) -> String {
    let Finding { seed, major, encoding, flags, environment, difference, minimal, folder } = finding;
    let environment: BTreeMap<_, _> = environment.clone();
    format!(
        "PostgreSQL {major}, seed {seed}: {SEED_VARIABLE}={seed} repeats it\nencoding {encoding}, flags {flags:?}, environment {environment:?}\n{difference}\n── minimal ──\n{minimal}\n── kept in {} ──",
        folder.display()
    )
}

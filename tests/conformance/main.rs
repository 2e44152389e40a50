//! Every case in `testdata/schemas/` × every running PostgreSQL: our text equals pg_dump's text, and
//! psql restores it to the same database. Also, on separate clusters, cluster-wide objects, and all
//! databases together.
//!
//! `scripts/conformance` runs the same program on any database: see `compare.rs`.

// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

mod cluster;
mod compare;
mod trial;

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use support::Outcome;
use support::case::Case;
use support::servers::Servers;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/schemas");
const PGSIPHON: &str = env!("CARGO_BIN_EXE_pgsiphon");

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("compare") {
        return compare::main(arguments.collect());
    }
    let arguments = Arguments::from_args();
    let trials =
        trials().unwrap_or_else(|text| vec![Trial::test("preparation", move || Err(Failed::from(text)))]);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials() -> Outcome<Vec<Trial>> {
    let servers = Servers::from_environment()?;
    let mut trials = Vec::new();
    for case in Case::read_all(Path::new(CASES))? {
        let case = Arc::new(case);
        for (&major, server) in &servers.postgres {
            if case.concerns(major) {
                let (case, server) = (Arc::clone(&case), server.clone());
                let name = format!("{}::pg{major}", case.name);
                trials.push(Trial::test(name, move || Ok(trial::run(&case, &server, major, PGSIPHON)?)));
            }
        }
    }
    if trials.is_empty() {
        return Err(format!("no case in {CASES} concerns the running servers"));
    }
    for &major in servers.postgres.keys().filter(|&&major| major >= cluster::OLDEST_MAJOR) {
        let name = format!("cluster::pg{major}");
        trials.push(Trial::test(name, move || Ok(cluster::run(major, PGSIPHON)?)));
    }
    Ok(trials)
}

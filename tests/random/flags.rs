//! Random sets of those pg_dump flags that pgsiphon supports.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::PGSIPHON;
use crate::grammar::Plan;

/// Arguments and environment for both programs.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlagSet {
    pub(crate) args: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

impl FlagSet {
    /// Sets without one of the arguments or variables; the first is without all of them.
    pub(crate) fn each_without_one(&self) -> Vec<FlagSet> {
        let without_argument = (0..self.args.len()).map(|index| {
            let mut fewer = self.clone();
            fewer.args.remove(index);
            fewer
        });
        let without_variables = FlagSet { args: self.args.clone(), environment: BTreeMap::new() };
        [FlagSet::default(), without_variables].into_iter().chain(without_argument).collect()
    }
}

/// Flags without a value: the first major version that has them, and the percentage of sets that contain
/// them.
const PLAIN: &[(&str, u32, u32)] = &[
    ("--data-only", 0, 6),
    ("--schema-only", 0, 8),
    ("--clean", 0, 20),
    ("--if-exists", 0, 12),
    ("--create", 0, 20),
    ("--no-owner", 0, 10),
    ("--no-privileges", 0, 10),
    ("--inserts", 0, 12),
    ("--column-inserts", 0, 12),
    ("--rows-per-insert=2", 0, 8),
    ("--on-conflict-do-nothing", 0, 5),
    ("--disable-dollar-quoting", 0, 12),
    ("--disable-triggers", 0, 6),
    ("--no-comments", 0, 8),
    ("--no-publications", 0, 8),
    ("--no-subscriptions", 0, 8),
    ("--no-security-labels", 0, 5),
    ("--no-tablespaces", 0, 10),
    ("--no-table-access-method", 15, 10),
    ("--no-toast-compression", 14, 10),
    ("--no-unlogged-table-data", 0, 10),
    ("--quote-all-identifiers", 0, 12),
    ("--use-set-session-authorization", 0, 12),
    ("--load-via-partition-root", 0, 12),
    ("--enable-row-security", 0, 6),
    ("--extra-float-digits=0", 0, 6),
    ("--section=pre-data", 0, 5),
    ("--section=data", 0, 5),
    ("--section=post-data", 0, 5),
    ("--serializable-deferrable", 0, 3),
    ("--encoding=UTF8", 0, 4),
    ("--encoding=SQL_ASCII", 0, 4),
    ("--encoding=EUC_JP", 0, 2),
    ("--no-policies", 18, 8),
    ("--no-statistics", 18, 5),
    ("--statistics", 18, 5),
    ("--no-data", 18, 5),
    ("--no-schema", 18, 5),
    ("--sequence-data", 18, 8),
    ("--large-objects", 16, 8),
    ("--no-large-objects", 16, 8),
    ("--blobs", 0, 4),
    ("--no-blobs", 0, 4),
    ("--strict-names", 0, 4),
    ("--include-foreign-data=x", 0, 2),
    ("--extension=*", 14, 4),
    ("--exclude-extension=*", 17, 4),
    ("--verbose", 0, 4),
];

/// Flags with a pattern: the first major version, the percentage, and whether it names a schema.
const PATTERNS: &[(&str, u32, u32, bool)] = &[
    ("--schema", 0, 10, true),
    ("--exclude-schema", 0, 8, true),
    ("--table", 0, 12, false),
    ("--exclude-table", 0, 10, false),
    ("--exclude-table-data", 0, 8, false),
    ("--table-and-children", 16, 5, false),
    ("--exclude-table-and-children", 16, 5, false),
    ("--exclude-table-data-and-children", 16, 5, false),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("PGCLIENTENCODING", "LATIN1"),
    ("PGTZ", "Asia/Tokyo"),
    ("PGTZ", "America/New_York"),
    ("PGOPTIONS", "-c bytea_output=escape"),
    ("PGOPTIONS", "-c quote_all_identifiers=on"),
    ("PGOPTIONS", "-c intervalstyle=iso_8601 -c datestyle=german"),
    ("PGOPTIONS", "-c extra_float_digits=-3"),
    ("PGOPTIONS", "-c search_path=public"),
];

/// Whether pgsiphon supports that flag.
fn is_known(flag: &str) -> bool {
    static HELP: OnceLock<String> = OnceLock::new();
    let help = HELP.get_or_init(|| {
        let output = Command::new(PGSIPHON).args(["dump", "--help"]).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
    });
    let name = flag.split('=').next().unwrap_or(flag);
    help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == name)
}

/// A random set, which pg_dump may reject.
pub(crate) fn draw(rng: &mut StdRng, major: u32, plan: &Plan) -> FlagSet {
    let mut set = FlagSet::default();
    for (flag, since, chance) in PLAIN {
        let is_drawn = rng.random_range(0..100) < *chance;
        // pg_dump uses the last of two encodings; pgsiphon accepts one.
        let is_again = flag.starts_with("--encoding") && set.args.iter().any(|a| a.starts_with("--encoding"));
        if is_drawn && *since <= major && is_known(flag) && !is_again {
            set.args.push((*flag).to_owned());
        }
    }
    for (flag, since, chance, is_schema) in PATTERNS {
        let is_drawn = rng.random_range(0..100) < *chance;
        let names = if *is_schema { &plan.schemas } else { &plan.relations };
        let pattern = pattern(rng, names);
        if is_drawn && *since <= major && is_known(flag) {
            set.args.push(format!("{flag}={pattern}"));
        }
    }
    if rng.random_range(0..100) < 90 {
        settle(&mut set.args);
    }
    if rng.random_range(0..100) < 15 {
        let (name, value) = ENVIRONMENT[rng.random_range(0..ENVIRONMENT.len())];
        set.environment.insert(name.to_owned(), value.to_owned());
    }
    set
}

/// Removes or adds flags where pg_dump would only complain.
fn settle(args: &mut Vec<String>) {
    /// The first is removed if the second is present.
    const CLASHES: &[(&str, &str)] = &[
        ("--schema-only", "--data-only"),
        ("--clean", "--data-only"),
        ("--if-exists", "--data-only"),
        ("--no-data", "--data-only"),
        ("--no-schema", "--schema-only"),
        ("--no-schema", "--no-data"),
        ("--statistics", "--no-statistics"),
        ("--statistics", "--data-only"),
        ("--statistics", "--schema-only"),
        ("--include-foreign-data", "--schema-only"),
        ("--large-objects", "--no-large-objects"),
        ("--section", "--data-only"),
        ("--section", "--schema-only"),
    ];
    /// The first requires the second.
    const NEEDS: &[(&str, &str)] = &[("--if-exists", "--clean"), ("--on-conflict-do-nothing", "--inserts")];
    let has = |args: &[String], name: &str| args.iter().any(|a| a.split('=').next() == Some(name));
    for (flag, other) in CLASHES {
        if has(args, other) {
            args.retain(|a| a.split('=').next() != Some(flag));
        }
    }
    for (flag, other) in NEEDS {
        if has(args, flag) && !has(args, other) {
            args.push((*other).to_owned());
        }
    }
}

fn pattern(rng: &mut StdRng, names: &[String]) -> String {
    // None that matches pg_catalog, because that takes long.
    const WILD: &[&str] = &["a*", "public.*", "*.a*", "\"U\"*", "?", "[a-f]*", "(a|b)*", "public", "*1"];
    if names.is_empty() || rng.random_range(0..3) == 0 {
        return WILD[rng.random_range(0..WILD.len())].to_owned();
    }
    names[rng.random_range(0..names.len())].clone()
}

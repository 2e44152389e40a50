//! One seed on one server: draw, load, dump with both programs, compare.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::flags::{self, FlagSet};
use crate::grammar::{self, Statement, quoted};
use crate::support::Outcome;
use crate::support::database::{Database, Settings, administer};
use crate::support::difference;
use crate::support::not_null_names;
use crate::support::oracle::{self, Pair, Source, Subject};
use crate::support::servers::Postgres;
use crate::support::split;
use crate::{PGSIPHON, shrink};

const ROLES: usize = 4;
/// Printed by psql after each statement.
const MARK: &str = "pgsiphon-random";

/// How much to do for a seed.
pub(crate) struct Extent {
    /// How many rules to follow after each was followed once.
    draws: std::ops::Range<usize>,
    /// How many flag sets to try, in addition to no flags.
    flag_sets: usize,
    /// Encodings from which the database's is drawn.
    encodings: &'static [&'static str],
    /// How long a difference may be reduced.
    shrinking: Duration,
}

pub(crate) const SHORT: Extent =
    Extent { draws: 150..151, flag_sets: 3, encodings: &["UTF8"], shrinking: Duration::from_secs(150) };
pub(crate) const LONG: Extent = Extent {
    draws: 20..500,
    flag_sets: 5,
    encodings: &["UTF8", "UTF8", "UTF8", "UTF8", "UTF8", "UTF8", "LATIN1", "SQL_ASCII"],
    shrinking: Duration::from_secs(300),
};

/// A difference, and the shortest way to reproduce it.
pub(crate) struct Finding {
    pub(crate) seed: u64,
    pub(crate) major: u32,
    pub(crate) encoding: &'static str,
    pub(crate) flags: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) difference: String,
    pub(crate) minimal: String,
    pub(crate) folder: PathBuf,
}

/// What was tried, and how much of it succeeded.
#[derive(Default)]
pub(crate) struct Tally {
    /// Statements by kind: how many were tried, how many succeeded.
    statements: BTreeMap<&'static str, (usize, usize)>,
    /// Comparisons, and those in which pg_dump rejected the flags.
    compared: usize,
    refused: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        for (kind, (tried, succeeded)) in &other.statements {
            let entry = self.statements.entry(kind).or_default();
            entry.0 += tried;
            entry.1 += succeeded;
        }
        self.compared += other.compared;
        self.refused += other.refused;
    }

    pub(crate) fn tried(&self) -> usize {
        self.statements.values().map(|v| v.0).sum()
    }

    pub(crate) fn succeeded(&self) -> usize {
        self.statements.values().map(|v| v.1).sum()
    }

    pub(crate) fn has(&self, kind: &str) -> bool {
        self.statements.get(kind).is_some_and(|v| v.1 > 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} comparisons, {} sets of flags refused; ", self.compared, self.refused)?;
        write!(f, "{} of {} statements succeeded:", self.succeeded(), self.tried())?;
        self.statements
            .iter()
            .try_for_each(|(kind, (tried, succeeded))| write!(f, " {kind} {succeeded}/{tried},"))
    }
}

/// The server with the roles and the tablespace of a seed, which are dropped with this value.
pub(crate) struct Ground<'a> {
    pub(crate) server: &'a Postgres,
    roles: Vec<String>,
    tablespace: String,
    settings: Settings,
    /// Flag sets that pg_dump rejected.
    refused: Cell<usize>,
}

impl<'a> Ground<'a> {
    fn prepare(server: &'a Postgres, seed: u64, encoding: &str) -> Outcome<Self> {
        // Other tests' databases in other encodings can see these names, too.
        const ENDS: [&str; ROLES] = ["0", "1 \"odd\" \\", "2", "3 U.x"];
        let stem = format!("rnd_{}_{seed}", std::process::id());
        let roles = ENDS.iter().map(|end| quoted(&format!("{stem}_{end}"))).collect();
        let settings = Settings { encoding: Some(encoding.to_owned()), locale: None };
        let ground = Ground {
            server,
            roles,
            tablespace: quoted(&format!("{stem}_ts")),
            settings,
            refused: Cell::new(0),
        };
        for role in &ground.roles {
            administer(server, &format!("CREATE ROLE {role}"))?;
        }
        administer(server, &format!("ALTER ROLE {} SUPERUSER", ground.roles[ROLES - 1]))?;
        let sql = format!("CREATE TABLESPACE {} LOCATION ''", ground.tablespace);
        let mut psql = server.client("psql");
        psql.args(["-X", "-q", "-d", "postgres", "-c", "SET allow_in_place_tablespaces = on", "-c", &sql]);
        let done = psql.output().map_err(|e| format!("start psql: {e}"))?;
        if done.status.success() {
            Ok(ground)
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    /// A new database in which the statements were tried, and which of them succeeded.
    pub(crate) fn load(&self, statements: &[&Statement], folder: &Path) -> Outcome<(Loaded, Vec<bool>)> {
        let mut script = String::from(
            "\\o /dev/null\nSET client_encoding = 'UTF8';\nSET client_min_messages = error;\nSET statement_timeout = '20s';\n",
        );
        for (index, statement) in statements.iter().enumerate() {
            script.push_str(&format!("{};\n\\echo {MARK} {index} :ERROR\n", statement.sql));
        }
        let file = folder.join("load.sql");
        fs::write(&file, script).map_err(|e| format!("write {}: {e}", file.display()))?;
        let loaded = Loaded(Database::create(self.server, "random", &self.settings)?);
        let errors =
            fs::File::create(folder.join("load.stderr")).map_err(|e| format!("create a file: {e}"))?;
        let mut psql = self.server.client("psql");
        psql.args(["-X", "-q", "-d", loaded.0.name(), "-f"]).arg(&file);
        let done =
            psql.stdin(Stdio::null()).stderr(errors).output().map_err(|e| format!("start psql: {e}"))?;
        let mut succeeded = vec![false; statements.len()];
        let mut marks = 0;
        for line in String::from_utf8_lossy(&done.stdout).lines() {
            let Some(rest) = line.strip_prefix(MARK) else { continue };
            let mut words = rest.split_whitespace();
            let index = words.next().and_then(|w| w.parse::<usize>().ok());
            let slot = index.and_then(|i| succeeded.get_mut(i)).ok_or_else(|| format!("psql said {line}"))?;
            *slot = words.next() == Some("false");
            marks += 1;
        }
        if marks != statements.len() {
            return Err(format!(
                "psql got to {marks} of {} statements: see {}",
                statements.len(),
                file.display()
            ));
        }
        Ok((loaded, succeeded))
    }

    /// How the dumps with these flags differ, if they do.
    pub(crate) fn compare(&self, loaded: &Loaded, flags: &FlagSet, folder: &Path) -> Outcome<Option<String>> {
        let mut source = Source::database(self.server, loaded.0.name());
        source.environment = flags.environment.clone();
        let subject = Subject::from_environment(PGSIPHON, &self.server.bindir);
        let mut args = vec!["--restrict-key=k".to_owned()];
        args.extend(flags.args.iter().cloned());
        let pair = Pair::dump(&source, &subject, &args, folder)?;
        // A random set of flags may be one that pg_dump rejects.
        let is_plain = flags.args.is_empty() && flags.environment.is_empty();
        let is_refused = !pair.theirs.status.success();
        self.refused.set(self.refused.get() + usize::from(is_refused));
        // Its INSERTs come from other queries than ours, and functions called for an index while those
        // are planned may fail.
        if is_refused && pair.theirs.stderr.contains("error: query failed: ERROR:") && !is_plain {
            return Ok(None);
        }
        // Where it breaks a dependency loop at an arbitrary place, we refuse: its text may not be
        // restorable.
        if pair.theirs.stderr.contains("could not resolve dependency loop") {
            let is_refused = pair.ours.stderr.contains("these depend on each other in a circle");
            return Ok((!is_refused).then(|| format!("not refused:\n{}", pair.theirs.stderr)));
        }
        let difference = pair.difference(is_refused && !is_plain)?;
        if difference.is_none() && is_plain {
            return split::difference(&subject, &source, &pair.ours.text, folder);
        }
        if difference.is_none() || is_refused {
            return Ok(difference);
        }
        let quoted = not_null_names::difference_but_for_quotes(self.server, &pair, folder)?;
        let Some(difference) = quoted else { return Ok(None) };
        // If the server reads a constant of a type that has changed, it prints random memory, and not
        // even two dumps of pg_dump are equal.
        let again = oracle::pg_dump(&source, &args, folder, "again")?;
        let is_stable = difference::of_dumps(&pair.theirs.text, &again.text)?.is_none();
        Ok(is_stable.then_some(difference))
    }
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        let drops = self.roles.iter().map(|role| format!("DROP ROLE IF EXISTS {role}"));
        for sql in drops.chain([format!("DROP TABLESPACE IF EXISTS {}", self.tablespace)]) {
            if let Err(text) = administer(self.server, &sql) {
                eprintln!("left behind: {text}");
            }
        }
    }
}

/// A loaded database, which is dropped with this value.
pub(crate) struct Loaded(Database);

impl Drop for Loaded {
    fn drop(&mut self) {
        // A database with a subscription cannot be dropped.
        let sql = "DO $$ DECLARE s name; BEGIN FOR s IN SELECT subname FROM pg_subscription JOIN pg_database d \
                   ON d.oid = subdbid WHERE datname = current_database() LOOP \
                   EXECUTE format('DROP SUBSCRIPTION %I', s); END LOOP; END $$";
        if let Err(text) = self.0.query(sql) {
            eprintln!("left behind: {text}");
        }
    }
}

/// Draws, loads and compares. A difference is reduced.
pub(crate) fn run(
    server: &Postgres,
    major: u32,
    seed: u64,
    extent: &Extent,
) -> Outcome<(Tally, Option<Finding>)> {
    let temporary = tempfile::tempdir().map_err(|e| format!("make a temporary folder: {e}"))?;
    let folder = temporary.path();
    // The flags are drawn separately from the database, so that new flags do not change old databases.
    let mut rng = StdRng::seed_from_u64(!seed);
    let draws = rng.random_range(extent.draws.clone());
    let encoding = extent.encodings[rng.random_range(0..extent.encodings.len())];
    let ground = Ground::prepare(server, seed, encoding)?;
    let plan = grammar::draw(seed, major, draws, &ground.roles, &ground.tablespace);
    let statements: Vec<&Statement> = plan.statements.iter().collect();
    let (loaded, succeeded) = ground.load(&statements, folder)?;
    let mut tally = Tally::default();
    for (statement, &is_good) in statements.iter().zip(&succeeded) {
        let entry = tally.statements.entry(statement.kind).or_default();
        entry.0 += 1;
        entry.1 += usize::from(is_good);
    }
    if std::env::var_os("PGSIPHON_RANDOM_ERRORS").is_some() {
        eprintln!("{}", fs::read_to_string(folder.join("load.stderr")).unwrap_or_default());
    }
    let mut sets = vec![FlagSet::default()];
    sets.extend((0..extent.flag_sets).map(|_| flags::draw(&mut rng, major, &plan)));
    for flags in sets {
        let difference = ground.compare(&loaded, &flags, folder)?;
        tally.compared += 1;
        tally.refused = ground.refused.get();
        let Some(difference) = difference else { continue };
        drop(loaded);
        let good: Vec<&Statement> =
            statements.iter().zip(&succeeded).filter(|(_, good)| **good).map(|(s, _)| *s).collect();
        let smaller = shrink::shrink(&ground, &good, &flags, extent.shrinking, folder)?;
        let (minimal, flags, difference) = match smaller {
            Some(s) => (s.statements, s.flags, s.difference),
            None => (statements, flags, difference),
        };
        let text: String = minimal.iter().map(|s| format!("{};\n", s.sql)).collect();
        let kept = keep(major, seed, &plan.statements, &text)?;
        let finding = Finding {
            seed,
            major,
            encoding,
            flags: flags.args,
            environment: flags.environment,
            difference,
            minimal: text,
            folder: kept,
        };
        return Ok((tally, Some(finding)));
    }
    Ok((tally, None))
}

/// Writes the complete and the reduced SQL to a permanent place.
fn keep(major: u32, seed: u64, all: &[Statement], minimal: &str) -> Outcome<PathBuf> {
    let folder = std::env::temp_dir().join(format!("pgsiphon-random-{major}-{seed}"));
    let all: String = all.iter().map(|s| format!("{};\n", s.sql)).collect();
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("all.sql"), all))
        .and_then(|()| fs::write(folder.join("minimal.sql"), minimal))
        .map_err(|e| format!("keep what differs in {}: {e}", folder.display()))?;
    Ok(folder)
}

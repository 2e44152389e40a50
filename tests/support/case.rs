//! A conformance case: a folder in `testdata/schemas/`.
//!
//! * `input.sql` is loaded by psql into an empty database; `input.N.sql` after it on majors ≥ N.
//! * `case.json` says why the case exists, and what is special about it (see [`Manifest`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Outcome;

/// The flag sets tried with every case, in addition to no flags.
const DEFAULT_FLAGS: &[&[&str]] =
    &[&["-s"], &["-a"], &["-C", "-c", "--if-exists"], &["-O", "-x"], &["--inserts"]];

/// The contents of `case.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Why the case exists.
    about: String,
    /// The first and last major version to which it applies.
    min_version: Option<u32>,
    max_version: Option<u32>,
    /// Settings of the database; the cluster has UTF8 and C.
    pub(crate) encoding: Option<String>,
    pub(crate) locale: Option<String>,
    /// Flag sets in addition to the default ones.
    #[serde(default)]
    flags: Vec<FlagSet>,
    /// Leaves the default flag sets out.
    #[serde(default)]
    only_these_flags: bool,
    /// `true`, or why a restore of even pg_dump's own output differs; or that by major version.
    #[serde(default)]
    round_trip: RoundTrip,
    /// Whether pg_dump's text lacks quotes that ours deliberately has (see `not_null_names`).
    #[serde(default)]
    pub(crate) lacks_quotes: bool,
    /// The major versions that introduced something in this case: a build that only knows earlier ones
    /// must refuse it.
    #[serde(default)]
    news: Vec<u32>,
    /// Whether to restore with `-C` under the same name, to test what belongs to the database itself.
    #[serde(default)]
    pub(crate) round_trip_create: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RoundTrip {
    Always(bool),
    Never(String),
    NotOn(BTreeMap<String, String>),
}

impl Default for RoundTrip {
    fn default() -> Self {
        RoundTrip::Always(true)
    }
}

/// One way to call pg_dump, and what must be true of the text. A plain list contains the arguments.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "FlagSetForm")]
pub(crate) struct FlagSet {
    /// `{db}` stands for the database's name.
    pub(crate) args: Vec<String>,
    /// The contents of a file for `--filter`.
    pub(crate) filter: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    min_version: Option<u32>,
    max_version: Option<u32>,
    /// pg_dump rejects it, and so must we.
    pub(crate) fails: bool,
    /// Texts that must, and that must not, be in the output.
    pub(crate) like: Vec<String>,
    pub(crate) unlike: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FlagSetForm {
    Args(Vec<String>),
    Full(FlagSetFields),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlagSetFields {
    #[serde(default)]
    args: Vec<String>,
    filter: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    min_version: Option<u32>,
    max_version: Option<u32>,
    #[serde(default)]
    fails: bool,
    #[serde(default)]
    like: Vec<String>,
    #[serde(default)]
    unlike: Vec<String>,
}

impl From<FlagSetForm> for FlagSet {
    fn from(form: FlagSetForm) -> Self {
        match form {
            FlagSetForm::Args(args) => FlagSet { args, ..FlagSet::default() },
            FlagSetForm::Full(f) => FlagSet {
                args: f.args,
                filter: f.filter,
                env: f.env,
                min_version: f.min_version,
                max_version: f.max_version,
                fails: f.fails,
                like: f.like,
                unlike: f.unlike,
            },
        }
    }
}

/// A case with its folder.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    folder: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Case {
    /// All cases below `folder`, by name. A folder without a case is an error, so that a typo does not
    /// hide one.
    pub(crate) fn read_all(folder: &Path) -> Outcome<Vec<Case>> {
        let entries = std::fs::read_dir(folder).map_err(|e| format!("list {}: {e}", folder.display()))?;
        let mut cases = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| format!("list {}: {e}", folder.display()))?.path();
            if path.is_dir() {
                cases.push(Case::read(&path)?);
            }
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    fn read(folder: &Path) -> Outcome<Case> {
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let path = folder.join("case.json");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("read {}: {e}", path.display()))?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|e| format!("parse {}: {e}", path.display()))?;
        if manifest.about.trim().is_empty() {
            return Err(format!("{} does not say why the case exists", path.display()));
        }
        if !folder.join("input.sql").is_file() {
            return Err(format!("{} has no input.sql", folder.display()));
        }
        Ok(Case { name, folder: folder.to_owned(), manifest })
    }

    /// Whether the case applies to that major version.
    pub(crate) fn concerns(&self, major: u32) -> bool {
        within(major, self.manifest.min_version, self.manifest.max_version)
    }

    /// The files to load on that major version, in order.
    pub(crate) fn inputs(&self, major: u32) -> Vec<PathBuf> {
        let first = std::iter::once(self.folder.join("input.sql"));
        let later = (12..=major).map(|n| self.folder.join(format!("input.{n}.sql"))).filter(|p| p.is_file());
        first.chain(later).collect()
    }

    /// The flag sets to try on that major version, in addition to no flags.
    pub(crate) fn flag_sets(&self, major: u32) -> Vec<FlagSet> {
        let taken = if self.manifest.only_these_flags { 0 } else { DEFAULT_FLAGS.len() };
        let plain = |args: &&[&str]| FlagSet {
            args: args.iter().map(|&a| a.to_owned()).collect(),
            ..FlagSet::default()
        };
        let mut sets: Vec<FlagSet> = DEFAULT_FLAGS[..taken].iter().map(plain).collect();
        let more = self.manifest.flags.iter().filter(|f| within(major, f.min_version, f.max_version));
        sets.extend(more.cloned());
        sets
    }

    /// Whether the case, on that major version, uses features unknown to a build that only knows `known`
    /// and older ones.
    pub(crate) fn holds_news(&self, known: u32, major: u32) -> bool {
        self.manifest.news.iter().any(|&news| known < news && news <= major)
    }

    /// Whether a restored dump without flags is the same again.
    pub(crate) fn round_trips(&self, major: u32) -> bool {
        match &self.manifest.round_trip {
            RoundTrip::Always(yes) => *yes,
            RoundTrip::Never(_) => false,
            RoundTrip::NotOn(reasons) => !reasons.contains_key(&major.to_string()),
        }
    }
}

fn within(major: u32, min: Option<u32>, max: Option<u32>) -> bool {
    min.is_none_or(|m| major >= m) && max.is_none_or(|m| major <= m)
}

//! Reads values from their sources: flags, the environment, the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::setting::{self, SETTINGS, Setting, ValueKind};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::conninfo::Environment;
use crate::pg::secret::Secret;

/// A value as given.
#[derive(Clone, PartialEq, Eq)]
pub enum Raw {
    /// A single value.
    Scalar(Secret),
    /// A list.
    List(Vec<String>),
    /// Named values.
    Map(BTreeMap<String, String>),
}

/// Where a value was given, strongest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A command line flag.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// The job's table in the file, with the line.
    Job(PathBuf, usize),
    /// The common part of the file, with the line.
    File(PathBuf, usize),
    /// Not given: the default.
    Default,
}

impl Origin {
    /// Smaller is stronger.
    pub fn rank(&self) -> u8 {
        match self {
            Origin::Flag(_) => 0,
            Origin::Variable(_) => 1,
            Origin::Job(..) => 2,
            Origin::File(..) => 3,
            Origin::Default => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) | Origin::Variable(name) => f.write_str(name),
            Origin::Job(path, line) | Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value and where it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub raw: Raw,
    /// Where it was given. For a secret read from a file, where that file was named.
    pub origin: Origin,
    /// The file that a secret was read from.
    pub secret_file: Option<PathBuf>,
}

/// Values by key, from one source.
#[derive(Clone, Default)]
pub struct Layer(pub(super) BTreeMap<&'static str, Found>);

impl Layer {
    /// Adds a value; the key may end in `_file`, and then the value is read from that file.
    fn insert(&mut self, key: &str, raw: Raw, origin: Origin) -> Result<()> {
        let (setting, secret_file) = lookup(key).ok_or_else(|| unknown(key, &origin))?;
        let (raw, secret_file) = match (secret_file, raw) {
            (true, Raw::Scalar(path)) => {
                let path = PathBuf::from(path.reveal());
                (Raw::Scalar(read_secret(&path, key, &origin)?), Some(path))
            }
            (_, raw) => (raw, None),
        };
        let found = Found { raw, origin, secret_file };
        if let Some(other) = self.0.insert(setting.key, found) {
            return Err(Error::new(ErrorKind::Usage, format!("read {} ({})", setting.key, other.origin))
                .because("it is given both directly and as a file"));
        }
        Ok(())
    }

    /// A layer of flags: the flag, the key, and the value of each.
    ///
    /// # Errors
    /// `Usage`, if a key is unknown.
    pub fn of_flags(flags: impl IntoIterator<Item = (String, String, Raw)>) -> Result<Self> {
        let mut layer = Layer::default();
        for (flag, key, raw) in flags {
            // The last one wins, as usual for flags.
            if let Some((setting, _)) = lookup(&key) {
                layer.0.remove(setting.key);
            }
            layer.insert(&key, raw, Origin::Flag(flag))?;
        }
        Ok(layer)
    }

    /// The layer of environment variables.
    ///
    /// # Errors
    /// `Usage`, if a variable cannot be parsed.
    pub fn of_environment(env: &dyn Environment) -> Result<Self> {
        let mut layer = Layer::default();
        for setting in SETTINGS {
            for suffix in ["", "_file"] {
                if !suffix.is_empty() && !setting.kind.takes_file() {
                    continue;
                }
                let variable = format!("{}{}", setting.variable(), suffix.to_ascii_uppercase());
                let Some(value) = env.var(&variable) else { continue };
                let kind = if suffix.is_empty() { setting.kind } else { ValueKind::Text };
                let origin = Origin::Variable(variable);
                let raw = from_text(kind, &value, setting.key, &origin)?;
                layer.insert(&format!("{}{suffix}", setting.key), raw, origin)?;
            }
        }
        // The only AWS variable that is not left to the SDK, because we do the retries.
        let attempts = ("destination.max_attempts", "AWS_MAX_ATTEMPTS");
        if !layer.0.contains_key(attempts.0)
            && let Some(value) = env.var(attempts.1)
        {
            layer.insert(attempts.0, Raw::Scalar(Secret::new(value)), Origin::Variable(attempts.1.into()))?;
        }
        Ok(layer)
    }
}

/// Finds a key's setting, and whether the key names a secret's file.
fn lookup(key: &str) -> Option<(&'static Setting, bool)> {
    if let Some(setting) = setting::find(key) {
        return Some((setting, false));
    }
    let setting = setting::find(key.strip_suffix("_file")?)?;
    setting.kind.takes_file().then_some((setting, true))
}

fn read_secret(path: &Path, key: &str, origin: &Origin) -> Result<Secret> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("read {}", path.display()))
            .because(error)
            .hint(format!("{key} ({origin}) names this file"))
    })?;
    // Editors end the file with a line feed that is not part of the secret.
    Ok(Secret::new(text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t))))
}

/// Parses a value from the environment or `--set`.
///
/// # Errors
/// `Usage`, if it should be a map and is not.
pub fn from_text(kind: ValueKind, text: &str, key: &str, origin: &Origin) -> Result<Raw> {
    let items = || text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(match kind {
        ValueKind::List => Raw::List(items().map(str::to_owned).collect()),
        ValueKind::Map => {
            let pair = |item: &str| {
                let (name, value) = item.split_once('=').ok_or_else(|| {
                    Error::new(ErrorKind::Usage, format!("read {key} ({origin})"))
                        .because("it is not of the form name=value,name=value")
                })?;
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            };
            Raw::Map(items().map(pair).collect::<Result<_>>()?)
        }
        _ => Raw::Scalar(Secret::new(text)),
    })
}

/// The contents of a configuration file.
pub struct File {
    /// The common settings of all jobs.
    pub common: Layer,
    /// The jobs' own settings, in order.
    pub jobs: Vec<Layer>,
}

impl File {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// `Usage`, with the file and line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Usage, format!("read {}", path.display()))
                .because(error)
                .hint("pgsiphon config init writes a sample file")
        })?;
        File::parse(path, &text)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// As [`File::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let reader = Reader { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            // The full message quotes the line, which may contain a password.
            let line = error.span().map_or(1, |span| reader.line(span.start));
            Error::new(ErrorKind::Usage, format!("read {}:{line}", path.display()))
                .because(error.message().to_owned())
        })?;
        let mut file = File { common: Layer::default(), jobs: Vec::new() };
        for (name, value) in table.get_ref() {
            let line = reader.line(name.span().start);
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("job", DeValue::Array(jobs)) => {
                    for job in jobs.iter() {
                        let DeValue::Table(table) = job.get_ref() else {
                            return Err(reader.wrong(line, "job", "it is not a table; write [[job]]"));
                        };
                        let mut layer = Layer::default();
                        reader.table("", table, &mut layer, &|line| Origin::Job(path.into(), line))?;
                        file.jobs.push(layer);
                    }
                }
                ("job", _) => return Err(reader.wrong(line, "job", "a job begins with [[job]]")),
                _ => {}
            }
        }
        let origin = |line| Origin::File(path.into(), line);
        reader.table("", table.get_ref(), &mut file.common, &origin)?;
        Ok(file)
    }
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn wrong(&self, line: usize, key: &str, reason: &str) -> Error {
        Error::new(ErrorKind::Usage, format!("read {key} ({}:{line})", self.path.display()))
            .because(reason.to_owned())
    }

    /// Adds a table: first of sections, then of a section's settings.
    fn table(
        &self,
        section: &str,
        table: &DeTable<'_>,
        layer: &mut Layer,
        origin: &dyn Fn(usize) -> Origin,
    ) -> Result<()> {
        for (name, value) in table {
            let line = self.line(name.span().start);
            let key = match section {
                "" => name.get_ref().to_string(),
                _ => format!("{section}.{}", name.get_ref()),
            };
            let is_section = SETTINGS.iter().any(|s| s.key.split_once('.').is_some_and(|(s, _)| s == key));
            match value.get_ref() {
                DeValue::Array(_) if key == "job" && matches!(origin(line), Origin::File(..)) => {}
                DeValue::Table(inner) if section.is_empty() && is_section => {
                    self.table(&key, inner, layer, origin)?;
                }
                _ if section.is_empty() && is_section => {
                    return Err(self.wrong(line, &key, &format!("it is a section; write [{key}]")));
                }
                value => {
                    let (setting, secret_file) = lookup(&key).ok_or_else(|| unknown(&key, &origin(line)))?;
                    let kind = if secret_file { ValueKind::Text } else { setting.kind };
                    let raw = raw(kind, value).map_err(|reason| self.wrong(line, &key, &reason))?;
                    layer.insert(&key, raw, origin(line))?;
                }
            }
        }
        Ok(())
    }
}

fn raw(kind: ValueKind, value: &DeValue<'_>) -> Result<Raw, String> {
    let scalar = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(value) => Some(value.to_string()),
        _ => None,
    };
    let found = match (kind, value) {
        (ValueKind::List, DeValue::Array(items)) => {
            items.iter().map(|item| scalar(item.get_ref())).collect::<Option<_>>().map(Raw::List)
        }
        (ValueKind::Map, DeValue::Table(table)) => table
            .iter()
            .map(|(name, value)| Some((name.get_ref().to_string(), scalar(value.get_ref())?)))
            .collect::<Option<_>>()
            .map(Raw::Map),
        (ValueKind::List | ValueKind::Map, _) => None,
        (_, value) => scalar(value).map(|text| Raw::Scalar(Secret::new(text))),
    };
    found.ok_or_else(|| {
        let wanted = match kind {
            ValueKind::List => "a list of texts: [\"one\", \"two\"]",
            ValueKind::Map => "a table of texts: { name = \"value\" }",
            _ => kind.describe(),
        };
        format!("it is {}, but should be {wanted}", a(value.type_str()))
    })
}

fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

fn unknown(key: &str, origin: &Origin) -> Error {
    let error = Error::new(ErrorKind::Usage, format!("read {key} ({origin})"));
    let error = error.because("unknown setting");
    match nearest(key) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("pgsiphon config schema lists all settings"),
    }
}

/// The key that was probably meant.
fn nearest(key: &str) -> Option<String> {
    let sections = SETTINGS.iter().filter_map(|setting| setting.key.split_once('.'));
    let candidates = SETTINGS
        .iter()
        .map(|setting| setting.key.to_owned())
        .chain(sections.map(|(section, _)| section.to_owned()))
        .chain(SETTINGS.iter().filter(|s| s.kind.takes_file()).map(|s| format!("{}_file", s.key)))
        .chain(["job".to_owned()]);
    // Also suggest a setting of the same name in another section.
    let last = key.rsplit('.').next().unwrap_or(key);
    let near = |candidate: &str| {
        let name = candidate.rsplit('.').next().unwrap_or(candidate);
        let whole = strsim::jaro_winkler(key, candidate);
        if name == last { whole.max(0.93) } else { whole }
    };
    let scored = candidates.map(|candidate| (near(&candidate), candidate));
    scored.filter(|(score, _)| *score > 0.85).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, key)| key)
}

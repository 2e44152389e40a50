//! Which key a backup gets, and which backup a key is of: pure, and each the other's inverse.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::manifest::{self, Scope};
use crate::error::{Error, ErrorKind, Result};

/// A time in a key: sorts as text, and needs no quoting anywhere.
const TIMESTAMP: &str = "%Y-%m-%d_%H-%M-%S";

/// The length of what [`TIMESTAMP`] writes.
const TIMESTAMP_LEN: usize = 19;

/// What a key is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A database, by name.
    Database(String),
    /// Roles and tablespaces.
    Globals,
}

impl Subject {
    /// Its kind, as manifests have it.
    pub fn scope(&self) -> Scope {
        match self {
            Subject::Database(_) => Scope::Database,
            Subject::Globals => Scope::Globals,
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Database(name) => f.write_str(name),
            Subject::Globals => f.write_str("(globals)"),
        }
    }
}

/// What a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What it is of.
    pub subject: Subject,
    /// When its run began, to the second.
    pub timestamp: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Database,
    Timestamp,
}

/// A template of keys, with the placeholders of its prefix and job filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template(Vec<Piece>);

impl Template {
    fn read(text: &str, prefix: &str, job: &str, takes_database: bool) -> Result<Self> {
        let wrong = |reason: String| {
            Error::new(ErrorKind::Usage, format!("read the key template \"{text}\""))
                .because(reason)
                .hint("it is made of text, {prefix}, {job}, {database} and {timestamp}")
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) =
                after.split_once('}').ok_or_else(|| wrong("a { is not followed by a }".to_owned()))?;
            pieces.push(Piece::Literal(before.to_owned()));
            pieces.push(match name {
                "prefix" => Piece::Literal(prefix.to_owned()),
                "job" => Piece::Literal(job.to_owned()),
                "database" if takes_database => Piece::Database,
                "timestamp" => Piece::Timestamp,
                _ => return Err(wrong(format!("there is no {{{name}}} here"))),
            });
            rest = after;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        for (piece, name, times) in [
            (Piece::Timestamp, "{timestamp}", 1),
            (Piece::Database, "{database}", usize::from(takes_database)),
        ] {
            if pieces.iter().filter(|found| **found == piece).count() != times {
                return Err(wrong(format!("{name} must be in it once")));
            }
        }
        if pieces.windows(3).any(|w| {
            matches!(&w[1], Piece::Literal(text) if text.is_empty())
                && !matches!(w[0], Piece::Literal(_))
                && !matches!(w[2], Piece::Literal(_))
        }) {
            return Err(wrong("there must be some text between {database} and {timestamp}".to_owned()));
        }
        if text.contains("//") || text.starts_with('/') || text.ends_with('/') {
            return Err(wrong("slashes stand between names, one at a time".to_owned()));
        }
        if text.split('/').any(|name| matches!(name, "." | "..")) {
            return Err(wrong("\".\" and \"..\" are no names".to_owned()));
        }
        if text.ends_with(manifest::SUFFIX) {
            return Err(wrong(format!("{} is for manifests", manifest::SUFFIX)));
        }
        Ok(Template(pieces))
    }

    /// What stands before the first placeholder.
    fn start(&self) -> String {
        let literal = |piece: &Piece| match piece {
            Piece::Literal(text) => Some(text.clone()),
            _ => None,
        };
        self.0.iter().map_while(literal).collect()
    }

    fn key(&self, database: &str, timestamp: &str) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Database => database,
                Piece::Timestamp => timestamp,
            })
            .collect()
    }

    /// The database and the timestamp in a key, as they stand there.
    fn parse<'k>(&self, key: &'k str) -> Option<(&'k str, &'k str)> {
        let split = self.0.iter().position(|piece| *piece == Piece::Database).unwrap_or(self.0.len());
        let (mut database, mut timestamp) = ("", None);
        let mut rest = key;
        for piece in &self.0[..split] {
            rest = take_front(piece, rest, &mut timestamp)?;
        }
        // What stands around the name has a known length, so that the name may hold anything.
        for piece in self.0.iter().skip(split + 1).rev() {
            rest = take_back(piece, rest, &mut timestamp)?;
        }
        if split < self.0.len() {
            database = rest;
        } else if !rest.is_empty() {
            return None;
        }
        Some((database, timestamp?))
    }
}

fn take_front<'k>(piece: &Piece, rest: &'k str, timestamp: &mut Option<&'k str>) -> Option<&'k str> {
    match piece {
        Piece::Literal(text) => rest.strip_prefix(text.as_str()),
        _ => {
            let (found, rest) = rest.split_at_checked(TIMESTAMP_LEN)?;
            *timestamp = Some(found);
            Some(rest)
        }
    }
}

fn take_back<'k>(piece: &Piece, rest: &'k str, timestamp: &mut Option<&'k str>) -> Option<&'k str> {
    match piece {
        Piece::Literal(text) => rest.strip_suffix(text.as_str()),
        _ => {
            let (rest, found) = rest.split_at_checked(rest.len().checked_sub(TIMESTAMP_LEN)?)?;
            *timestamp = Some(found);
            Some(rest)
        }
    }
}

/// The keys of one job's backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    databases: Template,
    globals: Template,
    time_zone: Tz,
    common_prefix: String,
}

impl Naming {
    /// Reads the two templates.
    ///
    /// # Errors
    /// `Usage`, if a template could not be read back from its keys.
    pub fn new(databases: &str, globals: &str, prefix: &str, job: &str, time_zone: Tz) -> Result<Self> {
        let databases = Template::read(databases, prefix, job, true)?;
        let globals = Template::read(globals, prefix, job, false)?;
        let common_prefix = common_prefix(&databases.start(), &globals.start()).to_owned();
        Ok(Naming { databases, globals, time_zone, common_prefix })
    }

    /// The time zone of the times in keys.
    pub fn time_zone(&self) -> Tz {
        self.time_zone
    }

    /// What every key begins with: what to list.
    pub fn common_prefix(&self) -> &str {
        &self.common_prefix
    }

    /// Whether globals of both would get the same keys.
    pub fn shares_globals_with(&self, other: &Naming) -> bool {
        self.globals == other.globals
    }

    /// The key of a backup.
    pub fn key(&self, subject: &Subject, timestamp: DateTime<Utc>) -> String {
        let timestamp = timestamp.with_timezone(&self.time_zone).format(TIMESTAMP).to_string();
        let globals = self.globals.key("", &timestamp);
        match subject {
            Subject::Globals => globals,
            Subject::Database(name) => {
                let encoded = encode(name);
                let key = self.databases.key(&encoded, &timestamp);
                // A database may be called "globals".
                if key == globals { self.databases.key(&encode_first(&encoded), &timestamp) } else { key }
            }
        }
    }

    /// What a key is of, if it is one that [`Naming::key`] would make.
    pub fn parse(&self, key: &str) -> Option<Parsed> {
        let (subject, timestamp) = match self.globals.parse(key) {
            Some((_, timestamp)) if self.time(timestamp).is_some() => (Subject::Globals, timestamp),
            _ => {
                let (database, timestamp) = self.databases.parse(key)?;
                (Subject::Database(decode(database)?), timestamp)
            }
        };
        let parsed = Parsed { subject, timestamp: self.time(timestamp)? };
        (self.key(&parsed.subject, parsed.timestamp) == key).then_some(parsed)
    }

    /// In the hour that clocks repeat, the earlier one; in the one that they skip, none.
    fn time(&self, text: &str) -> Option<DateTime<Utc>> {
        let local = NaiveDateTime::parse_from_str(text, TIMESTAMP).ok()?;
        Some(self.time_zone.from_local_datetime(&local).earliest()?.with_timezone(&Utc))
    }
}

/// A database's name, as keys and file names bear it everywhere: all but letters, digits and `-_.`
/// percent-encoded, and a dot at its start, which would hide a file, too.
fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn common_prefix<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.char_indices().zip(other.chars()).take_while(|((_, a), b)| a == b);
    let end = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
    &one[..end]
}

fn encode_first(encoded: &str) -> String {
    match encoded.as_bytes().first() {
        Some(byte) if *byte != b'%' => format!("%{byte:02X}{}", &encoded[1..]),
        _ => encoded.to_owned(),
    }
}

fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATABASES: &str = "{prefix}{database}_{timestamp}.sql.gz";
    const GLOBALS: &str = "{prefix}globals_{timestamp}.sql.gz";

    fn naming(prefix: &str) -> Naming {
        Naming::new(DATABASES, GLOBALS, prefix, "default", Tz::UTC).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_default_is_readable() {
        let database = Subject::Database("helix_kit_production".into());
        let time = at("2025-01-08T04:00:00Z");
        let key = naming("").key(&database, time);
        assert_eq!(key, "helix_kit_production_2025-01-08_04-00-00.sql.gz");
        assert_eq!(naming("").parse(&key), Some(Parsed { subject: database, timestamp: time }));
        assert_eq!(naming("n/").key(&Subject::Globals, time), "n/globals_2025-01-08_04-00-00.sql.gz");
    }

    #[test]
    fn a_database_called_globals_has_a_key_of_its_own() {
        let time = at("2025-01-08T04:00:00Z");
        let database = Subject::Database("globals".into());
        let key = naming("").key(&database, time);
        assert_eq!(key, "%67lobals_2025-01-08_04-00-00.sql.gz");
        assert_eq!(naming("").parse(&key).unwrap().subject, database);
        assert_eq!(naming("").parse("globals_2025-01-08_04-00-00.sql.gz").unwrap().subject, Subject::Globals);
    }

    #[test]
    fn strangers_are_not_taken_for_ours() {
        for key in [
            "shop.sql.gz",
            "n/shop_2025-01-08.sql.gz",
            "shop_2025-01-08_04-00-00.sql.gz",
            "n/shop_2025-13-08_04-00-00.sql.gz",
            "n/shop_2025-01-08_04-00-00.sql.gz.manifest.json",
            "n/sh op_2025-01-08_04-00-00.sql.gz",
            "n/a/shop_2025-01-08_04-00-00.sql.gz",
            "n/_2025-01-08_04-00-00.sql.gz",
            "n/%73hop_2025-01-08_04-00-00.sql.gz",
            "n/é2025-01-08_04-00-0é.sql.gz",
        ] {
            assert_eq!(naming("n/").parse(key), None, "{key}");
        }
    }

    #[test]
    fn times_are_in_the_zone() {
        let berlin = Naming::new(DATABASES, GLOBALS, "", "j", chrono_tz::Europe::Berlin).unwrap();
        let key = berlin.key(&Subject::Globals, at("2025-07-08T04:00:00Z"));
        assert_eq!(key, "globals_2025-07-08_06-00-00.sql.gz");
        assert_eq!(berlin.parse(&key).unwrap().timestamp, at("2025-07-08T04:00:00Z"));
        // 02:30 does not exist on the day on which summer time begins.
        assert_eq!(berlin.parse("globals_2025-03-30_02-30-00.sql.gz"), None);
    }

    #[test]
    fn templates_that_cannot_be_read_back_are_refused() {
        for (template, says) in [
            ("{prefix}{database}.sql.gz", "{timestamp} must be in it once"),
            ("{timestamp}", "{database} must be in it once"),
            ("{database}{timestamp}", "some text between"),
            ("{database}_{timestamp}_{timestamp}", "{timestamp} must be in it once"),
            ("{db}_{timestamp}", "there is no {db} here"),
            ("{database_{timestamp", "there is no {database_{timestamp} here"),
            ("../{database}_{timestamp}", "are no names"),
            ("a//{database}_{timestamp}", "slashes"),
        ] {
            let report = Naming::new(template, GLOBALS, "", "j", Tz::UTC).map(|_| ());
            let report = match report {
                Err(error) => error.report(),
                Ok(()) => "accepted".into(),
            };
            assert!(report.contains(says) || template.starts_with("{database_{"), "{template}: {report}");
            assert_ne!(report, "accepted", "{template}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in ".{1,40}", prefix in "([a-z]{1,4}/){0,2}", seconds in 0i64..4_000_000_000,
                                 template in prop::sample::select(vec![DATABASES, "{prefix}{timestamp}/{database}.sql.gz", "{prefix}{job}/{database}-{timestamp}"])) {
            prop_assume!(!name.contains('\0'));
            let naming = Naming::new(template, GLOBALS, &prefix, "job", Tz::UTC).unwrap();
            let subject = Subject::Database(name);
            let timestamp = DateTime::from_timestamp(seconds, 0).unwrap();
            let key = naming.key(&subject, timestamp);
            prop_assert_eq!(naming.parse(&key), Some(Parsed { subject, timestamp }));
        }
    }
}

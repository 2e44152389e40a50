//! Maps backups to keys and keys to backups: pure, and each the inverse of the other.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::manifest::{self, Scope};
use crate::error::{Error, ErrorKind, Result};

/// A time in a key: sorts as text, and needs no quoting anywhere.
const TIMESTAMP: &str = "%Y-%m-%d_%H-%M-%S";

/// The length of a formatted [`TIMESTAMP`].
const TIMESTAMP_LEN: usize = 19;

/// The subject of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A database, by name.
    Database(String),
    /// Roles and tablespaces.
    Globals,
}

impl Subject {
    /// The scope, as manifests name it.
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

/// A parsed key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What the backup is of.
    pub subject: Subject,
    /// The start of the run, to the second.
    pub timestamp: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Database,
    Timestamp,
}

/// A key template, with the prefix and job filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template(Vec<Piece>);

impl Template {
    fn read(text: &str, prefix: &str, job: &str, takes_database: bool) -> Result<Self> {
        let wrong = |reason: String| {
            Error::new(ErrorKind::Usage, format!("read the key template \"{text}\""))
                .because(reason)
                .hint("use text, {prefix}, {job}, {database} and {timestamp}")
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) =
                after.split_once('}').ok_or_else(|| wrong("a { is not closed by a }".to_owned()))?;
            pieces.push(Piece::Literal(before.to_owned()));
            pieces.push(match name {
                "prefix" => Piece::Literal(prefix.to_owned()),
                "job" => Piece::Literal(job.to_owned()),
                "database" if takes_database => Piece::Database,
                "timestamp" => Piece::Timestamp,
                _ => return Err(wrong(format!("{{{name}}} is not a placeholder here"))),
            });
            rest = after;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        for (piece, name, times) in [
            (Piece::Timestamp, "{timestamp}", 1),
            (Piece::Database, "{database}", usize::from(takes_database)),
        ] {
            if pieces.iter().filter(|found| **found == piece).count() != times {
                return Err(wrong(format!("it must contain {name} exactly once")));
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
            return Err(wrong("slashes must separate names, one at a time".to_owned()));
        }
        if text.split('/').any(|name| matches!(name, "." | "..")) {
            return Err(wrong("\".\" and \"..\" are not allowed as names".to_owned()));
        }
        if text.ends_with(manifest::SUFFIX) {
            return Err(wrong(format!("the suffix {} is reserved for manifests", manifest::SUFFIX)));
        }
        Ok(Template(pieces))
    }

    /// The text before the first placeholder.
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

    /// The database and the timestamp in a key, as written.
    fn parse<'k>(&self, key: &'k str) -> Option<(&'k str, &'k str)> {
        let split = self.0.iter().position(|piece| *piece == Piece::Database).unwrap_or(self.0.len());
        let (mut database, mut timestamp) = ("", None);
        let mut rest = key;
        for piece in &self.0[..split] {
            rest = take_front(piece, rest, &mut timestamp)?;
        }
        // The text around the name has a known length, so the name may contain anything.
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
    /// Parses the two templates.
    ///
    /// # Errors
    /// `Usage`, if keys made from a template could not be parsed again.
    pub fn new(databases: &str, globals: &str, prefix: &str, job: &str, time_zone: Tz) -> Result<Self> {
        let databases = Template::read(databases, prefix, job, true)?;
        let globals = Template::read(globals, prefix, job, false)?;
        let common_prefix = common_prefix(&databases.start(), &globals.start()).to_owned();
        Ok(Naming { databases, globals, time_zone, common_prefix })
    }

    /// The time zone of the timestamps in keys.
    pub fn time_zone(&self) -> Tz {
        self.time_zone
    }

    /// The common prefix of all keys, for listing.
    pub fn common_prefix(&self) -> &str {
        &self.common_prefix
    }

    /// Whether the globals of both would get the same keys.
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
                // A database may be named "globals".
                if key == globals { self.databases.key(&encode_first(&encoded), &timestamp) } else { key }
            }
        }
    }

    /// Parses a key that [`Naming::key`] made; None for any other.
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

    /// In the hour that clocks repeat, the earlier time; in the one that they skip, None.
    fn time(&self, text: &str) -> Option<DateTime<Utc>> {
        let local = NaiveDateTime::parse_from_str(text, TIMESTAMP).ok()?;
        Some(self.time_zone.from_local_datetime(&local).earliest()?.with_timezone(&Utc))
    }
}

/// Everything except letters, digits and `-_.`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Encodes a database name for use in any key or file name: everything except letters, digits and `-_.`
/// is percent-encoded, and so is a leading dot, which would hide a file.
fn encode(name: &str) -> String {
    let encoded = utf8_percent_encode(name, RESERVED).to_string();
    if encoded.starts_with('.') { encode_first(&encoded) } else { encoded }
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
    let is_hex = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !encoded.split('%').skip(1).all(is_hex) {
        return None;
    }
    let name = percent_decode_str(encoded).decode_utf8().ok()?;
    (!name.is_empty()).then(|| name.into_owned())
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
        // 02:30 does not exist on the day when summer time begins.
        assert_eq!(berlin.parse("globals_2025-03-30_02-30-00.sql.gz"), None);
    }

    #[test]
    fn templates_that_cannot_be_read_back_are_refused() {
        for (template, says) in [
            ("{prefix}{database}.sql.gz", "it must contain {timestamp} exactly once"),
            ("{timestamp}", "it must contain {database} exactly once"),
            ("{database}{timestamp}", "some text between"),
            ("{database}_{timestamp}_{timestamp}", "it must contain {timestamp} exactly once"),
            ("{db}_{timestamp}", "{db} is not a placeholder here"),
            ("{database_{timestamp", "{database_{timestamp} is not a placeholder here"),
            ("../{database}_{timestamp}", "are not allowed as names"),
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

    #[test]
    fn names_that_no_run_encodes_are_refused() {
        for encoded in ["", "%", "%4", "%+1", "%zz", "a%", "%FF"] {
            assert_eq!(decode(encoded), None, "{encoded}");
        }
        assert_eq!(decode("%C3%BC%2Fx").as_deref(), Some("ü/x"));
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

//! The record stored next to each backup: which database it is of, what it contains, and how to check
//! that it is complete.
//!
//! A manifest is stored after its backup is published, and removed before its backup is: a manifest
//! alone proves nothing, and a backup without one does not count as good. It is JSON, for people and
//! other programs to read. Fields may be added within a format version, and readers ignore fields that
//! they don't know; any other change requires a new version.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::codec::Compression;
use crate::error::{Error, ErrorKind, Result};

/// The format version that this program writes, and the only one so far.
pub const FORMAT_VERSION: u32 = 1;

/// Suffix of a manifest's key after its backup's key.
pub const SUFFIX: &str = ".manifest.json";

/// More than any manifest needs: a million relations take about 100 MB. Larger ones are not read.
pub const MAX_BYTES: u64 = 256 << 20;

/// The key of the manifest of the backup at `key`.
pub fn key_for(key: &str) -> String {
    format!("{key}{SUFFIX}")
}

/// The kind of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One database.
    Database,
    /// Roles and tablespaces, which belong to no single database.
    Globals,
}

/// One relation in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationContents {
    /// The name with its schema, quoted as in SQL where necessary.
    pub name: String,
    /// How many of its rows are in the backup.
    pub rows: u64,
    /// Size of the rows' text in bytes.
    pub text_bytes: u64,
}

/// The manifest of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT_VERSION`] when written.
    pub format_version: u32,
    /// The version of pgsiphon that wrote the backup.
    pub pgsiphon_version: String,
    /// The job that wrote the backup.
    pub job: String,
    /// Identifies the run of the job; backups of one run share it.
    pub run_id: String,
    /// Whether it is a database or the globals.
    pub scope: Scope,
    /// The database; for globals, the one through which they were read.
    pub database: String,
    /// The server's version, as the server reports it.
    pub server_version: String,
    /// When the dump began.
    pub started_at: DateTime<Utc>,
    /// When the backup was published.
    pub finished_at: DateTime<Utc>,
    /// The time in the backup's key, the same for all backups of a run.
    pub timestamp: DateTime<Utc>,
    /// The key; in a directory, the relative path.
    pub key: String,
    /// Size as stored, in bytes.
    pub stored_bytes: u64,
    /// Size of the uncompressed text, in bytes.
    pub text_bytes: u64,
    /// SHA-256 of the stored bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// CRC-32 of the uncompressed text, in lower-case hexadecimal.
    pub text_crc32: String,
    /// The compression, as `-Z` accepts it.
    pub compression: String,
    /// The relations whose rows are in the backup, in the backup's order.
    pub relations: Vec<RelationContents>,
    /// Number of large objects.
    pub large_objects: u64,
    /// Warnings from when the backup was made.
    pub warnings: Vec<String>,
}

impl Manifest {
    /// Number of rows in all relations.
    pub fn rows(&self) -> u64 {
        self.relations.iter().map(|relation| relation.rows).sum()
    }

    /// The backup's compression.
    ///
    /// # Errors
    /// `Damaged`, if it cannot be parsed.
    pub fn compression(&self) -> Result<Compression> {
        self.compression.parse().map_err(|error: Error| damaged(&key_for(&self.key)).because(error))
    }

    /// The JSON to store.
    ///
    /// # Errors
    /// Serialization returns a result, but is not known to fail.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Other, format!("write the manifest of {}", self.key)).because(error)
        })?;
        text.push(b'\n');
        Ok(text)
    }

    /// Parses a manifest. `location` is used in messages.
    ///
    /// # Errors
    /// `Damaged`, if it is not a manifest; `Other`, if a later version of pgsiphon wrote it.
    pub fn from_json(text: &[u8], location: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let version: Version =
            serde_json::from_slice(text).map_err(|error| damaged(location).because(error))?;
        if version.format_version != FORMAT_VERSION {
            let found = version.format_version;
            return Err(Error::new(ErrorKind::Other, format!("read the manifest {location}"))
                .because(format!(
                    "it has format version {found}, but this pgsiphon only knows {FORMAT_VERSION}"
                ))
                .hint("it was written by a newer pgsiphon: update this one"));
        }
        serde_json::from_slice(text).map_err(|error| damaged(location).because(error))
    }
}

/// Formats bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn damaged(location: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("read the manifest {location}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        Manifest {
            format_version: FORMAT_VERSION,
            pgsiphon_version: "0.1.0".into(),
            job: "default".into(),
            run_id: "0011223344556677".into(),
            scope: Scope::Database,
            database: "shop".into(),
            server_version: "18.6".into(),
            started_at: at("2025-01-08T04:00:00Z"),
            finished_at: at("2025-01-08T04:03:20Z"),
            timestamp: at("2025-01-08T04:00:00Z"),
            key: "nightly/shop_2025-01-08_04-00-00.sql.gz".into(),
            stored_bytes: 1000,
            text_bytes: 5000,
            sha256: hex(&[0xab; 32]),
            text_crc32: "0a0b0c0d".into(),
            compression: "gzip:5".into(),
            relations: vec![
                RelationContents { name: "public.orders".into(), rows: 3, text_bytes: 120 },
                RelationContents { name: "public.\"Odd\"".into(), rows: 4, text_bytes: 80 },
            ],
            large_objects: 2,
            warnings: vec!["smaller than usual".into()],
        }
    }

    /// One file per format version ever written; they are never changed.
    #[test]
    fn version_1_is_read_and_written_as_ever() {
        let stored = include_bytes!("../../testdata/manifests/version_1.json");
        assert_eq!(Manifest::from_json(stored, "m").unwrap(), manifest());
        assert_eq!(String::from_utf8(manifest().to_json().unwrap()).unwrap().as_bytes(), stored);
        assert_eq!(manifest().rows(), 7);
        assert_eq!(manifest().compression().unwrap(), Compression::GZIP);
    }

    #[test]
    fn a_later_version_is_refused_and_a_new_field_is_not() {
        let text = |version: u32, more: &str| {
            let text = String::from_utf8(manifest().to_json().unwrap()).unwrap();
            text.replacen("\"format_version\": 1,", &format!("\"format_version\": {version},{more}"), 1)
        };
        let error = Manifest::from_json(text(2, "").as_bytes(), "s3://b/k").unwrap_err();
        assert_eq!(
            error.report(),
            "read the manifest s3://b/k: it has format version 2, but this pgsiphon only knows 1 \
             (hint: it was written by a newer pgsiphon: update this one)"
        );
        assert_eq!(Manifest::from_json(text(1, "\"x\": 1,").as_bytes(), "m").unwrap(), manifest());
    }

    #[test]
    fn what_is_no_manifest_is_damaged() {
        for text in ["", "{}", "[1]", "{\"format_version\": 1}"] {
            let error = Manifest::from_json(text.as_bytes(), "m").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{text}");
        }
    }
}

//! The record that is stored beside each backup: what it is of, what it holds, and how to tell that
//! it is whole.
//!
//! A manifest is stored after its backup is published, and removed before its backup is: so a
//! manifest alone proves nothing, and a backup without one is not counted as good. Its text is JSON
//! for people and other programs to read. Within a format version fields may be added, and readers
//! ignore those that they don't know; anything else makes a new version.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::codec::Compression;
use crate::error::{Error, ErrorKind, Result};

/// The version of the format that we write, and the only one so far.
pub const FORMAT_VERSION: u32 = 1;

/// What follows a backup's key in the key of its manifest.
pub const SUFFIX: &str = ".manifest.json";

/// More than any manifest needs: a million relations take some 100 MB. What is larger is not read.
pub const MAX_BYTES: u64 = 256 << 20;

/// The key of the manifest of the backup at `key`.
pub fn key_for(key: &str) -> String {
    format!("{key}{SUFFIX}")
}

/// What a backup is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One database.
    Database,
    /// Roles and tablespaces, which belong to no single database.
    Globals,
}

/// What a backup holds of one relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationContents {
    /// The relation's name with its schema, quoted as in SQL where it has to be.
    pub name: String,
    /// How many of its rows are in the backup.
    pub rows: u64,
    /// The length of their text in bytes.
    pub text_bytes: u64,
}

/// What is recorded of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The version of pgsiphon that wrote the backup.
    pub pgsiphon_version: String,
    /// The job that it was written by.
    pub job: String,
    /// Names the run of the job; backups of the same run share it.
    pub run_id: String,
    /// What it is of.
    pub scope: Scope,
    /// The database; of globals, the one that they were read in.
    pub database: String,
    /// The server's version, in its own words.
    pub server_version: String,
    /// When the dump began.
    pub started_at: DateTime<Utc>,
    /// When the backup was published.
    pub finished_at: DateTime<Utc>,
    /// The time in the backup's key, which its run's backups share.
    pub timestamp: DateTime<Utc>,
    /// The key; in a directory, the path inside of it.
    pub key: String,
    /// The length of what is stored, in bytes.
    pub stored_bytes: u64,
    /// The length of the text, in bytes.
    pub text_bytes: u64,
    /// The SHA-256 of what is stored, in lower-case hexadecimal.
    pub sha256: String,
    /// The CRC-32 of the text, in lower-case hexadecimal.
    pub text_crc32: String,
    /// How it is compressed, as `-Z` takes it.
    pub compression: String,
    /// The relations whose rows are in the backup, in its order.
    pub relations: Vec<RelationContents>,
    /// How many large objects are in it.
    pub large_objects: u64,
    /// What was warned of while it was made.
    pub warnings: Vec<String>,
}

impl Manifest {
    /// The rows of all relations.
    pub fn rows(&self) -> u64 {
        self.relations.iter().map(|relation| relation.rows).sum()
    }

    /// How the backup is compressed.
    ///
    /// # Errors
    /// `Damaged`, if that cannot be read.
    pub fn compression(&self) -> Result<Compression> {
        self.compression.parse().map_err(|error: Error| damaged(&key_for(&self.key)).because(error))
    }

    /// The text to store.
    ///
    /// # Errors
    /// None that are known; serialisation has a result.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Other, format!("write the manifest of {}", self.key)).because(error)
        })?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads what is stored at `location`, which is for messages.
    ///
    /// # Errors
    /// `Damaged`, if it is no manifest; `Other`, if a later version of pgsiphon wrote it.
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
                .because(format!("it has format version {found}, and this pgsiphon knows {FORMAT_VERSION}"))
                .hint("a newer pgsiphon wrote it: update this one"));
        }
        serde_json::from_slice(text).map_err(|error| damaged(location).because(error))
    }
}

/// Bytes in lower-case hexadecimal.
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

    /// One file for each format version that was ever written; they are never changed.
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
            "read the manifest s3://b/k: it has format version 2, and this pgsiphon knows 1 \
             (hint: a newer pgsiphon wrote it: update this one)"
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

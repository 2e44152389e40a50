//! Finds out what is in a backup by reading all of it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::against_index::IndexCheck;
use super::names::{Names, parts};
use super::restart::{Restarts, has_a_frame_for_each};
use super::rows::{RowDigest, digest};
use crate::backups::manifest::{RelationContents, hex};
use crate::error::{Error, ErrorKind};
use crate::pg::text::decode;
use crate::progress::Progress;
use crate::restore::Script;
use crate::restore::completeness::Marks;
use crate::restore::script::{Piece, PieceKind};
use crate::restore::statement::StatementKind;
use crate::restore::statement::names;
use crate::storage::input::Opened;
use crate::storage::input::index::FoundIndex;
use crate::storage::input::text::{self, Format};
use crate::storage::input::text_by_index;

/// How much to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Whether the backup is complete, and how many rows it contains.
    Counts,
    /// Also digests of rows, and the statements, for comparison. Holds the schema's text in memory.
    Comparable,
}

/// The rows of one relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Name, number of rows and size.
    pub contents: RelationContents,
    /// The digest of the rows; only with [`Depth::Comparable`].
    pub digest: u128,
    /// Whether their COPY lists the columns, so that values can be assigned to columns.
    pub lists_columns: bool,
}

/// The contents of a backup.
#[derive(Debug, Clone, Default)]
pub struct BackupContents {
    /// The path or URL, for messages.
    pub location: String,
    /// The container format. None if nothing was read.
    pub format: Option<Format>,
    /// Size as stored, in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the stored bytes.
    pub sha256: [u8; 32],
    /// Size of the uncompressed text, in bytes.
    pub text_bytes: u64,
    /// CRC-32 of the uncompressed text.
    pub text_crc32: u32,
    /// The relations whose rows are copied, in the backup's order.
    pub relations: Vec<Rows>,
    /// How many large objects have contents in the backup.
    pub large_objects: u64,
    /// The digest of the large objects; only with [`Depth::Comparable`].
    pub large_objects_digest: u128,
    /// Number of INSERT commands.
    pub inserts: u64,
    /// The statements that create the schema; only with [`Depth::Comparable`].
    pub statements: Vec<Bytes>,
    /// The session settings that the text sets, in its order.
    pub settings: Vec<String>,
    /// The `CREATE DATABASE` statement, if there is one.
    pub create_database: Option<String>,
    /// The version of the server that was dumped.
    pub server_version: Option<String>,
    /// Whether it is a dump of a whole cluster.
    pub is_cluster: bool,
    /// Whether rows of partitions are loaded through the root of the partition tree.
    pub loads_via_root: bool,
    /// Whether it was compared with an index.
    pub has_index: bool,
}

impl BackupContents {
    /// The SHA-256 in lower-case hexadecimal.
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    /// Number of rows in all relations.
    pub fn rows(&self) -> u64 {
        self.relations.iter().map(|rows| rows.contents.rows).sum()
    }

    /// The value of a session setting that the text sets.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find_map(|setting| {
            let rest = setting.strip_prefix("SET ")?.strip_prefix(name)?.strip_prefix(" = ")?;
            Some(rest.trim_end_matches(';').trim_matches('\''))
        })
    }

    /// For a dump that selected `public` by name: all schemas that it creates. Empty for any other dump,
    /// because `public` then already exists and is not created.
    pub fn selected_schemas(&self) -> Vec<String> {
        let made = self.statements.iter().filter_map(|text| {
            let text = decode(text);
            let name = text.strip_prefix("CREATE SCHEMA ")?.trim_end_matches(';').to_owned();
            (parts(&name).len() == 1).then(|| parts(&name).concat())
        });
        let made: Vec<String> = made.collect();
        if made.iter().any(|name| name == "public") { made } else { Vec::new() }
    }

    /// The major version of the server that was dumped.
    pub fn major(&self) -> Option<u32> {
        let version = self.server_version.as_deref()?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }
}

/// Counts and hashes the stored bytes on their way to the decoder.
#[derive(Default)]
struct Stored {
    sha256: Sha256,
    bytes: u64,
}

/// Reads a whole backup, and checks everything that can be checked without a server: the container's
/// checksums, that the text can be parsed to its end, that the end is present, and that the index, if there is
/// one, says what is true.
///
/// # Errors
/// `Damaged` says what is wrong, and where; errors of reading; `Interrupted`.
pub async fn read_back(
    opened: Opened,
    depth: Depth,
    index: Option<FoundIndex>,
    progress: Arc<dyn Progress>,
    shutdown: &CancellationToken,
) -> Result<BackupContents, Error> {
    let location = opened.location.clone();
    let mut claims = Claims::of(index, &location).await?;
    let (mut opened, stored) = hashed(opened);
    let restarts = claims.restarts.as_ref().map(|restarts| restarts.chunks.clone());
    opened.bytes = opened
        .bytes
        .and_then(move |bytes| {
            let restarts = restarts.clone();
            async move {
                if let Some(restarts) = restarts {
                    // It is gone once it found something wrong, which it says at the end.
                    let _ = restarts.send(bytes.clone()).await;
                }
                Ok(bytes)
            }
        })
        .boxed();
    let script = Script::new(text::read(opened, progress));
    let mut reader = Reader::new(script, depth, location.clone(), claims.check.take());
    reader.read_until(shutdown).await?;
    reader.contents.has_index = claims.restarts.is_some();
    let check = reader.index.map_or(Ok(()), |check| check.and_then(IndexCheck::finish));
    claims.finish(check).await.map_err(|why| false_index(&location, why).hint(TEXT_IS_COMPLETE))?;
    Ok(of_stored(reader.contents, &stored))
}

/// The same as [`read_back`] for a backup with an index, but `jobs` threads decode it. If something is wrong, this does
/// not know whether with the index or with the text, so [`read_back`] should tell.
///
/// # Errors
/// Those of [`read_back`].
pub async fn read_back_by_index(
    opened: Opened,
    depth: Depth,
    found: FoundIndex,
    jobs: usize,
    progress: Arc<dyn Progress>,
    shutdown: &CancellationToken,
) -> Result<BackupContents, Error> {
    let location = opened.location.clone();
    let seek_table = found.seek_table().await?;
    let are_frames = seek_table.is_none_or(|table| has_a_frame_for_each(&found, &table));
    if !are_frames {
        return Err(false_index(&location, "its restart points are not those of the seek table".to_owned()));
    }
    let (opened, stored) = hashed(opened);
    let script = Script::new(text_by_index::read(opened, &found, jobs, progress));
    let check = IndexCheck::new(found.index);
    let mut reader = Reader::new(script, depth, location.clone(), Some(check));
    reader.read_until(shutdown).await?;
    let check = reader.index.map_or(Ok(()), |check| check.and_then(IndexCheck::finish));
    check.map_err(|why| false_index(&location, why))?;
    reader.contents.has_index = true;
    Ok(of_stored(reader.contents, &stored))
}

/// Has the stored bytes counted and hashed on their way.
fn hashed(mut opened: Opened) -> (Opened, Arc<Mutex<Stored>>) {
    let stored = Arc::new(Mutex::new(Stored::default()));
    let seen = Arc::clone(&stored);
    opened.bytes = opened
        .bytes
        .inspect_ok(move |bytes| {
            let mut stored = seen.lock().unwrap_or_else(PoisonError::into_inner);
            stored.sha256.update(bytes);
            stored.bytes += bytes.len() as u64;
        })
        .boxed();
    (opened, stored)
}

fn of_stored(mut contents: BackupContents, stored: &Mutex<Stored>) -> BackupContents {
    let stored = std::mem::take(&mut *stored.lock().unwrap_or_else(PoisonError::into_inner));
    contents.stored_bytes = stored.bytes;
    contents.sha256 = stored.sha256.finalize().into();
    contents
}

/// The hint of errors about an index, once nothing else is wrong.
pub const TEXT_IS_COMPLETE: &str = "the SQL text is complete, and can be restored";

/// What checks an index.
#[derive(Default)]
struct Claims {
    check: Option<Result<IndexCheck, String>>,
    restarts: Option<Restarts>,
}

impl Claims {
    async fn of(index: Option<FoundIndex>, location: &str) -> Result<Self, Error> {
        let Some(found) = index else { return Ok(Claims::default()) };
        let in_location = |error: Error| error.context(format!("read {location}"));
        let seek_table = found.seek_table().await.map_err(in_location)?;
        let restarts = Restarts::start(&found.index, found.stored, seek_table.as_ref());
        let restarts = restarts.map_err(|why| false_index(location, why))?;
        Ok(Claims { check: Some(IndexCheck::new(found.index)), restarts: Some(restarts) })
    }

    async fn finish(self, check: Result<(), String>) -> Result<(), String> {
        check?;
        match self.restarts {
            Some(restarts) => restarts.finish().await,
            None => Ok(()),
        }
    }
}

/// The error for an index that can be read and is wrong.
fn false_index(location: &str, why: String) -> Error {
    Error::new(ErrorKind::Damaged, format!("compare {location} with its index")).because(why)
}

struct Reader {
    script: Script,
    depth: Depth,
    marks: Marks,
    names: Names,
    crc32: crc32fast::Hasher,
    /// The digest of the relation whose rows are being read.
    digest: Option<RowDigest>,
    /// The large object being written, and the number of its bytes.
    large_object: Option<(Bytes, u64)>,
    /// Compares the text with the index, until the first difference.
    index: Option<Result<IndexCheck, String>>,
    contents: BackupContents,
}

impl Reader {
    fn new(
        script: Script,
        depth: Depth,
        location: String,
        index: Option<Result<IndexCheck, String>>,
    ) -> Self {
        Reader {
            script,
            depth,
            marks: Marks::default(),
            names: Names::default(),
            crc32: crc32fast::Hasher::new(),
            digest: None,
            large_object: None,
            index,
            contents: BackupContents { location, ..BackupContents::default() },
        }
    }

    async fn read_until(&mut self, shutdown: &CancellationToken) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                Err(Error::interrupted(format!("read {}", self.contents.location)))
            }
            outcome = Box::pin(self.read()) => outcome,
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        while let Some(piece) = self.script.next().await.map_err(as_damage)? {
            self.crc32.update(&piece.text);
            self.contents.text_bytes += piece.text.len() as u64;
            if let Some(index) = &mut self.index
                && let Ok(check) = index
                && let Err(why) = check.piece(&piece)
            {
                *index = Err(why);
            }
            match piece.kind {
                PieceKind::Comment => self.comment(&piece),
                PieceKind::Statement => self.statement(piece)?,
                PieceKind::CopyFromStdin => self.copy(&piece),
                PieceKind::Rows => self.rows(&piece),
                PieceKind::MetaCommand => {
                    self.marks.meta_command(&piece.text).map_err(|why| {
                        Error::new(ErrorKind::Damaged, format!("read {}", self.contents.location))
                            .because(format!("line {}: {why}", piece.line))
                    })?;
                }
                PieceKind::EndOfRows => {
                    if let (Some(digest), Some(rows)) =
                        (self.digest.take(), self.contents.relations.last_mut())
                    {
                        rows.digest = rows.digest.wrapping_add(digest.total());
                    }
                }
                PieceKind::Space => {}
            }
        }
        self.contents.format = self.script.format();
        self.contents.text_crc32 = self.crc32.clone().finalize();
        match self.marks.missing() {
            None => Ok(()),
            Some(missing) => {
                Err(Error::new(ErrorKind::Damaged, format!("read {}", self.contents.location))
                    .because(missing))
            }
        }
    }

    fn comment(&mut self, piece: &Piece) {
        self.marks.comment(&piece.text);
        self.contents.is_cluster |= self.marks.is_cluster();
        self.contents.loads_via_root |= piece.text.starts_with(b"-- load via partition root ");
        if let Some(version) = piece.text.strip_prefix(b"-- Dumped from database version ") {
            self.contents.server_version = Some(String::from_utf8_lossy(version).trim_end().to_owned());
        }
    }

    fn statement(&mut self, piece: Piece) -> Result<(), Error> {
        if !self.marks.have_begun() {
            return Err(Error::new(ErrorKind::Damaged, format!("read {}", self.contents.location))
                .because("it does not begin like a dump made by pg_dump or pgsiphon"));
        }
        let text = &piece.text;
        if [&b"SET"[..], b"RESET", b"SELECT", b"CREATE"].iter().any(|verb| text.starts_with(verb)) {
            self.names.statement(&decode(text));
        }
        match StatementKind::of(text) {
            StatementKind::Setting => self.contents.settings.push(decode(text)),
            StatementKind::Begin | StatementKind::Commit => {}
            StatementKind::Database if text.starts_with(b"CREATE") => {
                self.contents.create_database = Some(decode(text));
            }
            StatementKind::Database => {}
            _ if text.starts_with(b"INSERT INTO ") => self.contents.inserts += 1,
            _ if self.is_of_large_object(text) => {}
            _ if names::is_about_database(text) => {}
            _ if self.depth == Depth::Comparable => self.contents.statements.push(piece.text),
            _ => {}
        }
        Ok(())
    }

    /// Handles statements that write the contents of large objects.
    fn is_of_large_object(&mut self, statement: &Bytes) -> bool {
        let Some(call) = statement.strip_prefix(b"SELECT pg_catalog.lo") else { return false };
        if call.starts_with(b"_open(") {
            self.contents.large_objects += 1;
            self.large_object = Some((statement.clone(), 0));
        } else if !(call.starts_with(b"write(") || call.starts_with(b"_close(")) {
            return false;
        }
        if self.depth == Depth::Comparable
            && let Some((open, number)) = &mut self.large_object
        {
            *number += 1;
            let part = digest(&[&open[..], &number.to_le_bytes(), statement].concat());
            self.contents.large_objects_digest = self.contents.large_objects_digest.wrapping_add(part);
        }
        true
    }

    fn copy(&mut self, piece: &Piece) {
        let (name, columns) = names::copy_target(&decode(&piece.text));
        let name = self.names.qualified(name);
        if self.depth == Depth::Comparable {
            let columns: Vec<String> = columns.iter().map(|column| parts(column).join(".")).collect();
            self.digest = Some(RowDigest::new(&columns));
        }
        // Block ranges of a large relation may each have their own COPY.
        if self.contents.relations.last().is_none_or(|last| last.contents.name != name) {
            let contents = RelationContents { name, rows: 0, text_bytes: 0 };
            let lists_columns = !columns.is_empty();
            self.contents.relations.push(Rows { contents, digest: 0, lists_columns });
        }
    }

    fn rows(&mut self, piece: &Piece) {
        if let Some(digest) = &mut self.digest {
            digest.update(&piece.text);
        }
        if let Some(Rows { contents, .. }) = self.contents.relations.last_mut() {
            contents.rows += memchr::memchr_iter(b'\n', &piece.text).count() as u64;
            contents.text_bytes += piece.text.len() as u64;
        }
    }
}

/// A text that cannot be parsed is no longer a dump.
fn as_damage(error: Error) -> Error {
    match error.kind() {
        ErrorKind::RestoreFailed => error.context("read the backup's text").with_kind(ErrorKind::Damaged),
        _ => error,
    }
}

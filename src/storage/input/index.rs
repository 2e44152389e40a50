//! Reads a backup's index, with one request for the backup's end, and another if the index is long.

use std::sync::Arc;

use bytes::Bytes;

use super::container::Format;
use super::{Ending, Input, Parts};
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Index, SeekTable, StoredRange, TAIL_BYTES, locate, payload_of};

/// The longest seek table in bytes: enough for the frames of 16 TiB of text.
const LONGEST_SEEK_TABLE: u64 = 128 << 20;

/// A backup's index, and the backup that it is of.
pub struct FoundIndex {
    /// What it says.
    pub index: Index,
    /// Where it is in the file. The compressed text ends where it begins.
    pub stored: StoredRange,
    /// The length of the file in bytes.
    pub size: u64,
    /// The container format.
    pub format: Format,
    /// Reads parts of the file.
    pub parts: Arc<dyn Parts>,
    /// How many bytes were fetched to find it.
    pub fetched_bytes: u64,
    /// By how many requests.
    pub requests: u64,
    /// The file's last bytes.
    pub tail: Bytes,
}

/// What a look for the index found.
pub enum Finding {
    /// There is one.
    Index(Box<FoundIndex>),
    /// There is none, which is not an error.
    None,
    /// Only reading all of the backup would tell, because its parts cannot be read.
    Unknown,
}

/// Looks for the index of a backup.
///
/// # Errors
/// Those of [`Input::ending`]; `Damaged`, if there is an index that cannot be read; `Other`, if a later version
/// of pgsiphon wrote it.
pub async fn find(input: &dyn Input) -> Result<Finding> {
    let Some(Ending { size, bytes: tail, parts }) = input.ending(TAIL_BYTES).await? else {
        return Ok(Finding::Unknown);
    };
    let in_location = |error: Error| error.context(format!("read {}", input.location()));
    let Some(stored) = locate(&tail, size).map_err(in_location)? else { return Ok(Finding::None) };
    let (mut fetched_bytes, mut requests) = (tail.len() as u64, 1);
    let members = match stored.within(&tail, size) {
        Some(members) => tail.slice_ref(members),
        None => {
            (fetched_bytes, requests) = (fetched_bytes + stored.length, 2);
            parts.read(stored.offset, stored.length).await?
        }
    };
    let format = if SeekTable::ends(&tail) {
        Format::Zstd
    } else if Format::of(&members) == Format::Gzip {
        Format::Gzip
    } else {
        Format::Lz4
    };
    let Some(payload) = payload_of(&members).map_err(in_location)? else { return Ok(Finding::None) };
    let index = Index::decode(&payload).map_err(in_location)?;
    let parts = Arc::from(parts);
    let found = FoundIndex { index, stored, size, format, parts, fetched_bytes, requests, tail };
    Ok(Finding::Index(Box::new(found)))
}

impl FoundIndex {
    /// The seek table of a zstd file; `None` for other files.
    ///
    /// # Errors
    /// Those of [`Parts::read`]; `Damaged`.
    pub async fn seek_table(&self) -> Result<Option<SeekTable>> {
        let offset = self.stored.offset + self.stored.length;
        let frame = StoredRange { offset, length: self.size.saturating_sub(offset) };
        if !SeekTable::ends(&self.tail) {
            return Ok(None);
        }
        if frame.length > LONGEST_SEEK_TABLE {
            return Err(Error::new(ErrorKind::Damaged, "read the seek table")
                .because(format!("it claims to have {} bytes", frame.length)));
        }
        match frame.within(&self.tail, self.size) {
            Some(frame) => SeekTable::decode(frame).map(Some),
            None => SeekTable::decode(&self.parts.read(frame.offset, frame.length).await?).map(Some),
        }
    }
}

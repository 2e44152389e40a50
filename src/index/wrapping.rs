//! Puts a payload where decompressors don't see it, and takes it out again.
//!
//! * **gzip**: members without text (RFC 1952, 2.3). Their header has an extra field with one subfield: a
//!   part of the payload, or in the last member the locator.
//! * **zstd**: a skippable frame (RFC 8878, 3.1.2), and then the seek table, whose last entry is that frame.
//! * **lz4**: a skippable frame, and then another one with the locator.

use bytes::Bytes;

use super::locator::{StoredRange, locator};
use super::members::{
    GZIP_MEMBER_HEAD, INDEX_SUBFIELD, LOCATOR_SUBFIELD, MAX_SUBFIELD_BYTES, SUBFIELD_BYTES, gzip_member,
    skippable_frame, skippable_frame_header,
};
use super::payload::MAGIC;
use super::{SeekTable, damaged};
use crate::codec::Compression;
use crate::error::Result;

/// What a zstd frame begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The members or frames to write behind the compressed text. `stored_offset` is the number of bytes before
/// them, and `seek_table` has all frames before them; it is only used for zstd. Empty without compression.
///
/// # Errors
/// `Other`, if the payload is too long for the format.
pub fn wrap(
    compression: Compression,
    payload: &[u8],
    stored_offset: u64,
    mut seek_table: SeekTable,
) -> Result<Bytes> {
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 512 + 128);
    match compression {
        Compression::None => {}
        Compression::Gzip(_) => {
            for part in payload.chunks(SUBFIELD_BYTES) {
                out.extend_from_slice(&gzip_member(INDEX_SUBFIELD, part));
            }
            let range = StoredRange { offset: stored_offset, length: out.len() as u64 };
            out.extend_from_slice(&gzip_member(LOCATOR_SUBFIELD, &locator(range)));
        }
        Compression::Lz4(_) => {
            out.extend_from_slice(&skippable_frame(payload));
            let range = StoredRange { offset: stored_offset, length: out.len() as u64 };
            out.extend_from_slice(&skippable_frame(&locator(range)));
        }
        Compression::Zstd { .. } => {
            out.extend_from_slice(&skippable_frame(payload));
            seek_table.push(out.len() as u64, 0)?;
            out.extend_from_slice(&seek_table.encode());
        }
    }
    Ok(out.into())
}

/// The payload in the members or frames that [`super::locate`] found. `None` if they are of another program,
/// whose seek table ends with a frame without text.
///
/// # Errors
/// `Damaged`.
pub fn payload_of(stored: &[u8]) -> Result<Option<Vec<u8>>> {
    if stored.starts_with(&GZIP_MEMBER_HEAD[..4]) {
        return payload_of_members(stored).map(Some);
    }
    let (header, payload) = stored.split_first_chunk::<8>().ok_or_else(|| damaged("it is cut off"))?;
    let expected = skippable_frame_header(payload.len());
    if *header == expected {
        return Ok(Some(payload.to_vec()));
    }
    let is_foreign =
        header.starts_with(&ZSTD_MAGIC) || (header[..4] != expected[..4] && header[1..4] == expected[1..4]);
    if is_foreign && !payload.starts_with(&MAGIC) {
        return Ok(None);
    }
    Err(damaged("it is not in a frame as it was written"))
}

fn payload_of_members(mut stored: &[u8]) -> Result<Vec<u8>> {
    let mut payload = Vec::with_capacity(stored.len());
    let start = GZIP_MEMBER_HEAD.len() + 2 + 4;
    while !stored.is_empty() {
        let broken = || damaged("a gzip member of it is not as it was written");
        let length = stored.get(start - 2..start).ok_or_else(broken)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let part = stored.get(start..start + length).filter(|part| part.len() <= MAX_SUBFIELD_BYTES);
        let part = part.ok_or_else(broken)?;
        stored = stored.strip_prefix(&*gzip_member(INDEX_SUBFIELD, part)).ok_or_else(broken)?;
        payload.extend_from_slice(part);
    }
    Ok(payload)
}

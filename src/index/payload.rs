//! The header before the sections, and their compression.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::{MAJOR, MAX_BYTES, MINOR, check_major, damaged};
use crate::error::{Error, ErrorKind, Result};

/// The first bytes of a payload. Text in PostgreSQL never has a NUL, so no row can hold them.
pub(super) const MAGIC: [u8; 8] = *b"\x9bpgs\0idx";

/// The magic number, the version, two reserved bytes, the length of the sections, and the checksum.
const HEADER_BYTES: usize = 24;

/// Where the checksum is.
const CRC_AT: usize = 20;

/// Level 6 takes more than twice the time, and saves 7 % of the entries of a large schema. Level 1 takes half the
/// time, and adds 50 %.
const LEVEL: u32 = 2;

/// Compresses sections and puts the header before them.
pub(super) fn seal(sections: &[u8]) -> Result<Vec<u8>> {
    let failed = |why: String| Error::new(ErrorKind::Other, "write the index").because(why);
    if sections.len() > MAX_BYTES {
        return Err(failed(format!("it has {} bytes, more than {MAX_BYTES}", sections.len())));
    }
    let mut out = Vec::with_capacity(HEADER_BYTES + sections.len() / 2 + 64);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[MAJOR, MINOR, 0, 0]);
    out.extend_from_slice(&(sections.len() as u64).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let mut state = Compress::new(flate2::Compression::new(LEVEL), true);
    loop {
        let read = state.total_in() as usize;
        let status = state
            .compress_vec(&sections[read..], &mut out, FlushCompress::Finish)
            .map_err(|error| failed(error.to_string()))?;
        if status == Status::StreamEnd {
            break;
        }
        out.reserve(1 + out.len() / 2);
    }
    let checksum = crc32(&out);
    out[CRC_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(out)
}

/// Checks the header, and decompresses the sections.
pub(super) fn open(payload: &[u8]) -> Result<Vec<u8>> {
    let Some((header, compressed)) = payload.split_first_chunk::<HEADER_BYTES>() else {
        return Err(damaged("it is cut off"));
    };
    if header[..MAGIC.len()] != MAGIC {
        return Err(damaged("it does not begin like an index"));
    }
    check_major(header[8])?;
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if number(CRC_AT) != crc32(payload) {
        return Err(damaged("its checksum is wrong"));
    }
    let length = u64::from(number(12)) | u64::from(number(16)) << 32;
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES);
    let length = length.ok_or_else(|| damaged(format!("it claims to have more than {MAX_BYTES} bytes")))?;
    // Deflate makes at most 1032 bytes of one.
    let mut sections = Vec::with_capacity(length.min(compressed.len().saturating_mul(1032)));
    let mut state = Decompress::new(true);
    let status = state
        .decompress_vec(compressed, &mut sections, FlushDecompress::Finish)
        .map_err(|error| damaged(error.to_string()))?;
    if status != Status::StreamEnd || sections.len() != length || state.total_in() != compressed.len() as u64
    {
        return Err(damaged("it has not the length that it says"));
    }
    Ok(sections)
}

/// The checksum of a payload: of all bytes except those that hold it.
fn crc32(payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&payload[..CRC_AT]);
    crc.update(&payload[HEADER_BYTES..]);
    crc.finalize()
}

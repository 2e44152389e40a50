//! The gzip members and skippable frames that carry an index: decompressors make no text of them.

/// ID1, ID2, CM = deflate, FLG = FEXTRA, MTIME = 0, XFL = 0, OS = 255 (unknown).
pub(super) const GZIP_MEMBER_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];

/// An empty deflate block, the CRC-32 of no text, and its length.
const GZIP_MEMBER_TAIL: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// SI1 and SI2 of the subfields with a part of the index and with the locator.
pub(super) const INDEX_SUBFIELD: [u8; 2] = *b"pI";
pub(super) const LOCATOR_SUBFIELD: [u8; 2] = *b"pL";

/// The longest subfield: the length of the extra field has 16 bits and counts the subfield's header.
pub(super) const MAX_SUBFIELD_BYTES: usize = 65_535 - 4;

/// The longest subfield that is written. `gunzip` of BusyBox 1.35 takes an extra field of more than 32 KiB, its
/// buffer, for corrupted data.
pub(super) const SUBFIELD_BYTES: usize = 16_384 - 4;

/// One of the 16 magic numbers of skippable frames, the same for zstd and LZ4.
const SKIPPABLE_MAGIC: u32 = 0x184D_2A5D;

/// A member without text whose extra field has this subfield.
pub(super) fn gzip_member(subfield: [u8; 2], data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let mut member = Vec::with_capacity(data.len() + 26);
    member.extend_from_slice(&GZIP_MEMBER_HEAD);
    member.extend_from_slice(&length.saturating_add(4).to_le_bytes());
    member.extend_from_slice(&subfield);
    member.extend_from_slice(&length.to_le_bytes());
    member.extend_from_slice(data);
    member.extend_from_slice(&GZIP_MEMBER_TAIL);
    member
}

/// A frame that decoders of zstd and LZ4 skip.
pub(super) fn skippable_frame(contents: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(contents.len() + 8);
    frame.extend_from_slice(&skippable_frame_header(contents.len()));
    frame.extend_from_slice(contents);
    frame
}

/// What such a frame begins with, if its contents have this length.
pub(super) fn skippable_frame_header(length: usize) -> [u8; 8] {
    let [a, b, c, d] = SKIPPABLE_MAGIC.to_le_bytes();
    let [e, f, g, h] = (length as u32).to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

//! Bytes of any encoding, represented losslessly in Rust's `str`.
//!
//! A dump is written in the database's encoding, as by pg_dump, so data from the server may not be UTF-8: for
//! example LATIN1 names, or a SQL_ASCII database with bytes that are invalid in every encoding. Each byte
//! that is not part of valid UTF-8 is represented by a character in the last private plane (U+10FF80 to
//! U+10FFFF represent 0x80 to 0xFF), and becomes that byte again when the text is sent to the server
//! ([`crate::pg::frontend_stream`]) or written to the dump. Genuine characters in that range are represented
//! bytewise too, so the mapping is one to one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::error::Error;

use postgres_types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// U+10FF00: adding a byte ≥ 0x80 gives the character that represents it.
const BASE: u32 = 0x10_FF00;
/// First two UTF-8 bytes of every character from U+10F000 on; almost no text has them.
const LEAD: [u8; 2] = [0xF4, 0x8F];

fn stands_for_byte(c: char) -> Option<u8> {
    let code = u32::from(c);
    (code >= BASE + 0x80).then(|| (code - BASE) as u8)
}

fn push_byte(out: &mut String, byte: u8) {
    out.extend(char::from_u32(BASE + u32::from(byte)));
}

/// Converts bytes of any encoding to a string.
pub fn decode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().as_bytes().windows(2).any(|w| w == LEAD) {
            for c in chunk.valid().chars() {
                if stands_for_byte(c).is_some() {
                    let mut buffer = [0; 4];
                    for &b in c.encode_utf8(&mut buffer).as_bytes() {
                        push_byte(&mut out, b);
                    }
                } else {
                    out.push(c);
                }
            }
        } else {
            out.push_str(chunk.valid());
        }
        for &b in chunk.invalid() {
            push_byte(&mut out, b);
        }
    }
    out
}

/// Converts a string from [`decode`] back to its bytes.
pub fn encode(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.windows(2).any(|w| w == LEAD) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    for c in text.chars() {
        match stands_for_byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(out)
}

/// The length of a string from [`decode`] in bytes, as [`encode`] gives them.
pub fn encoded_len(text: &str) -> usize {
    match memchr::memchr(LEAD[0], text.as_bytes()) {
        Some(_) => encode(text).len(),
        None => text.len(),
    }
}

/// Compares strings by the bytes that they stand for, as the server sorts names.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    match x.iter().zip(y).position(|(x, y)| x != y) {
        None => x.len().cmp(&y.len()),
        // The equal prefix ends at a character boundary, so the encoded bytes would compare the same way.
        Some(i) if x[i].is_ascii() && y[i].is_ascii() => x[i].cmp(&y[i]),
        Some(_) => encode(a).cmp(&encode(b)),
    }
}

/// A text value from or for the server, in the session's client encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedText(pub String);

impl<'a> FromSql<'a> for EncodedText {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(EncodedText(decode(raw)))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TEXT | Type::NAME | Type::VARCHAR | Type::BPCHAR | Type::UNKNOWN)
    }
}

impl ToSql for EncodedText {
    fn to_sql(&self, _: &Type, out: &mut bytes::BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&encode(&self.0));
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        <EncodedText as FromSql<'_>>::accepts(ty)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn utf8_stays_as_it_is() {
        assert_eq!(decode("schéma 表".as_bytes()), "schéma 表");
    }

    #[test]
    fn latin1_comes_back() {
        let held = decode(b"sch\xe9ma");
        assert_eq!(held.chars().count(), 6);
        assert_eq!(&*encode(&held), b"sch\xe9ma");
    }

    #[test]
    fn genuine_private_characters_come_back() {
        let genuine = "a\u{10FFE9}\u{10F000}b".as_bytes();
        assert_eq!(&*encode(&decode(genuine)), genuine);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            let held = decode(&bytes);
            prop_assert_eq!(&*encode(&held), &bytes[..]);
        }

        #[test]
        fn any_text_comes_back(text: String) {
            let held = decode(text.as_bytes());
            prop_assert_eq!(&*encode(&held), text.as_bytes());
        }
    }
}

//! Encodings in which the byte of a quote or a backslash may be part of a multibyte character.
//!
//! In every encoding that a database can have, all bytes of a multibyte character have the high bit set,
//! so text can be split without knowing the encoding. Client-only encodings are different, and `pg_dump
//! -E SJIS` writes one of them (manual, "Character Set Support").

/// A client-only encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientOnly {
    /// Bytes from 0xA1 to 0xDF are single-byte characters.
    Sjis,
    /// Two bytes if the first is at least 0x80: BIG5, GBK, UHC.
    TwoBytes,
    /// EUC with sequences of three bytes after 0x8F.
    Johab,
    /// Two bytes, or four if the second is a digit.
    Gb18030,
}

impl ClientOnly {
    /// The encoding of this name, in any spelling that the server accepts; None if text in it can be
    /// split bytewise.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match name.as_str() {
            "sjis" | "shiftjis" | "shiftjis2004" | "mskanji" | "win932" | "windows932" => {
                Some(ClientOnly::Sjis)
            }
            "big5" | "win950" | "windows950" | "gbk" | "win936" | "windows936" | "uhc" | "win949"
            | "windows949" => Some(ClientOnly::TwoBytes),
            "johab" => Some(ClientOnly::Johab),
            "gb18030" => Some(ClientOnly::Gb18030),
            _ => None,
        }
    }

    /// How many bytes follow the first byte of a character.
    pub(crate) fn following(self, first: u8) -> u8 {
        match (self, first) {
            (_, ..0x80) => 0,
            (ClientOnly::Sjis, 0xA1..=0xDF) => 0,
            (ClientOnly::Johab, 0x8F) => 2,
            _ => 1,
        }
    }

    /// How many more bytes follow, given the second byte.
    pub(crate) fn following_second(self, second: u8) -> u8 {
        if self == ClientOnly::Gb18030 && second.is_ascii_digit() { 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_databases_need_no_care() {
        for name in ["UTF8", "LATIN1", "SQL_ASCII", "EUC_JP", "EUC_JIS_2004", "MULE_INTERNAL", "WIN1252"] {
            assert_eq!(ClientOnly::named(name), None, "{name}");
        }
        for name in ["SJIS", "SHIFT_JIS_2004", "BIG5", "gbk", "UHC", "JOHAB", "GB18030", "Windows-936"] {
            assert!(ClientOnly::named(name).is_some(), "{name}");
        }
    }
}

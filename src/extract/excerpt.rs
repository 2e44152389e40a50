//! The text of chosen entries.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::index::{Index, SESSION_AUTHORIZATION, TextRange, setting_name};
use crate::pg::text::encode;
use crate::storage::input::index::FoundIndex;
use crate::storage::input::text_ranges::TextRanges;
use crate::storage::input::{ByteStream, Opened};

/// The longest opening of a text that is believed; real ones have some 800 bytes.
const LONGEST_OPENING: u64 = 64 << 10;

/// The text of chosen entries, as a script of its own: it opens a session like the whole dump, and sets before each
/// entry what the dump sets.
pub struct Excerpt {
    text: Arc<TextRanges>,
    location: String,
    pieces: Vec<Piece>,
    /// How many bytes the backup has.
    pub backup_bytes: u64,
    /// How many bytes of text the excerpt has.
    pub text_bytes: u64,
}

/// A piece of an excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(Bytes),
    Ranges(Vec<TextRange>),
}

impl Excerpt {
    /// The excerpt of a backup with the entries at these places of its index.
    ///
    /// # Errors
    /// `Usage`, if the backup's index does not say how a session begins; those of reading.
    pub async fn new(location: &str, found: &FoundIndex, chosen: &[usize]) -> Result<Self> {
        let index = &found.index;
        let opening_bytes = index.opening_bytes;
        if opening_bytes == 0 || opening_bytes > LONGEST_OPENING {
            return Err(Error::new(ErrorKind::Usage, format!("take a part of {location}"))
                .because("its index does not say where the parts are, as in the dump of a whole cluster")
                .hint("restore all of it, or make a dump of the database alone"));
        }
        let text = Arc::new(TextRanges::new(location.to_owned(), found));
        let opening = TextRange { offset: 0, length: opening_bytes };
        let opening: Vec<Bytes> = Arc::clone(&text).read(&[opening]).try_collect().await?;
        let pieces = pieces(index, chosen, opening.concat());
        let text_bytes = pieces.iter().map(Piece::length).sum();
        let location = format!("a part of {location}");
        Ok(Excerpt { text, location, pieces, backup_bytes: found.size, text_bytes })
    }

    /// Reads the script. It fails with `Damaged`, if the backup is not what its index says.
    pub fn open(&self) -> Opened {
        Opened { location: self.location.clone(), size: Some(self.text_bytes), bytes: self.bytes() }
    }

    /// How many bytes were fetched so far.
    pub fn fetched_bytes(&self) -> u64 {
        self.text.fetched_bytes()
    }

    /// By how many requests.
    pub fn requests(&self) -> u64 {
        self.text.requests()
    }

    fn bytes(&self) -> ByteStream {
        let text = Arc::clone(&self.text);
        let read = move |piece| match piece {
            Piece::Words(words) => stream::once(async { Ok(words) }).boxed(),
            Piece::Ranges(ranges) => Arc::clone(&text).read(&ranges),
        };
        stream::iter(self.pieces.clone()).flat_map(read).boxed()
    }
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Piece::Words(words) => words.len() as u64,
            Piece::Ranges(ranges) => ranges.iter().map(|range| range.length).sum(),
        }
    }
}

/// What an excerpt consists of.
fn pieces(index: &Index, chosen: &[usize], opening: Vec<u8>) -> Vec<Piece> {
    let closing = closing(&opening);
    let mut pieces = vec![Piece::Words(opening.into())];
    let mut current: Vec<&str> = Vec::new();
    for entry in chosen.iter().filter_map(|number| index.entries.get(*number)) {
        for command in &entry.settings {
            if !current.contains(&&**command) {
                let name = setting_name(command);
                current.retain(|other| setting_name(other) != name);
                current.push(command);
                pieces.push(Piece::Words(encode(&format!("{command}\n\n")).into_owned().into()));
            }
        }
        match pieces.last_mut() {
            Some(Piece::Ranges(before)) => before.extend_from_slice(&entry.ranges),
            _ => pieces.push(Piece::Ranges(entry.ranges.clone())),
        }
        if entry.kind.ends_with("ACL") {
            // Its grants may have changed the session's user.
            current.retain(|command| setting_name(command) != SESSION_AUTHORIZATION);
        }
    }
    pieces.push(Piece::Words(closing.into()));
    pieces
}

/// The end of a script with this opening.
fn closing(opening: &[u8]) -> Vec<u8> {
    let mut closing = b"--\n-- PostgreSQL database dump complete\n--\n\n".to_vec();
    let key = opening.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"\\restrict "));
    if let Some(key) = key {
        closing.extend_from_slice(b"\\unrestrict ");
        closing.extend_from_slice(key);
        closing.extend_from_slice(b"\n\n");
    }
    closing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexEntry;

    #[test]
    fn settings_are_those_of_the_entries() {
        let entry = |offset, kind: &str, settings: &[&str]| IndexEntry {
            kind: kind.into(),
            ranges: vec![TextRange { offset, length: 10 }],
            settings: settings.iter().map(|command| (*command).into()).collect(),
            ..IndexEntry::default()
        };
        let (heap, default, fast) = (
            "SET default_table_access_method = heap;",
            "SET default_tablespace = '';",
            "SET default_tablespace = fast;",
        );
        let (app, other) = ("SET SESSION AUTHORIZATION 'a = b';", "SET SESSION AUTHORIZATION DEFAULT;");
        let index = Index {
            entries: vec![
                entry(100, "TABLE", &[app, default, heap]),
                entry(110, "TABLE", &[app, fast, heap]),
                entry(200, "TABLE DATA", &[app]),
                entry(300, "ACL", &[app]),
                entry(310, "INDEX", &[other, default]),
            ],
            ..Index::default()
        };
        let shown = |chosen: &[usize]| -> Vec<String> {
            let shown = |piece: &Piece| match piece {
                Piece::Words(words) => String::from_utf8(words.trim_ascii().to_vec()).unwrap(),
                Piece::Ranges(ranges) => {
                    format!("{:?}", ranges.iter().map(|range| range.offset).collect::<Vec<_>>())
                }
            };
            let pieces = pieces(&index, chosen, b"--\n\\restrict abc\n\nSET x;\n".to_vec());
            pieces[1..].iter().map(shown).collect()
        };
        let end = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc";
        assert_eq!(shown(&[0, 2]), [app, default, heap, "[100, 200]", end]);
        assert_eq!(shown(&[0, 1]), [app, default, heap, "[100]", fast, "[110]", end]);
        assert_eq!(shown(&[2, 3, 2]), [app, "[200, 300]", app, "[200]", end]);
        assert_eq!(shown(&[1, 4]), [app, fast, heap, "[110]", other, default, "[310]", end]);
        assert_eq!(shown(&[]), [end]);
        assert_eq!(closing(b"--\n-- x\n"), b"--\n-- PostgreSQL database dump complete\n--\n\n");
    }
}

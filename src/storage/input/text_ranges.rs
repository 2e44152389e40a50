//! Reads ranges of a backup's text, and fetches only the stored bytes that it needs for them.
//!
//! Text can only be decoded from a restart point on, and its checksum is known up to the next one. So what
//! lies between two of them is fetched, decoded and checked as a whole, before any of it is passed on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::container::Format;
use super::index::FoundIndex;
use super::stretch::{Stretch, between_restart_points};
use super::{ByteStream, Parts};
use crate::error::{Error, ErrorKind, Result};
use crate::index::{StoredRange, TextRange};

/// Neighbours are fetched by the same request up to this many stored bytes: a request takes as long as some
/// megabytes.
const FETCH_BYTES: u64 = 4 << 20;

/// How many bytes of text are decoded at once, unless there is no restart point in between.
const FETCH_TEXT_BYTES: u64 = 8 << 20;

/// How many fetches are ahead of the reader.
const FETCHES_AHEAD: usize = 2;

/// Reads ranges of a backup's text.
pub struct TextRanges {
    location: String,
    format: Format,
    parts: Arc<dyn Parts>,
    /// The file's last bytes, and its length.
    tail: Bytes,
    size: u64,
    stretches: Vec<Stretch>,
    /// The last decoded text: the next one often begins with its end, or with the same.
    kept: Mutex<Option<Kept>>,
    fetched: Fetched,
}

/// What was read of a backup.
#[derive(Debug, Default)]
struct Fetched {
    bytes: AtomicU64,
    requests: AtomicU64,
}

/// The text of some stretches.
#[derive(Debug)]
struct Kept {
    first: usize,
    end: usize,
    text: Bytes,
}

/// Neighbouring stretches, from the first number up to and without the second, and what is wanted of their text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fetch {
    first: usize,
    end: usize,
    ranges: Vec<TextRange>,
}

impl TextRanges {
    /// Ranges of the backup at this location, of which the index was found.
    pub fn new(location: String, found: &FoundIndex) -> Self {
        TextRanges {
            location,
            format: found.format,
            stretches: between_restart_points(&found.index, found.stored.offset),
            parts: Arc::clone(&found.parts),
            tail: found.tail.clone(),
            size: found.size,
            kept: Mutex::new(None),
            fetched: Fetched {
                bytes: AtomicU64::new(found.fetched_bytes),
                requests: AtomicU64::new(found.requests),
            },
        }
    }

    /// How many bytes were fetched so far, with those of the index.
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched.bytes.load(Ordering::Relaxed)
    }

    /// By how many requests, apart from repeated ones.
    pub fn requests(&self) -> u64 {
        self.fetched.requests.load(Ordering::Relaxed)
    }

    /// The text between any two neighbouring restart points, in order. [`TextRanges::read`] gives each in one piece.
    pub fn pieces(&self) -> Vec<TextRange> {
        let range = |it: &Stretch| TextRange { offset: it.text_offset, length: it.text_bytes };
        self.stretches.iter().map(range).collect()
    }

    /// The text of these ranges, one after the other.
    ///
    /// The stream fails with `Damaged`, if the text is not what the index says, and with the errors of
    /// [`Parts::read`].
    pub fn read(self: Arc<Self>, ranges: &[TextRange]) -> ByteStream {
        stream::iter(self.fetches(ranges))
            .map(move |fetch| Arc::clone(&self).fetch(fetch))
            .buffered(FETCHES_AHEAD)
            .map_ok(|pieces| stream::iter(pieces.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    fn fetches(&self, ranges: &[TextRange]) -> Vec<Fetch> {
        let mut fetches: Vec<Fetch> = Vec::new();
        for (number, range) in ranges.iter().flat_map(|range| self.cut(*range)) {
            match fetches.last_mut() {
                Some(last) if (last.first..last.end).contains(&number) => last.ranges.push(range),
                Some(last) if number == last.end && self.fit_a_fetch(last.first, number) => {
                    last.end += 1;
                    last.ranges.push(range);
                }
                _ => fetches.push(Fetch { first: number, end: number + 1, ranges: vec![range] }),
            }
        }
        fetches
    }

    /// Cuts a range at the ends of stretches.
    fn cut(&self, range: TextRange) -> impl Iterator<Item = (usize, TextRange)> {
        let end = range.offset.saturating_add(range.length);
        let first = self.stretches.partition_point(|stretch| stretch.text_end() <= range.offset);
        let crossed = self.stretches.iter().enumerate().skip(first);
        crossed.take_while(move |(_, stretch)| stretch.text_offset < end).map(move |(number, stretch)| {
            let offset = range.offset.max(stretch.text_offset);
            (number, TextRange { offset, length: end.min(stretch.text_end()) - offset })
        })
    }

    fn fit_a_fetch(&self, first: usize, last: usize) -> bool {
        let stretches = &self.stretches[first..=last];
        let stored: u64 = stretches.iter().map(|stretch| stretch.stored.length).sum();
        let text: u64 = stretches.iter().map(|stretch| stretch.text_bytes).sum();
        stored <= FETCH_BYTES && text <= FETCH_TEXT_BYTES
    }

    async fn fetch(self: Arc<Self>, fetch: Fetch) -> Result<Vec<Bytes>> {
        let text = self.text(&fetch).await?;
        let start = self.stretches[fetch.first].text_offset;
        let piece = |range: &TextRange| {
            let from = (range.offset - start) as usize;
            text.slice(from..from + range.length as usize)
        };
        Ok(fetch.ranges.iter().map(piece).collect())
    }

    async fn text(&self, fetch: &Fetch) -> Result<Bytes> {
        let known = self.known(fetch);
        let first = known.as_ref().map_or(fetch.first, |(end, _)| *end);
        let text = match (known, first < fetch.end) {
            (Some((_, known)), false) => known,
            (Some((_, known)), true) => [known, self.decoded(first, fetch.end).await?].concat().into(),
            (None, _) => self.decoded(first, fetch.end).await?,
        };
        let kept = Kept { first: fetch.first, end: fetch.end, text: text.clone() };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(text)
    }

    /// What is kept of the beginning of a fetch, and the number of the stretch after it.
    fn known(&self, fetch: &Fetch) -> Option<(usize, Bytes)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref().filter(|kept| (kept.first..kept.end).contains(&fetch.first))?;
        let start = self.stretches[kept.first].text_offset;
        let end = kept.end.min(fetch.end);
        let from = self.stretches[fetch.first].text_offset - start;
        let to = self.stretches[end - 1].text_end() - start;
        Some((end, kept.text.slice(from as usize..to as usize)))
    }

    /// The text of the stretches from the first number up to and without the second.
    async fn decoded(&self, first: usize, end: usize) -> Result<Bytes> {
        let stretches = self.stretches[first..end].to_vec();
        stretches.iter().try_for_each(Stretch::refuse_long).map_err(|why| self.damaged(why))?;
        let offset = stretches[0].stored.offset;
        let stored = StoredRange { offset, length: stretches.iter().map(|it| it.stored.length).sum() };
        let stored = match stored.within(&self.tail, self.size) {
            Some(known) => self.tail.slice_ref(known),
            None => {
                self.fetched.bytes.fetch_add(stored.length, Ordering::Relaxed);
                self.fetched.requests.fetch_add(1, Ordering::Relaxed);
                self.parts.read(stored.offset, stored.length).await?
            }
        };
        let format = self.format;
        let decoded = tokio::task::spawn_blocking(move || decode(format, &stretches, offset, &stored)).await;
        let decoded = decoded.map_err(|error| {
            Error::new(ErrorKind::Other, format!("decode {}", self.location)).because(error)
        })?;
        decoded.map_err(|why| self.damaged(why))
    }

    fn damaged(&self, why: String) -> Error {
        Error::new(ErrorKind::Damaged, format!("read {}", self.location))
            .because(why)
            .hint("pgsiphon verify reads the whole backup, and says whether its text is complete")
    }
}

/// Decodes neighbouring stretches that were read from this offset on.
fn decode(format: Format, stretches: &[Stretch], offset: u64, stored: &[u8]) -> Result<Bytes, String> {
    let mut all = Vec::new();
    for stretch in stretches {
        let StoredRange { offset: begin, length } = stretch.stored;
        let from = (begin - offset) as usize;
        let (text, _) = stretch.decode(format, &stored[from..from + length as usize])?;
        if all.is_empty() {
            all = text;
        } else {
            all.extend_from_slice(&text);
        }
    }
    Ok(all.into())
}

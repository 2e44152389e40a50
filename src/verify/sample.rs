//! Checks some pieces of a backup, chosen at random: for huge backups, every night.

use std::sync::Arc;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::against_index::shown;
use crate::error::{Error, ErrorKind, Result};
use crate::index::TextRange;
use crate::storage::input::index::FoundIndex;
use crate::storage::input::text_ranges::TextRanges;

/// What was checked of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How many pieces were read.
    pub pieces: usize,
    /// How many the backup has.
    pub of: usize,
    /// The length of their text in bytes.
    pub text_bytes: u64,
    /// How many bytes were fetched, with those of the index.
    pub fetched_bytes: u64,
}

/// Reads some of what is between two restart points: this share of the pieces, rounded up. Each must decode to the text
/// with the length and the checksum in the index, in which entries begin where the index says.
///
/// # Errors
/// `Damaged` says what is wrong; errors of reading; `Interrupted`.
pub async fn read_sample(
    location: &str,
    found: &FoundIndex,
    percent: f64,
    shutdown: &CancellationToken,
) -> Result<Sample> {
    let text = Arc::new(TextRanges::new(location.to_owned(), found));
    let all = text.pieces();
    let wanted = ((all.len() as f64 * percent / 100.0).ceil() as usize).min(all.len());
    let chosen = choose(&all, wanted);
    let mut starts: Vec<(u64, usize)> = Vec::new();
    for (number, entry) in found.index.entries.iter().enumerate() {
        starts.extend(entry.ranges.iter().map(|range| (range.offset, number)));
    }
    starts.sort_unstable();
    let mut texts = Arc::clone(&text).read(&chosen);
    for range in &chosen {
        let piece = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Err(Error::interrupted(format!("read {location}"))),
            piece = texts.next() => piece,
        };
        let piece = piece.transpose()?.ok_or_else(|| {
            Error::new(ErrorKind::Other, format!("read {location}")).because("it ended before the last piece")
        })?;
        let first = starts.partition_point(|(offset, _)| *offset < range.offset);
        let within = starts[first..].iter().take_while(|(offset, _)| *offset < range.offset + range.length);
        for (offset, number) in within {
            // The rest of a header at the end may be in the next piece.
            let header = &piece[(offset - range.offset) as usize..];
            if !b"--\n".starts_with(&header[..header.len().min(3)]) {
                let entry = shown(&found.index.entries[*number]);
                return Err(Error::new(ErrorKind::Damaged, format!("compare {location} with its index"))
                    .because(format!("no header comment of {entry} is where the index says")));
            }
        }
    }
    Ok(Sample {
        pieces: chosen.len(),
        of: all.len(),
        text_bytes: chosen.iter().map(|range| range.length).sum(),
        fetched_bytes: text.fetched_bytes(),
    })
}

/// So many of these, at random, in their order.
fn choose(all: &[TextRange], wanted: usize) -> Vec<TextRange> {
    let mut chosen = Vec::with_capacity(wanted);
    for (number, range) in all.iter().enumerate() {
        if rand::random_range(0..all.len() - number) < wanted - chosen.len() {
            chosen.push(*range);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_chosen_as_are_wanted() {
        let all: Vec<_> = (0..10).map(|offset| TextRange { offset, length: 1 }).collect();
        for wanted in 0..=10 {
            let chosen = choose(&all, wanted);
            assert_eq!(chosen.len(), wanted);
            assert!(chosen.is_sorted_by_key(|range| range.offset));
        }
        let mut seen: Vec<_> = (0..200).flat_map(|_| choose(&all, 1)).map(|range| range.offset).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10, "each must come up at times");
    }
}

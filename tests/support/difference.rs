//! Compares two dumps, which may be large, and briefly shows where they differ.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use similar::TextDiff;

use super::Outcome;

/// How many lines before the first difference are shown.
const CONTEXT_LINES: usize = 6;
/// How many lines from there on are compared in detail.
const WINDOW_LINES: usize = 6000;
/// How many lines of the difference are printed.
const SHOWN_LINES: usize = 120;
/// Longer lines are truncated: a row may have any length.
const SHOWN_LINE_BYTES: usize = 300;
/// The number of lines at the beginning of a dump that contain the two "Dumped" lines.
const HEAD_LINES: u64 = 12;
/// The header of a database's dump; the dump of a cluster contains many.
const DATABASE_DUMP: &[u8] = b"-- PostgreSQL database dump\n";
const STARTED: &[u8] = b"-- Started on ";
const COMPLETED: &[u8] = b"-- Completed on ";

/// Whether two dumps are equal except for the two `-- Dumped` lines, the key of `\restrict` and, with
/// `-v`, the times and the numbers of entries; if not, the text shows how `ours` differs from `theirs`.
pub(crate) fn of_dumps(theirs: &Path, ours: &Path) -> Outcome<Option<String>> {
    let mut left = DumpLines::open(theirs)?;
    let mut right = DumpLines::open(ours)?;
    let mut before: Vec<Vec<u8>> = Vec::new();
    loop {
        let (a, b) = (left.next_line()?, right.next_line()?);
        if a != b {
            let (first, number) = (before.len(), left.number);
            let mut old = before.clone();
            let mut new = before;
            old.extend(a);
            new.extend(b);
            left.collect_into(&mut old)?;
            right.collect_into(&mut new)?;
            return Ok(Some(render(&old, &new, number.saturating_sub(first as u64).max(1))));
        }
        let Some(line) = a else { return Ok(None) };
        if before.len() == CONTEXT_LINES {
            before.remove(0);
        }
        before.push(line);
    }
}

/// The lines of a dump, without what may differ.
struct DumpLines {
    reader: BufReader<File>,
    path: String,
    number: u64,
    /// The line at which the last header begins.
    head: u64,
    key: Option<Vec<u8>>,
    /// With `-v`, the beginning and end of a dump contain the time.
    is_timed: bool,
}

impl DumpLines {
    fn open(path: &Path) -> Outcome<Self> {
        let file = File::open(path).map_err(|e| format!("open {}: {e}", path.display()))?;
        let reader = BufReader::with_capacity(1 << 20, file);
        Ok(DumpLines {
            reader,
            path: path.display().to_string(),
            number: 0,
            head: 0,
            key: None,
            is_timed: false,
        })
    }

    fn next_line(&mut self) -> Outcome<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read =
            self.reader.read_until(b'\n', &mut line).map_err(|e| format!("read {}: {e}", self.path))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        // With -v, pg_dump numbers entries in the order in which it read its catalogs, which others
        // cannot reproduce.
        if self.is_timed && line.starts_with(b"-- Dependencies: ") {
            return self.next_line();
        }
        if self.is_timed && line.starts_with(b"-- TOC entry ") {
            let class = line.iter().position(|&b| b == b'(').unwrap_or(0);
            return Ok(Some([&b"-- TOC entry N "[..], &line[class..]].concat()));
        }
        Ok(Some(self.normalised(line)))
    }

    fn normalised(&mut self, line: Vec<u8>) -> Vec<u8> {
        if line == DATABASE_DUMP {
            self.head = self.number;
        }
        if self.number - self.head <= HEAD_LINES {
            for head in [&b"-- Dumped from database version "[..], b"-- Dumped by "] {
                if line.starts_with(head) {
                    return [head, b"N\n"].concat();
                }
            }
            if line.starts_with(STARTED) {
                self.is_timed = true;
                return [STARTED, b"TIME\n"].concat();
            }
            if let Some(key) = line.strip_prefix(b"\\restrict ")
                && self.key.is_none()
                && key.trim_ascii_end().iter().all(u8::is_ascii_alphanumeric)
            {
                self.key = Some(key.to_vec());
            }
        }
        if self.is_timed && line.starts_with(COMPLETED) {
            return [COMPLETED, b"TIME\n"].concat();
        }
        for command in [&b"\\restrict "[..], b"\\unrestrict "] {
            if self.key.is_some() && line.strip_prefix(command) == self.key.as_deref() {
                return [command, b"KEY\n"].concat();
            }
        }
        line
    }

    fn collect_into(&mut self, lines: &mut Vec<Vec<u8>>) -> Outcome<()> {
        while lines.len() < WINDOW_LINES {
            match self.next_line()? {
                Some(line) => lines.push(line),
                None => break,
            }
        }
        Ok(())
    }
}

fn render(old: &[Vec<u8>], new: &[Vec<u8>], first_line: u64) -> String {
    let (old, new) = (shown(old), shown(new));
    let difference = TextDiff::configure().timeout(Duration::from_secs(5)).diff_lines(&old, &new);
    let text =
        difference.unified_diff().context_radius(CONTEXT_LINES).header("pg_dump", "pgsiphon").to_string();
    let mut out = format!("first difference near line {first_line}:\n");
    for (index, line) in text.lines().enumerate() {
        if index == SHOWN_LINES {
            out.push_str("… (more differences follow)\n");
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn shown(lines: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for line in lines {
        let cut = &line[..line.len().min(SHOWN_LINE_BYTES)];
        text.push_str(&String::from_utf8_lossy(cut).replace('\r', "␍"));
        if cut.len() < line.len() {
            // Lines that differ only after the cut must look different.
            let sum = line.iter().fold(0u64, |h, b| h.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*b));
            text.push_str(&format!("… ({} bytes, hash {sum:016x})\n", line.len()));
        } else if !line.ends_with(b"\n") {
            text.push_str("␀(no newline)\n");
        }
    }
    text
}

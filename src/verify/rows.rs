//! A digest of a table's rows that does not depend on the order of rows or columns.
//!
//! Each value is hashed with its column's name; the sum of these hashes, hashed again, is the row's
//! digest, and the sum of those is the table's. A dump of the restored database has the same digest.

use sha2::{Digest, Sha256};

use super::instants::without_time_zone;

/// Values up to this size are searched for points in time.
const SHORT_BYTES: usize = 1 << 10;

/// Digests the rows of a COPY in text format as they arrive.
#[derive(Clone)]
pub(super) struct RowDigest {
    /// For each column, a hasher that has already consumed the column's name.
    columns: Vec<Sha256>,
    column: usize,
    value: Option<Sha256>,
    /// The value, while it is short.
    short: Vec<u8>,
    row: u128,
    total: u128,
}

impl RowDigest {
    /// A digest for a COPY with these columns.
    pub(super) fn new(columns: &[String]) -> Self {
        let seeded = columns.iter().map(|name| seed(name.as_bytes())).collect();
        RowDigest { columns: seeded, column: 0, value: None, short: Vec::new(), row: 0, total: 0 }
    }

    /// Adds bytes. Tabs, newlines and carriage returns are never part of a value in text format: a
    /// carriage return is the first half of a line ending.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr3(b'\t', b'\n', b'\r', bytes) {
            self.take(&bytes[..end]);
            match bytes[end] {
                b'\r' => {}
                b'\n' => {
                    self.end_value();
                    self.end_row();
                }
                _ => {
                    self.end_value();
                    self.column += 1;
                }
            }
            bytes = &bytes[end + 1..];
        }
        self.take(bytes);
    }

    /// The digest of all rows so far.
    pub(super) fn total(&self) -> u128 {
        self.total
    }

    /// Adds part of a value.
    fn take(&mut self, bytes: &[u8]) {
        if self.value.is_none() && self.short.len() + bytes.len() <= SHORT_BYTES {
            self.short.extend_from_slice(bytes);
            return;
        }
        let short = std::mem::take(&mut self.short);
        let value = self.value();
        value.update(&short);
        value.update(bytes);
    }

    fn value(&mut self) -> &mut Sha256 {
        let column = self.column;
        let columns = &self.columns;
        self.value.get_or_insert_with(|| match columns.get(column) {
            Some(seeded) => seeded.clone(),
            None => seed(&column.to_le_bytes()),
        })
    }

    fn end_value(&mut self) {
        if self.value.is_none() {
            let short = std::mem::take(&mut self.short);
            self.value().update(without_time_zone(&short));
            // Reuse its memory.
            self.short = short;
            self.short.clear();
        }
        if let Some(value) = self.value.take() {
            self.row = self.row.wrapping_add(shortened(value));
        }
    }

    fn end_row(&mut self) {
        // Adding the plain sum would let values move between rows unnoticed.
        self.total = self.total.wrapping_add(digest(&self.row.to_le_bytes()));
        (self.row, self.column) = (0, 0);
    }
}

/// A hasher that has consumed a name, terminated.
fn seed(name: &[u8]) -> Sha256 {
    Sha256::new().chain_update(name).chain_update([0])
}

fn shortened(hash: Sha256) -> u128 {
    let full: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&full[..16]);
    u128::from_le_bytes(half)
}

/// The digest of complete data.
pub(super) fn digest(bytes: &[u8]) -> u128 {
    shortened(Sha256::new().chain_update(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[&str], rows: &str, piece: usize) -> u128 {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let mut digest = RowDigest::new(&columns);
        rows.as_bytes().chunks(piece).for_each(|bytes| digest.update(bytes));
        digest.total()
    }

    #[test]
    fn order_and_cuts_do_not_matter() {
        let expected = of(&["a", "b"], "1\tx\n2\t\\N\n", 100);
        for piece in 1..10 {
            assert_eq!(of(&["a", "b"], "1\tx\n2\t\\N\n", piece), expected);
        }
        assert_eq!(of(&["a", "b"], "2\t\\N\n1\tx\n", 3), expected);
        assert_eq!(of(&["a", "b"], "1\tx\r\n2\t\\N\r\n", 4), expected);
        assert_eq!(of(&["b", "a"], "x\t1\n\\N\t2\n", 3), expected);
    }

    #[test]
    fn the_time_zone_of_points_in_time_does_not_matter() {
        let expected = of(&["a", "b"], "1\t2025-01-08 04:00:00+00\n", 100);
        for piece in 1..30 {
            assert_eq!(of(&["a", "b"], "1\t2025-01-08 09:30:00+05:30\n", piece), expected);
        }
        assert_ne!(of(&["a", "b"], "1\t2025-01-08 04:00:00+01\n", 100), expected);
    }

    #[test]
    fn long_values_are_the_same_however_they_are_cut() {
        let row = format!("{}\t2\n", "x".repeat(2 * SHORT_BYTES));
        for piece in [7, SHORT_BYTES - 1, SHORT_BYTES, 3 * SHORT_BYTES] {
            assert_eq!(of(&["a", "b"], &row, piece), of(&["a", "b"], &row, 1));
        }
    }

    #[test]
    fn anything_else_matters() {
        let expected = of(&["a", "b"], "1\tx\n2\ty\n", 100);
        for (columns, rows) in [
            (["a", "b"], "1\ty\n2\tx\n"),
            (["a", "b"], "1\tx\n2\ty\n2\ty\n"),
            (["a", "b"], "1\tx\n"),
            (["a", "b"], "x\t1\ny\t2\n"),
            (["a", "c"], "1\tx\n2\ty\n"),
            (["a", "b"], "1\tx \n2\ty\n"),
            (["a", "b"], "\tx\n12\ty\n"),
        ] {
            assert_ne!(of(&columns, rows, 100), expected, "{columns:?} {rows:?}");
        }
        assert_ne!(of(&[], "\n", 1), of(&[], "\n\n", 1));
    }
}

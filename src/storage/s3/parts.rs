//! The size of each part of a multipart upload.

use crate::error::{Error, ErrorKind, Result};

/// The largest part that S3 accepts: 5 GiB
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const MAX_PART_BYTES: u64 = 5 << 30;

/// The smallest part that S3 accepts, except for the last: 5 MiB (same page).
pub const MIN_PART_BYTES: u64 = 5 << 20;

/// How many parts S3 accepts (same page).
pub const MAX_PARTS: u32 = 10_000;

/// The default size of the first part if parts grow.
pub const GROWING_PART_BYTES: u64 = 8 << 20;

/// How many times the size doubles up to the last part.
const STEPS: u32 = 10;

/// Decides the sizes of parts.
///
/// The length of a dump is unknown until its last byte, and S3 accepts 10,000 parts: with constant parts
/// of 8 MiB, every dump would end at 78 GiB. So parts start small, to save memory, and then grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSizing {
    /// Parts start with `first_bytes`, and double after each tenth of the provider's part limit.
    /// Starting with 8 MiB, 10,000 parts hold 7.8 TiB; the first 24 GB use parts of at most 16 MiB.
    Growing {
        /// The size of the first part in bytes.
        first_bytes: u64,
    },
    /// Parts of equal size, for providers that require it; the dump must fit.
    Fixed {
        /// The size of each part in bytes.
        bytes: u64,
    },
}

/// The part sizes that the user wants instead of the provider's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartWish {
    /// The size in bytes of the first part, or of every part if they are equal.
    pub bytes: Option<u64>,
    /// Whether all parts except the last have the same size.
    pub equal: Option<bool>,
}

/// The default size of equal parts: 10,000 of them hold 625 GiB.
pub const EQUAL_PART_BYTES: u64 = 64 << 20;

/// Parses a size: a number of bytes, or with `KiB`, `MiB` or `GiB` (also `K`, `M`, `G`).
///
/// # Errors
/// `Usage`, if it is not a size, or not one that S3 accepts for a part.
pub fn parse_part_bytes(text: &str) -> Result<u64> {
    let wrong = |reason: &str| {
        Error::new(ErrorKind::Usage, format!("read the part size \"{text}\""))
            .because(reason.to_owned())
            .hint("use a size from 5MiB to 5GiB, such as 64MiB")
    };
    match parse_bytes(text) {
        Ok(bytes) if (MIN_PART_BYTES..=MAX_PART_BYTES).contains(&bytes) => Ok(bytes),
        Ok(_) => Err(wrong("S3 accepts parts from 5 MiB to 5 GiB")),
        Err(reason) => Err(wrong(reason)),
    }
}

/// Parses a number of bytes, also with `KiB`, `MiB` or `GiB` (or `K`, `M`, `G`).
///
/// # Errors
/// Why it is not one.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, &'static str> {
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match trimmed[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err("its unit is not one of KiB, MiB and GiB"),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.ok_or("it is not a whole number of bytes")
}

impl PartSizing {
    /// Applies the user's choice.
    pub fn with(self, wish: PartWish) -> Self {
        let (bytes, is_equal) = match self {
            PartSizing::Growing { first_bytes } => (first_bytes, false),
            PartSizing::Fixed { bytes } => (bytes, true),
        };
        match (wish.equal.unwrap_or(is_equal), wish.bytes) {
            (true, None) => PartSizing::Fixed { bytes: if is_equal { bytes } else { EQUAL_PART_BYTES } },
            (true, Some(bytes)) => PartSizing::Fixed { bytes },
            (false, None) if is_equal => PartSizing::Growing { first_bytes: GROWING_PART_BYTES },
            (false, wanted) => PartSizing::Growing { first_bytes: wanted.unwrap_or(bytes) },
        }
    }

    /// The size in bytes of part `part_number`, counted from 1, if there are at most `max_parts`. `None`
    /// if there can be no such part.
    pub fn part_bytes(self, part_number: u32, max_parts: u32) -> Option<u64> {
        if part_number == 0 || part_number > max_parts {
            return None;
        }
        Some(match self {
            PartSizing::Fixed { bytes } => bytes.min(MAX_PART_BYTES),
            PartSizing::Growing { first_bytes } => {
                let step_parts = max_parts.div_ceil(STEPS);
                let doublings = (part_number - 1) / step_parts;
                first_bytes.saturating_mul(1 << doublings).min(MAX_PART_BYTES)
            }
        })
    }

    /// The size in bytes of the largest object that fits.
    pub fn max_object_bytes(self, max_parts: u32) -> u64 {
        (1..=max_parts).filter_map(|part_number| self.part_bytes(part_number, max_parts)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = 1 << 40;

    #[test]
    fn a_growing_plan_holds_terabytes_within_the_limits_of_s3() {
        let growing = PartSizing::Growing { first_bytes: 8 << 20 };
        assert_eq!(growing.max_object_bytes(MAX_PARTS), (8 << 20) * 1000 * 1023);
        assert!(growing.max_object_bytes(MAX_PARTS) > 7 * TIB);
        let sizes: Vec<_> = (1..=MAX_PARTS).map(|n| growing.part_bytes(n, MAX_PARTS).unwrap()).collect();
        assert!(sizes.is_sorted());
        assert!(sizes.iter().all(|size| (MIN_PART_BYTES..=MAX_PART_BYTES).contains(size)));
        assert_eq!((sizes[0], sizes[999], sizes[1000]), (8 << 20, 8 << 20, 16 << 20));
        assert_eq!(growing.part_bytes(MAX_PARTS + 1, MAX_PARTS), None);
        assert_eq!(growing.part_bytes(0, MAX_PARTS), None);
    }

    #[test]
    fn any_growing_plan_keeps_to_the_largest_part() {
        for first_bytes in [5 << 20, 64 << 20, 1 << 30, MAX_PART_BYTES, u64::MAX] {
            let growing = PartSizing::Growing { first_bytes };
            assert!((1..=MAX_PARTS).all(|n| growing.part_bytes(n, MAX_PARTS).unwrap() <= MAX_PART_BYTES));
        }
    }

    #[test]
    fn a_thousand_parts_grow_faster() {
        let growing = PartSizing::Growing { first_bytes: 8 << 20 };
        assert_eq!(growing.max_object_bytes(1000), (8 << 20) * 100 * 1023);
    }

    #[test]
    fn wishes_are_heard() {
        let growing = PartSizing::Growing { first_bytes: 8 << 20 };
        let fixed = PartSizing::Fixed { bytes: 32 << 20 };
        let with = |sizing: PartSizing, bytes, equal| sizing.with(PartWish { bytes, equal });
        for sizing in [growing, fixed] {
            assert_eq!(with(sizing, None, None), sizing);
            assert_eq!(with(sizing, Some(9 << 20), Some(true)), PartSizing::Fixed { bytes: 9 << 20 });
            let first_bytes = 9 << 20;
            assert_eq!(with(sizing, Some(first_bytes), Some(false)), PartSizing::Growing { first_bytes });
        }
        assert_eq!(with(growing, None, Some(true)), PartSizing::Fixed { bytes: EQUAL_PART_BYTES });
        assert_eq!(with(fixed, None, Some(false)), growing);
        assert_eq!(with(growing, Some(16 << 20), None), PartSizing::Growing { first_bytes: 16 << 20 });
        assert_eq!(with(fixed, Some(16 << 20), None), PartSizing::Fixed { bytes: 16 << 20 });
    }

    #[test]
    fn sizes_are_read_and_kept_within_the_limits_of_s3() {
        for (text, bytes) in [
            ("5242880", 5 << 20),
            ("64MiB", 64 << 20),
            ("64 m", 64 << 20),
            ("5GiB", 5 << 30),
            ("6144K", 6 << 20),
        ] {
            assert_eq!(parse_part_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in [
            "",
            "MiB",
            "64MB",
            "-5MiB",
            "1.5GiB",
            "4MiB",
            "6GiB",
            "0",
            "99999999999999999999",
            "9999999999999G",
        ] {
            assert_eq!(parse_part_bytes(text).unwrap_err().kind(), ErrorKind::Usage, "{text}");
        }
    }

    #[test]
    fn fixed_parts_are_equal() {
        let fixed = PartSizing::Fixed { bytes: 64 << 20 };
        assert_eq!(fixed.max_object_bytes(MAX_PARTS), 625 << 30);
    }
}

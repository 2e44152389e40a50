//! How large each part of a multipart upload is.

/// The largest part that S3 takes: 5 GiB
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const MAX_PART_BYTES: u64 = 5 << 30;

/// The smallest part that S3 takes, the last one apart: 5 MiB (same page).
pub const MIN_PART_BYTES: u64 = 5 << 20;

/// How many parts S3 takes (same page).
pub const MAX_PARTS: u32 = 10_000;

/// How many times a growing plan doubles on its way to the last part.
const STEPS: u32 = 10;

/// The rule for the sizes of parts.
///
/// A dump's length is unknown until its last byte, and S3 stops at 10,000 parts: constant parts of
/// 8 MiB would end every dump at 78 GiB. So sizes stay small at first, for the sake of memory, and
/// then grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSizing {
    /// Parts of `first_bytes`, which double with each tenth of the provider's part limit. From
    /// 8 MiB that makes 7.8 TiB in 10,000 parts; the first 24 GB use parts of at most 16 MiB.
    Growing {
        /// The size of the first part in bytes.
        first_bytes: u64,
    },
    /// Parts of equal size, for providers that want it so; the dump must fit.
    Fixed {
        /// The size of each part in bytes.
        bytes: u64,
    },
}

impl PartSizing {
    /// The size in bytes of part `part_number`, counted from 1, where `max_parts` are allowed.
    /// `None` if there can be no such part.
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

    /// The largest object that fits, in bytes.
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
    fn fixed_parts_are_equal() {
        let fixed = PartSizing::Fixed { bytes: 64 << 20 };
        assert_eq!(fixed.max_object_bytes(MAX_PARTS), 625 << 30);
    }
}

//! What is known about server versions: when their support ends, and which minor versions lack a fix
//! that matters to backups. This is the one table to update when PostgreSQL is released.

use chrono::{DateTime, NaiveDate, Utc};

/// When each major version gets its last fixes (<https://www.postgresql.org/support/versioning/>).
const LAST_FIXES: [(u32, i32, u32, u32); 7] = [
    (12, 2024, 11, 21),
    (13, 2025, 11, 13),
    (14, 2026, 11, 12),
    (15, 2027, 11, 11),
    (16, 2028, 11, 9),
    (17, 2029, 11, 8),
    (18, 2030, 11, 14),
];

struct Fix {
    cve: &'static str,
    about: &'static str,
    /// `server_version_num` of the first versions with the fix, one for each major version that got it.
    fixed_in: &'static [u32],
}

const FIXES: [Fix; 4] = [
    // https://www.postgresql.org/support/security/CVE-2024-7348/
    Fix {
        cve: "CVE-2024-7348",
        about: "the owner of a table can run code as the role that dumps it",
        fixed_in: &[120_020, 130_016, 140_013, 150_008, 160_004],
    },
    // https://www.postgresql.org/support/security/CVE-2025-8714/
    Fix {
        cve: "CVE-2025-8714",
        about: "with psql of that version, a dump can run commands on the machine that restores it",
        fixed_in: &[130_022, 140_019, 150_014, 160_010, 170_006],
    },
    // https://www.suse.com/security/cve/CVE-2026-15741/
    Fix {
        cve: "CVE-2026-15741",
        about: "the server may deparse a hostile view into different SQL",
        fixed_in: &[140_024, 150_019, 160_015, 170_011, 180_006],
    },
    // https://www.suse.com/security/cve/CVE-2026-6460/
    Fix { cve: "CVE-2026-6460", about: "a type confusion in the server", fixed_in: &[170_012, 180_007] },
];

/// The fixes that a server lacks, and the version that has all of them.
pub(super) struct Lacking {
    /// Each as `CVE-…: description`.
    pub(super) fixes: Vec<String>,
    /// For example `18.7`.
    pub(super) update_to: String,
}

/// The fixes missing from a server with this `server_version_num`, according to the table.
pub(super) fn lacking(version_num: u32) -> Option<Lacking> {
    let major = version_num / 10_000;
    let missing = FIXES.iter().filter_map(|fix| {
        let fixed = fix.fixed_in.iter().find(|fixed| **fixed / 10_000 == major)?;
        (version_num < *fixed).then(|| (*fixed, format!("{}: {}", fix.cve, fix.about)))
    });
    let (versions, fixes): (Vec<u32>, Vec<String>) = missing.unzip();
    let newest = versions.into_iter().max()?;
    Some(Lacking { fixes, update_to: format!("{}.{}", newest / 10_000, newest % 10_000) })
}

/// The day on which support of a major version ended, if it has ended.
pub(super) fn ended(major: u32, now: DateTime<Utc>) -> Option<NaiveDate> {
    let (_, year, month, day) = LAST_FIXES.iter().find(|(known, ..)| *known == major)?;
    NaiveDate::from_ymd_opt(*year, *month, *day).filter(|last| *last < now.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_minor_versions_lack_fixes() {
        let lacks = |num| lacking(num).map(|lacking| (lacking.fixes.len(), lacking.update_to));
        assert_eq!(lacks(180_006), Some((1, "18.7".to_owned())));
        assert_eq!(lacks(180_007), None);
        assert_eq!(lacks(140_000), Some((3, "14.24".to_owned())));
        assert_eq!(lacks(190_000), None);
    }

    #[test]
    fn versions_end_after_their_day() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(ended(14, at("2026-11-12T23:00:00Z")), None);
        assert!(ended(14, at("2026-11-13T00:00:00Z")).is_some());
        assert_eq!(ended(19, at("2026-11-13T00:00:00Z")), None);
    }

    #[test]
    fn the_table_is_in_order() {
        for fix in FIXES {
            assert!(fix.fixed_in.is_sorted(), "{}", fix.cve);
        }
    }
}

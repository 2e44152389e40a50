//! Points in time, which a server prints in its own time zone: `2025-01-08 05:00:00+01` is the same as
//! `2025-01-08 04:00:00+00`.
//!
//! A dump does not set the time zone (pg_dump does not either), so two servers print the same rows, and
//! the same partition bounds, in different ways.

use std::borrow::Cow;
use std::sync::LazyLock;

use chrono::NaiveDate;
use regex::bytes::{Captures, Regex};

static INSTANT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let date = r"(?-u)([0-9]{4,6})-([0-9]{2})-([0-9]{2})";
    let time = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?";
    let offset = r"([+-])([0-9]{2})(?::([0-9]{2}))?(?::([0-9]{2}))?( BC)?";
    Regex::new(&format!("{date} {time}{offset}")).ok()
});

/// The shortest point in time.
const SHORTEST: usize = "2025-01-08 05:00:00+01".len();

/// Replaces each point in time in the text by seconds since 1970, in UTC.
pub(super) fn without_time_zone(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(instant) = INSTANT.as_ref() else { return Cow::Borrowed(text) };
    if text.len() < SHORTEST || memchr::memchr(b':', text).is_none() {
        return Cow::Borrowed(text);
    }
    instant.replace_all(text, |found: &Captures<'_>| seconds(found).unwrap_or_else(|| found[0].to_vec()))
}

fn seconds(found: &Captures<'_>) -> Option<Vec<u8>> {
    let number = |group: usize| -> Option<i64> {
        let digits = found.get(group).map_or(&b"0"[..], |digits| digits.as_bytes());
        str::from_utf8(digits).ok()?.parse().ok()
    };
    let year = if found.get(12).is_some() { 1 - number(1)? } else { number(1)? };
    let (month, day) = (u32::try_from(number(2)?).ok()?, u32::try_from(number(3)?).ok()?);
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let of_hours = |first: usize| Some(number(first)? * 3600 + number(first + 1)? * 60 + number(first + 2)?);
    let offset = number(9)? * 3600 + number(10)? * 60 + number(11)?;
    let offset = if &found[8] == b"-" { -offset } else { offset };
    let days = date.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days();
    let mut out = format!("@{}", days * 86_400 + of_hours(4)? - offset).into_bytes();
    out.extend_from_slice(found.get(7).map_or(b"", |fraction| fraction.as_bytes()));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_do_not_matter() {
        for (one, other) in [
            ("2025-01-08 05:00:00+01", "2025-01-08 04:00:00+00"),
            ("2025-01-01 00:30:00.25+05:45", "2024-12-31 13:45:00.25-05"),
            ("1890-01-01 00:53:28+00:53:28", "1890-01-01 00:00:00+00"),
            ("0001-01-01 01:00:00+02 BC", "0002-12-31 23:00:00+00 BC"),
            ("{\"2025-01-08 05:00:00+01\",NULL}", "{\"2025-01-08 04:00:00+00\",NULL}"),
            ("[\"2025-01-08 05:00:00+01\",)", "[\"2025-01-08 04:00:00+00\",)"),
        ] {
            assert_eq!(without_time_zone(one.as_bytes()), without_time_zone(other.as_bytes()), "{one}");
        }
    }

    #[test]
    fn all_else_does() {
        for (one, other) in [
            ("2025-01-08 05:00:00+01", "2025-01-08 05:00:00+00"),
            ("2025-01-08 05:00:00.1+01", "2025-01-08 05:00:00.2+01"),
            ("2025-01-08 05:00:00", "2025-01-08 05:00:00+00"),
            ("2025-13-08 05:00:00+01", "2025-13-08 04:00:00+00"),
            ("10:00:00+01", "09:00:00+00"),
        ] {
            assert_ne!(without_time_zone(one.as_bytes()), without_time_zone(other.as_bytes()), "{one}");
        }
    }
}

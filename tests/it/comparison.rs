//! Tests the comparison on which all conformance tests rely: it must detect all differences, and nothing
//! else.

use std::path::PathBuf;

use crate::support::difference::of_dumps;
use crate::support::{Outcome, case::Case};

const HEAD: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict KEY\n\n-- Dumped from database version 18.6\n-- Dumped by pg_dump version 18.6\n\nSET x = 0;\n";

fn compare(theirs: &str, ours: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths: Vec<PathBuf> = ["theirs", "ours"].iter().map(|name| folder.path().join(name)).collect();
    std::fs::write(&paths[0], theirs).expect("write theirs");
    std::fs::write(&paths[1], ours).expect("write ours");
    of_dumps(&paths[0], &paths[1]).expect("compare")
}

#[test]
fn versions_and_key_may_differ() {
    let theirs = format!("{HEAD}\\unrestrict KEY\n");
    let ours = theirs.replace("KEY", "abc123").replace("by pg_dump version 18.6", "by pgsiphon 1.0");
    assert_eq!(compare(&theirs, &ours), None);
    let nameless = ours.replace("-- Dumped by pgsiphon 1.0\n", "");
    assert!(compare(&theirs, &nameless).is_some(), "the line must be there");
}

#[test]
fn a_restrict_key_elsewhere_is_a_difference() {
    let theirs = format!("{HEAD}\\unrestrict KEY\n");
    let ours = format!("{HEAD}\\unrestrict OTHER\n");
    assert!(compare(&theirs, &ours).is_some());
}

#[test]
fn header_lines_among_the_rows_are_compared() {
    let body = "row\n".repeat(20);
    let theirs = format!("{HEAD}{body}-- Dumped by pg_dump version 1\n");
    let ours = format!("{HEAD}{body}-- Dumped by pg_dump version 2\n");
    assert!(compare(&theirs, &ours).is_some());
}

#[test]
fn times_may_differ_if_the_header_has_one() {
    let timed = |time: &str| {
        format!("{}-- Started on {time}\n\nrow\n-- Completed on {time}\n", HEAD.replace("SET x = 0;\n", ""))
    };
    assert_eq!(compare(&timed("2020-01-01 00:00:00 UTC"), &timed("2020-01-01 00:00:01 UTC")), None);
    let untimed = |time: &str| format!("{HEAD}{}-- Completed on {time}\n", "row\n".repeat(20));
    assert!(compare(&untimed("2020-01-01 00:00:00 UTC"), &untimed("2020-01-01 00:00:01 UTC")).is_some());
}

#[test]
fn one_changed_missing_or_added_byte_is_detected() {
    let theirs = format!("{HEAD}{}", "1\tä\n".repeat(1000));
    for ours in [
        theirs.replacen("1\t", "2\t", 1),
        theirs.trim_end().to_owned(),
        format!("{theirs}\n"),
        theirs.replacen("\tä\n", "\tä\r\n", 1),
        HEAD.to_owned(),
        String::new(),
    ] {
        let text = compare(&theirs, &ours).expect("a difference");
        assert!(text.lines().count() < 140, "the report is bounded");
    }
}

#[test]
fn a_difference_behind_the_cut_of_a_long_line_shows() {
    let long = "x".repeat(5000);
    let text = compare(&format!("{HEAD}{long}a\n"), &format!("{HEAD}{long}b\n")).expect("a difference");
    let changed: Vec<&str> =
        text.lines().filter(|line| line.starts_with(['-', '+']) && line.contains("xxx")).collect();
    assert_eq!(changed.len(), 2, "{text}");
    assert_ne!(changed[0][1..], changed[1][1..]);
}

#[test]
fn every_case_is_readable_and_says_why_it_exists() -> Outcome<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/schemas");
    let cases = Case::read_all(&folder)?;
    assert!(cases.len() >= 70, "{} cases are too few: were some lost?", cases.len());
    for case in &cases {
        assert!(
            (14..=19).any(|major| case.concerns(major)) || case.concerns(12),
            "{} runs nowhere",
            case.name
        );
    }
    Ok(())
}

//! Filter files say line by line what they say together, and their patterns can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgsiphon::select::filter::{Lists, add};
use pgsiphon::select::options::Patterns;
use pgsiphon::select::pattern;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(all) = read(&[text]) else {
        let mut databases = Vec::new();
        let _ = add(text, "f", Lists::Cluster(&mut databases));
        return;
    };
    // Between lines that are whole by themselves a file can be cut.
    for (end, _) in text.match_indices('\n') {
        let (before, after) = text.split_at(end + 1);
        if let Ok(parts) = read(&[before, after]) {
            assert_eq!(format!("{parts:?}"), format!("{all:?}"), "cut at {end}");
        }
    }
    for pattern in all.tables.iter().chain(&all.exclude_schemas) {
        let parsed = pattern::parse(pattern, true, 2);
        assert!(parsed.dots <= pattern.matches('.').count());
    }
});

fn read(texts: &[&str]) -> pgsiphon::Result<Patterns> {
    let mut patterns = Patterns::default();
    for text in texts {
        add(text, "f", Lists::Database(&mut patterns))?;
    }
    Ok(patterns)
}

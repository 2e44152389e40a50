//! A manifest that can be read is written so that it is read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgsiphon::backups::manifest::{FORMAT_VERSION, Manifest};

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = Manifest::from_json(data, "m") else { return };
    assert_eq!(manifest.format_version, FORMAT_VERSION);
    let text = manifest.to_json().unwrap();
    let again = Manifest::from_json(&text, "m").unwrap();
    assert_eq!(again, manifest);
    assert_eq!(again.to_json().unwrap(), text);
    let _ = manifest.compression();
});

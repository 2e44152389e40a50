//! What a connection string says can be written as a string of either form, and is read from there; and
//! no error shows what stands in the string.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgsiphon::fuzzing::connection_settings;
use pgsiphon::pg::conninfo::{ConnectArgs, Environment, names_database, resolve};
use pgsiphon::pg::text;

/// A world with nothing in it.
struct Nowhere;

impl Environment for Nowhere {
    fn raw(&self, _: &str) -> Option<String> {
        None
    }

    fn os_user(&self) -> Option<String> {
        Some("me".to_owned())
    }
}

/// Stands where the fuzzer puts a control character: no keyword looks like it.
const SECRET: &str = "S3CR3T";

/// Settings that name files, which the fuzzer must not open.
const FILES: [&str; 7] = ["passfile", "service", "servicefile", "sslcert", "sslkey", "sslrootcert", "sslcrl"];

fuzz_target!(|data: &[u8]| {
    let string = text::decode(data).replace('\u{1}', SECRET);
    let settings = match connection_settings(&string) {
        Ok(settings) => settings,
        Err(error) => {
            assert!(!error.report().contains(SECRET), "{string:?}: {}", error.report());
            return;
        }
    };
    assert_eq!(connection_settings(&as_pairs(&settings)).unwrap(), settings);
    let can_be_in_url = |value: &str| !value.contains('\0') && text::decode(&text::encode(value)) == value;
    if settings.iter().all(|(_, value)| can_be_in_url(value)) {
        assert_eq!(connection_settings(&as_url(&settings)).unwrap(), settings);
    }
    if !settings.iter().any(|(name, _)| FILES.contains(name)) {
        let args = ConnectArgs { dbname: Some(string), ..ConnectArgs::default() };
        let _ = names_database(&args);
        if let Ok(params) = resolve(&args, &Nowhere) {
            assert!(!params.hosts.is_empty());
        }
    }
});

fn as_pairs(settings: &[(&str, String)]) -> String {
    let mut string = String::new();
    for (name, value) in settings {
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        string.push_str(&format!("{name} = '{value}' "));
    }
    string
}

fn as_url(settings: &[(&str, String)]) -> String {
    let mut url = "postgresql://".to_owned();
    let mut mark = '?';
    for (name, value) in settings {
        url.push(mark);
        url.push_str(&format!("{name}="));
        for byte in text::encode(value).iter() {
            url.push_str(&format!("%{byte:02x}"));
        }
        mark = '&';
    }
    url
}

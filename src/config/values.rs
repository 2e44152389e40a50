//! Merges all layers for one job, and reads values by type.

use std::collections::BTreeMap;
use std::time::Duration;

use super::layer::{Found, Layer, Origin, Raw, from_text};
use super::mask;
use super::setting::{SETTINGS, Setting, ValueKind, find};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::secret::Secret;

/// Each setting's value for one job, and where it was given.
pub struct Settings(BTreeMap<&'static str, Found>);

impl Settings {
    /// Takes each value from the first layer that has it, or else its default.
    pub(super) fn join<'l>(layers: impl IntoIterator<Item = &'l Layer>) -> Self {
        let mut values = BTreeMap::new();
        for layer in layers {
            for (key, found) in &layer.0 {
                values.entry(*key).or_insert_with(|| found.clone());
            }
        }
        for setting in SETTINGS {
            values.entry(setting.key).or_insert_with(|| Found {
                // Our own defaults can always be parsed.
                raw: from_text(setting.kind, setting.default, setting.key, &Origin::Default)
                    .unwrap_or_else(|_| Raw::Scalar(Secret::new(""))),
                origin: Origin::Default,
                secret_file: None,
            });
        }
        Settings(values)
    }

    fn found(&self, key: &'static str) -> &Found {
        static NOTHING: std::sync::OnceLock<Found> = std::sync::OnceLock::new();
        debug_assert!(find(key).is_some(), "no setting {key}");
        self.0.get(key).unwrap_or_else(|| {
            NOTHING.get_or_init(|| Found {
                raw: Raw::Scalar(Secret::new("")),
                origin: Origin::Default,
                secret_file: None,
            })
        })
    }

    /// Where the value was given.
    pub fn origin(&self, key: &'static str) -> &Origin {
        &self.found(key).origin
    }

    /// An error that names the setting and where it was given.
    pub(super) fn wrong(&self, key: &'static str, reason: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, format!("read {key} ({})", self.origin(key))).because(reason.into())
    }

    /// A text; None if empty.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.secret(key).map(|secret| secret.reveal().to_owned())
    }

    pub(super) fn secret(&self, key: &'static str) -> Option<Secret> {
        match &self.found(key).raw {
            Raw::Scalar(secret) if !secret.is_empty() => Some(secret.clone()),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &'static str) -> Vec<String> {
        match &self.found(key).raw {
            Raw::List(items) => items.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn map(&self, key: &'static str) -> Vec<(String, String)> {
        match &self.found(key).raw {
            Raw::Map(pairs) => pairs.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, key: &'static str, wanted: &str) -> Result<T> {
        let text = self.text(key).unwrap_or_default();
        text.trim().parse().map_err(|_| self.wrong(key, format!("\"{text}\" is not {wanted}")))
    }

    pub(super) fn integer(&self, key: &'static str) -> Result<u32> {
        self.parsed(key, "a whole number")
    }

    pub(super) fn boolean(&self, key: &'static str) -> Result<Option<bool>> {
        match self.text(key).as_deref() {
            None => Ok(None),
            Some("true" | "1" | "yes" | "on") => Ok(Some(true)),
            Some("false" | "0" | "no" | "off") => Ok(Some(false)),
            Some(text) => Err(self.wrong(key, format!("\"{text}\" is neither true nor false"))),
        }
    }

    pub(super) fn duration(&self, key: &'static str) -> Result<Duration> {
        let text = self.text(key).unwrap_or_default();
        match text.as_str() {
            "0" => Ok(Duration::ZERO),
            text => humantime::parse_duration(text).map_err(|error| {
                self.wrong(key, format!("\"{text}\" is not a time span: {error}"))
                    .hint("use for example 90s, 26h or 7d")
            }),
        }
    }

    /// All settings with their values as TOML, with secrets masked, and where each was given.
    pub fn shown(&self) -> impl Iterator<Item = (&'static Setting, String, String)> {
        SETTINGS.iter().map(|setting| {
            let found = self.found(setting.key);
            let origin = match &found.secret_file {
                Some(path) => format!("{}, named by {}", path.display(), found.origin),
                None => found.origin.to_string(),
            };
            (setting, shown(setting, &found.raw), origin)
        })
    }
}

fn shown(setting: &Setting, raw: &Raw) -> String {
    match raw {
        Raw::Scalar(secret) if secret.is_empty() => "\"\"".to_owned(),
        Raw::Scalar(secret) => match setting.kind {
            ValueKind::Secret => quoted(mask::MASK),
            ValueKind::SecretUrl if setting.key.starts_with("source.") => {
                quoted(&mask::connection(secret.reveal()))
            }
            ValueKind::SecretUrl => quoted(&mask::endpoint(secret.reveal())),
            ValueKind::Integer | ValueKind::Number | ValueKind::Boolean => secret.reveal().to_owned(),
            _ => quoted(secret.reveal()),
        },
        Raw::List(items) => {
            let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Raw::Map(pairs) => {
            let pairs: Vec<_> =
                pairs.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

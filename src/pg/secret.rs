//! Text that must not be shown.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use super::text;

/// A password: printed as `[redacted]`, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret text. Bytes that are not UTF-8 are represented as by [`text::decode`].
    pub fn new(value: impl Into<String>) -> Self {
        Secret(Zeroizing::new(value.into()))
    }

    /// The text itself: only for code that sends it, never for code that prints.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The bytes to send to the server.
    pub fn reveal_bytes(&self) -> Cow<'_, [u8]> {
        text::encode(&self.0)
    }

    /// Whether the secret is empty; libpq treats an empty password as none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[redacted] Some(\n    [redacted],\n)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}

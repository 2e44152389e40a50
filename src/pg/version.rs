//! The server's version.

use std::fmt;

/// A version, in the format of `server_version_num`: 180006 is 18.6, 90624 is 9.6.24.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    num: u32,
    text: String,
}

impl ServerVersion {
    /// Parses the parameter `server_version`: "18.6 (Debian 18.6-1)", "17beta1", "9.6.24".
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0; 3];
        let mut count = 0;
        let mut rest = text;
        while count < 3 {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let Ok(number) = rest[..end].parse::<u32>() else { break };
            numbers[count] = number;
            count += 1;
            match rest[end..].strip_prefix('.') {
                Some(after) => rest = after,
                None => break,
            }
        }
        let [major, minor, patch] = numbers;
        if count == 0 || major > 9999 || minor > 9999 || patch > 99 {
            return None;
        }
        // Since 10, the second number is the minor version.
        let num = if major >= 10 { major * 10_000 + minor } else { major * 10_000 + minor * 100 + patch };
        Some(ServerVersion { num, text: text.to_owned() })
    }

    /// The version in the format of `server_version_num`.
    pub fn num(&self) -> u32 {
        self.num
    }

    /// 18 for 18.6. (For versions before 10, which are not supported, this is only the first number.)
    pub fn major(&self) -> u32 {
        self.num / 10_000
    }

    /// Whether the server is of major version `major` or later.
    pub fn at_least(&self, major: u32) -> bool {
        self.major() >= major
    }

    /// The version as the server reports it, which may be any text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_counted_as_the_server_does() {
        let cases = [
            ("18.6 (Debian 18.6-1.pgdg13+1)", Some(180_006)),
            ("17beta1", Some(170_000)),
            ("14.23", Some(140_023)),
            ("19devel", Some(190_000)),
            ("9.6.24", Some(90_624)),
            ("10.0", Some(100_000)),
            ("", None),
            ("x", None),
            ("99999999999999999999", None),
            ("18.99999999", None),
        ];
        for (text, num) in cases {
            assert_eq!(ServerVersion::parse(text).map(|v| v.num()), num, "{text}");
        }
        let version = ServerVersion::parse("18.6 (Debian)").unwrap();
        assert_eq!((version.major(), version.at_least(18), version.at_least(19)), (18, true, false));
        assert_eq!(version.to_string(), "18.6 (Debian)");
    }
}

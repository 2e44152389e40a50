//! The password file, `.pgpass` (manual, "The Password File").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::pg::secret::Secret;
use crate::pg::text;

/// The connection that needs a password, in the terms of the password file.
pub(crate) struct Wanted<'a> {
    /// Host names that match: a socket in its default directory also matches `localhost`.
    pub(crate) hosts: &'a [&'a str],
    pub(crate) port: u16,
    pub(crate) dbname: &'a str,
    pub(crate) user: &'a str,
}

/// The lines of a password file. A file that is unreadable or readable by others counts as empty.
#[derive(Default)]
pub(crate) struct PassFile(Zeroizing<String>);

impl PassFile {
    /// Reads the file. Problems with it are only warnings, as in libpq, since the server may not require a
    /// password.
    pub(crate) fn read(path: &Path) -> Self {
        let Ok(metadata) = fs::metadata(path) else { return PassFile::default() };
        if !metadata.is_file() {
            tracing::warn!("password file \"{}\" is not a plain file", path.display());
            return PassFile::default();
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!(
                "password file \"{}\" has group or world access and is ignored; permissions should be u=rw (0600) or less",
                path.display()
            );
            return PassFile::default();
        }
        match fs::read(path) {
            Ok(bytes) => PassFile(Zeroizing::new(text::decode(&Zeroizing::new(bytes)))),
            Err(error) => {
                tracing::warn!("password file \"{}\" cannot be read: {error}", path.display());
                PassFile::default()
            }
        }
    }

    /// The password of the first line that matches.
    pub(crate) fn find(&self, wanted: &Wanted<'_>) -> Option<Secret> {
        self.0.lines().filter(|line| !line.starts_with('#')).find_map(|line| password_of(line, wanted))
    }
}

fn password_of(line: &str, wanted: &Wanted<'_>) -> Option<Secret> {
    let mut rest = Some(line);
    let mut next = || {
        let (field, after) = take_field(rest?);
        rest = after;
        Some(field)
    };
    let fits = |field: &Field, name: &str| field.is_wildcard || field.value.as_str() == name;
    let host = next()?;
    let matches = wanted.hosts.iter().any(|name| fits(&host, name))
        && fits(&next()?, &wanted.port.to_string())
        && fits(&next()?, wanted.dbname)
        && fits(&next()?, wanted.user);
    if !matches {
        return None;
    }
    next().map(|field| Secret::new(field.value.as_str()))
}

struct Field {
    value: Zeroizing<String>,
    /// Whether the field is an unescaped `*`.
    is_wildcard: bool,
}

/// Reads the field up to the next colon; a backslash makes the next character literal.
fn take_field(line: &str) -> (Field, Option<&str>) {
    let mut value = Zeroizing::new(String::new());
    let mut characters = line.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            ':' => return (Field { is_wildcard: &line[..at] == "*", value }, Some(&line[at + 1..])),
            '\\' => value.push(characters.next().map_or('\\', |(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (Field { is_wildcard: line == "*", value }, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(content: &str, hosts: &[&str], port: u16, dbname: &str, user: &str) -> Option<String> {
        PassFile(Zeroizing::new(content.to_owned()))
            .find(&Wanted { hosts, port, dbname, user })
            .map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let content = "# h:5432:d:u:comment\nh:5432:d:u:exact\r\nh:*:d:*:any\n*:*:*:*:last:rest\n";
        assert_eq!(find(content, &["h"], 5432, "d", "u").unwrap(), "exact");
        assert_eq!(find(content, &["h"], 5433, "d", "u").unwrap(), "any");
        assert_eq!(find(content, &["x"], 1, "y", "z").unwrap(), "last");
        assert_eq!(find("h:5432:d:u:p", &["H"], 5432, "d", "u"), None);
        assert_eq!(find("h:5432:d:u", &["h"], 5432, "d", "u"), None);
        assert_eq!(find("", &["h"], 5432, "d", "u"), None);
    }

    #[test]
    fn colons_stars_and_backslashes_are_escaped() {
        assert_eq!(find(r"\:\:1:5432:d\\b:u:p\:w\\", &["::1"], 5432, r"d\b", "u").unwrap(), r"p:w\");
        assert_eq!(find(r"\*:*:*:*:p", &["h"], 5432, "d", "u"), None);
        assert_eq!(find(r"h:*:*:*:p\", &["h"], 5432, "d", "u").unwrap(), r"p\");
    }

    #[test]
    fn a_socket_is_also_localhost() {
        assert_eq!(find("localhost:*:*:*:p", &["/tmp", "localhost"], 5432, "d", "u").unwrap(), "p");
        assert_eq!(find("/tmp:*:*:*:p", &["/tmp", "localhost"], 5432, "d", "u").unwrap(), "p");
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "*:*:*:*:p\n").unwrap();
        let wanted = Wanted { hosts: &["h"], port: 1, dbname: "d", user: "u" };
        for (mode, found) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(PassFile::read(file.path()).find(&wanted).is_some(), found, "mode {mode:o}");
        }
        assert!(PassFile::read(Path::new("/nonexistent")).find(&wanted).is_none());
    }

    fn escape(value: &str) -> String {
        value.replace('\\', r"\\").replace(':', r"\:")
    }

    proptest! {
        #[test]
        fn round_trip(host in "[^\r\n*#]+", dbname in "[^\r\n*]+", user in "[^\r\n*]+", password in "[^\r\n]+", port: u16) {
            let line = format!(
                "{}:{port}:{}:{}:{}", escape(&host), escape(&dbname), escape(&user), escape(&password)
            );
            prop_assert_eq!(find(&line, &[&host], port, &dbname, &user), Some(password));
        }

        #[test]
        fn nothing_panics(content: String) {
            let _ = find(&content, &["h"], 5432, "d", "u");
        }
    }
}

//! Connection strings: `postgresql://` URLs and `key=value` pairs, as libpq reads them.
//!
//! Errors tell where the mistake is, but never quote the text: a mistyped string often has the password in an
//! unexpected place.

use zeroize::Zeroizing;

use super::keywords::{self, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::text;

/// The schemes of libpq's URLs.
const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];
/// Schemes that frameworks use in DATABASE_URL for the same thing (Phoenix, GeoDjango).
const FRAMEWORK_SCHEMES: [&str; 2] = ["ecto://", "postgis://"];

/// Whether a database name is actually a connection string (libpq: it starts as a URL, or contains `=`).
pub(crate) fn is_connection_string(dbname: &str) -> bool {
    strip_scheme(dbname, &SCHEMES).is_some() || dbname.contains('=')
}

/// Refuses URLs of other systems (`mysql://`, `jdbc:postgresql://`). They are not database names, and may
/// contain a password, so the error only shows the scheme.
pub(crate) fn refuse_other_url(dbname: &str) -> Result<()> {
    let Some((scheme, _)) = dbname.split_once("://") else { return Ok(()) };
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.:_".contains(c);
    if SCHEMES.iter().any(|known| dbname.starts_with(known)) || scheme.is_empty() || !scheme.chars().all(fits)
    {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "read the connection URL")
        .because(format!("{scheme}:// is not a PostgreSQL scheme"))
        .hint("it must begin with postgresql:// or postgres://"))
}

/// How to handle a parameter that libpq doesn't know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refuse,
    /// Frameworks put their own settings in DATABASE_URL (`?pool=5`).
    Ignore,
}

/// Reads a connection string of either form.
pub(crate) fn parse(string: &str) -> Result<Settings> {
    match strip_scheme(string, &SCHEMES) {
        Some(rest) => parse_url(rest, Unknown::Refuse),
        None => parse_pairs(string),
    }
}

/// Whether the value of DATABASE_URL is a PostgreSQL URL.
pub(crate) fn is_postgres_url(string: &str) -> bool {
    strip_scheme(string, &SCHEMES).or_else(|| strip_scheme(string, &FRAMEWORK_SCHEMES)).is_some()
}

/// Reads the value of DATABASE_URL, a URL that may have a framework's scheme and parameters.
pub(crate) fn parse_database_url(string: &str) -> Result<Settings> {
    let rest = strip_scheme(string, &SCHEMES).or_else(|| strip_scheme(string, &FRAMEWORK_SCHEMES));
    match rest {
        Some(rest) => parse_url(rest, Unknown::Ignore),
        None => Err(Error::new(ErrorKind::Usage, "read DATABASE_URL")
            .because("it does not start with postgresql:// or postgres://")
            .hint("name the database on the command line, or unset DATABASE_URL")),
    }
}

fn strip_scheme<'a>(string: &'a str, schemes: &[&str]) -> Option<&'a str> {
    schemes.iter().find_map(|scheme| string.strip_prefix(scheme))
}

fn bad_url(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, "read the connection URL")
        .because(why.into())
        .hint("write special characters in the user, password and database name as %XX: @ is %40, / is %2F")
}

fn bad_pairs(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, "read the connection string").because(why.into())
}

fn store(settings: &mut Settings, name: &str, value: Zeroizing<String>, unknown: Unknown) -> Result<()> {
    match keywords::find(name) {
        Some(keyword) => settings.set(keyword, value),
        None if unknown == Unknown::Ignore => {
            tracing::warn!(parameter = printable(name), "ignored an unknown parameter of DATABASE_URL");
        }
        None => {
            return Err(Error::new(ErrorKind::Usage, "read the connection string")
                .because(format!("invalid connection option \"{}\"", printable(name))));
        }
    }
    Ok(())
}

/// Shows a name that looks like a keyword; anything else may be part of a password.
fn printable(name: &str) -> &str {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    if name.len() <= 40 && name.chars().all(plain) { name } else { "..." }
}

/// `[user[:password]@][host][:port][,…][/dbname][?param=value&…]`, after the scheme.
fn parse_url(rest: &str, unknown: Unknown) -> Result<Settings> {
    let mut settings = Settings::default();
    let (credentials, rest) = split_credentials(rest);
    if let Some(credentials) = credentials {
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, password),
            None => (credentials, ""),
        };
        store_decoded(&mut settings, "user", user)?;
        store_decoded(&mut settings, "password", password)?;
    }
    let (location, query) = match rest.split_once('?') {
        Some((location, query)) => (location, Some(query)),
        None => (rest, None),
    };
    let (hosts, dbname) = location.split_once('/').unwrap_or((location, ""));
    // libpq takes such text as a host or a database, and prints it when the connection fails.
    if hosts.contains('@') || dbname.contains('@') {
        return Err(bad_url("there is a \"@\" that is not percent-encoded"));
    }
    let (names, ports) = split_hosts(hosts)?;
    store_decoded(&mut settings, "host", &names)?;
    store_decoded(&mut settings, "port", &ports)?;
    store_decoded(&mut settings, "dbname", dbname)?;
    for parameter in query.unwrap_or("").split('&').filter(|p| !p.is_empty()) {
        store_parameter(&mut settings, parameter, unknown)?;
    }
    Ok(settings)
}

/// The credentials end at the first `@` that comes before any `/`.
fn split_credentials(rest: &str) -> (Option<&str>, &str) {
    match rest.find(['@', '/']) {
        Some(at) if rest.as_bytes()[at] == b'@' => (Some(&rest[..at]), &rest[at + 1..]),
        _ => (None, rest),
    }
}

/// Splits `h1:p1,h2,[::1]:p3` into libpq's two lists, `h1,h2,::1` and `p1,,p3`.
fn split_hosts(hosts: &str) -> Result<(String, String)> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = if let Some(rest) = host.strip_prefix('[') {
            let (address, after) =
                rest.split_once(']').ok_or_else(|| bad_url("an IPv6 address lacks its closing \"]\""))?;
            if address.is_empty() {
                return Err(bad_url("an IPv6 address is empty"));
            }
            match after.strip_prefix(':') {
                Some(port) => (address, port),
                None if after.is_empty() => (address, ""),
                None => return Err(bad_url("an IPv6 address must be followed by \":\" or \"/\"")),
            }
        } else {
            host.split_once(':').unwrap_or((host, ""))
        };
        // If a password is not percent-encoded, part of it often ends up as the port.
        if !port.is_empty() && port.parse::<u16>().is_err() {
            return Err(bad_url("the port is not a number from 1 to 65535"));
        }
        names.push(name);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((names.join(","), ports))
}

/// Stores a component of the URL, unless it is empty.
fn store_decoded(settings: &mut Settings, name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    store(settings, name, percent_decode(value)?, Unknown::Refuse)
}

fn store_parameter(settings: &mut Settings, parameter: &str, unknown: Unknown) -> Result<()> {
    let (name, value) =
        parameter.split_once('=').ok_or_else(|| bad_url("a parameter after the \"?\" lacks its \"=\""))?;
    if value.contains('=') {
        return Err(bad_url("a parameter after the \"?\" has more than one \"=\""));
    }
    let (name, value) = (percent_decode(name)?, percent_decode(value)?);
    // libpq accepts this for URLs that were written for JDBC.
    if name.as_str() == "ssl" && value.as_str() == "true" {
        return store(settings, "sslmode", Zeroizing::new("require".into()), unknown);
    }
    store(settings, &name, value, unknown)
}

/// As libpq decodes, which refuses what lenient decoders leave alone, and into memory that is wiped.
fn percent_decode(value: &str) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|d| Some((hex_digit(d[0])?, hex_digit(d[1])?)));
        let (high, low) =
            digits.ok_or_else(|| bad_url("a \"%\" is not followed by two hexadecimal digits"))?;
        match high << 4 | low {
            0 => return Err(bad_url("%00 is not allowed")),
            byte => bytes.push(byte),
        }
        rest = &tail[2..];
    }
    Ok(Zeroizing::new(text::decode(&bytes)))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `key = value 'quoted value' …`; a backslash takes the next character literally.
fn parse_pairs(string: &str) -> Result<Settings> {
    let mut settings = Settings::default();
    let mut rest = trim_start(string);
    while !rest.is_empty() {
        let (name, after) = rest
            .split_once('=')
            .filter(|(name, _)| !name.trim_end_matches(is_space).contains(is_space))
            .ok_or_else(|| bad_pairs("a \"=\" is missing after a keyword"))?;
        let (value, after) = take_value(trim_start(after))?;
        store(&mut settings, name.trim_end_matches(is_space), value, Unknown::Refuse)?;
        rest = trim_start(after);
    }
    Ok(settings)
}

/// C's `isspace` in the C locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn trim_start(string: &str) -> &str {
    string.trim_start_matches(is_space)
}

fn take_value(string: &str) -> Result<(Zeroizing<String>, &str)> {
    let quoted = string.starts_with('\'');
    let body = if quoted { &string[1..] } else { string };
    let mut value = Zeroizing::new(String::new());
    let mut characters = body.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &body[at + 1..])),
            c if !quoted && is_space(c) => return Ok((value, &body[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(bad_pairs("a quoted value lacks its closing quote"));
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(string: &str) -> Vec<(&'static str, String)> {
        parse(string).unwrap().pairs()
    }

    fn sorted(expected: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut expected: Vec<_> = expected.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        expected.sort();
        expected
    }

    /// The examples of the manual ("Connection URIs") and libpq's own test of URLs.
    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        let cases: &[(&str, &[(&'static str, &str)])] = &[
            ("postgresql://", &[]),
            ("postgresql://localhost", &[("host", "localhost")]),
            ("postgresql://localhost:5433", &[("host", "localhost"), ("port", "5433")]),
            ("postgresql://localhost/mydb", &[("host", "localhost"), ("dbname", "mydb")]),
            ("postgresql://user@localhost", &[("user", "user"), ("host", "localhost")]),
            (
                "postgresql://user:secret@localhost",
                &[("user", "user"), ("password", "secret"), ("host", "localhost")],
            ),
            (
                "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
                &[
                    ("user", "other"),
                    ("host", "localhost"),
                    ("dbname", "otherdb"),
                    ("connect_timeout", "10"),
                    ("application_name", "myapp"),
                ],
            ),
            (
                "postgresql://host1:123,host2:456/somedb?target_session_attrs=any",
                &[
                    ("host", "host1,host2"),
                    ("port", "123,456"),
                    ("dbname", "somedb"),
                    ("target_session_attrs", "any"),
                ],
            ),
            (
                "postgresql:///mydb?host=localhost&port=5433",
                &[("dbname", "mydb"), ("host", "localhost"), ("port", "5433")],
            ),
            (
                "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
                &[
                    ("user", "user"),
                    ("host", "localhost"),
                    ("port", "5433"),
                    ("dbname", "mydb"),
                    ("options", "-c synchronous_commit=off"),
                ],
            ),
            ("postgresql://[2001:db8::1234]/database", &[("host", "2001:db8::1234"), ("dbname", "database")]),
            (
                "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
                &[("host", "/var/lib/postgresql"), ("dbname", "dbname")],
            ),
            (
                "postgres://uri-user:secret@[::1]:12345/",
                &[("user", "uri-user"), ("password", "secret"), ("host", "::1"), ("port", "12345")],
            ),
            (
                "postgres://u:p%40ss%2Fw%3Ard@h,[::1]:2,c/d",
                &[
                    ("user", "u"),
                    ("password", "p@ss/w:rd"),
                    ("host", "h,::1,c"),
                    ("port", ",2,"),
                    ("dbname", "d"),
                ],
            ),
            (
                "postgres://u:p?w@h?ssl=true",
                &[("user", "u"), ("password", "p?w"), ("host", "h"), ("sslmode", "require")],
            ),
            ("postgres://:12345?user=u", &[("port", "12345"), ("user", "u")]),
            ("postgres://@host", &[("host", "host")]),
            ("postgres://h?host=/tmp", &[("host", "/tmp")]),
        ];
        for (url, expected) in cases {
            assert_eq!(pairs(url), sorted(expected), "{url}");
        }
    }

    #[test]
    fn pairs_are_read_as_libpq_reads_them() {
        let cases: &[(&str, &[(&'static str, &str)])] = &[
            ("", &[]),
            ("  ", &[]),
            (
                "host=localhost port=5432 dbname=mydb connect_timeout=10",
                &[("host", "localhost"), ("port", "5432"), ("dbname", "mydb"), ("connect_timeout", "10")],
            ),
            ("user = 'a b'password=x", &[("user", "a b"), ("password", "x")]),
            (r"password = 'it\'s \\ here' user=a\ b", &[("password", r"it's \ here"), ("user", "a b")]),
            ("password=a'b", &[("password", "a'b")]),
            ("host='' port=\n1\tdbname= x", &[("host", ""), ("port", "1"), ("dbname", "x")]),
            ("user=a user=b", &[("user", "b")]),
            (r"password=a\", &[("password", "a")]),
            ("password=a=b", &[("password", "a=b")]),
        ];
        for (string, expected) in cases {
            assert_eq!(pairs(string), sorted(expected), "{string}");
        }
    }

    #[test]
    fn a_bad_string_is_a_usage_error_that_never_shows_the_password() {
        let cases = [
            "postgres://user:hunter2@host:port/db",
            "postgres://user:hunter2@",
            "postgres://user:hun@hunter2@host/db",
            "postgres://user:a/hunter2@host/db",
            "postgres://user:1/hunter2@host/db",
            "postgres://user:hunter2/x@host/db",
            "postgres://user:hunter2%@host/db",
            "postgres://user:hunter2%0g@host/db",
            "postgres://user:hunter2%00@host/db",
            "postgres://user:hunter2@[::1/db",
            "postgres://user:hunter2@[]/db",
            "postgres://user:hunter2@[::1]x/db",
            "postgres://user:hunter2@host/db?password",
            "postgres://user@host/db?password=hunter2=x",
            "postgres://user@host/db?password=x&hunter2=x",
            "postgres://user@host/db?password=hunter2&nonsense=1",
            "password=my hunter2 host=x",
            "password='hunter2",
            "password=hunter2 nonsense=1",
            "password=hunter2 'a=1",
            "user:hunter2@host=",
        ];
        for string in cases {
            let Err(error) = parse(string) else {
                assert_eq!(string, "postgres://user:hunter2@", "was accepted");
                continue;
            };
            assert_eq!(error.kind(), ErrorKind::Usage);
            let shown = format!("{error} {error:?} {}", error.report());
            assert!(!shown.contains("hunter2"), "{string}: {shown}");
        }
    }

    #[test]
    fn an_unknown_keyword_is_named() {
        for string in ["pool=5", "postgres://h/d?pool=5"] {
            let report = parse(string).err().unwrap().report();
            assert!(report.contains("\"pool\""), "{report}");
        }
    }

    #[test]
    fn database_url_may_be_a_frameworks() {
        let settings = parse_database_url("ecto://u:p@h/d?pool_size=10&sslmode=require").unwrap();
        assert_eq!(settings.get("dbname"), Some("d"));
        assert_eq!(settings.get("sslmode"), Some("require"));
        let report = parse_database_url("mysql://u:hunter2@h/d").err().unwrap().report();
        assert!(!report.contains("hunter2"), "{report}");
    }

    fn percent_encode(value: &str) -> String {
        value.bytes().map(|b| format!("%{b:02x}")).collect()
    }

    fn quote(value: &str) -> String {
        format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
    }

    proptest! {
        #[test]
        fn url_round_trip(user in "[^\0]+", password in "[^\0]+", dbname in "[^\0]+", host in "[a-z0-9.-]+", port: u16) {
            let url = format!(
                "postgresql://{}:{}@{host}:{port}/{}",
                percent_encode(&user), percent_encode(&password), percent_encode(&dbname)
            );
            let settings = parse(&url).unwrap();
            for (name, expected) in [("user", &user), ("password", &password), ("dbname", &dbname)] {
                let value = settings.get(name).unwrap();
                prop_assert_eq!(&*text::encode(value), expected.as_bytes());
            }
            prop_assert_eq!(settings.get("host"), Some(host.as_str()));
            let port = port.to_string();
            prop_assert_eq!(settings.get("port"), Some(port.as_str()));
        }

        #[test]
        fn pairs_round_trip(user in ".+", password in ".+") {
            let settings = parse(&format!("user={} password = {}", quote(&user), quote(&password))).unwrap();
            prop_assert_eq!(settings.get("user"), Some(user.as_str()));
            prop_assert_eq!(settings.get("password"), Some(password.as_str()));
        }

        #[test]
        fn nothing_panics(string: String) {
            let _ = parse(&string);
            let _ = parse(&format!("postgres://{string}"));
            let _ = parse_database_url(&format!("ecto://{string}"));
        }

        #[test]
        fn nothing_panics_on_likely_characters(string in "[a-z@:/?&=%\\[\\],'\\\\ 0-9é]*") {
            let _ = parse(&string);
            let _ = parse(&format!("postgres://{string}"));
        }
    }
}

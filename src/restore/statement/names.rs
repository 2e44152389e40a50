//! Parses names in statements that pg_dump writes.

/// The table that a COPY fills, as written, and its columns.
pub(crate) fn copy_target(statement: &str) -> (String, Vec<String>) {
    let rest = statement.trim_start().get(4..).unwrap_or("").trim_start();
    let end = unquoted(rest, |c| c.is_whitespace() || c == '(').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let mut columns = Vec::new();
    if let Some(mut list) = rest.trim_start().strip_prefix('(') {
        while let Some(end) = unquoted(list, |c| c == ',' || c == ')') {
            columns.push(list[..end].trim().to_owned());
            let closes = list[end..].starts_with(')');
            list = &list[end + 1..];
            if closes {
                break;
            }
        }
    }
    (name.to_owned(), columns)
}

/// The parts of a possibly qualified name, as the server reads them: without quotes, and folded to lower
/// case if unquoted.
pub(crate) fn parts_of_name(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let end = unquoted(rest, |c| c == '.').unwrap_or(rest.len());
        let part = rest[..end].trim();
        parts.push(match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => part.to_ascii_lowercase(),
        });
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => return parts,
        }
    }
}

/// The role that a `DROP ROLE` drops.
pub(crate) fn role_dropped(statement: &str) -> Option<String> {
    let rest = statement.strip_prefix("DROP ROLE ")?.trim_end().trim_end_matches(';');
    match parts_of_name(rest.strip_prefix("IF EXISTS ").unwrap_or(rest)).as_slice() {
        [role] => Some(role.clone()),
        _ => None,
    }
}

/// The position of the first matching character outside of double quotes.
fn unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let mut quoted = false;
    text.char_indices()
        .find(|(_, c)| {
            quoted ^= *c == '"';
            !quoted && wanted(*c)
        })
        .map(|(at, _)| at)
}

/// The first words and symbols of a statement, without comments. Words are in upper case; quoted names
/// keep their quotes, and never equal a word.
pub(crate) fn leading_tokens(statement: &[u8], count: usize) -> Vec<String> {
    let mut tokens = Vec::with_capacity(count);
    let mut rest = statement;
    while tokens.len() < count {
        rest = rest.trim_ascii_start();
        let Some(first) = rest.first() else { break };
        let length = match first {
            b'-' if rest.starts_with(b"--") => {
                rest = &rest[memchr::memchr(b'\n', rest).unwrap_or(rest.len())..];
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                rest = memchr::memmem::find(rest, b"*/").map_or(&[][..], |end| &rest[end + 2..]);
                continue;
            }
            quote @ (b'"' | b'\'') => quoted_length(rest, *quote),
            first if is_word(*first) => rest.iter().take_while(|byte| is_word(**byte)).count(),
            _ => 1,
        };
        let (token, after) = rest.split_at(length);
        tokens.push(String::from_utf8_lossy(token).into_owned());
        if let Some(word) = tokens.last_mut().filter(|_| is_word(*first)) {
            word.make_ascii_uppercase();
        }
        rest = after;
    }
    tokens
}

/// The length of a quoted text that begins here; doubled quotes stand for one.
pub(super) fn quoted_length(text: &[u8], quote: u8) -> usize {
    let mut end = 1;
    while let Some(next) = text.get(end..).and_then(|rest| memchr::memchr(quote, rest)) {
        end += next + 1;
        if text.get(end) != Some(&quote) {
            return end;
        }
        end += 1;
    }
    text.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// Whether a statement may prepare a database for being dropped; `--clean --create` begins with such
/// statements for templates.
pub(crate) fn prepares_database(statement: &[u8]) -> bool {
    updates_databases(statement) || leading_tokens(statement, 2) == ["ALTER", "DATABASE"]
}

/// Whether a statement updates the catalog of databases directly, as pg_dump does for templates.
pub(crate) fn updates_databases(statement: &[u8]) -> bool {
    leading_tokens(statement, 4) == ["UPDATE", "PG_CATALOG", ".", "PG_DATABASE"]
}

/// Whether a statement creates the schema `public`, which every new database already has.
pub(crate) fn creates_public(statement: &[u8]) -> bool {
    let tokens = leading_tokens(statement, 5);
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    matches!(tokens.as_slice(), ["CREATE", "SCHEMA", "PUBLIC" | "\"public\"", ";"])
}

/// Whether a statement drops that schema, as dumps with `-n public -c` do.
pub(crate) fn drops_public(statement: &[u8]) -> bool {
    let tokens = leading_tokens(statement, 7);
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    matches!(
        tokens.as_slice(),
        ["DROP", "SCHEMA", "PUBLIC" | "\"public\"", ";"]
            | ["DROP", "SCHEMA", "IF", "EXISTS", "PUBLIC" | "\"public\"", ";"]
    )
}

/// The name of the database that a statement creates or drops.
pub(crate) fn database_name(statement: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(statement);
    let rest = ["CREATE DATABASE ", "DROP DATABASE IF EXISTS ", "DROP DATABASE "]
        .iter()
        .find_map(|start| text.strip_prefix(start))?;
    let end = unquoted(rest, |c| c.is_whitespace() || c == ';').unwrap_or(rest.len());
    Some(parts_of_name(&rest[..end]).join("."))
}

/// Whether a statement refers to a database by name.
pub(crate) fn is_about_database(statement: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&statement[..statement.len().min(500)]);
    let says = |verbs: &[&str]| verbs.iter().any(|verb| text.starts_with(verb));
    says(&["ALTER DATABASE ", "COMMENT ON DATABASE "])
        || (says(&["GRANT ", "REVOKE ", "SECURITY LABEL "]) && text.contains(" ON DATABASE "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_roles_are_read() {
        for (statement, role) in [
            ("DROP ROLE postgres;", Some("postgres")),
            ("DROP ROLE IF EXISTS \"a \"\"b\"\"\";", Some("a \"b\"")),
            ("DROP TABLE postgres;", None),
        ] {
            assert_eq!(role_dropped(statement).as_deref(), role, "{statement}");
        }
    }

    #[test]
    fn targets_of_copies_are_read() {
        for (statement, name, columns) in [
            ("COPY public.t (a, b) FROM stdin;", "public.t", &["a", "b"][..]),
            ("COPY public.t  FROM stdin;", "public.t", &[]),
            (
                "COPY \"a (b\".\"c\"\",d\" (\"e, )f\", g) FROM stdin;",
                "\"a (b\".\"c\"\",d\"",
                &["\"e, )f\"", "g"],
            ),
            ("COPY t FROM stdin;", "t", &[]),
        ] {
            let (found, list) = copy_target(statement);
            assert_eq!(
                (found.as_str(), list.iter().map(String::as_str).collect::<Vec<_>>()),
                (name, columns.to_vec())
            );
        }
    }

    #[test]
    fn names_mean_the_same_however_they_are_written() {
        for (name, parts) in [
            ("public.clerk", &["public", "clerk"][..]),
            ("\"public\".Clerk", &["public", "clerk"]),
            ("\"a.b\".\"c\"\"D\"", &["a.b", "c\"D"]),
            ("clerk", &["clerk"]),
        ] {
            assert_eq!(parts_of_name(name), parts);
        }
    }

    #[test]
    fn statements_begin_with_words_signs_and_quoted_names() {
        for (statement, tokens) in [
            ("create  Table public.t (", &["CREATE", "TABLE", "PUBLIC", ".", "T"][..]),
            ("DROP /* the */ DATABASE\n-- old\n\"a b\"\"c\";", &["DROP", "DATABASE", "\"a b\"\"c\"", ";"]),
            ("COMMENT ON ROLE r IS 'CREATE", &["COMMENT", "ON", "ROLE", "R", "IS"]),
            ("/* never ends", &[]),
            ("", &[]),
        ] {
            assert_eq!(leading_tokens(statement.as_bytes(), 5), tokens, "{statement}");
        }
    }

    #[test]
    fn names_of_databases_are_read() {
        for (statement, name) in [
            ("CREATE DATABASE shop WITH TEMPLATE = template0;", Some("shop")),
            ("DROP DATABASE IF EXISTS \"a \"\"b; c\";", Some("a \"b; c")),
            ("DROP DATABASE shop;", Some("shop")),
            ("CREATE TABLE t ();", None),
        ] {
            assert_eq!(database_name(statement.as_bytes()).as_deref(), name);
        }
    }

    #[test]
    fn the_schema_public_is_dropped() {
        for (statement, is) in [
            ("DROP SCHEMA public;", true),
            ("DROP SCHEMA IF EXISTS public;", true),
            ("DROP SCHEMA publicity;", false),
            ("DROP SCHEMA public CASCADE;", false),
        ] {
            assert_eq!(drops_public(statement.as_bytes()), is, "{statement}");
        }
    }

    #[test]
    fn the_schema_public_is_known_however_it_is_written() {
        for (statement, is) in [
            ("CREATE SCHEMA public;", true),
            ("CREATE SCHEMA \"public\";", true),
            ("CREATE SCHEMA \"Public\";", false),
            ("CREATE SCHEMA \"PUBLIC\";", false),
            ("CREATE SCHEMA publicity;", false),
            ("CREATE SCHEMA public CREATE TABLE t ();", false),
        ] {
            assert_eq!(creates_public(statement.as_bytes()), is, "{statement}");
        }
    }

    #[test]
    fn what_is_said_of_databases_is_told_apart() {
        for (statement, is) in [
            ("ALTER DATABASE shop SET a TO 'b';", true),
            ("GRANT CONNECT ON DATABASE shop TO app;", true),
            ("COMMENT ON DATABASE shop IS 'x';", true),
            ("GRANT SELECT ON TABLE t TO app;", false),
            ("COMMENT ON TABLE t IS 'ALTER DATABASE';", false),
        ] {
            assert_eq!(is_about_database(statement.as_bytes()), is, "{statement}");
        }
    }
}

//! Names in statements that pg_dump writes.

/// The relation that a COPY fills, as it is written there, and its columns.
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

/// The name in a `CREATE DATABASE` or `DROP DATABASE`.
pub(crate) fn database_name(statement: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(statement);
    let rest = ["CREATE DATABASE ", "DROP DATABASE IF EXISTS ", "DROP DATABASE "]
        .iter()
        .find_map(|start| text.strip_prefix(start))?;
    let end = unquoted(rest, |c| c.is_whitespace() || c == ';').unwrap_or(rest.len());
    let name = &rest[..end];
    Some(match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_owned(),
    })
}

/// Where the first such character outside of double quotes is.
fn unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let mut quoted = false;
    text.char_indices()
        .find(|(_, c)| {
            quoted ^= *c == '"';
            !quoted && wanted(*c)
        })
        .map(|(at, _)| at)
}

/// Whether a statement says something of the database itself, by its name.
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
    fn names_of_databases_are_read() {
        for (statement, name) in [
            ("CREATE DATABASE shop WITH TEMPLATE = template0;", Some("shop")),
            ("CREATE DATABASE shop;", Some("shop")),
            ("DROP DATABASE IF EXISTS \"a \"\"b; c\";", Some("a \"b; c")),
            ("DROP DATABASE shop;", Some("shop")),
            ("CREATE TABLE t ();", None),
        ] {
            assert_eq!(database_name(statement.as_bytes()).as_deref(), name);
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

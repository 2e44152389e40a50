//! Classifies a dump's statements as far as a restore needs it, and names them in messages.

pub(crate) mod names;
pub(crate) mod ownership;
pub(crate) mod rename;

use names::leading_tokens;

/// Kinds of statements that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatementKind {
    /// `SET`, `SELECT pg_catalog.set_config(…)`: affects only the session.
    Setting,
    /// `CREATE DATABASE` or `DROP DATABASE`.
    Database,
    /// `CREATE ROLE` with only a name, as pg_dumpall writes it.
    CreateRole,
    /// Affects the cluster: roles, tablespaces, settings of databases, and comments and privileges on
    /// any of them.
    Cluster,
    /// `BEGIN`, which dumps use around large objects.
    Begin,
    /// `COMMIT`.
    Commit,
    /// Anything else: creates something in the database.
    Content,
}

impl StatementKind {
    pub(crate) fn of(statement: &[u8]) -> StatementKind {
        let tokens = leading_tokens(statement, 4);
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        match tokens.as_slice() {
            ["SET" | "RESET", ..] | ["SELECT", "PG_CATALOG", ".", "SET_CONFIG"] => StatementKind::Setting,
            ["CREATE" | "DROP", "DATABASE", ..] => StatementKind::Database,
            ["CREATE", "ROLE", ..] if is_bare_role(&String::from_utf8_lossy(statement)) => {
                StatementKind::CreateRole
            }
            // Belongs to a foreign server of the database.
            ["CREATE" | "ALTER" | "DROP", "USER", "MAPPING", ..] => StatementKind::Content,
            ["CREATE" | "ALTER" | "DROP", "ROLE" | "TABLESPACE" | "USER", ..]
            | ["ALTER", "DATABASE" | "SYSTEM", ..]
            | ["UPDATE", "PG_CATALOG", ".", "PG_DATABASE"]
            | ["GRANT" | "REVOKE" | "COMMENT" | "SECURITY", ..] => StatementKind::Cluster,
            ["BEGIN", ";"] => StatementKind::Begin,
            ["COMMIT", ";"] => StatementKind::Commit,
            _ => StatementKind::Content,
        }
    }
}

/// Whether a statement cannot run in a transaction block.
pub(crate) fn refuses_transactions(statement: &[u8]) -> bool {
    let tokens = leading_tokens(statement, 5);
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    matches!(
        tokens.as_slice(),
        ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..]
            | ["ALTER", "SYSTEM", ..]
            | ["ALTER", "DATABASE", _, "SET", "TABLESPACE"]
            | ["VACUUM", ..]
            | ["REINDEX", "DATABASE" | "SYSTEM", ..]
            | ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
            | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
    )
}

fn is_bare_role(statement: &str) -> bool {
    let name = statement.get("CREATE ROLE ".len()..).and_then(|rest| rest.strip_suffix(';')).unwrap_or(" ");
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => !quoted.replace("\"\"", "").contains('"'),
        None => !name.contains(|c: char| c.is_whitespace() || c == '"'),
    }
}

const SHOWN_CHARS: usize = 100;

/// The beginning of a statement on one line, without values: those may be rows, contents of large
/// objects or passwords.
pub(crate) fn abbreviated(statement: &[u8]) -> String {
    let text = String::from_utf8_lossy(&statement[..statement.len().min(8 * SHOWN_CHARS)]);
    let first_value =
        [text.find('\''), text.find("$$"), text.find("$_"), find_ignoring_case(&text, " VALUES")];
    let is_harmless = text.starts_with("SELECT pg_catalog.setval(");
    let end = first_value.into_iter().flatten().min().filter(|_| !is_harmless).unwrap_or(text.len());
    let mut words = text[..end].split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: usize = words.chars().take(SHOWN_CHARS).map(char::len_utf8).sum();
    let is_cut = shown < words.len() || end < statement.len();
    words.truncate(shown);
    if is_cut {
        words.push('…');
    }
    words
}

fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart() {
        for (statement, kind) in [
            ("SET lock_timeout = 0;", StatementKind::Setting),
            ("SELECT pg_catalog.set_config('search_path', '', false);", StatementKind::Setting),
            ("SELECT pg_catalog.setval('public.s', 1, true);", StatementKind::Content),
            ("CREATE DATABASE shop WITH TEMPLATE = template0;", StatementKind::Database),
            ("DROP DATABASE IF EXISTS shop;", StatementKind::Database),
            ("CREATE ROLE app;", StatementKind::CreateRole),
            ("CREATE ROLE \"a b\"\" c\";", StatementKind::CreateRole),
            ("CREATE ROLE \"a\" IN ROLE \"b\";", StatementKind::Cluster),
            ("CREATE ROLE app WITH LOGIN;", StatementKind::Cluster),
            ("ALTER ROLE app WITH LOGIN;", StatementKind::Cluster),
            ("GRANT SELECT ON TABLE public.t TO app;", StatementKind::Cluster),
            ("BEGIN;", StatementKind::Begin),
            ("COMMIT;", StatementKind::Commit),
            ("CREATE TABLE public.role (a int);", StatementKind::Content),
            ("DROP TABLE IF EXISTS public.t;", StatementKind::Content),
            ("DROP DATABASE \"a b\";", StatementKind::Database),
            ("CREATE USER MAPPING FOR app SERVER far;", StatementKind::Content),
            ("DROP USER MAPPING IF EXISTS FOR app SERVER far;", StatementKind::Content),
            (
                "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'x';",
                StatementKind::Cluster,
            ),
            ("UPDATE pg_catalog.pg_database_x SET a = 1;", StatementKind::Content),
        ] {
            assert_eq!(StatementKind::of(statement.as_bytes()), kind, "{statement}");
        }
    }

    #[test]
    fn what_refuses_transactions_is_told_by_its_words() {
        for (statement, refuses) in [
            ("CREATE DATABASE a;", true),
            ("DROP DATABASE IF EXISTS \"role\";", true),
            ("CREATE TABLESPACE a LOCATION '/x';", true),
            ("drop\n  tablespace a;", true),
            ("ALTER SYSTEM SET work_mem = '1MB';", true),
            ("ALTER DATABASE a SET TABLESPACE b;", true),
            ("VACUUM;", true),
            ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);", true),
            ("CREATE ROLE a WITH LOGIN;", false),
            ("CREATE ROLE tablespace_admin;", false),
            ("CREATE ROLE \"the tablespace\";", false),
            ("DROP ROLE IF EXISTS \"tablespace\";", false),
            ("DROP ROLE tablespace_admin;", false),
            ("CREATE TABLE public.tablespace (a int) TABLESPACE fast;", false),
            ("CREATE TABLE \"create database\" ();", false),
            ("ALTER TABLE public.t SET TABLESPACE fast;", false),
            ("ALTER DATABASE a SET work_mem TO '1MB';", false),
            ("ALTER ROLE r IN DATABASE a SET default_tablespace TO 'x';", false),
            ("COMMENT ON TABLE t IS 'CREATE TABLESPACE x';", false),
            ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$CREATE DATABASE x$$;", false),
            ("GRANT ALL ON TABLESPACE a TO b;", false),
        ] {
            assert_eq!(refuses_transactions(statement.as_bytes()), refuses, "{statement}");
        }
    }

    #[test]
    fn values_are_not_shown() {
        for (statement, shown) in [
            ("CREATE TABLE public.t (\n    a integer\n);", "CREATE TABLE public.t ( a integer );"),
            ("INSERT INTO public.t VALUES (4711, 'x');", "INSERT INTO public.t…"),
            ("insert into public.t (a) values (4711);", "insert into public.t (a)…"),
            ("ALTER ROLE a WITH PASSWORD 'SCRAM';", "ALTER ROLE a WITH PASSWORD…"),
            ("SELECT pg_catalog.lowrite(0, '\\x00');", "SELECT pg_catalog.lowrite(0,…"),
            (
                "SELECT pg_catalog.setval('public.s', 1, true);",
                "SELECT pg_catalog.setval('public.s', 1, true);",
            ),
            ("CREATE FUNCTION f() RETURNS int AS $$1$$;", "CREATE FUNCTION f() RETURNS int AS…"),
        ] {
            assert_eq!(abbreviated(statement.as_bytes()), shown);
        }
        assert_eq!(abbreviated(&b"x".repeat(1000)).chars().count(), SHOWN_CHARS + 1);
        assert_eq!(abbreviated(b"CREATE TABLE \xe9;"), "CREATE TABLE \u{fffd};");
    }
}

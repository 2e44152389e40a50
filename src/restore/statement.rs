//! What a statement of a dump is about, as far as a restore must know, and how it is called in
//! messages.

/// Kinds of statements that are treated in their own ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `SET`, `SELECT pg_catalog.set_config(…)`: of the session, and changes nothing that stays.
    Setting,
    /// `CREATE DATABASE` or `DROP DATABASE`, or what lets a template be dropped.
    Database,
    /// `CREATE ROLE` without anything but a name, as pg_dumpall writes it.
    CreateRole,
    /// Of the cluster: roles, tablespaces, settings of databases, and what is said and granted about
    /// whatever there is.
    Cluster,
    /// `BEGIN`, as a dump has it around large objects.
    Begin,
    /// `COMMIT`.
    Commit,
    /// Anything else: it makes something in the database.
    Content,
}

impl Kind {
    pub(crate) fn of(statement: &[u8]) -> Kind {
        let head = String::from_utf8_lossy(&statement[..statement.len().min(200)]).to_ascii_uppercase();
        let mut words = head.split_ascii_whitespace().map(|word| word.trim_end_matches(';'));
        let mut word = || words.next().unwrap_or("");
        match (word(), word()) {
            ("SET" | "RESET", _) => Kind::Setting,
            ("SELECT", call) if call.starts_with("PG_CATALOG.SET_CONFIG(") => Kind::Setting,
            ("CREATE" | "DROP", "DATABASE") | ("UPDATE", "PG_CATALOG.PG_DATABASE") => Kind::Database,
            ("CREATE", "ROLE") if is_bare_role(&head) => Kind::CreateRole,
            ("CREATE" | "ALTER" | "DROP", "ROLE" | "TABLESPACE" | "USER") => Kind::Cluster,
            ("ALTER", "DATABASE") | ("GRANT" | "REVOKE" | "COMMENT" | "SECURITY", _) => Kind::Cluster,
            ("BEGIN", "") => Kind::Begin,
            ("COMMIT", "") => Kind::Commit,
            _ => Kind::Content,
        }
    }

    /// Whether it cannot be in a transaction with others.
    pub(crate) fn refuses_transactions(self, statement: &[u8]) -> bool {
        let is_tablespace = || {
            let head = String::from_utf8_lossy(&statement[..statement.len().min(100)]).to_ascii_uppercase();
            let mut words = head.split_ascii_whitespace();
            matches!((words.next(), words.next()), (Some("CREATE" | "DROP"), Some("TABLESPACE")))
        };
        self == Kind::Database || (self == Kind::Cluster && is_tablespace())
    }
}

/// Whether a `CREATE ROLE` gives nothing but a name.
fn is_bare_role(statement: &str) -> bool {
    let name = statement.strip_prefix("CREATE ROLE ").and_then(|rest| rest.strip_suffix(';')).unwrap_or(" ");
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => !quoted.replace("\"\"", "").contains('"'),
        None => !name.contains(|c: char| c.is_whitespace() || c == '"'),
    }
}

/// How many characters of a statement are shown.
const SHOWN_CHARS: usize = 100;

/// The statement's beginning on one line, as far as it holds no values: those may be rows, large
/// objects' contents or passwords.
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
            ("SET lock_timeout = 0;", Kind::Setting),
            ("SELECT pg_catalog.set_config('search_path', '', false);", Kind::Setting),
            ("SELECT pg_catalog.setval('public.s', 1, true);", Kind::Content),
            ("CREATE DATABASE shop WITH TEMPLATE = template0;", Kind::Database),
            ("DROP DATABASE IF EXISTS shop;", Kind::Database),
            ("UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'a';", Kind::Database),
            ("CREATE ROLE app;", Kind::CreateRole),
            ("CREATE ROLE \"a b\"\" c\";", Kind::CreateRole),
            ("CREATE ROLE \"a\" IN ROLE \"b\";", Kind::Cluster),
            ("CREATE ROLE app WITH LOGIN;", Kind::Cluster),
            ("ALTER ROLE app WITH LOGIN;", Kind::Cluster),
            ("GRANT SELECT ON TABLE public.t TO app;", Kind::Cluster),
            ("BEGIN;", Kind::Begin),
            ("COMMIT;", Kind::Commit),
            ("CREATE TABLE public.role (a int);", Kind::Content),
            ("DROP TABLE IF EXISTS public.t;", Kind::Content),
        ] {
            assert_eq!(Kind::of(statement.as_bytes()), kind, "{statement}");
        }
    }

    #[test]
    fn databases_and_tablespaces_refuse_transactions() {
        let refuses = |text: &str| Kind::of(text.as_bytes()).refuses_transactions(text.as_bytes());
        assert!(refuses("CREATE DATABASE a;"));
        assert!(refuses("CREATE TABLESPACE a LOCATION '/x';"));
        assert!(refuses("DROP TABLESPACE IF EXISTS a;"));
        assert!(!refuses("CREATE ROLE a WITH LOGIN;"));
        assert!(!refuses("CREATE ROLE tablespace_keeper;"));
        assert!(!refuses("CREATE ROLE \"the TABLESPACE\";"));
        assert!(!refuses("DROP ROLE tablespace;"));
        assert!(!refuses("COMMENT ON ROLE a IS 'CREATE TABLESPACE';"));
        assert!(!refuses("GRANT ALL ON TABLESPACE a TO b;"));
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

//! Recognizes what a restore can skip: ownership and privileges, as `-O` and `-x` leave them out of a
//! dump.

/// Whether a statement sets an object's owner, or switches to the owner of what follows, as in a dump
/// made with `--use-set-session-authorization`.
pub(crate) fn is_about_owner(statement: &[u8]) -> bool {
    if statement.starts_with(b"SET SESSION AUTHORIZATION '") {
        return true;
    }
    if !statement.starts_with(b"ALTER ") {
        return false;
    }
    // A role name has up to 63 bytes, each possibly a doubled quote, so the end of the statement is
    // enough.
    let end = String::from_utf8_lossy(&statement[statement.len().saturating_sub(200)..]);
    let given = end.trim_end().trim_end_matches(';').rsplit_once(" OWNER TO ");
    given.is_some_and(|(_, owner)| is_identifier(owner))
}

/// Whether a statement grants or revokes privileges, now or by default, or switches to the role that
/// grants them. Role memberships don't count.
pub(crate) fn is_about_privileges(statement: &[u8]) -> bool {
    let starts = |start: &[u8]| statement.starts_with(start);
    starts(b"ALTER DEFAULT PRIVILEGES ")
        || (starts(b"SET SESSION AUTHORIZATION ") && !starts(b"SET SESSION AUTHORIZATION '"))
        || ((starts(b"GRANT ") || starts(b"REVOKE ")) && has_word_on(&String::from_utf8_lossy(statement)))
}

/// A single identifier, as the server quotes it.
fn is_identifier(text: &str) -> bool {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => !quoted.is_empty() && !quoted.replace("\"\"", "").contains('"'),
        None => !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
    }
}

/// Whether there is an ON outside of quoted names.
fn has_word_on(statement: &str) -> bool {
    statement.split('"').step_by(2).any(|outside| outside.contains(" ON "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_privileges_are_told_apart() {
        const OWNER: (bool, bool) = (true, false);
        const PRIVILEGE: (bool, bool) = (false, true);
        const NEITHER: (bool, bool) = (false, false);
        for (statement, is) in [
            ("ALTER TABLE public.t OWNER TO app;", OWNER),
            ("ALTER TABLE public.\"a OWNER TO b\" OWNER TO \"an \"\"app\";", OWNER),
            ("ALTER FUNCTION public.f(a integer) OWNER TO app;", OWNER),
            ("ALTER LARGE OBJECT 16385 OWNER TO app;", OWNER),
            ("SET SESSION AUTHORIZATION 'app';", OWNER),
            ("ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT ' OWNER TO b';", NEITHER),
            ("ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT ' OWNER TO \"b\"';", NEITHER),
            ("ALTER TABLE public.t ADD CONSTRAINT c CHECK ((a <> ' OWNER TO b'::text));", NEITHER),
            ("COMMENT ON TABLE public.t IS 'ALTER TABLE t OWNER TO app;';", NEITHER),
            ("GRANT SELECT ON TABLE public.t TO app;", PRIVILEGE),
            ("GRANT SELECT(a),INSERT(\"b c\") ON TABLE public.t TO app;", PRIVILEGE),
            ("REVOKE ALL ON SCHEMA public FROM PUBLIC;", PRIVILEGE),
            ("ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE ALL ON TABLES FROM app;", PRIVILEGE),
            ("SET SESSION AUTHORIZATION app;", PRIVILEGE),
            ("GRANT app TO \"works ON it\" WITH INHERIT TRUE GRANTED BY postgres;", NEITHER),
            ("RESET SESSION AUTHORIZATION;", NEITHER),
            ("CREATE TABLE public.t (\n    a integer\n);", NEITHER),
        ] {
            let statement = statement.as_bytes();
            let found = (is_about_owner(statement), is_about_privileges(statement));
            assert_eq!(found, is, "{}", String::from_utf8_lossy(statement));
        }
    }
}

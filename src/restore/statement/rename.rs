//! Gives a relation another name in the statements that define and fill it.

use super::names::quoted_length;
use crate::pg::quote::quoted;
use crate::pg::text::{decode, encode};

/// A relation that is to get another name. All names are without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Its schema and name in the dump.
    pub from: (String, String),
    /// Its schema and name in the database.
    pub to: (String, String),
}

/// A part of a statement.
enum Token {
    /// An identifier, as the server reads it.
    Name(String),
    Dot,
    Other,
}

impl Rename {
    /// The statement with the other name wherever the relation's qualified name stands. Names within strings, such as
    /// that of a sequence in `nextval('…')`, stay as they are.
    pub(crate) fn apply(&self, statement: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(statement.len() + 32);
        // The names at the end of what was read, and where each begins in `out`.
        let mut qualified: Vec<(String, usize)> = Vec::new();
        let mut expects_name = true;
        let mut at = 0;
        while at < statement.len() {
            let length = token_length(&statement[at..]);
            let token = Token::of(&statement[at..at + length]);
            let is_name = matches!(token, Token::Name(_));
            match token {
                Token::Name(name) => {
                    if !expects_name {
                        qualified.clear();
                    }
                    qualified.push((name, out.len()));
                    expects_name = false;
                }
                Token::Dot if !expects_name => expects_name = true,
                Token::Dot | Token::Other => {
                    qualified.clear();
                    expects_name = true;
                }
            }
            out.extend_from_slice(&statement[at..at + length]);
            at += length;
            if let [(schema, begin), (name, _)] = qualified.as_slice()
                && is_name
                && (schema, name) == (&self.from.0, &self.from.1)
            {
                out.truncate(*begin);
                let renamed = format!("{}.{}", quoted(&self.to.0), quoted(&self.to.1));
                out.extend_from_slice(&encode(&renamed));
            }
        }
        out
    }
}

impl Token {
    fn of(token: &[u8]) -> Self {
        match token {
            [b'.'] => Token::Dot,
            [b'"', inner @ .., b'"'] => Token::Name(decode(inner).replace("\"\"", "\"")),
            [first, ..] if begins_word(*first) && !token.ends_with(b"'") => {
                Token::Name(decode(token).to_ascii_lowercase())
            }
            _ => Token::Other,
        }
    }
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// The length of the token at the beginning: a word, a name in quotes, a string, a comment, or one byte.
fn token_length(text: &[u8]) -> usize {
    let until = |end: &[u8], from: usize| {
        memchr::memmem::find(text.get(from..).unwrap_or_default(), end)
            .map_or(text.len(), |at| from + at + end.len())
    };
    match text {
        [b'E' | b'e', b'\'', ..] => escaped_length(text),
        [quote @ (b'"' | b'\''), ..] => quoted_length(text, *quote),
        [b'-', b'-', ..] => until(b"\n", 2),
        [b'/', b'*', ..] => until(b"*/", 2),
        [b'$', rest @ ..] => {
            let tag = rest.iter().take_while(|byte| is_word(**byte) && **byte != b'$').count();
            match rest.get(tag) {
                Some(b'$') => until(&text[..tag + 2], tag + 2),
                _ => 1,
            }
        }
        [first, ..] if begins_word(*first) => text.iter().take_while(|byte| is_word(**byte)).count(),
        _ => 1,
    }
}

/// The length of a string in which a backslash escapes.
fn escaped_length(text: &[u8]) -> usize {
    let mut at = 2;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'\'' if text.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_relation_is_renamed() {
        let rename = Rename {
            from: ("public".into(), "orders".into()),
            to: ("public".into(), "orders \"restored\"".into()),
        };
        const NEW: &str = "\"public\".\"orders \"\"restored\"\"\"";
        for (statement, expected) in [
            ("COPY public.orders (id, \"public\") FROM stdin;", "COPY {} (id, \"public\") FROM stdin;"),
            (
                "COMMENT ON COLUMN public.orders.id IS 'public.orders';",
                "COMMENT ON COLUMN {}.id IS 'public.orders';",
            ),
            ("ALTER TABLE ONLY \"public\".\"orders\" OWNER TO a;", "ALTER TABLE ONLY {} OWNER TO a;"),
            (
                "GRANT ALL ON TABLE public.orders TO \"public.orders\";",
                "GRANT ALL ON TABLE {} TO \"public.orders\";",
            ),
            (
                "CREATE TABLE public.orders_2 () INHERITS (public.orders);",
                "CREATE TABLE public.orders_2 () INHERITS ({});",
            ),
            (
                "CREATE TABLE public.\"Orders\" (a x.public.orders);",
                "CREATE TABLE public.\"Orders\" (a x.public.orders);",
            ),
            ("SELECT E'a\\'public.orders', public.orders;", "SELECT E'a\\'public.orders', {};"),
            (
                "SELECT $$ public.orders $$, $a$ public.orders $a$, $1;",
                "SELECT $$ public.orders $$, $a$ public.orders $a$, $1;",
            ),
            (
                "-- public.orders\nSELECT 1 /* public.orders */;",
                "-- public.orders\nSELECT 1 /* public.orders */;",
            ),
            (
                "SELECT nextval('public.orders'::regclass), 1.5, public . orders;",
                "SELECT nextval('public.orders'::regclass), 1.5, public . orders;",
            ),
        ] {
            let renamed = String::from_utf8(rename.apply(statement.as_bytes())).unwrap();
            assert_eq!(renamed, expected.replace("{}", NEW));
        }
        assert_eq!(
            rename.apply(b"COPY public.orders (a\xe9) FROM"),
            [b"COPY ", NEW.as_bytes(), b" (a\xe9) FROM"].concat()
        );
    }
}

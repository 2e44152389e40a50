//! Name patterns as psql's `\d` commands and pg_dump's switches understand them
//! (<https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS>).

/// A pattern, translated into up to three parts. Each is an anchored regular expression in the server's
/// dialect, except the database, which is a literal name.
#[derive(Debug, PartialEq, Eq)]
pub struct NamePattern {
    /// The database's name, if three parts were given.
    pub database: Option<String>,
    /// Regular expression for the namespace.
    pub namespace: Option<String>,
    /// Regular expression for the name.
    pub name: Option<String>,
    /// Number of unquoted dots in the pattern.
    pub dots: usize,
}

/// Translates `pattern`. If `qualified`, its last part is a name and the part before it a namespace;
/// otherwise it only has a name. Dots beyond `most_dots` stay in the last part.
pub fn parse(pattern: &str, qualified: bool, most_dots: usize) -> NamePattern {
    let mut parts = vec![Part::default()];
    let mut dots = 0;
    let mut quoted = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let more_parts = parts.len() <= most_dots;
        let Some(part) = parts.last_mut() else { break };
        match c {
            '"' if quoted && next == Some('"') => {
                chars.next();
                part.both('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => {
                dots += 1;
                if more_parts {
                    parts.push(Part::default());
                } else {
                    part.both('.');
                }
            }
            '*' if !quoted => part.push(".*", '*'),
            '?' if !quoted => part.push(".", '?'),
            '$' => part.push("\\$", '$'),
            c if !quoted => match (c, next) {
                ('[', Some(']')) => part.push("\\[", '['),
                _ => part.both(c.to_ascii_lowercase()),
            },
            c if "|*+?()[]{}.^\\".contains(c) => part.push(&format!("\\{c}"), c),
            c => part.both(c),
        }
    }
    let name = parts.pop().map(Part::regex);
    if qualified {
        NamePattern {
            namespace: parts.pop().map(Part::regex),
            database: parts.pop().map(|p| p.literal),
            name,
            dots,
        }
    } else {
        NamePattern { database: parts.pop().map(|p| p.literal), namespace: None, name, dots }
    }
}

#[derive(Default)]
struct Part {
    regex: String,
    literal: String,
}

impl Part {
    fn push(&mut self, regex: &str, literal: char) {
        self.regex.push_str(regex);
        self.literal.push(literal);
    }

    fn both(&mut self, c: char) {
        self.regex.push(c);
        self.literal.push(c);
    }

    fn regex(self) -> String {
        format!("^({})$", self.regex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name_of(pattern: &str) -> String {
        parse(pattern, true, 2).name.unwrap()
    }

    #[test]
    fn wildcards_and_folding() {
        assert_eq!(name_of("Or*s_20??"), "^(or.*s_20..)$");
        assert_eq!(name_of("\"Or*s\"\"\""), "^(Or\\*s\")$");
        assert_eq!(name_of("a$b|c[de][]"), "^(a\\$b|c[de]\\[])$");
    }

    #[test]
    fn parts() {
        let p = parse("db.s*.\"t.1\"", true, 2);
        assert_eq!(p.database.as_deref(), Some("db"));
        assert_eq!(p.namespace.as_deref(), Some("^(s.*)$"));
        assert_eq!(p.name.as_deref(), Some("^(t\\.1)$"));
        assert_eq!(p.dots, 2);
        let p = parse("Db.s", false, 1);
        assert_eq!((p.database.as_deref(), p.name.as_deref()), (Some("db"), Some("^(s)$")));
        assert_eq!(parse("a.b.c.d", true, 2).dots, 3);
    }

    proptest! {
        #[test]
        fn nothing_panics(pattern: String, qualified: bool, dots in 0usize..3) {
            let p = parse(&pattern, qualified, dots);
            prop_assert!(p.name.unwrap().starts_with("^("));
        }
    }
}

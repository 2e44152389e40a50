//! GRANT and REVOKE: the difference between an object's initial and current privileges.

use crate::error::{Error, ErrorKind, Result};
use crate::pg::quote::Quoter;

pub(super) struct AclTarget<'a> {
    /// The keyword after ON: TABLE, SCHEMA, …; the plural in ALTER DEFAULT PRIVILEGES.
    pub(super) keyword: &'a str,
    /// The name, quoted; empty in ALTER DEFAULT PRIVILEGES.
    pub(super) name: &'a str,
    /// The column, quoted, for column privileges.
    pub(super) column: Option<&'a str>,
    /// The schema of the object.
    pub(super) namespace: Option<&'a str>,
    /// The owner. Grants by other roles are printed with these roles as grantors.
    pub(super) owner: &'a str,
    pub(super) prefix: &'a str,
}

/// The privilege letters of `aclitem` and their keywords, for each kind of object
/// (<https://www.postgresql.org/docs/current/ddl-priv.html#PRIVILEGE-ABBREVS-TABLE>), in pg_dump's order.
fn privileges_of(keyword: &str, column: bool, dialect: u32) -> &'static [(char, &'static str)] {
    const TABLE: &[(char, &str)] = &[
        ('r', "SELECT"),
        ('a', "INSERT"),
        ('x', "REFERENCES"),
        ('d', "DELETE"),
        ('t', "TRIGGER"),
        ('D', "TRUNCATE"),
        ('w', "UPDATE"),
    ];
    const TABLE_17: &[(char, &str)] = &[
        ('r', "SELECT"),
        ('a', "INSERT"),
        ('x', "REFERENCES"),
        ('d', "DELETE"),
        ('t', "TRIGGER"),
        ('D', "TRUNCATE"),
        ('m', "MAINTAIN"),
        ('w', "UPDATE"),
    ];
    match keyword {
        "TABLE" | "TABLES" if column => {
            &[('r', "SELECT"), ('a', "INSERT"), ('x', "REFERENCES"), ('w', "UPDATE")]
        }
        "TABLE" | "TABLES" if dialect >= 17 => TABLE_17,
        "TABLE" | "TABLES" => TABLE,
        "SEQUENCE" | "SEQUENCES" => &[('r', "SELECT"), ('U', "USAGE"), ('w', "UPDATE")],
        "FUNCTION" | "FUNCTIONS" | "PROCEDURE" | "PROCEDURES" => &[('X', "EXECUTE")],
        "SCHEMA" | "SCHEMAS" => &[('C', "CREATE"), ('U', "USAGE")],
        "DATABASE" => &[('C', "CREATE"), ('c', "CONNECT"), ('T', "TEMPORARY")],
        "TABLESPACE" => &[('C', "CREATE")],
        "PARAMETER" => &[('s', "SET"), ('A', "ALTER SYSTEM")],
        "LARGE OBJECT" | "LARGE OBJECTS" => &[('r', "SELECT"), ('w', "UPDATE")],
        // LANGUAGE, TYPE, FOREIGN DATA WRAPPER, FOREIGN SERVER
        _ => &[('U', "USAGE")],
    }
}

/// A parsed `aclitem`.
#[derive(Debug, PartialEq, Eq)]
struct AclItem {
    /// Empty for PUBLIC.
    grantee: String,
    grantor: String,
    /// Privileges without grant option.
    plain: String,
    /// Privileges with grant option.
    grantable: String,
}

/// The commands that change the privileges from `base` to `now`.
pub(super) fn commands(
    quoter: &Quoter,
    target: &AclTarget<'_>,
    now: &[String],
    base: &[String],
    dialect: u32,
) -> Result<String> {
    let mut first = String::new();
    let mut second = String::new();
    for item in base.iter().filter(|item| !now.contains(item)) {
        let AclItem { grantee, plain, .. } = parse_item(item, target, dialect, GrantOption::Ignored)?;
        if !plain.is_empty() {
            let on = on_clause(quoter, target, dialect);
            let from = role(quoter, &grantee);
            first.push_str(&format!("{}REVOKE {plain} {on} FROM {from};\n", target.prefix));
        }
    }
    for item in now.iter().filter(|item| !base.contains(item)) {
        let AclItem { grantee, grantor, plain, grantable } =
            parse_item(item, target, dialect, GrantOption::Apart)?;
        if plain.is_empty() && grantable.is_empty() {
            continue;
        }
        let grantor = if grantor.is_empty() { target.owner.to_owned() } else { grantor };
        let by_owner = grantor == target.owner;
        // From 15 on, the owner's own privileges come first: other grants may depend on them.
        let is_first = by_owner && grantee == target.owner && dialect >= 15;
        let out = if is_first { &mut first } else { &mut second };
        if !by_owner {
            out.push_str(&format!("SET SESSION AUTHORIZATION {};\n", quoter.id(&grantor)));
        }
        let (on, to) = (on_clause(quoter, target, dialect), role(quoter, &grantee));
        for (privileges, option) in [(plain, ""), (grantable, " WITH GRANT OPTION")] {
            if !privileges.is_empty() {
                out.push_str(&format!("{}GRANT {privileges} {on} TO {to}{option};\n", target.prefix));
            }
        }
        if !by_owner {
            out.push_str("RESET SESSION AUTHORIZATION;\n");
        }
    }
    Ok(first + &second)
}

fn on_clause(quoter: &Quoter, target: &AclTarget<'_>, dialect: u32) -> String {
    match target.namespace {
        // Default privileges name no object; until 15, the space before the name was printed anyway.
        None if target.name.is_empty() && dialect >= 16 => format!("ON {}", target.keyword),
        Some(namespace) if !namespace.is_empty() => {
            format!("ON {} {}.{}", target.keyword, quoter.id(namespace), target.name)
        }
        _ => format!("ON {} {}", target.keyword, target.name),
    }
}

fn role(quoter: &Quoter, name: &str) -> String {
    if name.is_empty() { "PUBLIC".to_owned() } else { quoter.id(name).into_owned() }
}

/// How to treat grant options. REVOKE ignores them, since it revokes them together with the privilege.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GrantOption {
    Apart,
    Ignored,
}

/// Parses an `aclitem`: `grantee=privileges/grantor`, where `*` marks a grant option.
fn parse_item(item: &str, target: &AclTarget<'_>, dialect: u32, options: GrantOption) -> Result<AclItem> {
    let bad = || {
        Error::new(ErrorKind::SourceFailed, format!("parse privileges of {} {}", target.keyword, target.name))
            .because(format!("cannot parse {item:?}"))
    };
    let (grantee, rest) = take_role(item).ok_or_else(bad)?;
    let rest = rest.strip_prefix('=').ok_or_else(bad)?;
    let (letters, grantor) = rest.split_once('/').ok_or_else(bad)?;
    let (grantor, rest) = take_role(grantor).ok_or_else(bad)?;
    if !rest.is_empty() {
        return Err(bad());
    }
    let column = target.column;
    let known = privileges_of(target.keyword, column.is_some(), dialect);
    let (mut plain, mut grantable) = (Vec::new(), Vec::new());
    for &(letter, keyword) in known {
        let Some(at) = letters.find(letter) else { continue };
        let keyword = match column {
            Some(column) => format!("{keyword}({column})"),
            None => keyword.to_owned(),
        };
        let with_option = letters[at + letter.len_utf8()..].starts_with('*') && options == GrantOption::Apart;
        if with_option { &mut grantable } else { &mut plain }.push(keyword);
    }
    let all = || match column {
        Some(column) => format!("ALL({column})"),
        None => "ALL".to_owned(),
    };
    let (plain, grantable) = match (plain.len(), grantable.len()) {
        (n, 0) if n == known.len() => (all(), String::new()),
        (0, n) if n == known.len() => (String::new(), all()),
        _ => (plain.join(","), grantable.join(",")),
    };
    Ok(AclItem { grantee, grantor, plain, grantable })
}

/// Reads a role's name, quoted or not, from the start of `text`.
fn take_role(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    let mut quoted = false;
    while let Some((i, c)) = chars.next() {
        match c {
            '"' if quoted && matches!(chars.peek(), Some((_, '"'))) => {
                chars.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            '=' if !quoted => return Some((name, &text[i..])),
            c => name.push(c),
        }
    }
    (!quoted).then_some((name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> AclTarget<'static> {
        AclTarget { keyword: "TABLE", name: "t", column: None, namespace: Some("s"), owner: "o", prefix: "" }
    }

    fn difference(now: &[&str], base: &[&str]) -> String {
        let owned = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>();
        let quoter = Quoter::new(Default::default(), false, true);
        commands(&quoter, &table(), &owned(now), &owned(base), 15).unwrap()
    }

    #[test]
    fn nothing_to_say() {
        assert_eq!(difference(&["o=arwdDxt/o"], &["o=arwdDxt/o"]), "");
    }

    #[test]
    fn a_revocation_takes_the_grant_option_with_it() {
        assert_eq!(
            difference(&["o=arwdDxt/o"], &["o=arwdDxt/o", "x=r*w/o"]),
            "REVOKE SELECT,UPDATE ON TABLE s.t FROM x;\n"
        );
    }

    #[test]
    fn revokes_come_first_and_foreign_grantors_are_named() {
        assert_eq!(
            difference(&["o=ar*wdDxt/o", "=r/o", "\"b \"\"c\"=r*/x"], &["o=arwdDxt/o"]),
            "REVOKE ALL ON TABLE s.t FROM o;\n\
             GRANT INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON TABLE s.t TO o;\n\
             GRANT SELECT ON TABLE s.t TO o WITH GRANT OPTION;\n\
             GRANT SELECT ON TABLE s.t TO PUBLIC;\n\
             SET SESSION AUTHORIZATION x;\n\
             GRANT SELECT ON TABLE s.t TO \"b \"\"c\" WITH GRANT OPTION;\n\
             RESET SESSION AUTHORIZATION;\n"
        );
    }

    proptest! {
        #[test]
        fn no_item_panics(item: String) {
            let _ = parse_item(&item, &table(), 18, GrantOption::Apart);
        }

        #[test]
        fn role_names_come_back(name in "[^\0]{1,20}") {
            let quoted = format!("\"{}\"=r/o", name.replace('"', "\"\""));
            let item = parse_item(&quoted, &table(), 18, GrantOption::Apart).unwrap();
            prop_assert_eq!(item.grantee, name);
        }
    }
}

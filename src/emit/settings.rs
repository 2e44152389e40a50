//! Settings (`name=value`) in commands.

use crate::pg::quote::Quoter;

/// Settings whose values are lists of quoted identifiers: each element is a separate literal. They apply to
/// every version, as any server that has the setting treats it this way: pg_dump knows
/// `oauth_validator_libraries` since 18.2, `output_plugin_libraries` since 15.19, 16.15, 17.11, 18.6.
const LISTS: [&str; 8] = [
    "local_preload_libraries",
    "oauth_validator_libraries",
    "output_plugin_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `name TO value`, with the value as literals formatted by `literal`; `None` if it is not a setting.
pub(super) fn assignment(
    quoter: &Quoter,
    setting: &str,
    dialect: u32,
    literal: impl Fn(&str) -> String,
) -> Option<String> {
    let (name, value) = setting.split_once('=')?;
    let value = if LISTS.iter().any(|list| list.eq_ignore_ascii_case(name)) {
        match split_list(value) {
            Some(elements) if elements.is_empty() && dialect >= 19 => "NULL".to_owned(),
            elements => {
                let literals: Vec<_> = elements.iter().flatten().map(|element| literal(element)).collect();
                literals.join(", ")
            }
        }
    } else {
        literal(value)
    };
    Some(format!("{} TO {value}", quoter.id(name)))
}

/// Splits a list of identifiers at commas and removes double quotes, without folding case.
fn split_list(value: &str) -> Option<Vec<String>> {
    let mut elements = Vec::new();
    let mut rest = value.trim_start_matches(is_space);
    if rest.is_empty() {
        return Some(elements);
    }
    loop {
        let mut element = String::new();
        if let Some(inner) = rest.strip_prefix('"') {
            rest = inner;
            loop {
                let end = rest.find('"')?;
                element.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                let Some(more) = rest.strip_prefix('"') else { break };
                element.push('"');
                rest = more;
            }
        } else {
            let end = rest.find(|c| c == ',' || is_space(c)).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            element.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        elements.push(element);
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return Some(elements);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches(is_space);
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0B' | '\x0C')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split() {
        assert_eq!(split_list("a, \"B \"\"c\" ,d").unwrap(), ["a", "B \"c", "d"]);
        assert_eq!(split_list("\"\"").unwrap(), [""]);
        assert_eq!(split_list(""), Some(vec![]));
        assert_eq!(split_list("a b"), None);
        assert_eq!(split_list("a,"), None);
    }

    #[test]
    fn assignments() {
        let q = Quoter::new(Default::default(), false, true);
        let literal = |s: &str| q.literal(s);
        assert_eq!(
            assignment(&q, "search_path=\"$user\", public", 19, literal).unwrap(),
            "search_path TO '$user', 'public'"
        );
        assert_eq!(assignment(&q, "a.B=it's", 19, literal).unwrap(), "\"a.B\" TO 'it''s'");
        assert_eq!(assignment(&q, "nonsense", 19, literal), None);
        assert_eq!(assignment(&q, "search_path=", 18, literal).unwrap(), "search_path TO ");
        assert_eq!(assignment(&q, "search_path=", 19, literal).unwrap(), "search_path TO NULL");
    }
}

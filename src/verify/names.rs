//! Resolves relation names in a dump.
//!
//! pg_dump before 9.6.8 and 10.3 set `search_path` and omitted schemas from names; later versions always
//! write them. Quotes depend on the flags and on the version's keywords. Neither counts as a difference.

use std::collections::HashSet;

pub(super) use crate::restore::statement::names::parts_of_name as parts;

/// What the statements so far imply for names.
#[derive(Default)]
pub(super) struct Names {
    /// The schemas of `search_path` as written; None if it was not set.
    path: Option<Vec<String>>,
    /// The tables created so far.
    created: HashSet<Vec<String>>,
}

impl Names {
    /// Takes note of a statement.
    pub(super) fn statement(&mut self, statement: &str) {
        let mut words = statement.split_ascii_whitespace();
        let mut word = || words.next().unwrap_or_default();
        match word().to_ascii_uppercase().as_str() {
            "SET" => self.set(statement),
            "RESET" if word().trim_end_matches(';').eq_ignore_ascii_case("search_path") => self.path = None,
            "SELECT" => {
                if let Some((_, rest)) = statement.split_once("set_config('search_path', '")
                    && let Some((value, _)) = rest.split_once("', ")
                {
                    self.path = Some(list(&value.replace("''", "'")));
                }
            }
            "CREATE" => {
                if let Some((kind, rest)) = statement.split_once(" TABLE ")
                    && matches!(kind, "CREATE" | "CREATE UNLOGGED" | "CREATE FOREIGN")
                {
                    let rest = rest.strip_prefix("IF NOT EXISTS ").unwrap_or(rest);
                    let (name, _) = crate::restore::statement::names::copy_target(&format!("COPY {rest}"));
                    let name = match self.schemas().first() {
                        Some(first) if parts(&name).len() == 1 => format!("{first}.{name}"),
                        _ => name,
                    };
                    self.created.insert(parts(&name));
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, statement: &str) {
        let mut rest = statement.trim_end().trim_end_matches(';').get(3..).unwrap_or_default().trim_start();
        for scope in ["SESSION ", "LOCAL "] {
            if rest.get(..scope.len()).is_some_and(|start| start.eq_ignore_ascii_case(scope)) {
                rest = rest[scope.len()..].trim_start();
            }
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, value) = rest.split_at(end);
        let value = value.trim_start();
        let value = match (value.strip_prefix('='), value.get(..3)) {
            (Some(value), _) => value,
            (None, Some(to)) if to.eq_ignore_ascii_case("to ") => &value[3..],
            (None, _) if name.eq_ignore_ascii_case("schema") => value,
            (None, _) => return,
        };
        if name.eq_ignore_ascii_case("search_path") || name.eq_ignore_ascii_case("schema") {
            self.path = if value.trim().eq_ignore_ascii_case("default") { None } else { Some(list(value)) };
        }
    }

    /// The schemas in which tables are looked up. `$user` depends on the restoring role, and dumps don't
    /// use it.
    fn schemas(&self) -> Vec<&str> {
        match &self.path {
            None => vec!["public"],
            Some(path) => path
                .iter()
                .map(String::as_str)
                .filter(|schema| {
                    let name = parts(schema);
                    name != ["pg_catalog"] && name != ["$user"]
                })
                .collect(),
        }
    }

    pub(super) fn qualified(&self, name: String) -> String {
        let own = parts(&name);
        if own.len() > 1 {
            return name;
        }
        let schemas = self.schemas();
        let holds = |schema: &&&str| self.created.contains(&[parts(schema), own.clone()].concat());
        match schemas.iter().find(holds).or(schemas.first()) {
            Some(schema) => format!("{schema}.{name}"),
            None => name,
        }
    }
}

/// The elements of a `search_path`, as identifiers.
fn list(value: &str) -> Vec<String> {
    let mut elements = vec![String::new()];
    let mut quote = None;
    for c in value.chars() {
        match (quote, c) {
            (None, ',') => elements.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, _) => {}
            (Some(_), _) => {}
        }
        if !(quote.is_none() && c == ',')
            && let Some(last) = elements.last_mut()
        {
            last.push(c);
        }
    }
    let spelled = |element: &String| {
        let element = element.trim();
        match element.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(literal) => crate::pg::quote::quoted(&literal.replace("''", "'")),
            None => element.to_owned(),
        }
    };
    elements.iter().map(spelled).filter(|element| !element.is_empty() && element != "\"\"").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qualified(statements: &[&str], name: &str) -> Vec<String> {
        let mut names = Names::default();
        statements.iter().for_each(|statement| names.statement(statement));
        parts(&names.qualified(name.to_owned()))
    }

    #[test]
    fn names_mean_what_the_search_path_says() {
        for (statements, name, means) in [
            (&["SET search_path = public, pg_catalog;"][..], "clerk", ["public", "clerk"]),
            (&["SET search_path = pg_catalog, s;"], "Clerk", ["s", "clerk"]),
            (&["SET search_path = a;", "SET search_path TO b;"], "t", ["b", "t"]),
            (&["SET search_path = \"A, b\", pg_catalog;"], "\"T\"\"x\"", ["A, b", "T\"x"]),
            (&["SET SESSION search_path = 'S x', public;"], "t", ["S x", "t"]),
            (&["SET search_path = \"$user\", public;"], "t", ["public", "t"]),
            (&["SET search_path = a;"], "other.t", ["other", "t"]),
            (&["SET schema 'z';"], "t", ["z", "t"]),
            (&["SET search_path = a;", "RESET search_path;"], "t", ["public", "t"]),
            (&["SELECT pg_catalog.set_config('search_path', 'q, public', false);"], "t", ["q", "t"]),
            (
                &["SET search_path = b;", "CREATE TABLE t (\n    a integer\n);", "SET search_path = a, b;"],
                "t",
                ["b", "t"],
            ),
            (
                &[
                    "CREATE TABLE a.t (a integer);",
                    "CREATE TABLE b.t (a integer);",
                    "SET search_path = b, a;",
                ],
                "t",
                ["b", "t"],
            ),
            (&[], "t", ["public", "t"]),
        ] {
            assert_eq!(qualified(statements, name), means, "{statements:?} {name}");
        }
        let emptied = ["SELECT pg_catalog.set_config('search_path', '', false);"];
        assert_eq!(qualified(&emptied, "t"), ["t"]);
    }
}

//! Difficult names, and plain ones.

use super::World;

/// Few, so that objects of different kinds and schemas share them.
const PLAIN: &[&str] = &["a", "b", "item", "orders", "users", "log", "data", "t1", "x_y", "id", "zeta", "_u"];
const ODD: &[&str] = &[
    "Upper",
    "ALL CAPS",
    "select",
    "table",
    "user",
    "order",
    "none",
    "between",
    "with space",
    "do.t",
    "dol$lar",
    "1digit",
    "it's",
    "dou\"ble",
    "\"",
    "back\\slash",
    "end\\",
    "new\nline",
    "cr\rlf\n",
    "tab\there",
    "ünïcödé",
    "表",
    "☃ snow",
    "--",
    "/* c",
    "$$",
    "$_$",
    "%s",
    ";",
    "\\.",
    " ",
    "é",
    "e\u{301}",
    "Z",
    "ß",
    "{}",
    "a,b",
    "(x)",
    "*",
    "?",
    "a-b",
    "<>",
    "pg_temp",
    "public",
    "int4",
    "NULL",
    "true",
    "current_user",
    "values",
    "xmlelement",
    "sixty_three_bytes_is_the_limit_of_a_name_in_postgresql________X",
    "ääääääääääääääääääääääääääääääx",
];

/// Quotes any identifier, whether needed or not.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string constant under `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl World {
    /// A quoted name that is unique within that namespace.
    pub(super) fn fresh(&mut self, space: &str) -> String {
        let mut name = String::new();
        for attempt in 0..20 {
            name = if self.chance(65) { self.pick(PLAIN) } else { self.pick(ODD) }.to_owned();
            if attempt > 3 || self.chance(30) {
                name = format!("{}{}", name.chars().take(25).collect::<String>(), self.below(40));
            }
            if self.taken.insert(format!("{space}\0{name}")) {
                break;
            }
        }
        quoted(&name)
    }

    /// A quoted name that other objects may also have.
    pub(super) fn shared(&mut self) -> String {
        let name = if self.chance(75) { self.pick(PLAIN) } else { self.pick(ODD) };
        quoted(name)
    }

    /// A schema and an unused name in it, separately and joined.
    pub(super) fn place(&mut self, space: &str) -> (String, String, String) {
        let schema = self.schema();
        let bare = self.fresh(&format!("{space} {schema}"));
        let name = format!("{schema}.{bare}");
        (schema, bare, name)
    }
}

//! Types: built-in ones with their values, and those the database defines.

use super::{Column, Relation, World, literal};

/// A type as written, and how to make values of it.
#[derive(Debug, Clone)]
pub(super) struct Type {
    pub(super) sql: String,
    pub(super) shape: Shape,
    /// Whether it has a default btree operator class.
    pub(super) is_ordered: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Samples(&'static [&'static str]),
    Labels(Vec<String>),
    Array(Box<Shape>),
    Row(Vec<Shape>),
    Range(Box<Shape>),
}

const INTS: &[&str] = &["0", "1", "-5", "42", "32767", "7", "13"];
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "zz",
    "O'Brien",
    "back\\slash",
    "tab\there",
    "new\nline",
    "\\N",
    "\\.",
    "ünï☃",
    "{}",
    "NULL",
    " lead",
    "cr\r",
    "\u{1}\u{7f}",
    "$$",
    "--",
    "a\"b",
    "(1,2)",
    "\\x41",
    "%",
];
const DATES: &[&str] = &["2024-02-29", "infinity", "0044-03-15 BC", "1999-12-31", "5874897-12-31"];
const TIMES: &[&str] =
    &["2024-01-01 00:00:00.123456", "-infinity", "1969-07-20 20:17:40", "1883-11-18 12:00:00"];

/// Name, values, and whether it is ordered.
const BASE: &[(&str, &[&str], bool)] = &[
    ("integer", INTS, true),
    ("integer", INTS, true),
    ("bigint", INTS, true),
    ("smallint", INTS, true),
    ("text", TEXTS, true),
    ("text", TEXTS, true),
    ("varchar", TEXTS, true),
    ("varchar(200)", TEXTS, true),
    ("char(20)", TEXTS, true),
    ("name", TEXTS, true),
    ("\"char\"", &["a", "\\", "'"], true),
    ("numeric", &["0", "1.50", "NaN", "-0.001", "12345678901234567890.1", "1e20"], true),
    ("numeric(12,2)", &["0", "1.50", "NaN", "-0.01"], true),
    ("real", &["1.5", "NaN", "-Infinity", "0.1", "-0", "1e-30"], true),
    ("double precision", &["1.5", "NaN", "Infinity", "0.1", "-0", "1e300", "1e-300"], true),
    ("boolean", &["t", "f"], true),
    ("bytea", &["\\x00ff", "\\x", "abc", "\\\\"], true),
    ("date", DATES, true),
    ("time", &["12:34:56.789", "24:00:00", "00:00"], true),
    ("time(0) with time zone", &["12:00+02", "23:59:59-12:30"], true),
    ("timestamp", TIMES, true),
    ("timestamp(3)", TIMES, true),
    ("timestamptz", TIMES, true),
    ("interval", &["1 year 2 mons -3 days 04:05:06.7", "0", "-1 day"], true),
    ("interval year to month", &["1 year", "3 mons"], true),
    ("interval second(2)", &["1.234", "-5"], true),
    ("uuid", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], true),
    ("json", &["{\"a\": [1, \"x\\ny\"]}", "null", "\"\\u00e9\"", " [1 , 2] "], false),
    ("jsonb", &["{\"a\": [1, \"x\\ny\"]}", "null", "1.10"], true),
    ("jsonpath", &["$.a", "$[*] ? (@ > 1)"], false),
    ("inet", &["10.0.0.1/8", "::1", "192.168.0.1"], true),
    ("cidr", &["10.0.0.0/8", "::/0"], true),
    ("macaddr", &["08:00:2b:01:02:03"], true),
    ("bit(3)", &["101", "000"], true),
    ("varbit", &["", "1", "1010"], true),
    ("point", &["(1,2)", "(-0,NaN)"], false),
    ("box", &["(1,2),(0,0)"], false),
    ("circle", &["<(1,2),3>"], false),
    ("polygon", &["((0,0),(1,1),(1,0))"], false),
    ("tsvector", &["'a':1 'b':2A", ""], true),
    ("tsquery", &["'a' & !'b'"], true),
    ("money", &["12.34", "-1"], true),
    ("oid", &["0", "4294967295"], true),
    ("regclass", &["pg_catalog.pg_class", "-"], true),
    ("regtype", &["integer", "text[]"], true),
    ("pg_lsn", &["0/10", "FFFFFFFF/0"], true),
    ("xid", &["5"], false),
];
const RANGES: &[(&str, &[&str])] = &[
    ("int4range", INTS),
    ("numrange", &["1.5", "2"]),
    ("daterange", &["2024-02-29"]),
    ("tstzrange", &["2024-01-01"]),
];

impl Type {
    pub(super) fn new(sql: impl Into<String>, shape: Shape, is_ordered: bool) -> Self {
        Type { sql: sql.into(), shape, is_ordered }
    }

    pub(super) fn integer() -> Self {
        Type::new("integer", Shape::Samples(INTS), true)
    }

    pub(super) fn text() -> Self {
        Type::new("text", Shape::Samples(TEXTS), true)
    }

    pub(super) fn boolean() -> Self {
        Type::new("boolean", Shape::Samples(&["t", "f"]), true)
    }

    pub(super) fn array(&self) -> Self {
        Type::new(format!("{}[]", self.sql), Shape::Array(Box::new(self.shape.clone())), self.is_ordered)
    }

    pub(super) fn is_texty(&self) -> bool {
        self.sql == "text" || self.sql.starts_with("varchar")
    }

    pub(super) fn is_range(&self) -> bool {
        matches!(self.shape, Shape::Range(_))
    }
}

impl World {
    /// A type for any column; one defined in the database, if there are any.
    pub(super) fn a_type(&mut self) -> Type {
        if self.chance(30) && !self.types.is_empty() {
            let all = self.types.clone();
            let own = self.pick(&all);
            return if self.chance(15) { own.array() } else { own };
        }
        self.builtin()
    }

    pub(super) fn builtin(&mut self) -> Type {
        if self.chance(5) {
            let (sql, values) = self.pick(RANGES);
            return Type::new(sql, Shape::Range(Box::new(Shape::Samples(values))), true);
        }
        let (sql, values, is_ordered) = self.pick(BASE);
        let base = Type::new(sql, Shape::Samples(values), is_ordered);
        match self.below(20) {
            0 => base.array(),
            1 => Type { sql: format!("{}[][]", base.sql), ..base.array() },
            2 => Type { sql: format!("{}[3]", base.sql), ..base.array() },
            _ => base,
        }
    }

    /// The text of one value.
    pub(super) fn value(&mut self, shape: &Shape) -> String {
        match shape {
            Shape::Samples(values) => self.pick(values).to_owned(),
            Shape::Labels(labels) => self.pick(labels),
            Shape::Array(of) => {
                let items: Vec<String> = (0..self.below(4)).map(|_| self.item(of)).collect();
                format!("{{{}}}", items.join(","))
            }
            Shape::Row(of) => {
                let items: Vec<String> = of.iter().map(|s| self.item(s)).collect();
                format!("({})", items.join(",")).replace("NULL", "")
            }
            Shape::Range(of) => {
                let bound = self.item(of).replace("NULL", "");
                match self.below(4) {
                    0 => "empty".to_owned(),
                    1 => format!("[{bound},)"),
                    _ => format!("[{bound},{bound}]"),
                }
            }
        }
    }

    fn item(&mut self, shape: &Shape) -> String {
        if self.chance(10) {
            return "NULL".to_owned();
        }
        let value = self.value(shape);
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }

    pub(super) fn value_literal(&mut self, of: &Type) -> String {
        let value = self.value(&of.shape);
        literal(&value)
    }
}

pub(super) fn enumeration(w: &mut World) {
    let (_, _, name) = w.place("type");
    let labels: Vec<String> =
        w.some(TEXTS, 5).into_iter().filter(|t| !t.is_empty()).map(str::to_owned).collect();
    let list: Vec<String> = labels.iter().map(|l| literal(l)).collect();
    w.run(format!("CREATE TYPE {name} AS ENUM ({})", list.join(", ")));
    let identity = format!("TYPE {name}");
    w.handle(&identity, &identity, &["USAGE"]);
    if !labels.is_empty() {
        w.types.push(Type::new(name, Shape::Labels(labels), true));
    }
}

pub(super) fn domain(w: &mut World) {
    let (_, _, name) = w.place("type");
    let base = w.a_type();
    let mut sql = format!("CREATE DOMAIN {name} AS {}", base.sql);
    if base.is_texty() && w.chance(30) {
        let collation = w.collation();
        sql.push_str(&format!(" COLLATE {collation}"));
    }
    if w.chance(30) {
        let value = w.default_of(&base);
        sql.push_str(&format!(" DEFAULT {value}"));
    }
    if w.chance(15) {
        if w.major >= 17 && w.chance(50) {
            let constraint = w.shared();
            sql.push_str(&format!(" CONSTRAINT {constraint}"));
        }
        sql.push_str(" NOT NULL");
    }
    let scope = [Column::plain("VALUE", base.clone())];
    let identity = format!("DOMAIN {name}");
    for _ in 0..w.below(3) {
        if w.chance(50) {
            let constraint = w.shared();
            sql.push_str(&format!(" CONSTRAINT {constraint}"));
            w.comment_only(&format!("CONSTRAINT {constraint} ON {identity}"));
        }
        let check = w.lenient(&scope);
        sql.push_str(&format!(" CHECK ({check})"));
    }
    w.run(sql);
    w.handle(&identity, &identity, &["USAGE"]);
    let own = Type { sql: name.clone(), ..base.clone() };
    w.types.push(own);
    if w.chance(20) {
        let constraint = w.shared();
        let check = w.lenient(&scope);
        let valid = w.maybe(50, " NOT VALID");
        w.run(format!("ALTER DOMAIN {name} ADD CONSTRAINT {constraint} CHECK ({check}){valid}"));
    }
}

pub(super) fn composite(w: &mut World) {
    let (schema, bare, name) = w.place("relation");
    let mut columns = Vec::new();
    let mut defined = Vec::new();
    for index in 0..w.below(5) {
        let column = Column { name: w.column_name(&columns), ..Column::plain("", w.a_type()) };
        let collate = if column.of.is_texty() && w.chance(30) {
            format!(" COLLATE {}", w.collation())
        } else {
            String::new()
        };
        defined.push(format!("{} {}{collate}", column.name, column.of.sql));
        if index < 2 {
            w.comment_only(&format!("COLUMN {name}.{}", column.name));
        }
        columns.push(column);
    }
    w.run(format!("CREATE TYPE {name} AS ({})", defined.join(", ")));
    let identity = format!("TYPE {name}");
    w.handle(&identity, &identity, &["USAGE"]);
    let shapes = columns.iter().map(|c| c.of.shape.clone()).collect();
    w.types.push(Type::new(name.clone(), Shape::Row(shapes), false));
    if w.chance(60) && !columns.is_empty() {
        // Typed tables and function results use it.
        w.relations.push(Relation::new(schema, bare, columns, 'c'));
    }
}

pub(super) fn range(w: &mut World) {
    let (_, _, name) = w.place("type");
    let of = w.a_type();
    let mut sql = format!("CREATE TYPE {name} AS RANGE (SUBTYPE = {}", of.sql);
    if of.sql == "double precision" {
        sql.push_str(", SUBTYPE_DIFF = float8mi");
    }
    if of.is_texty() && w.chance(50) {
        let collation = w.collation();
        sql.push_str(&format!(", COLLATION = {collation}"));
    }
    if of.sql == "integer" && !w.classes.is_empty() && w.chance(50) {
        let classes: Vec<String> = w.classes.iter().filter(|c| c.1 == "btree").map(|c| c.0.clone()).collect();
        if !classes.is_empty() {
            let class = w.pick(&classes);
            sql.push_str(&format!(", SUBTYPE_OPCLASS = {class}"));
        }
    }
    if w.chance(30) {
        let multirange = w.fresh("multirange");
        sql.push_str(&format!(", MULTIRANGE_TYPE_NAME = {multirange}"));
    }
    w.run(format!("{sql})"));
    let identity = format!("TYPE {name}");
    w.handle(&identity, &identity, &["USAGE"]);
    if of.is_ordered {
        w.types.push(Type::new(name, Shape::Range(Box::new(of.shape)), true));
    }
}

/// A type with its own functions, which are those of `text`.
pub(super) fn base(w: &mut World) {
    let (_, _, name) = w.place("type");
    let (schema, _, input) = w.place("function");
    let output = w.fresh(&format!("function {schema}"));
    let output = format!("{schema}.{output}");
    w.run(format!("CREATE TYPE {name}"));
    w.run(format!(
        "CREATE FUNCTION {input}(cstring) RETURNS {name} LANGUAGE internal IMMUTABLE STRICT AS 'textin'"
    ));
    w.run(format!(
        "CREATE FUNCTION {output}({name}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'"
    ));
    let more = w.options(&[
        "ALIGNMENT = int4",
        "STORAGE = extended",
        "CATEGORY = 'U'",
        "PREFERRED = true",
        "DELIMITER = ';'",
        "DEFAULT = 'x''y\\'",
        "COLLATABLE = true",
        "INTERNALLENGTH = VARIABLE",
        "ELEMENT = text",
    ]);
    w.run(format!("CREATE TYPE {name} (INPUT = {input}, OUTPUT = {output}, {more})"));
    for identity in [format!("FUNCTION {input}(cstring)"), format!("FUNCTION {output}({name})")] {
        w.handle(&identity, &identity, &["EXECUTE"]);
    }
    let identity = format!("TYPE {name}");
    w.handle(&identity, &identity, &["USAGE"]);
    w.types.push(Type::new(name, Shape::Samples(TEXTS), false));
}

pub(super) fn shell(w: &mut World) {
    let (_, _, name) = w.place("type");
    w.run(format!("CREATE TYPE {name}"));
    w.comment_only(&format!("TYPE {name}"));
}

pub(super) fn alter(w: &mut World) {
    let Some(own) = (!w.types.is_empty()).then(|| w.types.clone()).map(|all| w.pick(&all)) else { return };
    let name = &own.sql;
    match &own.shape {
        Shape::Labels(labels) => {
            let (label, fresh) = (w.pick(labels), w.fresh("label"));
            let place = if w.chance(50) { "BEFORE" } else { "AFTER" };
            w.run(format!("ALTER TYPE {name} ADD VALUE {} {place} {}", literal(&fresh), literal(&label)));
        }
        Shape::Row(_) => {
            let (column, of) = (w.shared(), w.builtin());
            let sql = match w.below(3) {
                0 => format!("ALTER TYPE {name} DROP ATTRIBUTE IF EXISTS {column} CASCADE"),
                1 => format!("ALTER TYPE {name} ADD ATTRIBUTE {column} {} CASCADE", of.sql),
                _ => format!("ALTER TYPE {name} ALTER ATTRIBUTE {column} TYPE {} CASCADE", of.sql),
            };
            w.run(sql);
        }
        _ => {
            let (constraint, value) = (w.shared(), w.value_literal(&own));
            let sql = match w.below(3) {
                0 => format!("ALTER DOMAIN {name} SET DEFAULT {value}"),
                1 => format!(
                    "ALTER DOMAIN {name} ADD CONSTRAINT {constraint} CHECK (VALUE IS NULL OR true) NOT VALID"
                ),
                _ => format!("ALTER DOMAIN {name} DROP CONSTRAINT IF EXISTS {constraint}"),
            };
            w.run(sql);
        }
    }
}

pub(super) fn extension(w: &mut World) {
    const EXTENSIONS: &[&str] =
        &["citext", "hstore", "btree_gist", "pg_trgm", "intarray", "cube", "ltree", "tablefunc", "isn"];
    let name = w.pick(EXTENSIONS);
    if w.extensions.contains(&name) {
        return;
    }
    w.extensions.push(name);
    let schema = w.schema();
    w.run(format!("CREATE EXTENSION {name} SCHEMA {schema}"));
    w.comment_only(&format!("EXTENSION {name}"));
    match name {
        "citext" => w.types.push(Type::new(format!("{schema}.citext"), Shape::Samples(TEXTS), true)),
        "hstore" => w.types.push(Type::new(
            format!("{schema}.hstore"),
            Shape::Samples(&["a=>1", "\"x y\"=>NULL"]),
            true,
        )),
        "ltree" => w.types.push(Type::new(format!("{schema}.ltree"), Shape::Samples(&["a.b", ""]), true)),
        _ => {}
    }
    // A privilege on a member is only dumped if it differs from the initial one.
    if name == "citext" && w.chance(50) {
        let role = w.role();
        w.run(format!(
            "GRANT EXECUTE ON FUNCTION {schema}.citext_eq({schema}.citext, {schema}.citext) TO {role}"
        ));
    }
    if w.chance(40) {
        let (member, dependent) = (w.relation("rv"), w.routines.clone());
        match member {
            Some(r) if w.chance(60) => {
                let what = if r.kind == 'v' { "VIEW" } else { "TABLE" };
                w.run(format!("ALTER EXTENSION {name} ADD {what} {}", r.name));
            }
            _ if !dependent.is_empty() => {
                let routine = w.pick(&dependent);
                w.run(format!("ALTER {} DEPENDS ON EXTENSION {name}", routine.identity));
            }
            _ => {}
        }
    }
}

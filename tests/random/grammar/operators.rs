//! Operators, their classes and families, casts, collations, conversions, access methods.

use super::World;
use super::types::Type;

const SYMBOLS: &[&str] = &["===", "<~>", "@#@", "+%", "|||", "~~@", "##", "<=>", "!=@"];

pub(super) fn operator(w: &mut World) {
    let schema = w.schema();
    let symbol = w.pick(SYMBOLS);
    let name = format!("{schema}.{symbol}");
    let of = w.a_type();
    let of = if of.sql.contains('(') && !of.sql.contains('"') { Type::text() } else { of };
    let (_, _, function) = w.place("function");
    w.run(format!(
        "CREATE FUNCTION {function}({0}, {0}) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'",
        of.sql
    ));
    let other = w.pick(SYMBOLS);
    let extra =
        w.pick(&["", ", RESTRICT = eqsel, JOIN = eqjoinsel", ", HASHES, MERGES", ", RESTRICT = contsel"]);
    let link = match w.below(5) {
        0 => format!(", COMMUTATOR = OPERATOR({name})"),
        1 => format!(", COMMUTATOR = OPERATOR({schema}.{other})"),
        2 if other != symbol => format!(", NEGATOR = OPERATOR({schema}.{other})"),
        _ => String::new(),
    };
    w.run(format!(
        "CREATE OPERATOR {name} (LEFTARG = {0}, RIGHTARG = {0}, FUNCTION = {function}{link}{extra})",
        of.sql
    ));
    let identity = format!("OPERATOR {name} ({0}, {0})", of.sql);
    w.handle(&identity, &identity, &[]);
    w.operators.push((name, of.clone()));
    if w.chance(30) {
        let (_, _, function) = w.place("function");
        let symbol = w.pick(SYMBOLS);
        w.run(format!("CREATE FUNCTION {function}({0}) RETURNS {0} LANGUAGE sql AS 'SELECT $1'", of.sql));
        w.run(format!("CREATE OPERATOR {schema}.{symbol} (RIGHTARG = {}, FUNCTION = {function})", of.sql));
        w.comment_only(&format!("OPERATOR {schema}.{symbol} (NONE, {})", of.sql));
    }
}

pub(super) fn class(w: &mut World) {
    let (schema, _, name) = w.place("operator class");
    let default = w.maybe(10, "DEFAULT ");
    let family = if w.chance(40) {
        let family = w.fresh(&format!("operator class {schema}"));
        w.run(format!("CREATE OPERATOR FAMILY {schema}.{family} USING btree"));
        w.comment_only(&format!("OPERATOR FAMILY {schema}.{family} USING btree"));
        format!(" FAMILY {schema}.{family}")
    } else {
        String::new()
    };
    if w.chance(30) {
        w.run(format!("CREATE OPERATOR CLASS {name} {default}FOR TYPE text USING hash AS OPERATOR 1 =, FUNCTION 1 hashtext(text)"));
        w.comment_only(&format!("OPERATOR CLASS {name} USING hash"));
        return;
    }
    let (_, _, function) = w.place("function");
    w.run(format!("CREATE FUNCTION {function}(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($1, $2)'"));
    w.run(format!(
        "CREATE OPERATOR CLASS {name} {default}FOR TYPE int USING btree{family} AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 {function}(int, int)"
    ));
    let identity = format!("OPERATOR CLASS {name} USING btree");
    w.handle(&identity, &identity, &[]);
    w.classes.push((name, "btree".to_owned()));
}

pub(super) fn family(w: &mut World) {
    let (_, _, name) = w.place("operator class");
    let method = w.pick(&["btree", "gin", "gist", "hash", "brin"]);
    w.run(format!("CREATE OPERATOR FAMILY {name} USING {method}"));
    let identity = format!("OPERATOR FAMILY {name} USING {method}");
    w.handle(&identity, &identity, &[]);
    if method == "btree" {
        let add = w.pick(&[
            "OPERATOR 1 < (int2, int4), FUNCTION 1 (int2, int4) btint24cmp(int2, int4)",
            "OPERATOR 3 = (int8, int4), OPERATOR 1 < (int8, int4)",
            "FUNCTION 1 (int4, int8) btint48cmp(int4, int8)",
        ]);
        w.run(format!("ALTER OPERATOR FAMILY {name} USING btree ADD {add}"));
    }
}

pub(super) fn cast(w: &mut World) {
    let own: Vec<Type> = w.types.iter().filter(|t| t.sql.contains('.')).cloned().collect();
    if own.is_empty() {
        return;
    }
    let from = w.pick(&own);
    let to = w.pick(&["integer", "jsonb", "point", "bytea"]);
    let when = w.pick(&["", " AS ASSIGNMENT", " AS IMPLICIT"]);
    let (_, _, function) = w.place("function");
    let how = match w.below(4) {
        0 => "WITH INOUT".to_owned(),
        1 => {
            w.run(format!("CREATE FUNCTION {function}({}, int, bool) RETURNS {to} LANGUAGE sql IMMUTABLE AS 'SELECT NULL::{to}'", from.sql));
            format!("WITH FUNCTION {function}({}, int, bool)", from.sql)
        }
        _ => {
            w.run(format!(
                "CREATE FUNCTION {function}({}) RETURNS {to} LANGUAGE sql IMMUTABLE AS 'SELECT NULL::{to}'",
                from.sql
            ));
            format!("WITH FUNCTION {function}({})", from.sql)
        }
    };
    w.run(format!("CREATE CAST ({} AS {to}) {how}{when}", from.sql));
    w.comment_only(&format!("CAST ({} AS {to})", from.sql));
}

pub(super) fn collation(w: &mut World) {
    let (_, _, name) = w.place("collation");
    let mut forms = vec![
        "FROM \"C\"",
        "(provider = libc, locale = 'C')",
        "(lc_collate = 'C', lc_ctype = 'POSIX')",
        "FROM \"POSIX\"",
    ];
    if w.major >= 17 {
        forms.push("(provider = builtin, locale = 'C.UTF-8')");
        forms.push("FROM pg_c_utf8");
    }
    let form = w.pick(&forms);
    w.run(format!("CREATE COLLATION {name} {form}"));
    let identity = format!("COLLATION {name}");
    w.handle(&identity, &identity, &[]);
    w.collations.push(name);
}

pub(super) fn conversion(w: &mut World) {
    let (_, _, name) = w.place("conversion");
    let form = w.pick(&[
        "FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1",
    ]);
    let default = w.maybe(20, "DEFAULT ");
    w.run(format!("CREATE {default}CONVERSION {name} {form}"));
    let identity = format!("CONVERSION {name}");
    w.handle(&identity, &identity, &[]);
}

pub(super) fn access_method(w: &mut World) {
    let name = w.fresh("access method");
    if w.chance(70) {
        w.run(format!("CREATE ACCESS METHOD {name} TYPE TABLE HANDLER heap_tableam_handler"));
        w.table_methods.push(name.clone());
    } else {
        w.run(format!("CREATE ACCESS METHOD {name} TYPE INDEX HANDLER bthandler"));
    }
    w.comment_only(&format!("ACCESS METHOD {name}"));
}

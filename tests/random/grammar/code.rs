//! Functions, procedures, aggregates, languages, event triggers.

use super::expression::Place;
use super::types::{Shape, Type};
use super::{Column, Routine, World, literal};

const BODIES: &[&str] = &["", " -- $$", " /* $_$ \\ ' */", "\n\t-- two\r\n", " -- $function$ $_X$"];
const ATTRIBUTES: &[&str] = &[
    "STRICT",
    "SECURITY DEFINER",
    "LEAKPROOF",
    "PARALLEL SAFE",
    "PARALLEL RESTRICTED",
    "COST 5",
    "COST 0.25",
    "SET search_path TO pg_catalog, \"odd one\", ''",
    "SET work_mem = '1MB'",
    "SET datestyle TO 'iso, mdy'",
    "SET timezone TO 'Europe/Berlin'",
    "SET rnd.custom = 'a''b\\c'",
    "SET enable_seqscan = off",
    "SET temp_tablespaces = ''",
    "SET local_preload_libraries TO '', \"x y\"",
    "CALLED ON NULL INPUT",
];

/// The arguments in CREATE FUNCTION, and what others need to know about them.
struct Signature {
    written: String,
    types: Vec<Type>,
    scope: Vec<Column>,
}

fn signature(w: &mut World, can_default: bool) -> Signature {
    let mut written = Vec::new();
    let mut types = Vec::new();
    let mut scope: Vec<Column> = Vec::new();
    let mut has_default = false;
    for _ in 0..w.below(4) {
        let of = argument_type(w);
        let name = if w.chance(60) { w.column_name(&scope) } else { String::new() };
        let mut sql = format!("{name} {}", of.sql);
        if can_default && (has_default || w.chance(25)) {
            has_default = true;
            let value = w.default_of(&of);
            sql.push_str(&format!(" DEFAULT {value}"));
        }
        if !name.is_empty() {
            scope.push(Column::plain(&name, of.clone()));
        }
        written.push(sql);
        types.push(of);
    }
    Signature { written: written.join(", "), types, scope }
}

/// Any type, including rows of tables and views.
fn argument_type(w: &mut World) -> Type {
    if w.chance(20)
        && let Some(r) = w.relation("rpvmf")
    {
        let shapes = r.columns.iter().map(|c| c.of.shape.clone()).collect();
        let row = Type::new(r.name, Shape::Row(shapes), false);
        return if w.chance(20) { row.array() } else { row };
    }
    let mut of = w.a_type();
    // A signature has no type modifiers.
    for plain in ["varchar", "char", "numeric", "timestamp", "interval", "varbit"] {
        if of.sql.starts_with(&format!("{plain}(")) || of.sql.starts_with("interval ") {
            of.sql = "text".to_owned();
        }
    }
    if of.sql.starts_with("bit")
        || of.sql.starts_with("time(")
        || of.sql.ends_with("[3]")
        || of.sql.contains("][")
    {
        of.sql = "text".to_owned();
    }
    of
}

fn attributes(w: &mut World) -> String {
    let mut text = w.pick(&["", "", " IMMUTABLE", " STABLE", " VOLATILE"]).to_owned();
    if w.chance(40) {
        for attribute in w.some(ATTRIBUTES, 3) {
            text.push_str(&format!(" {attribute}"));
        }
    }
    text
}

fn remember(w: &mut World, name: &str, types: Vec<Type>, returns: Type, is_set: bool, is_immutable: bool) {
    let list: Vec<&str> = types.iter().map(|t| t.sql.as_str()).collect();
    let identity = format!("FUNCTION {name}({})", list.join(", "));
    w.handle(&identity, &identity, &["EXECUTE"]);
    w.routines.push(Routine {
        name: name.to_owned(),
        identity,
        arguments: types,
        returns,
        is_set,
        is_immutable,
    });
}

pub(super) fn function(w: &mut World) {
    let (schema, _, mut name) = w.place("function");
    if w.chance(20) && !w.routines.is_empty() {
        // Overloaded.
        let all = w.routines.clone();
        name = w.pick(&all).name;
    }
    let s = signature(w, true);
    let returns = argument_type(w);
    let attributes = attributes(w);
    let is_immutable = attributes.starts_with(" IMMUTABLE");
    let extra = w.pick(BODIES);
    let body = |code: &str, w: &mut World| {
        let text = format!("{code}{extra}");
        if w.chance(50) { literal(&text) } else { format!("$outer${text}$outer$") }
    };
    match w.below(8) {
        0 => {
            let body = body(&format!("SELECT NULL::{} FROM generate_series(1, 2)", returns.sql), w);
            let rows = w.maybe(50, " ROWS 7");
            w.run(format!(
                "CREATE FUNCTION {name}({}) RETURNS SETOF {} LANGUAGE sql{attributes}{rows} AS {body}",
                s.written, returns.sql
            ));
            remember(w, &name, s.types, returns, true, false);
        }
        1 => {
            let (a, b) = (w.fresh(&format!("column {schema}")), w.fresh(&format!("column {schema}")));
            let other = argument_type(w);
            let body = body(&format!("SELECT NULL::{}, NULL::{}", returns.sql, other.sql), w);
            w.run(format!("CREATE FUNCTION {name}({}) RETURNS TABLE ({a} {}, {b} {}) LANGUAGE sql{attributes} AS {body}", s.written, returns.sql, other.sql));
            remember(w, &name, s.types, returns, true, false);
        }
        2 => {
            let out = w.column_name(&s.scope);
            let body = body(&format!("SELECT NULL::{}", returns.sql), w);
            let comma = if s.written.is_empty() { "" } else { ", " };
            let mode = w.pick(&["OUT", "OUT", "INOUT"]);
            if s.written.contains("DEFAULT") && mode == "INOUT" {
                return;
            }
            w.run(format!(
                "CREATE FUNCTION {name}({}{comma}{mode} {out} {}) LANGUAGE sql{attributes} AS {body}",
                s.written, returns.sql
            ));
            let mut types = s.types;
            if mode == "INOUT" {
                types.push(returns.clone());
            }
            remember(w, &name, types, returns, false, is_immutable);
        }
        3 => {
            if s.written.contains("DEFAULT") {
                return;
            }
            let comma = if s.written.is_empty() { "" } else { ", " };
            let body = body(&format!("SELECT NULL::{}", returns.sql), w);
            w.run(format!("CREATE FUNCTION {name}({}{comma}VARIADIC text[]) RETURNS {} LANGUAGE sql{attributes} AS {body}", s.written, returns.sql));
            let list: Vec<&str> = s.types.iter().map(|t| t.sql.as_str()).collect();
            let identity = format!("FUNCTION {name}({}{comma}VARIADIC text[])", list.join(", "));
            w.handle(&identity, &identity, &["EXECUTE"]);
        }
        4 | 5 => {
            let body = body("BEGIN RETURN NULL; END", w);
            w.run(format!(
                "CREATE FUNCTION {name}({}) RETURNS {} LANGUAGE plpgsql{attributes} AS {body}",
                s.written, returns.sql
            ));
            remember(w, &name, s.types, returns, false, is_immutable);
        }
        _ => {
            let body = body(&format!("SELECT NULL::{}", returns.sql), w);
            w.run(format!(
                "CREATE FUNCTION {name}({}) RETURNS {} LANGUAGE sql{attributes} AS {body}",
                s.written, returns.sql
            ));
            remember(w, &name, s.types, returns, false, is_immutable);
        }
    }
}

/// Its body is parsed on creation, and so depends on what it mentions.
pub(super) fn atomic(w: &mut World) {
    let (_, _, name) = w.place("function");
    let s = signature(w, w.major >= 14);
    match w.below(5) {
        0 => {
            let query = w.query();
            w.run(format!(
                "CREATE FUNCTION {name}({}) RETURNS SETOF record LANGUAGE sql BEGIN ATOMIC {}; END",
                s.written, query.sql
            ));
            let list: Vec<&str> = s.types.iter().map(|t| t.sql.as_str()).collect();
            let identity = format!("FUNCTION {name}({})", list.join(", "));
            w.handle(&identity, &identity, &["EXECUTE"]);
        }
        1 => {
            let Some(r) = w.relation("rpvmf") else { return };
            w.run(format!("CREATE FUNCTION {name}({}) RETURNS SETOF {1} BEGIN ATOMIC SELECT * FROM {1}; SELECT * FROM {1} AS x; END", s.written, r.name));
            let shapes = r.columns.iter().map(|c| c.of.shape.clone()).collect();
            remember(w, &name, s.types, Type::new(r.name, Shape::Row(shapes), false), true, false);
        }
        2 => {
            let Some(r) = w.relation("r") else { return };
            let column = w.pick(&r.columns);
            let value = w.of_type(&s.scope, &column.of);
            w.run(format!("CREATE FUNCTION {name}({}) RETURNS void BEGIN ATOMIC INSERT INTO {} ({}) VALUES ({value}); DELETE FROM {1}; END", s.written, r.name, column.name));
        }
        _ => {
            let (expression, of) = w.scalar(&s.scope, Place::Query);
            let attributes = w.pick(&["", " STABLE", " IMMUTABLE", " SECURITY DEFINER"]);
            let body = if w.chance(60) {
                format!("RETURN {expression}")
            } else {
                format!("BEGIN ATOMIC SELECT {expression}; END")
            };
            let of = Type { sql: bare_type(&of.sql), ..of };
            w.run(format!(
                "CREATE FUNCTION {name}({}) RETURNS {} LANGUAGE sql{attributes} {body}",
                s.written, of.sql
            ));
            remember(w, &name, s.types, of, false, attributes == " IMMUTABLE");
        }
    }
}

fn bare_type(sql: &str) -> String {
    sql.split_once('(').filter(|_| !sql.contains('"')).map_or(sql, |(bare, _)| bare).to_owned()
}

pub(super) fn procedure(w: &mut World) {
    let (_, _, name) = w.place("function");
    if w.chance(15) {
        w.run(format!(
            "CREATE FUNCTION {name}() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number'"
        ));
        let identity = format!("FUNCTION {name}()");
        return w.handle(&identity, &identity, &["EXECUTE"]);
    }
    let s = signature(w, true);
    let body = w.pick(&[
        "LANGUAGE plpgsql AS 'BEGIN COMMIT; END'",
        "LANGUAGE sql AS ''",
        "LANGUAGE sql SECURITY DEFINER SET work_mem = '2MB' AS 'SELECT 1'",
    ]);
    let body = if w.chance(30)
        && let Some(r) = w.relation("rpv")
    {
        format!("BEGIN ATOMIC SELECT count(*) FROM {}; END", r.name)
    } else {
        body.to_owned()
    };
    w.run(format!("CREATE PROCEDURE {name}({}) {body}", s.written));
    let list: Vec<&str> = s.types.iter().map(|t| t.sql.as_str()).collect();
    let identity = format!("PROCEDURE {name}({})", list.join(", "));
    w.handle(&identity, &identity, &["EXECUTE", "ALL"]);
}

pub(super) fn aggregate(w: &mut World) {
    let (_, _, name) = w.place("function");
    let of = argument_type(w);
    let sfunc = w.fresh("function public");
    let sql = match w.below(5) {
        0 => {
            w.run(format!(
                "CREATE FUNCTION public.{sfunc}(text, {}) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
                of.sql
            ));
            let end = w.pick(&[
                "",
                ", INITCOND = 'a''b\\'",
                ", PARALLEL = SAFE, COMBINEFUNC = textcat",
                ", FINALFUNC = pg_catalog.upper, FINALFUNC_MODIFY = SHAREABLE",
            ]);
            format!("({}) (SFUNC = public.{sfunc}, STYPE = text{end})", of.sql)
        }
        1 => {
            w.run(format!(
                "CREATE FUNCTION public.{sfunc}({0}, {0}) RETURNS {0} LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
                of.sql
            ));
            let sort = w.pick(&[
                "",
                ", SSPACE = 100",
                ", MSTYPE = int8, MSFUNC = int8inc, MINVFUNC = int8dec, MSSPACE = 3",
            ]);
            format!("({0}) (SFUNC = public.{sfunc}, STYPE = {0}{sort})", of.sql)
        }
        2 => {
            let arguments = w.pick(&[
                "ORDER BY anyelement",
                "float8 ORDER BY anyelement",
                "VARIADIC \"any\" ORDER BY VARIADIC \"any\"",
            ]);
            let hypothetical = if arguments.contains("any\"") { ", HYPOTHETICAL" } else { "" };
            let (sfunc, last) = if hypothetical.is_empty() {
                ("ordered_set_transition", "percentile_disc_final")
            } else {
                ("ordered_set_transition_multi", "rank_final")
            };
            format!(
                "({arguments}) (SFUNC = {sfunc}, STYPE = internal, FINALFUNC = {last}, FINALFUNC_EXTRA{hypothetical})"
            )
        }
        3 => "(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0')".to_owned(),
        _ => "(int4, VARIADIC text[]) (SFUNC = int8inc, STYPE = int8, INITCOND = '0')"
            .replace("int4, VARIADIC text[]", "*"),
    };
    w.run(format!("CREATE AGGREGATE {name}{sql}"));
    let arguments = sql.split(") (").next().unwrap_or_default();
    let identity = format!("AGGREGATE {name}{arguments})");
    w.handle(&identity, &identity, &[]);
    if !arguments.contains("ORDER") && !arguments.contains('*') && !arguments.contains("VARIADIC") {
        w.aggregates.push((name, of));
    }
}

pub(super) fn trigger_function(w: &mut World) {
    let (_, _, name) = w.place("function");
    w.run(format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    ));
    let identity = format!("FUNCTION {name}()");
    w.handle(&identity, &identity, &["EXECUTE"]);
    w.triggers.push(name);
}

pub(super) fn event_trigger(w: &mut World) {
    if w.event_functions.is_empty() {
        let (_, _, name) = w.place("function");
        w.run(format!("CREATE FUNCTION {name}() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"));
        w.event_functions.push(name);
    }
    let functions = w.event_functions.clone();
    let function = w.pick(&functions);
    let name = w.fresh("event trigger");
    let event = w.pick(&["ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite"]);
    let tags = w.pick(&["", " WHEN TAG IN ('ALTER TABLE')", " WHEN TAG IN ('ALTER TABLE', 'ALTER TYPE')"]);
    w.run(format!("CREATE EVENT TRIGGER {name} ON {event}{tags} EXECUTE FUNCTION {function}()"));
    let identity = format!("EVENT TRIGGER {name}");
    // Its owner must be a superuser.
    w.comment_only(&identity);
    if w.chance(40) {
        let how = w.pick(&["DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"]);
        w.run(format!("ALTER EVENT TRIGGER {name} {how}"));
    }
}

pub(super) fn language(w: &mut World) {
    let name = w.fresh("language");
    let (_, _, handler) = w.place("function");
    w.run(format!("CREATE FUNCTION {handler}() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'"));
    let trusted = w.maybe(50, "TRUSTED ");
    w.run(format!("CREATE {trusted}LANGUAGE {name} HANDLER {handler}"));
    let identity = format!("LANGUAGE {name}");
    w.handle(&identity, &identity, &["USAGE"]);
    let (_, _, function) = w.place("function");
    w.run(format!("CREATE FUNCTION {function}(text) RETURNS text LANGUAGE {name} AS 'BEGIN RETURN $1; END'"));
    remember(w, &function, vec![Type::text()], Type::text(), false, false);
    if w.chance(50) {
        let (_, _, from) = w.place("function");
        w.run(format!(
            "CREATE FUNCTION {from}(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_end'"
        ));
        w.run(format!(
            "CREATE TRANSFORM FOR jsonb LANGUAGE {name} (FROM SQL WITH FUNCTION {from}(internal))"
        ));
        w.comment_only(&format!("TRANSFORM FOR jsonb LANGUAGE {name}"));
        let (_, _, user) = w.place("function");
        w.run(format!("CREATE FUNCTION {user}(jsonb) RETURNS jsonb TRANSFORM FOR TYPE jsonb LANGUAGE {name} AS 'BEGIN RETURN $1; END'"));
    }
}

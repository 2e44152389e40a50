//! Functions and procedures.

use super::dump;
use crate::catalog::fixture::{Fixture, acl, routine};
use crate::catalog::{DumpId, Routine, RoutineDetail};
use crate::select::options::Sections;

/// A function with a changed definition.
fn with_routine(change: impl FnOnce(&mut RoutineDetail)) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    f.name_type(23, "integer");
    let mut it = Routine { arg_types: vec![23], ..routine() };
    let detail = it.detail.as_mut().unwrap();
    detail.arguments = "n integer DEFAULT 1".into();
    detail.identity_arguments = "n integer".into();
    change(detail);
    let id = f.add_routine("F", it);
    (f, id)
}

/// The text from the language on.
fn printed(change: impl FnOnce(&mut RoutineDetail)) -> String {
    let (f, id) = with_routine(change);
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[id]);
    text.split_once("    LANGUAGE ").unwrap().1.to_owned()
}

#[test]
fn a_function_is_made_with_defaults_and_named_without() {
    let (mut f, id) = with_routine(|_| {});
    f.comment(id, "one");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE FUNCTION s.\"F\"(n integer DEFAULT 1) RETURNS integer\n    LANGUAGE sql\n    AS $$SELECT 1$$;\n\
         ALTER FUNCTION s.\"F\"(n integer) OWNER TO o;\nCOMMENT ON FUNCTION s.\"F\"(n integer) IS 'one';\n"
    );
    assert_eq!(
        dump(&f).headers(&[id]),
        [
            "Name: F(integer); Type: FUNCTION; Schema: s; Owner: o",
            "Name: FUNCTION \"F\"(n integer); Type: COMMENT; Schema: s; Owner: o",
        ]
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP FUNCTION IF EXISTS s.\"F\"(n integer);\n");
}

#[test]
fn a_procedure_returns_nothing() {
    let (f, id) = with_routine(|it| (it.prokind, it.result) = ('p', None));
    let text = dump(&f).sql(&[id]);
    assert!(text.starts_with("CREATE PROCEDURE s.\"F\"(n integer DEFAULT 1)\n    LANGUAGE sql\n"), "{text}");
    assert!(text.ends_with("ALTER PROCEDURE s.\"F\"(n integer) OWNER TO o;\n"), "{text}");
    assert_eq!(dump(&f).headers(&[id]), ["Name: F(integer); Type: PROCEDURE; Schema: s; Owner: o"]);
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP PROCEDURE IF EXISTS s.\"F\"(n integer);\n");
}

#[test]
fn attributes_come_in_pg_dumps_order() {
    let text = printed(|it| {
        it.prokind = 'w';
        it.provolatile = 'i';
        (it.proisstrict, it.prosecdef, it.proleakproof, it.proretset) = (true, true, true, true);
        (it.procost, it.prorows) = ("5".into(), "7".into());
        it.prosupport = "s.support".into();
        it.proparallel = 's';
        it.transform_types = vec![23];
    });
    assert_eq!(
        text,
        "sql TRANSFORM FOR TYPE integer WINDOW IMMUTABLE STRICT SECURITY DEFINER LEAKPROOF COST 5 ROWS 7 \
         SUPPORT s.support PARALLEL SAFE\n    AS $$SELECT 1$$;\n"
    );
    let other = printed(|it| (it.provolatile, it.proparallel) = ('s', 'r'));
    assert!(other.starts_with("sql STABLE PARALLEL RESTRICTED\n"), "{other}");
}

#[test]
fn costs_that_a_language_has_by_itself_are_not_told() {
    let cost = |lanname: &str, procost: &str| {
        let text = printed(|it| (it.lanname, it.procost) = (lanname.into(), procost.into()));
        text.contains(" COST ")
    };
    assert_eq!([cost("sql", "100"), cost("c", "1")], [false, false]);
    assert_eq!([cost("sql", "1"), cost("c", "100")], [true, true]);
    assert!(!printed(|it| (it.proretset, it.prorows) = (true, "1000".into())).contains("ROWS"));
}

#[test]
fn settings_are_made_while_it_runs() {
    let settings = vec!["search_path=s, pg_temp".into(), "work_mem=it's".into()];
    assert_eq!(
        printed(|it| it.proconfig = settings),
        "sql\n    SET search_path TO 's', 'pg_temp'\n    SET work_mem TO 'it''s'\n    AS $$SELECT 1$$;\n"
    );
}

#[test]
fn a_body_is_in_dollars_unless_that_is_unwanted() {
    let (f, id) = with_routine(|it| it.prosrc = "SELECT '$$'".into());
    assert!(dump(&f).sql(&[id]).contains("    AS $_$SELECT '$$'$_$;\n"));
    let plain = dump(&f).with(|o| o.disable_dollar_quoting = true).sql(&[id]);
    assert!(plain.contains("    AS 'SELECT ''$$''';\n"), "{plain}");
}

#[test]
fn a_body_in_sql_is_as_the_server_spells_it() {
    assert_eq!(printed(|it| it.sql_body = Some("RETURN 1".into())), "sql\n    RETURN 1;\n");
}

#[test]
fn a_function_in_c_has_a_library_and_a_symbol() {
    let c = |prosrc: &str| {
        printed(|it| {
            it.lanname = "C".into();
            it.probin = "$libdir/x".into();
            it.prosrc = prosrc.into();
        })
    };
    assert!(c("symbol").ends_with("AS '$libdir/x', 'symbol';\n"), "{}", c("symbol"));
    assert!(c("it's").ends_with("AS '$libdir/x', $$it's$$;\n"), "{}", c("it's"));
    assert!(c("").ends_with("AS '$libdir/x';\n"), "{}", c(""));
}

#[test]
fn what_everybody_may_run_can_be_revoked() {
    let (mut f, id) = with_routine(|_| {});
    f.catalog.routine_mut(id).unwrap().acl = acl(&["o=X/o", "x=X*/o"], &["=X/o", "o=X/o"]);
    let text = dump(&f).sql(&[id]);
    let privileges = "REVOKE ALL ON FUNCTION s.\"F\"(n integer) FROM PUBLIC;\n\
                      GRANT ALL ON FUNCTION s.\"F\"(n integer) TO x WITH GRANT OPTION;\n";
    assert!(text.ends_with(privileges), "{text}");
}

#[test]
fn a_function_that_waits_for_a_key_is_post_data() {
    let (mut f, id) = with_routine(|_| {});
    let post_data = |f: &Fixture| dump(f).with(|o| o.sections = Sections::POST_DATA).sql(&[id]);
    assert_eq!(post_data(&f), "");
    f.catalog.routine_mut(id).unwrap().postponed = true;
    assert!(post_data(&f).starts_with("CREATE FUNCTION"));
}

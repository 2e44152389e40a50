//! The text around the commands of every entry: the header and the owner.

use super::dump;
use crate::catalog::fixture::{Fixture, table};

#[test]
fn a_header_says_name_type_schema_owner_and_tablespace() {
    let mut f = Fixture::new();
    let t = f.add_relation("t", table(&[]));
    f.catalog.relation_mut(t).unwrap().tablespace = "fast".into();
    assert_eq!(
        dump(&f).text(&[t]),
        "SET default_tablespace = fast;\n\n\
         --\n-- Name: t; Type: TABLE; Schema: s; Owner: o; Tablespace: fast\n--\n\n\
         CREATE TABLE s.t (\n);\n\n\n\
         ALTER TABLE s.t OWNER TO o;\n\n"
    );
    assert_eq!(
        dump(&f).with(|o| (o.no_owner, o.no_tablespaces) = (true, true)).text(&[t]),
        "--\n-- Name: t; Type: TABLE; Schema: s; Owner: -\n--\n\nCREATE TABLE s.t (\n);\n\n\n"
    );
}

#[test]
fn a_line_feed_in_a_name_does_not_end_the_header() {
    let mut f = Fixture::new();
    let t = f.add_relation("a\nb", table(&[]));
    let text = dump(&f).text(&[t]);
    assert!(
        text.contains("-- Name: a b; Type: TABLE") && text.contains("CREATE TABLE s.\"a\nb\" ("),
        "{text}"
    );
}

#[test]
fn objects_are_made_in_the_name_of_their_owner_if_asked() {
    let mut f = Fixture::new();
    let (t, u) = (f.add_relation("t", table(&[])), f.add_relation("u", table(&[])));
    f.catalog.relation_mut(u).unwrap().owner = "O'Hara".into();
    assert_eq!(
        dump(&f).with(|o| o.set_session_authorization = true).sql(&[t, t, u]),
        "SET SESSION AUTHORIZATION 'o';\nCREATE TABLE s.t (\n);\nCREATE TABLE s.t (\n);\n\
         SET SESSION AUTHORIZATION 'O''Hara';\nCREATE TABLE s.u (\n);\n"
    );
}

#[test]
fn the_access_method_of_a_table_is_asked_for_before_it_is_made() {
    let mut f = Fixture::new();
    let t = f.add_relation("t", table(&[]));
    f.catalog.relation_mut(t).unwrap().amname = Some("Columnar".into());
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[t]),
        "SET default_table_access_method = \"Columnar\";\nCREATE TABLE s.t (\n);\n"
    );
    let without = dump(&f).with(|o| (o.no_owner, o.no_table_access_method) = (true, true));
    assert_eq!(without.sql(&[t]), "CREATE TABLE s.t (\n);\n");
}

#[test]
fn objects_are_dropped_in_reverse_order() {
    let mut f = Fixture::new();
    let (t, u) = (f.add_relation("t", table(&[])), f.add_relation("u", table(&[])));
    assert_eq!(dump(&f).drops(&[t, u]), "DROP TABLE s.u;\nDROP TABLE s.t;\n");
    assert_eq!(dump(&f).drops_if_exists(&[t, u]), "DROP TABLE IF EXISTS s.u;\nDROP TABLE IF EXISTS s.t;\n");
}

#[test]
fn all_identifiers_are_quoted_if_asked() {
    let mut f = Fixture::new();
    let t = f.add_relation("t", table(&[("a", "integer")]));
    assert_eq!(
        dump(&f).with(|o| o.quote_all_identifiers = true).sql(&[t]),
        "CREATE TABLE \"s\".\"t\" (\n    \"a\" integer\n);\nALTER TABLE \"s\".\"t\" OWNER TO \"o\";\n"
    );
}

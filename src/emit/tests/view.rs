//! Views and materialised views.

use super::dump;
use crate::catalog::RelKind;
use crate::catalog::fixture::{Fixture, attribute, view};
use crate::select::options::Sections;

#[test]
fn a_view_is_its_query() {
    let mut f = Fixture::new();
    let v = f.add_relation("V", view(RelKind::View, " SELECT 1 AS a"));
    f.comment(v, "why");
    f.comment_on_column(v, 1, "one");
    assert_eq!(
        dump(&f).sql(&[v]),
        "CREATE VIEW s.\"V\" AS\n SELECT 1 AS a;\nALTER VIEW s.\"V\" OWNER TO o;\n\
         COMMENT ON VIEW s.\"V\" IS 'why';\nCOMMENT ON COLUMN s.\"V\".a IS 'one';\n"
    );
    assert_eq!(
        dump(&f).headers(&[v]),
        [
            "Name: V; Type: VIEW; Schema: s; Owner: o",
            "Name: VIEW \"V\"; Type: COMMENT; Schema: s; Owner: o",
            "Name: COLUMN \"V\".a; Type: COMMENT; Schema: s; Owner: o",
        ]
    );
    assert_eq!(dump(&f).drops_if_exists(&[v]), "DROP VIEW IF EXISTS s.\"V\";\n");
}

#[test]
fn the_owner_is_given_a_view_as_such_from_16_on() {
    for (relkind, keyword) in [(RelKind::View, "VIEW"), (RelKind::MatView, "MATERIALIZED VIEW")] {
        let mut f = Fixture::new();
        let v = f.add_relation("v", view(relkind, " SELECT 1 AS a"));
        let text = |major| dump(&f).of(major).sql(&[v]);
        assert!(text(15).ends_with("ALTER TABLE s.v OWNER TO o;\n"), "{}", text(15));
        assert!(text(16).ends_with(&format!("ALTER {keyword} s.v OWNER TO o;\n")), "{}", text(16));
    }
}

#[test]
fn options_of_a_view_stand_before_and_its_check_behind_the_query() {
    let mut f = Fixture::new();
    let mut it = view(RelKind::View, " SELECT 1 AS a");
    it.reloptions = vec!["security_invoker=on".into()];
    it.check_option = Some("LOCAL".into());
    let v = f.add_relation("v", it);
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[v]),
        "CREATE VIEW s.v WITH (security_invoker=on) AS\n SELECT 1 AS a\n  WITH LOCAL CHECK OPTION;\n"
    );
}

#[test]
fn a_view_in_a_loop_has_columns_of_nulls_until_it_gets_its_rule() {
    let mut f = Fixture::new();
    let mut it = view(RelKind::View, " SELECT f() AS a");
    it.dummy_view = true;
    it.attributes.push(attribute(2, "B", "character(3)"));
    let v = f.add_relation("v", it);
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[v]),
        "CREATE VIEW s.v AS\nSELECT\n    NULL::integer AS a,\n    NULL::character(3) AS \"B\";\n"
    );
}

#[test]
fn a_materialised_view_is_made_empty() {
    let mut f = Fixture::new();
    let mut it = view(RelKind::MatView, " SELECT 1 AS a");
    it.reloptions = vec!["fillfactor=70".into()];
    it.attributes[0].attstattarget = Some(5);
    let v = f.add_relation("v", it);
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[v]),
        "CREATE MATERIALIZED VIEW s.v\nWITH (fillfactor='70') AS\n SELECT 1 AS a\n  WITH NO DATA;\n\
         ALTER TABLE ONLY s.v ALTER COLUMN a SET STATISTICS 5;\n"
    );
    assert_eq!(dump(&f).headers(&[v]), ["Name: v; Type: MATERIALIZED VIEW; Schema: s; Owner: o"]);
    assert_eq!(dump(&f).drops_if_exists(&[v]), "DROP MATERIALIZED VIEW IF EXISTS s.v;\n");
}

#[test]
fn a_materialised_view_can_be_unlogged() {
    let mut f = Fixture::new();
    let mut it = view(RelKind::MatView, " SELECT 1 AS a");
    it.unlogged = true;
    let v = f.add_relation("v", it);
    assert!(dump(&f).sql(&[v]).starts_with("CREATE UNLOGGED MATERIALIZED VIEW s.v AS\n"));
}

#[test]
fn a_materialised_view_can_depend_on_an_extension() {
    let mut f = Fixture::new();
    let mut it = view(RelKind::MatView, " SELECT 1 AS a");
    it.depends_on_extensions = vec!["cube".into()];
    let v = f.add_relation("v", it);
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[v]);
    assert!(text.ends_with("ALTER MATERIALIZED VIEW s.v DEPENDS ON EXTENSION cube;\n"), "{text}");
}

#[test]
fn a_materialised_view_that_waits_for_a_key_is_post_data() {
    let mut f = Fixture::new();
    let v = f.add_relation("v", view(RelKind::MatView, " SELECT 1 AS a"));
    let is_post_data = |f: &Fixture| !dump(f).with(|o| o.sections = Sections::POST_DATA).sql(&[v]).is_empty();
    assert!(!is_post_data(&f));
    f.catalog.relation_mut(v).unwrap().postponed = true;
    assert!(is_post_data(&f));
}

//! Rewrite rules.

use super::dump;
use crate::catalog::fixture::{Fixture, table, view, view_rule};
use crate::catalog::{DumpId, ObjectKind, RelKind, RewriteRule};

fn with_rule(ev_enabled: char) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let t = f.add_relation("T", table(&[("a", "integer")]));
    let definition = Some("CREATE RULE r AS\n    ON DELETE TO s.\"T\" DO INSTEAD NOTHING;".to_owned());
    let it = RewriteRule { relation: t, ev_enabled, is_view_rule: false, definition, separate: true };
    let id = f.add("r", ObjectKind::Rule(it));
    (f, id)
}

#[test]
fn a_rule_is_as_the_server_spells_it() {
    let (mut f, id) = with_rule('O');
    f.comment(id, "why");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE RULE r AS\n    ON DELETE TO s.\"T\" DO INSTEAD NOTHING;\n\
         COMMENT ON RULE r ON s.\"T\" IS 'why';\n"
    );
    assert_eq!(
        dump(&f).headers(&[id]),
        [
            "Name: T r; Type: RULE; Schema: s; Owner: o",
            "Name: RULE r ON \"T\"; Type: COMMENT; Schema: s; Owner: o",
        ]
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP RULE IF EXISTS r ON s.\"T\";\n");
}

#[test]
fn a_rule_says_when_it_holds_if_not_as_usual() {
    for (ev_enabled, verb) in [('A', "ENABLE ALWAYS"), ('R', "ENABLE REPLICA"), ('D', "DISABLE")] {
        let (f, id) = with_rule(ev_enabled);
        let text = dump(&f).sql(&[id]);
        assert!(text.ends_with(&format!("NOTHING;\nALTER TABLE s.\"T\" {verb} RULE r;\n")), "{text}");
    }
}

#[test]
fn the_rule_of_a_view_is_printed_only_where_a_loop_keeps_it_from_the_view() {
    let mut f = Fixture::new();
    let mut of = view(RelKind::View, " SELECT 1 AS a");
    of.reloptions = vec!["security_barrier=true".into()];
    let v = f.add_relation("v", of);
    let id = f.add("_RETURN", ObjectKind::Rule(view_rule(v)));
    assert_eq!(dump(&f).sql(&[id]), "");
    f.catalog.rule_mut(id).unwrap().separate = true;
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE OR REPLACE VIEW s.v WITH (security_barrier=true) AS\n SELECT 1 AS a;\n"
    );
    // Instead of being dropped, the view gets its dummy definition again.
    let before = "CREATE OR REPLACE VIEW s.v AS\nSELECT\n    NULL::integer AS a;\n";
    assert_eq!(dump(&f).drops_if_exists(&[id]), before);
}

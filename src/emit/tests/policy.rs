//! Row security.

use super::dump;
use crate::catalog::fixture::{Fixture, table};
use crate::catalog::{DumpId, Kind, Policy, PolicyRule};

fn rule(polcmd: char) -> PolicyRule {
    PolicyRule { polcmd, polpermissive: true, roles: None, using: None, check: None }
}

fn with_policy(rule: Option<PolicyRule>) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let t = f.add_relation("T", table(&[("a", "integer")]));
    let id = f.add("p", Kind::Policy(Box::new(Policy { table: t, rule })));
    (f, id)
}

fn printed(rule: PolicyRule) -> String {
    let (f, id) = with_policy(Some(rule));
    dump(&f).sql(&[id])
}

#[test]
fn row_security_is_enabled_by_a_command_of_its_own() {
    let (f, id) = with_policy(None);
    let text = dump(&f).text(&[id]);
    assert!(text.ends_with("\n--\n\nALTER TABLE s.\"T\" ENABLE ROW LEVEL SECURITY;\n\n"), "{text}");
    assert_eq!(dump(&f).headers(&[id]), ["Name: p; Type: ROW SECURITY; Schema: s; Owner: o"]);
    assert_eq!(dump(&f).drops_if_exists(&[id]), "");
}

#[test]
fn a_policy_is_for_all_commands_or_one() {
    for (polcmd, clause) in
        [('*', ""), ('r', " FOR SELECT"), ('a', " FOR INSERT"), ('w', " FOR UPDATE"), ('d', " FOR DELETE")]
    {
        assert_eq!(printed(rule(polcmd)), format!("CREATE POLICY p ON s.\"T\"{clause};\n"));
    }
}

#[test]
fn a_policy_has_roles_and_conditions() {
    let it = PolicyRule {
        polpermissive: false,
        roles: Some("x, \"Y\"".into()),
        using: Some("a > 0".into()),
        check: Some("a > 1".into()),
        ..rule('*')
    };
    assert_eq!(
        printed(it),
        "CREATE POLICY p ON s.\"T\" AS RESTRICTIVE TO x, \"Y\" USING (a > 0) WITH CHECK (a > 1);\n"
    );
}

#[test]
fn a_policy_has_a_comment_and_is_dropped_from_its_table() {
    let (mut f, id) = with_policy(Some(rule('*')));
    f.comment(id, "why");
    let text = dump(&f).sql(&[id]);
    assert!(text.ends_with("COMMENT ON POLICY p ON s.\"T\" IS 'why';\n"), "{text}");
    let headers = dump(&f).headers(&[id]);
    assert_eq!(headers[0], "Name: T p; Type: POLICY; Schema: s; Owner: o");
    assert_eq!(headers[1], "Name: POLICY p ON \"T\"; Type: COMMENT; Schema: s; Owner: o");
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP POLICY IF EXISTS p ON s.\"T\";\n");
}

#[test]
fn policies_and_row_security_can_be_left_out() {
    for rule in [None, Some(rule('*'))] {
        let (mut f, id) = with_policy(rule);
        f.comment(id, "why");
        assert_eq!(dump(&f).with(|o| o.no_policies = true).sql(&[id]), "");
    }
}

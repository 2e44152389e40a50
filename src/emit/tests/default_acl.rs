//! Default privileges.

use super::dump;
use crate::catalog::fixture::{Fixture, acl};
use crate::catalog::{DefaultAcl, DumpId, ObjectKind};

/// Default privileges in schema `s`, or in all schemas.
fn default_acl(f: &mut Fixture, defaclobjtype: char, now: &[&str], everywhere: bool) -> DumpId {
    let it = DefaultAcl { role: "Boss".into(), defaclobjtype, acl: acl(now, &["Boss=X/Boss"]) };
    let kind = ObjectKind::DefaultAcl(Box::new(it));
    if everywhere { f.add_without_schema("", kind) } else { f.add("", kind) }
}

#[test]
fn default_privileges_are_those_of_a_role_in_a_schema_or_everywhere() {
    let mut f = Fixture::new();
    let now = ["Boss=X/Boss", "x=r/Boss"];
    let here = default_acl(&mut f, 'r', &now, false);
    let everywhere = default_acl(&mut f, 'r', &now, true);
    assert_eq!(
        dump(&f).sql(&[here, everywhere]),
        "ALTER DEFAULT PRIVILEGES FOR ROLE \"Boss\" IN SCHEMA s GRANT SELECT ON TABLES TO x;\n\
         ALTER DEFAULT PRIVILEGES FOR ROLE \"Boss\" GRANT SELECT ON TABLES TO x;\n"
    );
    assert_eq!(dump(&f).with(|o| o.no_privileges = true).sql(&[here, everywhere]), "");
}

#[test]
fn what_the_server_grants_by_itself_can_be_revoked() {
    let mut f = Fixture::new();
    let id = default_acl(&mut f, 'f', &[], true);
    assert_eq!(
        dump(&f).sql(&[id]),
        "ALTER DEFAULT PRIVILEGES FOR ROLE \"Boss\" REVOKE ALL ON FUNCTIONS FROM \"Boss\";\n"
    );
}

#[test]
fn a_space_stood_where_a_name_would_until_15() {
    let mut f = Fixture::new();
    let id = default_acl(&mut f, 'T', &["Boss=X/Boss", "x=U/Boss"], true);
    let granted = |major| dump(&f).of(major).sql(&[id]);
    assert!(granted(15).ends_with("GRANT ALL ON TYPES  TO x;\n"), "{}", granted(15));
    assert!(granted(16).ends_with("GRANT ALL ON TYPES TO x;\n"), "{}", granted(16));
}

#[test]
fn every_kind_of_object_has_its_plural() {
    for (defaclobjtype, letters, plural) in [
        ('r', "r", "SELECT ON TABLES"),
        ('S', "r", "SELECT ON SEQUENCES"),
        ('f', "X", "ALL ON FUNCTIONS"),
        ('T', "U", "ALL ON TYPES"),
        ('n', "U", "USAGE ON SCHEMAS"),
        ('L', "r", "SELECT ON LARGE OBJECTS"),
    ] {
        let mut f = Fixture::new();
        let id = default_acl(&mut f, defaclobjtype, &["Boss=X/Boss", &format!("x={letters}/Boss")], true);
        let text = dump(&f).sql(&[id]);
        assert!(text.ends_with(&format!("GRANT {plural} TO x;\n")), "{text}");
    }
}

#[test]
fn an_unknown_kind_of_object_is_an_error() {
    let mut f = Fixture::new();
    let id = default_acl(&mut f, '?', &[], true);
    let report = dump(&f).try_text(&[id]).unwrap_err().report();
    assert!(report.contains("object type '?' is unknown"), "{report}");
}

#[test]
fn the_header_of_default_privileges_says_what_for() {
    let mut f = Fixture::new();
    let id = default_acl(&mut f, 'r', &["x=r/Boss"], false);
    let header = "Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: s; Owner: Boss";
    assert_eq!(dump(&f).headers(&[id]), [header]);
}

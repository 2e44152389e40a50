//! Extensions, and objects that depend on them.

use super::dump;
use crate::catalog::fixture::{Fixture, routine};
use crate::catalog::{Components, Extension, ObjectKind};

#[test]
fn an_extension_is_made_in_its_schema_and_has_no_owner() {
    let mut f = Fixture::new();
    let it = Extension { schema: "Ext".into(), config: Vec::new(), dump_contents: Components::empty() };
    let id = f.add_without_schema("uuid-ossp", ObjectKind::Extension(it));
    f.comment(id, "UUIDs");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA \"Ext\";\n\
         COMMENT ON EXTENSION \"uuid-ossp\" IS 'UUIDs';\n"
    );
    let header = "Name: uuid-ossp; Type: EXTENSION; Schema: -; Owner: -";
    assert_eq!(dump(&f).with(|o| o.no_comments = true).headers(&[id]), [header]);
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP EXTENSION IF EXISTS \"uuid-ossp\";\n");
}

#[test]
fn what_depends_on_an_extension_says_so_with_an_empty_line_before_it_from_17_on() {
    let mut f = Fixture::new();
    let id = f.add_routine("f", routine());
    let detail = f.catalog.routine_mut(id).unwrap().detail.as_mut().unwrap();
    detail.depends_on_extensions = vec!["hstore".into(), "Cube".into()];
    let text = |major| dump(&f).of(major).with(|o| o.no_owner = true).text(&[id]);
    let (first, second) = (
        "ALTER FUNCTION s.f() DEPENDS ON EXTENSION hstore;",
        "ALTER FUNCTION s.f() DEPENDS ON EXTENSION \"Cube\";",
    );
    assert!(text(16).contains(&format!("$$;\n{first}\n{second}\n\n\n")), "{}", text(16));
    assert!(text(17).contains(&format!("$$;\n\n{first}\n{second}\n\n")), "{}", text(17));
}

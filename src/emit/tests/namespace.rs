//! Schemas.

use super::dump;
use crate::catalog::fixture::{Fixture, acl, namespace};
use crate::catalog::{DumpId, Namespace, ObjectKind};

/// Schema public, which exists before a restore.
fn public(f: &mut Fixture) -> DumpId {
    let public = Namespace { create: false, ..namespace() };
    f.add_without_schema("public", ObjectKind::Namespace(Box::new(public)))
}

#[test]
fn a_schema_is_made_and_given_to_its_owner() {
    let f = Fixture::new();
    assert_eq!(dump(&f).sql(&[f.schema]), "CREATE SCHEMA s;\nALTER SCHEMA s OWNER TO o;\n");
    assert_eq!(dump(&f).with(|o| o.no_owner = true).sql(&[f.schema]), "CREATE SCHEMA s;\n");
    assert_eq!(dump(&f).headers(&[f.schema]), ["Name: s; Type: SCHEMA; Schema: -; Owner: o"]);
    assert_eq!(dump(&f).drops_if_exists(&[f.schema]), "DROP SCHEMA IF EXISTS s;\n");
}

#[test]
fn a_schema_has_the_name_that_it_has() {
    let mut f = Fixture::new();
    let odd = f.add_without_schema("Table \"1\"", ObjectKind::Namespace(Box::new(namespace())));
    assert_eq!(dump(&f).with(|o| o.no_owner = true).sql(&[odd]), "CREATE SCHEMA \"Table \"\"1\"\"\";\n");
}

#[test]
fn schema_public_is_neither_made_nor_dropped() {
    let mut f = Fixture::new();
    let public = public(&mut f);
    f.comment(public, "standard public schema");
    assert_eq!(
        dump(&f).sql(&[public]),
        "-- *not* creating schema, since initdb creates it\nALTER SCHEMA public OWNER TO o;\n"
    );
    let drop = "-- *not* dropping schema, since initdb creates it\n";
    assert_eq!(dump(&f).drops_if_exists(&[public]), drop);
}

#[test]
fn the_comment_on_schema_public_is_told_if_it_is_not_the_usual_one() {
    let mut f = Fixture::new();
    let public = public(&mut f);
    let without = dump(&f).sql(&[public]);
    assert!(without.ends_with("COMMENT ON SCHEMA public IS '';\n"), "{without}");
    f.comment(public, "ours");
    let with = dump(&f).sql(&[public]);
    assert!(with.ends_with("COMMENT ON SCHEMA public IS 'ours';\n"), "{with}");
}

#[test]
fn privileges_on_a_schema_come_after_it() {
    let mut f = Fixture::new();
    f.catalog.namespace_mut(f.schema).unwrap().acl = acl(&["o=UC/o", "=U/o", "admin=UC*/o"], &["o=UC/o"]);
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[f.schema]),
        "CREATE SCHEMA s;\nGRANT USAGE ON SCHEMA s TO PUBLIC;\nGRANT USAGE ON SCHEMA s TO admin;\n\
         GRANT CREATE ON SCHEMA s TO admin WITH GRANT OPTION;\n"
    );
    let without = dump(&f).with(|o| (o.no_owner, o.no_privileges) = (true, true));
    assert_eq!(without.sql(&[f.schema]), "CREATE SCHEMA s;\n");
}

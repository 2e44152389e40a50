//! Languages, casts, transforms.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER, acl, routine};
use crate::catalog::{Acl, Cast, Components, DumpId, Kind, Language, Routine, Transform, class};

fn language(functions: [u32; 3]) -> Language {
    Language { owner: OWNER.into(), acl: Acl::default(), lanpltrusted: true, functions }
}

fn add_language(f: &mut Fixture, it: Language) -> DumpId {
    f.add_without_schema("plX", Kind::Language(Box::new(it)))
}

/// A catalog with the functions of a language, and their OIDs.
fn with_functions() -> (Fixture, [u32; 3]) {
    let mut f = Fixture::new();
    let oids = ["handler", "inline", "validator"].map(|name| {
        let id = f.add_routine(name, routine());
        f.oid(id)
    });
    (f, oids)
}

#[test]
fn a_language_is_made_of_its_functions() {
    let (mut f, oids @ [handler, ..]) = with_functions();
    let full = add_language(&mut f, language(oids));
    let untrusted = Language { lanpltrusted: false, ..language([handler, 0, 0]) };
    let bare = add_language(&mut f, untrusted);
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[full, bare]),
        "CREATE TRUSTED PROCEDURAL LANGUAGE \"plX\" HANDLER s.handler INLINE s.inline VALIDATOR s.validator;\n\
         CREATE PROCEDURAL LANGUAGE \"plX\" HANDLER s.handler;\n"
    );
}

#[test]
fn a_language_whose_functions_are_not_dumped_is_one_that_the_server_knows() {
    let (mut f, oids @ [.., validator]) = with_functions();
    let id = f.catalog.find(class::PG_PROC, validator).unwrap();
    f.catalog.object_mut(id).dump = Components::empty();
    let language = add_language(&mut f, language(oids));
    assert_eq!(
        dump(&f).sql(&[language]),
        "CREATE OR REPLACE PROCEDURAL LANGUAGE \"plX\";\n\
         ALTER PROCEDURAL LANGUAGE \"plX\" OWNER TO o;\n"
    );
    let header = "Name: plX; Type: PROCEDURAL LANGUAGE; Schema: -; Owner: o";
    assert_eq!(dump(&f).headers(&[language]), [header]);
    assert_eq!(dump(&f).drops_if_exists(&[language]), "DROP PROCEDURAL LANGUAGE IF EXISTS \"plX\";\n");
}

#[test]
fn only_trusted_languages_have_privileges() {
    for (lanpltrusted, granted) in [(true, "GRANT ALL ON LANGUAGE \"plX\" TO x;\n"), (false, "")] {
        let mut f = Fixture::new();
        let it = Language { lanpltrusted, acl: acl(&["x=U/o"], &[]), ..language([0; 3]) };
        let id = add_language(&mut f, it);
        f.comment(id, "why");
        let text = dump(&f).with(|o| o.no_owner = true).sql(&[id]);
        assert!(text.ends_with(&format!("COMMENT ON LANGUAGE \"plX\" IS 'why';\n{granted}")), "{text}");
    }
}

#[test]
fn a_cast_has_its_method_and_its_context() {
    let mut f = Fixture::new();
    f.name_type(23, "integer");
    f.name_type(25, "text");
    let function = f.add_routine("to_text", Routine { arg_types: vec![23], ..routine() });
    let castfunc = f.oid(function);
    let mut printed = |castmethod, castcontext| {
        let it = Cast { castsource: 23, casttarget: 25, castfunc, castcontext, castmethod };
        let id = f.add_without_schema("", Kind::Cast(it));
        f.comment(id, "why");
        dump(&f).sql(&[id])
    };
    let comment = "COMMENT ON CAST (integer AS text) IS 'why';\n";
    for (method, context, expected) in [
        ('f', 'e', "WITH FUNCTION s.to_text(integer)"),
        ('i', 'a', "WITH INOUT AS ASSIGNMENT"),
        ('b', 'i', "WITHOUT FUNCTION AS IMPLICIT"),
    ] {
        let text = format!("CREATE CAST (integer AS text) {expected};\n{comment}");
        assert_eq!(printed(method, context), text);
    }
}

#[test]
fn a_cast_is_dropped_and_named_by_its_types() {
    let mut f = Fixture::new();
    f.name_type(23, "integer");
    f.name_type(25, "text");
    let it = Cast { castsource: 23, casttarget: 25, castfunc: 0, castcontext: 'e', castmethod: 'b' };
    let id = f.add_without_schema("", Kind::Cast(it));
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP CAST IF EXISTS (integer AS text);\n");
    assert_eq!(dump(&f).headers(&[id]), ["Name: CAST (integer AS text); Type: CAST; Schema: -; Owner: -"]);
}

/// A transform with one function or both.
fn with_transform(to_sql: bool) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    f.name_type(23, "integer");
    f.name_type(2281, "internal");
    let [from, to] = ["from_sql", "to_sql"].map(|name| {
        let id = f.add_routine(name, Routine { arg_types: vec![2281], ..routine() });
        f.oid(id)
    });
    let trftosql = if to_sql { to } else { 0 };
    let it = Transform { trftype: 23, lanname: "plX".into(), trffromsql: from, trftosql };
    let id = f.add_without_schema("", Kind::Transform(it));
    (f, id)
}

#[test]
fn a_transform_names_the_functions_that_it_has() {
    let create = "CREATE TRANSFORM FOR integer LANGUAGE \"plX\"";
    let from = "FROM SQL WITH FUNCTION s.from_sql(internal)";
    let (f, id) = with_transform(false);
    assert_eq!(dump(&f).sql(&[id]), format!("{create} ({from});\n"));
    let (f, id) = with_transform(true);
    let to = "TO SQL WITH FUNCTION s.to_sql(internal)";
    assert_eq!(dump(&f).sql(&[id]), format!("{create} ({from}, {to});\n"));
}

#[test]
fn a_transform_is_dropped_and_named_by_type_and_language() {
    let (mut f, id) = with_transform(true);
    f.comment(id, "why");
    let what = "TRANSFORM FOR integer LANGUAGE \"plX\"";
    let text = dump(&f).sql(&[id]);
    assert!(text.ends_with(&format!("COMMENT ON {what} IS 'why';\n")), "{text}");
    let drop = "DROP TRANSFORM IF EXISTS FOR integer LANGUAGE \"plX\";\n";
    assert_eq!(dump(&f).drops_if_exists(&[id]), drop);
    let header = format!("Name: {what}; Type: TRANSFORM; Schema: -; Owner: -");
    assert_eq!(dump(&f).with(|o| o.no_comments = true).headers(&[id]), [header]);
}

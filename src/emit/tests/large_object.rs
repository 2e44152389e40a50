//! Large objects: one entry each until version 16, groups from 17 on.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER, acl};
use crate::catalog::{Acl, CatalogId, DumpId, Label, LargeObjects, ObjectKind, class};

/// Large objects with these OIDs, and their contents.
fn large_objects(oids: &[u32], acl: Acl) -> (Fixture, [DumpId; 2]) {
    let mut f = Fixture::new();
    let name = match oids {
        [.., last] if oids.len() > 1 => format!("{}..{last}", oids[0]),
        _ => oids[0].to_string(),
    };
    let it = LargeObjects { owner: OWNER.into(), acl, oids: oids.to_vec() };
    let group = f.add_without_schema(&name, ObjectKind::LargeObjects(Box::new(it)));
    let data = f.add_without_schema("BLOBS", ObjectKind::LargeObjectData(Some(group)));
    for &oid in oids {
        let label = Label { objsubid: 0, provider: String::new(), text: format!("number {oid}") };
        f.catalog.comments.insert(CatalogId { classoid: class::PG_LARGEOBJECT, oid }, vec![label]);
    }
    (f, [group, data])
}

#[test]
fn a_large_object_was_an_entry_of_its_own_until_16() {
    let (mut f, ids) = large_objects(&[7], Acl::default());
    assert_eq!(
        dump(&f).of(16).sql(&ids),
        "SELECT pg_catalog.lo_create('7');\nALTER LARGE OBJECT 7 OWNER TO o;\n\
         COMMENT ON LARGE OBJECT 7 IS 'number 7';\nBEGIN;\nLARGE OBJECTS\nCOMMIT;\n"
    );
    assert_eq!(dump(&f).of(16).drops(&ids), "SELECT pg_catalog.lo_unlink('7');\n");
    // The IF EXISTS form is built from the object's OID.
    f.catalog.object_mut(ids[0]).catalog_id.oid = 7;
    assert_eq!(
        dump(&f).of(16).drops_if_exists(&ids),
        "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '7';\n"
    );
}

#[test]
fn large_objects_are_made_in_groups_from_17_on() {
    let (f, ids) = large_objects(&[7, 9], Acl::default());
    assert_eq!(
        dump(&f).of(17).sql(&ids),
        "SELECT pg_catalog.lo_create('7');\nSELECT pg_catalog.lo_create('9');\n\
         ALTER LARGE OBJECT 7 OWNER TO o;\nALTER LARGE OBJECT 9 OWNER TO o;\n\
         COMMENT ON LARGE OBJECT 7 IS 'number 7';\nCOMMENT ON LARGE OBJECT 9 IS 'number 9';\n\
         BEGIN;\nLARGE OBJECTS\nCOMMIT;\n"
    );
    assert_eq!(
        dump(&f).of(17).drops(&ids),
        "SELECT pg_catalog.lo_unlink('7');\nSELECT pg_catalog.lo_unlink('9');\n\n"
    );
    let from = "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid =";
    assert_eq!(dump(&f).of(17).drops_if_exists(&ids), format!("{from} '7';\n{from} '9';\n\n"));
}

#[test]
fn each_command_of_a_groups_privileges_is_for_all_of_it_before_the_next() {
    let (f, ids) = large_objects(&[7, 9], acl(&["x=rw*/o", "z=r/x"], &[]));
    let text = dump(&f).with(|o| o.no_comments = true).text(&ids);
    let (_, privileges) = text.split_once("Type: ACL; Schema: -; Owner: o\n--\n\n").unwrap();
    assert_eq!(
        privileges,
        "GRANT SELECT ON LARGE OBJECT 7 TO x;\nGRANT SELECT ON LARGE OBJECT 9 TO x;\n\n\
         GRANT UPDATE ON LARGE OBJECT 7 TO x WITH GRANT OPTION;\n\
         GRANT UPDATE ON LARGE OBJECT 9 TO x WITH GRANT OPTION;\n\n\
         SET SESSION AUTHORIZATION x;\n\n\
         GRANT SELECT ON LARGE OBJECT 7 TO z;\nGRANT SELECT ON LARGE OBJECT 9 TO z;\n\n\
         RESET SESSION AUTHORIZATION;\n\n"
    );
    assert!(!dump(&f).with(|o| o.no_privileges = true).sql(&ids).contains("GRANT"));
}

#[test]
fn large_objects_are_rows_and_not_definitions() {
    for major in [16, 18] {
        let (f, ids) = large_objects(&[7], Acl::default());
        let data_only = dump(&f).of(major).with(|o| o.schema = false).sql(&ids);
        assert!(data_only.contains("lo_create('7')") && data_only.contains("LARGE OBJECTS"), "{data_only}");
        assert_eq!(dump(&f).of(major).with(|o| o.data = false).sql(&ids), "");
    }
}

#[test]
fn headers_tell_large_objects_from_what_is_in_them() {
    let headers = |major, oids: &[u32]| {
        let (f, ids) = large_objects(oids, acl(&["x=r/o"], &[]));
        dump(&f).of(major).with(|o| o.no_comments = true).headers(&ids)
    };
    assert_eq!(
        headers(16, &[7]),
        [
            "Name: 7; Type: BLOB; Schema: -; Owner: o",
            "Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: o",
            "Name: LARGE OBJECT 7; Type: ACL; Schema: -; Owner: o",
        ]
    );
    assert_eq!(
        headers(17, &[7, 9]),
        [
            "Name: 7..9; Type: BLOB METADATA; Schema: -; Owner: o",
            "Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: o",
            "Name: LARGE OBJECTS 7..9; Type: ACL; Schema: -; Owner: o",
        ]
    );
}

//! Tables, partitions, foreign tables.

use super::dump;
use crate::catalog::fixture::{Fixture, attr_def, check, relation, table};
use crate::catalog::{
    Attribute, Collation, ConstraintOwner, DumpId, ForeignTable, NotNull, ObjectKind, RelKind, Relation,
    TableAttach,
};

/// A table with a column `a` and one that the caller changes.
fn with_table(change: impl FnOnce(&mut Relation)) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let mut it = table(&[("a", "integer"), ("B", "text")]);
    change(&mut it);
    let id = f.add_relation("t", it);
    (f, id)
}

fn printed(change: impl FnOnce(&mut Relation)) -> String {
    let (f, id) = with_table(change);
    dump(&f).with(|o| o.no_owner = true).sql(&[id])
}

fn not_null(name: Option<&str>) -> NotNull {
    NotNull { name: name.map(str::to_owned), no_inherit: false, is_local: true, comment: None }
}

#[test]
fn a_table_has_the_columns_that_were_not_dropped() {
    let dropped = printed(|it| it.attributes[0].attisdropped = true);
    assert_eq!(dropped, "CREATE TABLE s.t (\n    \"B\" text\n);\n");
    assert_eq!(printed(|it| it.attributes.clear()), "CREATE TABLE s.t (\n);\n");
}

#[test]
fn defaults_and_generated_columns_are_part_of_the_table() {
    for (attgenerated, expected) in
        [('\0', "DEFAULT f()"), ('s', "GENERATED ALWAYS AS (f()) STORED"), ('v', "GENERATED ALWAYS AS (f())")]
    {
        let (mut f, t) = with_table(|it| it.attributes[0].attgenerated = attgenerated);
        let default = f.add("a", ObjectKind::AttrDef(attr_def(t, 1, "f()")));
        f.catalog.relation_mut(t).unwrap().attributes[0].default = Some(default);
        let text = dump(&f).sql(&[t, default]);
        assert!(text.starts_with(&format!("CREATE TABLE s.t (\n    a integer {expected},\n")), "{text}");
        assert!(!text.contains("SET DEFAULT"), "{text}");
    }
}

#[test]
fn a_default_that_stands_alone_is_set_afterwards() {
    let (mut f, t) = with_table(|_| {});
    let default = f.add("a", ObjectKind::AttrDef(attr_def(t, 2, "nextval('s.q')")));
    f.catalog.attr_def_mut(default).unwrap().separate = true;
    f.catalog.relation_mut(t).unwrap().attributes[1].default = Some(default);
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[t, default]),
        "CREATE TABLE s.t (\n    a integer,\n    \"B\" text\n);\n\
         ALTER TABLE ONLY s.t ALTER COLUMN \"B\" SET DEFAULT nextval('s.q');\n"
    );
    assert_eq!(dump(&f).headers(&[default]), ["Name: t B; Type: DEFAULT; Schema: s; Owner: o"]);
    assert_eq!(
        dump(&f).drops_if_exists(&[default]),
        "ALTER TABLE IF EXISTS s.t ALTER COLUMN \"B\" DROP DEFAULT;\n"
    );
}

#[test]
fn not_nulls_have_a_name_where_it_is_not_the_usual_one() {
    let of = |it: NotNull| printed(|t| t.attributes[1].not_null = Some(it)).replace("    ", "");
    assert!(of(not_null(None)).contains("\"B\" text NOT NULL\n"));
    let named = NotNull { no_inherit: true, ..not_null(Some("N")) };
    assert!(of(named).contains("\"B\" text CONSTRAINT \"N\" NOT NULL NO INHERIT\n"));
    let inherited = NotNull { is_local: false, ..not_null(None) };
    assert!(of(inherited).contains("\"B\" text\n"));
}

#[test]
fn a_not_null_on_an_inherited_column_took_a_command_of_its_own_until_17() {
    let mut f = Fixture::new();
    let parent = f.add_relation("p", table(&[("a", "integer")]));
    let mut child = table(&[("a", "integer")]);
    child.parents = vec![parent];
    child.attributes[0].attislocal = false;
    child.attributes[0].not_null = Some(not_null(Some("left")));
    let child = f.add_relation("c", child);
    let text = |major| dump(&f).of(major).with(|o| o.no_owner = true).sql(&[child]);
    let command = "ALTER TABLE ONLY s.c ALTER COLUMN a SET NOT NULL;\n";
    assert_eq!(text(17), format!("CREATE TABLE s.c (\n)\nINHERITS (s.p);\n{command}"));
    // pg_dump does not quote this name, but without quotes the dump could not be restored.
    let inline = "    CONSTRAINT \"left\" NOT NULL a";
    assert_eq!(text(18), format!("CREATE TABLE s.c (\n{inline}\n)\nINHERITS (s.p);\n"));
    let no_inherit = NotNull { no_inherit: true, ..not_null(None) };
    f.catalog.relation_mut(child).unwrap().attributes[0].not_null = Some(no_inherit);
    let text = dump(&f).sql(&[child]);
    assert!(text.starts_with("CREATE TABLE s.c (\n    NOT NULL a NO INHERIT\n)\n"), "{text}");
}

#[test]
fn comments_on_not_nulls_and_checks_follow_the_table() {
    let (mut f, t) = with_table(|it| {
        it.attributes[0].not_null = Some(NotNull { comment: Some("why".into()), ..not_null(Some("n")) });
    });
    let c = f.add("C", ObjectKind::Constraint(check(ConstraintOwner::Table(t), "CHECK ((a > 0))")));
    f.comment(c, "because");
    f.catalog.relation_mut(t).unwrap().checks = vec![c];
    let dump = dump(&f).with(|o| o.no_owner = true);
    let create = "CREATE TABLE s.t (\n    a integer CONSTRAINT n NOT NULL,\n    \"B\" text,\n    \
                  CONSTRAINT \"C\" CHECK ((a > 0))\n);\n";
    let comments =
        "COMMENT ON CONSTRAINT n ON s.t IS 'why';\nCOMMENT ON CONSTRAINT \"C\" ON s.t IS 'because';\n";
    assert_eq!(dump.sql(&[t]), format!("{create}{comments}"));
    assert_eq!(dump.with(|o| o.no_comments = true).sql(&[t]), create);
}

#[test]
fn a_check_that_stands_alone_or_is_inherited_is_not_part_of_the_table() {
    for (separate, conislocal) in [(true, true), (false, false)] {
        let (mut f, t) = with_table(|_| {});
        let mut it = check(ConstraintOwner::Table(t), "CHECK ((a > 0))");
        (it.separate, it.conislocal) = (separate, conislocal);
        let c = f.add("c", ObjectKind::Constraint(it));
        f.catalog.relation_mut(t).unwrap().checks = vec![c];
        assert!(!dump(&f).sql(&[t]).contains("CHECK"));
    }
}

#[test]
fn a_collation_is_named_where_it_is_not_that_of_the_type() {
    let mut f = Fixture::new();
    let collation = Collation {
        owner: "o".into(),
        collencoding: -1,
        collprovider: 'c',
        collisdeterministic: true,
        collcollate: None,
        collctype: None,
        colllocale: None,
        collicurules: None,
    };
    let collation = f.add("German", ObjectKind::Collation(Box::new(collation)));
    let mut it = table(&[("a", "text")]);
    it.attributes[0].collation = f.oid(collation);
    let t = f.add_relation("t", it);
    assert!(dump(&f).sql(&[t]).contains("    a text COLLATE s.\"German\"\n"));
}

#[test]
fn storage_parameters_are_literals_where_they_are_no_names() {
    let text = printed(|it| {
        it.unlogged = true;
        it.reloptions = vec!["fillfactor=70".into(), "user_catalog_table=true".into()];
        it.toast_reloptions = vec!["vacuum_truncate=off".into()];
    });
    assert_eq!(
        text,
        "CREATE UNLOGGED TABLE s.t (\n    a integer,\n    \"B\" text\n)\n\
         WITH (fillfactor='70', user_catalog_table=true, toast.vacuum_truncate=off);\n"
    );
}

/// The ALTER commands that follow the creation of a table with one changed column.
fn altered(change: impl FnOnce(&mut Attribute)) -> String {
    let text = printed(|it| change(&mut it.attributes[1]));
    text.split_once("\n);\n").unwrap().1.to_owned()
}

#[test]
fn settings_of_columns_are_made_after_the_table() {
    let alter = |what: &str| format!("ALTER TABLE ONLY s.t ALTER COLUMN \"B\" SET {what};\n");
    assert_eq!(altered(|it| it.attstattarget = Some(0)), alter("STATISTICS 0"));
    for (storage, keyword) in [('e', "EXTERNAL"), ('x', "EXTENDED"), ('m', "MAIN")] {
        assert_eq!(altered(|it| it.attstorage = storage), alter(&format!("STORAGE {keyword}")));
    }
    assert_eq!(altered(|it| it.options = "n_distinct='-1'".into()), alter("(n_distinct='-1')"));
    assert_eq!(altered(|it| it.typstorage = 'x'), alter("STORAGE PLAIN"));
    for (compression, name) in [('p', "pglz"), ('l', "lz4")] {
        assert_eq!(altered(|it| it.attcompression = compression), alter(&format!("COMPRESSION {name}")));
    }
    let (f, t) = with_table(|it| it.attributes[1].attcompression = 'l');
    assert!(!dump(&f).with(|o| o.no_toast_compression = true).sql(&[t]).contains("COMPRESSION"));
}

#[test]
fn defaults_and_settings_of_a_foreign_table_say_that_it_is_one() {
    let mut f = Fixture::new();
    let mut it = relation(RelKind::ForeignTable, &[("a", "integer")]);
    it.attributes[0].attstattarget = Some(5);
    let t = f.add_relation("t", it);
    let default = f.add("a", ObjectKind::AttrDef(attr_def(t, 1, "1")));
    f.catalog.attr_def_mut(default).unwrap().separate = true;
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[t, default]);
    let alter = "ALTER FOREIGN TABLE ONLY s.t ALTER COLUMN a SET";
    assert!(text.ends_with(&format!("{alter} STATISTICS 5;\n{alter} DEFAULT 1;\n")), "{text}");
}

#[test]
fn replica_identity_and_forced_row_security_are_told_with_the_table() {
    let only = "\n);\nALTER TABLE ONLY s.t ";
    for (relreplident, clause) in [('f', "FULL"), ('n', "NOTHING")] {
        let text = printed(|it| it.relreplident = relreplident);
        assert!(text.ends_with(&format!("{only}REPLICA IDENTITY {clause};\n")), "{text}");
    }
    assert!(!printed(|it| it.relreplident = 'i').contains("REPLICA"));
    let forced = printed(|it| it.relforcerowsecurity = true);
    assert!(forced.ends_with(&format!("{only}FORCE ROW LEVEL SECURITY;\n")), "{forced}");
}

#[test]
fn a_typed_table_adds_to_its_type_only_what_it_has_itself() {
    let (mut f, t) = with_table(|it| {
        it.reloftype = 99;
        it.attributes[1].not_null = Some(not_null(None));
    });
    f.name_type(99, "s.kind");
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[t]);
    assert_eq!(text, "CREATE TABLE s.t OF s.kind (\n    \"B\" NOT NULL\n);\n");
    f.catalog.relation_mut(t).unwrap().attributes[1].not_null = None;
    assert_eq!(dump(&f).with(|o| o.no_owner = true).sql(&[t]), "CREATE TABLE s.t OF s.kind;\n");
}

#[test]
fn a_partition_is_made_as_a_table_and_attached() {
    let mut f = Fixture::new();
    let mut root = relation(RelKind::PartitionedTable, &[("a", "integer")]);
    root.partition_key = Some("RANGE (a)".into());
    root.amname = Some("heap".into());
    let root = f.add_relation("root", root);
    let mut part = table(&[("a", "integer")]);
    part.relispartition = true;
    part.parents = vec![root];
    part.attributes[0].attislocal = false;
    part.partition_bound = Some("FOR VALUES FROM (1) TO (2)".into());
    let part = f.add_relation("Part", part);
    let attach = f.add("Part", ObjectKind::TableAttach(TableAttach { parent: root, partition: part }));
    assert_eq!(dump(&f).headers(&[attach]), ["Name: Part; Type: TABLE ATTACH; Schema: s; Owner: o"]);
    let text = |major| dump(&f).of(major).with(|o| o.no_owner = true).sql(&[root, part, attach]);
    let root = "CREATE TABLE s.root (\n    a integer\n)\nPARTITION BY RANGE (a);\n";
    let part = "CREATE TABLE s.\"Part\" (\n    a integer\n);\n\
                ALTER TABLE ONLY s.root ATTACH PARTITION s.\"Part\" FOR VALUES FROM (1) TO (2);\n";
    assert_eq!(text(16), format!("{root}{part}"));
    // From 17 on, partitioned tables have an access method.
    assert_eq!(text(17), format!("{root}ALTER TABLE s.root SET ACCESS METHOD heap;\n{part}"));
}

#[test]
fn a_foreign_table_has_a_server_and_options() {
    let mut f = Fixture::new();
    let mut it = relation(RelKind::ForeignTable, &[("a", "integer")]);
    it.foreign = Some(ForeignTable { server_oid: 1, server: "Far".into(), options: "x 'y'".into() });
    it.attributes[0].fdw_options = "c 'd'".into();
    let t = f.add_relation("t", it);
    let text = |major| dump(&f).of(major).sql(&[t]);
    let create = "CREATE FOREIGN TABLE s.t (\n    a integer\n)\nSERVER \"Far\"\nOPTIONS (\n    x 'y'\n);\n";
    let column =
        |only: &str| format!("ALTER FOREIGN TABLE {only}s.t ALTER COLUMN a OPTIONS (\n    c 'd'\n);\n");
    let owner = "ALTER FOREIGN TABLE s.t OWNER TO o;\n";
    assert_eq!(text(16), format!("{create}{}{owner}", column("")));
    assert_eq!(text(17), format!("{create}{}{owner}", column("ONLY ")));
    assert_eq!(dump(&f).headers(&[t]), ["Name: t; Type: FOREIGN TABLE; Schema: s; Owner: o"]);
    assert_eq!(dump(&f).drops_if_exists(&[t]), "DROP FOREIGN TABLE IF EXISTS s.t;\n");
}

//! Rows, and refreshes of materialised views.

use super::dump;
use crate::catalog::fixture::{Fixture, table, view};
use crate::catalog::{DumpId, ObjectKind, RelKind, TableData};
use crate::select::options::RowFormat;

/// The rows of a table with a dropped and a generated column.
fn with_rows() -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let mut it = table(&[("a", "integer"), ("gone", "integer"), ("B", "text"), ("made", "text")]);
    it.attributes[1].attisdropped = true;
    it.attributes[3].attgenerated = 's';
    let t = f.add_relation("T", it);
    let rows = f.add("T", ObjectKind::TableData(TableData { table: t, condition: None }));
    (f, rows)
}

#[test]
fn rows_are_copied_into_the_columns_that_take_values() {
    let (f, rows) = with_rows();
    assert_eq!(dump(&f).headers(&[rows]), ["Data for Name: T; Type: TABLE DATA; Schema: s; Owner: o"]);
    assert_eq!(dump(&f).sql(&[rows]), "COPY s.\"T\" (a, \"B\") FROM stdin;\nROWS\n\\.\n");
}

#[test]
fn a_table_without_columns_is_copied_too() {
    let mut f = Fixture::new();
    let t = f.add_relation("t", table(&[]));
    let rows = f.add("t", ObjectKind::TableData(TableData { table: t, condition: None }));
    assert_eq!(dump(&f).sql(&[rows]), "COPY s.t  FROM stdin;\nROWS\n\\.\n");
}

#[test]
fn rows_that_are_inserted_are_not_copied() {
    let (f, rows) = with_rows();
    assert_eq!(dump(&f).with(|o| o.rows = RowFormat::Insert { rows: 1 }).sql(&[rows]), "ROWS\n");
}

#[test]
fn triggers_are_off_around_the_rows_of_a_dump_of_rows_only() {
    let (f, rows) = with_rows();
    let quiet = dump(&f).with(|o| {
        (o.schema, o.disable_triggers) = (false, true);
        o.superuser = Some("Root".into());
    });
    assert_eq!(
        quiet.sql(&[rows]),
        "SET SESSION AUTHORIZATION 'Root';\nALTER TABLE s.\"T\" DISABLE TRIGGER ALL;\n\
         COPY s.\"T\" (a, \"B\") FROM stdin;\nROWS\n\\.\n\
         ALTER TABLE s.\"T\" ENABLE TRIGGER ALL;\n"
    );
    let (f, rows) = with_rows();
    assert!(!dump(&f).with(|o| o.disable_triggers = true).sql(&[f.schema, rows]).contains("TRIGGER"));
}

/// The rows of a partition.
fn with_partition() -> (Fixture, DumpId, DumpId) {
    let mut f = Fixture::new();
    let mut root = table(&[("a", "integer")]);
    root.relkind = RelKind::PartitionedTable;
    let root = f.add_relation("Root", root);
    let mut part = table(&[("a", "integer")]);
    part.relispartition = true;
    part.parents = vec![root];
    let part = f.add_relation("part", part);
    let rows = f.add("part", ObjectKind::TableData(TableData { table: part, condition: None }));
    (f, root, rows)
}

#[test]
fn rows_of_a_partition_go_by_its_root_if_asked_or_if_they_must() {
    let copy = "COPY s.part (a) FROM stdin;\nROWS\n\\.\n";
    let by_root = "-- load via partition root s.\"Root\"\nCOPY s.\"Root\" (a) FROM stdin;\nROWS\n\\.\n";
    let (mut f, root, rows) = with_partition();
    assert_eq!(dump(&f).sql(&[rows]), copy);
    assert_eq!(dump(&f).with(|o| o.load_via_partition_root = true).sql(&[rows]), by_root);
    f.catalog.relation_mut(root).unwrap().unsafe_partitions = true;
    assert_eq!(dump(&f).sql(&[rows]), by_root);
}

#[test]
fn a_table_that_inherits_keeps_its_rows() {
    let (mut f, _, rows) = with_partition();
    let table = f.catalog.table_data(rows).unwrap().table;
    f.catalog.relation_mut(table).unwrap().relispartition = false;
    let text = dump(&f).with(|o| o.load_via_partition_root = true).sql(&[rows]);
    assert!(text.starts_with("COPY s.part (a)"), "{text}");
}

#[test]
fn a_materialised_view_is_refreshed_if_it_was_filled() {
    let mut f = Fixture::new();
    let v = f.add_relation("V", view(RelKind::MatView, " SELECT 1 AS a"));
    let refresh = f.add("V", ObjectKind::RefreshMatView(v));
    let header = "Name: V; Type: MATERIALIZED VIEW DATA; Schema: s; Owner: o";
    assert_eq!(dump(&f).headers(&[refresh]), [header]);
    assert_eq!(dump(&f).sql(&[refresh]), "REFRESH MATERIALIZED VIEW s.\"V\";\n");
    f.catalog.relation_mut(v).unwrap().relispopulated = false;
    assert_eq!(dump(&f).sql(&[refresh]), "");
}

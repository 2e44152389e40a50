//! Indexes, and their attachment.

use super::dump;
use crate::catalog::fixture::{Fixture, constraint, index, relation, table};
use crate::catalog::{ConstraintOwner, DumpId, Index, IndexAttach, ObjectKind, RelKind};

/// An index over the columns `a` and `B` of a table.
fn with_index(relkind: RelKind, change: impl FnOnce(&mut Index)) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let t = f.add_relation("t", relation(relkind, &[("a", "integer"), ("B", "integer")]));
    let mut it = index(t, &[1, 2]);
    change(&mut it);
    let id = f.add_index("I", it);
    (f, id)
}

fn printed(change: impl FnOnce(&mut Index)) -> String {
    let (f, id) = with_index(RelKind::Table, change);
    dump(&f).sql(&[id])
}

#[test]
fn a_plain_index_is_spelled_as_the_server_would() {
    assert_eq!(printed(|_| {}), "CREATE INDEX \"I\" ON s.t USING btree (a, \"B\");\n");
    let unique = printed(|it| (it.indisunique, it.indnullsnotdistinct) = (true, true));
    assert_eq!(unique, "CREATE UNIQUE INDEX \"I\" ON s.t USING btree (a, \"B\") NULLS NOT DISTINCT;\n");
}

#[test]
fn orders_are_told_where_they_are_not_the_usual_ones() {
    let ordered = |a, b| printed(|it| it.indoption = vec![a, b]);
    assert!(ordered(3, 2).contains("(a DESC, \"B\" NULLS FIRST)"), "{}", ordered(3, 2));
    assert!(ordered(1, 0).contains("(a DESC NULLS LAST, \"B\")"), "{}", ordered(1, 0));
}

#[test]
fn columns_that_are_no_keys_are_included() {
    let text = printed(|it| it.indoption = vec![0]);
    assert_eq!(text, "CREATE INDEX \"I\" ON s.t USING btree (a) INCLUDE (\"B\");\n");
}

#[test]
fn the_servers_own_spelling_comes_first() {
    let text = printed(|it| it.definition = Some("CREATE INDEX \"I\" ON s.t USING btree (lower(a))".into()));
    assert_eq!(text, "CREATE INDEX \"I\" ON s.t USING btree (lower(a));\n");
}

#[test]
fn an_index_of_a_partitioned_table_is_made_for_that_only() {
    let (f, id) = with_index(RelKind::PartitionedTable, |_| {});
    assert_eq!(dump(&f).sql(&[id]), "CREATE INDEX \"I\" ON ONLY s.t USING btree (a, \"B\");\n");
}

#[test]
fn what_is_altered_in_an_index_comes_with_it() {
    let text = printed(|it| {
        it.indisclustered = true;
        it.indisreplident = true;
        it.statistics = vec![(1, 100)];
        it.depends_on_extensions = vec!["cube".into()];
    });
    assert_eq!(
        text,
        "CREATE INDEX \"I\" ON s.t USING btree (a, \"B\");\nALTER TABLE s.t CLUSTER ON \"I\";\n\
         ALTER INDEX s.\"I\" ALTER COLUMN 1 SET STATISTICS 100;\n\
         ALTER INDEX s.\"I\" DEPENDS ON EXTENSION cube;\n\
         ALTER TABLE ONLY s.t REPLICA IDENTITY USING INDEX \"I\";\n"
    );
}

#[test]
fn an_attached_index_is_not_dropped_by_itself() {
    let (f, id) = with_index(RelKind::Table, |_| {});
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP INDEX IF EXISTS s.\"I\";\n");
    let (f, id) = with_index(RelKind::Table, |it| it.parent_oid = 1);
    assert_eq!(dump(&f).drops_if_exists(&[id]), "");
}

#[test]
fn an_index_is_made_in_its_tablespace_and_has_a_comment() {
    let (mut f, id) = with_index(RelKind::Table, |it| it.tablespace = "fast".into());
    f.comment(id, "quick");
    let text = dump(&f).sql(&[id]);
    assert!(text.starts_with("SET default_tablespace = fast;\nCREATE INDEX"), "{text}");
    assert!(text.ends_with("COMMENT ON INDEX s.\"I\" IS 'quick';\n"), "{text}");
}

#[test]
fn an_index_that_a_constraint_stands_on_comes_with_that_but_for_its_comment() {
    let (mut f, id) = with_index(RelKind::Table, |_| {});
    let t = f.catalog.index(id).unwrap().table;
    let key = f.add("k", ObjectKind::Constraint(constraint(ConstraintOwner::Table(t), 'p')));
    f.catalog.index_mut(id).unwrap().constraint = Some(key);
    f.comment(id, "quick");
    assert_eq!(dump(&f).sql(&[id]), "COMMENT ON INDEX s.\"I\" IS 'quick';\n");
}

#[test]
fn the_index_of_a_partition_is_attached() {
    let mut f = Fixture::new();
    let root = f.add_relation("root", relation(RelKind::PartitionedTable, &[("a", "integer")]));
    let part = f.add_relation("part", table(&[("a", "integer")]));
    let parent = f.add_index("of_root", index(root, &[1]));
    let partition = f.add_index("Of_part", index(part, &[1]));
    let attach = f.add("Of_part", ObjectKind::IndexAttach(IndexAttach { parent, partition }));
    assert_eq!(
        dump(&f).headers(&[parent, attach]),
        [
            "Name: of_root; Type: INDEX; Schema: s; Owner: o",
            "Name: Of_part; Type: INDEX ATTACH; Schema: s; Owner: o",
        ]
    );
    assert_eq!(dump(&f).sql(&[attach]), "ALTER INDEX s.of_root ATTACH PARTITION s.\"Of_part\";\n");
}

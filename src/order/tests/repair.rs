//! Each loop is as in the server's catalogs, without unrelated details.

use crate::catalog::fixture::{
    Fixture, attr_def, check, constraint, index, relation, routine, table, typ, view, view_rule,
};
use crate::catalog::{
    Catalog, Components, ConstraintOwner, Domain, DumpId, Index, ObjectKind, RelKind, RelationStatistics,
    TableData, TypeDetail,
};
use crate::order::order;
use crate::progress::Warnings;

/// The names in the order of the dump, without the schema's; `|` marks a section boundary.
fn ordered(catalog: &mut Catalog) -> String {
    let order = order(catalog, 18, &Warnings::default()).unwrap();
    let name = |id: DumpId| {
        let object = catalog.object(id);
        let is_boundary = matches!(object.kind, ObjectKind::PreDataBoundary | ObjectKind::PostDataBoundary);
        let is_schema = matches!(object.kind, ObjectKind::Namespace(_));
        (!is_schema).then_some(if is_boundary { "|" } else { object.name.as_str() })
    };
    order.into_iter().filter_map(name).collect::<Vec<_>>().join(" ")
}

/// Makes each member depend on the next, and the last one on the first.
fn circle(fixture: &mut Fixture, members: &[DumpId]) {
    for (place, &member) in members.iter().enumerate() {
        fixture.catalog.add_dependency(member, members[(place + 1) % members.len()]);
    }
}

fn needs(catalog: &Catalog, dependent: DumpId, on: DumpId) -> bool {
    catalog.object(dependent).dependencies.contains(&on)
}

/// A base type and its input function, which depend on each other. The shell type is not dumped yet.
fn base_type_and_function(function_is_dumped: bool) -> (Catalog, DumpId) {
    let mut f = Fixture::new();
    let base = f.add_type("base", typ('b', TypeDetail::Base(Vec::new())));
    let shell = f.add("shell", ObjectKind::ShellType(base));
    f.catalog.object_mut(shell).dump = Components::empty();
    f.catalog.typ_mut(base).unwrap().shell = Some(shell);
    let input = f.add_routine("input", routine());
    if !function_is_dumped {
        f.catalog.object_mut(input).dump = Components::empty();
    }
    circle(&mut f, &[base, input]);
    (f.with_boundaries(), shell)
}

#[test]
fn functions_of_a_base_type_are_made_for_its_shell() {
    let (mut catalog, shell) = base_type_and_function(true);
    assert_eq!(ordered(&mut catalog), "shell input base | |");
    assert!(catalog.object(shell).dump.contains(Components::DEFINITION));
}

#[test]
fn the_shell_of_a_type_whose_functions_are_not_dumped_is_not_either() {
    let (mut catalog, shell) = base_type_and_function(false);
    assert_eq!(ordered(&mut catalog), "shell input base | |");
    assert!(catalog.object(shell).dump.is_empty());
}

#[test]
fn a_view_and_its_rule_are_one_command() {
    for relkind in [RelKind::View, RelKind::MatView] {
        let mut f = Fixture::new();
        let seen = f.add_relation("view", view(relkind, "SELECT 1"));
        let rule = f.add("rule", ObjectKind::Rule(view_rule(seen)));
        circle(&mut f, &[seen, rule]);
        let mut catalog = f.with_boundaries();
        assert_eq!(ordered(&mut catalog), "rule view | |");
        assert!(!catalog.rule(rule).unwrap().separate && !catalog.relation(seen).unwrap().dummy_view);
    }
}

#[test]
fn a_view_that_needs_itself_by_way_of_a_function_gets_its_rule_after_the_rows() {
    let mut f = Fixture::new();
    let seen = f.add_relation("view", view(RelKind::View, "SELECT f()"));
    let rule = f.add("rule", ObjectKind::Rule(view_rule(seen)));
    let function = f.add_routine("function", routine());
    circle(&mut f, &[seen, rule, function]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "view function | | rule");
    assert!(catalog.rule(rule).unwrap().separate && catalog.relation(seen).unwrap().dummy_view);
}

/// A materialised view that groups by the primary key of a table, and so depends on it.
fn matview_with_key(f: &mut Fixture) -> DumpId {
    let of = f.add_relation("table", table(&[("a", "integer")]));
    let mut key = constraint(ConstraintOwner::Table(of), 'p');
    key.separate = true;
    let key = f.add("key", ObjectKind::Constraint(key));
    f.catalog.add_dependency(key, of);
    let matview = f.add_relation("matview", view(RelKind::MatView, "SELECT a FROM t GROUP BY a"));
    f.catalog.add_dependency(matview, of);
    f.catalog.add_dependency(matview, key);
    matview
}

#[test]
fn a_materialised_view_that_needs_a_key_waits_for_it() {
    let mut f = Fixture::new();
    let matview = matview_with_key(&mut f);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "table | | key matview");
    assert!(catalog.relation(matview).unwrap().postponed);
}

#[test]
fn what_reads_such_a_materialised_view_waits_with_it() {
    let mut f = Fixture::new();
    let matview = matview_with_key(&mut f);
    // It sorts before the materialised view, and is checked before it.
    let reader = f.add_relation("a reader", view(RelKind::View, "SELECT a FROM matview"));
    f.catalog.add_dependency(reader, matview);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "table | | key matview a reader");
    assert!(catalog.relation(matview).unwrap().postponed && !catalog.relation(reader).unwrap().postponed);
}

#[test]
fn the_statistics_of_such_a_materialised_view_wait_with_it() {
    let mut f = Fixture::new();
    let matview = matview_with_key(&mut f);
    let statistics = RelationStatistics {
        post_data: false,
        relpages: 1,
        reltuples: "1".into(),
        relallvisible: 0,
        relallfrozen: 0,
        attributes: Vec::new(),
    };
    let statistics = f.add("statistics", ObjectKind::RelationStatistics(Box::new(statistics)));
    f.catalog.add_dependency(statistics, matview);
    f.catalog.statistics.insert(matview, statistics);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "table | | key matview statistics");
    assert!(catalog.relation_statistics(statistics).unwrap().post_data);
}

#[test]
fn a_function_whose_body_needs_a_key_waits_for_it() {
    let mut f = Fixture::new();
    let of = f.add_relation("table", table(&[("a", "integer")]));
    let mut key = constraint(ConstraintOwner::Table(of), 'p');
    key.separate = true;
    let key = f.add("key", ObjectKind::Constraint(key));
    f.catalog.add_dependency(key, of);
    let function = f.add_routine("function", routine());
    f.catalog.add_dependency(function, key);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "table | | key function");
    assert!(catalog.routine(function).unwrap().postponed);
}

#[test]
fn checks_and_not_nulls_are_part_of_their_table() {
    for contype in ['c', 'n'] {
        let mut f = Fixture::new();
        let of = f.add_relation("table", table(&[("a", "integer")]));
        let it = f.add("check", ObjectKind::Constraint(constraint(ConstraintOwner::Table(of), contype)));
        circle(&mut f, &[of, it]);
        let mut catalog = f.with_boundaries();
        assert_eq!(ordered(&mut catalog), "check table | |");
        assert!(!catalog.constraint(it).unwrap().separate);
    }
}

#[test]
fn a_check_that_calls_a_function_over_its_table_comes_after_the_rows() {
    let mut f = Fixture::new();
    let of = f.add_relation("table", table(&[("a", "integer")]));
    let it = f.add("check", ObjectKind::Constraint(check(ConstraintOwner::Table(of), "CHECK (f(t))")));
    let function = f.add_routine("function", routine());
    circle(&mut f, &[of, it, function]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "table function | | check");
    assert!(catalog.constraint(it).unwrap().separate);
}

#[test]
fn a_default_is_part_of_its_table() {
    let mut f = Fixture::new();
    let of = f.add_relation("table", table(&[("a", "integer")]));
    let default = f.add("default", ObjectKind::AttrDef(attr_def(of, 1, "1")));
    circle(&mut f, &[of, default]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "default table | |");
    assert!(!catalog.attr_def(default).unwrap().separate);
}

#[test]
fn a_default_that_asks_a_sequence_of_its_column_comes_after_both() {
    let mut f = Fixture::new();
    let of = f.add_relation("table", table(&[("a", "integer")]));
    let default = f.add("default", ObjectKind::AttrDef(attr_def(of, 1, "nextval('s.sequence')")));
    let sequence = f.add_relation("sequence", relation(RelKind::Sequence, &[]));
    circle(&mut f, &[of, default, sequence]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "table sequence default | |");
    assert!(catalog.attr_def(default).unwrap().separate);
}

#[test]
fn the_index_of_a_partition_does_not_wait_for_the_one_that_it_is_attached_to() {
    let mut f = Fixture::new();
    let root = f.add_relation("root", relation(RelKind::PartitionedTable, &[("a", "integer")]));
    let part = f.add_relation("part", table(&[("a", "integer")]));
    let of_root = f.add_index("of root", index(root, &[1]));
    let parent_oid = f.oid(of_root);
    let of_part = f.add_index("of part", Index { parent_oid, ..index(part, &[1]) });
    circle(&mut f, &[of_root, of_part]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "part root | | of part of root");
    assert!(needs(&catalog, of_root, of_part) && !needs(&catalog, of_part, of_root));
}

#[test]
fn indexes_that_are_not_attached_to_each_other_have_no_order() {
    let mut f = Fixture::new();
    let of = f.add_relation("table", table(&[("a", "integer")]));
    let indexes = ["one", "other"].map(|name| f.add_index(name, index(of, &[1])));
    circle(&mut f, &indexes);
    let report = order(&mut f.with_boundaries(), 18, &Warnings::default()).unwrap_err().report();
    assert!(report.contains("INDEX s.one, INDEX s.other"), "{report}");
}

fn domain(f: &mut Fixture) -> DumpId {
    let domain = Domain {
        base: "integer".into(),
        collation: 0,
        not_null: None,
        default: None,
        checks: Vec::new(),
        not_null_constraint: None,
    };
    f.add_type("domain", typ('d', TypeDetail::Domain(Box::new(domain))))
}

#[test]
fn a_check_of_a_domain_is_part_of_it() {
    let mut f = Fixture::new();
    let of = domain(&mut f);
    let it = f.add("check", ObjectKind::Constraint(check(ConstraintOwner::Domain(of), "CHECK (VALUE > 0)")));
    circle(&mut f, &[of, it]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "check domain | |");
    assert!(!catalog.constraint(it).unwrap().separate);
}

#[test]
fn a_check_that_calls_a_function_over_its_domain_comes_after_the_rows() {
    let mut f = Fixture::new();
    let of = domain(&mut f);
    let it = f.add("check", ObjectKind::Constraint(check(ConstraintOwner::Domain(of), "CHECK (f(VALUE))")));
    let function = f.add_routine("function", routine());
    circle(&mut f, &[of, it, function]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "domain function | | check");
    assert!(catalog.constraint(it).unwrap().separate);
}

#[test]
fn a_table_whose_columns_need_each_other_is_no_circle() {
    let mut f = Fixture::new();
    let of = f.add_relation("table", table(&[("a", "integer"), ("b", "integer")]));
    circle(&mut f, &[of]);
    let mut catalog = f.with_boundaries();
    assert_eq!(ordered(&mut catalog), "table | |");
    assert!(!needs(&catalog, of, of));
}

/// The rows of `count` tables, each of which refers to the next, and the last one to the first.
fn circular_rows(count: usize) -> (Catalog, Vec<DumpId>) {
    let mut f = Fixture::new();
    let mut rows = Vec::new();
    for number in 1..=count {
        let of = f.add_relation(&format!("table{number}"), table(&[]));
        let data = TableData { table: of, condition: None };
        rows.push(f.add(&format!("rows{number}"), ObjectKind::TableData(data)));
    }
    circle(&mut f, &rows);
    (f.with_boundaries(), rows)
}

#[test]
fn rows_that_need_each_other_are_loaded_in_some_order() {
    let (mut catalog, rows) = circular_rows(3);
    assert_eq!(ordered(&mut catalog), "table1 table2 table3 | rows1 rows3 rows2 |");
    assert!(!needs(&catalog, rows[0], rows[1]) && needs(&catalog, rows[1], rows[2]));
}

#[test]
fn rows_that_need_rows_of_the_same_table_are_loaded_at_once() {
    let (mut catalog, rows) = circular_rows(1);
    assert_eq!(ordered(&mut catalog), "table1 | rows1 |");
    assert!(!needs(&catalog, rows[0], rows[0]));
}

#[test]
fn two_loops_without_a_common_member_are_both_repaired() {
    let mut f = Fixture::new();
    for name in ["a", "b"] {
        let of = f.add_relation(&format!("table {name}"), table(&[("a", "integer")]));
        let default = f.add(&format!("default {name}"), ObjectKind::AttrDef(attr_def(of, 1, "1")));
        circle(&mut f, &[of, default]);
    }
    assert_eq!(ordered(&mut f.with_boundaries()), "default a table a default b table b | |");
}

#[test]
fn a_rule_of_another_view_is_no_part_of_this_one() {
    let mut f = Fixture::new();
    let seen = f.add_relation("view", view(RelKind::View, "SELECT 1"));
    let other = f.add_relation("other", view(RelKind::View, "SELECT 1"));
    let rule = f.add("rule", ObjectKind::Rule(view_rule(other)));
    circle(&mut f, &[seen, rule]);
    let report = order(&mut f.with_boundaries(), 18, &Warnings::default()).unwrap_err().report();
    assert!(report.contains("VIEW s.view, RULE s.rule"), "{report}");
}

#[test]
fn what_no_repair_knows_is_named_as_the_user_knows_it() {
    let mut f = Fixture::new();
    let of = f.add_relation("table", table(&[("a", "integer")]));
    let function = f.add_routine("function", routine());
    let of_type = f.add_type("type", typ('e', TypeDetail::Enum(Vec::new())));
    circle(&mut f, &[of, function, of_type]);
    let report = order(&mut f.with_boundaries(), 18, &Warnings::default()).unwrap_err().report();
    assert!(report.contains("TABLE s.table, FUNCTION s.function, TYPE s.type"), "{report}");
}

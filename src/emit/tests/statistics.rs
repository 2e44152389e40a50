//! Extended statistics, and the statistics that ANALYZE collected.

use super::{Dump, dump};
use crate::catalog::StatisticsArgument;
use crate::catalog::fixture::{Fixture, OWNER, table};
use crate::catalog::{AttributeStatistics, DumpId, ExtendedStatistics, ObjectKind, RelationStatistics};
use crate::select::options::Sections;

fn extended() -> ExtendedStatistics {
    ExtendedStatistics {
        owner: OWNER.into(),
        definition: "CREATE STATISTICS s.\"X\" ON a, b FROM s.t".into(),
        target: None,
        relation: None,
        data: Vec::new(),
    }
}

fn with_statistics(f: &Fixture) -> Dump<'_> {
    dump(f).with(|o| o.statistics = true)
}

fn argument(name: &'static str, of_type: &'static str, value: &str) -> StatisticsArgument {
    StatisticsArgument { name, of_type, value: value.into() }
}

#[test]
fn extended_statistics_are_as_the_server_spells_them() {
    let mut f = Fixture::new();
    let id = f.add("X", ObjectKind::ExtendedStatistics(ExtendedStatistics { target: Some(0), ..extended() }));
    f.comment(id, "why");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE STATISTICS s.\"X\" ON a, b FROM s.t;\nALTER STATISTICS s.\"X\" SET STATISTICS 0;\n\
         ALTER STATISTICS s.\"X\" OWNER TO o;\nCOMMENT ON STATISTICS s.\"X\" IS 'why';\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP STATISTICS IF EXISTS s.\"X\";\n");
}

#[test]
fn what_extended_statistics_hold_is_restored_by_a_function() {
    let mut f = Fixture::new();
    let t = f.add_relation("it's", table(&[]));
    let data =
        vec![vec![argument("inherited", "boolean", "f"), argument("n_distinct", "pg_ndistinct", "{}")]];
    let id = f.add(
        "X",
        ObjectKind::ExtendedStatistics(ExtendedStatistics { relation: Some(t), data, ..extended() }),
    );
    let restored = "SELECT * FROM pg_catalog.pg_restore_extended_stats(\n\t'version', '180000'::integer,\n\
                    \t'schemaname', 's',\n\t'relname', 'it''s',\n\t'statistics_schemaname', 's',\n\
                    \t'statistics_name', 'X',\n\t'inherited', 'f'::boolean,\n\
                    \t'n_distinct', '{}'::pg_ndistinct\n);\n";
    assert_eq!(with_statistics(&f).with(|o| o.schema = false).sql(&[id]), restored);
    let with_definition = with_statistics(&f).sql(&[id]);
    assert!(with_definition.ends_with(&format!("OWNER TO o;\n{restored}")), "{with_definition}");
    assert_eq!(
        with_statistics(&f).headers(&[id]),
        [
            "Name: X; Type: STATISTICS; Schema: s; Owner: o",
            "Statistics for Name: X; Type: EXTENDED STATISTICS DATA; Schema: s; Owner: o",
        ]
    );
    assert!(!dump(&f).sql(&[id]).contains("pg_restore"));
}

/// Statistics of the relation `t`, and of its column `A`.
fn of_relation(post_data: bool, attnum: Option<i64>) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let attribute = AttributeStatistics {
        attname: "A".into(),
        attnum,
        arguments: vec![
            argument("inherited", "boolean", "f"),
            argument("histogram_bounds", "text", "{it's}"),
        ],
    };
    let it = RelationStatistics {
        post_data,
        relpages: 1,
        reltuples: "2.5".into(),
        relallvisible: 3,
        relallfrozen: 4,
        attributes: vec![attribute],
    };
    let id = f.add("t", ObjectKind::RelationStatistics(Box::new(it)));
    (f, id)
}

#[test]
fn statistics_of_a_relation_and_its_columns_are_restored_by_functions() {
    let (f, id) = of_relation(false, None);
    let relation = "\t'version', '180000'::integer,\n\t'schemaname', 's',\n\t'relname', 't',\n";
    assert_eq!(
        with_statistics(&f).sql(&[id]),
        format!(
            "SELECT * FROM pg_catalog.pg_restore_relation_stats(\n{relation}\
             \t'relpages', '1'::integer,\n\t'reltuples', '2.5'::real,\n\t'relallvisible', '3'::integer,\n\
             \t'relallfrozen', '4'::integer\n);\n\
             SELECT * FROM pg_catalog.pg_restore_attribute_stats(\n{relation}\
             \t'attname', 'A',\n\t'inherited', 'f'::boolean,\n\t'histogram_bounds', '{{it''s}}'::text\n);\n"
        )
    );
    assert_eq!(dump(&f).sql(&[id]), "");
}

#[test]
fn columns_of_an_index_with_expressions_go_by_number() {
    let (f, id) = of_relation(true, Some(2));
    let text = with_statistics(&f).sql(&[id]);
    assert!(text.contains("\t'attnum', '2'::smallint,\n") && !text.contains("attname"), "{text}");
}

#[test]
fn statistics_are_no_definitions_and_come_with_the_rows_or_after_them() {
    for (post_data, section) in [(false, Sections::DATA), (true, Sections::POST_DATA)] {
        let (f, id) = of_relation(post_data, None);
        let within = |sections| with_statistics(&f).with(|o| o.sections = sections).text(&[id]);
        assert!(
            within(section).starts_with("--\n-- Statistics for Name: t; Type: STATISTICS DATA; Schema: s")
        );
        assert_eq!(within(Sections::all() - section), "");
    }
}

//! Sequences, identity columns, and their values.

use super::dump;
use crate::catalog::fixture::{Fixture, acl, relation, sequence, table};
use crate::catalog::{DumpId, Kind, RelKind, Relation, Sequence, SequenceValue};
use crate::options::Sections;

const USUAL: &str = "    START WITH 1\n    INCREMENT BY 1\n    NO MINVALUE\n    NO MAXVALUE\n    CACHE 1";

fn of(sequence: Sequence) -> Relation {
    Relation { sequence: Some(sequence), ..relation(RelKind::Sequence, &[]) }
}

fn printed(sequence: Sequence) -> String {
    let mut f = Fixture::new();
    let id = f.add_relation("Q", of(sequence));
    dump(&f).with(|o| o.no_owner = true).sql(&[id])
}

#[test]
fn a_sequence_says_all_its_parameters() {
    assert_eq!(printed(sequence()), format!("CREATE SEQUENCE s.\"Q\"\n{USUAL};\n"));
    let it = Sequence {
        data_type: "smallint".into(),
        seqstart: 9,
        seqincrement: -2,
        seqmax: 10,
        seqmin: i64::from(i16::MIN),
        seqcache: 5,
        seqcycle: true,
        value: None,
    };
    assert_eq!(
        printed(it),
        "CREATE SEQUENCE s.\"Q\"\n    AS smallint\n    START WITH 9\n    INCREMENT BY -2\n    NO MINVALUE\n    \
         MAXVALUE 10\n    CACHE 5\n    CYCLE;\n"
    );
}

#[test]
fn the_owner_is_given_a_sequence_as_such_from_16_on() {
    let mut f = Fixture::new();
    let id = f.add_relation("q", of(sequence()));
    let text = |major| dump(&f).of(major).sql(&[id]);
    assert!(text(15).ends_with("ALTER TABLE s.q OWNER TO o;\n"), "{}", text(15));
    assert!(text(16).ends_with("ALTER SEQUENCE s.q OWNER TO o;\n"), "{}", text(16));
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP SEQUENCE IF EXISTS s.q;\n");
}

#[test]
fn unlogged_sequences_came_with_15() {
    let mut f = Fixture::new();
    let id = f.add_relation("q", Relation { unlogged: true, ..of(sequence()) });
    assert!(dump(&f).of(14).sql(&[id]).starts_with("CREATE SEQUENCE s.q\n"));
    assert!(dump(&f).of(15).sql(&[id]).starts_with("CREATE UNLOGGED SEQUENCE s.q\n"));
}

/// A sequence that belongs to the column `A` of a table.
fn owned(is_identity_sequence: bool, change: impl FnOnce(&mut Relation)) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let mut t = table(&[("A", "integer")]);
    t.attributes[0].attidentity = if is_identity_sequence { 'a' } else { '\0' };
    change(&mut t);
    let t = f.add_relation("t", t);
    let owned_by = Some((f.oid(t), 1));
    let id = f.add_relation("q", Relation { owned_by, is_identity_sequence, ..of(sequence()) });
    (f, id)
}

#[test]
fn a_sequence_that_a_column_owns_is_given_to_it() {
    let (f, id) = owned(false, |_| {});
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[id]),
        format!("CREATE SEQUENCE s.q\n{USUAL};\nALTER SEQUENCE s.q OWNED BY s.t.\"A\";\n")
    );
}

#[test]
fn an_identity_column_is_told_by_its_sequence_and_dropped_with_it() {
    let add = "ALTER TABLE s.t ALTER COLUMN \"A\" ADD GENERATED";
    let (f, id) = owned(true, |_| {});
    assert_eq!(
        dump(&f).sql(&[id]),
        format!("{add} ALWAYS AS IDENTITY (\n    SEQUENCE NAME s.q\n{USUAL}\n);\n")
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "");
    let (f, id) = owned(true, |t| t.attributes[0].attidentity = 'd');
    assert!(dump(&f).sql(&[id]).starts_with(&format!("{add} BY DEFAULT AS IDENTITY (\n")));
}

#[test]
fn an_identity_sequence_says_from_15_on_if_it_is_logged_other_than_its_table() {
    let (f, id) = owned(true, |t| t.unlogged = true);
    let after_name = |major| {
        let text = dump(&f).of(major).sql(&[id]);
        text.split_once("SEQUENCE NAME s.q\n").unwrap().1.lines().next().unwrap().to_owned()
    };
    assert_eq!((after_name(14).trim(), after_name(15).trim()), ("START WITH 1", "LOGGED"));
}

#[test]
fn the_value_of_a_sequence_is_data() {
    let mut f = Fixture::new();
    let value = Some(SequenceValue { last_value: 7, is_called: true });
    let q = f.add_relation("it's", of(Sequence { value, ..sequence() }));
    let id = f.add("it's", Kind::SequenceSet(q));
    let set = "SELECT pg_catalog.setval('s.\"it''s\"', 7, true);\n";
    assert_eq!(dump(&f).sql(&[id]), set);
    assert_eq!(dump(&f).with(|o| o.sections = Sections::DATA).sql(&[id]), set);
    assert_eq!(dump(&f).with(|o| o.data = false).sql(&[id]), "");
    assert_eq!(dump(&f).with(|o| (o.data, o.sequence_data) = (false, true)).sql(&[id]), set);
}

#[test]
fn privileges_on_a_sequence_say_that_it_is_one() {
    let mut f = Fixture::new();
    let id = f.add_relation("q", Relation { acl: acl(&["x=rU/o"], &[]), ..of(sequence()) });
    let text = dump(&f).sql(&[id]);
    assert!(text.ends_with("GRANT SELECT,USAGE ON SEQUENCE s.q TO x;\n"), "{text}");
}

#[test]
fn headers_tell_a_sequence_from_its_owner_and_its_value() {
    let (mut f, id) = owned(false, |_| {});
    let value = Some(SequenceValue { last_value: 7, is_called: false });
    f.catalog.relation_mut(id).unwrap().sequence.as_mut().unwrap().value = value;
    let set = f.add("q", Kind::SequenceSet(id));
    assert_eq!(
        dump(&f).headers(&[id, set]),
        [
            "Name: q; Type: SEQUENCE; Schema: s; Owner: o",
            "Name: q; Type: SEQUENCE OWNED BY; Schema: s; Owner: o",
            "Name: q; Type: SEQUENCE SET; Schema: s; Owner: o",
        ]
    );
}

#[test]
fn an_unlogged_identity_sequence_of_a_logged_table_says_so_from_15_on() {
    let (mut f, id) = owned(true, |_| {});
    f.catalog.relation_mut(id).unwrap().unlogged = true;
    assert!(dump(&f).of(15).sql(&[id]).contains("SEQUENCE NAME s.q\n    UNLOGGED\n    START"));
    assert!(!dump(&f).of(14).sql(&[id]).contains("LOGGED"));
}

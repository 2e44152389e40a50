//! Publications and their members.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER, table};
use crate::catalog::{DumpId, Kind, Publication, PublicationNamespace, PublicationRel};

fn publication() -> Publication {
    Publication {
        owner: OWNER.into(),
        puballtables: false,
        puballsequences: false,
        except_tables: Vec::new(),
        publish: vec!["insert", "update"],
        pubviaroot: false,
        pubgencols: 'n',
    }
}

fn add(f: &mut Fixture, it: Publication) -> DumpId {
    f.add_without_schema("P", Kind::Publication(it))
}

fn printed(it: Publication) -> String {
    let mut f = Fixture::new();
    let id = add(&mut f, it);
    dump(&f).with(|o| o.no_owner = true).sql(&[id])
}

#[test]
fn a_publication_says_what_it_publishes_and_how() {
    assert_eq!(printed(publication()), "CREATE PUBLICATION \"P\" WITH (publish = 'insert, update');\n");
    let it = Publication { puballtables: true, pubviaroot: true, pubgencols: 's', ..publication() };
    assert_eq!(
        printed(it),
        "CREATE PUBLICATION \"P\" FOR ALL TABLES WITH (publish = 'insert, update', \
         publish_via_partition_root = true, publish_generated_columns = stored);\n"
    );
}

#[test]
fn all_sequences_and_exceptions_came_with_19() {
    let mut f = Fixture::new();
    let tables = ["t", "U"].map(|name| f.add_relation(name, table(&[])));
    let it = Publication { puballtables: true, except_tables: tables.to_vec(), ..publication() };
    let id = add(&mut f, Publication { puballsequences: true, ..it });
    assert_eq!(
        dump(&f).of(19).with(|o| o.no_owner = true).sql(&[id]),
        "CREATE PUBLICATION \"P\" FOR ALL TABLES EXCEPT (TABLE ONLY s.t, TABLE ONLY s.\"U\"), ALL SEQUENCES \
         WITH (publish = 'insert, update');\n"
    );
    let sequences = Publication { puballsequences: true, ..publication() };
    assert!(printed(sequences).starts_with("CREATE PUBLICATION \"P\" FOR ALL SEQUENCES WITH"));
}

#[test]
fn a_publication_has_an_owner_and_is_dropped_if_it_exists() {
    let mut f = Fixture::new();
    let id = add(&mut f, publication());
    let text = dump(&f).sql(&[id]);
    assert!(text.ends_with("ALTER PUBLICATION \"P\" OWNER TO o;\n"), "{text}");
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP PUBLICATION IF EXISTS \"P\";\n");
}

#[test]
fn members_are_added_one_by_one() {
    let mut f = Fixture::new();
    let of = add(&mut f, publication());
    let t = f.add_relation("t", table(&[("a", "integer")]));
    let member =
        |columns, filter| Kind::PublicationRel(PublicationRel { publication: of, table: t, columns, filter });
    let whole = f.add("t", member(None, None));
    let part = f.add("t", member(Some(vec!["a".into(), "B".into()]), Some("(a > 0)".into())));
    let schema = f.schema;
    let all = f.add("s", Kind::PublicationNamespace(PublicationNamespace { publication: of, schema }));
    assert_eq!(
        dump(&f).headers(&[of, whole, all]),
        [
            "Name: P; Type: PUBLICATION; Schema: -; Owner: o",
            "Name: P t; Type: PUBLICATION TABLE; Schema: s; Owner: o",
            "Name: P s; Type: PUBLICATION TABLES IN SCHEMA; Schema: s; Owner: o",
        ]
    );
    assert_eq!(
        dump(&f).sql(&[whole, part, all]),
        "ALTER PUBLICATION \"P\" ADD TABLE ONLY s.t;\n\
         ALTER PUBLICATION \"P\" ADD TABLE ONLY s.t (a, \"B\") WHERE ((a > 0));\n\
         ALTER PUBLICATION \"P\" ADD TABLES IN SCHEMA s;\n"
    );
}

#[test]
fn publications_can_be_left_out_with_members_and_comments() {
    let mut f = Fixture::new();
    let of = add(&mut f, publication());
    f.comment(of, "why");
    let t = f.add_relation("t", table(&[]));
    let member = PublicationRel { publication: of, table: t, columns: None, filter: None };
    let member = f.add("t", Kind::PublicationRel(member));
    assert!(dump(&f).sql(&[of, member]).contains("COMMENT ON PUBLICATION \"P\" IS 'why';\n"));
    assert_eq!(dump(&f).with(|o| o.no_publications = true).sql(&[of, member]), "");
}

//! Triggers and event triggers.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER, relation};
use crate::catalog::{DumpId, EventTrigger, Kind, RelKind, Trigger};

const CREATE: &str = "CREATE TRIGGER t AFTER INSERT ON s.\"T\" FOR EACH ROW EXECUTE FUNCTION s.f()";

fn with_trigger(relkind: RelKind, change: impl FnOnce(&mut Trigger)) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let table = f.add_relation("T", relation(relkind, &[]));
    let mut it = Trigger {
        table,
        tgenabled: 'O',
        is_clone: false,
        definition: CREATE.into(),
        depends_on_extensions: Vec::new(),
    };
    change(&mut it);
    let id = f.add("t", Kind::Trigger(it));
    (f, id)
}

#[test]
fn a_trigger_is_as_the_server_spells_it() {
    let (mut f, id) = with_trigger(RelKind::Table, |it| it.depends_on_extensions = vec!["cube".into()]);
    f.comment(id, "why");
    assert_eq!(
        dump(&f).sql(&[id]),
        format!(
            "{CREATE};\nALTER TRIGGER t ON s.\"T\" DEPENDS ON EXTENSION cube;\n\
             COMMENT ON TRIGGER t ON s.\"T\" IS 'why';\n"
        )
    );
    assert_eq!(
        dump(&f).headers(&[id]),
        [
            "Name: T t; Type: TRIGGER; Schema: s; Owner: o",
            "Name: TRIGGER t ON \"T\"; Type: COMMENT; Schema: s; Owner: o",
        ]
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP TRIGGER IF EXISTS t ON s.\"T\";\n");
}

#[test]
fn a_trigger_says_when_it_fires_if_not_as_usual() {
    for (tgenabled, verb) in [('D', "DISABLE"), ('A', "ENABLE ALWAYS"), ('R', "ENABLE REPLICA")] {
        let (f, id) = with_trigger(RelKind::Table, |it| it.tgenabled = tgenabled);
        assert_eq!(dump(&f).sql(&[id]), format!("{CREATE};\nALTER TABLE s.\"T\" {verb} TRIGGER t;\n"));
    }
    let (f, id) = with_trigger(RelKind::ForeignTable, |it| it.tgenabled = 'D');
    assert!(dump(&f).sql(&[id]).ends_with("ALTER FOREIGN TABLE s.\"T\" DISABLE TRIGGER t;\n"));
}

#[test]
fn a_partitions_clone_of_a_trigger_is_only_enabled_otherwise() {
    let (f, id) = with_trigger(RelKind::Table, |it| it.is_clone = true);
    assert_eq!(dump(&f).sql(&[id]), "ALTER TABLE s.\"T\" ENABLE TRIGGER t;\n");
    assert_eq!(dump(&f).drops_if_exists(&[id]), "");
}

fn with_event_trigger(tags: &str, evtenabled: char) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let it = EventTrigger {
        owner: OWNER.into(),
        evtevent: "ddl_command_end".into(),
        tags: tags.into(),
        function: "s.f".into(),
        evtenabled,
    };
    let id = f.add_without_schema("E", Kind::EventTrigger(Box::new(it)));
    (f, id)
}

#[test]
fn an_event_trigger_has_an_event_tags_and_a_function() {
    let (mut f, id) = with_event_trigger("'CREATE TABLE', 'DROP TABLE'", 'R');
    f.comment(id, "why");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE EVENT TRIGGER \"E\" ON ddl_command_end\n         \
         WHEN TAG IN ('CREATE TABLE', 'DROP TABLE')\n   EXECUTE FUNCTION s.f();\n\
         ALTER EVENT TRIGGER \"E\" ENABLE REPLICA;\nALTER EVENT TRIGGER \"E\" OWNER TO o;\n\
         COMMENT ON EVENT TRIGGER \"E\" IS 'why';\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP EVENT TRIGGER IF EXISTS \"E\";\n");
}

#[test]
fn an_event_trigger_comes_after_all_that_it_could_disturb() {
    let (f, id) = with_event_trigger("", 'O');
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[id, f.schema]);
    let create = "CREATE EVENT TRIGGER \"E\" ON ddl_command_end\n   EXECUTE FUNCTION s.f();\n";
    assert_eq!(text, format!("CREATE SCHEMA s;\n{create}"));
    assert_eq!(dump(&f).headers(&[id]), ["Name: E; Type: EVENT TRIGGER; Schema: -; Owner: o"]);
}

//! Constraints that are printed by a separate command.

use super::dump;
use crate::catalog::fixture::{Fixture, check, constraint, index, relation, table, typ};
use crate::catalog::{Constraint, ConstraintOwner, Domain, DumpId, Index, ObjectKind, RelKind, TypeDetail};

/// A table and a key over these columns, with the index that backs it.
fn key(contype: char, change: impl FnOnce(&mut Constraint, &mut Index)) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let t = f.add_relation("t", table(&[("a", "integer"), ("B", "integer"), ("c", "integer")]));
    let mut of = index(t, &[1, 2]);
    let mut it = Constraint { separate: true, ..constraint(ConstraintOwner::Table(t), contype) };
    change(&mut it, &mut of);
    it.index = Some(f.add_index("k", of));
    let id = f.add("k", ObjectKind::Constraint(it));
    (f, id)
}

/// The text after `ADD CONSTRAINT k`.
fn key_text(contype: char, change: impl FnOnce(&mut Constraint, &mut Index)) -> String {
    let (f, id) = key(contype, change);
    let text = dump(&f).sql(&[id]);
    text.strip_prefix("ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k ").unwrap().to_owned()
}

#[test]
fn a_primary_key_is_spelled_from_its_index() {
    assert_eq!(key_text('p', |_, _| {}), "PRIMARY KEY (a, \"B\");\n");
}

#[test]
fn a_key_can_include_columns_and_hold_over_time() {
    assert_eq!(key_text('u', |_, index| index.indnkeyatts = 1), "UNIQUE (a) INCLUDE (\"B\");\n");
    assert_eq!(key_text('p', |it, _| it.conperiod = true), "PRIMARY KEY (a, \"B\" WITHOUT OVERLAPS);\n");
}

#[test]
fn a_unique_constraint_has_its_options_in_their_order() {
    let text = key_text('u', |it, index| {
        index.indnullsnotdistinct = true;
        index.reloptions = vec!["fillfactor=70".into()];
        it.condeferrable = true;
        it.condeferred = true;
    });
    assert_eq!(
        text,
        "UNIQUE NULLS NOT DISTINCT (a, \"B\") WITH (fillfactor='70') DEFERRABLE INITIALLY DEFERRED;\n"
    );
    assert_eq!(key_text('u', |it, _| it.condeferrable = true), "UNIQUE (a, \"B\") DEFERRABLE;\n");
}

#[test]
fn what_the_table_has_of_a_keys_index_is_said_with_the_key() {
    let text = key_text('p', |_, index| {
        index.indisclustered = true;
        index.indisreplident = true;
    });
    assert_eq!(
        text,
        "PRIMARY KEY (a, \"B\");\nALTER TABLE s.t CLUSTER ON k;\n\
         ALTER TABLE ONLY s.t REPLICA IDENTITY USING INDEX k;\n"
    );
}

#[test]
fn an_exclusion_is_as_the_server_spells_it() {
    let text = key_text('x', |it, _| it.definition = Some("EXCLUDE USING gist (a WITH =)".into()));
    assert_eq!(text, "EXCLUDE USING gist (a WITH =);\n");
}

#[test]
fn a_key_is_made_in_its_tablespace() {
    let (f, id) = key('p', |_, index| index.tablespace = "fast".into());
    assert!(dump(&f).sql(&[id]).starts_with("SET default_tablespace = fast;\n"));
}

#[test]
fn a_key_is_dropped_if_it_and_its_table_exist() {
    let (f, id) = key('p', |_, _| {});
    assert_eq!(dump(&f).drops(&[id]), "ALTER TABLE ONLY s.t DROP CONSTRAINT k;\n");
    assert_eq!(
        dump(&f).drops_if_exists(&[id]),
        "ALTER TABLE IF EXISTS ONLY s.t DROP CONSTRAINT IF EXISTS k;\n"
    );
}

#[test]
fn a_foreign_key_is_for_the_table_only_unless_it_is_partitioned() {
    for (relkind, only) in [(RelKind::Table, "ONLY "), (RelKind::PartitionedTable, "")] {
        let mut f = Fixture::new();
        let t = f.add_relation("t", relation(relkind, &[("a", "integer")]));
        let definition = Some("FOREIGN KEY (a) REFERENCES s.u(a)".to_owned());
        let it = Constraint { definition, ..constraint(ConstraintOwner::Table(t), 'f') };
        let id = f.add("Fk", ObjectKind::ForeignKey(it));
        f.catalog.constraint_mut(id).unwrap().separate = true;
        f.comment(id, "why");
        assert_eq!(
            dump(&f).sql(&[id]),
            format!(
                "ALTER TABLE {only}s.t\n    ADD CONSTRAINT \"Fk\" FOREIGN KEY (a) REFERENCES s.u(a);\n\
                 COMMENT ON CONSTRAINT \"Fk\" ON s.t IS 'why';\n"
            )
        );
        let drop = format!("ALTER TABLE IF EXISTS {only}s.t DROP CONSTRAINT IF EXISTS \"Fk\";\n");
        assert_eq!(dump(&f).drops_if_exists(&[id]), drop);
    }
}

#[test]
fn a_check_stands_alone_only_where_it_must_and_is_the_tables_own() {
    let printed = |relkind, separate, conislocal| {
        let mut f = Fixture::new();
        let t = f.add_relation("t", relation(relkind, &[("a", "integer")]));
        let it = check(ConstraintOwner::Table(t), "CHECK ((a > 0)) NOT VALID");
        let id = f.add("c", ObjectKind::Constraint(Constraint { separate, conislocal, ..it }));
        dump(&f).sql(&[id])
    };
    let text = "ALTER TABLE s.t\n    ADD CONSTRAINT c CHECK ((a > 0)) NOT VALID;\n";
    assert_eq!(printed(RelKind::Table, true, true), text);
    assert_eq!(printed(RelKind::ForeignTable, true, true), text.replace("TABLE", "FOREIGN TABLE"));
    assert_eq!(printed(RelKind::Table, true, false), "");
    assert_eq!(printed(RelKind::Table, false, true), "");
}

#[test]
fn a_not_null_that_was_not_validated_is_called_a_constraint() {
    let mut f = Fixture::new();
    let t = f.add_relation("t", table(&[("a", "integer")]));
    let it = check(ConstraintOwner::Table(t), "NOT NULL a NOT VALID");
    let id = f.add("n", ObjectKind::Constraint(Constraint { contype: 'n', separate: true, ..it }));
    let text = dump(&f).text(&[id]);
    assert!(text.contains("-- Name: t n; Type: CONSTRAINT;"), "{text}");
    assert!(text.contains("ALTER TABLE s.t\n    ADD CONSTRAINT n NOT NULL a NOT VALID;\n"), "{text}");
}

#[test]
fn a_check_of_a_domain_that_stands_alone_alters_the_domain() {
    let mut f = Fixture::new();
    let domain = Domain {
        base: "integer".into(),
        collation: 0,
        not_null: None,
        default: None,
        checks: Vec::new(),
        not_null_constraint: None,
    };
    let d = f.add_type("D", typ('d', TypeDetail::Domain(Box::new(domain))));
    let it = check(ConstraintOwner::Domain(d), "CHECK (f(VALUE))");
    let id = f.add("c", ObjectKind::Constraint(Constraint { separate: true, ..it }));
    f.comment(id, "why");
    assert_eq!(
        dump(&f).sql(&[id]),
        "ALTER DOMAIN s.\"D\"\n    ADD CONSTRAINT c CHECK (f(VALUE));\n\
         COMMENT ON CONSTRAINT c ON DOMAIN s.\"D\" IS 'why';\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "ALTER DOMAIN s.\"D\" DROP CONSTRAINT IF EXISTS c;\n");
}

#[test]
fn headers_tell_kinds_of_constraints_apart() {
    let (mut f, key) = key('p', |_, _| {});
    let t = f.catalog.constraint(key).unwrap().table().unwrap();
    let alone = |contype| Constraint { contype, separate: true, ..check(ConstraintOwner::Table(t), "") };
    let c = f.add("c", ObjectKind::Constraint(alone('c')));
    let n = f.add("n", ObjectKind::Constraint(alone('n')));
    let fk = f.add("f", ObjectKind::ForeignKey(alone('f')));
    let d = f.add_type("d", typ('d', TypeDetail::None));
    let of_domain = |contype| Constraint { owner: ConstraintOwner::Domain(d), ..alone(contype) };
    let of_domain = ['c', 'n'].map(|contype| f.add("c", ObjectKind::Constraint(of_domain(contype))));
    assert_eq!(
        dump(&f).headers(&[key, c, n, fk, of_domain[0], of_domain[1]]),
        [
            "Name: t k; Type: CONSTRAINT; Schema: s; Owner: o",
            "Name: t c; Type: CHECK CONSTRAINT; Schema: s; Owner: o",
            "Name: t n; Type: CONSTRAINT; Schema: s; Owner: o",
            "Name: t f; Type: FK CONSTRAINT; Schema: s; Owner: o",
            "Name: d c; Type: CHECK CONSTRAINT; Schema: s; Owner: o",
            "Name: d c; Type: CONSTRAINT; Schema: s; Owner: o",
        ]
    );
}

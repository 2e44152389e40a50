//! Types of all kinds.

use super::dump;
use crate::catalog::fixture::{Fixture, acl, attribute, check, constraint, table, typ};
use crate::catalog::{Collation, Constraint, ConstraintOwner, Domain, DumpId, Kind, Range, Type, TypeDetail};

fn printed(of: Type) -> String {
    let mut f = Fixture::new();
    let id = f.add_type("T", of);
    dump(&f).with(|o| o.no_owner = true).sql(&[id])
}

fn collation(f: &mut Fixture) -> u32 {
    let it = Collation {
        owner: "o".into(),
        collencoding: -1,
        collprovider: 'c',
        collisdeterministic: true,
        collcollate: None,
        collctype: None,
        colllocale: None,
        collicurules: None,
    };
    let id = f.add("German", Kind::Collation(Box::new(it)));
    f.oid(id)
}

#[test]
fn labels_of_an_enum_are_literals() {
    let labels = vec!["a".to_owned(), "it's".to_owned()];
    assert_eq!(
        printed(typ('e', TypeDetail::Enum(labels))),
        "CREATE TYPE s.\"T\" AS ENUM (\n    'a',\n    'it''s'\n);\n"
    );
    assert_eq!(printed(typ('e', TypeDetail::Enum(Vec::new()))), "CREATE TYPE s.\"T\" AS ENUM (\n);\n");
}

#[test]
fn a_type_has_an_owner_a_comment_and_privileges() {
    let mut f = Fixture::new();
    let acl = acl(&["o=U/o"], &["=U/o", "o=U/o"]);
    let id = f.add_type("T", Type { acl, ..typ('e', TypeDetail::Enum(Vec::new())) });
    f.comment(id, "why");
    f.label(id, 0, "selinux", "x");
    let text = dump(&f).sql(&[id]);
    let after = "ALTER TYPE s.\"T\" OWNER TO o;\nCOMMENT ON TYPE s.\"T\" IS 'why';\n\
                 SECURITY LABEL FOR selinux ON TYPE s.\"T\" IS 'x';\n\
                 REVOKE ALL ON TYPE s.\"T\" FROM PUBLIC;\n";
    assert!(text.ends_with(after), "{text}");
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP TYPE IF EXISTS s.\"T\";\n");
}

fn range() -> Range {
    Range {
        rngsubtype: "text".into(),
        multirange: None,
        opclass: None,
        collation: 0,
        rngcanonical: "-".into(),
        rngsubdiff: "-".into(),
    }
}

#[test]
fn a_range_has_at_least_a_subtype() {
    let text = printed(typ('r', TypeDetail::Range(Box::new(range()))));
    assert_eq!(text, "CREATE TYPE s.\"T\" AS RANGE (\n    subtype = text\n);\n");
    let mut f = Fixture::new();
    let full = Range {
        multirange: Some("s.many".into()),
        opclass: Some(("s".into(), "Ops".into())),
        collation: collation(&mut f),
        rngcanonical: "s.canon".into(),
        rngsubdiff: "s.diff".into(),
        ..range()
    };
    let id = f.add_type("r", typ('r', TypeDetail::Range(Box::new(full))));
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[id]),
        "CREATE TYPE s.r AS RANGE (\n    subtype = text,\n    multirange_type_name = s.many,\n    \
         subtype_opclass = s.\"Ops\",\n    collation = s.\"German\",\n    canonical = s.canon,\n    \
         subtype_diff = s.diff\n);\n"
    );
}

#[test]
fn a_composite_type_has_the_columns_that_were_not_dropped_and_comments_on_them() {
    let mut f = Fixture::new();
    let mut columns =
        vec![attribute(1, "A", "integer"), attribute(2, "gone", "integer"), attribute(3, "b", "text")];
    columns[1].attisdropped = true;
    columns[2].collation = collation(&mut f);
    let relation = f.add_relation("row", table(&[]));
    f.comment_on_column(relation, 2, "lost");
    f.comment_on_column(relation, 3, "kept");
    let typrelid = f.oid(relation);
    let id = f.add_type("row", Type { typrelid, ..typ('c', TypeDetail::Composite(columns)) });
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[id]),
        "CREATE TYPE s.row AS (\n\t\"A\" integer,\n\tb text COLLATE s.\"German\"\n);\n\
         COMMENT ON COLUMN s.row.b IS 'kept';\n"
    );
}

#[test]
fn a_base_type_takes_its_functions_with_it_when_it_is_dropped() {
    let mut f = Fixture::new();
    let base = f.add_type("b", typ('b', TypeDetail::Base(vec!["INPUT = s.i".into(), "OUTPUT = s.o".into()])));
    let shell = f.add("b", Kind::ShellType(base));
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[shell, base]),
        "CREATE TYPE s.b;\nCREATE TYPE s.b (\n    INPUT = s.i,\n    OUTPUT = s.o\n);\n"
    );
    assert_eq!(
        dump(&f).headers(&[shell, base]),
        ["Name: b; Type: SHELL TYPE; Schema: s; Owner: o", "Name: b; Type: TYPE; Schema: s; Owner: o"]
    );
    assert_eq!(dump(&f).drops_if_exists(&[shell, base]), "DROP TYPE IF EXISTS s.b CASCADE;\n");
}

#[test]
fn a_type_that_never_got_further_than_its_shell_is_one() {
    let shell = Type { typisdefined: false, ..typ('p', TypeDetail::None) };
    assert_eq!(printed(shell), "CREATE TYPE s.\"T\";\n");
}

fn domain() -> Domain {
    Domain {
        base: "text".into(),
        collation: 0,
        not_null: None,
        default: None,
        checks: Vec::new(),
        not_null_constraint: None,
    }
}

fn add_domain(f: &mut Fixture, it: Domain) -> DumpId {
    f.add_type("d", typ('d', TypeDetail::Domain(Box::new(it))))
}

#[test]
fn a_domain_has_collation_not_null_and_default_in_this_order() {
    let mut f = Fixture::new();
    let it = Domain {
        collation: collation(&mut f),
        not_null: Some(None),
        default: Some(("it's".into(), true)),
        ..domain()
    };
    let literal = add_domain(&mut f, it);
    let it = Domain { default: Some(("now()".into(), false)), ..domain() };
    let expression = add_domain(&mut f, it);
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[literal, expression]),
        "CREATE DOMAIN s.d AS text COLLATE s.\"German\" NOT NULL DEFAULT 'it''s';\n\
         CREATE DOMAIN s.d AS text DEFAULT now();\n"
    );
    let text = dump(&f).sql(&[expression]);
    assert!(text.ends_with("ALTER DOMAIN s.d OWNER TO o;\n"), "{text}");
    assert_eq!(dump(&f).headers(&[literal]), ["Name: d; Type: DOMAIN; Schema: s; Owner: o"]);
    assert_eq!(dump(&f).drops_if_exists(&[literal]), "DROP DOMAIN IF EXISTS s.d;\n");
}

#[test]
fn constraints_of_a_domain_and_comments_on_them_come_with_it() {
    let mut f = Fixture::new();
    let id = add_domain(&mut f, domain());
    let owner = ConstraintOwner::Domain(id);
    let c = f.add("C", Kind::Constraint(check(owner, "CHECK ((VALUE <> ''))")));
    let n = f.add("N", Kind::Constraint(constraint(owner, 'n')));
    f.comment(c, "why");
    f.comment(n, "because");
    let it = Domain {
        checks: vec![c],
        not_null: Some(Some("NOT NULL".into())),
        not_null_constraint: Some(n),
        ..domain()
    };
    f.catalog.typ_mut(id).unwrap().detail = TypeDetail::Domain(Box::new(it));
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[id]),
        "CREATE DOMAIN s.d AS text CONSTRAINT \"N\" NOT NULL\n\tCONSTRAINT \"C\" CHECK ((VALUE <> ''));\n\
         COMMENT ON CONSTRAINT \"N\" ON DOMAIN s.d IS 'because';\n\
         COMMENT ON CONSTRAINT \"C\" ON DOMAIN s.d IS 'why';\n"
    );
}

#[test]
fn a_constraint_that_stands_alone_is_no_part_of_its_domain() {
    let mut f = Fixture::new();
    let id = add_domain(&mut f, domain());
    let alone = |contype, definition| Constraint {
        separate: true,
        contype,
        ..check(ConstraintOwner::Domain(id), definition)
    };
    let c = f.add("c", Kind::Constraint(alone('c', "CHECK (f(VALUE))")));
    let n = f.add("n", Kind::Constraint(alone('n', "NOT NULL")));
    let it = Domain { checks: vec![c], not_null: Some(None), not_null_constraint: Some(n), ..domain() };
    f.catalog.typ_mut(id).unwrap().detail = TypeDetail::Domain(Box::new(it));
    assert_eq!(dump(&f).with(|o| o.no_owner = true).sql(&[id]), "CREATE DOMAIN s.d AS text;\n");
}

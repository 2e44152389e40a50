//! Operators, their classes and families, access methods.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER};
use crate::catalog::{
    AccessMethod, DumpId, ObjectKind, OpMember, Opclass, Operator, OperatorDetail, Opfamily, ProcMember,
};

fn detail() -> OperatorDetail {
    OperatorDetail {
        function: "s.\"F(\"(integer,text)".into(),
        left_type: "integer".into(),
        right_type: "text".into(),
        oprcom: 0,
        oprnegate: 0,
        oprrest: "-".into(),
        oprjoin: "-".into(),
        oprcanmerge: false,
        oprcanhash: false,
    }
}

fn add_operator(f: &mut Fixture, symbol: &str, oprkind: char, detail: OperatorDetail) -> DumpId {
    let owner = OWNER.into();
    let it = Operator { owner, oprkind, oprleft: 23, oprright: 25, oprcode: 1, detail: Some(detail) };
    f.add(symbol, ObjectKind::Operator(Box::new(it)))
}

#[test]
fn an_operator_has_a_function_and_operands() {
    let mut f = Fixture::new();
    let id = add_operator(&mut f, "===", 'b', detail());
    f.comment(id, "same");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE OPERATOR s.=== (\n    FUNCTION = s.\"F(\",\n    LEFTARG = integer,\n    RIGHTARG = text\n);\n\
         ALTER OPERATOR s.=== (integer, text) OWNER TO o;\n\
         COMMENT ON OPERATOR s.=== (integer, text) IS 'same';\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP OPERATOR IF EXISTS s.=== (integer, text);\n");
}

#[test]
fn a_prefix_operator_has_no_left_operand() {
    let mut f = Fixture::new();
    let id = add_operator(&mut f, "!!!", 'l', detail());
    let text = dump(&f).sql(&[id]);
    assert!(text.contains("    RIGHTARG = text\n") && !text.contains("LEFTARG"), "{text}");
    assert_eq!(dump(&f).drops(&[id]), "DROP OPERATOR s.!!! (NONE, text);\n");
}

#[test]
fn what_helps_the_planner_follows_the_operands() {
    let mut f = Fixture::new();
    let other = add_operator(&mut f, "<>", 'b', detail());
    let full = OperatorDetail {
        oprcom: f.oid(other),
        oprnegate: f.oid(other),
        oprrest: "eqsel(internal)".into(),
        oprjoin: "eqjoinsel(internal)".into(),
        oprcanmerge: true,
        oprcanhash: true,
        ..detail()
    };
    let id = add_operator(&mut f, "==", 'b', full);
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[id]);
    let (_, after) = text.split_once("RIGHTARG = text,\n").unwrap();
    assert_eq!(
        after,
        "    COMMUTATOR = OPERATOR(s.<>),\n    NEGATOR = OPERATOR(s.<>),\n    MERGES,\n    HASHES,\n    \
         RESTRICT = eqsel,\n    JOIN = eqjoinsel\n);\n"
    );
}

#[test]
fn the_shell_of_an_operator_is_not_dumped() {
    let mut f = Fixture::new();
    let id = add_operator(&mut f, "~~~", 'b', detail());
    f.catalog.operator_mut(id).unwrap().oprcode = 0;
    assert_eq!(dump(&f).sql(&[id]), "");
}

#[test]
fn an_access_method_is_for_tables_or_indexes() {
    let mut f = Fixture::new();
    let mut add = |name: &str, amtype| {
        let it = AccessMethod { amtype, handler: "s.handler".into() };
        f.add_without_schema(name, ObjectKind::AccessMethod(it))
    };
    let ids = [add("T", 't'), add("i", 'i')];
    assert_eq!(
        dump(&f).sql(&ids),
        "CREATE ACCESS METHOD \"T\" TYPE TABLE HANDLER s.handler;\n\
         CREATE ACCESS METHOD i TYPE INDEX HANDLER s.handler;\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&ids[..1]), "DROP ACCESS METHOD IF EXISTS \"T\";\n");
}

fn members() -> (Vec<OpMember>, Vec<ProcMember>) {
    let operator =
        |strategy, operator: &str, sort_family| OpMember { strategy, operator: operator.into(), sort_family };
    let sort_family = Some(("pg_catalog".into(), "float_ops".into()));
    let operators = vec![operator(1, "<(text,text)", None), operator(15, "<->(text,text)", sort_family)];
    let (left_type, right_type) = ("text".into(), "text".into());
    let function = ProcMember { number: 1, left_type, right_type, function: "cmp(text,text)".into() };
    (operators, vec![function])
}

#[test]
fn a_class_lists_storage_operators_and_functions() {
    let mut f = Fixture::new();
    let (operators, functions) = members();
    let it = Opclass {
        owner: OWNER.into(),
        amname: "gist".into(),
        opcdefault: true,
        opcintype: 25,
        input_type: "text".into(),
        key_type: "bytea".into(),
        family: Some(("s".into(), "Fam".into())),
        operators,
        functions,
    };
    let id = f.add("c", ObjectKind::Opclass(Box::new(it)));
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE OPERATOR CLASS s.c\n    DEFAULT FOR TYPE text USING gist FAMILY s.\"Fam\" AS\n    \
         STORAGE bytea ,\n    OPERATOR 1 <(text,text) ,\n    \
         OPERATOR 15 <->(text,text) FOR ORDER BY pg_catalog.float_ops ,\n    \
         FUNCTION 1 (text, text) cmp(text,text);\nALTER OPERATOR CLASS s.c USING gist OWNER TO o;\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP OPERATOR CLASS IF EXISTS s.c USING gist;\n");
}

#[test]
fn a_class_of_nothing_stores_its_own_type() {
    let mut f = Fixture::new();
    let it = Opclass {
        owner: OWNER.into(),
        amname: "btree".into(),
        opcdefault: false,
        opcintype: 25,
        input_type: "text".into(),
        key_type: "-".into(),
        family: None,
        operators: Vec::new(),
        functions: Vec::new(),
    };
    let id = f.add("c", ObjectKind::Opclass(Box::new(it)));
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[id]);
    assert_eq!(text, "CREATE OPERATOR CLASS s.c\n    FOR TYPE text USING btree AS\n    STORAGE text;\n");
}

#[test]
fn a_family_gets_its_loose_members_afterwards() {
    let mut f = Fixture::new();
    let family = |(operators, functions)| Opfamily {
        owner: OWNER.into(),
        amname: "btree".into(),
        operators,
        functions,
    };
    let bare = f.add("bare", ObjectKind::Opfamily(Box::new(family((Vec::new(), Vec::new())))));
    let full = f.add("full", ObjectKind::Opfamily(Box::new(family(members()))));
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[bare, full]),
        "CREATE OPERATOR FAMILY s.bare USING btree;\nCREATE OPERATOR FAMILY s.full USING btree;\n\
         ALTER OPERATOR FAMILY s.full USING btree ADD\n    OPERATOR 1 <(text,text) ,\n    \
         OPERATOR 15 <->(text,text) FOR ORDER BY pg_catalog.float_ops ,\n    \
         FUNCTION 1 (text, text) cmp(text,text);\n"
    );
}

#[test]
fn headers_name_operators_and_classes_without_their_types() {
    let mut f = Fixture::new();
    let operator = add_operator(&mut f, "===", 'b', detail());
    let family = Opfamily {
        owner: OWNER.into(),
        amname: "btree".into(),
        operators: Vec::new(),
        functions: Vec::new(),
    };
    let family = f.add("F", ObjectKind::Opfamily(Box::new(family)));
    f.comment(family, "why");
    let method = AccessMethod { amtype: 'i', handler: "s.handler".into() };
    let method = f.add_without_schema("m", ObjectKind::AccessMethod(method));
    f.comment(method, "how");
    assert_eq!(
        dump(&f).headers(&[operator, family, method]),
        [
            "Name: ===; Type: OPERATOR; Schema: s; Owner: o",
            "Name: F; Type: OPERATOR FAMILY; Schema: s; Owner: o",
            "Name: OPERATOR FAMILY \"F\" USING btree; Type: COMMENT; Schema: s; Owner: o",
            "Name: m; Type: ACCESS METHOD; Schema: -; Owner: -",
            "Name: ACCESS METHOD m; Type: COMMENT; Schema: -; Owner: ",
        ]
    );
}

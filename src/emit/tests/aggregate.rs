//! Aggregate functions.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER, acl};
use crate::catalog::{Acl, Aggregate, AggregateDetail, DumpId, ObjectKind, Operator};

fn detail() -> AggregateDetail {
    let none = || "-".to_owned();
    AggregateDetail {
        arguments: "n integer".into(),
        identity_arguments: "integer".into(),
        aggkind: 'n',
        aggtransfn: "s.step".into(),
        aggfinalfn: none(),
        aggcombinefn: none(),
        aggserialfn: none(),
        aggdeserialfn: none(),
        aggmtransfn: none(),
        aggminvtransfn: none(),
        aggmfinalfn: none(),
        aggfinalextra: false,
        aggmfinalextra: false,
        aggfinalmodify: 'r',
        aggmfinalmodify: 'r',
        aggsortop: 0,
        aggtranstype: "bigint".into(),
        aggtransspace: 0,
        aggmtranstype: none(),
        aggmtransspace: 0,
        agginitval: None,
        aggminitval: None,
        proparallel: 'u',
    }
}

fn add(f: &mut Fixture, arg_types: Vec<u32>, detail: AggregateDetail) -> DumpId {
    f.name_type(23, "integer");
    let it = Aggregate { owner: OWNER.into(), acl: Acl::default(), arg_types, detail: Some(detail) };
    f.add("A", ObjectKind::Aggregate(Box::new(it)))
}

/// The part of the definition after SFUNC and STYPE.
fn more(detail: AggregateDetail) -> String {
    let mut f = Fixture::new();
    let id = add(&mut f, vec![23], detail);
    let text = dump(&f).with(|o| o.no_owner = true).sql(&[id]);
    text.split_once("    STYPE = bigint").unwrap().1.replace("\n    ", " ")
}

#[test]
fn an_aggregate_has_at_least_a_step_and_a_state() {
    let mut f = Fixture::new();
    let id = add(&mut f, vec![23], detail());
    f.comment(id, "sum");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE AGGREGATE s.\"A\"(n integer) (\n    SFUNC = s.step,\n    STYPE = bigint\n);\n\
         ALTER AGGREGATE s.\"A\"(integer) OWNER TO o;\nCOMMENT ON AGGREGATE s.\"A\"(integer) IS 'sum';\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP AGGREGATE IF EXISTS s.\"A\"(integer);\n");
}

#[test]
fn an_aggregate_of_no_arguments_has_a_star() {
    let mut f = Fixture::new();
    let id = add(&mut f, Vec::new(), detail());
    assert!(dump(&f).sql(&[id]).starts_with("CREATE AGGREGATE s.\"A\"(*) ("));
    assert_eq!(dump(&f).drops(&[id]), "DROP AGGREGATE s.\"A\"(*);\n");
}

#[test]
fn grants_know_aggregates_as_functions() {
    let mut f = Fixture::new();
    let id = add(&mut f, vec![23], detail());
    let ObjectKind::Aggregate(it) = &mut f.catalog.object_mut(id).kind else { unreachable!() };
    it.acl = acl(&["x=X/o"], &[]);
    let text = dump(&f).sql(&[id]);
    assert!(text.ends_with("GRANT ALL ON FUNCTION s.\"A\"(integer) TO x;\n"), "{text}");
}

#[test]
fn functions_for_parallel_plans_and_moving_windows_follow() {
    let it = AggregateDetail {
        aggtransspace: 8,
        agginitval: Some("it's".into()),
        aggcombinefn: "comb".into(),
        aggserialfn: "ser".into(),
        aggdeserialfn: "deser".into(),
        aggmtransfn: "mstep".into(),
        aggminvtransfn: "minv".into(),
        aggmtranstype: "text".into(),
        aggmtransspace: 9,
        aggminitval: Some("0".into()),
        proparallel: 's',
        ..detail()
    };
    assert_eq!(
        more(it),
        ", SSPACE = 8, INITCOND = 'it''s', COMBINEFUNC = comb, SERIALFUNC = ser, DESERIALFUNC = deser, \
         MSFUNC = mstep, MINVFUNC = minv, MSTYPE = text, MSSPACE = 9, MINITCOND = '0', PARALLEL = safe\n);\n"
    );
}

#[test]
fn an_aggregate_can_be_restricted_to_the_leader() {
    let it = AggregateDetail { proparallel: 'r', ..detail() };
    assert_eq!(more(it), ", PARALLEL = restricted\n);\n");
}

#[test]
fn how_the_final_function_changes_the_state_is_told_if_it_is_not_usual() {
    let last = |aggkind, aggfinalmodify| AggregateDetail {
        aggkind,
        aggfinalmodify,
        aggfinalfn: "fin".into(),
        aggfinalextra: true,
        ..detail()
    };
    let text = |modify: &str| format!(", FINALFUNC = fin, FINALFUNC_EXTRA{modify}\n);\n");
    assert_eq!(more(last('n', 'r')), text(""));
    assert_eq!(more(last('n', 'w')), text(", FINALFUNC_MODIFY = READ_WRITE"));
    assert_eq!(more(last('n', 's')), text(", FINALFUNC_MODIFY = SHAREABLE"));
    assert_eq!(more(last('o', 'w')), text(""));
    assert_eq!(more(last('h', 'r')), text(", FINALFUNC_MODIFY = READ_ONLY, HYPOTHETICAL"));
    let moving = AggregateDetail { aggmfinalfn: "mfin".into(), aggmfinalmodify: 'w', ..detail() };
    assert_eq!(more(moving), ", MFINALFUNC = mfin, MFINALFUNC_MODIFY = READ_WRITE\n);\n");
}

#[test]
fn a_sort_operator_is_named_with_its_schema() {
    let mut f = Fixture::new();
    let owner = OWNER.into();
    let it = Operator { owner, oprkind: 'b', oprleft: 23, oprright: 23, oprcode: 1, detail: None };
    let operator = f.add("<", ObjectKind::Operator(Box::new(it)));
    let it = AggregateDetail { aggsortop: f.oid(operator), ..detail() };
    let id = add(&mut f, vec![23], it);
    assert!(dump(&f).sql(&[id]).contains("    SORTOP = OPERATOR(s.<)\n);\n"));
}

#[test]
fn the_header_of_an_aggregate_has_its_arguments() {
    let mut f = Fixture::new();
    let of_integer = add(&mut f, vec![23], detail());
    let of_nothing = add(&mut f, Vec::new(), detail());
    assert_eq!(
        dump(&f).headers(&[of_integer, of_nothing]),
        [
            "Name: A(integer); Type: AGGREGATE; Schema: s; Owner: o",
            "Name: A(*); Type: AGGREGATE; Schema: s; Owner: o"
        ]
    );
}

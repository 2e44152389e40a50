//! Tests of the order itself, and of each loop repair on a catalog that has only that loop.

mod repair;

use super::*;
use crate::catalog::{AccessMethod, CatalogId, ObjectKind};
use proptest::prelude::*;

fn catalog(names: &[String], edges: &[(usize, usize)]) -> (Catalog, Vec<DumpId>) {
    let mut catalog = Catalog::default();
    let ids: Vec<_> = names
        .iter()
        .map(|name| {
            let kind = ObjectKind::AccessMethod(AccessMethod { amtype: 'i', handler: String::new() });
            catalog.add(CatalogId::default(), name.clone(), None, kind)
        })
        .collect();
    for &(from, to) in edges {
        catalog.add_dependency(ids[from], ids[to]);
    }
    (catalog, ids)
}

fn names_in_order(catalog: &mut Catalog) -> Vec<String> {
    order(catalog, 18, &Warnings::default())
        .unwrap()
        .into_iter()
        .map(|id| catalog.object(id).name.clone())
        .collect()
}

proptest! {
    /// Dependencies are respected, and the order in which objects were read does not matter.
    #[test]
    fn dependencies_hold_whatever_the_input_order(
        n in 1usize..40,
        raw in prop::collection::vec((0usize..40, 0usize..40), 0..120),
        seed: u64,
    ) {
        let names: Vec<String> = (0..n).map(|i| format!("n{:02}", (i * 7 + 3) % n)).collect();
        // Edges lead from larger to smaller indexes, so there are no loops.
        let edges: Vec<_> = raw.iter().map(|&(a, b)| (a % n, b % n)).filter(|(a, b)| a > b).collect();
        let (mut first, ids) = catalog(&names, &edges);
        let ordered = order(&mut first, 18, &Warnings::default()).unwrap();
        let place = |id: DumpId| ordered.iter().position(|&o| o == id);
        for &(from, to) in &edges {
            prop_assert!(place(ids[from]) > place(ids[to]));
        }
        let mut shuffled: Vec<usize> = (0..n).collect();
        shuffled.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1));
        let where_is = |i: usize| shuffled.iter().position(|&s| s == i).unwrap_or(0);
        let names2: Vec<_> = shuffled.iter().map(|&i| names[i].clone()).collect();
        let edges2: Vec<_> = edges.iter().map(|&(a, b)| (where_is(a), where_is(b))).collect();
        let (mut second, _) = catalog(&names2, &edges2);
        let distinct = names.iter().collect::<std::collections::HashSet<_>>().len() == n;
        if distinct {
            prop_assert_eq!(names_in_order(&mut second), names_in_order(&mut first));
        }
    }
}

#[test]
fn an_unknown_loop_is_an_error_that_names_its_members() {
    let names = ["a", "b", "c", "d"].map(str::to_owned);
    let (mut catalog, _) = catalog(&names, &[(0, 1), (1, 2), (2, 0), (3, 0)]);
    let report = order(&mut catalog, 18, &Warnings::default()).unwrap_err().report();
    assert!(
        report.contains("ACCESS METHOD a, ACCESS METHOD b, ACCESS METHOD c") && !report.contains("METHOD d"),
        "{report}"
    );
}

#[test]
fn the_order_by_name_is_disturbed_least() {
    let names = ["a", "b", "c", "d"].map(str::to_owned);
    let (mut catalog, _) = catalog(&names, &[(0, 2)]);
    assert_eq!(names_in_order(&mut catalog), ["c", "a", "b", "d"]);
}

//! The order of a dump: as pg_dump's, so that logically equal databases give equal dumps.
//!
//! First by kind, namespace, name and what else makes up the natural key. Then topologically,
//! disturbing that order least. Loops in the dependencies that the server itself allows are
//! broken by a repair of their own each ([`repair`]).

mod circles;
mod membership;
mod natural;
mod repair;

use std::collections::BinaryHeap;

use crate::catalog::{Catalog, DumpId};
use crate::error::Result;

pub use membership::order_memberships;

/// Puts all objects in the order in which they are dumped. Repairs of loops change the catalog:
/// they drop dependencies, and mark objects that must be printed in two steps.
///
/// # Errors
/// A loop that no repair knows, with the names of its members. pg_dump cuts it anywhere, with a
/// warning, and its dump may not come back.
pub fn order(catalog: &mut Catalog, dialect: u32) -> Result<Vec<DumpId>> {
    let mut by_name: Vec<DumpId> = catalog.ids().collect();
    natural::sort(catalog, &mut by_name, dialect);
    let mut circles = Vec::new();
    let ordered = loop {
        match topological(catalog, &by_name) {
            Ok(ordered) => break ordered,
            Err(left) => repair::break_loops(catalog, &left, &mut circles)?,
        }
    };
    if let Some(warning) = circles::warning(catalog, &circles) {
        tracing::warn!("{warning}");
    }
    Ok(ordered)
}

/// Orders `by_name` so that dependencies come first, moving as little as possible: from the end
/// of the list backwards, always the latest of the objects that nothing left depends on. Gives
/// the objects that could not be placed, by id, if there is a loop.
fn topological(catalog: &Catalog, by_name: &[DumpId]) -> Result<Vec<DumpId>, Vec<DumpId>> {
    let edges = Edges::new(catalog);
    let mut dependents = vec![0u32; by_name.len()];
    edges.targets.iter().for_each(|on| dependents[on.index()] += 1);
    let mut position = vec![0usize; by_name.len()];
    by_name.iter().enumerate().for_each(|(i, id)| position[id.index()] = i);
    let mut ready: BinaryHeap<usize> =
        (0..by_name.len()).filter(|&i| dependents[by_name[i].index()] == 0).collect();
    let mut backwards = Vec::with_capacity(by_name.len());
    while let Some(i) = ready.pop() {
        let id = by_name[i];
        backwards.push(id);
        for on in edges.of(id) {
            let left = &mut dependents[on.index()];
            *left -= 1;
            if *left == 0 {
                ready.push(position[on.index()]);
            }
        }
    }
    if backwards.len() == by_name.len() {
        backwards.reverse();
        Ok(backwards)
    } else {
        Err(catalog.ids().filter(|id| dependents[id.index()] != 0).collect())
    }
}

/// All dependencies side by side: the objects themselves are too large for a processor's cache.
struct Edges {
    targets: Vec<DumpId>,
    /// Where those of each object end.
    ends: Vec<usize>,
}

impl Edges {
    fn new(catalog: &Catalog) -> Self {
        let mut edges = Edges { targets: Vec::new(), ends: Vec::new() };
        for id in catalog.ids() {
            edges.targets.extend(&catalog.object(id).dependencies);
            edges.ends.push(edges.targets.len());
        }
        edges
    }

    fn of(&self, id: DumpId) -> &[DumpId] {
        let start = id.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.targets[start..self.ends[id.index()]]
    }
}

#[cfg(test)]
mod tests {
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
        order(catalog, 18).unwrap().into_iter().map(|id| catalog.object(id).name.clone()).collect()
    }

    proptest! {
        /// Dependencies hold, and the order in which objects were read does not matter.
        #[test]
        fn dependencies_hold_whatever_the_input_order(
            n in 1usize..40,
            raw in prop::collection::vec((0usize..40, 0usize..40), 0..120),
            seed: u64,
        ) {
            let names: Vec<String> = (0..n).map(|i| format!("n{:02}", (i * 7 + 3) % n)).collect();
            // Edges from larger to smaller index: no loops.
            let edges: Vec<_> = raw.iter().map(|&(a, b)| (a % n, b % n)).filter(|(a, b)| a > b).collect();
            let (mut first, ids) = catalog(&names, &edges);
            let ordered = order(&mut first, 18).unwrap();
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
        let report = order(&mut catalog, 18).unwrap_err().report();
        assert!(report.contains("object a, object b, object c") && !report.contains("object d"), "{report}");
    }

    #[test]
    fn the_order_by_name_is_disturbed_least() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let (mut catalog, _) = catalog(&names, &[(0, 2)]);
        assert_eq!(names_in_order(&mut catalog), ["c", "a", "b", "d"]);
    }
}

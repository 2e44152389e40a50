//! The order of a dump, which is pg_dump's, so that logically equal databases give equal dumps.
//!
//! Objects are first sorted by kind, namespace, name and the rest of the natural key, and then topologically,
//! changing that order as little as possible. Each kind of dependency loop that the server allows has its own
//! repair ([`repair`]).

// A new kind of object must not be forgotten: the compiler points to each place that must handle it.
#![deny(clippy::wildcard_enum_match_arm)]

mod circles;
mod membership;
mod natural;
mod repair;

use std::collections::BinaryHeap;

use crate::catalog::{Catalog, DumpId};
use crate::error::Result;
use crate::progress::Warnings;

pub(crate) use membership::order_memberships;

/// Puts all objects in the order in which they are dumped. Repairs of loops change the catalog: they drop
/// dependencies, and mark objects that must be printed in two steps.
///
/// # Errors
/// A loop that no repair handles, with the names of its members. pg_dump cuts it at an arbitrary place, with
/// a warning, and its dump may not restore.
pub(crate) fn order(catalog: &mut Catalog, dialect: u32, warnings: &Warnings) -> Result<Vec<DumpId>> {
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
        warnings.warn(warning);
    }
    Ok(ordered)
}

/// Orders `by_name` so that dependencies come first, moving as little as possible. It fills the list from the
/// end, each time with the last object that no remaining object depends on. If there is a loop, returns the
/// objects that could not be placed, by id.
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

/// All dependencies in one array: the objects themselves are too large for the processor's cache.
struct Edges {
    targets: Vec<DumpId>,
    /// Where the dependencies of each object end in that array.
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
mod tests;

//! The warning about foreign keys that no order of rows can satisfy.

use crate::catalog::{Catalog, DumpId};

/// How many circles are named; the rest are only counted.
const MOST_NAMED: usize = 20;

/// Names the tables that refer to each other in circles, or to themselves, in one warning for the whole dump,
/// as databases may have many. `circles` holds the table data of each circle.
pub(super) fn warning(catalog: &Catalog, circles: &[Vec<DumpId>]) -> Option<String> {
    let name = |&id: &DumpId| match catalog.namespace_name(id) {
        Some(namespace) => format!("{namespace}.{}", catalog.object(id).name),
        None => catalog.object(id).name.clone(),
    };
    let (alone, groups): (Vec<_>, Vec<_>) = circles.iter().partition(|members| members.len() == 1);
    let alone: Vec<String> = alone.iter().flat_map(|members| members.iter().map(name)).collect();
    let groups: Vec<String> = groups
        .iter()
        .map(|members| format!("({})", members.iter().map(name).collect::<Vec<_>>().join(", ")))
        .collect();
    let mut sentences = Vec::new();
    match alone.as_slice() {
        [] => {}
        [table] => sentences.push(format!("table {table} has a foreign key to itself")),
        tables => sentences.push(format!("these tables have foreign keys to themselves: {}", listed(tables))),
    }
    match groups.as_slice() {
        [] => {}
        [tables] => sentences.push(format!("there are circular foreign keys among these tables: {tables}")),
        groups => sentences
            .push(format!("there are circular foreign keys among each of these groups: {}", listed(groups))),
    }
    if sentences.is_empty() {
        return None;
    }
    Some(format!(
        "{}; you might not be able to restore the dump without --disable-triggers or temporarily dropping \
         the constraints: consider a full dump instead of a data-only one",
        sentences.join("; ")
    ))
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{AccessMethod, CatalogId, ObjectKind};

    /// The warning about circles of the given sizes.
    fn said(sizes: &[usize]) -> Option<String> {
        let mut catalog = Catalog::default();
        let mut count = 0;
        let circles: Vec<Vec<DumpId>> = sizes
            .iter()
            .map(|&size| {
                (0..size)
                    .map(|_| {
                        count += 1;
                        let kind =
                            ObjectKind::AccessMethod(AccessMethod { amtype: 'i', handler: String::new() });
                        catalog.add(CatalogId::default(), format!("t{count}"), None, kind)
                    })
                    .collect()
            })
            .collect();
        warning(&catalog, &circles)
    }

    #[test]
    fn one_warning_names_all_circles() {
        assert_eq!(said(&[]), None);
        assert!(said(&[1]).unwrap().starts_with("table t1 has a foreign key to itself; you"));
        assert!(
            said(&[1, 1]).unwrap().starts_with("these tables have foreign keys to themselves: t1, t2; you")
        );
        assert!(
            said(&[2])
                .unwrap()
                .starts_with("there are circular foreign keys among these tables: (t1, t2); you")
        );
        let both = said(&[1, 2, 3]).unwrap();
        assert!(both.contains("t1 has a foreign key to itself; there are"), "{both}");
        assert!(both.contains("each of these groups: (t2, t3), (t4, t5, t6); you"), "{both}");
        let many = said(&[1; 58]).unwrap();
        assert!(many.contains("t20 and 38 more; you") && !many.contains("t21"), "{many}");
        assert_eq!(many.matches("--disable-triggers").count(), 1);
    }
}

//! `pg_largeobject_metadata`: large objects, individually or in groups.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Acl, Catalog, CatalogId, Components, ObjectKind, Oid, class};
use crate::error::Result;

/// From version 17 on, large objects with the same owner and privileges are dumped in groups of at most this
/// size.
const GROUP_SIZE: usize = 1000;

/// A large object, or a group of them with the same owner and privileges.
#[derive(Debug)]
pub(crate) struct LargeObjects {
    pub owner: String,
    pub acl: Acl,
    /// Their OIDs, ascending.
    pub oids: Vec<Oid>,
}

/// Whether one object stands for many.
fn is_grouped(r: &Reader<'_>) -> bool {
    r.dialect >= 17
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    // In this order, consecutive rows with the same owner and privileges form a group.
    let order =
        if is_grouped(r) { "ORDER BY lomowner, lomacl::pg_catalog.text, oid" } else { "ORDER BY oid" };
    let sql = format!(
        "SELECT oid, lomowner, lomacl::text[] AS acl,
                pg_catalog.acldefault('L', lomowner)::text[] AS acldefault
           FROM pg_catalog.pg_largeobject_metadata {order}"
    );
    r.start("pg_largeobject_metadata", &sql)
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    let grouped = is_grouped(r);
    let mut groups: Vec<LargeObjects> = Vec::new();
    for row in rows.rows().await? {
        let oid = row.oid("oid")?;
        let owner = catalog.role(row.oid("lomowner")?);
        let acl = Acl::from_row(&row)?;
        match groups.last_mut() {
            Some(group)
                if grouped
                    && group.oids.len() < GROUP_SIZE
                    && group.owner == owner
                    && group.acl.acl == acl.acl =>
            {
                group.oids.push(oid);
            }
            _ => groups.push(LargeObjects { owner, acl, oids: vec![oid] }),
        }
    }
    let any = !groups.is_empty();
    for group in groups {
        add_group(catalog, group, grouped);
    }
    if any && !grouped {
        let data =
            catalog.add(CatalogId::default(), "BLOBS".to_owned(), None, ObjectKind::LargeObjectData(None));
        catalog.object_mut(data).components |= Components::DATA;
    }
    Ok(())
}

fn add_group(catalog: &mut Catalog, group: LargeObjects, grouped: bool) {
    let (Some(&first), Some(&last)) = (group.oids.first(), group.oids.last()) else { return };
    let name = if first == last { first.to_string() } else { format!("{first}..{last}") };
    let has_acl = group.acl.acl.is_some();
    let catalog_id = CatalogId { classoid: class::PG_LARGEOBJECT, oid: first };
    let oids = group.oids.clone();
    let id = catalog.add(catalog_id, name.clone(), None, ObjectKind::LargeObjects(Box::new(group)));
    for oid in oids {
        catalog.by_catalog_id.insert(CatalogId { classoid: class::PG_LARGEOBJECT, oid }, id);
    }
    let object = catalog.object_mut(id);
    object.components |= Components::DATA;
    object.components.set(Components::ACL, has_acl);
    if grouped {
        let data = catalog.add(CatalogId::default(), name, None, ObjectKind::LargeObjectData(Some(id)));
        catalog.add_dependency(data, id);
        catalog.object_mut(data).components |= Components::DATA;
    }
}

//! `pg_namespace`: schemas.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Acl, Catalog, CatalogId, Components, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Namespace {
    pub owner: String,
    pub acl: Acl,
    /// False for `public`, which every new database has, unless it was selected by name.
    pub create: bool,
    /// The components that its objects are selected for.
    pub dump_contents: Components,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_namespace",
        "SELECT oid, nspname, nspowner, nspacl::text[] AS acl,
                pg_catalog.acldefault('n', nspowner)::text[] AS acldefault
           FROM pg_catalog.pg_namespace",
    )
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let oid = row.oid("oid")?;
        let name = row.text("nspname")?;
        let nspowner = row.oid("nspowner")?;
        let owner = catalog.role(nspowner);
        let mut acl = Acl::from_row(&row)?;
        let has_acl = acl.acl.is_some();
        let public = name == "public";
        // Until 14 only its privileges were dumped, as the difference from pg_init_privs.
        let public_is_dumped = public && r.dialect >= 15;
        if public_is_dumped {
            acl.initial = Some(initial_privileges_of_public(&owner));
        }
        let (mut dump, dump_contents) = r.selection.namespace(oid, &name, nspowner);
        if r.selection.comes_with_database(&name) && !public_is_dumped {
            dump &= Components::ACL;
        }
        let namespace =
            Namespace { owner, acl, create: !r.selection.comes_with_database(&name), dump_contents };
        let id = catalog.add(
            CatalogId { classoid: class::PG_NAMESPACE, oid },
            name,
            None,
            ObjectKind::Namespace(Box::new(namespace)),
        );
        let object = catalog.object_mut(id);
        object.dump = dump;
        object.components.set(Components::ACL, has_acl || public_is_dumped);
        let comes_with_database = r.selection.comes_with_database(&object.name);
        object.components.set(Components::COMMENT, public_is_dumped && comes_with_database);
        crate::catalog::selection::member_of_extension(catalog, id);
    }
    Ok(())
}

/// The privileges that `initdb` grants on `public`, for its current owner: the dump prints the difference
/// from the privileges in a new database.
fn initial_privileges_of_public(owner: &str) -> Vec<String> {
    let owner = super::acl::quote_role(owner);
    vec![format!("{owner}=UC/{owner}"), format!("=U/{owner}")]
}

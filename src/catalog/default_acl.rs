//! `pg_default_acl`: what ALTER DEFAULT PRIVILEGES set.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Acl, Catalog, CatalogId, Components, ObjectKind, class};
use crate::error::Result;

/// Default privileges of one role, for one kind of object, in one schema or in all.
#[derive(Debug)]
pub(crate) struct DefaultAcl {
    /// The role whose new objects get them.
    pub role: String,
    /// `defaclobjtype`: r, S, f, T, n or L.
    pub defaclobjtype: char,
    pub acl: Acl,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_default_acl",
        "SELECT oid, defaclrole, defaclnamespace, defaclobjtype, defaclacl::text[] AS acl,
                CASE WHEN defaclnamespace = 0 THEN pg_catalog.acldefault(
                    CASE defaclobjtype WHEN 'S' THEN 's'::\"char\" ELSE defaclobjtype END,
                    defaclrole)::text[] ELSE '{}' END AS acldefault
           FROM pg_catalog.pg_default_acl",
    )
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let defaclobjtype = row.char("defaclobjtype")?;
        let default_acl = DefaultAcl {
            role: catalog.role(row.oid("defaclrole")?),
            defaclobjtype,
            acl: Acl::from_row(&row)?,
        };
        let nspoid = row.oid("defaclnamespace")?;
        let id = catalog.add(
            CatalogId { classoid: class::PG_DEFAULT_ACL, oid: row.oid("oid")? },
            defaclobjtype.to_string(),
            (nspoid != 0).then(|| catalog.namespace_by_oid(nspoid)).flatten(),
            ObjectKind::DefaultAcl(Box::new(default_acl)),
        );
        let selected = crate::catalog::selection::contents_of_namespace(catalog, id);
        let object = catalog.object_mut(id);
        object.components |= Components::ACL;
        object.dump = selected.unwrap_or_else(|| r.selection.everything());
    }
    Ok(())
}

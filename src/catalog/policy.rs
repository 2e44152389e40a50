//! `pg_policy`: row security policies, and whether row security is enabled.

use super::reader::{Reader, only_if};
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, Oid, RelKind, class};
use crate::error::Result;

/// A policy, or the fact that row security is enabled.
#[derive(Debug)]
pub(crate) struct Policy {
    pub table: DumpId,
    /// `None` stands for ENABLE ROW LEVEL SECURITY.
    pub rule: Option<PolicyRule>,
}

#[derive(Debug)]
pub(crate) struct PolicyRule {
    /// `polcmd`: r, a, w, d or *.
    pub polcmd: char,
    /// PERMISSIVE if true, otherwise RESTRICTIVE.
    pub polpermissive: bool,
    /// Roles, ready to be printed; `None` for PUBLIC.
    pub roles: Option<String>,
    pub using: Option<String>,
    pub check: Option<String>,
}

pub(super) fn start(r: &Reader<'_>, catalog: &Catalog) -> StartedQuery {
    let printed = r.prints_post_data();
    let sql = format!(
        "SELECT oid, polrelid, polname, polcmd, polpermissive,
                CASE WHEN polroles <> '{{0}}' THEN pg_catalog.array_to_string(ARRAY(
                  SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles
                   WHERE oid = ANY (polroles)), ', ') END AS roles,
                {qual} AS qual, {with_check} AS with_check
           FROM pg_catalog.pg_policy WHERE polrelid = ANY ($1)",
        qual = only_if(printed, "pg_catalog.pg_get_expr(polqual, polrelid)"),
        with_check = only_if(printed, "pg_catalog.pg_get_expr(polwithcheck, polrelid)"),
    );
    r.start_oids("pg_policy", &sql, tables(r, catalog))
}

/// The tables that can have policies, unless policies are left out.
fn tables(r: &Reader<'_>, catalog: &Catalog) -> Vec<Oid> {
    catalog.relation_oids(|object, rel| {
        !r.options.no_policies
            && object.dump.contains(Components::POLICY)
            && matches!(rel.relkind, RelKind::Table | RelKind::PartitionedTable)
    })
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, policies: StartedQuery) -> Result<()> {
    for oid in tables(r, catalog) {
        let Some(table) = catalog.find(class::PG_CLASS, oid) else { continue };
        if !catalog.relation(table).is_some_and(|rel| rel.relrowsecurity) {
            continue;
        }
        let object = catalog.object_mut(table);
        object.components |= Components::POLICY;
        let (name, namespace) = (object.name.clone(), object.namespace);
        catalog.add(
            CatalogId { classoid: 0, oid },
            name,
            namespace,
            ObjectKind::Policy(Box::new(Policy { table, rule: None })),
        );
    }
    for row in policies.rows().await? {
        let Some(table) = catalog.find(class::PG_CLASS, row.oid("polrelid")?) else { continue };
        let rule = PolicyRule {
            polcmd: row.char("polcmd")?,
            polpermissive: row.bool("polpermissive")?,
            roles: row.opt_text("roles")?,
            using: row.opt_text("qual")?,
            check: row.opt_text("with_check")?,
        };
        let object = catalog.object_mut(table);
        object.components |= Components::POLICY;
        let namespace = object.namespace;
        catalog.add(
            CatalogId { classoid: class::PG_POLICY, oid: row.oid("oid")? },
            row.text("polname")?,
            namespace,
            ObjectKind::Policy(Box::new(Policy { table, rule: Some(rule) })),
        );
    }
    Ok(())
}

//! `pg_description`, `pg_seclabel`, `pg_init_privs`: data that can be attached to objects of any kind.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, RelKind, class};
use crate::error::Result;

/// A comment or a security label.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// The column that it applies to, or 0 for the object itself.
    pub objsubid: i64,
    /// The label's provider; empty for comments.
    pub provider: String,
    pub text: String,
}

pub(super) fn start_comments(r: &Reader<'_>) -> StartedQuery {
    let sql = "SELECT classoid, objoid, objsubid, '' AS provider, description AS label
                 FROM pg_catalog.pg_description ORDER BY classoid, objoid, objsubid";
    r.start_aside("pg_description", sql, Ok)
}

pub(super) async fn read_comments(catalog: &mut Catalog, comments: StartedQuery) -> Result<()> {
    for row in comments.rows().await? {
        if let Some((id, label)) = labelled(catalog, &row, Components::COMMENT)? {
            catalog.comments.entry(id).or_default().push(label);
        }
    }
    Ok(())
}

pub(super) fn start_security_labels(r: &Reader<'_>) -> StartedQuery {
    let sql = "SELECT classoid, objoid, objsubid, provider, label
                 FROM pg_catalog.pg_seclabels ORDER BY classoid, objoid, objsubid";
    r.start("pg_seclabels", sql)
}

pub(super) async fn read_security_labels(catalog: &mut Catalog, labels: StartedQuery) -> Result<()> {
    for row in labels.rows().await? {
        if let Some((id, label)) = labelled(catalog, &row, Components::SECURITY_LABEL)? {
            catalog.security_labels.entry(id).or_default().push(label);
        }
    }
    Ok(())
}

fn labelled(
    catalog: &mut Catalog,
    row: &super::row::CatalogRow,
    component: Components,
) -> Result<Option<(CatalogId, Label)>> {
    let catalog_id = CatalogId { classoid: row.oid("classoid")?, oid: row.oid("objoid")? };
    let Some(id) = catalog.find(catalog_id.classoid, catalog_id.oid) else { return Ok(None) };
    let objsubid = row.int("objsubid")?;
    // Labels on a composite type's columns belong to its relation, but are dumped with the type.
    let owner = match catalog.relation(id) {
        Some(relation) if objsubid != 0 && relation.relkind == RelKind::CompositeType => {
            catalog.find(class::PG_TYPE, relation.reltype)
        }
        _ => Some(id),
    };
    if let Some(owner) = owner {
        catalog.object_mut(owner).components |= component;
    }
    let label = Label { objsubid, provider: row.text("provider")?, text: row.text("label")? };
    Ok(Some((catalog_id, label)))
}

pub(super) fn start_initial_privileges(r: &Reader<'_>) -> StartedQuery {
    let sql = "SELECT classoid, objoid, initprivs::text[] AS initprivs
                 FROM pg_catalog.pg_init_privs WHERE objsubid = 0";
    r.start("pg_init_privs", sql)
}

/// Reads the privileges that `initdb` and extensions granted, which dumps need not repeat.
pub(super) async fn read_initial_privileges(
    r: &Reader<'_>,
    catalog: &mut Catalog,
    privileges: StartedQuery,
) -> Result<()> {
    for row in privileges.rows().await? {
        let Some(id) = catalog.find(row.oid("classoid")?, row.oid("objoid")?) else { continue };
        let initial = row.opt_texts("initprivs")?;
        set_initial_privileges(catalog, id, initial, r.dialect < 15);
    }
    Ok(())
}

/// From 15 on, the initial privileges of schema public depend on its owner (namespace.rs).
fn set_initial_privileges(catalog: &mut Catalog, id: DumpId, initial: Option<Vec<String>>, of_public: bool) {
    let object = catalog.object_mut(id);
    let is_public = object.name == "public";
    let acl = match &mut object.kind {
        ObjectKind::Namespace(_) if is_public && !of_public => return,
        ObjectKind::Namespace(it) => &mut it.acl,
        ObjectKind::Type(it) => &mut it.acl,
        ObjectKind::Routine(it) => &mut it.acl,
        ObjectKind::Aggregate(it) => &mut it.acl,
        ObjectKind::Relation(it) => &mut it.acl,
        ObjectKind::Language(it) => &mut it.acl,
        ObjectKind::ForeignDataWrapper(it) => &mut it.acl,
        ObjectKind::ForeignServer(it) => &mut it.acl,
        // These have no initial privileges, or they are read elsewhere.
        ObjectKind::Extension(_)
        | ObjectKind::ShellType(_)
        | ObjectKind::DummyType(_)
        | ObjectKind::Operator(_)
        | ObjectKind::AccessMethod(_)
        | ObjectKind::Opclass(_)
        | ObjectKind::Opfamily(_)
        | ObjectKind::Collation(_)
        | ObjectKind::Conversion(_)
        | ObjectKind::TableAttach(_)
        | ObjectKind::AttrDef(_)
        | ObjectKind::Index(_)
        | ObjectKind::IndexAttach(_)
        | ObjectKind::ExtendedStatistics(_)
        | ObjectKind::Rule(_)
        | ObjectKind::Trigger(_)
        | ObjectKind::Constraint(_)
        | ObjectKind::ForeignKey(_)
        | ObjectKind::Cast(_)
        | ObjectKind::Transform(_)
        | ObjectKind::TableData(_)
        | ObjectKind::SequenceSet(_)
        | ObjectKind::RelationStatistics(_)
        | ObjectKind::RefreshMatView(_)
        | ObjectKind::TsParser(_)
        | ObjectKind::TsDict(_)
        | ObjectKind::TsTemplate(_)
        | ObjectKind::TsConfig(_)
        | ObjectKind::DefaultAcl(_)
        | ObjectKind::LargeObjects(_)
        | ObjectKind::LargeObjectData(_)
        | ObjectKind::EventTrigger(_)
        | ObjectKind::Policy(_)
        | ObjectKind::Publication(_)
        | ObjectKind::PublicationRel(_)
        | ObjectKind::PublicationNamespace(_)
        | ObjectKind::Subscription(_)
        | ObjectKind::PreDataBoundary
        | ObjectKind::PostDataBoundary => return,
    };
    acl.initial = initial;
}

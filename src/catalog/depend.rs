//! `pg_depend`: dependencies, which decide the order of objects.

use super::reader::Reader;
use super::started_query::Started;
use super::{Catalog, CatalogId, DumpId, ObjectKind};
use crate::error::Result;

/// A row of `pg_depend`: `dependent` depends on `referenced`.
struct Edge {
    dependent: CatalogId,
    referenced: CatalogId,
    deptype: u8,
}

/// All edges, in one row: there are many, and each is small.
pub(super) struct Edges(Vec<Edge>);

/// Queries all edges.
pub(super) fn start(r: &Reader<'_>) -> Started<Edges> {
    // Membership in extensions was handled before; members of operator classes stand for their families. The
    // order is pg_dump's, since it decides which loop is found and repaired first. That includes the order of
    // equal keys, which the server's sorting leaves to chance: it must sort exactly the rows that pg_dump asks for.
    //
    // Only then are the triggers that enforce constraints left out. They are not dumped, and they are a fifth of
    // all dependents. An object is packed into one number, as OIDs of catalogs are below 2^14: the server needs
    // half the time.
    r.start_aside(
        "pg_depend",
        "SELECT pg_catalog.array_agg(classid::int8 << 32 | objid::int8) FILTER (WHERE dumped) AS dependent,
                pg_catalog.array_agg(refclassid::int8 << 32 | refobjid::int8) FILTER (WHERE dumped) AS referenced,
                pg_catalog.string_agg(deptype::text, '') FILTER (WHERE dumped) AS deptype
           FROM (
         SELECT classid, objid, refclassid, refobjid, deptype
           FROM pg_catalog.pg_depend WHERE deptype <> 'p' AND deptype <> 'e'
         UNION ALL
         SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.amopfamily, d.refclassid, d.refobjid, d.deptype
           FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_amop o ON o.oid = d.objid
          WHERE d.deptype NOT IN ('p', 'e', 'i') AND d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass
            AND NOT (d.refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND o.amopfamily = d.refobjid)
         UNION ALL
         SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, p.amprocfamily, d.refclassid, d.refobjid, d.deptype
           FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_amproc p ON p.oid = d.objid
          WHERE d.deptype NOT IN ('p', 'e', 'i') AND d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass
            AND NOT (d.refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND p.amprocfamily = d.refobjid)
         ORDER BY 1, 2) d,
         LATERAL (SELECT NOT (classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                              AND refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass)) l (dumped)",
        |row| {
            let deptypes = row.opt_text("deptype")?.unwrap_or_default();
            let objects = row.packed_ids("dependent")?.into_iter().zip(row.packed_ids("referenced")?);
            let edge = |((dependent, referenced), deptype)| Edge { dependent, referenced, deptype };
            Ok(Edges(objects.zip(deptypes.into_bytes()).map(edge).collect()))
        },
    )
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, edges: Started<Edges>) -> Result<()> {
    let edges: Vec<Edge> = edges.rows().await?.into_iter().flat_map(|Edges(edges)| edges).collect();
    for Edge { dependent, referenced, deptype } in edges {
        let dependent = catalog.find(dependent.classoid, dependent.oid);
        let referenced = catalog.find(referenced.classoid, referenced.oid);
        if let (Some(dependent), Some(referenced)) = (dependent, referenced) {
            add_edge(catalog, dependent, referenced, deptype);
        }
    }
    read_extensions(r, catalog).await
}

fn add_edge(catalog: &mut Catalog, dependent: DumpId, referenced: DumpId, deptype: u8) {
    if deptype == b'x' {
        catalog.object_mut(dependent).depends_on_extension = true;
    }
    let row_type = matches!(catalog.object(dependent).kind, ObjectKind::Relation(_))
        && matches!(catalog.object(referenced).kind, ObjectKind::Type(_));
    if deptype == b'i' && row_type {
        // A composite type's relation depends on the type in the catalog; here it is the other way round.
        catalog.add_dependency(referenced, dependent);
    } else {
        catalog.add_dependency(dependent, referenced);
    }
}

/// Reads the dependencies recorded by `ALTER … DEPENDS ON EXTENSION`.
async fn read_extensions(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    if !catalog.ids().any(|id| catalog.object(id).depends_on_extension) {
        return Ok(());
    }
    // pg_dump requests no order, and gets the one in which the index on the dependent returns them.
    let rows = r
        .query(
            "pg_depend",
            "SELECT d.classid, d.objid, e.extname
               FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
              WHERE d.deptype = 'x' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
              ORDER BY d.ctid",
        )
        .await?;
    for row in rows {
        let Some(id) = catalog.find(row.oid("classid")?, row.oid("objid")?) else { continue };
        let extension = row.text("extname")?;
        match &mut catalog.object_mut(id).kind {
            ObjectKind::Routine(it) => {
                if let Some(detail) = &mut it.detail {
                    detail.depends_on_extensions.push(extension);
                }
            }
            ObjectKind::Trigger(it) => it.depends_on_extensions.push(extension),
            ObjectKind::Index(it) => it.depends_on_extensions.push(extension),
            ObjectKind::Relation(it) => it.depends_on_extensions.push(extension),
            // ALTER … DEPENDS ON EXTENSION does not apply to these.
            ObjectKind::Namespace(_)
            | ObjectKind::Extension(_)
            | ObjectKind::Type(_)
            | ObjectKind::ShellType(_)
            | ObjectKind::DummyType(_)
            | ObjectKind::Aggregate(_)
            | ObjectKind::Operator(_)
            | ObjectKind::AccessMethod(_)
            | ObjectKind::Opclass(_)
            | ObjectKind::Opfamily(_)
            | ObjectKind::Collation(_)
            | ObjectKind::Conversion(_)
            | ObjectKind::TableAttach(_)
            | ObjectKind::AttrDef(_)
            | ObjectKind::IndexAttach(_)
            | ObjectKind::ExtendedStatistics(_)
            | ObjectKind::Rule(_)
            | ObjectKind::Constraint(_)
            | ObjectKind::ForeignKey(_)
            | ObjectKind::Language(_)
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
            | ObjectKind::ForeignDataWrapper(_)
            | ObjectKind::ForeignServer(_)
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
            | ObjectKind::PostDataBoundary => {}
        }
    }
    Ok(())
}

/// Makes every object depend on the section boundary before it, and the boundary after it on the object.
pub(super) fn add_boundaries(catalog: &mut Catalog, dialect: u32) {
    let ids: Vec<_> = catalog.ids().collect();
    let boundary = |catalog: &mut Catalog, name: &str, kind| {
        catalog.add(CatalogId::default(), name.to_owned(), None, kind)
    };
    let pre = boundary(catalog, "PRE-DATA BOUNDARY", ObjectKind::PreDataBoundary);
    let post = boundary(catalog, "POST-DATA BOUNDARY", ObjectKind::PostDataBoundary);
    catalog.pre_data_boundary = Some(pre);
    catalog.post_data_boundary = Some(post);
    for id in ids {
        match &catalog.object(id).kind {
            // Up to 16, large objects are created in the pre-data section.
            ObjectKind::LargeObjects(_) if dialect < 17 => catalog.add_dependency(pre, id),
            ObjectKind::TableData(_)
            | ObjectKind::SequenceSet(_)
            | ObjectKind::LargeObjects(_)
            | ObjectKind::LargeObjectData(_) => {
                catalog.add_dependency(id, pre);
                catalog.add_dependency(post, id);
            }
            ObjectKind::Index(_)
            | ObjectKind::IndexAttach(_)
            | ObjectKind::ExtendedStatistics(_)
            | ObjectKind::RefreshMatView(_)
            | ObjectKind::Trigger(_)
            | ObjectKind::EventTrigger(_)
            | ObjectKind::DefaultAcl(_)
            | ObjectKind::Policy(_)
            | ObjectKind::Publication(_)
            | ObjectKind::PublicationRel(_)
            | ObjectKind::PublicationNamespace(_)
            | ObjectKind::Subscription(_) => catalog.add_dependency(id, post),
            ObjectKind::RelationStatistics(it) => {
                if it.post_data {
                    catalog.add_dependency(id, post);
                } else {
                    catalog.add_dependency(id, pre);
                    catalog.add_dependency(post, id);
                }
            }
            ObjectKind::Rule(rule) => {
                if rule.separate {
                    catalog.add_dependency(id, post);
                }
            }
            ObjectKind::Constraint(constraint) | ObjectKind::ForeignKey(constraint) => {
                if constraint.separate {
                    catalog.add_dependency(id, post);
                }
            }
            ObjectKind::Namespace(_)
            | ObjectKind::Extension(_)
            | ObjectKind::Type(_)
            | ObjectKind::ShellType(_)
            | ObjectKind::DummyType(_)
            | ObjectKind::Routine(_)
            | ObjectKind::Aggregate(_)
            | ObjectKind::Operator(_)
            | ObjectKind::AccessMethod(_)
            | ObjectKind::Opclass(_)
            | ObjectKind::Opfamily(_)
            | ObjectKind::Collation(_)
            | ObjectKind::Conversion(_)
            | ObjectKind::Relation(_)
            | ObjectKind::TableAttach(_)
            | ObjectKind::AttrDef(_)
            | ObjectKind::Language(_)
            | ObjectKind::Cast(_)
            | ObjectKind::Transform(_)
            | ObjectKind::TsParser(_)
            | ObjectKind::TsDict(_)
            | ObjectKind::TsTemplate(_)
            | ObjectKind::TsConfig(_)
            | ObjectKind::ForeignDataWrapper(_)
            | ObjectKind::ForeignServer(_)
            | ObjectKind::PreDataBoundary
            | ObjectKind::PostDataBoundary => {
                catalog.add_dependency(pre, id);
            }
        }
    }
    catalog.add_dependency(post, pre);
}

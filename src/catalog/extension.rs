//! `pg_extension`: extensions, their members, and those of their tables that hold users' rows.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, ObjectKind, Oid, class};
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug)]
pub(crate) struct Extension {
    /// The schema in which it is installed.
    pub schema: String,
    /// Tables whose rows belong to the user, each with a condition (`pg_extension_config_dump`).
    pub config: Vec<(Oid, String)>,
    /// The components that its members are selected for.
    pub dump_contents: Components,
}

/// The running queries about extensions.
pub(super) struct Extensions {
    extensions: StartedQuery,
    members: StartedQuery,
}

/// Queries which foreign keys refer to tables of extensions.
pub(super) fn start_keys(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_constraint",
        "SELECT c.conrelid, c.confrelid FROM pg_catalog.pg_constraint c
           JOIN pg_catalog.pg_depend d ON d.objid = c.confrelid
          WHERE c.contype = 'f'
            AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass",
    )
}

pub(super) fn start(r: &Reader<'_>) -> Extensions {
    Extensions {
        extensions: r.start(
            "pg_extension",
            "SELECT x.oid, x.extname, n.nspname, x.extconfig, x.extcondition
               FROM pg_catalog.pg_extension x
               JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace",
        ),
        members: r.start(
            "pg_depend",
            "SELECT classid, objid, refobjid FROM pg_catalog.pg_depend
              WHERE refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND deptype = 'e'",
        ),
    }
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, started: Extensions) -> Result<()> {
    for row in started.extensions.rows().await? {
        let oid = row.oid("oid")?;
        let (tables, conditions) = (row.oids("extconfig")?, row.texts("extcondition")?);
        if tables.len() != conditions.len() {
            return Err(Error::new(
                ErrorKind::SourceFailed,
                format!("read extension {}", row.text("extname")?),
            )
            .because("the number of its configuration tables differs from the number of their conditions"));
        }
        let dump = r.selection.extension(oid);
        let extension = Extension {
            schema: row.text("nspname")?,
            config: tables.into_iter().zip(conditions).collect(),
            dump_contents: dump,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_EXTENSION, oid },
            row.text("extname")?,
            None,
            ObjectKind::Extension(extension),
        );
        catalog.object_mut(id).dump = dump;
    }
    for row in started.members.rows().await? {
        if let Some(extension) = catalog.find(class::PG_EXTENSION, row.oid("refobjid")?) {
            let member = CatalogId { classoid: row.oid("classid")?, oid: row.oid("objid")? };
            catalog.members.insert(member, extension);
        }
    }
    Ok(())
}

/// Adds data objects for the extensions' configuration tables, after all relations are known.
pub(super) async fn add_config_data(r: &Reader<'_>, catalog: &mut Catalog, keys: StartedQuery) -> Result<()> {
    let mut wanted = Vec::new();
    for id in catalog.ids() {
        let Some(extension) = catalog.extension(id) else { continue };
        let object = catalog.object(id);
        if r.selection.extension_skipped(object.catalog_id.oid) {
            continue;
        }
        let defined = object.dump.contains(Components::DEFINITION);
        for (oid, condition) in &extension.config {
            let Some(table) = catalog.find(class::PG_CLASS, *oid) else { continue };
            let Some(namespace) = catalog.object(table).namespace else { continue };
            let namespace = catalog.object(namespace);
            let asked_for =
                defined || r.selection.table_named(*oid) || namespace.dump.contains(Components::DATA);
            if asked_for && !r.selection.table_or_schema_excluded(*oid, namespace.catalog_id.oid) {
                wanted.push((table, condition.clone()));
            }
        }
    }
    for (table, condition) in wanted {
        let data = super::table_data::add(r, catalog, table);
        if let Some(data) = data.and_then(|d| catalog.table_data_mut(d))
            && !condition.is_empty()
        {
            data.condition = Some(condition);
        }
    }
    order_config_data(catalog, keys).await
}

/// Rows of configuration tables are loaded into tables that already have their foreign keys, so referenced
/// tables come first.
async fn order_config_data(catalog: &mut Catalog, keys: StartedQuery) -> Result<()> {
    for row in keys.rows().await? {
        let data_of = |column: &str| -> Result<_> {
            let table = catalog.find(class::PG_CLASS, row.oid(column)?);
            Ok(table.and_then(|t| catalog.relation(t)).and_then(|t| t.data))
        };
        if let (Some(data), Some(referenced)) = (data_of("conrelid")?, data_of("confrelid")?) {
            catalog.add_dependency(data, referenced);
        }
    }
    Ok(())
}

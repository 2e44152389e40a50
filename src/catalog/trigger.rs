//! `pg_trigger`: triggers that users created.

use super::reader::{Reader, only_if};
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Trigger {
    /// The table or view.
    pub table: DumpId,
    /// `tgenabled`: O, D, R or A.
    pub tgenabled: char,
    /// Whether it was cloned from a partitioned table's trigger: then only a difference in `tgenabled` is
    /// printed.
    pub is_clone: bool,
    /// As deparsed by the server.
    pub definition: String,
    pub depends_on_extensions: Vec<String>,
}

pub(super) fn start(r: &Reader<'_>, catalog: &Catalog) -> StartedQuery {
    let tables = catalog
        .relation_oids(|object, rel| rel.relhastriggers && object.dump.contains(Components::DEFINITION));
    // The column that identifies a clone depends on the version.
    let (is_clone, parent, wanted) = match r.major {
        ..13 => (
            "t.tgisinternal",
            "LEFT JOIN pg_catalog.pg_depend d
               ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid
              AND d.refclassid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
             LEFT JOIN pg_catalog.pg_trigger u ON u.oid = d.refobjid",
            "NOT t.tgisinternal OR t.tgenabled <> u.tgenabled",
        ),
        13..15 => (
            "t.tgisinternal",
            "LEFT JOIN pg_catalog.pg_trigger u ON u.oid = t.tgparentid",
            "NOT t.tgisinternal OR t.tgenabled <> u.tgenabled",
        ),
        15.. => (
            "t.tgparentid <> 0",
            "LEFT JOIN pg_catalog.pg_trigger u ON u.oid = t.tgparentid",
            "NOT t.tgisinternal AND t.tgparentid = 0 OR t.tgenabled <> u.tgenabled",
        ),
    };
    let definition = only_if(r.prints_post_data(), "pg_catalog.pg_get_triggerdef(t.oid, false)");
    let sql = format!(
        "SELECT t.oid, t.tgrelid, t.tgname, t.tgenabled, {is_clone} AS is_clone,
                {definition} AS definition
           FROM pg_catalog.pg_trigger t {parent}
          WHERE t.tgrelid = ANY ($1) AND ({wanted})
          ORDER BY t.tgrelid, t.tgname"
    );
    r.start_oids("pg_trigger", &sql, tables)
}

pub(super) async fn read(catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let Some(table) = catalog.find(class::PG_CLASS, row.oid("tgrelid")?) else { continue };
        let trigger = Trigger {
            table,
            tgenabled: row.char("tgenabled")?,
            is_clone: row.bool("is_clone")?,
            definition: row.opt_text("definition")?.unwrap_or_default(),
            depends_on_extensions: Vec::new(),
        };
        let namespace = catalog.object(table).namespace;
        catalog.add(
            CatalogId { classoid: class::PG_TRIGGER, oid: row.oid("oid")? },
            row.text("tgname")?,
            namespace,
            ObjectKind::Trigger(trigger),
        );
    }
    Ok(())
}

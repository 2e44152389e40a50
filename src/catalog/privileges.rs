//! Reports everything that the role may not read, in one error and before anything is stored. Otherwise one
//! object after the other would fail, each after hours of copying.

use std::collections::HashSet;

use super::reader::Reader;
use super::{Catalog, Oid, RelKind};
use crate::error::{Error, ErrorKind, Result};

/// Which of the objects to be dumped the role can't read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// How many tables the dump locks.
    pub tables: usize,
    /// Schemas without the USAGE privilege, whose objects can't even be named.
    pub schemas: Vec<String>,
    /// Tables, sequences and large objects without the SELECT privilege.
    pub objects: Vec<String>,
    /// Tables with rows that row security would hide.
    pub hidden: Vec<String>,
}

/// Fails with the names of all tables, sequences and large objects whose contents are to be dumped, but which
/// this role can't read completely.
pub(super) async fn check(r: &Reader<'_>, catalog: &Catalog) -> Result<()> {
    if r.superuser {
        return Ok(());
    }
    let Unreadable { objects: forbidden, hidden, .. } = contents(r, catalog).await?;
    if forbidden.is_empty() && hidden.is_empty() {
        return Ok(());
    }
    let mut causes = Vec::new();
    let mut hints = Vec::new();
    if !forbidden.is_empty() {
        causes.push(format!("no SELECT privilege on {}", forbidden.join(", ")));
        hints.push("grant it, or membership in pg_read_all_data, or exclude them");
    }
    if !hidden.is_empty() {
        causes.push(format!("row security would hide rows of {}", hidden.join(", ")));
        hints.push(
            "dump as the owner or a role with BYPASSRLS, or dump only the visible rows with --enable-row-security",
        );
    }
    Err(Error::new(ErrorKind::SourceFailed, "read all that is to be dumped")
        .because(causes.join("; "))
        .hint(hints.join("; ")))
}

/// The same check without locks or an error, for reports; it also covers what LOCK TABLE needs.
pub(super) async fn look(r: &Reader<'_>, catalog: &Catalog) -> Result<Unreadable> {
    let to_lock = super::locked_tables::to_lock(catalog, r.quoter);
    let mut found = match r.superuser {
        true => Unreadable::default(),
        false => contents(r, catalog).await?,
    };
    found.tables = to_lock.len();
    if r.superuser {
        return Ok(found);
    }
    // LOCK TABLE looks up tables by name, and column privileges are not enough for it.
    let sql = "SELECT c.oid::pg_catalog.regclass::text AS name,
                      c.relnamespace::pg_catalog.regnamespace::text AS schema,
                      pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AS usable,
                      pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable
                 FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) ORDER BY c.oid";
    let mut known: HashSet<String> = found.objects.iter().cloned().collect();
    let oids = to_lock.into_iter().map(|table| table.oid).collect();
    for row in r.query_oids("privileges", sql, oids).await? {
        let (name, schema) = (row.text("name")?, row.text("schema")?);
        if !row.bool("usable")? && !found.schemas.contains(&schema) {
            found.schemas.push(schema);
        }
        if !row.bool("readable")? && known.insert(name.clone()) {
            found.objects.push(name);
        }
    }
    Ok(found)
}

/// Checks everything whose contents are to be dumped.
async fn contents(r: &Reader<'_>, catalog: &Catalog) -> Result<Unreadable> {
    let mut found = Unreadable::default();
    let read = |kind| matches!(kind, RelKind::Table | RelKind::Sequence | RelKind::ForeignTable);
    let oids: Vec<Oid> = catalog
        .relations
        .iter()
        .filter(|&&id| catalog.relation(id).is_some_and(|rel| rel.data.is_some() && read(rel.relkind)))
        .map(|&id| catalog.object(id).catalog_id.oid)
        .collect();
    // A role may have been granted every single column instead of the table.
    let sql = "SELECT c.oid::pg_catalog.regclass::text AS name,
                      CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                           ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT')
                             OR NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                                               AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'))
                       END AS readable,
                      pg_catalog.row_security_active(c.oid) AS has_row_security
                 FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) ORDER BY c.oid";
    for row in r.query_oids("privileges", sql, oids).await? {
        if !row.bool("readable")? {
            found.objects.push(row.text("name")?);
        } else if row.bool("has_row_security")? && !r.options.enable_row_security {
            found.hidden.push(row.text("name")?);
        }
    }
    if r.options.dump_large_objects() {
        found.objects.extend(unreadable_large_objects(r).await?);
    }
    Ok(found)
}

/// From 19 on, members of pg_read_all_data can read large objects too. The server's own function, which
/// exists from 18 on, takes this into account.
async fn unreadable_large_objects(r: &Reader<'_>) -> Result<Vec<String>> {
    let by_function = "SELECT oid::text AS oid FROM pg_catalog.pg_largeobject_metadata
                        WHERE NOT pg_catalog.has_largeobject_privilege(oid, 'SELECT')
                        ORDER BY pg_largeobject_metadata.oid";
    let by_acl = "SELECT oid::text AS oid FROM pg_catalog.pg_largeobject_metadata
                WHERE pg_catalog.current_setting('lo_compat_privileges') <> 'on'
                  AND NOT EXISTS (
                    SELECT FROM pg_catalog.aclexplode(
                            COALESCE(lomacl, pg_catalog.acldefault('L'::\"char\", lomowner))) a
                     WHERE a.privilege_type = 'SELECT'
                       AND CASE a.grantee WHEN 0 THEN true ELSE pg_catalog.pg_has_role(a.grantee, 'USAGE') END)
                ORDER BY pg_largeobject_metadata.oid";
    let sql = if r.major >= 18 { by_function } else { by_acl };
    let rows = r.query("pg_largeobject_metadata", sql).await?;
    rows.iter().map(|row| Ok(format!("large object {}", row.text("oid")?))).collect()
}

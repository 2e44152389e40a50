//! `pg_attribute` and `pg_attrdef`: columns, their defaults and NOT NULLs, and which of these a table
//! inherits from its parents.

use super::reader::{Reader, only_if};
use super::row::CatalogRow;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, Oid, RelKind, Relation, TypeDetail, class};
use crate::error::{Error, ErrorKind, Result};
use crate::select::options::RowFormat;

#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    /// The column's number, from 1.
    pub attnum: i64,
    pub attname: String,
    /// The type with its modifier.
    pub type_name: String,
    pub atttypid: Oid,
    /// The type, or a domain's underlying base type. Only used for INSERT.
    pub base_type: Oid,
    /// Statistics target, if set.
    pub attstattarget: Option<i64>,
    pub attstorage: char,
    pub typstorage: char,
    /// Whether the column was dropped: only its number remains.
    pub attisdropped: bool,
    /// Whether the table itself defines the column; it may be inherited as well.
    pub attislocal: bool,
    /// The collation, or 0.
    pub attcollation: Oid,
    /// The collation if it differs from the type's, or 0.
    pub collation: Oid,
    /// `attcompression`: p, l or NUL.
    pub attcompression: char,
    /// `attidentity`: a, d or NUL.
    pub attidentity: char,
    /// `attgenerated`: s, v or NUL.
    pub attgenerated: char,
    /// Options such as n_distinct, ready to be printed.
    pub options: String,
    /// Options for the foreign-data wrapper, ready to be printed.
    pub fdw_options: String,
    /// The default or generation expression.
    pub default: Option<DumpId>,
    /// A valid NOT NULL constraint.
    pub not_null: Option<NotNull>,
    /// Whether there is a NOT VALID one, which is a separate constraint object.
    pub has_invalid_not_null: bool,
}

/// A valid NOT NULL constraint of a column.
#[derive(Debug, Clone)]
pub(crate) struct NotNull {
    /// The name, if it must be printed: from version 18 on, if it differs from the default name.
    pub name: Option<String>,
    pub no_inherit: bool,
    /// Whether it is defined here, rather than only inherited.
    pub is_local: bool,
    pub comment: Option<String>,
}

#[derive(Debug)]
pub(crate) struct AttrDef {
    pub table: DumpId,
    /// The column's number, from 1.
    pub adnum: i64,
    /// The expression, as deparsed by the server.
    pub expression: String,
    /// Whether it is printed by a separate `ALTER TABLE`, not within `CREATE TABLE`.
    pub separate: bool,
}

impl Relation {
    /// Whether the column is part of `CREATE TABLE`. Inherited columns are not, except in partitions, which
    /// are created as tables and then attached.
    pub(crate) fn prints(&self, attribute: &Attribute) -> bool {
        !attribute.attisdropped && (attribute.attislocal || self.relispartition)
    }

    fn attribute_mut(&mut self, attnum: i64) -> Option<&mut Attribute> {
        self.attributes.get_mut(usize::try_from(attnum - 1).ok()?)
    }

    pub(crate) fn attribute(&self, attnum: i64) -> Option<&Attribute> {
        self.attributes.get(usize::try_from(attnum - 1).ok()?)
    }
}

/// The name of a column, or of a system column.
pub(crate) fn attribute_name(relation: &Relation, attnum: i64) -> &str {
    match attnum {
        -1 => "ctid",
        -2 => "xmin",
        -3 => "cmin",
        -4 => "xmax",
        -5 => "cmax",
        -6 => "tableoid",
        _ => relation.attribute(attnum).map_or("", |a| a.attname.as_str()),
    }
}

fn columns_sql(r: &Reader<'_>) -> String {
    let compression = if r.major >= 14 { "a.attcompression" } else { "''::\"char\"" };
    // Before 17, -1 meant that no target was set.
    let target = if r.major >= 17 { "a.attstattarget" } else { "NULLIF(a.attstattarget, -1)" };
    let not_null = if r.major >= 18 {
        "co.conname AS notnull_name, co.conname IS NOT NULL AS has_notnull, co.connoinherit AS notnull_noinherit,
         co.conislocal AS notnull_islocal, co.convalidated IS NOT FALSE AS notnull_valid,
         CASE WHEN co.convalidated THEN d.description END AS notnull_comment"
    } else {
        "NULL::text AS notnull_name, a.attnotnull AS has_notnull, false AS notnull_noinherit,
         true AS notnull_islocal, true AS notnull_valid, NULL::text AS notnull_comment"
    };
    // How INSERT writes a value depends on the domain's base type.
    let base_type = if r.options.rows == RowFormat::Copy {
        "a.atttypid"
    } else {
        "CASE WHEN t.typtype = 'd' THEN (
            WITH RECURSIVE b AS (
                SELECT t.typbasetype AS oid
                UNION ALL
                SELECT n.typbasetype FROM b JOIN pg_catalog.pg_type n ON n.oid = b.oid WHERE n.typtype = 'd')
            SELECT b.oid FROM b JOIN pg_catalog.pg_type n ON n.oid = b.oid WHERE n.typtype <> 'd')
         ELSE a.atttypid END"
    };
    let join = if r.major >= 18 {
        "LEFT JOIN pg_catalog.pg_constraint co
           ON co.conrelid = a.attrelid AND co.contype = 'n' AND co.conkey[1] = a.attnum
         LEFT JOIN pg_catalog.pg_description d
           ON d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objoid = co.oid AND d.objsubid = 0"
    } else {
        ""
    };
    format!(
        "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.attcollation, {base_type} AS base_type, {target} AS attstattarget, a.attstorage, t.typstorage,
                a.attisdropped, a.attislocal, a.attidentity, a.attgenerated,
                {compression} AS attcompression,
                pg_catalog.format_type(t.oid, a.atttypmod) AS type_name,
                pg_catalog.array_to_string(a.attoptions, ', ') AS options,
                CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation END AS collation,
                {fdw_options} AS fdw_options, {not_null}
           FROM pg_catalog.pg_attribute a
           LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
           {join}
          WHERE a.attrelid = ANY ($1) AND a.attnum > 0
          ORDER BY a.attrelid, a.attnum",
        fdw_options = super::reader::options_sql("a.attfdwoptions"),
    )
}

fn attribute_from(row: &CatalogRow) -> Result<Attribute> {
    let not_null = NotNull {
        name: row.opt_text("notnull_name")?,
        no_inherit: row.bool("notnull_noinherit")?,
        is_local: row.bool("notnull_islocal")?,
        comment: row.opt_text("notnull_comment")?,
    };
    Ok(Attribute {
        attnum: row.int("attnum")?,
        attname: row.text("attname")?,
        type_name: row.opt_text("type_name")?.unwrap_or_default(),
        atttypid: row.oid("atttypid")?,
        attcollation: row.oid("attcollation")?,
        base_type: row.oid("base_type")?,
        attstattarget: row.opt_int("attstattarget")?,
        attstorage: row.char("attstorage")?,
        typstorage: row.char("typstorage")?,
        attisdropped: row.bool("attisdropped")?,
        attislocal: row.bool("attislocal")?,
        collation: row.oid("collation")?,
        attcompression: row.char("attcompression")?,
        attidentity: row.char("attidentity")?,
        attgenerated: row.char("attgenerated")?,
        options: row.opt_text("options")?.unwrap_or_default(),
        fdw_options: row.opt_text("fdw_options")?.unwrap_or_default(),
        default: None,
        not_null: (row.bool("has_notnull")? && row.bool("notnull_valid")?).then_some(not_null),
        has_invalid_not_null: row.bool("has_notnull")? && !row.bool("notnull_valid")?,
    })
}

/// Reads defaults and generation expressions. Only the latter can refer to columns; passing the table makes
/// the server open it, which costs several times as much.
fn defaults_sql(r: &Reader<'_>) -> String {
    let expression = only_if(
        r.prints_definitions(),
        "pg_catalog.pg_get_expr(adbin, CASE WHEN pg_catalog.strpos(adbin::text, '{VAR ') > 0 THEN adrelid ELSE 0 END)",
    );
    format!(
        "SELECT oid, adrelid, adnum, {expression} AS expression
           FROM pg_catalog.pg_attrdef WHERE adrelid = ANY ($1) ORDER BY adrelid, adnum"
    )
}

/// The running queries about the columns of all interesting relations.
pub(super) struct Started {
    columns: StartedQuery,
    /// Only definitions need the defaults.
    defaults: Option<StartedQuery>,
}

pub(super) fn start(r: &Reader<'_>, catalog: &Catalog) -> Started {
    // The columns of views are only needed for definitions.
    let interesting = catalog.relation_oids(|_, rel| {
        rel.interesting
            && match rel.relkind {
                RelKind::Sequence => false,
                RelKind::View => r.options.schema,
                RelKind::Table
                | RelKind::PartitionedTable
                | RelKind::MatView
                | RelKind::ForeignTable
                | RelKind::CompositeType => true,
            }
    });
    Started {
        columns: r.start_oids("pg_attribute", &columns_sql(r), interesting.clone()),
        defaults: r.options.schema.then(|| r.start_oids("pg_attrdef", &defaults_sql(r), interesting)),
    }
}

/// Reads the columns, then their defaults.
pub(super) async fn read(catalog: &mut Catalog, started: Started) -> Result<()> {
    for row in started.columns.rows().await? {
        let oid = row.oid("attrelid")?;
        let mut attribute = attribute_from(&row)?;
        let Some(id) = catalog.find(class::PG_CLASS, oid) else { continue };
        let table_name = catalog.object(id).name.clone();
        let Some(relation) = catalog.relation_mut(id) else { continue };
        if relation.attributes.len() as i64 + 1 != attribute.attnum {
            return Err(Error::new(
                ErrorKind::SourceFailed,
                format!("read the columns of table {table_name}"),
            )
            .because("their numbers have gaps: the system catalogs may be damaged"));
        }
        if let Some(not_null) = &mut attribute.not_null
            && not_null.comment.is_none()
            && not_null.name.as_ref() == Some(&format!("{table_name}_{}_not_null", attribute.attname))
        {
            not_null.name = None;
        }
        relation.needs_override |= attribute.attidentity == 'a';
        relation.attributes.push(attribute);
    }
    if let Some(defaults) = started.defaults {
        read_defaults(catalog, defaults).await?;
    }
    Ok(())
}

async fn read_defaults(catalog: &mut Catalog, defaults: StartedQuery) -> Result<()> {
    for row in defaults.rows().await? {
        let Some(table) = catalog.find(class::PG_CLASS, row.oid("adrelid")?) else { continue };
        let Some(relation) = catalog.relation(table) else { continue };
        let adnum = row.int("adnum")?;
        let Some(attribute) = relation.attribute(adnum).filter(|a| !a.attisdropped) else { continue };
        let separate = attribute.attgenerated == '\0'
            && (relation.relkind == RelKind::View || !relation.prints(attribute));
        let expression = row.opt_text("expression")?.unwrap_or_default();
        let attr_def = AttrDef { table, adnum, expression, separate };
        let id =
            add_default(catalog, CatalogId { classoid: class::PG_ATTRDEF, oid: row.oid("oid")? }, attr_def);
        if !separate {
            // This includes generated columns, although `separate` has little meaning for them: the table
            // needs everything that the expression needs.
            catalog.add_dependency(table, id);
        }
    }
    Ok(())
}

fn add_default(catalog: &mut Catalog, catalog_id: CatalogId, attr_def: AttrDef) -> DumpId {
    let (table, adnum) = (attr_def.table, attr_def.adnum);
    let object = catalog.object(table);
    let (name, namespace, dump) = (object.name.clone(), object.namespace, object.dump);
    let id = catalog.add(catalog_id, name, namespace, ObjectKind::AttrDef(attr_def));
    catalog.object_mut(id).dump = dump;
    if let Some(attribute) = catalog.relation_mut(table).and_then(|rel| rel.attribute_mut(adnum)) {
        attribute.default = Some(id);
    }
    id
}

/// What the parents of a table define for a column with the same name.
#[derive(Default)]
struct FromParents {
    not_null: bool,
    invalid_not_null: bool,
    default: bool,
    same_expression: bool,
    other_expression: bool,
}

/// Finds out what columns inherit: inherited NOT NULLs and generation expressions are not printed again, and
/// a default that only the parent has must be dropped explicitly.
pub(super) fn flag_inherited(r: &Reader<'_>, catalog: &mut Catalog) {
    for id in catalog.relations.clone() {
        let Some(relation) = catalog.relation(id) else { continue };
        let skipped = matches!(relation.relkind, RelKind::Sequence | RelKind::View | RelKind::MatView);
        if skipped || catalog.object(id).dump.is_empty() || relation.parents.is_empty() {
            continue;
        }
        for position in 0..relation.attributes.len() {
            flag_inherited_column(r, catalog, id, position);
        }
    }
}

fn flag_inherited_column(r: &Reader<'_>, catalog: &mut Catalog, id: DumpId, position: usize) {
    let Some(relation) = catalog.relation(id) else { return };
    let attribute = &relation.attributes[position];
    if attribute.attisdropped {
        return;
    }
    let found = from_parents(r, catalog, relation, attribute);
    let (attnum, has_default) = (attribute.attnum, attribute.default.is_some());
    let (printed, is_partition) = (relation.prints(attribute), relation.relispartition);
    // From 18 on the catalog tells which constraints are local; but a constraint that is valid here and in no
    // parent must be printed here.
    let is_local = match r.major {
        18.. => (found.invalid_not_null && !found.not_null).then_some(true),
        _ => found.not_null.then_some(false),
    };
    let not_null = catalog.relation_mut(id).and_then(|rel| rel.attribute_mut(attnum)?.not_null.as_mut());
    if let (Some(not_null), Some(is_local)) = (not_null, is_local) {
        not_null.is_local = is_local;
    }
    if found.default && !has_default && r.options.schema {
        let attr_def =
            AttrDef { table: id, adnum: attnum, expression: "NULL".to_owned(), separate: !printed };
        let attr_def = add_default(catalog, CatalogId::default(), attr_def);
        // From 17 on, pg_dump makes the table depend on it, as on other inline defaults.
        if !printed {
            catalog.add_dependency(attr_def, id);
        }
    }
    // Up to 15, a child's expression must be the same as its parent's.
    let inherited = if r.dialect >= 16 {
        found.same_expression && !found.other_expression
    } else {
        found.same_expression || found.other_expression
    };
    if inherited
        && !is_partition
        && let Some(attribute) = catalog.relation_mut(id).and_then(|rel| rel.attribute_mut(attnum))
    {
        attribute.default = None;
    }
}

fn from_parents(
    r: &Reader<'_>,
    catalog: &Catalog,
    relation: &Relation,
    attribute: &Attribute,
) -> FromParents {
    let mut found = FromParents::default();
    let own = attribute.default.and_then(|d| catalog.attr_def(d));
    for &parent in &relation.parents {
        let Some(parent) = catalog.relation(parent) else { continue };
        let Some(inherited) = parent.attributes.iter().find(|a| a.attname == attribute.attname) else {
            continue;
        };
        found.not_null |= inherited.not_null.is_some();
        found.invalid_not_null |= inherited.has_invalid_not_null;
        let default = inherited.default.and_then(|d| catalog.attr_def(d));
        if inherited.attgenerated == '\0' {
            found.default |= default.is_some_and(|d| r.dialect < 16 || d.expression != "NULL");
        } else if default.is_some() && default.map(|d| &d.expression) == own.map(|d| &d.expression) {
            found.same_expression = true;
        } else {
            found.other_expression = true;
        }
    }
    found
}

/// Reads the columns of composite types.
pub(super) async fn read_composites(r: &Reader<'_>, catalog: &mut Catalog, types: Vec<Oid>) -> Result<()> {
    let mut type_of = std::collections::HashMap::new();
    for oid in types {
        if let Some(typ) = catalog.find(class::PG_TYPE, oid).and_then(|id| catalog.typ_mut(id)) {
            typ.detail = TypeDetail::Composite(Vec::new());
            type_of.insert(typ.typrelid, oid);
        }
    }
    let relations = type_of.keys().copied().collect();
    for row in r.query_oids("pg_attribute", &columns_sql(r), relations).await? {
        let attribute = attribute_from(&row)?;
        let Some(&oid) = type_of.get(&row.oid("attrelid")?) else { continue };
        let typ = catalog.find(class::PG_TYPE, oid).and_then(|id| catalog.typ_mut(id));
        if let Some(super::Type { detail: TypeDetail::Composite(attributes), .. }) = typ {
            attributes.push(attribute);
        }
    }
    Ok(())
}

pub(super) fn start_acls(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_attribute",
        "SELECT a.attrelid, a.attname, a.attacl::text[] AS acl, '{}'::text[] AS acldefault,
                pip.initprivs::text[] AS initprivs, a.attnum
           FROM pg_catalog.pg_attribute a
           LEFT JOIN pg_catalog.pg_init_privs pip
             ON pip.objoid = a.attrelid AND pip.objsubid = a.attnum
            AND pip.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
          WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
          UNION ALL
         SELECT a.attrelid, a.attname, NULL, '{}'::text[], pip.initprivs::text[], a.attnum
           FROM pg_catalog.pg_init_privs pip
           JOIN pg_catalog.pg_attribute a ON a.attrelid = pip.objoid AND a.attnum = pip.objsubid
          WHERE pip.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND pip.objsubid <> 0
            AND a.attacl IS NULL AND NOT a.attisdropped
          ORDER BY attrelid, attnum",
    )
}

/// Marks relations that have privileges on single columns, and reads these privileges.
pub(super) async fn read_acls(catalog: &mut Catalog, acls: StartedQuery) -> Result<()> {
    for row in acls.rows().await? {
        let Some(id) = catalog.find(class::PG_CLASS, row.oid("attrelid")?) else { continue };
        let mut acl = super::Acl::from_row(&row)?;
        acl.initial = row.opt_texts("initprivs")?;
        let attname = row.text("attname")?;
        catalog.object_mut(id).components |= Components::ACL;
        if let Some(relation) = catalog.relation_mut(id) {
            relation.column_acls.push((attname, acl));
        }
    }
    Ok(())
}

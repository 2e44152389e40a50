//! `pg_attribute` and `pg_attrdef`: columns, their defaults and NOT NULLs, and which of these a table
//! inherits from its parents.

use std::sync::Arc;

use postgres_types::Type;
use rustc_hash::FxHashMap;

use super::reader::{Reader, only_if};
use super::row::CatalogRow;
use super::started_query::{Param, Started, StartedQuery};
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, Oid, RelKind, Relation, TypeDetail, class};
use crate::error::{Error, ErrorKind, Result};
use crate::select::options::RowFormat;

#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    /// The column's number, from 1.
    pub attnum: i64,
    pub attname: String,
    pub atttypid: Oid,
    pub atttypmod: i32,
    /// The type with its modifier. Most columns share a few types.
    pub type_name: Arc<str>,
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

/// Queries columns from `pg_attribute` alone: to join other catalogs would cost the server several times as much.
fn columns_sql(r: &Reader<'_>) -> String {
    let compression = if r.major >= 14 { "attcompression" } else { "''::\"char\"" };
    // Before 17, -1 meant that no target was set.
    let target = if r.major >= 17 { "attstattarget" } else { "NULLIF(attstattarget, -1)" };
    // From 18 on, NOT NULLs are constraints.
    let not_null = if r.major >= 18 { "false" } else { "attnotnull" };
    format!(
        "SELECT attrelid, attnum, attname, atttypid, atttypmod, attcollation, {target} AS attstattarget, attstorage,
                attisdropped, attislocal, attidentity, attgenerated, {compression} AS attcompression,
                pg_catalog.array_to_string(attoptions, ', ') AS options,
                {fdw_options} AS fdw_options, {not_null} AS attnotnull
           FROM pg_catalog.pg_attribute
          WHERE attrelid = ANY ($1) AND attnum > 0
          ORDER BY attrelid, attnum",
        fdw_options = super::reader::options_sql("attfdwoptions"),
    )
}

/// A column and its relation; what follows from its type is not known yet.
fn column(row: CatalogRow) -> Result<(Oid, Attribute)> {
    let attrelid = row.oid("attrelid")?;
    let mut attribute = Attribute {
        attnum: row.int("attnum")?,
        attname: row.text("attname")?,
        atttypid: row.oid("atttypid")?,
        atttypmod: row.int("atttypmod")? as i32,
        type_name: Arc::default(),
        base_type: 0,
        attcollation: row.oid("attcollation")?,
        collation: 0,
        attstattarget: row.opt_int("attstattarget")?,
        attstorage: row.char("attstorage")?,
        typstorage: '\0',
        attisdropped: row.bool("attisdropped")?,
        attislocal: row.bool("attislocal")?,
        attidentity: row.char("attidentity")?,
        attgenerated: row.char("attgenerated")?,
        attcompression: row.char("attcompression")?,
        options: row.opt_text("options")?.unwrap_or_default(),
        fdw_options: row.opt_text("fdw_options")?.unwrap_or_default(),
        default: None,
        not_null: None,
        has_invalid_not_null: false,
    };
    if row.bool("attnotnull")? {
        attribute.not_null = Some(NotNull { name: None, no_inherit: false, is_local: true, comment: None });
    }
    Ok((attrelid, attribute))
}

/// What follows from the type and modifier of a column.
struct ColumnType {
    name: Arc<str>,
    typstorage: char,
    typcollation: Oid,
    base_type: Oid,
}

/// The types of columns, by OID and modifier.
pub(super) struct ColumnTypes(StartedQuery);

impl ColumnTypes {
    /// Queries the types and modifiers that occur among `columns`.
    fn of<'a>(r: &Reader<'_>, columns: impl Iterator<Item = &'a Attribute>) -> Self {
        let mut wanted: Vec<(Oid, i32)> = columns.map(|it| (it.atttypid, it.atttypmod)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let (types, modifiers): (Vec<Oid>, Vec<i32>) = wanted.into_iter().unzip();
        // How INSERT writes a value depends on the domain's base type.
        let base_type = if r.options.rows == RowFormat::Copy {
            "t.oid"
        } else {
            "CASE WHEN t.typtype = 'd' THEN (
                WITH RECURSIVE b AS (
                    SELECT t.typbasetype AS oid
                    UNION ALL
                    SELECT n.typbasetype FROM b JOIN pg_catalog.pg_type n ON n.oid = b.oid WHERE n.typtype = 'd')
                SELECT b.oid FROM b JOIN pg_catalog.pg_type n ON n.oid = b.oid WHERE n.typtype <> 'd')
             ELSE t.oid END"
        };
        let sql = format!(
            "SELECT t.oid, c.typmod, pg_catalog.format_type(t.oid, c.typmod) AS name,
                    t.typstorage, t.typcollation, {base_type} AS base_type
               FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]),
                               pg_catalog.unnest($2::pg_catalog.int4[])) AS c (oid, typmod)
               JOIN pg_catalog.pg_type t ON t.oid = c.oid"
        );
        let params: [Param; 2] =
            [(Box::new(types), Type::OID_ARRAY), (Box::new(modifiers), Type::INT4_ARRAY)];
        ColumnTypes(r.start_with("pg_type", &sql, params.into()))
    }

    async fn read(self) -> Result<FxHashMap<(Oid, i32), ColumnType>> {
        let mut types = FxHashMap::default();
        for row in self.0.rows().await? {
            let (oid, typmod) = (row.oid("oid")?, row.int("typmod")? as i32);
            let it = ColumnType {
                name: row.text("name")?.into(),
                typstorage: row.char("typstorage")?,
                typcollation: row.oid("typcollation")?,
                base_type: row.oid("base_type")?,
            };
            types.insert((oid, typmod), it);
        }
        Ok(types)
    }
}

impl Attribute {
    fn set_type(&mut self, types: &FxHashMap<(Oid, i32), ColumnType>) {
        let Some(it) = types.get(&(self.atttypid, self.atttypmod)) else { return };
        self.type_name = Arc::clone(&it.name);
        self.typstorage = it.typstorage;
        self.base_type = it.base_type;
        self.collation = if self.attcollation == it.typcollation { 0 } else { self.attcollation };
    }
}

/// A NOT NULL constraint of a column, from version 18 on.
struct FoundNotNull {
    conrelid: Oid,
    attnum: i64,
    convalidated: bool,
    not_null: NotNull,
}

const NOT_NULLS: &str =
    "SELECT c.conrelid, c.conkey[1] AS attnum, c.conname, c.connoinherit, c.conislocal, c.convalidated,
            CASE WHEN c.convalidated THEN d.description END AS comment
       FROM pg_catalog.pg_constraint c
       LEFT JOIN pg_catalog.pg_description d
         ON d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objoid = c.oid AND d.objsubid = 0
      WHERE c.conrelid = ANY ($1) AND c.contype = 'n'";

fn found_not_null(row: CatalogRow) -> Result<FoundNotNull> {
    Ok(FoundNotNull {
        conrelid: row.oid("conrelid")?,
        attnum: row.int("attnum")?,
        convalidated: row.bool("convalidated")?,
        not_null: NotNull {
            name: Some(row.text("conname")?),
            no_inherit: row.bool("connoinherit")?,
            is_local: row.bool("conislocal")?,
            comment: row.opt_text("comment")?,
        },
    })
}

/// Whether the server would give a NOT NULL constraint this name.
fn is_default_name(name: &str, table: &str, column: &str) -> bool {
    let rest = name.strip_prefix(table).and_then(|rest| rest.strip_prefix('_'));
    rest.and_then(|rest| rest.strip_prefix(column)) == Some("_not_null")
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
pub(super) struct Columns {
    columns: Started<(Oid, Attribute)>,
    not_nulls: Started<FoundNotNull>,
    /// Only definitions need the defaults.
    defaults: Option<Started<FoundDefault>>,
}

pub(super) fn start(r: &Reader<'_>, catalog: &Catalog) -> Columns {
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
    let with_not_nulls = if r.major >= 18 { interesting.clone() } else { Vec::new() };
    Columns {
        columns: r.start_decoding("pg_attribute", &columns_sql(r), interesting.clone(), column),
        not_nulls: r.start_decoding("pg_constraint", NOT_NULLS, with_not_nulls, found_not_null),
        defaults: r
            .options
            .schema
            .then(|| r.start_decoding("pg_attrdef", &defaults_sql(r), interesting, found_default)),
    }
}

/// Reads the columns, then their NOT NULLs and defaults, and queries their types.
pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, started: Columns) -> Result<ColumnTypes> {
    let columns = started.columns.rows().await?;
    let types = ColumnTypes::of(r, columns.iter().map(|(_, attribute)| attribute));
    for (oid, attribute) in columns {
        let Some(id) = catalog.find(class::PG_CLASS, oid) else { continue };
        let Some(relation) = catalog.relation_mut(id) else { continue };
        if relation.attributes.len() as i64 + 1 != attribute.attnum {
            return Err(Error::new(
                ErrorKind::SourceFailed,
                format!("read the columns of table {}", catalog.object(id).name),
            )
            .because("their numbers have gaps: the system catalogs may be damaged"));
        }
        relation.needs_override |= attribute.attidentity == 'a';
        if relation.attributes.is_empty() {
            relation.attributes.reserve_exact(relation.relnatts);
        }
        relation.attributes.push(attribute);
    }
    for found in started.not_nulls.rows().await? {
        set_not_null(catalog, found);
    }
    if let Some(defaults) = started.defaults {
        read_defaults(catalog, defaults).await?;
    }
    Ok(types)
}

fn set_not_null(catalog: &mut Catalog, found: FoundNotNull) {
    let FoundNotNull { conrelid, attnum, convalidated, mut not_null } = found;
    let Some(id) = catalog.find(class::PG_CLASS, conrelid) else { return };
    let attribute = catalog.relation(id).and_then(|relation| relation.attribute(attnum));
    let Some(attribute) = attribute else { return };
    let name = not_null.name.as_deref().unwrap_or_default();
    if not_null.comment.is_none() && is_default_name(name, &catalog.object(id).name, &attribute.attname) {
        not_null.name = None;
    }
    let Some(attribute) = catalog.relation_mut(id).and_then(|relation| relation.attribute_mut(attnum)) else {
        return;
    };
    attribute.has_invalid_not_null = !convalidated;
    attribute.not_null = convalidated.then_some(not_null);
}

/// Reads the types of the columns.
pub(super) async fn read_types(catalog: &mut Catalog, types: ColumnTypes) -> Result<()> {
    let types = types.read().await?;
    for id in catalog.relations.clone() {
        let Some(relation) = catalog.relation_mut(id) else { continue };
        relation.attributes.iter_mut().for_each(|attribute| attribute.set_type(&types));
    }
    Ok(())
}

/// A row of `pg_attrdef`.
struct FoundDefault {
    oid: Oid,
    adrelid: Oid,
    adnum: i64,
    expression: String,
}

fn found_default(row: CatalogRow) -> Result<FoundDefault> {
    Ok(FoundDefault {
        oid: row.oid("oid")?,
        adrelid: row.oid("adrelid")?,
        adnum: row.int("adnum")?,
        expression: row.opt_text("expression")?.unwrap_or_default(),
    })
}

async fn read_defaults(catalog: &mut Catalog, defaults: Started<FoundDefault>) -> Result<()> {
    for FoundDefault { oid, adrelid, adnum, expression } in defaults.rows().await? {
        let Some(table) = catalog.find(class::PG_CLASS, adrelid) else { continue };
        let Some(relation) = catalog.relation(table) else { continue };
        let Some(attribute) = relation.attribute(adnum).filter(|a| !a.attisdropped) else { continue };
        let separate = attribute.attgenerated == '\0'
            && (relation.relkind == RelKind::View || !relation.prints(attribute));
        let attr_def = AttrDef { table, adnum, expression, separate };
        let id = add_default(catalog, CatalogId { classoid: class::PG_ATTRDEF, oid }, attr_def);
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
    let columns = r.start_decoding("pg_attribute", &columns_sql(r), relations, column).rows().await?;
    if columns.is_empty() {
        return Ok(());
    }
    let types = ColumnTypes::of(r, columns.iter().map(|(_, attribute)| attribute)).read().await?;
    for (attrelid, mut attribute) in columns {
        attribute.set_type(&types);
        let Some(&oid) = type_of.get(&attrelid) else { continue };
        let typ = catalog.find(class::PG_TYPE, oid).and_then(|id| catalog.typ_mut(id));
        if let Some(super::Type { detail: TypeDetail::Composite(attributes), .. }) = typ {
            attributes.push(attribute);
        }
    }
    Ok(())
}

pub(super) fn start_acls(r: &Reader<'_>) -> StartedQuery {
    r.start_aside(
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
        Ok,
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

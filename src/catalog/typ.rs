//! `pg_type`, `pg_enum`, `pg_range`: types of all kinds.

use rustc_hash::FxHashMap;

use super::attribute::Attribute;
use super::reader::{Reader, only_if};
use super::row::CatalogRow;
use super::started_query::Started;
use super::{Acl, Catalog, CatalogId, Components, DumpId, ObjectKind, Oid, RelKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Type {
    pub owner: String,
    pub acl: Acl,
    /// `typtype`: b, c, d, e, m, p or r.
    pub typtype: char,
    /// False for a shell type.
    pub typisdefined: bool,
    /// The relation of a composite type, or 0.
    pub typrelid: Oid,
    /// The shell type that is used while its functions are created.
    pub shell: Option<DumpId>,
    pub detail: TypeDetail,
}

/// The details of each kind of type.
#[derive(Debug, Default)]
pub(crate) enum TypeDetail {
    /// Not read, or the type has none.
    #[default]
    None,
    /// The labels, in order.
    Enum(Vec<String>),
    Domain(Box<Domain>),
    Range(Box<Range>),
    /// The parameters of `CREATE TYPE`, each as `NAME = value`.
    Base(Vec<String>),
    /// A composite type's columns.
    Composite(Vec<Attribute>),
}

#[derive(Debug)]
pub(crate) struct Domain {
    /// The base type with its modifier.
    pub base: String,
    /// The collation, if it differs from the base type's.
    pub collation: Oid,
    /// NOT NULL; from version 18 on with the constraint's definition if its name is not the default one.
    pub not_null: Option<Option<String>>,
    /// The default: an expression, or a literal if the flag is true.
    pub default: Option<(String, bool)>,
    /// The check constraints, by name.
    pub checks: Vec<DumpId>,
    /// The not-null constraint, from version 18 on.
    pub not_null_constraint: Option<DumpId>,
}

/// A range type. `-` means that there is no such function.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_range
pub(crate) struct Range {
    pub rngsubtype: String,
    pub multirange: Option<String>,
    pub opclass: Option<(String, String)>,
    pub collation: Oid,
    pub rngcanonical: String,
    pub rngsubdiff: String,
}

/// A row of `pg_type`.
pub(super) struct Found {
    oid: Oid,
    typname: String,
    typnamespace: Oid,
    typowner: Oid,
    typelem: Oid,
    typarray: Oid,
    typ: Box<Type>,
}

/// Queries which types exist.
pub(super) fn start(r: &Reader<'_>) -> Started<Found> {
    let sql = "SELECT oid, typname, typnamespace, typowner, typtype, typisdefined, typrelid, typelem, typarray,
                      typacl::text[] AS acl,
                      CASE WHEN typacl IS NOT NULL THEN pg_catalog.acldefault('T', typowner)::text[] END AS acldefault
                 FROM pg_catalog.pg_type";
    r.start_aside("pg_type", sql, |row| {
        let typ = Type {
            owner: String::new(),
            typtype: row.char("typtype")?,
            typisdefined: row.bool("typisdefined")?,
            typrelid: row.oid("typrelid")?,
            shell: None,
            detail: TypeDetail::None,
            acl: Acl::from_row(&row)?,
        };
        Ok(Found {
            oid: row.oid("oid")?,
            typname: row.text("typname")?,
            typnamespace: row.oid("typnamespace")?,
            typowner: row.oid("typowner")?,
            typelem: row.oid("typelem")?,
            typarray: row.oid("typarray")?,
            typ: Box::new(typ),
        })
    })
}

/// Reads which types exist. The relations must be known.
pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, types: Started<Found>) -> Result<()> {
    let types = types.rows().await?;
    let array_of: FxHashMap<Oid, Oid> = types.iter().map(|row| (row.oid, row.typarray)).collect();
    for Found { oid, typname, typnamespace, typowner, typelem, mut typ, .. } in types {
        typ.owner = catalog.role(typowner);
        let (typtype, has_acl) = (typ.typtype, typ.acl.acl.is_some());
        let is_array = typelem != 0 && array_of.get(&typelem) == Some(&oid) && typname.starts_with('_');
        let relation = catalog.find(class::PG_CLASS, typ.typrelid).and_then(|id| catalog.relation(id));
        let is_composite = relation.is_some_and(|it| it.relkind == RelKind::CompositeType);
        let row_type_of = (typ.typrelid != 0 && !is_composite).then_some(typ.typrelid);
        let dummy = row_type_of.is_some() || is_array || typtype == 'm';
        let id = catalog.add(
            CatalogId { classoid: class::PG_TYPE, oid },
            typname,
            catalog.namespace_by_oid(typnamespace),
            if dummy { ObjectKind::DummyType(typ) } else { ObjectKind::Type(typ) },
        );
        if let Some(relation) = row_type_of {
            let dump = catalog.find(class::PG_CLASS, relation).map(|rel| catalog.object(rel).dump);
            catalog.object_mut(id).dump = dump.unwrap_or_default();
        } else {
            r.selection.object(catalog, id);
        }
        let object = catalog.object_mut(id);
        object.components.set(Components::ACL, has_acl);
        if object.dump.contains(Components::DEFINITION) && !dummy && (typtype == 'b' || typtype == 'r') {
            add_shell(catalog, id);
        }
    }
    Ok(())
}

fn add_shell(catalog: &mut Catalog, id: DumpId) {
    let object = catalog.object(id);
    let (name, namespace) = (object.name.clone(), object.namespace);
    let shell = catalog.add(CatalogId::default(), name, namespace, ObjectKind::ShellType(id));
    // Only dumped if a function turns out to need it (order/repair.rs).
    catalog.object_mut(shell).dump = Components::empty();
    if let Some(typ) = catalog.typ_mut(id) {
        typ.shell = Some(shell);
    }
}

/// Reads the definitions of the types that will be dumped.
pub(super) async fn read_details(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let of_type = |catalog: &Catalog, typtype: char| -> Vec<Oid> {
        let wanted = |id: &DumpId| {
            let object = catalog.object(*id);
            !object.dump.is_empty() && matches!(&object.kind, ObjectKind::Type(t) if t.typtype == typtype)
        };
        catalog.ids().filter(wanted).map(|id| catalog.object(id).catalog_id.oid).collect()
    };
    let domains = of_type(catalog, 'd');
    read_domains(r, catalog, domains).await?;
    if !r.prints_definitions() {
        return Ok(());
    }
    let enums = of_type(catalog, 'e');
    read_enums(r, catalog, enums).await?;
    let ranges = of_type(catalog, 'r');
    read_ranges(r, catalog, ranges).await?;
    let bases = of_type(catalog, 'b');
    read_bases(r, catalog, bases).await?;
    let composites = of_type(catalog, 'c');
    super::attribute::read_composites(r, catalog, composites).await
}

fn set(catalog: &mut Catalog, oid: Oid, detail: TypeDetail) {
    if let Some(typ) = catalog.find(class::PG_TYPE, oid).and_then(|id| catalog.typ_mut(id)) {
        typ.detail = detail;
    }
}

async fn read_enums(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    for &oid in &oids {
        set(catalog, oid, TypeDetail::Enum(Vec::new()));
    }
    let sql = "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum
                WHERE enumtypid = ANY ($1) ORDER BY enumtypid, enumsortorder";
    for row in r.query_oids("pg_enum", sql, oids).await? {
        let id = catalog.find(class::PG_TYPE, row.oid("enumtypid")?);
        if let Some(Type { detail: TypeDetail::Enum(labels), .. }) = id.and_then(|id| catalog.typ_mut(id)) {
            labels.push(row.text("enumlabel")?);
        }
    }
    Ok(())
}

/// The default of a type: an expression, or a literal if the flag is true.
fn default_of(row: &CatalogRow) -> Result<Option<(String, bool)>> {
    Ok(match row.opt_text("default_expression")? {
        Some(expression) => Some((expression, false)),
        None => row.opt_text("typdefault")?.map(|literal| (literal, true)),
    })
}

async fn read_domains(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    let default = only_if(
        r.prints_definitions(),
        "pg_catalog.pg_get_expr(t.typdefaultbin, 'pg_catalog.pg_type'::pg_catalog.regclass)",
    );
    let sql = format!(
        "SELECT t.oid, t.typnotnull, pg_catalog.format_type(t.typbasetype, t.typtypmod) AS base,
                {default} AS default_expression, t.typdefault,
                CASE WHEN t.typcollation <> b.typcollation THEN t.typcollation END AS collation
           FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
          WHERE t.oid = ANY ($1)"
    );
    for row in r.query_oids("pg_type", &sql, oids.clone()).await? {
        let domain = Domain {
            base: row.text("base")?,
            collation: row.oid("collation")?,
            not_null: row.bool("typnotnull")?.then_some(None),
            default: default_of(&row)?,
            checks: Vec::new(),
            not_null_constraint: None,
        };
        set(catalog, row.oid("oid")?, TypeDetail::Domain(Box::new(domain)));
    }
    // pg_dump only reads them if it dumps the domain itself, which it does not for a member of an extension
    // whose privileges were changed.
    let defined = |oid: &Oid| {
        catalog
            .find(class::PG_TYPE, *oid)
            .is_some_and(|id| catalog.object(id).dump.contains(Components::DEFINITION))
    };
    let oids = oids.into_iter().filter(defined).collect();
    super::constraint::read_of_domains(r, catalog, oids).await
}

async fn read_ranges(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    let multirange =
        if r.major >= 14 { "pg_catalog.format_type(r.rngmultitypid, NULL)" } else { "NULL::text" };
    let sql = format!(
        "SELECT r.rngtypid AS oid, pg_catalog.format_type(r.rngsubtype, NULL) AS rngsubtype,
                {multirange} AS multirange, oc.opcname, n.nspname AS opcnsp, oc.opcdefault,
                CASE WHEN r.rngcollation <> st.typcollation THEN r.rngcollation END AS collation,
                r.rngcanonical::text, r.rngsubdiff::text
           FROM pg_catalog.pg_range r
           JOIN pg_catalog.pg_type st ON st.oid = r.rngsubtype
           JOIN pg_catalog.pg_opclass oc ON oc.oid = r.rngsubopc
           JOIN pg_catalog.pg_namespace n ON n.oid = oc.opcnamespace
          WHERE r.rngtypid = ANY ($1)"
    );
    for row in r.query_oids("pg_range", &sql, oids).await? {
        let opclass =
            if row.bool("opcdefault")? { None } else { Some((row.text("opcnsp")?, row.text("opcname")?)) };
        let range = Range {
            rngsubtype: row.text("rngsubtype")?,
            multirange: row.opt_text("multirange")?,
            opclass,
            collation: row.oid("collation")?,
            rngcanonical: row.text("rngcanonical")?,
            rngsubdiff: row.text("rngsubdiff")?,
        };
        set(catalog, row.oid("oid")?, TypeDetail::Range(Box::new(range)));
    }
    Ok(())
}

async fn read_bases(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    let subscript = if r.major >= 14 { "typsubscript::text" } else { "'-'" };
    let sql = format!(
        "SELECT oid, typlen, typinput::text, typoutput::text, typreceive::text, typsend::text,
                typmodin::text, typmodout::text, typanalyze::text, {subscript} AS typsubscript,
                typcollation <> 0 AS collatable, typcategory, typispreferred, typdelim, typbyval, typalign,
                typstorage, typdefault,
                pg_catalog.pg_get_expr(typdefaultbin, 0) AS default_expression,
                CASE WHEN typelem <> 0 THEN pg_catalog.format_type(typelem, NULL) END AS element
           FROM pg_catalog.pg_type WHERE oid = ANY ($1)"
    );
    for row in r.query_oids("pg_type", &sql, oids).await? {
        let parameters = base_parameters(r, &row)?;
        set(catalog, row.oid("oid")?, TypeDetail::Base(parameters));
    }
    Ok(())
}

fn base_parameters(r: &Reader<'_>, row: &CatalogRow) -> Result<Vec<String>> {
    let mut out = vec![match row.int("typlen")? {
        -1 => "INTERNALLENGTH = variable".to_owned(),
        length => format!("INTERNALLENGTH = {length}"),
    }];
    let functions = [
        ("INPUT", "typinput"),
        ("OUTPUT", "typoutput"),
        ("RECEIVE", "typreceive"),
        ("SEND", "typsend"),
        ("TYPMOD_IN", "typmodin"),
        ("TYPMOD_OUT", "typmodout"),
        ("ANALYZE", "typanalyze"),
    ];
    for (parameter, column) in functions {
        let function = row.text(column)?;
        if function != "-" {
            out.push(format!("{parameter} = {function}"));
        }
    }
    if row.bool("collatable")? {
        out.push("COLLATABLE = true".to_owned());
    }
    if let Some((default, literal)) = default_of(row)? {
        let value = if literal { r.quoter.literal(&default) } else { default };
        out.push(format!("DEFAULT = {value}"));
    }
    if let Some(subscript) = row.nonempty("typsubscript")?.filter(|s| s != "-") {
        out.push(format!("SUBSCRIPT = {subscript}"));
    }
    if let Some(element) = row.opt_text("element")? {
        out.push(format!("ELEMENT = {element}"));
    }
    let category = row.char("typcategory")?;
    if category != 'U' {
        out.push(format!("CATEGORY = {}", r.quoter.literal(&category.to_string())));
    }
    if row.bool("typispreferred")? {
        out.push("PREFERRED = true".to_owned());
    }
    let delimiter = row.char("typdelim")?;
    if delimiter != ',' {
        out.push(format!("DELIMITER = {}", r.quoter.literal(&delimiter.to_string())));
    }
    let alignment = match row.char("typalign")? {
        'c' => "char",
        's' => "int2",
        'i' => "int4",
        _ => "double",
    };
    out.push(format!("ALIGNMENT = {alignment}"));
    let storage = match row.char("typstorage")? {
        'p' => "plain",
        'e' => "external",
        'x' => "extended",
        _ => "main",
    };
    out.push(format!("STORAGE = {storage}"));
    if row.bool("typbyval")? {
        out.push("PASSEDBYVALUE".to_owned());
    }
    Ok(out)
}

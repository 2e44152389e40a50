//! `pg_constraint`: checks, foreign keys, and constraints that are backed by an index.

use rustc_hash::FxHashMap;

use super::attribute::attribute_name;
use super::reader::{Reader, only_if};
use super::row::CatalogRow;
use super::started_query::{Started, StartedQuery};
use super::{Catalog, CatalogId, DumpId, ObjectKind, Oid, RelKind, Relation, TypeDetail, class};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConstraintOwner {
    Table(DumpId),
    Domain(DumpId),
}

#[derive(Debug)]
pub(crate) struct Constraint {
    pub owner: ConstraintOwner,
    /// `contype`: c, f, n, p, u or x.
    pub contype: char,
    /// As deparsed by the server; for p and u it is built from the index.
    pub definition: Option<String>,
    /// For a foreign key: the referenced table.
    pub confrelid: Oid,
    /// For a foreign key without a definition: what it consists of.
    pub foreign_key: Option<Box<ForeignKey>>,
    /// For p, u and x: the index.
    pub index: Option<DumpId>,
    pub condeferrable: bool,
    pub condeferred: bool,
    pub conperiod: bool,
    /// Whether it is defined here, rather than only inherited.
    pub conislocal: bool,
    /// Whether it is printed by a separate command, not within CREATE TABLE or CREATE DOMAIN.
    pub separate: bool,
}

/// The parts of a foreign key that is so simple that the server need not deparse it, which would be a sixth of its
/// work for a large catalog.
#[derive(Debug)]
pub(crate) struct ForeignKey {
    /// The columns' numbers.
    pub conkey: Vec<i64>,
    /// The referenced columns' numbers.
    pub confkey: Vec<i64>,
    /// The actions: a, r, c, n or d.
    pub confupdtype: char,
    pub confdeltype: char,
    pub convalidated: bool,
}

impl Constraint {
    /// The table that it constrains; `None` for a domain.
    pub(crate) fn table(&self) -> Option<DumpId> {
        match self.owner {
            ConstraintOwner::Table(id) => Some(id),
            ConstraintOwner::Domain(_) => None,
        }
    }

    fn check(owner: ConstraintOwner, row: &CatalogRow) -> Result<Constraint> {
        Ok(Constraint {
            owner,
            contype: row.char("contype")?,
            definition: row.opt_text("definition")?,
            confrelid: 0,
            foreign_key: None,
            index: None,
            condeferrable: false,
            condeferred: false,
            conperiod: false,
            conislocal: row.bool("conislocal")?,
            separate: !row.bool("convalidated")?,
        })
    }
}

fn add(catalog: &mut Catalog, oid: Oid, conname: String, constraint: Constraint) -> DumpId {
    let (ConstraintOwner::Table(owner) | ConstraintOwner::Domain(owner)) = constraint.owner;
    let (namespace, dump) = (catalog.object(owner).namespace, catalog.object(owner).dump);
    let on_table = constraint.table().is_some();
    let kind = if constraint.contype == 'f' {
        ObjectKind::ForeignKey(constraint)
    } else {
        ObjectKind::Constraint(constraint)
    };
    let id = catalog.add(CatalogId { classoid: class::PG_CONSTRAINT, oid }, conname, namespace, kind);
    if on_table {
        catalog.object_mut(id).dump = dump;
    }
    id
}

const DEPARSE: &str = "SELECT oid, pg_catalog.pg_get_constraintdef(oid) AS definition
                         FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid";

/// The running query for the definitions of check constraints.
pub(super) struct Definitions {
    pending: StartedQuery,
    /// Each constraint, and another one that has the same definition.
    alike: Vec<(DumpId, Oid)>,
}

/// What determines the definition of a check constraint: its expression and flags, as a hash of 128 bits, and
/// the names of its columns. (A whole-row reference has the table's own type.)
#[derive(PartialEq, Eq, Hash)]
struct Ingredients {
    hashes: (i64, i64),
    columns: Vec<String>,
}

/// Queries the check constraints of interesting tables and, from version 18 on, NOT NULL constraints that are
/// not validated.
///
/// To deparse a constraint, the server opens its table; for a large catalog that was a fifth of the server's
/// work. In a database where each tenant has separate tables, most constraints are alike, so each distinct
/// definition is only queried once.
pub(super) fn start_of_tables(r: &Reader<'_>, catalog: &Catalog) -> StartedQuery {
    let not_null = r.major >= 18;
    let tables = catalog.relation_oids(|_, rel| {
        rel.interesting && (rel.relchecks > 0 || not_null && rel.relkind != RelKind::Sequence)
    });
    let enforced = if r.major >= 18 { "conenforced" } else { "true" };
    let not_null = if not_null { "OR contype = 'n' AND NOT convalidated" } else { "" };
    // Up to 16, an expression contains the positions in its original statement.
    let expression = match r.major {
        17.. => "conbin::text",
        _ => "pg_catalog.regexp_replace(conbin::text, ':location -?[0-9]+', '', 'g')",
    };
    let sql = format!(
        "SELECT oid, conrelid, conname, contype, NULL AS definition, conislocal, convalidated, conkey,
                pg_catalog.hashtextextended(made_of COLLATE pg_catalog.\"C\", 0) AS hash,
                pg_catalog.hashtextextended(made_of COLLATE pg_catalog.\"C\", 1) AS other_hash
           FROM (SELECT *, pg_catalog.concat_ws(' ', contype, connoinherit, convalidated, {enforced}, {expression})
                             AS made_of
                   FROM pg_catalog.pg_constraint
                  WHERE conrelid = ANY ($1) AND (contype = 'c' {not_null})) c
          ORDER BY conrelid, conname"
    );
    r.start_oids("pg_constraint", &sql, tables)
}

/// Reads the constraints, and queries their definitions. The columns must be known.
pub(super) async fn read_of_tables(
    r: &Reader<'_>,
    catalog: &mut Catalog,
    checks: StartedQuery,
) -> Result<Definitions> {
    let mut first: FxHashMap<Ingredients, Oid> = FxHashMap::default();
    let mut alike = Vec::new();
    for row in checks.rows().await? {
        let Some(table) = catalog.find(class::PG_CLASS, row.oid("conrelid")?) else { continue };
        let constraint = Constraint::check(ConstraintOwner::Table(table), &row)?;
        let (separate, contype) = (constraint.separate, constraint.contype);
        let id = add(catalog, row.oid("oid")?, row.text("conname")?, constraint);
        if !separate {
            catalog.add_dependency(table, id);
        }
        let Some(relation) = catalog.relation_mut(table) else { continue };
        if contype == 'c' {
            relation.checks.push(id);
        }
        let names = row.ints("conkey")?.into_iter().map(|attnum| attribute_name(relation, attnum).to_owned());
        let hashes = (row.int("hash")?, row.int("other_hash")?);
        let ingredients = Ingredients { hashes, columns: names.collect() };
        alike.push((id, *first.entry(ingredients).or_insert(row.oid("oid")?)));
    }
    expect_all_checks(catalog)?;
    let wanted = if r.prints_definitions() { first.into_values().collect() } else { Vec::new() };
    Ok(Definitions { pending: r.start_oids("pg_constraint", DEPARSE, wanted), alike })
}

pub(super) async fn read_definitions(catalog: &mut Catalog, checks: Option<Definitions>) -> Result<()> {
    let Some(Definitions { pending, alike }) = checks else { return Ok(()) };
    let mut definitions: FxHashMap<Oid, String> = FxHashMap::default();
    for row in pending.rows().await? {
        definitions.insert(row.oid("oid")?, row.text("definition")?);
    }
    for (id, first) in alike {
        if let Some(constraint) = catalog.constraint_mut(id) {
            constraint.definition = definitions.get(&first).cloned();
        }
    }
    Ok(())
}

fn expect_all_checks(catalog: &Catalog) -> Result<()> {
    for &id in &catalog.relations {
        let Some(relation) = catalog.relation(id).filter(|rel| rel.interesting) else { continue };
        if relation.relchecks != relation.checks.len() as i64 {
            let name = &catalog.object(id).name;
            return Err(Error::new(ErrorKind::SourceFailed, format!("read the check constraints of {name}"))
                .because(format!("expected {} but found {}", relation.relchecks, relation.checks.len()))
                .hint("the system catalogs may be damaged"));
        }
    }
    Ok(())
}

/// Reads the constraints of domains. Validated constraints are part of the domain's definition.
pub(super) async fn read_of_domains(r: &Reader<'_>, catalog: &mut Catalog, domains: Vec<Oid>) -> Result<()> {
    let contypes = if r.dialect >= 17 { "'c', 'n'" } else { "'c'" };
    let definition = only_if(r.prints_definitions(), "pg_catalog.pg_get_constraintdef(oid)");
    let sql = format!(
        "SELECT oid, contypid, conname, contype, {definition} AS definition,
                true AS conislocal, convalidated
           FROM pg_catalog.pg_constraint
          WHERE contypid = ANY ($1) AND contype IN ({contypes})
          ORDER BY contypid, conname"
    );
    for row in r.query_oids("pg_constraint", &sql, domains).await? {
        let Some(domain) = catalog.find(class::PG_TYPE, row.oid("contypid")?) else { continue };
        let constraint = Constraint::check(ConstraintOwner::Domain(domain), &row)?;
        let (separate, contype) = (constraint.separate, constraint.contype);
        let definition = constraint.definition.clone();
        let id = add(catalog, row.oid("oid")?, row.text("conname")?, constraint);
        if !separate {
            catalog.add_dependency(domain, id);
        }
        let default_name = format!("{}_not_null", catalog.object(domain).name);
        let name = row.text("conname")?;
        let Some(super::Type { detail: TypeDetail::Domain(detail), .. }) = catalog.typ_mut(domain) else {
            continue;
        };
        if contype == 'n' {
            detail.not_null = Some(definition.filter(|_| name != default_name));
            detail.not_null_constraint = Some(id);
        } else {
            detail.checks.push(id);
        }
    }
    Ok(())
}

/// A row of `pg_constraint` for a foreign key.
pub(super) struct FoundKey {
    oid: Oid,
    conrelid: Oid,
    conname: String,
    confrelid: Oid,
    conindid: Oid,
    condeferrable: bool,
    condeferred: bool,
    /// If the server need not deparse it, supposed that the columns are known.
    simple: Option<Box<ForeignKey>>,
}

fn found_key(row: CatalogRow) -> Result<FoundKey> {
    let simple = row.bool("simple")?.then(|| -> Result<_> {
        Ok(Box::new(ForeignKey {
            conkey: row.ints("conkey")?,
            confkey: row.ints("confkey")?,
            confupdtype: row.char("confupdtype")?,
            confdeltype: row.char("confdeltype")?,
            convalidated: row.bool("convalidated")?,
        }))
    });
    Ok(FoundKey {
        oid: row.oid("oid")?,
        conrelid: row.oid("conrelid")?,
        conname: row.text("conname")?,
        confrelid: row.oid("confrelid")?,
        conindid: row.oid("conindid")?,
        condeferrable: row.bool("condeferrable")?,
        condeferred: row.bool("condeferred")?,
        simple: simple.transpose()?,
    })
}

/// Queries foreign keys.
pub(super) fn start_foreign_keys(r: &Reader<'_>, catalog: &Catalog) -> Started<FoundKey> {
    let tables = catalog.relation_oids(|object, rel| {
        object.dump.contains(super::Components::DEFINITION)
            && match rel.relkind {
                RelKind::PartitionedTable => true,
                // A key that is NOT ENFORCED has no triggers.
                RelKind::Table => rel.relhastriggers || r.major >= 18,
                RelKind::View
                | RelKind::MatView
                | RelKind::ForeignTable
                | RelKind::Sequence
                | RelKind::CompositeType => rel.relhastriggers,
            }
    });
    let all_columns = if r.major >= 15 { "confdelsetcols IS NULL" } else { "true" };
    let enforced = if r.major >= 18 { "conenforced AND NOT conperiod" } else { "true" };
    // The server quotes according to its own setting, which need not match our options.
    let sql = format!(
        "SELECT oid, conrelid, conname, confrelid, conindid, condeferrable, condeferred,
                confmatchtype = 's' AND {all_columns} AND {enforced}
                AND pg_catalog.current_setting('quote_all_identifiers') = 'off' AS simple,
                conkey, confkey, confupdtype, confdeltype, convalidated
           FROM pg_catalog.pg_constraint
          WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY ($1)"
    );
    r.start_decoding("pg_constraint", &sql, tables, found_key)
}

/// Reads foreign keys. This comes after the indexes: a key that references a partitioned table needs the
/// attachments of the partitions' indexes.
pub(super) async fn read_foreign_keys(
    r: &Reader<'_>,
    catalog: &mut Catalog,
    keys: Started<FoundKey>,
) -> Result<()> {
    let mut keys = keys.rows().await?;
    keys.sort_by(|a, b| a.conrelid.cmp(&b.conrelid).then_with(|| text::compare(&a.conname, &b.conname)));
    let mut to_deparse = Vec::new();
    for found in keys {
        let Some(table) = catalog.find(class::PG_CLASS, found.conrelid) else { continue };
        let referenced = catalog.find(class::PG_CLASS, found.confrelid);
        let referenced = referenced.and_then(|id| catalog.relation(id));
        let foreign_key = found.simple.filter(|key| {
            let known = |relation: Option<&Relation>, columns: &[i64]| {
                relation.is_some_and(|it| columns.iter().all(|&column| it.attribute(column).is_some()))
            };
            known(catalog.relation(table), &key.conkey) && known(referenced, &key.confkey)
        });
        if foreign_key.is_none() {
            to_deparse.push(found.oid);
        }
        let partitioned = referenced.is_some_and(|it| it.relkind == RelKind::PartitionedTable);
        let constraint = Constraint {
            owner: ConstraintOwner::Table(table),
            contype: 'f',
            definition: None,
            confrelid: found.confrelid,
            foreign_key,
            index: None,
            condeferrable: found.condeferrable,
            condeferred: found.condeferred,
            conperiod: false,
            conislocal: true,
            separate: true,
        };
        let id = add(catalog, found.oid, found.conname, constraint);
        if let (true, Some(index)) = (partitioned, catalog.find(class::PG_CLASS, found.conindid)) {
            depend_on_attachments(catalog, id, index);
        }
    }
    if r.prints_post_data() {
        for row in r.query_oids("pg_constraint", DEPARSE, to_deparse).await? {
            let id = catalog.find(class::PG_CONSTRAINT, row.oid("oid")?);
            if let Some(constraint) = id.and_then(|id| catalog.constraint_mut(id)) {
                constraint.definition = Some(row.text("definition")?);
            }
        }
    }
    Ok(())
}

fn depend_on_attachments(catalog: &mut Catalog, key: DumpId, index: DumpId) {
    let attachments = catalog.index(index).map(|i| i.attachments.clone()).unwrap_or_default();
    for attachment in attachments {
        catalog.add_dependency(key, attachment);
        if let ObjectKind::IndexAttach(attach) = &catalog.object(attachment).kind {
            let partition = attach.partition;
            depend_on_attachments(catalog, key, partition);
        }
    }
}

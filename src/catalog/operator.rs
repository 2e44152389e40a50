//! `pg_operator`, `pg_opclass`, `pg_opfamily`: operators and how index methods use them.

use postgres_types::Type;

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, ObjectKind, Oid, class};
use crate::error::Result;

/// An operator. The details are read for all, since users create few operators.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_operator
pub(crate) struct Operator {
    pub owner: String,
    pub oprkind: char,
    pub oprleft: Oid,
    pub oprright: Oid,
    pub oprcode: Oid,
    pub detail: Option<OperatorDetail>,
}

/// The definition of an operator, with functions and types in the server's notation.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_operator
pub(crate) struct OperatorDetail {
    pub function: String,
    pub left_type: String,
    pub right_type: String,
    pub oprcom: Oid,
    pub oprnegate: Oid,
    pub oprrest: String,
    pub oprjoin: String,
    pub oprcanmerge: bool,
    pub oprcanhash: bool,
}

/// A member operator of a class or family.
#[derive(Debug)]
pub(crate) struct OpMember {
    pub strategy: i64,
    /// The operator with its argument types.
    pub operator: String,
    /// For an ordering operator, its sort family as (schema, name).
    pub sort_family: Option<(String, String)>,
}

/// A member function of a class or family.
#[derive(Debug)]
pub(crate) struct ProcMember {
    pub number: i64,
    pub left_type: String,
    pub right_type: String,
    /// The function with its argument types.
    pub function: String,
}

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_opclass
pub(crate) struct Opclass {
    pub owner: String,
    pub amname: String,
    pub opcdefault: bool,
    pub opcintype: Oid,
    pub input_type: String,
    pub key_type: String,
    pub family: Option<(String, String)>,
    pub operators: Vec<OpMember>,
    pub functions: Vec<ProcMember>,
}

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_opfamily
pub(crate) struct Opfamily {
    pub owner: String,
    pub amname: String,
    pub operators: Vec<OpMember>,
    pub functions: Vec<ProcMember>,
}

/// The running queries for operators, classes and families.
pub(super) struct Operators {
    operators: StartedQuery,
    opclasses: StartedQuery,
    opfamilies: StartedQuery,
}

pub(super) fn start(r: &Reader<'_>) -> Operators {
    Operators {
        operators: r.start(
            "pg_operator",
            "SELECT oid, oprname, oprnamespace, oprowner, oprkind, oprleft, oprright,
                    oprcode::pg_catalog.oid AS oprcode
               FROM pg_catalog.pg_operator",
        ),
        opclasses: r.start(
            "pg_opclass",
            "SELECT c.oid, c.opcname, c.opcnamespace, c.opcowner, am.amname, c.opcdefault, c.opcintype,
                    c.opcintype::pg_catalog.regtype::text AS input_type,
                    c.opckeytype::pg_catalog.regtype::text AS key_type,
                    f.opfname, n.nspname AS opfnsp
               FROM pg_catalog.pg_opclass c
               JOIN pg_catalog.pg_am am ON am.oid = c.opcmethod
               LEFT JOIN pg_catalog.pg_opfamily f ON f.oid = c.opcfamily
               LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace",
        ),
        opfamilies: r.start(
            "pg_opfamily",
            "SELECT f.oid, f.opfname, f.opfnamespace, f.opfowner, am.amname
               FROM pg_catalog.pg_opfamily f JOIN pg_catalog.pg_am am ON am.oid = f.opfmethod",
        ),
    }
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, started: Operators) -> Result<()> {
    read_operators(r, catalog, started.operators).await?;
    read_opclasses(r, catalog, started.opclasses).await?;
    read_opfamilies(r, catalog, started.opfamilies).await?;
    read_member_operators(r, catalog).await?;
    read_member_functions(r, catalog).await
}

async fn read_operators(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    let mut dumped = Vec::new();
    for row in rows.rows().await? {
        let oid = row.oid("oid")?;
        let operator = Operator {
            owner: catalog.role(row.oid("oprowner")?),
            oprkind: row.char("oprkind")?,
            oprleft: row.oid("oprleft")?,
            oprright: row.oid("oprright")?,
            oprcode: row.oid("oprcode")?,
            detail: None,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_OPERATOR, oid },
            row.text("oprname")?,
            catalog.namespace_by_oid(row.oid("oprnamespace")?),
            ObjectKind::Operator(Box::new(operator)),
        );
        r.selection.object(catalog, id);
        if catalog.object(id).dump.contains(Components::DEFINITION) {
            dumped.push(oid);
        }
    }
    let sql = "SELECT oid, oprcode::pg_catalog.regprocedure::text AS function,
                      oprleft::pg_catalog.regtype::text AS left_type, oprright::pg_catalog.regtype::text AS right_type,
                      oprcom, oprnegate, oprcanmerge, oprcanhash,
                      oprrest::pg_catalog.regprocedure::text, oprjoin::pg_catalog.regprocedure::text
                 FROM pg_catalog.pg_operator WHERE oid = ANY ($1)";
    for row in r.query_oids("pg_operator", sql, dumped).await? {
        let detail = OperatorDetail {
            function: row.text("function")?,
            left_type: row.text("left_type")?,
            right_type: row.text("right_type")?,
            oprcom: row.oid("oprcom")?,
            oprnegate: row.oid("oprnegate")?,
            oprrest: row.text("oprrest")?,
            oprjoin: row.text("oprjoin")?,
            oprcanmerge: row.bool("oprcanmerge")?,
            oprcanhash: row.bool("oprcanhash")?,
        };
        let id = catalog.find(class::PG_OPERATOR, row.oid("oid")?);
        if let Some(operator) = id.and_then(|id| catalog.operator_mut(id)) {
            operator.detail = Some(detail);
        }
    }
    Ok(())
}

async fn read_opclasses(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let opclass = Opclass {
            owner: catalog.role(row.oid("opcowner")?),
            amname: row.text("amname")?,
            opcdefault: row.bool("opcdefault")?,
            opcintype: row.oid("opcintype")?,
            input_type: row.text("input_type")?,
            key_type: row.text("key_type")?,
            family: row.opt_text("opfnsp")?.zip(row.opt_text("opfname")?),
            operators: Vec::new(),
            functions: Vec::new(),
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_OPCLASS, oid: row.oid("oid")? },
            row.text("opcname")?,
            catalog.namespace_by_oid(row.oid("opcnamespace")?),
            ObjectKind::Opclass(Box::new(opclass)),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}

async fn read_opfamilies(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let opfamily = Opfamily {
            owner: catalog.role(row.oid("opfowner")?),
            amname: row.text("amname")?,
            operators: Vec::new(),
            functions: Vec::new(),
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_OPFAMILY, oid: row.oid("oid")? },
            row.text("opfname")?,
            catalog.namespace_by_oid(row.oid("opfnamespace")?),
            ObjectKind::Opfamily(Box::new(opfamily)),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}

/// OIDs of the classes and families that will be dumped, by catalog.
fn dumped_sets(catalog: &Catalog) -> (Vec<Oid>, Vec<Oid>) {
    let of = |classoid| {
        let wanted = |id: &super::DumpId| {
            let object = catalog.object(*id);
            object.catalog_id.classoid == classoid && object.dump.contains(Components::DEFINITION)
        };
        catalog.ids().filter(wanted).map(|id| catalog.object(id).catalog_id.oid).collect()
    };
    (of(class::PG_OPCLASS), of(class::PG_OPFAMILY))
}

async fn read_member_operators(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let (classes, families) = dumped_sets(catalog);
    if classes.is_empty() && families.is_empty() {
        return Ok(());
    }
    // pg_depend tells which object owns a member: the class, if it was created with it, otherwise the family.
    let sql = "SELECT d.refclassid, d.refobjid, ao.amopstrategy, ao.amopopr::pg_catalog.regoperator::text AS operator,
                      f.opfname, n.nspname AS opfnsp
                 FROM pg_catalog.pg_amop ao
                 JOIN pg_catalog.pg_depend d
                   ON d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass AND d.objid = ao.oid
                 LEFT JOIN pg_catalog.pg_opfamily f ON f.oid = ao.amopsortfamily
                 LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace
                WHERE d.refclassid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND d.refobjid = ANY ($1)
                   OR d.refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND d.refobjid = ANY ($2)
                  AND ao.amopfamily = d.refobjid
                ORDER BY ao.amopstrategy";
    for row in
        r.query_params("pg_amop", sql, &[(&classes, Type::OID_ARRAY), (&families, Type::OID_ARRAY)]).await?
    {
        let member = OpMember {
            strategy: row.int("amopstrategy")?,
            operator: row.text("operator")?,
            sort_family: row.opt_text("opfnsp")?.zip(row.opt_text("opfname")?),
        };
        let Some(id) = catalog.find(row.oid("refclassid")?, row.oid("refobjid")?) else { continue };
        if let Some((operators, _)) = members_mut(&mut catalog.object_mut(id).kind) {
            operators.push(member);
        }
    }
    Ok(())
}

/// The members of a class or a family.
fn members_mut(kind: &mut ObjectKind) -> Option<(&mut Vec<OpMember>, &mut Vec<ProcMember>)> {
    if let ObjectKind::Opclass(it) = kind {
        Some((&mut it.operators, &mut it.functions))
    } else if let ObjectKind::Opfamily(it) = kind {
        Some((&mut it.operators, &mut it.functions))
    } else {
        None
    }
}

async fn read_member_functions(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let (classes, families) = dumped_sets(catalog);
    if classes.is_empty() && families.is_empty() {
        return Ok(());
    }
    let sql =
        "SELECT d.refclassid, d.refobjid, ap.amprocnum, ap.amproc::pg_catalog.regprocedure::text AS function,
                      ap.amproclefttype::pg_catalog.regtype::text AS left_type,
                      ap.amprocrighttype::pg_catalog.regtype::text AS right_type
                 FROM pg_catalog.pg_amproc ap
                 JOIN pg_catalog.pg_depend d
                   ON d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass AND d.objid = ap.oid
                WHERE d.refclassid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND d.refobjid = ANY ($1)
                   OR d.refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND d.refobjid = ANY ($2)
                ORDER BY ap.amprocnum";
    for row in
        r.query_params("pg_amproc", sql, &[(&classes, Type::OID_ARRAY), (&families, Type::OID_ARRAY)]).await?
    {
        let member = ProcMember {
            number: row.int("amprocnum")?,
            left_type: row.text("left_type")?,
            right_type: row.text("right_type")?,
            function: row.text("function")?,
        };
        let Some(id) = catalog.find(row.oid("refclassid")?, row.oid("refobjid")?) else { continue };
        if let Some((_, functions)) = members_mut(&mut catalog.object_mut(id).kind) {
            functions.push(member);
        }
    }
    Ok(())
}

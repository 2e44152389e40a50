//! `pg_proc` and `pg_aggregate`: functions, procedures, aggregates.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Acl, Catalog, CatalogId, Components, ObjectKind, Oid, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Routine {
    pub owner: String,
    pub acl: Acl,
    /// Input argument types.
    pub arg_types: Vec<Oid>,
    /// Only read if the definition is printed.
    pub detail: Option<RoutineDetail>,
    /// Whether it must wait for the post-data section.
    pub postponed: bool,
}

/// The definition of a function or procedure, where the server can format it.
#[derive(Debug)]
pub(crate) struct RoutineDetail {
    /// `prokind`: f, p or w.
    pub prokind: char,
    /// Arguments with names and defaults.
    pub arguments: String,
    /// Arguments in the form that identifies the function.
    pub identity_arguments: String,
    /// The result type; `None` for procedures.
    pub result: Option<String>,
    pub proretset: bool,
    /// The source text, or the link symbol.
    pub prosrc: String,
    /// The library file, or empty.
    pub probin: String,
    /// The body in SQL-standard form.
    pub sql_body: Option<String>,
    pub lanname: String,
    /// Types for which it uses a transform.
    pub transform_types: Vec<Oid>,
    /// `provolatile`: i, s or v.
    pub provolatile: char,
    pub proisstrict: bool,
    pub prosecdef: bool,
    pub proleakproof: bool,
    /// `proparallel`: s, r or u.
    pub proparallel: char,
    /// COST, as printed by the server.
    pub procost: String,
    /// ROWS, as printed by the server.
    pub prorows: String,
    /// The SUPPORT function, or `-`.
    pub prosupport: String,
    /// Settings, as `name=value`.
    pub proconfig: Vec<String>,
    pub depends_on_extensions: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Aggregate {
    pub owner: String,
    pub acl: Acl,
    /// Input argument types.
    pub arg_types: Vec<Oid>,
    /// Only read if the definition is printed.
    pub detail: Option<AggregateDetail>,
}

/// The definition of an aggregate, with functions and types in the server's notation; `-` means none.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_aggregate
pub(crate) struct AggregateDetail {
    pub arguments: String,
    pub identity_arguments: String,
    pub aggkind: char,
    pub aggtransfn: String,
    pub aggfinalfn: String,
    pub aggcombinefn: String,
    pub aggserialfn: String,
    pub aggdeserialfn: String,
    pub aggmtransfn: String,
    pub aggminvtransfn: String,
    pub aggmfinalfn: String,
    pub aggfinalextra: bool,
    pub aggmfinalextra: bool,
    pub aggfinalmodify: char,
    pub aggmfinalmodify: char,
    pub aggsortop: Oid,
    pub aggtranstype: String,
    pub aggtransspace: i64,
    pub aggmtranstype: String,
    pub aggmtransspace: i64,
    pub agginitval: Option<String>,
    pub aggminitval: Option<String>,
    pub proparallel: char,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_proc",
        "SELECT p.oid, p.proname, p.pronamespace, p.proowner, p.prokind, p.proargtypes::pg_catalog.oid[],
                p.proacl::text[] AS acl,
                pg_catalog.acldefault('f', p.proowner)::text[] AS acldefault
           FROM pg_catalog.pg_proc p
           LEFT JOIN pg_catalog.pg_init_privs pip
             ON pip.objoid = p.oid AND pip.objsubid = 0
            AND pip.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
          WHERE (p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
                 OR p.proacl IS DISTINCT FROM pip.initprivs
                 OR p.prokind <> 'a' AND (
                    EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.oid >= 16384 AND c.castfunc = p.oid)
                    OR EXISTS (SELECT FROM pg_catalog.pg_transform t
                                WHERE t.oid >= 16384 AND p.oid IN (t.trffromsql, t.trftosql))))
            AND (p.prokind = 'a'
                 OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                                 WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                                   AND d.objid = p.oid AND d.deptype = 'i'))",
    )
}

/// Reads which routines exist. Built-in ones are left out, unless their privileges were changed or a user's
/// cast or transform uses them.
pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let acl = Acl::from_row(&row)?;
        let has_acl = acl.acl.is_some();
        let owner = catalog.role(row.oid("proowner")?);
        let arg_types = row.oids("proargtypes")?;
        let kind = if row.char("prokind")? == 'a' {
            ObjectKind::Aggregate(Box::new(Aggregate { owner, acl, arg_types, detail: None }))
        } else {
            ObjectKind::Routine(Box::new(Routine { owner, acl, arg_types, detail: None, postponed: false }))
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_PROC, oid: row.oid("oid")? },
            row.text("proname")?,
            catalog.namespace_by_oid(row.oid("pronamespace")?),
            kind,
        );
        r.selection.object(catalog, id);
        catalog.object_mut(id).components.set(Components::ACL, has_acl);
    }
    Ok(())
}

/// Reads the definitions of the routines that will be dumped.
pub(super) async fn read_details(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    if !r.prints_definitions() {
        return Ok(());
    }
    let (mut routines, mut aggregates) = (Vec::new(), Vec::new());
    for id in catalog.ids() {
        let object = catalog.object(id);
        if object.dump.is_empty() {
            continue;
        }
        if let ObjectKind::Routine(_) = object.kind {
            routines.push(object.catalog_id.oid);
        } else if let ObjectKind::Aggregate(_) = object.kind {
            aggregates.push(object.catalog_id.oid);
        }
    }
    read_routine_details(r, catalog, routines).await?;
    read_aggregate_details(r, catalog, aggregates).await
}

async fn read_routine_details(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    let sql_body = if r.major >= 14 { "pg_catalog.pg_get_function_sqlbody(p.oid)" } else { "NULL::text" };
    let sql = format!(
        "SELECT p.oid, p.prokind, p.proretset, p.prosrc, p.probin, p.provolatile, p.proisstrict,
                p.prosecdef, p.proleakproof, p.proparallel, p.proconfig, l.lanname,
                p.procost::text, p.prorows::text, p.prosupport::text, p.protrftypes,
                pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
                pg_catalog.pg_get_function_identity_arguments(p.oid) AS identity_arguments,
                pg_catalog.pg_get_function_result(p.oid) AS result,
                {sql_body} AS sql_body
           FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
          WHERE p.oid = ANY ($1)"
    );
    for row in r.query_oids("pg_proc", &sql, oids).await? {
        let detail = RoutineDetail {
            prokind: row.char("prokind")?,
            arguments: row.text("arguments")?,
            identity_arguments: row.text("identity_arguments")?,
            result: row.opt_text("result")?,
            proretset: row.bool("proretset")?,
            prosrc: row.opt_text("prosrc")?.unwrap_or_default(),
            probin: row.opt_text("probin")?.unwrap_or_default(),
            sql_body: row.opt_text("sql_body")?,
            lanname: row.text("lanname")?,
            transform_types: row.oids("protrftypes")?,
            provolatile: row.char("provolatile")?,
            proisstrict: row.bool("proisstrict")?,
            prosecdef: row.bool("prosecdef")?,
            proleakproof: row.bool("proleakproof")?,
            proparallel: row.char("proparallel")?,
            procost: row.text("procost")?,
            prorows: row.text("prorows")?,
            prosupport: row.text("prosupport")?,
            proconfig: row.texts("proconfig")?,
            depends_on_extensions: Vec::new(),
        };
        let Some(id) = catalog.find(class::PG_PROC, row.oid("oid")?) else { continue };
        if let Some(routine) = catalog.routine_mut(id) {
            routine.detail = Some(detail);
        }
    }
    Ok(())
}

async fn read_aggregate_details(r: &Reader<'_>, catalog: &mut Catalog, oids: Vec<Oid>) -> Result<()> {
    let sql = "SELECT p.oid, p.proparallel, a.aggkind,
                a.aggtransfn::text, a.aggfinalfn::text, a.aggcombinefn::text, a.aggserialfn::text,
                a.aggdeserialfn::text, a.aggmtransfn::text, a.aggminvtransfn::text, a.aggmfinalfn::text,
                a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify, a.aggmfinalmodify, a.aggsortop,
                a.aggtranstype::pg_catalog.regtype::text, a.aggtransspace,
                a.aggmtranstype::pg_catalog.regtype::text, a.aggmtransspace, a.agginitval, a.aggminitval,
                pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
                pg_catalog.pg_get_function_identity_arguments(p.oid) AS identity_arguments
           FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid
          WHERE p.oid = ANY ($1)";
    for row in r.query_oids("pg_aggregate", sql, oids).await? {
        let detail = AggregateDetail {
            arguments: row.text("arguments")?,
            identity_arguments: row.text("identity_arguments")?,
            aggkind: row.char("aggkind")?,
            aggtransfn: row.text("aggtransfn")?,
            aggfinalfn: row.text("aggfinalfn")?,
            aggcombinefn: row.text("aggcombinefn")?,
            aggserialfn: row.text("aggserialfn")?,
            aggdeserialfn: row.text("aggdeserialfn")?,
            aggmtransfn: row.text("aggmtransfn")?,
            aggminvtransfn: row.text("aggminvtransfn")?,
            aggmfinalfn: row.text("aggmfinalfn")?,
            aggfinalextra: row.bool("aggfinalextra")?,
            aggmfinalextra: row.bool("aggmfinalextra")?,
            aggfinalmodify: row.char("aggfinalmodify")?,
            aggmfinalmodify: row.char("aggmfinalmodify")?,
            aggsortop: row.oid("aggsortop")?,
            aggtranstype: row.text("aggtranstype")?,
            aggtransspace: row.int("aggtransspace")?,
            aggmtranstype: row.text("aggmtranstype")?,
            aggmtransspace: row.int("aggmtransspace")?,
            agginitval: row.opt_text("agginitval")?,
            aggminitval: row.opt_text("aggminitval")?,
            proparallel: row.char("proparallel")?,
        };
        let Some(id) = catalog.find(class::PG_PROC, row.oid("oid")?) else { continue };
        if let ObjectKind::Aggregate(aggregate) = &mut catalog.object_mut(id).kind {
            aggregate.detail = Some(detail);
        }
    }
    Ok(())
}

//! The database to restore to.

use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::{Session, connect};
use crate::pg::error::{failed, sqlstate};
use crate::pg::params::ConnectParams;
use crate::pg::quote::quoted;
use crate::pg::text::EncodedText;

/// Databases in every cluster from which another database can be created.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// How many objects an error lists.
const NAMED: usize = 3;

/// Objects made by users rather than by initdb (whose oids are below 16384, FirstNormalObjectId) or an
/// extension. `$1` is the limit.
const OBJECTS: &str = "
    SELECT (count(*) OVER ())::int8 AS total, kind || ' ' || name AS object
      FROM (SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                                  WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
                   n.nspname || '.' || c.relname AS name, c.oid, 'pg_catalog.pg_class'::regclass AS class,
                   n.nspname
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
             UNION ALL
            SELECT 'function', n.nspname || '.' || p.proname, p.oid, 'pg_catalog.pg_proc'::regclass, n.nspname
              FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
             UNION ALL
            SELECT 'type', n.nspname || '.' || t.typname, t.oid, 'pg_catalog.pg_type'::regclass, n.nspname
              FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
              LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
             WHERE t.typtype IN ('d', 'e', 'r') OR c.relkind = 'c' OR (t.typtype = 'b' AND t.typcategory <> 'A')
             UNION ALL
            SELECT 'large object', l.oid::text, l.oid, 'pg_catalog.pg_largeobject'::regclass, 'public'
              FROM pg_catalog.pg_largeobject_metadata l) o
     WHERE (o.oid >= 16384 OR kind = 'large object')
       AND o.nspname !~ '^pg_' AND o.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
     ORDER BY o.oid LIMIT $1";

/// The schema from initdb (which has this oid in every version) with the same owner, privileges and
/// comment as in template0, and containing nothing except extension members.
const UNTOUCHED_PUBLIC: &str = "
    SELECT FROM pg_catalog.pg_namespace n
     WHERE n.nspname = 'public' AND n.oid = 2200
       AND (n.nspowner = 10 OR pg_catalog.pg_get_userbyid(n.nspowner) = 'pg_database_owner')
       AND n.nspacl IS NOT DISTINCT FROM
           (SELECT p.initprivs FROM pg_catalog.pg_init_privs p
             WHERE p.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND p.objoid = n.oid AND p.objsubid = 0)
       AND pg_catalog.obj_description(n.oid, 'pg_namespace') IS NOT DISTINCT FROM 'standard public schema'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
                          AND d.deptype = 'n'
                          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                           WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
                          AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass)";

/// Refuses a database that is not empty.
///
/// # Errors
/// `RestoreFailed`, with the number of objects and some of their names.
pub(super) async fn refuse_nonempty(session: &Session, database: &str) -> Result<()> {
    let attempted = format!("restore into database \"{database}\"");
    let failed = |e| failed(ErrorKind::RestoreFailed, attempted.clone(), session.reason(e));
    let limit = i64::try_from(NAMED).unwrap_or(i64::MAX);
    let rows = session.client.query(OBJECTS, &[&limit]).await.map_err(failed)?;
    let Some(first) = rows.first() else { return Ok(()) };
    let total: i64 = first.try_get("total").map_err(failed)?;
    let names: Result<Vec<EncodedText>, _> = rows.iter().map(|row| row.try_get("object")).collect();
    let names: Vec<String> = names.map_err(failed)?.into_iter().map(|name| name.0).collect();
    let objects = if total == 1 { "object" } else { "objects" };
    let more = if total > names.len() as i64 { ", …" } else { "" };
    Err(Error::new(ErrorKind::RestoreFailed, attempted)
        .because(format!("it is not empty: it has {total} {objects} ({}{more})", names.join(", ")))
        .hint("choose an empty database, create one with --create, or allow it with --into-nonempty"))
}

/// Connects to a database from which others can be created.
pub(super) async fn connect_to_maintenance(params: &ConnectParams) -> Result<Session> {
    let [first, second] = MAINTENANCE;
    let to = |name: &str| ConnectParams { dbname: name.to_owned(), ..params.clone() };
    match connect(&to(first)).await {
        Err(error) if is_no_such_database(&error) => connect(&to(second)).await,
        outcome => outcome,
    }
}

/// Connects to the target database.
pub(super) async fn connect_to_target(params: &ConnectParams) -> Result<Session> {
    connect(params).await.map_err(|error| match is_no_such_database(&error) {
        true => error.hint("--to names the database to restore to; --create creates it"),
        false => error,
    })
}

/// Connects to a database that the dump names.
pub(super) async fn connect_to_own(params: &ConnectParams) -> Result<Session> {
    connect(params).await.map_err(|error| match is_no_such_database(&error) {
        true => error.hint("the dump connects to this database, but does not create it: create it first"),
        false => error,
    })
}

/// Makes sure that a session is in the database just created: a pooler may map the name to another one.
pub(super) async fn refuse_other(session: &Session, database: &str) -> Result<()> {
    let attempted = || format!("restore into database \"{database}\"");
    let fail = |e| failed(ErrorKind::RestoreFailed, attempted(), session.reason(e));
    let sql = "SELECT pg_catalog.current_database()::text";
    let name: EncodedText =
        session.client.query_one(sql, &[]).await.and_then(|row| row.try_get(0)).map_err(fail)?;
    if name.0 == database {
        return Ok(());
    }
    Err(Error::new(ErrorKind::RestoreFailed, attempted())
        .because(format!("under that name, the connection leads to database \"{}\"", name.0))
        .hint("connect directly to the server, not through a pooler"))
}

/// Whether the schema `public` exists and is as in a new database, so that a dump that creates it need
/// not.
pub(super) async fn has_untouched_public(session: &Session) -> Result<bool> {
    let fail = |e| failed(ErrorKind::RestoreFailed, "look at the schema public", session.reason(e));
    let row = session.client.query_opt(UNTOUCHED_PUBLIC, &[]).await.map_err(fail)?;
    Ok(row.is_some())
}

/// Whether this is a database that every cluster has, used to create others.
pub(super) fn is_for_maintenance(database: &str) -> bool {
    MAINTENANCE.contains(&database)
}

/// The command for dropping a database by hand.
pub(super) fn drop_statement(database: &str) -> String {
    format!("DROP DATABASE {};", quoted(database))
}

/// Creates a database with the cluster's default encoding and locale.
pub(super) async fn create(session: &Session, database: &str) -> Result<()> {
    let sql = format!("CREATE DATABASE {} TEMPLATE template0", quoted(database));
    let attempted = || format!("create database \"{database}\"");
    session.client.batch_execute(&sql).await.map_err(|error| {
        let exists = error.code() == Some(&tokio_postgres::error::SqlState::DUPLICATE_DATABASE);
        let error = failed(ErrorKind::RestoreFailed, attempted(), session.reason(error));
        if exists {
            error.hint("restore into it without --create if it is empty, or replace it with --replace")
        } else {
            error
        }
    })
}

fn is_no_such_database(error: &Error) -> bool {
    sqlstate(error).is_some_and(|code| code.code() == "3D000")
}

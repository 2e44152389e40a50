//! `pg_foreign_data_wrapper`, `pg_foreign_server`, `pg_user_mapping`.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Acl, Catalog, CatalogId, Components, ObjectKind, class};
use crate::error::Result;

/// A foreign-data wrapper. `-` means that there is no such function.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_foreign_data_wrapper
pub(crate) struct ForeignDataWrapper {
    pub owner: String,
    pub acl: Acl,
    pub fdwhandler: String,
    pub fdwvalidator: String,
    /// The function that builds a server's connection string for subscriptions, from version 19 on.
    pub fdwconnection: String,
    pub options: String,
}

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_foreign_server
pub(crate) struct ForeignServer {
    pub owner: String,
    pub acl: Acl,
    pub fdwname: String,
    pub srvtype: Option<String>,
    pub srvversion: Option<String>,
    pub options: String,
    pub user_mappings: Vec<UserMapping>,
}

#[derive(Debug)]
pub(crate) struct UserMapping {
    /// The user's name, or `public`.
    pub user: String,
    /// Options, ready to be printed.
    pub options: String,
}

/// The running queries about foreign data.
pub(super) struct ForeignData {
    wrappers: StartedQuery,
    servers: StartedQuery,
    user_mappings: StartedQuery,
}

pub(super) fn start(r: &Reader<'_>) -> ForeignData {
    let connection = if r.major >= 19 { "fdwconnection::pg_catalog.regproc::text" } else { "'-'" };
    let wrappers = format!(
        "SELECT oid, fdwname, fdwowner, fdwhandler::pg_catalog.regproc::text AS fdwhandler,
                fdwvalidator::pg_catalog.regproc::text AS fdwvalidator, {connection} AS fdwconnection, fdwacl::text[] AS acl,
                pg_catalog.acldefault('F', fdwowner)::text[] AS acldefault, {} AS options
           FROM pg_catalog.pg_foreign_data_wrapper",
        super::reader::options_sql("fdwoptions")
    );
    let servers = format!(
        "SELECT s.oid, s.srvname, s.srvowner, w.fdwname, s.srvtype, s.srvversion, s.srvacl::text[] AS acl,
                pg_catalog.acldefault('S', s.srvowner)::text[] AS acldefault, {} AS options
           FROM pg_catalog.pg_foreign_server s
           JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw",
        super::reader::options_sql("s.srvoptions")
    );
    // The view hides options that the user may not see, whereas reading the table fails.
    let user_mappings = format!(
        "SELECT srvid, usename, {} AS options FROM pg_catalog.pg_user_mappings ORDER BY srvid, usename",
        super::reader::options_sql("umoptions")
    );
    ForeignData {
        wrappers: r.start("pg_foreign_data_wrapper", &wrappers),
        servers: r.start("pg_foreign_server", &servers),
        user_mappings: r.start("pg_user_mappings", &user_mappings),
    }
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, started: ForeignData) -> Result<()> {
    for row in started.wrappers.rows().await? {
        let acl = Acl::from_row(&row)?;
        let has_acl = acl.acl.is_some();
        let wrapper = ForeignDataWrapper {
            owner: catalog.role(row.oid("fdwowner")?),
            acl,
            fdwhandler: row.text("fdwhandler")?,
            fdwvalidator: row.text("fdwvalidator")?,
            fdwconnection: row.text("fdwconnection")?,
            options: row.text("options")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_FOREIGN_DATA_WRAPPER, oid: row.oid("oid")? },
            row.text("fdwname")?,
            None,
            ObjectKind::ForeignDataWrapper(Box::new(wrapper)),
        );
        r.selection.object(catalog, id);
        catalog.object_mut(id).components.set(Components::ACL, has_acl);
    }
    for row in started.servers.rows().await? {
        let acl = Acl::from_row(&row)?;
        let has_acl = acl.acl.is_some();
        let server = ForeignServer {
            owner: catalog.role(row.oid("srvowner")?),
            acl,
            fdwname: row.text("fdwname")?,
            srvtype: row.nonempty("srvtype")?,
            srvversion: row.nonempty("srvversion")?,
            options: row.text("options")?,
            user_mappings: Vec::new(),
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_FOREIGN_SERVER, oid: row.oid("oid")? },
            row.text("srvname")?,
            None,
            ObjectKind::ForeignServer(Box::new(server)),
        );
        r.selection.object(catalog, id);
        let object = catalog.object_mut(id);
        object.components |= Components::USER_MAPPING;
        object.components.set(Components::ACL, has_acl);
    }
    for row in started.user_mappings.rows().await? {
        let mapping = UserMapping { user: row.text("usename")?, options: row.text("options")? };
        let id = catalog.find(class::PG_FOREIGN_SERVER, row.oid("srvid")?);
        if let Some(ObjectKind::ForeignServer(server)) = id.map(|id| &mut catalog.object_mut(id).kind) {
            server.user_mappings.push(mapping);
        }
    }
    Ok(())
}

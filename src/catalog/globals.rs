//! Objects that belong to the whole cluster rather than to one database.

use tokio_postgres::Client;

use super::membership::{self, Membership};
use super::parameter_acl::{self, ParameterAcl};
use super::role::{self, Role};
use super::tablespace::{self, Tablespace};
use crate::error::Result;
use crate::pg::server::Server;
use crate::progress::Warnings;
use crate::select::options::{ClusterOptions, DumpOptions};

/// Everything in a dump of the cluster's globals
/// (<https://www.postgresql.org/docs/current/app-pg-dumpall.html>). Parts that the options leave out are not
/// read, and stay empty.
#[derive(Debug, Default)]
pub(crate) struct Globals {
    /// Roles that users created, by name.
    pub roles: Vec<Role>,
    /// Role memberships, by role, member and grantor.
    pub memberships: Vec<Membership>,
    /// Privileges on configuration parameters, by parameter; empty before PostgreSQL 15.
    pub parameter_acls: Vec<ParameterAcl>,
    /// Tablespaces that users created, in the order of their creation.
    pub tablespaces: Vec<Tablespace>,
}

/// Reads the selected globals, inside the caller's transaction.
pub(crate) async fn read_globals(
    client: &Client,
    server: &Server,
    cluster: &ClusterOptions,
    options: &DumpOptions,
    warnings: &Warnings,
) -> Result<Globals> {
    let mut globals = Globals::default();
    if !options.schema {
        return Ok(globals);
    }
    if cluster.roles {
        globals.roles = role::read(client, cluster.no_role_passwords, warnings).await?;
        globals.memberships = membership::read(client, server.known_major(), warnings).await?;
        if server.known_major() >= 15 && !options.no_privileges {
            globals.parameter_acls = parameter_acl::read(client).await?;
        }
    }
    if cluster.tablespaces && !options.no_tablespaces {
        globals.tablespaces = tablespace::read(client).await?;
    }
    Ok(globals)
}

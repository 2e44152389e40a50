//! What belongs to the whole cluster rather than to one database.

use tokio_postgres::Client;

use super::membership::{self, Membership};
use super::parameter_acl::{self, ParameterAcl};
use super::role::{self, Role};
use super::tablespace::{self, Tablespace};
use crate::error::Result;
use crate::pg::server::Server;
use crate::progress::Warnings;
use crate::select::options::{ClusterOptions, DumpOptions};

/// Everything that a dump of the cluster's globals shows
/// (<https://www.postgresql.org/docs/current/app-pg-dumpall.html>). What the options leave out is
/// not read, and empty.
#[derive(Debug, Default)]
pub(crate) struct Globals {
    /// Roles that users made, by name.
    pub roles: Vec<Role>,
    /// Who is a member of which role, by role, member and grantor.
    pub memberships: Vec<Membership>,
    /// Privileges on configuration parameters, by parameter; none before PostgreSQL 15.
    pub parameter_acls: Vec<ParameterAcl>,
    /// Tablespaces that users made, in the order of their creation.
    pub tablespaces: Vec<Tablespace>,
}

/// Reads the globals that are wanted, inside the caller's transaction.
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

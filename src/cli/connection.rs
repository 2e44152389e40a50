//! Connection options, as in pg_dump, psql and pg_restore.

use std::io;
use std::sync::Arc;

use clap::Args;
use pgsiphon::error::Result;
use pgsiphon::pg::conninfo::ConnectArgs;
use pgsiphon::pg::params::{PasswordPrompt, PromptPolicy};
use pgsiphon::pg::secret::Secret;

use super::config::{FlagSetting, flag};
use super::content::usage;

#[derive(Args)]
#[command(next_help_heading = "Connection options")]
pub(super) struct ConnectionArgs {
    /// Database name, connection string or URL
    #[arg(short = 'd', long = "dbname", value_name = "DBNAME")]
    dbname_option: Option<String>,
    /// Database server host or socket directory
    #[arg(short = 'h', long, value_name = "HOSTNAME")]
    host: Option<String>,
    /// Database server port
    #[arg(short = 'p', long, value_name = "PORT")]
    port: Option<String>,
    /// Connect as this database user
    #[arg(short = 'U', long, value_name = "NAME")]
    username: Option<String>,
    /// Never prompt for a password
    #[arg(short = 'w', long, conflicts_with = "password")]
    no_password: bool,
    /// Force a password prompt
    #[arg(short = 'W', long)]
    password: bool,
    /// Run SET ROLE first
    #[arg(long, value_name = "ROLENAME")]
    pub(super) role: Option<String>,
}

impl ConnectionArgs {
    /// The given flags as settings of the configuration.
    pub(super) fn settings(&self) -> Result<Vec<FlagSetting>> {
        if self.password {
            return Err(usage("this command never prompts for a password")
                .hint("use .pgpass, PGPASSWORD, or a setting in [source]"));
        }
        let is_string = |name: &str| name.contains('=') || name.contains("://");
        let dbname = match &self.dbname_option {
            Some(name) if is_string(name) => "source.url",
            _ => "source.dbname",
        };
        let mut flags = Vec::new();
        flag(&mut flags, "--dbname", dbname, self.dbname_option.clone());
        flag(&mut flags, "--host", "source.host", self.host.clone());
        flag(&mut flags, "--port", "source.port", self.port.clone());
        flag(&mut flags, "--username", "source.user", self.username.clone());
        flag(&mut flags, "--role", "source.role", self.role.clone());
        Ok(flags)
    }

    /// What to resolve; `other` is a database given otherwise than with `-d`.
    pub(super) fn connect_args(&self, other: Option<&str>) -> Result<ConnectArgs> {
        let policy = match (self.no_password, self.password) {
            (true, _) => PromptPolicy::Never,
            (_, true) => PromptPolicy::Force,
            _ => PromptPolicy::IfNeeded,
        };
        if let (Some(_), Some(other)) = (&self.dbname_option, other) {
            return Err(usage(format!("too many command-line arguments (first is \"{other}\")")));
        }
        Ok(ConnectArgs {
            dbname: self.dbname_option.clone().or_else(|| other.map(str::to_owned)),
            host: self.host.clone(),
            port: self.port.clone(),
            username: self.username.clone(),
            password_prompt: PasswordPrompt::new(policy, Some(Arc::new(ask_on_terminal))),
            ..ConnectArgs::default()
        })
    }
}

/// Asks on the controlling terminal, without echo.
fn ask_on_terminal(text: &str) -> io::Result<Secret> {
    rpassword::prompt_password(text).map(Secret::new)
}

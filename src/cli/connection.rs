//! How to reach the server: the options that pg_dump, psql and pg_restore share.

use clap::Args;
use pgsiphon::error::Result;
use pgsiphon::pg::conninfo::ConnectArgs;
use pgsiphon::pg::params::{PasswordPrompt, PromptPolicy};

use super::content::usage;

#[derive(Args)]
#[command(next_help_heading = "Connection options")]
pub(super) struct ConnectionArgs {
    /// Database: a name, a connection string or a URL
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
    /// Do SET ROLE first
    #[arg(long, value_name = "ROLENAME")]
    pub(super) role: Option<String>,
}

impl ConnectionArgs {
    /// What to resolve; `other` is a database that was given in another way than by `-d`.
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
            password_prompt: PasswordPrompt::terminal(policy),
            ..ConnectArgs::default()
        })
    }
}

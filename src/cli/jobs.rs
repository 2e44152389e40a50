//! Arguments of the commands that work on configured jobs.

use clap::Args;
use pgsiphon::config::{Config, Job};
use pgsiphon::error::Result;

use super::config::{ConfigArgs, flag};
use super::connection::ConnectionArgs;
use super::storage::StorageArgs;

#[derive(Args)]
pub(crate) struct JobArgs {
    /// Names of configured jobs [default: all]
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Print JSON instead of a table; with schedule, the same as --log-format json
    #[arg(long)]
    pub(super) json: bool,
    /// Print progress messages; repeat for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    #[command(flatten)]
    config: ConfigArgs,
    /// Where to store backups: s3://BUCKET/PREFIX or a directory
    #[arg(long, value_name = "URL", help_heading = "Storage options")]
    destination: Option<String>,
    #[command(flatten)]
    storage: StorageArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl JobArgs {
    /// Loads the configuration.
    pub(super) fn load(&self) -> Result<Config> {
        let mut flags = self.storage.settings();
        flag(&mut flags, "--destination", "destination.url", self.destination.clone());
        flags.extend(self.connection.settings()?);
        self.config.load(flags)
    }

    /// The selected jobs.
    pub(super) fn select<'c>(&self, config: &'c Config) -> Result<Vec<&'c Job>> {
        config.select(&self.jobs)
    }
}

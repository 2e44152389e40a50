//! The command line.

pub(crate) mod backup;
pub(crate) mod check;
mod choice;
pub(crate) mod config;
mod connection;
mod content;
pub(crate) mod contents;
pub(crate) mod dump;
pub(crate) mod extract;
pub(crate) mod generate;
mod globals;
mod jobs;
pub(crate) mod lifecycle;
pub(crate) mod list;
mod progress;
pub(crate) mod prune;
pub(crate) mod restore;
pub(crate) mod schedule;
mod storage;
mod table;
pub(crate) mod verify;

use clap::{Parser, Subcommand};
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::pg::conninfo::{Environment, OsEnvironment};
use tracing_subscriber::fmt::{FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Back up PostgreSQL to S3 in pg_dump's own format, without pg_dump.
#[derive(Parser)]
#[command(name = "pgsiphon", version, disable_help_flag = true, args_override_self = true)]
pub(crate) struct Cli {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, global = true)]
    help: Option<bool>,
    /// Format of messages on standard error [env: PGSIPHON_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn format_of_environment() -> Option<LogFormat> {
    let value = OsEnvironment.var("PGSIPHON_LOG_FORMAT")?;
    let format = <LogFormat as clap::ValueEnum>::from_str(&value, true);
    Some(format.unwrap_or_else(|error| {
        let said = format!("PGSIPHON_LOG_FORMAT: {error}");
        <Cli as clap::CommandFactory>::command().error(clap::error::ErrorKind::InvalidValue, said).exit()
    }))
}

/// The format of messages.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of plain text per message
    Text,
    /// One JSON object per line, with a timestamp
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Dump a database as SQL
    Dump(Box<dump::DumpArgs>),
    /// Restore a dump into a database, without psql
    Restore(Box<restore::RestoreArgs>),
    /// List what is in a backup, without reading all of it
    Contents(Box<contents::ContentsArgs>),
    /// Write the SQL of a part of a backup, such as one table, without reading the rest
    Extract(Box<extract::ExtractArgs>),
    /// Check that a backup is complete and, optionally, that it restores
    Verify(Box<verify::VerifyArgs>),
    /// Back up the configured databases now
    Backup(Box<backup::BackupArgs>),
    /// Keep running, and back up the configured databases on schedule
    Schedule(Box<schedule::ScheduleArgs>),
    /// List backups
    List(Box<list::ListArgs>),
    /// Check everything the jobs need, with hints for each problem
    Check(Box<check::CheckArgs>),
    /// Show whether the newest backups are recent enough
    Status(Box<list::StatusArgs>),
    /// Remove old backups according to the retention rules; a dry run without --yes
    Prune(Box<prune::PruneArgs>),
    /// Show or set the bucket's lifecycle rules for backups: expiry, colder storage, stale uploads
    #[command(subcommand)]
    Lifecycle(lifecycle::LifecycleCommand),
    /// Create or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print a shell completion script
    Completions(generate::CompletionsArgs),
    /// Print the manual page, or write the pages of all commands to a directory
    Man(generate::ManArgs),
}

impl Cli {
    /// The format of messages; for `schedule`, `--json` means JSON messages.
    pub(crate) fn log_format(&self) -> LogFormat {
        match &self.command {
            Command::Schedule(args) if args.jobs.json => LogFormat::Json,
            _ => self.log_format.or_else(format_of_environment).unwrap_or(LogFormat::Text),
        }
    }

    /// How often `-v` was given.
    pub(crate) fn verbosity(&self) -> u8 {
        match &self.command {
            Command::Dump(args) => args.verbose,
            Command::Restore(args) => args.verbose,
            Command::Contents(args) => args.verbose,
            Command::Extract(args) => args.verbose,
            Command::Verify(args) => args.verbose,
            Command::Backup(args) => args.jobs.verbose,
            // Its log is the only way to see what it does.
            Command::Schedule(args) => args.jobs.verbose + 1,
            Command::List(args) => args.jobs.verbose,
            Command::Check(args) => args.jobs.verbose,
            Command::Status(args) => args.jobs.verbose,
            Command::Prune(args) => args.jobs.verbose,
            Command::Lifecycle(command) => command.verbosity(),
            Command::Config(_) | Command::Completions(_) | Command::Man(_) => 0,
        }
    }
}

/// Writes to standard output. It is not a failure if the reader closes it early.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Other, "write to standard output").because(error))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON to standard output.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Other, "write JSON").because(error))?;
    print(&(text + "\n"))
}

/// Warnings go to standard error, one per line; `-v` adds progress messages. `PGSIPHON_LOG` takes a
/// filter in tracing's syntax.
pub(crate) fn start_logging(verbosity: u8, format: LogFormat) {
    let default = match verbosity {
        0 => "pgsiphon=warn",
        1 => "pgsiphon=info",
        _ => "pgsiphon=debug",
    };
    let wanted = OsEnvironment.var("PGSIPHON_LOG").and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = wanted.unwrap_or_else(|| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(in_colour());
    let lines = match format {
        LogFormat::Text => lines.event_format(OneLine).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// Is standard error a terminal that supports escape sequences?
fn on_terminal() -> bool {
    use std::io::IsTerminal;
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stderr().is_terminal() && !dumb
}

/// May messages be coloured (<https://no-color.org>)?
fn in_colour() -> bool {
    on_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `pgsiphon: warning: text`, as PostgreSQL's own programs write.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &tracing_subscriber::fmt::FmtContext<'_, S, N>,
        mut writer: tracing_subscriber::fmt::format::Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warning",
            tracing::Level::INFO => "info",
            _ => "debug",
        };
        write!(writer, "pgsiphon: {level}: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_has_the_name_of_another() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}

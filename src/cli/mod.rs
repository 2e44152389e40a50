//! What can be typed.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod config;
mod connection;
mod content;
pub(crate) mod dump;
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
use pgsiphon::ops::warnings::Collect;
use pgsiphon::pg::conninfo::{Environment, OsEnvironment};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// A native PostgreSQL dumper: pg_dump's text, streamed into S3, without pg_dump.
#[derive(Parser)]
#[command(name = "pgsiphon", version, disable_help_flag = true, args_override_self = true)]
pub(crate) struct Cli {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, global = true)]
    help: Option<bool>,
    /// How messages are written to standard error [env: PGSIPHON_LOG_FORMAT] [default: text]
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

/// How messages are written.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people
    Text,
    /// An object per line, with the time
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Dump one database as SQL
    Dump(Box<dump::DumpArgs>),
    /// Restore a dump into a database, without psql
    Restore(Box<restore::RestoreArgs>),
    /// Say whether a backup is whole, and if asked, whether it restores
    Verify(Box<verify::VerifyArgs>),
    /// Back up the configured databases: the nightly job
    Backup(Box<backup::BackupArgs>),
    /// Back up the configured databases at their times, as a process that lives on
    Schedule(Box<schedule::ScheduleArgs>),
    /// List the backups
    List(Box<list::ListArgs>),
    /// Look at all that the jobs need, and say how to mend what is wrong
    Check(Box<check::CheckArgs>),
    /// Say whether the newest backups are fresh
    Status(Box<list::StatusArgs>),
    /// Remove old backups by the rules of retention; a dry run unless --yes is given
    Prune(Box<prune::PruneArgs>),
    /// Show or set the bucket's own rules for the backups: expiry, colder storage, stale uploads
    #[command(subcommand)]
    Lifecycle(lifecycle::LifecycleCommand),
    /// Write, check and show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print what lets a shell complete pgsiphon's commands and options
    Completions(generate::CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(generate::ManArgs),
}

impl Cli {
    /// How messages are written: a process that lives on may say so in its own way.
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
            Command::Verify(args) => args.verbose,
            Command::Backup(args) => args.jobs.verbose,
            // Its log is how one knows what it does.
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

/// Writes to standard output; that nobody reads it to its end is no failure.
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

/// Warnings go to standard error as one line each; `-v` adds what is being done, `PGSIPHON_LOG`
/// takes a filter of tracing's syntax.
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
    // What is remembered for manifests does not depend on what is shown.
    let collect = Collect.with_filter(LevelFilter::WARN);
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(collect).init();
}

/// Is standard error a terminal that knows escape sequences?
fn on_terminal() -> bool {
    use std::io::IsTerminal;
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stderr().is_terminal() && !dumb
}

/// May messages have colours (<https://no-color.org>)?
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

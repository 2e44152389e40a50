//! What can be typed.

mod connection;
mod content;
pub(crate) mod dump;
mod globals;
mod progress;
pub(crate) mod restore;
mod storage;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{FormatEvent, FormatFields};

/// A native PostgreSQL dumper: pg_dump's text, streamed into S3, without pg_dump.
#[derive(Parser)]
#[command(name = "pgsiphon", version, disable_help_flag = true, args_override_self = true)]
pub(crate) struct Cli {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help, global = true)]
    help: Option<bool>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Dump one database as SQL
    Dump(Box<dump::DumpArgs>),
    /// Restore a dump into a database, without psql
    Restore(Box<restore::RestoreArgs>),
}

impl Cli {
    /// How often `-v` was given.
    pub(crate) fn verbosity(&self) -> u8 {
        match &self.command {
            Command::Dump(args) => args.verbose,
            Command::Restore(args) => args.verbose,
        }
    }
}

/// Warnings go to standard error as one line each; `-v` adds what is being done, `PGSIPHON_LOG`
/// takes a filter of tracing's syntax.
pub(crate) fn start_logging(verbosity: u8) {
    let default = match verbosity {
        0 => "pgsiphon=warn",
        1 => "pgsiphon=info",
        _ => "pgsiphon=debug",
    };
    let filter = EnvFilter::try_from_env("PGSIPHON_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(OneLine)
        .init();
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

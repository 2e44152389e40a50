//! Shell completions and manual pages, generated from the command line's definition.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use pgsiphon::error::{Error, ErrorKind, Result};

use super::Cli;

#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Args)]
pub(crate) struct ManArgs {
    /// Write the pages of all commands to this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs `completions`.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pgsiphon", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}

/// Runs `man`.
pub(crate) fn man(args: &ManArgs) -> Result<()> {
    let failed = |error: std::io::Error| match &args.dir {
        Some(dir) => {
            Error::new(ErrorKind::Other, format!("write manual pages to {}", dir.display())).because(error)
        }
        None => Error::new(ErrorKind::Other, "print the manual page").because(error),
    };
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), dir).map_err(failed)
        }
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command().disable_help_subcommand(true)).render(&mut page).map_err(failed)?;
            super::print(&String::from_utf8_lossy(&page))
        }
    }
}

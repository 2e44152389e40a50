//! `pgsiphon restore`: does the work of psql, with pg_restore's option names.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use pgsiphon::dump::ParamsFor;
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::pg::conninfo::{ConnectArgs, OsEnvironment, names_database, resolve};
use pgsiphon::progress::{Progress, Silent};
use pgsiphon::restore::{RestoreOptions, RestoreRequest, restore};
use tokio_util::sync::CancellationToken;

use super::connection::ConnectionArgs;
use super::content::usage;
use super::progress::{ReadBar, When};
use super::storage::StorageArgs;

#[derive(Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct RestoreArgs {
    /// The dump: a file, s3://bucket/key, or - for standard input (plain, gzip, zstd or lz4); or
    /// latest for the newest good backup of a configured job
    #[arg(value_name = "FILE|s3://BUCKET/KEY|-|latest[:DATABASE]")]
    backup: String,
    /// Database to restore to: a name, a connection string or a URL; same as -d. Required unless the
    /// dump creates its databases itself
    #[arg(long, value_name = "DBNAME|URL")]
    to: Option<String>,
    /// Create the database first, unless the dump creates one itself
    #[arg(short = 'C', long)]
    create: bool,
    /// Restore into a new database, then replace the existing one with it and drop the old one. Asks
    /// first
    #[arg(long, conflicts_with_all = ["create", "continue_on_error", "into_nonempty"])]
    replace: bool,
    /// Do not ask for confirmation
    #[arg(long, requires = "replace")]
    yes: bool,
    /// End other sessions connected to the database to be replaced
    #[arg(long, requires = "replace")]
    force: bool,
    /// Restore as a single transaction: all or nothing
    #[arg(short = '1', long, conflicts_with = "continue_on_error")]
    single_transaction: bool,
    /// Continue after errors, and count them
    #[arg(long)]
    continue_on_error: bool,
    /// Restore into a database that is not empty
    #[arg(long)]
    into_nonempty: bool,
    /// Leave out ownership: everything belongs to the role that restores
    #[arg(short = 'O', long)]
    no_owner: bool,
    /// Leave out privileges (GRANT and REVOKE)
    #[arg(short = 'x', long, visible_alias = "no-acl")]
    no_privileges: bool,
    /// Print progress messages and the server's warnings; twice for its notices
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to show a progress bar on standard error
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    storage: StorageArgs,
}

/// Runs the command.
pub(crate) async fn run(args: RestoreArgs, shutdown: CancellationToken) -> Result<()> {
    let connect = args.connection.connect_args(args.to.as_deref())?;
    let no_database = !names_database(&connect)?;
    if args.replace && no_database {
        return Err(
            usage("--replace: no target database was given").hint("name the database to replace with --to")
        );
    }
    let params = resolve(&connect, &OsEnvironment)?;
    let location = args.storage.locate(args.backup).await?;
    let backup = args.storage.input(&location).await?.open().await?;
    if args.replace && !args.yes {
        confirm(&params.dbname, &backup.location, &shutdown).await?;
    }
    let show = args.progress.shows(false);
    let progress: Arc<dyn Progress> =
        if show { Arc::new(ReadBar::new(backup.size)) } else { Arc::new(Silent) };
    let location = backup.location.clone();
    let request = RestoreRequest {
        backup,
        params,
        params_for: params_for(connect),
        options: RestoreOptions {
            create: args.create,
            replace: args.replace,
            force: args.force,
            no_database,
            stay_in_database: false,
            single_transaction: args.single_transaction,
            continue_on_error: args.continue_on_error,
            into_nonempty: args.into_nonempty,
            no_owner: args.no_owner,
            no_privileges: args.no_privileges,
            role: args.connection.role.clone(),
        },
    };
    let start = Instant::now();
    let restored = restore(request, Arc::clone(&progress), shutdown).await;
    drop(progress);
    let restored = restored?;
    if show || args.verbose > 0 {
        eprintln!(
            "pgsiphon: {location}: {} statements, {} rows, {:.1} s",
            restored.statements,
            restored.rows,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Asks for confirmation to replace a database.
async fn confirm(database: &str, backup: &str, shutdown: &CancellationToken) -> Result<()> {
    let refused = || {
        Error::new(ErrorKind::Usage, format!("replace database \"{database}\""))
            .because("not confirmed; nothing was changed")
            .hint("use --yes to replace it without asking")
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    eprint!("Database \"{database}\" will be dropped after {backup} is restored. Continue? [yes/no] ");
    let ask = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = tokio::select! {
        () = shutdown.cancelled() => {
            return Err(Error::new(ErrorKind::Interrupted, format!("replace database \"{database}\""))
                .because("interrupted before it began"));
        }
        answer = ask => answer,
    };
    match answer {
        Ok(Ok(answer)) if answer.trim() == "yes" => Ok(()),
        Ok(_) | Err(_) => Err(refused()),
    }
}

/// Returns how to connect to another database on the same server.
pub(super) fn params_for(connect: ConnectArgs) -> Box<ParamsFor> {
    Box::new(move |database| {
        resolve(&ConnectArgs { database: Some(database.to_owned()), ..connect.clone() }, &OsEnvironment)
    })
}

//! `pgsiphon restore`: does the work of psql, with pg_restore's option names.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use pgsiphon::dump::ParamsFor;
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::extract::{Choice, Excerpt};
use pgsiphon::index::Index;
use pgsiphon::pg::conninfo::{ConnectArgs, OsEnvironment, names_database, resolve};
use pgsiphon::progress::{Progress, Silent};
use pgsiphon::restore::{Rename, RestoreOptions, RestoreRequest, restore};
use pgsiphon::storage::input::Input;
use tokio_util::sync::CancellationToken;

use super::choice::{ChoiceArgs, find, find_index, read_for, until};
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
    /// Restore the one chosen table under this name
    #[arg(long, value_name = "NAME", conflicts_with = "continue_on_error")]
    rename: Option<String>,
    /// Restore the one chosen table into this schema, which is created if it does not exist
    #[arg(long, value_name = "SCHEMA", conflicts_with = "continue_on_error")]
    into_schema: Option<String>,
    /// Print progress messages and the server's warnings; twice for its notices
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to show a progress bar on standard error
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,

    #[command(flatten)]
    choice: ChoiceArgs,
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
    let location = args.storage.locate(args.backup.clone()).await?;
    let input = args.storage.input(&location).await?;
    let choice = args.choice.choice()?;
    let part = match choice.is_everything() {
        true => {
            refuse_without_choice(&args, &choice)?;
            None
        }
        false => {
            let found = Part::of(&args, &choice, &location, &*input);
            Some(until(&shutdown, &format!("restore a part of {location}"), found).await?)
        }
    };
    let backup = match &part {
        Some(part) => part.excerpt.open(),
        None => input.open().await?,
    };
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
            // A part must not be left half done among other objects.
            single_transaction: args.single_transaction || (part.is_some() && !args.continue_on_error),
            continue_on_error: args.continue_on_error,
            into_nonempty: args.into_nonempty || part.is_some(),
            no_owner: args.no_owner,
            no_privileges: args.no_privileges,
            role: args.connection.role.clone(),
            is_part: part.is_some(),
            rename: part.as_ref().and_then(|part| part.rename.clone()),
        },
    };
    let start = Instant::now();
    let restored = restore(request, Arc::clone(&progress), shutdown).await;
    drop(progress);
    let restored = restored?;
    if show || args.verbose > 0 {
        let read = part.map(|part| format!(", {}", read_for(&part.excerpt))).unwrap_or_default();
        eprintln!(
            "pgsiphon: {location}: {} statements, {} rows{read}, {:.1} s",
            restored.statements,
            restored.rows,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// The part of a backup that is to be restored.
struct Part {
    excerpt: Excerpt,
    rename: Option<Rename>,
}

impl Part {
    async fn of(args: &RestoreArgs, choice: &Choice, location: &str, input: &dyn Input) -> Result<Self> {
        if args.replace {
            return Err(usage("--replace replaces a whole database, and a part of the backup was chosen")
                .hint("leave out --replace, or the options that choose a part"));
        }
        let found = find_index(input).await?;
        let chosen = find(choice, &found.index)?;
        let rename = args.rename(&found.index, &chosen)?;
        Ok(Part { excerpt: Excerpt::new(location, &found, &chosen).await?, rename })
    }
}

fn refuse_without_choice(args: &RestoreArgs, choice: &Choice) -> Result<()> {
    let given = [
        (args.rename.is_some(), "--rename"),
        (args.into_schema.is_some(), "--into-schema"),
        (choice.with_dependencies, "--with-dependencies"),
    ];
    match given.iter().find(|(is_given, _)| *is_given) {
        Some((_, flag)) => Err(usage(format!("{flag}: no part of the backup was chosen"))
            .hint("choose a table with -t SCHEMA.NAME")),
        None => Ok(()),
    }
}

impl RestoreArgs {
    /// What `--rename` and `--into-schema` mean for the chosen entries.
    fn rename(&self, index: &Index, chosen: &[usize]) -> Result<Option<Rename>> {
        if self.rename.is_none() && self.into_schema.is_none() {
            return Ok(None);
        }
        let entries = chosen.iter().filter_map(|number| index.entries.get(*number));
        let mut tables: Vec<_> = entries
            .filter(|entry| matches!(&*entry.kind, "TABLE" | "TABLE DATA"))
            .map(|entry| (entry.namespace.to_string(), entry.tag.to_string()))
            .collect();
        tables.sort_unstable();
        tables.dedup();
        let [from] = tables.as_slice() else {
            return Err(usage(format!(
                "--rename and --into-schema need one chosen table, and there are {}",
                tables.len()
            ))
            .hint("choose it with -t SCHEMA.NAME"));
        };
        let to = (self.into_schema.as_ref().unwrap_or(&from.0), self.rename.as_ref().unwrap_or(&from.1));
        Ok(Some(Rename { from: from.clone(), to: (to.0.clone(), to.1.clone()) }))
    }
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

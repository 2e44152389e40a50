//! Scratch databases, created empty and dropped at the end.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Outcome;
use super::servers::{Postgres, clean_command};

/// The program that cargo built for this test run.
const PGSIPHON: &str = env!("CARGO_BIN_EXE_pgsiphon");

/// A scratch database, dropped with this value.
#[derive(Debug)]
pub(crate) struct Database {
    server: Postgres,
    name: String,
}

/// The settings of a new database; None is the cluster's default (UTF8, C).
#[derive(Debug, Default, Clone)]
pub(crate) struct Settings {
    pub(crate) encoding: Option<String>,
    pub(crate) locale: Option<String>,
}

impl Database {
    /// Creates an empty database with a unique name that starts with `stem`.
    pub(crate) fn create(server: &Postgres, stem: &str, settings: &Settings) -> Outcome<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let stem: String = stem.chars().take(40).collect();
        Database::create_named(server, &format!("{stem}_{}_{number}", std::process::id()), settings)
    }

    fn create_named(server: &Postgres, name: &str, settings: &Settings) -> Outcome<Self> {
        let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", quoted(name));
        if let Some(encoding) = &settings.encoding {
            sql.push_str(&format!(" ENCODING '{encoding}'"));
        }
        if let Some(locale) = &settings.locale {
            sql.push_str(&format!(" LC_COLLATE '{locale}' LC_CTYPE '{locale}'"));
        }
        // Copying files, as always up to 14, takes a fifth of the time.
        if server.major() >= 15 {
            sql.push_str(" STRATEGY file_copy");
        }
        administer(server, &sql)?;
        Ok(Database { server: server.clone(), name: name.to_owned() })
    }

    /// Takes responsibility for a database that a restore with `CREATE DATABASE` will create.
    pub(crate) fn expected(server: &Postgres, name: &str) -> Self {
        Database { server: server.clone(), name: name.to_owned() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn server(&self) -> &Postgres {
        &self.server
    }

    /// Renames the database, so that its old name is free.
    pub(crate) fn rename(&mut self, name: &str) -> Outcome<()> {
        administer(
            &self.server,
            &format!("ALTER DATABASE {} RENAME TO {}", quoted(&self.name), quoted(name)),
        )?;
        self.name = name.to_owned();
        Ok(())
    }

    /// Runs SQL files in one psql session that stops at the first error.
    pub(crate) fn load(&self, files: &[&Path]) -> Outcome<()> {
        run_files(&self.server, &self.name, files)
    }

    /// Restores a dump by `pgsiphon restore`.
    pub(crate) fn restore(&self, dump: &Path) -> Outcome<()> {
        restore(&self.server, &self.name, dump, &[])
    }

    /// Runs one statement and returns psql's unadorned output.
    pub(crate) fn query(&self, sql: &str) -> Outcome<String> {
        ask(&self.server, &self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = quoted(&self.name);
        // DROP DATABASE … (FORCE) exists since 13. A logical subscription would prevent it, but ours
        // never had a slot.
        let force = if self.server.major() < 13 { "" } else { " (FORCE)" };
        if let Err(text) = administer(&self.server, &format!("DROP DATABASE IF EXISTS {name}{force}")) {
            eprintln!("left behind: {text}");
        }
    }
}

/// Runs SQL files in that database, in one psql session that stops at the first error.
pub(crate) fn run_files(server: &Postgres, database: &str, files: &[&Path]) -> Outcome<()> {
    let mut psql = psql(server, database);
    for file in files {
        psql.arg("-f").arg(file);
    }
    run(psql, &format!("{files:?}")).map(drop)
}

/// Restores a dump by `pgsiphon restore` into that database.
pub(crate) fn restore(server: &Postgres, database: &str, dump: &Path, options: &[&str]) -> Outcome<()> {
    let mut command = clean_command(PGSIPHON);
    command.arg("restore").args(server.connection_options()).args(["-d", database]).args(options).arg(dump);
    run(command, &format!("pgsiphon restore {}", dump.display())).map(drop)
}

/// Runs one statement and returns psql's unadorned output.
pub(crate) fn ask(server: &Postgres, database: &str, sql: &str) -> Outcome<String> {
    let mut psql = psql(server, database);
    psql.args(["-A", "-t", "-c", sql]);
    run(psql, sql)
}

/// Runs a statement in the database `postgres`.
pub(crate) fn administer(server: &Postgres, sql: &str) -> Outcome<()> {
    let mut psql = psql(server, "postgres");
    psql.args(["-c", sql]);
    run(psql, sql).map(drop)
}

fn psql(server: &Postgres, database: &str) -> Command {
    let mut command = server.client("psql");
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database]);
    // Some of the dumped databases are set to read only.
    command.env("PGOPTIONS", "-c default_transaction_read_only=off");
    command
}

fn run(mut command: Command, what: &str) -> Outcome<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().map_err(|e| format!("start {program}: {e}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(format!("{program} failed ({}) on {what}:\n{}", done.status, String::from_utf8_lossy(&done.stderr)))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

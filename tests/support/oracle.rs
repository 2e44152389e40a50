//! Compares our dumps with those of the real pg_dump of the same database.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::servers::{Postgres, clean_command};
use super::{Outcome, difference};

/// Names another program to compare with pg_dump. `pg_dump` alone means the oracle itself: then
/// everything must pass, which tests the tests.
pub(crate) const BINARY_VARIABLE: &str = "PGSIPHON_BIN";

/// The database to dump, and the pg_dump to use.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The directory that holds pg_dump.
    pub(crate) bindir: PathBuf,
    /// The connection options, the same for pg_dump and for us.
    pub(crate) connection: Vec<String>,
    /// Additional environment variables for both.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Source {
    pub(crate) fn cluster(server: &Postgres) -> Self {
        let connection = server.connection_options().to_vec();
        Source { bindir: server.bindir.clone(), connection, environment: BTreeMap::new() }
    }

    pub(crate) fn database(server: &Postgres, name: &str) -> Self {
        let mut connection = server.connection_options().to_vec();
        connection.extend(["-d".to_owned(), name.to_owned()]);
        Source { bindir: server.bindir.clone(), connection, environment: BTreeMap::new() }
    }
}

/// The program under test, and how to call it.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// A pgsiphon, called with `dump`.
    Pgsiphon(PathBuf),
    /// A pg_dump or a compatible program.
    PgDump(PathBuf),
}

impl Subject {
    /// The binary that cargo built for this test run (`built`), or the one in `PGSIPHON_BIN`.
    pub(crate) fn from_environment(built: &str, bindir: &Path) -> Self {
        let Some(given) = std::env::var_os(BINARY_VARIABLE) else {
            return Subject::Pgsiphon(built.into());
        };
        if given == "pg_dump" {
            return Subject::PgDump(bindir.join("pg_dump"));
        }
        let path = PathBuf::from(given);
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("pg_dump") { Subject::PgDump(path) } else { Subject::Pgsiphon(path) }
    }

    /// Dumps only with this program.
    pub(crate) fn dump(
        &self,
        source: &Source,
        flags: &[String],
        folder: &Path,
        name: &str,
    ) -> Outcome<Dumped> {
        Running::start(self.command(), source, flags, folder, name)?.finish()
    }

    /// The command that dumps the whole cluster like pg_dumpall, which is in `bindir`.
    fn cluster_command(&self, bindir: &Path, flags: &[String]) -> Command {
        let Subject::Pgsiphon(_) = self else { return clean_command(bindir.join("pg_dumpall")) };
        let mut command = self.command();
        if !flags.iter().any(|flag| ["-g", "-r", "--tablespaces-only"].contains(&flag.as_str())) {
            command.arg("--all");
        }
        command
    }

    fn command(&self) -> Command {
        match self {
            Subject::Pgsiphon(path) => {
                let mut command = clean_command(path);
                command.arg("dump");
                command
            }
            Subject::PgDump(path) => clean_command(path),
        }
    }
}

/// The result of one program's dump.
#[derive(Debug)]
pub(crate) struct Dumped {
    /// The file with its standard output.
    pub(crate) text: PathBuf,
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

/// The dumps of both programs with the same flags.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) theirs: Dumped,
    pub(crate) ours: Dumped,
}

impl Pair {
    /// Runs pg_dump and the subject concurrently; their outputs go to files in `folder`.
    pub(crate) fn dump(source: &Source, subject: &Subject, flags: &[String], folder: &Path) -> Outcome<Self> {
        let theirs =
            Running::start(clean_command(source.bindir.join("pg_dump")), source, flags, folder, "pg_dump")?;
        let ours = Running::start(subject.command(), source, flags, folder, "pgsiphon")?;
        Ok(Pair { theirs: theirs.finish()?, ours: ours.finish()? })
    }

    /// The same for whole clusters, with pg_dumpall.
    pub(crate) fn dump_cluster(
        source: &Source,
        subject: &Subject,
        flags: &[String],
        folder: &Path,
    ) -> Outcome<Self> {
        let pg_dumpall = clean_command(source.bindir.join("pg_dumpall"));
        let theirs = Running::start(pg_dumpall, source, flags, folder, "pg_dumpall")?;
        let subject = subject.cluster_command(&source.bindir, flags);
        let ours = Running::start(subject, source, flags, folder, "pgsiphon")?;
        Ok(Pair { theirs: theirs.finish()?, ours: ours.finish()? })
    }

    /// None if both succeeded with equal texts, or if both failed as `expected_to_fail` says.
    pub(crate) fn difference(&self, expected_to_fail: bool) -> Outcome<Option<String>> {
        if self.theirs.status.success() == expected_to_fail {
            let wanted = if expected_to_fail { "succeeded but should fail" } else { "failed" };
            return Err(format!("the oracle {wanted} ({})\n{}", self.theirs.status, self.theirs.stderr));
        }
        if self.ours.status.success() == expected_to_fail {
            let got = if expected_to_fail { "succeeded where pg_dump fails with" } else { "failed with" };
            let text = if expected_to_fail { &self.theirs.stderr } else { &self.ours.stderr };
            return Ok(Some(format!("{got} ({}):\n{text}", self.ours.status)));
        }
        if expected_to_fail {
            return Ok(None);
        }
        difference::of_dumps(&self.theirs.text, &self.ours.text)
    }
}

/// Dumps only with the real pg_dump.
pub(crate) fn pg_dump(source: &Source, flags: &[String], folder: &Path, name: &str) -> Outcome<Dumped> {
    alone("pg_dump", source, flags, folder, name)
}

/// Dumps only with the real pg_dumpall.
pub(crate) fn pg_dumpall(source: &Source, flags: &[String], folder: &Path, name: &str) -> Outcome<Dumped> {
    alone("pg_dumpall", source, flags, folder, name)
}

fn alone(program: &str, source: &Source, flags: &[String], folder: &Path, name: &str) -> Outcome<Dumped> {
    let command = clean_command(source.bindir.join(program));
    let dumped = Running::start(command, source, flags, folder, name)?.finish()?;
    if dumped.status.success() {
        return Ok(dumped);
    }
    Err(format!("{program} failed ({}):\n{}", dumped.status, dumped.stderr))
}

struct Running {
    child: Child,
    text: PathBuf,
    errors: PathBuf,
}

impl Running {
    fn start(
        mut command: Command,
        source: &Source,
        flags: &[String],
        folder: &Path,
        name: &str,
    ) -> Outcome<Self> {
        std::fs::create_dir_all(folder).map_err(|e| format!("create {}: {e}", folder.display()))?;
        let text = folder.join(format!("{name}.sql"));
        let errors = folder.join(format!("{name}.stderr"));
        let create = |path: &Path| File::create(path).map_err(|e| format!("create {}: {e}", path.display()));
        command.args(flags).args(&source.connection).envs(&source.environment);
        command.stdin(Stdio::null()).stdout(create(&text)?).stderr(create(&errors)?);
        let program = command.get_program().to_owned();
        let child = command.spawn().map_err(|e| format!("start {}: {e}", program.display()))?;
        Ok(Running { child, text, errors })
    }

    fn finish(mut self) -> Outcome<Dumped> {
        let status = self.child.wait().map_err(|e| format!("wait for a dump: {e}"))?;
        let stderr =
            std::fs::read(&self.errors).map_err(|e| format!("read {}: {e}", self.errors.display()))?;
        Ok(Dumped { text: self.text, status, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }
}

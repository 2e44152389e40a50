//! The configuration: what to back up, where to, when, and how long to keep it.
//!
//! Values come from flags, `PGSIPHON_…` variables and a TOML file, strongest first; a job's own table in
//! the file is stronger than the common part. [`setting`] is the table of settings, [`layer`] reads the
//! sources, [`Settings`] merges them for one job, and [`Job`] is the result: validated, with all
//! defaults filled in.

mod job;
pub mod layer;
mod mask;
pub mod setting;
mod values;

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::pg::conninfo::Environment;
use layer::{File, Layer};

pub use job::{
    BackupAttempts, Connector, Databases, Destination, DumpSettings, Job, Notify, Password, Schedule,
    SourceSettings,
};
pub use values::Settings;

/// A commented sample configuration.
pub const SAMPLE: &str = include_str!("sample.toml");

/// Where to look for the file if none is named.
pub const FILES: [&str; 2] = ["pgsiphon.toml", "/etc/pgsiphon/pgsiphon.toml"];

/// The environment variable that names the file.
pub const FILE_VARIABLE: &str = "PGSIPHON_CONFIG";

/// The complete configuration.
pub struct Config {
    /// The file it was read from, if any.
    pub file: Option<PathBuf>,
    /// The settings of each job, in the order of the file; never empty.
    pub settings: Vec<Settings>,
    /// The jobs made from these settings, in the same order.
    pub jobs: Vec<Job>,
}

impl Config {
    /// Reads flags, the environment, and the file named by `file` or by the environment, or found in one
    /// of the default places.
    ///
    /// # Errors
    /// `Usage`, with the place where the wrong value was given.
    pub fn load(file: Option<&Path>, flags: Layer, env: &dyn Environment) -> Result<Self> {
        let named = file.map(Path::to_owned).or_else(|| env.var(FILE_VARIABLE).map(PathBuf::from));
        let path = named.or_else(|| FILES.iter().map(PathBuf::from).find(|path| path.exists()));
        let read = path.as_deref().map(File::read).transpose()?;
        Config::resolve(path, read, flags, env)
    }

    /// Merges the flags, the environment and the file.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn resolve(
        path: Option<PathBuf>,
        file: Option<File>,
        flags: Layer,
        env: &dyn Environment,
    ) -> Result<Self> {
        let environment = Layer::of_environment(env)?;
        let (common, jobs) = file.map_or_else(Default::default, |file| (file.common, file.jobs));
        let several = jobs.len() > 1;
        let jobs = if jobs.is_empty() { vec![Layer::default()] } else { jobs };
        let mut settings = Vec::new();
        for (number, job) in jobs.into_iter().enumerate() {
            let joined = Settings::join([&flags, &environment, &job, &common]);
            if several && joined.origin("name").rank() != 2 {
                return Err(Error::new(ErrorKind::Usage, format!("read job number {}", number + 1))
                    .because("if there are several jobs, each needs a name")
                    .hint("add name = \"…\" under its [[job]]"));
            }
            settings.push(joined);
        }
        let jobs = settings.iter().map(Job::new).collect::<Result<Vec<_>>>()?;
        refuse_confusion(&jobs)?;
        Ok(Config { file: path, settings, jobs })
    }

    /// The address of the scheduler's status page, if any; it serves all jobs.
    pub fn listen(&self) -> Option<String> {
        self.settings.first().and_then(|settings| settings.text("http.listen"))
    }

    /// The jobs with these names; all jobs if no name is given.
    ///
    /// # Errors
    /// `Usage`, if a job is not configured.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Job>> {
        if names.is_empty() {
            return Ok(self.jobs.iter().collect());
        }
        names.iter().map(|name| self.job(name)).collect()
    }

    fn job(&self, name: &str) -> Result<&Job> {
        self.jobs.iter().find(|job| job.name == name).ok_or_else(|| {
            let known: Vec<_> = self.jobs.iter().map(|job| job.name.as_str()).collect();
            Error::new(ErrorKind::Usage, format!("find job \"{name}\""))
                .because("it is not configured")
                .hint(format!("configured: {}", known.join(", ")))
        })
    }
}

/// Two jobs must not have the same name, or write the same keys.
fn refuse_confusion(jobs: &[Job]) -> Result<()> {
    for (at, one) in jobs.iter().enumerate() {
        for other in &jobs[..at] {
            if one.name == other.name {
                return Err(Error::new(ErrorKind::Usage, format!("read job \"{}\"", one.name))
                    .because("two jobs have this name"));
            }
            let (a, b) = (&one.destination, &other.destination);
            let share = a.place.is_same(&b.place) && a.naming.shares_globals_with(&b.naming);
            if share && one.databases.globals && other.databases.globals {
                return Err(Error::new(ErrorKind::Usage, format!("read job \"{}\"", one.name))
                    .because(format!("its globals would get the same keys as those of job \"{}\"", other.name))
                    .hint("give each job its own prefix, use {job} in destination.globals_key, or set databases.globals = false for one of them"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

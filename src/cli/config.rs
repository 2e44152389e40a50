//! `pgsiphon config`, and the flags shared by all commands that need the configuration.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pgsiphon::config::layer::{Layer, Origin, from_text};
use pgsiphon::config::setting::{self, ValueKind};
use pgsiphon::config::{Config, FILE_VARIABLE, FILES, SAMPLE};
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::pg::conninfo::OsEnvironment;

use super::content::usage;

/// Which configuration to use, and overrides.
#[derive(Args)]
#[command(next_help_heading = "Configuration options")]
pub(crate) struct ConfigArgs {
    /// The configuration file [env: PGSIPHON_CONFIG] [default: ./pgsiphon.toml,
    /// /etc/pgsiphon/pgsiphon.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override a setting; may be repeated. Not for secrets: others can read command lines
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// A flag that overrides a setting of the configuration.
pub(super) struct FlagSetting {
    /// The flag, for messages.
    pub(super) flag: String,
    /// The setting.
    pub(super) key: String,
    pub(super) value: String,
}

impl ConfigArgs {
    /// Loads the configuration with these flags and the command's others.
    pub(super) fn load(&self, more: Vec<FlagSetting>) -> Result<Config> {
        let mut flags = Vec::new();
        for set in &self.set {
            let (key, value) =
                set.split_once('=').ok_or_else(|| usage(format!("--set {set}: expected KEY=VALUE")))?;
            let kind = setting::find(key).map(|setting| setting.kind);
            // A connection string need not contain a password.
            if kind.is_some_and(ValueKind::takes_file) && key != "source.url" {
                return Err(usage(format!("--set does not accept secrets such as {key}")).hint(format!(
                    "others can read command lines: use an environment variable or {key}_file"
                )));
            }
            flags.push(FlagSetting {
                flag: format!("--set {key}"),
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
        flags.extend(more);
        let flags = flags.into_iter().map(|FlagSetting { flag, key, value }| {
            let kind = setting::find(&key).map_or(ValueKind::Text, |setting| setting.kind);
            let raw = from_text(kind, &value, &key, &Origin::Flag(flag.clone()))?;
            Ok((flag, key, raw))
        });
        let flags = Layer::of_flags(flags.collect::<Result<Vec<_>>>()?)?;
        warn_of_unknown_variables();
        Config::load(self.config.as_deref(), flags, &OsEnvironment)
    }
}

/// Loads the default configuration, for commands that also work without one.
pub(super) fn load_plain(flags: Vec<FlagSetting>) -> Result<Config> {
    ConfigArgs { config: None, set: Vec::new() }.load(flags)
}

/// A misspelled variable would silently do nothing. It is not an error, because container platforms
/// add variables of their own (`PGSIPHON_SERVICE_HOST`).
fn warn_of_unknown_variables() {
    let known = setting::variables();
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PGSIPHON_")) else { continue };
        if known.iter().any(|known| known == name) || name == FILE_VARIABLE {
            continue;
        }
        if let Some(near) = setting::nearest_variable(name) {
            tracing::warn!("unknown variable {name}; did you mean {near}?");
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a commented configuration file to start from
    Init {
        /// The file to write
        #[arg(default_value = FILES[0])]
        file: PathBuf,
    },
    /// Print each job's effective settings and where each value comes from; secrets are masked
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Print all settings as a Markdown table
    Schema,
}

/// Runs the command.
pub(crate) fn run(command: ConfigCommand) -> Result<()> {
    match command {
        ConfigCommand::Init { file } => init(&file),
        ConfigCommand::Show { json, config } => show(&config.load(Vec::new())?, json),
        ConfigCommand::Schema => super::print(&setting::table()),
    }
}

fn init(file: &Path) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let attempted = || format!("write {}", file.display());
    // Secrets may be added to it later.
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Usage, attempted())
            .because("the file already exists")
            .hint("choose another name"),
        _ => Error::new(ErrorKind::Other, attempted()).because(error),
    })?;
    opened
        .write_all(SAMPLE.as_bytes())
        .map_err(|error| Error::new(ErrorKind::Other, attempted()).because(error))?;
    eprintln!("pgsiphon: wrote {}", file.display());
    Ok(())
}

fn show(config: &Config, json: bool) -> Result<()> {
    if json {
        let jobs: Vec<_> = config
            .settings
            .iter()
            .map(|settings| {
                let values = settings.shown().map(|(setting, value, origin)| {
                    (setting.key.to_owned(), serde_json::json!({ "value": value, "origin": origin }))
                });
                serde_json::Value::Object(values.collect())
            })
            .collect();
        return super::print_json(&jobs);
    }
    let mut text = String::new();
    match &config.file {
        Some(file) => text.push_str(&format!("# {}\n", file.display())),
        None => text.push_str("# no file\n"),
    }
    for settings in &config.settings {
        text.push('\n');
        for (setting, value, origin) in settings.shown() {
            text.push_str(&format!("{:<50} # {origin}\n", format!("{} = {value}", setting.key)));
        }
    }
    super::print(&text)
}

/// Adds a flag that overrides a setting, if it was given.
pub(super) fn flag(flags: &mut Vec<FlagSetting>, flag: &str, key: &str, value: Option<String>) {
    if let Some(value) = value {
        flags.push(FlagSetting { flag: flag.to_owned(), key: key.to_owned(), value });
    }
}

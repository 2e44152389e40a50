//! What the settings of one job mean.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;

use super::values::Settings;
use crate::backups::naming::Naming;
use crate::backups::retention::Policy;
use crate::codec::Compression;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::conninfo::{ConnectArgs, Environment, resolve};
use crate::pg::params::{ConnectParams, PasswordPrompt, PromptPolicy};
use crate::pg::secret::Secret;
use crate::progress::Warnings;
use crate::storage::Place;
use crate::storage::s3::parts::parse_part_bytes;
use crate::storage::s3::{
    Checksum, ConnectionOptions, Encryption, ObjectLock, ObjectOptions, PartWish, RetryPolicy, S3Options,
};

/// How long a password command may take.
const PASSWORD_COMMAND_TIME: Duration = Duration::from_secs(60);

/// Where backups go if nothing is configured.
const DEFAULT_DIRECTORY: &str = "./backups";

/// One job.
pub struct Job {
    /// Its name.
    pub name: String,
    /// Where it reads.
    pub source: SourceSettings,
    /// What of that.
    pub databases: Databases,
    /// Where it writes.
    pub destination: Destination,
    /// How it dumps.
    pub dump: DumpSettings,
    /// How often a database is tried.
    pub attempts: BackupAttempts,
    /// The share of its predecessors' median size below which a backup is suspicious; 0 for never.
    pub min_size_ratio: f64,
    /// When the scheduler runs it.
    pub schedule: Schedule,
    /// How long its backups are kept.
    pub retention: Policy,
    /// Whether a run in which everything succeeded prunes.
    pub prune_after_backup: bool,
    /// Whom to tell.
    pub notify: Notify,
}

/// How to connect to the server.
pub struct SourceSettings {
    connect: ConnectArgs,
    /// Where the password comes from.
    pub password: Password,
    /// The role to become after the login.
    pub role: Option<String>,
}

/// Where a password comes from.
pub enum Password {
    /// The connection string, `PGPASSWORD` or `.pgpass`, if there is one at all.
    Ambient,
    /// It is known.
    Known(Secret),
    /// A command of the shell prints it.
    Command(String),
}

impl SourceSettings {
    /// Everything that is needed to connect, to this database or to the configured one. A command
    /// for the password is run now.
    ///
    /// # Errors
    /// `Usage`; `SourceUnreachable`, if the command for the password fails.
    pub async fn params(&self, database: Option<&str>, env: &dyn Environment) -> Result<ConnectParams> {
        self.connector().await?.params(database, env)
    }

    /// The database that the settings name. No command is run.
    ///
    /// # Errors
    /// `Usage`.
    pub fn database(&self, env: &dyn Environment) -> Result<String> {
        Ok(resolve(&self.connect, env)?.dbname)
    }

    /// The same for several databases, with one password.
    ///
    /// # Errors
    /// `SourceUnreachable`, if the command for the password fails.
    pub async fn connector(&self) -> Result<Connector> {
        let password_prompt = match &self.password {
            Password::Ambient => PasswordPrompt::new(PromptPolicy::Never, None),
            Password::Known(secret) => PasswordPrompt::known(secret.clone()),
            Password::Command(command) => PasswordPrompt::known(run_password_command(command).await?),
        };
        let args = ConnectArgs { password_prompt, ..self.connect.clone() };
        Ok(Connector { args, warnings: Warnings::default() })
    }
}

/// A source whose password is known.
#[derive(Clone)]
pub struct Connector {
    args: ConnectArgs,
    warnings: Warnings,
}

impl Connector {
    /// Everything that is needed to connect, to this database or to the configured one.
    ///
    /// # Errors
    /// `Usage`.
    pub fn params(&self, database: Option<&str>, env: &dyn Environment) -> Result<ConnectParams> {
        let args = ConnectArgs { database: database.map(str::to_owned), ..self.args.clone() };
        Ok(ConnectParams { warnings: self.warnings.clone(), ..resolve(&args, env)? })
    }

    /// The same, with warnings of connecting for a run's own.
    #[must_use]
    pub fn warning(self, warnings: &Warnings) -> Self {
        Connector { warnings: warnings.clone(), ..self }
    }
}

async fn run_password_command(command: &str) -> Result<Secret> {
    let failed = |reason: String| {
        Error::new(ErrorKind::SourceUnreachable, "run source.password_command").because(reason)
    };
    let child = tokio::process::Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PASSWORD_COMMAND_TIME, child)
        .await
        .map_err(|_| failed(format!("it took longer than {} s", PASSWORD_COMMAND_TIME.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("it ended with {}", output.status)));
    }
    let text = zeroize::Zeroizing::new(
        String::from_utf8(output.stdout).map_err(|_| failed("its output is not UTF-8".into()))?,
    );
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(failed("it printed nothing".into())),
        password => Ok(Secret::new(password)),
    }
}

/// Which databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Databases {
    /// Patterns of those to back up; none for the connection's own.
    pub include: Vec<String>,
    /// Patterns of those to leave out.
    pub exclude: Vec<String>,
    /// Whether roles and tablespaces are backed up too.
    pub globals: bool,
}

/// Where backups go.
#[derive(Clone)]
pub struct Destination {
    /// The storage.
    pub place: Place,
    /// The keys in it.
    pub naming: Naming,
}

/// How each database is dumped.
#[derive(Debug, Clone)]
pub struct DumpSettings {
    /// How it is compressed.
    pub compression: Compression,
    /// How globals are.
    pub globals_compression: Compression,
    /// How many sessions read at once.
    pub jobs: usize,
    /// How long to wait for a table's lock, in the server's words.
    pub lock_wait_timeout: Option<String>,
    /// Patterns, as `-N`.
    pub exclude_schemas: Vec<String>,
    /// Patterns, as `-T`.
    pub exclude_tables: Vec<String>,
    /// Patterns, as `--exclude-table-data`.
    pub exclude_table_data: Vec<String>,
    /// Whether a server newer than we know is dumped without what we don't know.
    pub allow_unknown: bool,
}

/// How often something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupAttempts {
    /// How many times at most, at least 1.
    pub attempts: u32,
    /// The pause before the second attempt.
    pub first_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
}

/// When a job is run.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The times.
    pub cron: Cron,
    /// As they were written.
    pub text: String,
    /// In this zone.
    pub time_zone: Tz,
    /// Whether a run that was missed is made up for.
    pub catch_up: bool,
    /// How long a run may go on after it was told to stop.
    pub grace_period: Duration,
}

impl Schedule {
    /// The first time after `time` that the expression names.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.time_zone), false).ok()?;
        Some(next.with_timezone(&Utc)).filter(|next| *next > time)
    }
}

/// Whom to tell of runs.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    /// To be asked for at a run's begin and end.
    pub ping_url: Option<Secret>,
    /// To be sent a report.
    pub webhook_url: Option<Secret>,
}

impl Job {
    /// Reads the settings of a job.
    ///
    /// # Errors
    /// `Usage`, naming the setting and where it was given.
    pub fn new(s: &Settings) -> Result<Self> {
        let name = s.text("name").unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
            return Err(s.wrong("name", format!("\"{name}\" is not made of letters, digits, - and _")));
        }
        let destination = destination(s, &name)?;
        Ok(Job {
            source: source(s)?,
            databases: Databases {
                include: s.list("databases.include"),
                exclude: s.list("databases.exclude"),
                globals: s.boolean("databases.globals")?.unwrap_or(true),
            },
            dump: dump(s)?,
            attempts: BackupAttempts {
                attempts: at_least_1(s, "backup.attempts")?,
                first_delay: s.duration("backup.retry_delay")?,
                max_delay: s.duration("backup.max_retry_delay")?,
            },
            min_size_ratio: ratio(s)?,
            schedule: schedule(s)?,
            retention: Policy {
                keep_last: s.integer("retention.keep_last")?,
                keep_daily: s.integer("retention.keep_daily")?,
                keep_weekly: s.integer("retention.keep_weekly")?,
                keep_monthly: s.integer("retention.keep_monthly")?,
                keep_yearly: s.integer("retention.keep_yearly")?,
                keep_minimum: s.integer("retention.keep_minimum")?,
                minimum_age: s.duration("retention.minimum_age")?,
                time_zone: destination.naming.time_zone(),
            },
            prune_after_backup: s.boolean("retention.prune_after_backup")?.unwrap_or(false),
            notify: Notify {
                ping_url: web_url(s, "notify.ping_url")?,
                webhook_url: web_url(s, "notify.webhook_url")?,
            },
            name,
            destination,
        })
    }
}

fn at_least_1(s: &Settings, key: &'static str) -> Result<u32> {
    match s.integer(key)? {
        0 => Err(s.wrong(key, "it must be 1 or more")),
        number => Ok(number),
    }
}

fn ratio(s: &Settings) -> Result<f64> {
    let ratio: f64 = s.parsed("backup.min_size_ratio", "a number")?;
    if (0.0..=1.0).contains(&ratio) {
        return Ok(ratio);
    }
    Err(s.wrong("backup.min_size_ratio", "it must be between 0 and 1"))
}

fn time_zone(s: &Settings, key: &'static str) -> Result<Tz> {
    let name = s.text(key).unwrap_or_default();
    name.parse().map_err(|_| {
        s.wrong(key, format!("there is no time zone \"{name}\"")).hint("write one as UTC or Europe/Berlin")
    })
}

fn schedule(s: &Settings) -> Result<Schedule> {
    let text = s.text("schedule.cron").unwrap_or_default();
    let cron = text.parse::<Cron>().map_err(|error| {
        s.wrong("schedule.cron", format!("\"{text}\" is no cron expression: {error}"))
            .hint("five fields: minute, hour, day of month, month, day of week, as 0 4 * * *")
    })?;
    Ok(Schedule {
        cron,
        text,
        time_zone: time_zone(s, "schedule.time_zone")?,
        catch_up: s.boolean("schedule.catch_up")?.unwrap_or(true),
        grace_period: s.duration("schedule.grace_period")?,
    })
}

fn web_url(s: &Settings, key: &'static str) -> Result<Option<Secret>> {
    let Some(url) = s.secret(key) else { return Ok(None) };
    let rest = url.reveal().strip_prefix("https://").or_else(|| url.reveal().strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    match host {
        Some(host) if !host.is_empty() && !url.reveal().chars().any(char::is_whitespace) => Ok(Some(url)),
        // The URL itself may be a secret.
        _ => Err(s.wrong(key, "it is not of the form https://host/…")),
    }
}

fn source(s: &Settings) -> Result<SourceSettings> {
    let url = s.text("source.url");
    let mut connect = ConnectArgs { dbname: url.clone(), ..ConnectArgs::default() };
    let rank = s.origin("source.url").rank();
    for (key, keyword) in [
        ("source.host", "host"),
        ("source.port", "port"),
        ("source.user", "user"),
        ("source.dbname", "dbname"),
    ] {
        let Some(value) = s.text(key) else { continue };
        // What was given with the URL or by something stronger corrects it; what is weaker fills it up.
        if url.is_none() || s.origin(key).rank() <= rank {
            connect.overrides.push((keyword, value));
        } else {
            match keyword {
                "host" => connect.host = Some(value),
                "port" => connect.port = Some(value),
                "user" => connect.username = Some(value),
                // A URL that names no database; there is no weaker place for one.
                _ => {}
            }
        }
    }
    let (known, command) = (s.secret("source.password"), s.text("source.password_command"));
    let ranks = (s.origin("source.password").rank(), s.origin("source.password_command").rank());
    let password = match (known, command) {
        (Some(_), Some(_)) if ranks.0 == ranks.1 => {
            return Err(s.wrong("source.password", "there is a source.password_command too"));
        }
        (Some(secret), command) if command.is_none() || ranks.0 < ranks.1 => Password::Known(secret),
        (_, Some(command)) => Password::Command(command),
        _ => Password::Ambient,
    };
    Ok(SourceSettings { connect, password, role: s.text("source.role") })
}

fn destination(s: &Settings, job: &str) -> Result<Destination> {
    let url = match (s.text("destination.url"), s.text("aws.postgres_bucket")) {
        (Some(url), _) => url,
        (None, Some(bucket)) => format!("s3://{bucket}"),
        (None, None) => DEFAULT_DIRECTORY.to_owned(),
    };
    let more = s.text("destination.prefix").unwrap_or_default();
    let (place, prefix) = match url.strip_prefix("s3://") {
        Some(rest) => {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            if bucket.is_empty() || !bucket.bytes().all(fits) {
                return Err(s
                    .wrong("destination.url", format!("\"{bucket}\" is no bucket's name"))
                    .hint("write s3://bucket/prefix"));
            }
            let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
            let options = Box::new(s3_options(s)?);
            (Place::S3 { bucket: bucket.to_owned(), options }, format!("{prefix}{slash}{more}"))
        }
        None if url.contains("://") && !url.starts_with("file://") => {
            return Err(s
                .wrong("destination.url", "only s3:// is known")
                .hint("write s3://bucket/prefix, or a directory"));
        }
        None => {
            let path = url.strip_prefix("file://").unwrap_or(&url);
            // A bucket's name without s3:// would quietly become a directory that nobody looks into.
            if !is_path(path) {
                return Err(s
                    .wrong("destination.url", format!("\"{path}\" may be a bucket or a directory"))
                    .hint(format!("write s3://{path} for a bucket, or ./{path} for a directory")));
            }
            (Place::Directory(Path::new(path).to_owned()), more)
        }
    };
    if prefix.starts_with('/')
        || prefix.contains("//")
        || prefix.chars().any(char::is_control)
        || prefix.split('/').any(|name| matches!(name, "." | ".."))
    {
        return Err(s.wrong("destination.prefix", format!("\"{prefix}\" cannot begin a key")));
    }
    let template = |key| s.text(key).unwrap_or_default();
    let naming = Naming::new(
        &template("destination.key"),
        &template("destination.globals_key"),
        &prefix,
        job,
        time_zone(s, "destination.time_zone")?,
    )?;
    Ok(Destination { place, naming })
}

/// Whether a text can only be a path: absolute, or beginning with `.` or `..`.
fn is_path(text: &str) -> bool {
    text.starts_with('/') || matches!(text.split('/').next(), Some("." | ".."))
}

fn s3_options(s: &Settings) -> Result<S3Options> {
    let credentials = match (s.secret("aws.access_key_id"), s.secret("aws.secret_access_key")) {
        (Some(id), Some(secret)) => {
            let token = s.text("aws.session_token");
            let credentials =
                Credentials::new(id.reveal(), secret.reveal(), token, None, "pgsiphon configuration");
            Some(SharedCredentialsProvider::new(credentials))
        }
        (None, None) => None,
        (Some(_), None) => return Err(s.wrong("aws.access_key_id", "aws.secret_access_key is missing")),
        (None, Some(_)) => return Err(s.wrong("aws.secret_access_key", "aws.access_key_id is missing")),
    };
    let kms_key = s.text("destination.kms_key_id");
    let encryption = match s.text("destination.encryption").as_deref() {
        None if kms_key.is_some() => {
            return Err(s.wrong("destination.kms_key_id", "destination.encryption is not aws:kms"));
        }
        None => None,
        Some("AES256") if kms_key.is_some() => {
            return Err(s.wrong("destination.kms_key_id", "destination.encryption is not aws:kms"));
        }
        Some("AES256") => Some(Encryption::S3),
        Some("aws:kms") => Some(Encryption::Kms(kms_key)),
        Some("aws:kms:dsse") => Some(Encryption::KmsDsse(kms_key)),
        Some(other) => {
            let reason = format!("\"{other}\" is not one of AES256, aws:kms and aws:kms:dsse");
            return Err(s.wrong("destination.encryption", reason));
        }
    };
    let days = s.integer("destination.object_lock_days")?;
    let object_lock = match (s.text("destination.object_lock_mode").as_deref(), days) {
        (None, 0) => None,
        (None, _) => {
            return Err(s.wrong("destination.object_lock_days", "destination.object_lock_mode is missing"));
        }
        (Some(_), 0) => {
            return Err(s.wrong("destination.object_lock_mode", "destination.object_lock_days is missing"));
        }
        (Some("GOVERNANCE"), days) => Some(ObjectLock { compliance: false, days }),
        (Some("COMPLIANCE"), days) => Some(ObjectLock { compliance: true, days }),
        (Some(other), _) => {
            let reason = format!("\"{other}\" is neither GOVERNANCE nor COMPLIANCE");
            return Err(s.wrong("destination.object_lock_mode", reason));
        }
    };
    let checksum = match s.text("destination.checksum") {
        Some(text) => {
            Some(text.parse::<Checksum>().map_err(|error| s.wrong("destination.checksum", error.report()))?)
        }
        None => None,
    };
    let part_bytes = match s.text("destination.part_size") {
        Some(text) => {
            Some(parse_part_bytes(&text).map_err(|error| s.wrong("destination.part_size", error.report()))?)
        }
        None => None,
    };
    let attempts = at_least_1(s, "destination.max_attempts")?;
    let connection = ConnectionOptions {
        endpoint_url: s.text("destination.endpoint_url"),
        region: s.text("destination.region").or_else(|| s.text("aws.s3_region")),
        profile: s.text("destination.profile"),
        credentials,
        path_style: s.boolean("destination.path_style")?,
        checksum,
        expected_bucket_owner: s.text("destination.expected_bucket_owner"),
        retry: RetryPolicy { attempts, ..RetryPolicy::default() },
    };
    let object = ObjectOptions {
        parts: PartWish { bytes: part_bytes, equal: s.boolean("destination.equal_parts")? },
        storage_class: s.text("destination.storage_class"),
        encryption,
        tags: s.map("destination.tags"),
        object_lock,
        ..ObjectOptions::default()
    };
    Ok(S3Options { connection, object })
}

fn dump(s: &Settings) -> Result<DumpSettings> {
    let compression = |template| match s.text("dump.compress") {
        Some(text) => text.parse::<Compression>().map_err(|error| s.wrong("dump.compress", error.report())),
        None => Ok(Compression::for_name(&s.text(template).unwrap_or_default())),
    };
    let jobs = match s.integer("dump.jobs")? {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs.min(256) as usize,
    };
    Ok(DumpSettings {
        compression: compression("destination.key")?,
        globals_compression: compression("destination.globals_key")?,
        jobs,
        lock_wait_timeout: s.text("dump.lock_wait_timeout"),
        exclude_schemas: s.list("dump.exclude_schemas"),
        exclude_tables: s.list("dump.exclude_tables"),
        exclude_table_data: s.list("dump.exclude_table_data"),
        allow_unknown: s.boolean("dump.allow_unknown")?.unwrap_or(false),
    })
}

//! Interprets the settings of one job.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use url::Url;

use super::values::Settings;
use crate::backups::naming::Naming;
use crate::backups::retention::Policy;
use crate::codec::Compression;
use crate::dump::{BytesPerSecond, default_jobs};
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

const PASSWORD_COMMAND_TIME: Duration = Duration::from_secs(60);

/// The destination if none is configured.
const DEFAULT_DIRECTORY: &str = "./backups";

/// A job as configured: checked, with all defaults filled in.
pub struct Job {
    /// Unique in the configuration; part of keys and of the lock.
    pub name: String,
    /// Where to read.
    pub source: SourceSettings,
    /// Which databases of the server.
    pub databases: Databases,
    /// Where to write.
    pub destination: Destination,
    /// How to dump.
    pub dump: DumpSettings,
    /// How many times to try each database.
    pub attempts: BackupAttempts,
    /// Warn if a backup is smaller than this fraction of the median of its predecessors; 0 turns it off.
    pub min_size_ratio: f64,
    /// When the scheduler runs the job.
    pub schedule: Schedule,
    /// How long to keep backups.
    pub retention: Policy,
    /// Whether to prune after a fully successful run.
    pub prune_after_backup: bool,
    /// Where to send notifications.
    pub notify: Notify,
}

/// How to connect to the server.
pub struct SourceSettings {
    connect: ConnectArgs,
    /// Where the password comes from.
    pub password: Password,
    /// The role to switch to after login.
    pub role: Option<String>,
}

/// Where a password comes from.
pub enum Password {
    /// From the connection string, `PGPASSWORD` or `.pgpass`, if at all.
    Ambient,
    /// Given in the configuration.
    Known(Secret),
    /// Printed by a shell command.
    Command(String),
}

impl SourceSettings {
    /// Connection parameters for this database, or for the configured one. Runs the password command, if
    /// any.
    ///
    /// # Errors
    /// `Usage`; `SourceUnreachable`, if the password command fails.
    pub async fn params(&self, database: Option<&str>, env: &dyn Environment) -> Result<ConnectParams> {
        self.connector().await?.params(database, env)
    }

    /// The database that the settings name. Does not run the password command.
    ///
    /// # Errors
    /// `Usage`.
    pub fn database(&self, env: &dyn Environment) -> Result<String> {
        Ok(resolve(&self.connect, env)?.dbname)
    }

    /// Resolves the password once, for connections to several databases.
    ///
    /// # Errors
    /// `SourceUnreachable`, if the password command fails.
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

/// A source whose password is resolved.
#[derive(Clone)]
pub struct Connector {
    args: ConnectArgs,
    warnings: Warnings,
}

impl Connector {
    /// Connection parameters for this database, or for the configured one.
    ///
    /// # Errors
    /// `Usage`.
    pub fn params(&self, database: Option<&str>, env: &dyn Environment) -> Result<ConnectParams> {
        let args = ConnectArgs { database: database.map(str::to_owned), ..self.args.clone() };
        Ok(ConnectParams { warnings: self.warnings.clone(), ..resolve(&args, env)? })
    }

    /// Collects warnings about connecting separately for a run.
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
        return Err(failed(format!("it failed: {}", output.status)));
    }
    let text = zeroize::Zeroizing::new(
        String::from_utf8(output.stdout).map_err(|_| failed("its output is not UTF-8".into()))?,
    );
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(failed("it printed nothing".into())),
        password => Ok(Secret::new(password)),
    }
}

/// The databases to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Databases {
    /// Patterns of databases to back up; if empty, the connection's database.
    pub include: Vec<String>,
    /// Patterns of databases to leave out.
    pub exclude: Vec<String>,
    /// Whether to back up roles and tablespaces, too.
    pub globals: bool,
}

/// Where backups are stored.
#[derive(Clone)]
pub struct Destination {
    /// The storage.
    pub place: Place,
    /// The keys of backups in it.
    pub naming: Naming,
}

/// How each database is dumped.
#[derive(Debug, Clone)]
pub struct DumpSettings {
    /// Compression of databases.
    pub compression: Compression,
    /// Compression of globals.
    pub globals_compression: Compression,
    /// How many sessions read in parallel.
    pub jobs: usize,
    /// Whether to append an index.
    pub index: bool,
    /// How fast the text may be produced, before compression.
    pub rate_limit: Option<BytesPerSecond>,
    /// How long to wait for a table's lock, in PostgreSQL's syntax.
    pub lock_wait_timeout: Option<String>,
    /// Patterns of schemas, as for `-N`.
    pub exclude_schemas: Vec<String>,
    /// Patterns of tables, as for `-T`.
    pub exclude_tables: Vec<String>,
    /// Patterns of tables without their rows, as for `--exclude-table-data`.
    pub exclude_table_data: Vec<String>,
    /// Whether to dump a server newer than this version supports without the objects it does not know.
    pub allow_unknown: bool,
}

/// How many times to try something, and how long to pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupAttempts {
    /// The maximum number of attempts, at least 1.
    pub attempts: u32,
    /// The pause before the second attempt.
    pub first_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
}

/// When a job is run.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// When to run.
    pub cron: Cron,
    /// The cron expression as written.
    pub text: String,
    /// The time zone of the expression.
    pub time_zone: Tz,
    /// Whether to catch up on missed runs.
    pub catch_up: bool,
    /// How long a run may continue after shutdown is requested.
    pub grace_period: Duration,
}

impl Schedule {
    /// The first time after `time` that matches the expression.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.time_zone), false).ok()?;
        Some(next.with_timezone(&Utc)).filter(|next| *next > time)
    }
}

/// Where to send notifications about runs.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    /// URL to ping when a run starts and ends.
    pub ping_url: Option<Secret>,
    /// URL to post reports to.
    pub webhook_url: Option<Secret>,
}

impl Job {
    /// Interprets the settings of a job.
    ///
    /// # Errors
    /// `Usage`, with the setting and where it was given.
    pub fn new(s: &Settings) -> Result<Self> {
        let name = s.text("name").unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
            return Err(s.wrong("name", format!("\"{name}\" may only contain letters, digits, - and _")));
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
        s.wrong(key, format!("\"{name}\" is not a time zone")).hint("use a name such as UTC or Europe/Berlin")
    })
}

fn schedule(s: &Settings) -> Result<Schedule> {
    let text = s.text("schedule.cron").unwrap_or_default();
    let cron = text.parse::<Cron>().map_err(|error| {
        s.wrong("schedule.cron", format!("\"{text}\" is not a cron expression: {error}"))
            .hint("use five fields: minute, hour, day of month, month, day of week, such as 0 4 * * *")
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
    match Url::parse(url.reveal()) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(Some(url)),
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
        // Settings given with the URL or by a stronger source override it; weaker ones fill in what it
        // omits.
        if url.is_none() || s.origin(key).rank() <= rank {
            connect.overrides.push((keyword, value));
        } else {
            match keyword {
                "host" => connect.host = Some(value),
                "port" => connect.port = Some(value),
                "user" => connect.username = Some(value),
                // If the URL omits the database, there is no field for a weaker value.
                _ => {}
            }
        }
    }
    let (known, command) = (s.secret("source.password"), s.text("source.password_command"));
    let ranks = (s.origin("source.password").rank(), s.origin("source.password_command").rank());
    let password = match (known, command) {
        (Some(_), Some(_)) if ranks.0 == ranks.1 => {
            return Err(s.wrong("source.password", "source.password_command is set, too"));
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
                    .wrong("destination.url", format!("\"{bucket}\" is not a valid bucket name"))
                    .hint("write s3://bucket/prefix"));
            }
            let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
            let options = Box::new(s3_options(s)?);
            (Place::S3 { bucket: bucket.to_owned(), options }, format!("{prefix}{slash}{more}"))
        }
        None if url.contains("://") && !url.starts_with("file://") => {
            return Err(s
                .wrong("destination.url", "only s3:// is supported")
                .hint("write s3://bucket/prefix, or a directory"));
        }
        None => {
            let path = url.strip_prefix("file://").unwrap_or(&url);
            // A bucket name without s3:// would silently become a directory that nobody looks into.
            if !is_path(path) {
                return Err(s
                    .wrong("destination.url", format!("\"{path}\" could be a bucket or a directory"))
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
        return Err(s.wrong("destination.prefix", format!("\"{prefix}\" cannot start a key")));
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

/// Whether the text must be a path: it is absolute, or starts with `.` or `..`.
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
        0 => default_jobs(),
        jobs => jobs.min(256) as usize,
    };
    let rate_limit = match s.text("dump.rate_limit") {
        Some(text) => Some(text.parse().map_err(|error: Error| s.wrong("dump.rate_limit", error.report()))?),
        None => None,
    };
    Ok(DumpSettings {
        compression: compression("destination.key")?,
        globals_compression: compression("destination.globals_key")?,
        jobs,
        index: s.boolean("dump.index")?.unwrap_or(true),
        rate_limit,
        lock_wait_timeout: s.text("dump.lock_wait_timeout"),
        exclude_schemas: s.list("dump.exclude_schemas"),
        exclude_tables: s.list("dump.exclude_tables"),
        exclude_table_data: s.list("dump.exclude_table_data"),
        allow_unknown: s.boolean("dump.allow_unknown")?.unwrap_or(false),
    })
}

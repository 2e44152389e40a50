//! The table of settings, from which the file's keys, the environment variables, the printed
//! configuration and the documentation are generated.

/// The type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Any text.
    Text,
    /// A text that is never shown. `KEY_file` names a file that contains it.
    Secret,
    /// A URL or connection string that may contain a password. `KEY_file` as for a secret.
    SecretUrl,
    /// A whole number, at least 0.
    Integer,
    /// A number.
    Number,
    /// true or false.
    Boolean,
    /// A time span: `90s`, `26h`, `7d`.
    Duration,
    /// A list of texts; in the environment separated by commas.
    List,
    /// Names with values; in the environment `name=value,name=value`.
    Map,
}

impl ValueKind {
    /// Whether the value may be given as a file with `KEY_file`.
    pub fn takes_file(self) -> bool {
        matches!(self, ValueKind::Secret | ValueKind::SecretUrl)
    }

    /// The name used in the documentation.
    pub fn describe(self) -> &'static str {
        match self {
            ValueKind::Text => "text",
            ValueKind::Secret => "secret",
            ValueKind::SecretUrl => "URL, secret",
            ValueKind::Integer => "whole number",
            ValueKind::Number => "number",
            ValueKind::Boolean => "true or false",
            ValueKind::Duration => "time span",
            ValueKind::List => "list",
            ValueKind::Map => "table",
        }
    }
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// `section.name`, or just a name for the top level of the file.
    pub key: &'static str,
    /// The type of its value.
    pub kind: ValueKind,
    /// The default, as the environment would give it; empty for none.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

impl Setting {
    /// The name of the environment variable, such as `PGSIPHON_SOURCE_URL`.
    pub fn variable(&self) -> String {
        format!("PGSIPHON_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}

/// Finds a setting by key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const fn setting(key: &'static str, kind: ValueKind, default: &'static str, about: &'static str) -> Setting {
    Setting { key, kind, default, about }
}

use ValueKind::{Boolean, Duration, Integer, List, Map, Number, Secret, SecretUrl, Text};

/// All settings, in display order.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    setting("name", Text, "default", "The job's name: letters, digits, `-` and `_`. It is recorded in the manifest of each backup, and determines whose backups are pruned"),
    setting("source.url", SecretUrl, "", "The server: a `postgresql://` URL or a `key=value` string. Anything it leaves out comes from the settings below, then from `PG*` variables, `DATABASE_URL` and `.pgpass`"),
    setting("source.host", Text, "", "The server's host name, or its socket directory"),
    setting("source.port", Text, "", "The server's port"),
    setting("source.user", Text, "", "The role to log in as"),
    setting("source.dbname", Text, "", "The database to connect to; also the one that is backed up if `databases.include` is empty"),
    setting("source.password", Secret, "", "The password; preferably set with `source.password_file`, the environment, `.pgpass` or a command"),
    setting("source.password_command", Text, "", "A shell command that prints the password; it runs again for each connection attempt"),
    setting("source.role", Text, "", "The role to switch to after login, with SET ROLE"),
    setting("databases.include", List, "", "Patterns, as in psql, of the databases to back up; if empty, the connection's database"),
    setting("databases.exclude", List, "", "Patterns of databases to leave out"),
    setting("databases.globals", Boolean, "true", "Whether to back up roles and tablespaces along with the databases"),
    setting("destination.url", Text, "", "`s3://BUCKET/PREFIX`, or a directory as `/…` or `./…`; defaults to `s3://` with `aws.postgres_bucket`, otherwise `./backups`"),
    setting("destination.prefix", Text, "", "A prefix for keys, after the prefix in the URL"),
    setting("destination.key", Text, "{prefix}{database}_{timestamp}.sql.gz", "The key template for databases"),
    setting("destination.globals_key", Text, "{prefix}globals_{timestamp}.sql.gz", "The key template for roles and tablespaces"),
    setting("destination.time_zone", Text, "UTC", "The time zone of the times in keys, and of the days that retention counts"),
    setting("destination.endpoint_url", Text, "", "The URL of an S3-compatible provider other than AWS; defaults to `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or the profile's"),
    setting("destination.region", Text, "", "The bucket's region; defaults to `aws.s3_region`, `AWS_REGION` or the profile's"),
    setting("destination.profile", Text, "", "The profile in AWS's configuration files; defaults to `AWS_PROFILE`"),
    setting("destination.path_style", Boolean, "", "Whether the bucket is in the path rather than the host name; by default for IP addresses and unknown providers"),
    setting("destination.checksum", Text, "", "The checksum of each part: `crc32`, `crc64nvme`, `sha256` or `none`; the default depends on the provider"),
    setting("destination.part_size", Text, "", "The size of each part, or of the first one if parts grow, such as `64MiB`; the default depends on the provider"),
    setting("destination.equal_parts", Boolean, "", "Whether all parts except the last have the same size, as some providers require; the default depends on the provider"),
    setting("destination.max_attempts", Integer, "8", "How many times to try a request, with increasing pauses"),
    setting("destination.storage_class", Text, "", "The storage class, such as `STANDARD_IA`"),
    setting("destination.encryption", Text, "", "Server-side encryption: `AES256` (SSE-S3), `aws:kms` or `aws:kms:dsse`; defaults to the bucket's own setting"),
    setting("destination.kms_key_id", Text, "", "The KMS key for `aws:kms`; defaults to the account's own key for S3"),
    setting("destination.tags", Map, "", "The tags of each object"),
    setting("destination.object_lock_mode", Text, "", "`GOVERNANCE` or `COMPLIANCE`: lock each object for `destination.object_lock_days`"),
    setting("destination.object_lock_days", Integer, "0", "How many days each object is locked"),
    setting("destination.expected_bucket_owner", Text, "", "The account that must own the bucket; otherwise the storage refuses the request"),
    setting("aws.access_key_id", Secret, "", "The access key, as named in Rails credentials; defaults to AWS's own chain: environment, profile, role"),
    setting("aws.secret_access_key", Secret, "", "The secret access key"),
    setting("aws.session_token", Secret, "", "The session token for temporary keys"),
    setting("aws.s3_region", Text, "", "The region, as named in Rails credentials"),
    setting("aws.postgres_bucket", Text, "", "The bucket, as named in Rails credentials"),
    setting("dump.compress", Text, "", "Compression, as for `-Z`: `gzip`, `zstd:3`, `lz4`, `none`; by default chosen by the key's suffix"),
    setting("dump.jobs", Integer, "0", "How many sessions read a database in parallel; 0: two per core, up to 8, and from 8 cores on one per core"),
    setting("dump.index", Boolean, "true", "Whether to append an index, with which tables can be found in the file; see [File format](file-format.md)"),
    setting("dump.rate_limit", Text, "", "How many bytes of rows to read in a second at most, such as `20MiB`, to go easy on the server; no limit by default"),
    setting("dump.lock_wait_timeout", Text, "", "Fail after waiting this long for a table lock, such as `5min`"),
    setting("dump.exclude_schemas", List, "", "Patterns of schemas to leave out, as for `-N`"),
    setting("dump.exclude_tables", List, "", "Patterns of tables to leave out, as for `-T`"),
    setting("dump.exclude_table_data", List, "", "Patterns of tables whose rows are left out"),
    setting("dump.allow_unknown", Boolean, "false", "If the server is newer than pgsiphon knows, leave out what is unknown; otherwise the dump fails and lists it"),
    setting("backup.attempts", Integer, "3", "How many times to try a database if the connection is lost or the source reports a conflict"),
    setting("backup.retry_delay", Duration, "10s", "The pause before the second attempt; it doubles for each further attempt"),
    setting("backup.max_retry_delay", Duration, "5m", "The longest pause"),
    setting("backup.min_size_ratio", Number, "0.5", "Warn if a backup is smaller than this fraction of the median of the previous five; 0: never"),
    setting("schedule.cron", Text, "0 4 * * *", "When `pgsiphon schedule` runs the job: minute, hour, day of month, month, day of week"),
    setting("schedule.time_zone", Text, "UTC", "The time zone of `schedule.cron`"),
    setting("schedule.catch_up", Boolean, "true", "Whether to catch up on runs missed because the machine slept, the process was down or a run took too long: once, as soon as possible, however many were missed"),
    setting("schedule.grace_period", Duration, "5s", "How long a run may continue after SIGTERM before it is aborted; container platforms kill the process some time after SIGTERM"),
    setting("http.listen", Text, "", "The `ADDRESS:PORT` where `pgsiphon schedule` serves `/`, `/healthz` and `/metrics`; if empty, nowhere"),
    setting("retention.keep_last", Integer, "0", "Keep this many of the newest backups of each database"),
    setting("retention.keep_daily", Integer, "0", "Keep the newest backup of each day, for this many days that have one"),
    setting("retention.keep_weekly", Integer, "0", "The same for weeks, which begin on Monday"),
    setting("retention.keep_monthly", Integer, "0", "The same for months"),
    setting("retention.keep_yearly", Integer, "0", "The same for years"),
    setting("retention.keep_minimum", Integer, "3", "Never leave fewer good backups of a database than this; the newest is always kept"),
    setting("retention.minimum_age", Duration, "1d", "Never remove a backup younger than this"),
    setting("retention.prune_after_backup", Boolean, "false", "Prune after each run in which everything succeeded"),
    setting("notify.ping_url", SecretUrl, "", "A URL to POST to when a run succeeds; `/start` is appended when it begins and `/fail` when it fails, as for healthchecks.io"),
    setting("notify.webhook_url", SecretUrl, "", "A URL to POST a report of each run to, as JSON"),
];

/// The environment variables of all settings.
pub fn variables() -> Vec<String> {
    let named = SETTINGS.iter().map(Setting::variable);
    let files = SETTINGS.iter().filter(|setting| setting.kind.takes_file());
    named.chain(files.map(|setting| format!("{}_FILE", setting.variable()))).collect()
}

/// The variable that was probably meant, if `name` looks like a misspelling of one.
pub fn nearest_variable(name: &str) -> Option<String> {
    let scored = variables().into_iter().map(|known| (strsim::damerau_levenshtein(name, &known), known));
    scored
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// All settings as a Markdown table, for the documentation.
pub fn table() -> String {
    let mut table = "| setting | variable | type | default | meaning |\n|---|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        table.push_str(&format!(
            "| `{}` | `{}` | {} | {default} | {} |\n",
            setting.key,
            setting.variable(),
            setting.kind.describe(),
            setting.about
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_and_variables_are_unique() {
        let mut names = HashSet::new();
        for setting in SETTINGS {
            assert!(names.insert(setting.variable()), "{}", setting.key);
            if setting.kind.takes_file() {
                assert!(names.insert(format!("{}_FILE", setting.variable())), "{}", setting.key);
            }
            assert!(!setting.about.is_empty() && !setting.about.ends_with('.'), "{}", setting.key);
        }
        // Variables that are not settings.
        for taken in ["PGSIPHON_CONFIG", "PGSIPHON_LOG", "PGSIPHON_LOG_FORMAT"] {
            assert!(!names.contains(taken));
        }
    }
}

//! Options for S3 storage.

use clap::Args;
use pgsiphon::error::Result;
use pgsiphon::ops::Latest;
use pgsiphon::pg::conninfo::{Environment, OsEnvironment};
use pgsiphon::storage::Place;
use pgsiphon::storage::input::Input;
use pgsiphon::storage::input::file::{FileInput, StdinInput};
use pgsiphon::storage::input::s3::S3Input;
use pgsiphon::storage::s3::parts::parse_part_bytes;
use pgsiphon::storage::s3::{
    Checksum, ConnectionOptions, ObjectOptions, PartWish, RetryPolicy, S3Location, S3Options,
};

use super::config::{FlagSetting, flag, load_plain};
use super::content::usage;

#[derive(Args)]
#[command(next_help_heading = "Storage options")]
pub(super) struct StorageArgs {
    /// URL of an S3-compatible endpoint [env: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    s3_endpoint_url: Option<String>,
    /// Region [env: AWS_REGION]
    #[arg(long, value_name = "REGION")]
    s3_region: Option<String>,
    /// Put the bucket in the path instead of the host name [default: depends on the provider]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    s3_path_style: Option<bool>,
    /// Checksum of each part: crc32, crc64nvme, sha256 or none
    #[arg(long, value_name = "ALGORITHM")]
    s3_checksum: Option<String>,
    /// Size of each part, or of the first one if parts grow, such as 64MiB [default: depends on the provider]
    #[arg(long, value_name = "SIZE")]
    s3_part_size: Option<String>,
    /// Make all parts except the last the same size [default: if the provider requires it]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    s3_equal_parts: Option<bool>,
    /// How many times to try a request, with increasing pauses; twice as many for cleanup
    /// [env: AWS_MAX_ATTEMPTS]
    #[arg(long, value_name = "NUM", value_parser = clap::value_parser!(u32).range(1..=100))]
    s3_max_attempts: Option<u32>,
}

impl StorageArgs {
    /// Where the named backup is; for `latest`, as configured.
    pub(super) async fn locate(&self, backup: String) -> Result<String> {
        match Latest::parse(&backup) {
            Some(latest) => latest.locate(&load_plain(self.settings())?.jobs).await,
            None => Ok(backup),
        }
    }

    /// The backup at a path or URL, or on standard input.
    pub(super) async fn input(&self, backup: &str) -> Result<Box<dyn Input>> {
        if backup == "-" {
            return Ok(Box::new(StdinInput));
        }
        if !S3Location::is_s3(backup) {
            return Ok(Box::new(FileInput { path: backup.into() }));
        }
        let location: S3Location = backup.parse()?;
        let options = self.options_for(&location.bucket)?;
        Ok(Box::new(S3Input::new(location, &options.connection).await?))
    }

    /// How to reach a bucket: as configured, if a job writes there; otherwise from flags and the
    /// environment.
    pub(super) fn options_for(&self, bucket: &str) -> Result<S3Options> {
        let config = load_plain(self.settings())?;
        let of_job = config.jobs.into_iter().find_map(|job| match job.destination.place {
            Place::S3 { bucket: configured, options } if configured == bucket => Some(*options),
            _ => None,
        });
        of_job.map_or_else(|| self.options(), Ok)
    }

    /// The given flags as settings of the configuration.
    pub(super) fn settings(&self) -> Vec<FlagSetting> {
        let mut flags = Vec::new();
        let path_style = self.s3_path_style.map(|value| value.to_string());
        let equal_parts = self.s3_equal_parts.map(|value| value.to_string());
        let max_attempts = self.s3_max_attempts.map(|value| value.to_string());
        flag(&mut flags, "--s3-endpoint-url", "destination.endpoint_url", self.s3_endpoint_url.clone());
        flag(&mut flags, "--s3-region", "destination.region", self.s3_region.clone());
        flag(&mut flags, "--s3-path-style", "destination.path_style", path_style);
        flag(&mut flags, "--s3-checksum", "destination.checksum", self.s3_checksum.clone());
        flag(&mut flags, "--s3-part-size", "destination.part_size", self.s3_part_size.clone());
        flag(&mut flags, "--s3-equal-parts", "destination.equal_parts", equal_parts);
        flag(&mut flags, "--s3-max-attempts", "destination.max_attempts", max_attempts);
        flags
    }

    /// The options that concern the storage rather than a single object.
    pub(super) fn options(&self) -> Result<S3Options> {
        let mut retry = RetryPolicy::default();
        if let Some(attempts) =
            self.s3_max_attempts.map_or_else(max_attempts_of_environment, |n| Ok(Some(n)))?
        {
            retry.attempts = attempts;
        }
        let connection = ConnectionOptions {
            endpoint_url: self.s3_endpoint_url.clone(),
            region: self.s3_region.clone(),
            path_style: self.s3_path_style,
            checksum: self.s3_checksum.as_deref().map(str::parse::<Checksum>).transpose()?,
            retry,
            ..ConnectionOptions::default()
        };
        let parts = PartWish {
            bytes: self.s3_part_size.as_deref().map(parse_part_bytes).transpose()?,
            equal: self.s3_equal_parts,
        };
        Ok(S3Options { connection, object: ObjectOptions { parts, ..ObjectOptions::default() } })
    }
}

/// Only read when S3 is used: a value for other AWS tools must not prevent writing a file.
fn max_attempts_of_environment() -> Result<Option<u32>> {
    let Some(value) = OsEnvironment.var("AWS_MAX_ATTEMPTS") else { return Ok(None) };
    match value.trim().parse() {
        Ok(attempts) if attempts > 0 => Ok(Some(attempts)),
        _ => Err(usage(format!("AWS_MAX_ATTEMPTS is \"{value}\", not a whole number of at least 1"))
            .hint("unset it, or use --s3-max-attempts")),
    }
}

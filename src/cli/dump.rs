//! `pgsiphon dump`: pg_dump's flags and the output location.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use pgsiphon::codec::Compression;
use pgsiphon::dump::SessionOptions;
use pgsiphon::dump::Summary;
use pgsiphon::dump::{ClusterRequest, DumpRequest, dump, dump_cluster};
use pgsiphon::error::Result;
use pgsiphon::pg::conninfo::{OsEnvironment, resolve};
use pgsiphon::progress::{Progress, Silent, Warnings};
use pgsiphon::storage::s3::{ObjectOptions, S3Location, S3Options};
use pgsiphon::storage::sink::Sink;
use pgsiphon::storage::sink::file::{FileSink, is_standard_output};
use pgsiphon::storage::sink::s3::S3Sink;
use pgsiphon::storage::sink::stdout::StdoutSink;
use tokio_util::sync::CancellationToken;

use super::connection::ConnectionArgs;
use super::content::{ContentArgs, usage};
use super::globals::{Cluster, ClusterArgs, params_for};
use super::progress::{Bar, When};
use super::storage::StorageArgs;

#[derive(Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct DumpArgs {
    /// Database name, connection string or URL
    #[arg(value_name = "DBNAME")]
    dbname: Option<String>,

    /// Output: a file, s3://bucket/key, or - for standard output
    #[arg(short = 'f', long = "file", value_name = "FILE|s3://BUCKET/KEY|-")]
    file: Option<String>,
    /// Number of sessions that read in parallel [default: number of cores]
    #[arg(short = 'j', long, value_name = "NUM", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Output format; only plain is supported
    #[arg(short = 'F', long, value_name = "FORMAT", default_value = "plain", hide_default_value = true)]
    format: String,
    /// Compression: gzip, lz4, zstd or none [default: from the file name's suffix; gzip on S3]
    #[arg(short = 'Z', long, value_name = "METHOD[:DETAIL]")]
    compress: Option<String>,
    /// Add comments to the dump and print progress messages; repeat for more messages
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Fail after waiting this long for a table lock
    #[arg(long, value_name = "TIMEOUT")]
    lock_wait_timeout: Option<String>,
    /// Do not wait for the file to be written safely to disk
    #[arg(long)]
    no_sync: bool,
    /// How to sync the file to disk; always fsync
    #[arg(long, value_name = "METHOD", value_parser = ["fsync", "syncfs"], hide = true)]
    sync_method: Option<String>,
    /// Accepted as in pg_dump 14; snapshots are always synchronized
    #[arg(long, hide = true)]
    no_synchronized_snapshots: bool,
    /// Accepted as in pg_dump; has no effect
    #[arg(short = 'R', long, hide = true)]
    no_reconnect: bool,
    /// When to show a progress bar on standard error
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,

    #[command(flatten)]
    content: ContentArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    storage: StorageArgs,
    /// Storage class, such as STANDARD_IA
    #[arg(long, value_name = "CLASS", help_heading = "Storage options")]
    s3_storage_class: Option<String>,
    /// Replace an existing object at the key
    #[arg(long, help_heading = "Storage options")]
    overwrite: bool,
}

/// Runs the command.
pub(crate) async fn run(args: DumpArgs, shutdown: CancellationToken) -> Result<()> {
    let options = args.content.options(args.verbose > 0, args.cluster.is_given())?;
    args.check_format()?;
    let session = args.session();
    let mut cluster = args.cluster.resolve(&options, &session)?;
    if let Some(cluster) = &mut cluster {
        cluster.exclude_databases(args.content.filtered_databases()?)?;
    }
    let target = match &args.file {
        Some(file) if !is_standard_output(Path::new(file)) => file.clone(),
        _ => "-".to_owned(),
    };
    let compression = args.compression(&target)?;
    if target == "-" && compression != Compression::None && std::io::stdout().is_terminal() {
        return Err(
            usage("refusing to write compressed data to a terminal").hint("use -f, or redirect the output")
        );
    }
    let connect = args.connection.connect_args(args.dbname.as_deref())?;
    let params = resolve(&connect, &OsEnvironment)?;
    let params_for = cluster.is_some().then(|| params_for(connect)).transpose()?;
    let sink = Box::pin(args.sink(&target, compression)).await?;
    let jobs =
        args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let show = args.progress.shows(target == "-");
    let say = show || args.verbose > 0;
    let progress: Arc<dyn Progress> = if show { Arc::new(Bar::new()) } else { Arc::new(Silent) };
    let start = Instant::now();
    let summary = match (cluster, params_for) {
        (Some(Cluster { options: cluster, database }), Some(params_for)) => {
            let request = ClusterRequest {
                params_for,
                database,
                session,
                cluster,
                options,
                compression,
                jobs,
                digest: false,
                sink,
            };
            dump_cluster(request, Arc::clone(&progress), &Warnings::default(), shutdown).await
        }
        _ => {
            let request = DumpRequest { params, session, options, compression, jobs, digest: false, sink };
            dump(request, Arc::clone(&progress), &Warnings::default(), shutdown).await
        }
    };
    drop(progress);
    let summary = summary?.summary;
    if say {
        report(&summary, start);
    }
    Ok(())
}

/// Prints a one-line summary.
fn report(summary: &Summary, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let ratio = summary.raw_bytes as f64 / summary.stored_bytes.max(1) as f64;
    eprintln!(
        "pgsiphon: {}: {} of SQL in {} ({ratio:.1} to 1), {seconds:.1} s, {}/s",
        summary.published.location,
        indicatif::BinaryBytes(summary.raw_bytes),
        indicatif::BinaryBytes(summary.stored_bytes),
        indicatif::BinaryBytes((summary.raw_bytes as f64 / seconds.max(0.001)) as u64),
    );
}

impl DumpArgs {
    fn check_format(&self) -> Result<()> {
        match self.format.to_ascii_lowercase().as_str() {
            "p" | "plain" => Ok(()),
            "c" | "custom" | "d" | "directory" | "t" | "tar" => Err(usage(format!(
                "output format \"{}\" is not supported: pgsiphon only writes plain text, which psql restores",
                self.format
            ))),
            _ => Err(usage(format!("invalid output format \"{}\" specified", self.format))),
        }
    }

    fn session(&self) -> SessionOptions {
        SessionOptions {
            role: self.connection.role.clone(),
            encoding: self.content.encoding(),
            lock_wait_timeout: self.lock_wait_timeout.clone(),
            snapshot: self.content.snapshot.clone(),
            serializable_deferrable: self.content.serializable_deferrable,
            extra_float_digits: self.content.extra_float_digits,
            enable_row_security: self.content.enable_row_security,
            quote_all_identifiers: self.content.quote_all_identifiers,
        }
    }

    /// As requested, otherwise from the name's suffix; gzip on S3 if the suffix does not tell.
    fn compression(&self, target: &str) -> Result<Compression> {
        match &self.compress {
            Some(compress) => compress.parse(),
            None => match Compression::for_name(target) {
                Compression::None if S3Location::is_s3(target) && !target.ends_with(".sql") => {
                    Ok(Compression::GZIP)
                }
                by_name => Ok(by_name),
            },
        }
    }

    async fn sink(&self, target: &str, compression: Compression) -> Result<Box<dyn Sink>> {
        if target == "-" {
            return Ok(Box::new(StdoutSink));
        }
        if !S3Location::is_s3(target) {
            // Like pg_dump, replace a file without asking; S3 objects are backups.
            return Ok(Box::new(FileSink { path: target.into(), overwrite: true, sync: !self.no_sync }));
        }
        let S3Options { connection, object } = self.storage.options()?;
        let object = ObjectOptions {
            overwrite: self.overwrite,
            storage_class: self.s3_storage_class.clone(),
            content_type: Some(compression.content_type()),
            ..object
        };
        let options = S3Options { connection, object };
        Ok(Box::new(S3Sink::new(target.parse::<S3Location>()?, options).await?))
    }
}

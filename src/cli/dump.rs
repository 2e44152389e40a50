//! `pgsiphon dump`: pg_dump's flags and the output location.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use pgsiphon::codec::Compression;
use pgsiphon::dump::{
    ClusterRequest, DumpRequest, OutputOptions, SessionOptions, Summary, Waited, default_jobs, dump,
    dump_cluster, faster_compression,
};
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
    /// Number of sessions that read in parallel [default: two per core, up to 8;
    /// from 8 cores on one per core]
    #[arg(short = 'j', long, value_name = "NUM", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Output format; only plain is supported
    #[arg(short = 'F', long, value_name = "FORMAT", default_value = "plain", hide_default_value = true)]
    format: String,
    /// Compression: gzip, lz4, zstd or none [default: from the file name's suffix; gzip on S3]
    #[arg(short = 'Z', long, value_name = "METHOD[:DETAIL]")]
    compress: Option<String>,
    /// Leave out the index at the end of a compressed dump, with which tables can be found in it
    #[arg(long)]
    no_index: bool,
    /// Read at most this many bytes of rows per second, such as 20MiB, to go easy on the server
    #[arg(long, value_name = "BYTES")]
    rate_limit: Option<String>,
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
    let jobs = args.jobs.map_or_else(default_jobs, usize::from);
    let output = OutputOptions {
        compression,
        jobs,
        digest: false,
        index: !args.no_index,
        rate_limit: args.rate_limit.as_deref().map(str::parse).transpose()?,
    };
    let show = args.progress.shows(target == "-");
    let say = show || args.verbose > 0;
    let progress: Arc<dyn Progress> = if show { Arc::new(Bar::new()) } else { Arc::new(Silent) };
    let start = Instant::now();
    let summary = match (cluster, params_for) {
        (Some(Cluster { options: cluster, database }), Some(params_for)) => {
            let request = ClusterRequest { params_for, database, session, cluster, options, output, sink };
            dump_cluster(request, Arc::clone(&progress), &Warnings::default(), shutdown).await
        }
        _ => {
            let request = DumpRequest { params, session, options, output, sink };
            dump(request, Arc::clone(&progress), &Warnings::default(), shutdown).await
        }
    };
    drop(progress);
    let summary = summary?.summary;
    if say {
        report(&summary, start, args.verbose > 0);
        if let Some(hint) = faster_compression(&summary.waited, compression) {
            eprintln!("pgsiphon: hint: {hint}");
        }
    }
    Ok(())
}

/// Prints a one-line summary; with `-v` also what the time went into.
fn report(summary: &Summary, start: Instant, is_verbose: bool) {
    let seconds = start.elapsed().as_secs_f64();
    let ratio = summary.written.raw_bytes as f64 / summary.written.stored_bytes.max(1) as f64;
    eprintln!(
        "pgsiphon: {}: {} of SQL in {} ({ratio:.1} to 1), {seconds:.1} s, {}/s",
        summary.published.location,
        indicatif::BinaryBytes(summary.written.raw_bytes),
        indicatif::BinaryBytes(summary.written.stored_bytes),
        indicatif::BinaryBytes((summary.written.raw_bytes as f64 / seconds.max(0.001)) as u64),
    );
    if is_verbose {
        let Waited { source, encoder, queue, rate_limit, upload } = summary.waited;
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let limited = match rate_limit {
            Duration::ZERO => String::new(),
            time => format!(", {} because of the rate limit", seconds(time)),
        };
        eprintln!(
            "pgsiphon: the workers waited {} for the server, {} for the output{limited}, and compressed for {}; \
             the output took {}",
            seconds(source),
            seconds(queue),
            seconds(encoder),
            seconds(upload),
        );
    }
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

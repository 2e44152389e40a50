//! `pgsiphon verify`: is a backup complete, and does it restore?

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use pgsiphon::backups::manifest::{MAX_BYTES, Manifest, SUFFIX, key_for};
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::pg::conninfo::{ConnectArgs, OsEnvironment, resolve};
use pgsiphon::progress::{Progress, Silent};
use pgsiphon::storage::input::Input;
use pgsiphon::storage::input::index::{self, Finding, FoundIndex};
use pgsiphon::storage::input::text::Format;
use pgsiphon::storage::s3::S3Location;
use pgsiphon::storage::store::{S3Store, Store};
use pgsiphon::verify::scratch::{self, Tried, try_restore};
use pgsiphon::verify::{
    BackupContents, Depth, Sample, TEXT_IS_COMPLETE, against_manifest, read_back, read_back_by_index,
    read_sample,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::content::usage;
use super::print;
use super::progress::{ReadBar, When};
use super::restore::params_for;
use super::storage::StorageArgs;

#[derive(Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct VerifyArgs {
    /// The backup: a file, s3://bucket/key, or - for standard input; or latest for the newest good
    /// backup of a configured job
    #[arg(value_name = "FILE|s3://BUCKET/KEY|-|latest[:DATABASE]")]
    backup: String,
    /// Restore into a scratch database on this server, dump it, compare, and drop it
    #[arg(long, value_name = "DBNAME|URL")]
    restore_to: Option<String>,
    /// Check only this share of the backup, at random pieces: for huge backups every night. Needs an index
    #[arg(long, value_name = "PERCENT", conflicts_with = "restore_to", value_parser = percent)]
    sample: Option<f64>,
    /// Run SET ROLE before the restore
    #[arg(long, value_name = "ROLENAME", requires = "restore_to")]
    role: Option<String>,
    /// Print the result as JSON to standard output
    #[arg(long)]
    json: bool,
    /// Print progress messages
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to show a progress bar on standard error
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,

    #[command(flatten)]
    storage: StorageArgs,
}

/// The findings, at the end or up to the first failure.
#[derive(Default)]
struct Report {
    contents: Option<BackupContents>,
    has_manifest: bool,
    tried: Option<Tried>,
    sample: Option<Sample>,
    remarks: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(mut args: VerifyArgs, shutdown: CancellationToken) -> Result<()> {
    args.backup = args.storage.locate(args.backup).await?;
    let mut report = Report::default();
    let outcome = Box::pin(verify(&args, &mut report, &shutdown)).await;
    if args.json {
        print(&format!("{:#}\n", report.json(&args.backup, outcome.as_ref().err())))?;
    } else if outcome.is_ok() {
        print(&report.text(&args.backup))?;
    }
    outcome
}

async fn verify(args: &VerifyArgs, report: &mut Report, shutdown: &CancellationToken) -> Result<()> {
    if args.restore_to.is_some() && args.backup == "-" {
        return Err(usage("standard input can only be read once, so --restore-to cannot be used with it")
            .hint("save the backup to a file first"));
    }
    let target = args.restore_to.as_ref().map(|to| connect_args(to)).transpose()?;
    let input = args.storage.input(&args.backup).await?;
    let manifest = read_manifest(args).await?;
    report.has_manifest = manifest.is_some();
    if let Some(percent) = args.sample {
        return sample(&*input, percent, manifest.as_ref(), report, shutdown).await;
    }
    let depth = if target.is_some() { Depth::Comparable } else { Depth::Counts };
    let (index, broken_index) = find_index(&*input, report).await?;
    let contents = read(args, &*input, depth, index, shutdown).await?;
    report.remarks.extend(remarks(&contents, manifest.is_some()));
    let contents = report.contents.insert(contents);
    if let Some(manifest) = &manifest {
        against_manifest::compare(contents, manifest)?;
    }
    if let Some(error) = broken_index {
        return Err(error.and_hint(TEXT_IS_COMPLETE));
    }
    let Some(connect) = target else { return Ok(()) };
    let opened = input.open().await?;
    let progress = bar(args.progress, opened.size);
    let request = scratch::ScratchRequest {
        backup: opened,
        contents: contents.clone(),
        params: resolve(&connect, &OsEnvironment)?,
        params_for: params_for(connect),
        role: args.role.clone(),
    };
    report.tried = Some(try_restore(request, progress, shutdown).await?);
    Ok(())
}

/// `12%`, or `12`.
fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("it must be a number above 0 and up to 100, such as 5%".to_owned()),
    }
}

/// Checks some of the backup.
async fn sample(
    input: &dyn Input,
    percent: f64,
    manifest: Option<&Manifest>,
    report: &mut Report,
    shutdown: &CancellationToken,
) -> Result<()> {
    let found = super::choice::find_index(input).await?;
    if let Some(manifest) = manifest.filter(|manifest| manifest.stored_bytes != found.size) {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("compare {} with its manifest", input.location()),
        )
        .because(format!("it has {} bytes, and had {}", found.size, manifest.stored_bytes)));
    }
    report.sample = Some(read_sample(&input.location(), &found, percent, shutdown).await?);
    Ok(())
}

/// Reads the backup: by all cores if it has an index, and once more if something is wrong with it, to say what.
async fn read(
    args: &VerifyArgs,
    input: &dyn Input,
    depth: Depth,
    index: Option<FoundIndex>,
    shutdown: &CancellationToken,
) -> Result<BackupContents> {
    let mut index = index;
    if let Some(found) = index.take() {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let opened = input.open().await?;
        let progress = bar(args.progress, opened.size);
        match read_back_by_index(opened, depth, found, jobs, progress, shutdown).await {
            Err(error) if error.kind() == ErrorKind::Damaged => {
                tracing::debug!("reading it again from its beginning: {}", error.report());
            }
            done => return done,
        }
        if let Finding::Index(again) = index::find(input).await? {
            index = Some(*again);
        }
    }
    let opened = input.open().await?;
    let progress = bar(args.progress, opened.size);
    read_back(opened, depth, index, progress, shutdown).await
}

/// The backup's index; or what is wrong with it, to be reported once it is known whether the text is good.
async fn find_index(input: &dyn Input, report: &mut Report) -> Result<(Option<FoundIndex>, Option<Error>)> {
    match index::find(input).await {
        Ok(Finding::Index(index)) => Ok((Some(*index), None)),
        Ok(Finding::None) => Ok((None, None)),
        Ok(Finding::Unknown) => {
            report.remarks.push("it could only be read as a whole: no index was checked".to_owned());
            Ok((None, None))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Other) => {
            Ok((None, Some(error)))
        }
        Err(error) => Err(error),
    }
}

fn connect_args(to: &str) -> Result<ConnectArgs> {
    let connect = ConnectArgs { dbname: Some(to.to_owned()), ..ConnectArgs::default() };
    // Report errors in it before reading the backup.
    resolve(&connect, &OsEnvironment)?;
    Ok(connect)
}

fn bar(when: When, size: Option<u64>) -> Arc<dyn Progress> {
    if when.shows(false) { Arc::new(ReadBar::new(size)) } else { Arc::new(Silent) }
}

/// The manifest next to the backup, if there is one.
async fn read_manifest(args: &VerifyArgs) -> Result<Option<Manifest>> {
    if args.backup == "-" {
        return Ok(None);
    }
    let (location, text): (String, Option<Vec<u8>>) = if S3Location::is_s3(&args.backup) {
        let location: S3Location = args.backup.parse()?;
        let key = key_for(&location.key);
        let store =
            S3Store::new(location.bucket.clone(), args.storage.options_for(&location.bucket)?).await?;
        (store.shown(&key), store.get(&key, MAX_BYTES).await?.map(|text| text.to_vec()))
    } else {
        let path = PathBuf::from(format!("{}{SUFFIX}", args.backup));
        let text = match tokio::fs::read(&path).await {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let attempted = format!("read {}", path.display());
                return Err(Error::new(ErrorKind::StorageUnreachable, attempted).because(error));
            }
        };
        (path.display().to_string(), text)
    };
    text.map(|text| Manifest::from_json(&text, &location)).transpose()
}

fn remarks(contents: &BackupContents, has_manifest: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    if has_manifest {
        return remarks;
    }
    remarks.push("no manifest next to it: the expected number of rows is unknown".to_owned());
    match contents.format {
        Some(Format::Plain) | None => remarks
            .push("not compressed, so there is no checksum: a changed byte would go unnoticed".to_owned()),
        Some(Format::Gzip) => {}
        Some(Format::Zstd | Format::Lz4) => {
            remarks.push("frames were only checked where they have checksums, as pgsiphon's do".to_owned())
        }
    }
    remarks
}

impl Report {
    fn remarks(&self) -> Vec<&str> {
        let of_trial = self.tried.iter().flat_map(|tried| &tried.comparison.remarks);
        self.remarks.iter().chain(of_trial).map(String::as_str).collect()
    }

    fn text(&self, backup: &str) -> String {
        let mut lines = Vec::new();
        if let Some(contents) = &self.contents {
            let agrees = match (contents.has_index, self.has_manifest) {
                (true, true) => "; matches its index and its manifest",
                (true, false) => "; matches its index",
                (false, true) => "; matches its manifest",
                (false, false) => "",
            };
            lines.push(format!(
                "{}: complete: {} ({}), {} of SQL, {} rows in {} tables, {} large objects{agrees}",
                contents.location,
                indicatif::BinaryBytes(contents.stored_bytes),
                contents.format.map_or("none", Format::name),
                indicatif::BinaryBytes(contents.text_bytes),
                contents.rows(),
                contents.relations.len(),
                contents.large_objects
            ));
        }
        if let Some(sample) = &self.sample {
            let agrees = if self.has_manifest { "; its size is that of the manifest" } else { "" };
            lines.push(format!(
                "{backup}: {} of {} pieces are as its index says: {} of SQL, read {}{agrees}",
                sample.pieces,
                sample.of,
                indicatif::BinaryBytes(sample.text_bytes),
                indicatif::BinaryBytes(sample.fetched_bytes)
            ));
        }
        if let Some(tried) = &self.tried {
            lines.push(format!(
                "restored into PostgreSQL {}; the contents are identical",
                tried.server_version
            ));
        }
        lines.extend(self.remarks().iter().map(|remark| format!("remark: {remark}")));
        lines.join("\n") + "\n"
    }

    fn json(&self, backup: &str, error: Option<&Error>) -> Value {
        let contents = self.contents.as_ref().map(|contents| {
            let relations: Vec<Value> = contents
                .relations
                .iter()
                .map(|rows| json!({"name": rows.contents.name, "rows": rows.contents.rows, "text_bytes": rows.contents.text_bytes}))
                .collect();
            json!({
                "compression": contents.format.map_or("none", Format::name),
                "stored_bytes": contents.stored_bytes,
                "sha256": contents.sha256_hex(),
                "text_bytes": contents.text_bytes,
                "text_crc32": format!("{:08x}", contents.text_crc32),
                "server_version": contents.server_version,
                "relations": relations,
                "large_objects": contents.large_objects,
                "index": contents.has_index,
            })
        });
        json!({
            "backup": backup,
            "ok": error.is_none(),
            "error": error.map(Error::report),
            "exit_code": error.map_or(0, |error| error.kind().exit_code()),
            "manifest": self.has_manifest,
            "contents": contents,
            "sample": self.sample.map(|sample| json!({
                "pieces": sample.pieces,
                "of": sample.of,
                "text_bytes": sample.text_bytes,
                "fetched_bytes": sample.fetched_bytes,
            })),
            "restored_to": self.tried.as_ref().map(|tried| tried.server_version.as_str()),
            "remarks": self.remarks(),
        })
    }
}

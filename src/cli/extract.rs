//! `pgsiphon extract`: the SQL of a part of a backup.

use std::time::Instant;

use clap::Args;
use futures::StreamExt;
use pgsiphon::error::Result;
use pgsiphon::extract::Excerpt;
use pgsiphon::storage::sink::file::FileSink;
use pgsiphon::storage::sink::stdout::StdoutSink;
use pgsiphon::storage::sink::{Sink, Upload};
use tokio_util::sync::CancellationToken;

use super::choice::{ChoiceArgs, find, find_index, read_for, until};
use super::storage::StorageArgs;

#[derive(Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct ExtractArgs {
    /// The backup: a file or s3://bucket/key; or latest for the newest good backup of a configured job
    #[arg(value_name = "FILE|s3://BUCKET/KEY|latest[:DATABASE]")]
    backup: String,
    /// Output: a file, or - for standard output
    #[arg(short = 'f', long, value_name = "FILE|-", default_value = "-")]
    file: String,
    /// Print progress messages
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    storage: StorageArgs,
}

/// Runs the command.
pub(crate) async fn run(args: ExtractArgs, shutdown: CancellationToken) -> Result<()> {
    let started = Instant::now();
    let choice = args.choice.choice()?;
    let location = args.storage.locate(args.backup).await?;
    let attempted = format!("extract from {location}");
    let input = args.storage.input(&location).await?;
    let prepare = async {
        let found = find_index(&*input).await?;
        let chosen = find(&choice, &found.index)?;
        Ok((Excerpt::new(&location, &found, &chosen).await?, chosen.len()))
    };
    let (excerpt, entries) = until(&shutdown, &attempted, prepare).await?;
    let sink: Box<dyn Sink> = match args.file.as_str() {
        "-" => Box::new(StdoutSink),
        path => Box::new(FileSink { path: path.into(), overwrite: true, sync: true }),
    };
    let mut upload = sink.begin().await?;
    if let Err(error) = until(&shutdown, &attempted, write(&excerpt, &mut *upload)).await {
        upload.abort().await?;
        return Err(error);
    }
    upload.complete().await?;
    if args.verbose > 0 || super::on_terminal() {
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("pgsiphon: {location}: {entries} entries, {}, {seconds:.1} s", read_for(&excerpt));
    }
    Ok(())
}

async fn write(excerpt: &Excerpt, upload: &mut dyn Upload) -> Result<()> {
    let mut text = excerpt.open().bytes;
    while let Some(bytes) = text.next().await {
        upload.write(bytes?).await?;
    }
    upload.flush().await
}

//! A dump from end to end: the one place that connects all steps.

mod cluster;
mod outline;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backups::manifest::RelationContents;
use crate::catalog::{read_sizes, tables_with_data};
use crate::codec::Compression;
use crate::contents::{DumpSource, Producers, Readers};
use crate::emit::emit;
use crate::error::{Error, ErrorKind, Result};
use crate::order::order;
use crate::pg::connect::{Session, connect};
use crate::pg::params::ConnectParams;
use crate::pipeline::{self, Appendix, PipelineOptions};
use crate::plan::{Division, Part, PlanContext, Segment, Step, divide, plan, timestamp};
use crate::progress::{Progress, Warnings};
use crate::select::options::{DumpOptions, RowFormat};
use crate::snapshot::{Leader, lead};
use crate::storage::sink::Sink;

pub use crate::pipeline::{BytesPerSecond, SegmentSummary, Summary, Waited, Written};
pub use crate::snapshot::SessionOptions;
pub use cluster::{ClusterRequest, ParamsFor, dump_cluster};
use outline::Outline;

/// What to dump, how, and where to.
pub struct DumpRequest {
    /// How to connect to the source.
    pub params: ConnectParams,
    /// How to set up the sessions.
    pub session: SessionOptions,
    /// What to dump, and in which form.
    pub options: DumpOptions,
    /// How the dump is written.
    pub output: OutputOptions,
    /// Where the dump is written.
    pub sink: Box<dyn Sink>,
}

/// How to write a dump.
#[derive(Debug, Clone, Copy)]
pub struct OutputOptions {
    /// How to compress it.
    pub compression: Compression,
    /// How many sessions read a database in parallel, besides the one that holds the locks. If it is 1, that
    /// session reads.
    pub jobs: usize,
    /// Whether to compute the SHA-256 of the stored bytes.
    pub digest: bool,
    /// Whether to append an index, if the compression allows it.
    pub index: bool,
    /// How fast the text may be produced, before compression.
    pub rate_limit: Option<BytesPerSecond>,
}

impl OutputOptions {
    fn has_index(&self) -> bool {
        self.index && self.compression != Compression::None
    }

    fn pipeline(&self) -> PipelineOptions {
        PipelineOptions {
            compression: self.compression,
            jobs: self.jobs,
            byte_budget: PipelineOptions::byte_budget(self.jobs),
            digest: self.digest,
            rate_limit: self.rate_limit,
        }
    }
}

fn appendix(outline: Outline, compression: Compression) -> Appendix {
    Box::new(move |written| outline.index(compression, written))
}

/// The result of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// Sizes and checksums of what was written.
    pub summary: Summary,
    /// The server's version, as it reports it.
    pub server_version: String,
    /// The relations whose rows were written, in the dump's order. Empty for a dump of a cluster.
    pub relations: Vec<RelationContents>,
    /// How many large objects were written. Not counted for a dump of a cluster.
    pub large_objects: u64,
}

/// How many sessions read a database unless the user says it: two for each core, so that one can work while the other
/// waits for the server; but from 8 cores on one for each, to leave connections for others.
pub fn default_jobs() -> usize {
    const ENOUGH: usize = 8;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.max(ENOUGH.min(2 * cores))
}

/// Runs the dump. If an error occurs or `shutdown` is cancelled, nothing is left at the destination.
pub async fn dump(
    request: DumpRequest,
    progress: Arc<dyn Progress>,
    warnings: &Warnings,
    shutdown: CancellationToken,
) -> Result<Dumped> {
    let DumpRequest { mut params, session, options, output, mut sink } = request;
    params.warnings = warnings.clone();
    sink.warn_to(warnings);
    let prepared = async {
        let leader = connect(&params).await?;
        sink.preflight().await?;
        let mut prepared = Box::pin(prepare(leader, params, session, options, output)).await?;
        let reading = prepared.segments.iter().filter(|segment| segment.reads()).count();
        refuse_too_large(&prepared, sink.as_ref(), output.compression)?;
        let wanted = reading.min(output.jobs);
        let opened = Box::pin(prepared.source.open_readers(wanted)).await?;
        let jobs = if opened < wanted { opened.max(1) } else { output.jobs };
        let upload = sink.begin().await?;
        Ok::<_, Error>((prepared, upload, jobs))
    };
    let (Prepared { source, segments, outline, .. }, upload, jobs) = tokio::select! {
        biased;
        () = shutdown.cancelled() => {
            return Err(Error::interrupted("read the catalogs"));
        }
        prepared = prepared => prepared?,
    };
    let run = OutputOptions { jobs, ..output }.pipeline();
    let server_version = source.leader.server.version.clone();
    let contents: Vec<_> =
        segments.iter().flat_map(|it| &it.steps).map(|step| contents_of(step, &source.leader)).collect();
    let source = Arc::new(source);
    let producers = Producers(Arc::clone(&source));
    let appendix = outline.map(|outline| appendix(outline, output.compression));
    let summary = pipeline::run(segments, producers, run, upload, progress, shutdown, appendix).await?;
    close(source).await;
    let (relations, large_objects) = add_up(&contents, &summary.written.segments);
    Ok(Dumped { summary, server_version, relations, large_objects })
}

/// No compression that we offer shrinks SQL by more than this factor, except repetitive text.
const BEST_COMPRESSION: u64 = 20;

/// Judging by the size of the tables, refuses early what cannot fit at the destination, before hours are
/// spent. What might not fit only causes a warning: the text of a table can be smaller or larger than the
/// table.
fn refuse_too_large(prepared: &Prepared, sink: &dyn Sink, compression: Compression) -> Result<()> {
    let Some(most) = sink.max_bytes() else { return Ok(()) };
    let session = &prepared.source.leader.session;
    let bytes = prepared.table_bytes;
    let least = if compression == Compression::None { bytes } else { bytes / BEST_COMPRESSION };
    if bytes <= most {
        return Ok(());
    }
    let told = format!(
        "the tables have {bytes} bytes, but an object can have at most {most} with parts of this size"
    );
    if least <= most {
        session.warnings().warn(format_args!("{}: {told}", sink.location()));
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, format!("prepare to write {}", sink.location()))
        .because(told)
        .hint("use larger parts (--s3-part-size or destination.part_size), or dump large tables separately"))
}

/// Ends the session that held the locks, after all producers have ended.
async fn close(source: Arc<DumpSource>) {
    if let Some(source) = Arc::into_inner(source) {
        let Leader { session, catalog, .. } = source.leader;
        if let Some(session) = Arc::into_inner(session) {
            session.close().await;
        }
        free_aside(catalog);
    }
}

/// Says how the next dump could be faster, if this one's time went into gzip.
pub fn faster_compression(waited: &Waited, compression: Compression) -> Option<&'static str> {
    const WORTH_A_WORD: Duration = Duration::from_secs(10);
    let Waited { source, encoder, queue, rate_limit, .. } = *waited;
    let is_most = encoder > (source + queue + rate_limit) * 2;
    (matches!(compression, Compression::Gzip(_)) && encoder >= WORTH_A_WORD && is_most).then_some(
        "gzip took most of the time: zstd (-Z zstd, or a name that ends with .sql.zst) takes a fraction of it, and the \
         file becomes no larger",
    )
}

/// Frees large catalogs, which consist of up to a million allocations, in the background.
fn free_aside<T: Send + 'static>(value: T) {
    // If no thread can be started, it is freed here.
    let _ = std::thread::Builder::new().spawn(move || drop(value));
}

enum StepContents {
    /// Text without rows.
    Text,
    /// Rows of this relation.
    Rows(String),
    LargeObjects,
}

fn contents_of(step: &Step, leader: &Leader) -> StepContents {
    match step {
        Step::Text(_) | Step::CompletionTime => StepContents::Text,
        Step::LargeObjects(_) => StepContents::LargeObjects,
        Step::Rows(data, _) => {
            let catalog = &leader.catalog;
            let Some(data) = catalog.table_data(*data) else { return StepContents::Text };
            let name = &catalog.object(data.table).name;
            StepContents::Rows(leader.quoter.qualified(catalog.namespace_name(data.table), name))
        }
    }
}

/// Sums up what was written by relation. The steps of one relation are adjacent.
fn add_up(contents: &[StepContents], segments: &[SegmentSummary]) -> (Vec<RelationContents>, u64) {
    let mut relations: Vec<RelationContents> = Vec::new();
    let mut large_objects = 0;
    for (contents, part) in contents.iter().zip(segments.iter().flat_map(|segment| &segment.parts)) {
        let (rows, text_bytes) = (part.rows, part.raw_bytes);
        match contents {
            StepContents::Text => {}
            StepContents::LargeObjects => large_objects += rows,
            StepContents::Rows(name) => match relations.last_mut().filter(|last| last.name == *name) {
                Some(last) => {
                    last.rows += rows;
                    last.text_bytes += text_bytes;
                }
                None => relations.push(RelationContents { name: name.clone(), rows, text_bytes }),
            },
        }
    }
    (relations, large_objects)
}

/// A database whose dump is planned, with the snapshot and locks held.
struct Prepared {
    source: DumpSource,
    segments: Vec<Segment>,
    /// What to say in the index, if there is to be one.
    outline: Option<Outline>,
    /// The bytes of the tables whose rows are dumped.
    table_bytes: u64,
}

/// The size of a large table's segments. Segments of text that compresses well must be longer, so that the first rows
/// of each don't add much.
fn range_bytes(compression: Compression) -> u64 {
    match compression {
        Compression::None => 8 << 20,
        Compression::Gzip(_) | Compression::Lz4(_) => 16 << 20,
        Compression::Zstd { .. } => 32 << 20,
    }
}

/// Reads a database's catalogs, and plans its dump.
async fn prepare(
    leader: Session,
    params: ConnectParams,
    session: SessionOptions,
    options: DumpOptions,
    output: OutputOptions,
) -> Result<Prepared> {
    let started = timestamp();
    let warnings = &params.warnings;
    let leader = lead(leader, &params, session, &options, output.jobs).await?;
    let splits_tables = matches!(options.rows, RowFormat::Copy | RowFormat::Insert { rows: 1 });
    let division = Division::new(range_bytes(output.compression), splits_tables);
    // The server looks at the tables while we plan.
    let client = Arc::clone(&leader.session.client);
    let exact = division.needs_exact_sizes();
    let sizes = read_sizes(client, leader.server.version_num, tables_with_data(&leader.catalog), exact);
    let planned = plan_aside(leader, options, started, output.has_index(), warnings.clone());
    // A failure to plan also ends the session.
    let (planned, sizes) = tokio::join!(planned, sizes);
    let ((leader, options, parts, mut outline), sizes) = (planned?, sizes?);
    let segments = divide(parts, &leader.catalog, &sizes, &division);
    if let Some(outline) = &mut outline {
        outline.first_steps = segments.first_steps;
    }
    let segments = segments.list;
    let readers = if output.jobs == 1 { Readers::Leader } else { Readers::Own(Mutex::default()) };
    let source = DumpSource { params, leader, options, readers, leader_turn: Default::default() };
    Ok(Prepared { source, segments, outline, table_bytes: sizes.total_bytes() })
}

/// Orders, prints and plans. This takes seconds for large catalogs, so it runs on another thread: an
/// interrupt must not have to wait for it.
async fn plan_aside(
    mut leader: Leader,
    options: DumpOptions,
    started: String,
    has_index: bool,
    warnings: Warnings,
) -> Result<(Leader, DumpOptions, Vec<Part>, Option<Outline>)> {
    let planning = tokio::task::spawn_blocking(move || {
        let Leader { server, quoter, catalog, .. } = &mut leader;
        let dialect = server.dialect();
        let ordered = order(catalog, dialect, &warnings)?;
        let entries = emit(catalog, &ordered, &options, quoter, dialect, &warnings)?;
        let context = PlanContext { options: &options, server, quoter, started: &started };
        let plan = plan(&entries, context);
        let outline = has_index.then(|| Outline::new(catalog, &entries, &plan, &options));
        free_aside(entries);
        Ok((leader, options, plan.parts, outline))
    });
    planning.await.map_err(|error| Error::new(ErrorKind::Other, "plan the dump").because(error))?
}

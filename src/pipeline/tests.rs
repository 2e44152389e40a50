use std::cell::Cell;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::error::ErrorKind;
use crate::progress::Silent;
use crate::storage::sink::Sink;
use crate::storage::sink::memory::{MemorySink, MemoryStore};

/// The rows of a segment, and what happens while they are produced.
#[derive(Debug, Clone, Default)]
struct Rows {
    rows: Vec<Vec<u8>>,
    delay: Duration,
    end: End,
}

#[derive(Debug, Clone, Default)]
enum End {
    #[default]
    Fine,
    Fails,
    Panics,
    /// Waits for a server that never answers.
    Hangs,
}

impl Rows {
    fn new(rows: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Rows { rows: rows.into_iter().collect(), ..Rows::default() }
    }

    fn ending(self, end: End) -> Self {
        Rows { end, ..self }
    }
}

#[derive(Clone, Default)]
struct Factory {
    cancelled: Arc<AtomicUsize>,
    finish_fails: bool,
    factory_fails_for: Option<usize>,
}

struct Producer {
    factory: Factory,
    /// Makes the producer `!Send`, as a real producer may be if its connection uses `Rc`.
    _local: Rc<Cell<u8>>,
}

impl ProducerFactory<Rows> for Factory {
    type Producer = Producer;

    async fn producer(&self, worker: usize) -> Result<Producer> {
        if self.factory_fails_for == Some(worker) {
            return Err(Error::new(ErrorKind::SourceUnreachable, "connect"));
        }
        Ok(Producer { factory: self.clone(), _local: Rc::default() })
    }
}

impl Produce<Rows> for Producer {
    async fn produce(&mut self, segment: &Rows, out: &mut BlockWriter) -> Result<()> {
        for row in &segment.rows {
            if !segment.delay.is_zero() {
                tokio::time::sleep(segment.delay).await;
            }
            out.push(row, 1)?;
        }
        match segment.end {
            End::Fine => Ok(()),
            End::Fails => Err(Error::new(ErrorKind::SourceFailed, "copy t")),
            End::Panics => panic!("a deliberate panic"),
            End::Hangs => std::future::pending().await,
        }
    }

    async fn finish(self) -> Result<()> {
        if self.factory.finish_fails {
            return Err(Error::new(ErrorKind::SourceFailed, "commit"));
        }
        Ok(())
    }

    async fn cancel(&mut self) {
        self.factory.cancelled.fetch_add(1, Ordering::SeqCst);
    }
}

fn options(compression: Compression, jobs: usize, byte_budget: usize) -> PipelineOptions {
    PipelineOptions { compression, jobs, byte_budget, digest: true, rate_limit: None }
}

/// Runs with a store in memory, and returns the published bytes with the result.
async fn run_to_memory(
    segments: Vec<Rows>,
    factory: Factory,
    options: PipelineOptions,
    shutdown: CancellationToken,
) -> (Result<Summary>, Option<Vec<u8>>) {
    let store = MemoryStore::default();
    let sink = MemorySink { store: store.clone(), name: "dump".into(), overwrite: false };
    let upload = sink.begin().await.unwrap();
    let result = run(segments, factory, options, upload, Arc::new(Silent), shutdown, None).await;
    (result, store.get("dump"))
}

fn run_blocking(
    segments: Vec<Rows>,
    factory: Factory,
    options: PipelineOptions,
) -> (Result<Summary>, Option<Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let run = run_to_memory(segments, factory, options, CancellationToken::new());
        tokio::time::timeout(Duration::from_secs(60), run).await.expect("the pipeline is stuck")
    })
}

fn text_of(segments: &[Rows]) -> Vec<u8> {
    segments.iter().flat_map(|segment| segment.rows.concat()).collect()
}

fn copy_rows(count: usize, salt: usize) -> Rows {
    Rows::new((0..count).map(|row| {
        let mixed = (row + salt).wrapping_mul(2_654_435_761) % 1_000_003;
        format!("{row}\tcustomer {mixed}\t2026-11-{:02}\t\\N\n", mixed % 30 + 1).into_bytes()
    }))
}

#[test]
fn programs_read_what_we_write() {
    let mut segments = vec![copy_rows(60_000, 1), copy_rows(3, 2), Rows::default(), copy_rows(40_000, 3)];
    segments.push(Rows::new([vec![b'x'; 3 << 20], b"after\n".to_vec()]));
    let text = text_of(&segments);
    let (summary, stored) =
        run_blocking(segments, Factory::default(), options(Compression::GZIP, 3, 1 << 20));
    let (summary, stored) = (summary.unwrap(), stored.unwrap());
    assert_eq!(summary.written.raw_bytes, text.len() as u64);
    assert_eq!(summary.written.stored_bytes, stored.len() as u64);
    assert_eq!(summary.published.bytes, stored.len() as u64);
    assert_eq!(summary.written.crc32, crc32fast::hash(&text));
    let parts: Vec<_> = summary.written.segments.iter().map(|segment| &segment.parts).collect();
    assert_eq!(
        parts.iter().flat_map(|parts| parts.iter()).map(|p| p.raw_bytes).sum::<u64>(),
        summary.written.raw_bytes
    );
    assert!(parts[2].is_empty());
    let rows: Vec<_> = [0, 1, 3, 4].map(|number: usize| parts[number][0].rows).into();
    assert_eq!(rows, [60_000, 3, 40_000, 2]);
    assert_eq!(summary.sha256, Some(Sha256::digest(&stored).into()));

    let mut gunzip =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = gunzip.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&stored).unwrap());
    let output = gunzip.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == text);
}

#[test]
fn jobs_budget_and_timing_do_not_show_in_the_bytes() {
    let segments: Vec<_> = (0..40)
        .map(|n| {
            let mut segment = copy_rows([3, 30_000, 9_000, 0][n % 4], n);
            if n % 7 == 0 {
                segment.rows.truncate(200);
                segment.delay = Duration::from_micros(200);
            }
            segment
        })
        .collect();
    for compression in [Compression::GZIP, Compression::ZSTD] {
        let (_, reference) = run_blocking(segments.clone(), Factory::default(), options(compression, 1, 0));
        for (jobs, budget) in [(2, 0), (4, 100_000), (16, 64 << 20)] {
            let (_, stored) =
                run_blocking(segments.clone(), Factory::default(), options(compression, jobs, budget));
            assert!(stored == reference, "{compression} with {jobs} jobs");
        }
    }
}

#[test]
fn tiny_segments_share_blocks() {
    let segments: Vec<_> = (0..20_000).map(|n| copy_rows(1, n)).collect();
    let raw = text_of(&segments).len();
    let (summary, _) = run_blocking(segments, Factory::default(), options(Compression::GZIP, 2, 1 << 20));
    let stored = summary.unwrap().written.stored_bytes as usize;
    // Compressed separately, 20,000 rows of 40 bytes would be larger than their text.
    assert!(stored * 3 < raw, "{stored} bytes of {raw}");
}

#[test]
fn no_segments_make_an_empty_dump() {
    let (summary, stored) = run_blocking(vec![], Factory::default(), options(Compression::GZIP, 4, 0));
    assert_eq!(summary.unwrap().written.raw_bytes, 0);
    assert_eq!(decode(Compression::GZIP, &stored.unwrap()), b"");
}

/// Every way in which a worker can fail, at every segment: the first cause is reported, nothing is published,
/// and it ends quickly although another worker hangs.
#[test]
fn a_failing_producer_never_completes() {
    for failing in 0..6 {
        for (end, kind, words) in [
            (End::Fails, ErrorKind::SourceFailed, "copy t"),
            (End::Panics, ErrorKind::Other, "a deliberate panic"),
        ] {
            let mut segments: Vec<_> = (0..6).map(|n| copy_rows(20_000, n)).collect();
            segments[failing].end = end.clone();
            let hanging = (failing + 1) % 6;
            segments[hanging].end = End::Hangs;
            let started = Instant::now();
            // As many workers as segments, so that the failing segment is reached although another one hangs.
            let (result, stored) =
                run_blocking(segments, Factory::default(), options(Compression::ZSTD, 6, 64 << 20));
            let error = result.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.report().contains(words), "{error:?}");
            assert_eq!(stored, None);
            assert!(started.elapsed() < Duration::from_secs(20));
        }
    }
}

#[test]
fn a_producer_that_cannot_start_or_finish_fails_the_run() {
    let cases = [
        (Factory { factory_fails_for: Some(1), ..Factory::default() }, ErrorKind::SourceUnreachable),
        (Factory { finish_fails: true, ..Factory::default() }, ErrorKind::SourceFailed),
    ];
    for (factory, kind) in cases {
        let segments = vec![copy_rows(10, 0), copy_rows(10, 1), copy_rows(10, 2)];
        let (result, stored) = run_blocking(segments, factory, options(Compression::None, 2, 0));
        assert_eq!(result.unwrap_err().kind(), kind);
        assert_eq!(stored, None);
    }
}

#[tokio::test]
async fn an_interruption_cancels_the_producers_and_publishes_nothing() {
    let factory = Factory::default();
    let shutdown = CancellationToken::new();
    let segments = vec![copy_rows(10, 0).ending(End::Hangs), copy_rows(10, 1).ending(End::Hangs)];
    let run = run_to_memory(segments, factory.clone(), options(Compression::GZIP, 2, 0), shutdown.clone());
    let interrupt = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        shutdown.cancel();
    };
    let ((result, stored), ()) = tokio::join!(run, interrupt);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(stored, None);
    assert_eq!(factory.cancelled.load(Ordering::SeqCst), 2);
}

/// An upload that fails at its n-th call, and records how it ended.
struct FailingUpload {
    calls_until_failure: usize,
    delay: Duration,
    aborted: Arc<AtomicBool>,
    abort_fails: bool,
}

impl FailingUpload {
    async fn call(&mut self) -> Result<()> {
        tokio::time::sleep(self.delay).await;
        if self.calls_until_failure == 0 {
            return Err(Error::new(ErrorKind::StorageFailed, "upload part 1").hint("buy a disk"));
        }
        self.calls_until_failure -= 1;
        Ok(())
    }
}

impl Upload for FailingUpload {
    fn write(&mut self, _: Bytes) -> BoxFuture<'_, Result<()>> {
        self.call().boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        self.call().boxed()
    }

    fn complete(mut self: Box<Self>) -> BoxFuture<'static, Result<Published>> {
        async move {
            self.call().await?;
            Ok(Published { location: "nowhere".into(), bytes: 0 })
        }
        .boxed()
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async move {
            self.aborted.store(true, Ordering::SeqCst);
            match self.abort_fails {
                true => Err(Error::new(ErrorKind::StorageFailed, "abort upload u1").hint("remove it")),
                false => Ok(()),
            }
        }
        .boxed()
    }
}

async fn run_to_failing(calls_until_failure: usize, abort_fails: bool) -> (Result<Summary>, bool) {
    let aborted = Arc::new(AtomicBool::new(false));
    let delay = Duration::from_millis(1);
    let upload = FailingUpload { calls_until_failure, delay, aborted: Arc::clone(&aborted), abort_fails };
    let segments: Vec<_> = (0..4).map(|n| copy_rows(20_000, n)).collect();
    let options = options(Compression::None, 2, 0);
    let result = run(
        segments,
        Factory::default(),
        options,
        Box::new(upload),
        Arc::new(Silent),
        CancellationToken::new(),
        None,
    )
    .await;
    (result, aborted.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_failing_upload_is_aborted_wherever_it_fails() {
    let mut calls = 0;
    loop {
        let (result, aborted) = run_to_failing(calls, false).await;
        let Err(error) = result else { break };
        assert_eq!(error.kind(), ErrorKind::StorageFailed);
        // `complete`, the last call, cleans up after itself.
        let last = run_to_failing(calls + 1, false).await.0.is_ok();
        assert_eq!(aborted, !last, "failure after {calls} calls");
        calls += 1;
    }
    assert!(calls > 4, "the sweep ended after {calls} calls");
}

#[tokio::test]
async fn a_failed_abort_is_told_beside_the_cause() {
    let (result, _) = run_to_failing(0, true).await;
    let report = result.unwrap_err().report();
    assert_eq!(report, "upload part 1 (hint: buy a disk; abort upload u1 (hint: remove it))");
}

fn decode(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match compression {
        // Reads the first member only, as the least capable readers do.
        Compression::Gzip(_) => flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap(),
        Compression::Zstd { .. } => zstd::Decoder::new(bytes).unwrap().read_to_end(&mut text).unwrap(),
        Compression::Lz4(_) | Compression::None => {
            text.extend_from_slice(bytes);
            0
        }
    };
    text
}

fn any_segments() -> impl Strategy<Value = Vec<Rows>> {
    // Lengths on both sides of each threshold: tail, block, several blocks.
    let length = prop_oneof![
        6 => 0usize..200,
        2 => 200_000usize..300_000,
        1 => 1_000_000usize..1_100_000,
        1 => 2_097_000usize..2_300_000,
    ];
    let row = (length, any::<u8>()).prop_map(|(length, salt)| {
        (0..length).map(|i| (i / 7) as u8 ^ (i % 13) as u8 ^ salt).collect::<Vec<u8>>()
    });
    let rows = prop::collection::vec(row, 0..6).prop_map(Rows::new);
    prop::collection::vec(rows, 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 50, ..ProptestConfig::default() })]
    #[test]
    fn any_segments_decode_to_their_text_whatever_the_jobs(
        segments in any_segments(),
        jobs in 2usize..9,
        budget in prop_oneof![Just(0), 0usize..3_000_000],
        compression in prop::sample::select(vec![Compression::Gzip(1), Compression::ZSTD, Compression::None]),
    ) {
        let (_, alone) = run_blocking(segments.clone(), Factory::default(), options(compression, 1, 0));
        let (_, stored) = run_blocking(segments.clone(), Factory::default(), options(compression, jobs, budget));
        let stored = stored.unwrap();
        prop_assert!(alone.as_ref() == Some(&stored));
        prop_assert!(decode(compression, &stored) == text_of(&segments));
    }
}

/// Writes each list of segments as a step of one upload.
fn run_in_parts(parts: Vec<Vec<Rows>>) -> (Result<Summary>, Option<Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = MemoryStore::default();
        let sink = MemorySink { store: store.clone(), name: "dump".into(), overwrite: false };
        let upload = sink.begin().await.unwrap();
        let options = options(Compression::GZIP, 2, 1 << 20);
        let mut run = PipelineRun::new(options, upload, Arc::new(Silent), CancellationToken::new()).unwrap();
        for segments in parts {
            if let Err(error) = run.write(segments, Factory::default()).await {
                return (Err(run.abort(error).await), store.get("dump"));
            }
            assert!(store.get("dump").is_none(), "published before it is whole");
        }
        (run.complete(None).await, store.get("dump"))
    })
}

#[test]
fn parts_become_one_text_or_nothing() {
    let parts = vec![vec![copy_rows(30_000, 1), copy_rows(3, 2)], vec![], vec![copy_rows(50_000, 3)]];
    let (expected, whole) =
        run_blocking(parts.concat(), Factory::default(), options(Compression::GZIP, 1, 1 << 20));
    let (summary, written) = run_in_parts(parts.clone());
    assert_eq!(written, whole);
    let untimed = |summary: Result<Summary>| Summary { waited: Waited::default(), ..summary.unwrap() };
    assert_eq!(untimed(summary), untimed(expected));

    let failing = vec![parts[0].clone(), vec![copy_rows(9, 4).ending(End::Fails)]];
    let (summary, written) = run_in_parts(failing);
    assert_eq!(summary.unwrap_err().kind(), ErrorKind::SourceFailed);
    assert_eq!(written, None);
}

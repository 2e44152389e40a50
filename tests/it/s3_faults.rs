//! Tests uploads to S3 with every kind of fault at every request.
//!
//! In any case, one of two things must be true afterwards: the complete object is at its key and the
//! result says so, or there is an error of the right kind and nothing is left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::scripted_s3::{self, Conditions, Fault, Op, Rule, ScriptedS3};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use pgsiphon::storage::s3::{ObjectOptions, PartWish, S3Options};
use pgsiphon::storage::sink::s3::S3Sink;
use pgsiphon::storage::sink::{Published, Sink, Upload};
use pgsiphon::{Error, ErrorKind};

const KEY: &str = "nightly/db.sql.gz";
const PART_BYTES: usize = 1000;

fn options(server: &ScriptedS3) -> S3Options {
    S3Options {
        connection: server.connection(),
        object: ObjectOptions {
            parts: PartWish { bytes: Some(PART_BYTES as u64), equal: Some(true) },
            ..ObjectOptions::default()
        },
    }
}

/// The default options with a change.
fn with(server: &ScriptedS3, change: impl FnOnce(&mut S3Options)) -> S3Options {
    let mut options = options(server);
    change(&mut options);
    options
}

async fn sink(options: S3Options) -> S3Sink {
    S3Sink::new(format!("s3://{}/{KEY}", scripted_s3::BUCKET).parse().unwrap(), options).await.unwrap()
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i % 251) as u8 ^ (i / 251) as u8).collect()
}

/// Uploads like the pipeline: preflight, pieces, flush, complete; abort after an error.
async fn upload(sink: &S3Sink, text: &[u8]) -> Result<Published, Error> {
    sink.preflight().await?;
    let mut upload = sink.begin().await?;
    match write(&mut *upload, text).await {
        Ok(()) => upload.complete().await,
        Err(error) => match upload.abort().await {
            Ok(()) => Err(error),
            Err(leftover) => Err(error.hint(leftover.report())),
        },
    }
}

async fn write(upload: &mut dyn Upload, text: &[u8]) -> Result<(), Error> {
    for piece in text.chunks(300) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.flush().await
}

/// A dump sent with one PutObject, and one with five parts.
const SIZES: [usize; 2] = [PART_BYTES, 4 * PART_BYTES + 17];

async fn run(rules: &[Rule], size: usize) -> (ScriptedS3, Result<Published, Error>) {
    let server = ScriptedS3::start(rules).await;
    let result = upload(&sink(options(&server)).await, &text(size)).await;
    (server, result)
}

/// Asserts the invariant above.
fn assert_sound(server: &ScriptedS3, result: &Result<Published, Error>, size: usize, context: &str) {
    let object = server.object(KEY);
    let pending = server.pending_uploads();
    match result {
        Ok(published) => {
            let object = object.unwrap_or_else(|| panic!("{context}: success without an object"));
            assert!(object.bytes == text(size), "{context}: the object differs");
            assert_eq!(published.bytes, size as u64, "{context}");
            assert!(pending.is_empty(), "{context}: left {pending:?}");
        }
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
            assert!(error.report().contains(KEY), "{context}: {error:?}");
        }
        Err(error) => {
            let kinds = [ErrorKind::StorageFailed, ErrorKind::StorageUnreachable, ErrorKind::KeyExists];
            assert!(kinds.contains(&error.kind()), "{context}: {error:?}");
            assert!(object.is_none(), "{context}: an object in addition to {error:?}");
            let report = error.report();
            let told = |id: &String| {
                report.contains("abort-multipart-upload") && report.contains(id.as_str())
                    || report.contains("list the bucket's multipart uploads")
            };
            assert!(pending.iter().all(told), "{context}: left {pending:?}, and said {report}");
        }
    }
}

#[tokio::test]
async fn without_faults_the_object_is_complete() {
    for size in [0, 1, 999, 1000, 1001, 2000, 5017] {
        let (server, result) = run(&[], size).await;
        assert_sound(&server, &result, size, "no fault");
        result.unwrap();
        let multipart = server.log().contains(&Op::CreateMultipartUpload);
        assert_eq!(multipart, size > PART_BYTES, "{size} bytes");
        assert!(server.object(KEY).unwrap().metadata.contains_key("x-amz-meta-pgsiphon-write-token"));
    }
}

/// Faults that a single retry fixes.
const PASSING: [Fault; 11] = [
    Fault::Reject(500, "InternalError"),
    Fault::Reject(503, "SlowDown"),
    Fault::Reject(400, "RequestTimeout"),
    Fault::RejectAfterActing(500, "InternalError"),
    Fault::RejectAfterActing(503, "ServiceUnavailable"),
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::TruncatedAnswer,
    Fault::ErrorInSuccess("InternalError"),
    Fault::Delay(Duration::from_secs(3)),
    Fault::FlipBit,
];

/// Each request of a run without faults, by operation and its number within that.
async fn requests(size: usize) -> Vec<(Op, usize)> {
    let (server, result) = run(&[], size).await;
    result.unwrap();
    let mut seen = std::collections::HashMap::new();
    let number = |op| {
        let count = seen.entry(op).or_insert(0);
        *count += 1;
        (op, *count - 1)
    };
    server.log().into_iter().map(number).collect()
}

#[tokio::test]
async fn any_single_fault_at_any_request_is_survived() {
    let runs = sweep(&PASSING, 1, |context, result| {
        assert!(result.is_ok(), "{context}: {result:?}");
    });
    let runs = runs.await;
    assert!(runs > 100, "only {runs} runs");
}

/// Permanent faults: the run fails, in bounded time, and cleans up; or it proves that it succeeded.
#[tokio::test]
async fn any_lasting_fault_leaves_nothing() {
    let lasting = [
        Fault::Reject(500, "InternalError"),
        Fault::Reject(403, "AccessDenied"),
        Fault::Reject(400, "InvalidArgument"),
        Fault::Reject(501, "NotImplemented"),
        Fault::RejectAfterActing(500, "InternalError"),
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::TruncatedAnswer,
        Fault::ErrorInSuccess("InternalError"),
        Fault::EmptySuccess,
        Fault::FlipBit,
    ];
    // Not every run fails: HEAD and the listings may reveal nothing, and a success is still a success.
    let failed = AtomicUsize::new(0);
    let runs = sweep(&lasting, usize::MAX, |_, result| {
        failed.fetch_add(usize::from(result.is_err()), Ordering::Relaxed);
    });
    assert!(runs.await > 100);
    assert!(failed.into_inner() > 50);
}

/// Uploads once for each fault at each request, and checks the invariant and `check` each time.
async fn sweep(faults: &[Fault], times: usize, check: impl Fn(&str, &Result<Published, Error>)) -> usize {
    let mut cases = Vec::new();
    for size in SIZES {
        for (op, nth) in requests(size).await {
            // The response to HEAD has no body, so an error in the body is not an error.
            let possible = |fault: &&Fault| {
                op != Op::HeadObject || !matches!(fault, Fault::ErrorInSuccess(_) | Fault::EmptySuccess)
            };
            cases.extend(faults.iter().filter(possible).map(|&fault| (size, Rule { op, nth, times, fault })));
        }
    }
    let count = cases.len();
    let runs = stream::iter(cases).map(|(size, rule)| async move {
        let context = format!("{rule:?} of {size} bytes");
        let rules = [rule];
        let run = tokio::time::timeout(Duration::from_secs(60), run(&rules, size));
        let (server, result) = run.await.unwrap_or_else(|_| panic!("{context}: stuck"));
        assert_sound(&server, &result, size, &context);
        (context, result)
    });
    runs.buffer_unordered(8).for_each(async |(context, result)| check(&context, &result)).await;
    count
}

/// If the abort also fails, the first cause is reported, and the hint names what is left.
#[tokio::test]
async fn a_denied_abort_names_the_command_that_removes_the_upload() {
    let rules = [
        Rule { op: Op::UploadPart, nth: 1, times: usize::MAX, fault: Fault::Reject(500, "InternalError") },
        Rule::always(Op::AbortMultipartUpload, Fault::Reject(403, "AccessDenied")),
    ];
    let (server, result) = run(&rules, SIZES[1]).await;
    assert_sound(&server, &result, SIZES[1], "denied abort");
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFailed);
    let report = error.report();
    assert!(report.starts_with("upload part "), "{report}");
    assert!(report.contains("--upload-id 'upload-1'"), "{report}");
    assert_eq!(server.pending_uploads(), ["upload-1"]);
}

/// The upload fails, but is still cleaned up if the storage returns a little later.
#[tokio::test]
async fn a_storage_that_comes_back_late_is_left_clean() {
    let gone = |op, nth, times| Rule { op, nth, times, fault: Fault::ResetBefore };
    let attempts = options(&ScriptedS3::start(&[]).await).connection.retry.attempts as usize;
    let rules =
        [gone(Op::UploadPart, 1, usize::MAX), gone(Op::AbortMultipartUpload, 0, attempts + attempts / 2)];
    let (server, result) = run(&rules, SIZES[1]).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFailed);
    assert!(server.pending_uploads().is_empty());
    assert!(server.object(KEY).is_none());
}

#[tokio::test]
async fn a_lost_response_to_complete_is_resolved_by_the_token() {
    for fault in [Fault::ResetAfter, Fault::RejectAfterActing(500, "InternalError"), Fault::TruncatedAnswer] {
        let (server, result) = run(&[Rule::always(Op::CompleteMultipartUpload, fault)], SIZES[1]).await;
        assert_sound(&server, &result, SIZES[1], "lost answer");
        result.unwrap();
    }
}

#[tokio::test]
async fn a_lost_response_without_proof_is_an_unknown_outcome() {
    for (op, size) in [(Op::CompleteMultipartUpload, SIZES[1]), (Op::PutObject, SIZES[0])] {
        let rules = [
            Rule::always(op, Fault::ResetAfter),
            Rule { op: Op::HeadObject, nth: 1, times: usize::MAX, fault: Fault::Reject(403, "") },
        ];
        let (server, result) = run(&rules, size).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(error.report().contains(KEY));
        assert!(server.object(KEY).is_some());
    }
}

#[tokio::test]
async fn an_existing_key_is_refused_before_any_work_and_stays() {
    for size in SIZES {
        let server = ScriptedS3::start(&[]).await;
        server.put(KEY, b"old");
        let error = upload(&sink(options(&server)).await, &text(size)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyExists);
        assert_eq!(server.object(KEY).unwrap().bytes, b"old");
        assert!(!server.log().iter().any(|op| matches!(op, Op::PutObject | Op::CreateMultipartUpload)));

        let overwriting = sink(with(&server, |options| options.object.overwrite = true)).await;
        upload(&overwriting, &text(size)).await.unwrap();
        assert!(server.object(KEY).unwrap().bytes == text(size));
    }
}

/// Regardless of how the server treats `If-None-Match`.
#[tokio::test]
async fn a_key_that_appears_while_we_write_is_not_overwritten() {
    for conditions in [Conditions::Kept, Conditions::Ignored, Conditions::Refused] {
        for size in SIZES {
            let server = ScriptedS3::start(&[]).await;
            server.set_conditions(conditions);
            let sink = sink(options(&server)).await;
            sink.preflight().await.unwrap();
            let mut upload = sink.begin().await.unwrap();
            write(&mut *upload, &text(size)).await.unwrap();
            server.put(KEY, b"somebody else's");
            let error = upload.complete().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::KeyExists, "{conditions:?}");
            assert_eq!(server.object(KEY).unwrap().bytes, b"somebody else's");
            assert!(server.pending_uploads().is_empty());
        }
    }
}

/// Between the last check and the last request, only the server can prevent it.
#[tokio::test]
async fn a_key_that_appears_at_the_last_moment_is_not_overwritten() {
    for (op, size) in [(Op::PutObject, SIZES[0]), (Op::CompleteMultipartUpload, SIZES[1])] {
        let delay = Fault::Delay(Duration::from_millis(300));
        let server = ScriptedS3::start(&[Rule::once(op, 0, delay)]).await;
        let sink = sink(options(&server)).await;
        let bytes = text(size);
        let uploading = upload(&sink, &bytes);
        let appearing = async {
            while !server.log().contains(&op) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            server.put(KEY, b"somebody else's");
        };
        let (result, ()) = tokio::join!(uploading, appearing);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::KeyExists);
        assert_eq!(server.object(KEY).unwrap().bytes, b"somebody else's");
        assert!(server.pending_uploads().is_empty());
    }
}

#[tokio::test]
async fn a_server_without_conditional_writes_is_supported() {
    for size in SIZES {
        let server = ScriptedS3::start(&[]).await;
        server.set_conditions(Conditions::Refused);
        let result = upload(&sink(options(&server)).await, &text(size)).await;
        assert_sound(&server, &result, size, "no conditions");
        result.unwrap();
    }
}

#[tokio::test]
async fn denied_access_is_reported_before_any_work() {
    let cases = [
        (Fault::Reject(403, "InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
        (Fault::Reject(403, "SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"),
        (Fault::Reject(404, "NoSuchBucket"), "create the bucket"),
        (Fault::Reject(301, "PermanentRedirect"), "AWS_REGION"),
        (Fault::Reject(400, "AuthorizationHeaderMalformed"), "AWS_REGION"),
        (Fault::Reject(403, "RequestTimeTooSkewed"), "clock"),
    ];
    for (fault, words) in cases {
        let (server, result) = run(&[Rule::always(Op::ListMultipartUploads, fault)], SIZES[1]).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageUnreachable, "{error:?}");
        assert!(error.report().contains(words), "{error:?}");
        assert_eq!(server.log(), [Op::ListMultipartUploads]);
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let server = ScriptedS3::start(&[]).await;
    let nowhere = "http://127.0.0.1:1".to_owned();
    let options = with(&server, |options| options.connection.endpoint_url = Some(nowhere));
    let error = upload(&sink(options).await, b"text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageUnreachable, "{error:?}");
    assert!(error.report().contains("refused"), "{error:?}");
}

/// A role that can write and abort, but neither list nor read.
#[tokio::test]
async fn a_writer_with_few_permissions_can_write() {
    let denied = [Op::ListMultipartUploads, Op::HeadObject, Op::ListParts]
        .map(|op| Rule::always(op, Fault::Reject(403, "AccessDenied")));
    for size in SIZES {
        let (server, result) = run(&denied, size).await;
        assert_sound(&server, &result, size, "few rights");
        result.unwrap();
    }
}

#[tokio::test]
async fn missing_permissions_are_reported_before_any_work() {
    let ops = [Op::ListMultipartUploads, Op::HeadObject, Op::CreateMultipartUpload];
    let denied = ops.map(|op| Rule::always(op, Fault::Reject(403, "AccessDenied")));
    let (server, result) = run(&denied, SIZES[1]).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageUnreachable);
    assert_eq!(server.log(), ops);
}

#[tokio::test]
async fn a_vanished_upload_points_at_lifecycle_rules() {
    let rule = Rule::once(Op::UploadPart, 2, Fault::VanishUploads);
    let (server, result) = run(&[rule], SIZES[1]).await;
    assert_sound(&server, &result, SIZES[1], "vanished");
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFailed);
    assert!(error.report().contains("lifecycle"), "{error:?}");
}

/// Another run's upload for the same key must not be touched.
#[tokio::test]
async fn uploads_of_others_survive_our_cleaning() {
    let rules = [
        Rule::once(Op::CreateMultipartUpload, 0, Fault::ResetAfter),
        Rule { op: Op::UploadPart, nth: 1, times: usize::MAX, fault: Fault::Reject(403, "AccessDenied") },
    ];
    let server = ScriptedS3::start(&rules).await;
    let others = [server.add_pending_upload(KEY), server.add_pending_upload("nightly/db.sql.gz.2")];
    let error = upload(&sink(options(&server)).await, &text(SIZES[1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFailed);
    assert_eq!(server.pending_uploads(), others);
}

#[tokio::test]
async fn an_upload_that_is_being_created_at_an_interrupt_is_aborted() {
    let late = Fault::DelayAnswer(Duration::from_secs(1));
    let server = ScriptedS3::start(&[Rule::once(Op::CreateMultipartUpload, 0, late)]).await;
    let sink = sink(options(&server)).await;
    sink.preflight().await.unwrap();
    let mut upload = sink.begin().await.unwrap();
    let text = text(SIZES[1]);
    let interrupted = tokio::time::timeout(Duration::from_millis(300), write(&mut *upload, &text)).await;
    interrupted.unwrap_err();
    assert_eq!(server.pending_uploads().len(), 1);
    upload.abort().await.unwrap();
    assert!(server.pending_uploads().is_empty());
}

#[tokio::test]
async fn a_dropped_upload_is_aborted() {
    let server = ScriptedS3::start(&[]).await;
    let sink = sink(options(&server)).await;
    let mut upload = sink.begin().await.unwrap();
    write(&mut *upload, &text(SIZES[1])).await.unwrap();
    assert_eq!(server.pending_uploads().len(), 1);
    drop(upload);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if server.pending_uploads().is_empty() {
            break;
        }
    }
    assert!(server.pending_uploads().is_empty());
    assert!(server.object(KEY).is_none());
}

/// An abort does not wait for parts that are stuck.
#[tokio::test]
async fn an_abort_in_the_middle_is_quick_and_clean() {
    let server =
        ScriptedS3::start(&[Rule::always(Op::UploadPart, Fault::Delay(Duration::from_secs(30)))]).await;
    let mut slow = options(&server);
    slow.connection.retry.attempt_timeout = Duration::from_secs(60);
    let sink = sink(slow).await;
    let mut upload = sink.begin().await.unwrap();
    let writing =
        tokio::time::timeout(Duration::from_millis(200), write(&mut *upload, &text(SIZES[1]))).await;
    assert!(writing.is_err(), "the parts should hang");
    let started = Instant::now();
    upload.abort().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(server.pending_uploads().is_empty());
}

/// More than a tenth of the parts that S3 allows: from there on, growing parts grow.
#[tokio::test]
async fn equal_parts_stay_equal() {
    for (equal, good) in [(None, false), (Some(true), true)] {
        let server = ScriptedS3::start(&[]).await;
        server.want_equal_parts();
        let sink =
            sink(with(&server, |options| options.object.parts = PartWish { bytes: Some(100), equal })).await;
        let result = upload(&sink, &text(100 * 1002 + 1)).await;
        assert_eq!(result.is_ok(), good, "{equal:?}");
        assert_eq!(server.object(KEY).is_some(), good);
        assert!(server.pending_uploads().is_empty());
    }
}

#[tokio::test]
async fn parts_below_the_smallest_size_are_never_sent() {
    let server = ScriptedS3::start(&[]).await;
    server.set_min_part_bytes(PART_BYTES);
    let parts = PartWish { bytes: Some(PART_BYTES as u64), equal: None };
    let sink = sink(with(&server, |options| options.object.parts = parts)).await;
    upload(&sink, &text(10 * PART_BYTES + 1)).await.unwrap();
    assert!(server.object(KEY).unwrap().bytes == text(10 * PART_BYTES + 1));
}

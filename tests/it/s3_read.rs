//! Tests reading from S3 with failed requests and lost connections: the bytes arrive completely and
//! once, or there is an error of the right kind.

use std::time::Duration;

use crate::support::scripted_s3::{self, Fault, Op, Rule, ScriptedS3};
use aws_sdk_s3::config::Credentials;
use futures::StreamExt;
use pgsiphon::storage::input::Input;
use pgsiphon::storage::input::s3::S3Input;
use pgsiphon::storage::s3::S3Options;
use pgsiphon::storage::store::{S3Store, Store};
use pgsiphon::{Error, ErrorKind};

const KEY: &str = "nightly/db.sql";

fn options(server: &ScriptedS3) -> S3Options {
    S3Options { connection: server.connection(), ..S3Options::default() }
}

async fn input(server: &ScriptedS3) -> S3Input {
    let location = format!("s3://{}/{KEY}", scripted_s3::BUCKET).parse().unwrap();
    S3Input::new(location, &options(server).connection).await.unwrap()
}

async fn read(server: &ScriptedS3) -> Result<Vec<u8>, Error> {
    let mut opened = input(server).await.open().await?;
    let mut all = Vec::new();
    while let Some(bytes) = opened.bytes.next().await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

fn text() -> Vec<u8> {
    (0..200_000u32).map(|n| b'a' + (n % 23) as u8).collect()
}

#[tokio::test]
async fn lost_connections_are_resumed_where_they_ended() {
    // Each response carries half of what it announces, so the fourth is the last.
    let rule = Rule { op: Op::GetObject, nth: 0, times: 3, fault: Fault::TruncatedAnswer };
    let server = ScriptedS3::start(&[rule]).await;
    server.put(KEY, &text());
    assert!(read(&server).await.unwrap() == text());
    assert_eq!(server.log().len(), 4);
}

#[tokio::test]
async fn failed_requests_are_retried() {
    for fault in [
        Fault::Reject(503, "SlowDown"),
        Fault::Reject(500, "InternalError"),
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Delay(Duration::from_secs(3)),
    ] {
        let server = ScriptedS3::start(&[Rule::once(Op::GetObject, 0, fault)]).await;
        server.put(KEY, &text());
        assert!(read(&server).await.unwrap() == text(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_storage_that_stays_unreachable_is_an_error() {
    let server = ScriptedS3::start(&[Rule::always(Op::GetObject, Fault::Reject(503, "SlowDown"))]).await;
    server.put(KEY, &text());
    assert_eq!(read(&server).await.unwrap_err().kind(), ErrorKind::StorageUnreachable);
    assert_eq!(server.log().len(), 4);
}

#[tokio::test]
async fn a_storage_that_becomes_unreachable_is_an_error() {
    let rules = [
        Rule::once(Op::GetObject, 0, Fault::TruncatedAnswer),
        Rule { op: Op::GetObject, nth: 1, times: usize::MAX, fault: Fault::ResetBefore },
    ];
    let server = ScriptedS3::start(&rules).await;
    server.put(KEY, &text());
    let error = read(&server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFailed, "{error:?}");
}

#[tokio::test]
async fn a_replaced_object_is_not_mixed_with_the_old_one() {
    let server = ScriptedS3::start(&[Rule::once(Op::GetObject, 0, Fault::TruncatedAnswer)]).await;
    server.put(KEY, &text());
    let mut opened = input(&server).await.open().await.unwrap();
    server.put(KEY, &text().iter().rev().copied().collect::<Vec<u8>>());
    let error = loop {
        match opened.bytes.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the object is not whole"),
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFailed);
    assert!(error.report().contains("replaced or removed"), "{error:?}");
}

#[tokio::test]
async fn missing_and_forbidden_objects_are_reported() {
    let server = ScriptedS3::start(&[]).await;
    let error = read(&server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageUnreachable);
    assert!(error.report().contains("there is no object at this key"), "{error:?}");

    let server = ScriptedS3::start(&[Rule::always(Op::GetObject, Fault::Reject(403, "AccessDenied"))]).await;
    let error = read(&server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageUnreachable);
    assert!(error.report().contains("s3:GetObject"), "{error:?}");
}

async fn list(server: &ScriptedS3) -> Result<Vec<String>, Error> {
    let store = S3Store::new(scripted_s3::BUCKET.into(), options(server)).await.unwrap();
    Ok(store.list("nightly/").await?.into_iter().map(|object| object.key).collect())
}

#[tokio::test]
async fn an_unreadable_list_is_an_error() {
    for fault in [
        Fault::Says("text/html", "<!DOCTYPE html><html><body>Please log in</body></html>"),
        Fault::Says("text/html", "<html><p>unclosed"),
        Fault::Says("text/plain", "ok"),
        Fault::Says("application/json", "{}"),
        Fault::Says("application/xml", "<?xml version=\"1.0\"?><Other></Other>"),
        Fault::EmptySuccess,
        Fault::ShortXml,
        Fault::TruncatedAnswer,
    ] {
        let server = ScriptedS3::start(&[Rule::always(Op::ListObjects, fault)]).await;
        for name in ["a", "b", "c"] {
            server.put(&format!("nightly/{name}"), b"x");
        }
        let error = list(&server).await.expect_err(&format!("{fault:?}"));
        assert_eq!(error.kind(), ErrorKind::StorageUnreachable, "{fault:?}: {}", error.report());
        if !matches!(fault, Fault::TruncatedAnswer) {
            assert!(error.report().contains("not a response of S3"), "{fault:?}: {}", error.report());
            assert!(error.report().contains("a proxy or a login page"), "{}", error.report());
        }
        // The next response may be good.
        let server = ScriptedS3::start(&[Rule::once(Op::ListObjects, 0, fault)]).await;
        server.put("nightly/a", b"x");
        assert_eq!(list(&server).await.unwrap(), ["nightly/a"], "{fault:?}");
    }
}

#[tokio::test]
async fn unusable_credentials_are_not_retried() {
    use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug)]
    struct Counted(Arc<AtomicUsize>, Credentials);
    impl ProvideCredentials for Counted {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.0.fetch_add(1, Ordering::Relaxed);
            aws_credential_types::provider::future::ProvideCredentials::ready(Ok(self.1.clone()))
        }
    }
    let server = ScriptedS3::start(&[]).await;
    for (key, token) in [("test\n", None), ("te st", None), ("test", Some("a\nb")), ("\u{e9}", None)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let keys = Credentials::new(key, "secret", token.map(str::to_owned), None, "test");
        let provider = SharedCredentialsProvider::new(Counted(Arc::clone(&asked), keys));
        let mut options = options(&server);
        options.connection.credentials = Some(provider);
        let store = S3Store::new(scripted_s3::BUCKET.into(), options).await.unwrap();
        let report = store.list("").await.unwrap_err().report();
        assert!(report.contains("not allowed in keys"), "{report}");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{report}");
        assert!(server.log().is_empty());
    }
}

#[tokio::test]
async fn an_endpoint_may_have_a_path() {
    let server = ScriptedS3::start(&[]).await;
    server.put(KEY, &text());
    let path = scripted_s3::BELOW.trim_end_matches('/');
    for end in ["", "/", "//", &format!("/{path}"), &format!("/{path}/")] {
        let mut below = server.clone();
        below.endpoint_url.push_str(end);
        assert!(read(&below).await.unwrap() == text(), "{end:?}");
        assert_eq!(list(&below).await.unwrap(), [KEY], "{end:?}");
    }
}

//! What reading from S3 does when requests fail and connections are lost: the bytes come whole and
//! once, or there is an error of the right kind.

// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/scripted_s3.rs"]
mod scripted_s3;

use std::time::Duration;

use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use futures::StreamExt;
use pgsiphon::input::Input;
use pgsiphon::input::s3::S3Input;
use pgsiphon::sink::s3::{RetryPolicy, S3Options};
use pgsiphon::{Error, ErrorKind};
use scripted_s3::{Fault, Op, Rule, ScriptedS3};

const KEY: &str = "nightly/db.sql";

async fn input(server: &ScriptedS3) -> S3Input {
    let credentials = Credentials::new(scripted_s3::ACCESS_KEY, "secret", None, None, "test");
    let options = S3Options {
        endpoint_url: Some(server.endpoint_url.clone()),
        region: Some("us-east-1".into()),
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        retry: RetryPolicy {
            attempts: 4,
            first_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(4),
            attempt_timeout: Duration::from_secs(2),
        },
        ..S3Options::default()
    };
    S3Input::new(format!("s3://{}/{KEY}", scripted_s3::BUCKET).parse().unwrap(), &options).await.unwrap()
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
    // Each answer brings half of what it announces, so that the fourth is the last.
    let rule = Rule { op: Op::GetObject, nth: 0, times: 3, fault: Fault::TruncatedAnswer };
    let server = ScriptedS3::start(&[rule]).await;
    server.put(KEY, &text());
    assert!(read(&server).await.unwrap() == text());
    assert_eq!(server.log().len(), 4);
}

#[tokio::test]
async fn requests_that_fail_are_sent_again() {
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
async fn a_storage_that_stays_away_is_given_up() {
    let server = ScriptedS3::start(&[Rule::always(Op::GetObject, Fault::Reject(503, "SlowDown"))]).await;
    server.put(KEY, &text());
    assert_eq!(read(&server).await.unwrap_err().kind(), ErrorKind::StorageUnreachable);
    assert_eq!(server.log().len(), 4);
}

#[tokio::test]
async fn a_storage_that_goes_away_is_given_up() {
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
async fn an_object_that_is_replaced_meanwhile_is_not_mixed() {
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
async fn what_is_not_there_or_not_ours_is_told() {
    let server = ScriptedS3::start(&[]).await;
    let error = read(&server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageUnreachable);
    assert!(error.report().contains("there is no object at this key"), "{error:?}");

    let server = ScriptedS3::start(&[Rule::always(Op::GetObject, Fault::Reject(403, "AccessDenied"))]).await;
    let error = read(&server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageUnreachable);
    assert!(error.report().contains("s3:GetObject"), "{error:?}");
}

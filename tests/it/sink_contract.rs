//! The contract of every sink: nothing is published before `complete`, and nothing is left without it.

use std::path::PathBuf;

use crate::support::scripted_s3::{self, ScriptedS3};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use pgsiphon::ErrorKind;
use pgsiphon::storage::s3::{ConnectionOptions, ObjectOptions, PartWish, S3Options};
use pgsiphon::storage::sink::Sink;
use pgsiphon::storage::sink::file::FileSink;
use pgsiphon::storage::sink::memory::{MemorySink, MemoryStore};
use pgsiphon::storage::sink::s3::S3Sink;

/// A destination for one dump whose contents the test can inspect.
enum Place {
    Memory(MemoryStore),
    File(tempfile::TempDir),
    S3(ScriptedS3),
}

impl Place {
    async fn all() -> [Place; 3] {
        [
            Place::Memory(MemoryStore::default()),
            Place::File(tempfile::tempdir().unwrap()),
            Place::S3(ScriptedS3::start(&[]).await),
        ]
    }

    fn path(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("dump")
    }

    async fn sink(&self, overwrite: bool) -> Box<dyn Sink> {
        match self {
            Place::Memory(store) => {
                Box::new(MemorySink { store: store.clone(), name: "dump".into(), overwrite })
            }
            Place::File(directory) => {
                Box::new(FileSink { path: Place::path(directory), overwrite, sync: true })
            }
            Place::S3(server) => {
                let credentials = Credentials::new(scripted_s3::ACCESS_KEY, "secret", None, None, "test");
                let connection = ConnectionOptions {
                    endpoint_url: Some(server.endpoint_url.clone()),
                    region: Some("us-east-1".into()),
                    credentials: Some(SharedCredentialsProvider::new(credentials)),
                    ..ConnectionOptions::default()
                };
                let parts = PartWish { bytes: Some(1000), equal: Some(true) };
                let object = ObjectOptions { parts, overwrite, ..ObjectOptions::default() };
                let options = S3Options { connection, object };
                Box::new(S3Sink::new("s3://bucket/dump".parse().unwrap(), options).await.unwrap())
            }
        }
    }

    fn published(&self) -> Option<Vec<u8>> {
        match self {
            Place::Memory(store) => store.get("dump"),
            Place::File(directory) => std::fs::read(Place::path(directory)).ok(),
            Place::S3(server) => server.object("dump").map(|object| object.bytes),
        }
    }

    /// Asserts that nothing is left except, if given, what was published.
    async fn assert_clean(&self) {
        match self {
            Place::Memory(_) => {}
            Place::File(directory) => {
                let others = std::fs::read_dir(directory.path()).unwrap();
                let others: Vec<_> =
                    others.map(|entry| entry.unwrap().file_name()).filter(|name| name != "dump").collect();
                assert!(others.is_empty(), "left {others:?}");
            }
            Place::S3(server) => {
                for _ in 0..100 {
                    if server.pending_uploads().is_empty() {
                        return;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                panic!("left {:?}", server.pending_uploads());
            }
        }
    }
}

fn pieces() -> Vec<Bytes> {
    (0..40u8).map(|n| Bytes::from(vec![n; usize::from(n) * 17])).collect()
}

#[tokio::test]
async fn only_complete_publishes() {
    for place in Place::all().await {
        let sink = place.sink(false).await;
        sink.preflight().await.unwrap();
        assert_eq!(place.published(), None);
        place.assert_clean().await;
        let mut upload = sink.begin().await.unwrap();
        for piece in pieces() {
            upload.write(piece).await.unwrap();
            assert_eq!(place.published(), None);
        }
        upload.flush().await.unwrap();
        assert_eq!(place.published(), None);
        let published = upload.complete().await.unwrap();
        let whole = pieces().concat();
        assert_eq!(published.bytes, whole.len() as u64);
        assert_eq!(published.location, sink.location());
        assert!(place.published().unwrap() == whole);
        place.assert_clean().await;
    }
}

#[tokio::test]
async fn writing_nothing_makes_an_empty_dump() {
    for place in Place::all().await {
        let upload = place.sink(false).await.begin().await.unwrap();
        assert_eq!(upload.complete().await.unwrap().bytes, 0);
        assert_eq!(place.published().unwrap(), b"");
    }
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing_wherever_it_is() {
    for place in Place::all().await {
        for count in [0, 1, 20, 40] {
            for flushed in [false, true] {
                let mut upload = place.sink(false).await.begin().await.unwrap();
                for piece in pieces().into_iter().take(count) {
                    upload.write(piece).await.unwrap();
                }
                if flushed {
                    upload.flush().await.unwrap();
                }
                upload.abort().await.unwrap();
                assert_eq!(place.published(), None);
                place.assert_clean().await;
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing() {
    for place in Place::all().await {
        let mut upload = place.sink(false).await.begin().await.unwrap();
        for piece in pieces() {
            upload.write(piece).await.unwrap();
        }
        drop(upload);
        place.assert_clean().await;
        assert_eq!(place.published(), None);
    }
}

#[tokio::test]
async fn existing_dumps_are_only_replaced_on_request() {
    for place in Place::all().await {
        let mut first = place.sink(false).await.begin().await.unwrap();
        first.write(Bytes::from_static(b"first")).await.unwrap();
        first.complete().await.unwrap();
        let refused = place.sink(false).await.preflight().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::KeyExists);

        let sink = place.sink(true).await;
        sink.preflight().await.unwrap();
        let mut aborted = sink.begin().await.unwrap();
        aborted.write(Bytes::from_static(b"aborted")).await.unwrap();
        aborted.abort().await.unwrap();
        assert_eq!(place.published().unwrap(), b"first");

        let mut second = sink.begin().await.unwrap();
        second.write(Bytes::from_static(b"second")).await.unwrap();
        second.complete().await.unwrap();
        assert_eq!(place.published().unwrap(), b"second");
        place.assert_clean().await;
    }
}

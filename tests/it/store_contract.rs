//! The contract of every store, tested with a real bucket and a directory.

use crate::support::servers::Servers;
use bytes::Bytes;
use futures::{StreamExt, stream};
use pgsiphon::ErrorKind;
use pgsiphon::storage::s3::{ConnectionOptions, Encryption, ObjectOptions, PartWish, S3Options};
use pgsiphon::storage::store::{DirectoryStore, S3Store, Store};

struct Places {
    _folder: tempfile::TempDir,
    stores: Vec<Box<dyn Store>>,
    prefix: String,
}

fn s3_options() -> (String, S3Options) {
    let s3 = Servers::from_environment().unwrap().s3().unwrap().clone();
    let credentials =
        aws_sdk_s3::config::Credentials::new(&s3.access_key, &s3.secret_key, None, None, "test");
    let connection = ConnectionOptions {
        endpoint_url: Some(s3.endpoint.clone()),
        region: Some(s3.region.clone()),
        credentials: Some(aws_sdk_s3::config::SharedCredentialsProvider::new(credentials)),
        ..ConnectionOptions::default()
    };
    let parts = PartWish { bytes: Some(5 << 20), equal: Some(true) };
    (s3.bucket, S3Options { connection, object: ObjectOptions { parts, ..ObjectOptions::default() } })
}

impl Places {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (bucket, options) = s3_options();
        let directory = DirectoryStore::new(folder.path().join("not-yet-there"));
        Places {
            stores: vec![Box::new(directory), Box::new(S3Store::new(bucket, options).await.unwrap())],
            _folder: folder,
            prefix: format!("contract-{:016x}/", rand::random::<u64>()),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    store.list(prefix).await.unwrap().into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn objects_are_stored_listed_read_and_deleted() {
    let places = Places::new().await;
    for store in &places.stores {
        let (a, b, c) = (places.key("a"), places.key("sub/b"), places.key("ab c+ä"));
        assert!(keys(&**store, &places.prefix).await.is_empty(), "{}", store.location());
        for key in [&a, &b, &c] {
            store.put(key, Bytes::from(key.clone()), "text/plain").await.unwrap();
        }
        store.put(&a, Bytes::from_static(b"new"), "text/plain").await.unwrap();
        assert_eq!(keys(&**store, &places.prefix).await, [a.clone(), c.clone(), b.clone()]);
        assert_eq!(keys(&**store, &places.key("a")).await, [a.clone(), c.clone()]);
        let listed = store.list(&a).await.unwrap();
        assert_eq!(listed[0].bytes, 3);
        assert!(listed[0].modified.is_some());
        assert_eq!(store.get(&a, 100).await.unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(store.get(&places.key("none"), 100).await.unwrap(), None);
        assert_eq!(store.get(&c, 3).await.unwrap_err().kind(), ErrorKind::Damaged);
        assert_eq!(store.lock_of(&a).await.unwrap(), None);
        // Removing what does not exist succeeds, so that a repeated prune can finish.
        let outcomes = store.delete(&[a.clone(), places.key("none"), b.clone(), c.clone()]).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert!(keys(&**store, &places.prefix).await.is_empty());
        assert!(store.delete(&[]).await.is_empty());
    }
}

#[tokio::test]
async fn pending_uploads_are_listed_and_can_be_aborted() {
    let places = Places::new().await;
    for store in &places.stores {
        let key = places.key("dump.sql.gz");
        let sink = store.sink(&key, "application/gzip").await.unwrap();
        let mut upload = sink.begin().await.unwrap();
        for _ in 0..3 {
            upload.write(Bytes::from(vec![7; 5 << 20])).await.unwrap();
        }
        let pending = store.pending(&places.prefix).await.unwrap();
        assert_eq!(pending.len(), 1, "{}", store.location());
        assert_eq!(pending[0].key, key);
        assert!(pending[0].initiated.is_some());
        assert!(store.pending(&places.key("other")).await.unwrap().is_empty());
        assert!(keys(&**store, &places.prefix).await.is_empty(), "a pending upload is not an object");
        store.abort(&pending[0]).await.unwrap();
        store.abort(&pending[0]).await.unwrap();
        assert!(store.pending(&places.prefix).await.unwrap().is_empty());
        // The upload notices that it was removed.
        upload.complete().await.unwrap_err();
        assert!(keys(&**store, &places.prefix).await.is_empty());
    }
}

#[tokio::test]
async fn a_sink_does_not_overwrite() {
    let places = Places::new().await;
    for store in &places.stores {
        let key = places.key("taken");
        store.put(&key, Bytes::from_static(b"old"), "text/plain").await.unwrap();
        let sink = store.sink(&key, "application/gzip").await.unwrap();
        assert_eq!(sink.preflight().await.unwrap_err().kind(), ErrorKind::KeyExists);
        assert_eq!(store.get(&key, 100).await.unwrap().as_deref(), Some(&b"old"[..]));
        store.delete(&[key]).await;
    }
}

#[tokio::test]
async fn lists_span_several_pages() {
    const COUNT: usize = 1_050;
    let places = Places::new().await;
    let store = &places.stores[1];
    let names: Vec<String> = (0..COUNT).map(|number| places.key(&format!("{number:05}"))).collect();
    let put = stream::iter(names.clone()).map(|name| async move {
        store.put(&name, Bytes::from_static(b"x"), "text/plain").await.unwrap();
    });
    put.buffer_unordered(32).collect::<Vec<_>>().await;
    assert_eq!(keys(&**store, &places.prefix).await, names);
    let outcomes = store.delete(&names).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), COUNT);
    assert!(keys(&**store, &places.prefix).await.is_empty());
}

#[tokio::test]
async fn keys_cannot_leave_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(folder.path().join("inside"));
    for key in ["../outside", "a/../../outside", "", "a//b", "/etc/passwd"] {
        let error = store.put(key, Bytes::from_static(b"x"), "text/plain").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{key}");
        assert!(store.delete(&[key.to_owned()]).await[0].is_err());
    }
    assert!(!folder.path().join("outside").exists());
}

/// Storage options apply to uploads with one request and with several.
#[tokio::test]
async fn objects_are_stored_with_their_options() {
    let (bucket, options) = s3_options();
    let object = ObjectOptions {
        tags: vec![("team".into(), "a b".into())],
        encryption: Some(Encryption::S3),
        ..options.object
    };
    let options = S3Options { object, ..options };
    let store = S3Store::new(bucket.clone(), options.clone()).await.unwrap();
    let prefix = format!("contract-{:016x}/", rand::random::<u64>());
    let client = {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .endpoint_url(options.connection.endpoint_url.unwrap())
            .region(aws_sdk_s3::config::Region::new(options.connection.region.unwrap()))
            .credentials_provider(options.connection.credentials.unwrap())
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    };
    for pieces in [1, 3] {
        let key = format!("{prefix}{pieces}");
        let mut upload = store.sink(&key, "application/gzip").await.unwrap().begin().await.unwrap();
        for _ in 0..pieces {
            upload.write(Bytes::from(vec![7; 4 << 20])).await.unwrap();
        }
        upload.complete().await.unwrap();
        let tags = client.get_object_tagging().bucket(&bucket).key(&key).send().await.unwrap();
        let tags: Vec<_> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
        assert_eq!(tags, [("team", "a b")], "{pieces} pieces");
        let head = client.head_object().bucket(&bucket).key(&key).send().await.unwrap();
        assert_eq!(head.server_side_encryption().map(|e| e.as_str()), Some("AES256"), "{pieces} pieces");
        store.delete(&[key]).await;
    }
}

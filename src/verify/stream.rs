//! A sink that is read while it is written: for a dump that is compared while it is made, and not
//! stored.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::unfold;
use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::input::Opened;
use crate::storage::sink::{Published, Sink, Upload};

/// How many chunks may wait to be read.
const CHUNKS: usize = 4;

type Chunks = mpsc::Sender<Result<Bytes>>;

/// Takes one dump.
pub(super) struct StreamSink {
    location: String,
    chunks: Mutex<Option<Chunks>>,
}

/// A sink, and a reader of what is written to it.
pub(super) fn stream(location: String) -> (StreamSink, Opened) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let bytes = unfold(receiver, |mut receiver: mpsc::Receiver<Result<Bytes>>| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let sink = StreamSink { location: location.clone(), chunks: Mutex::new(Some(sender)) };
    (sink, Opened { location, size: None, bytes: bytes.boxed() })
}

impl StreamSink {
    fn gone(&self) -> Error {
        Error::new(ErrorKind::Other, format!("read {}", self.location)).because("it is already being read")
    }
}

impl Sink for StreamSink {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn preflight(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Upload>>> {
        async {
            let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner).take();
            let chunks = chunks.ok_or_else(|| self.gone())?;
            let upload = StreamUpload { location: self.location.as_str().into(), chunks, bytes: 0 };
            Ok(Box::new(upload) as Box<dyn Upload>)
        }
        .boxed()
    }
}

struct StreamUpload {
    location: Arc<str>,
    chunks: Chunks,
    bytes: u64,
}

impl Upload for StreamUpload {
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>> {
        async move {
            self.bytes += data.len() as u64;
            self.chunks.send(Ok(data)).await.map_err(|_| {
                Error::new(ErrorKind::Other, format!("read {}", self.location)).because("the reader stopped")
            })
        }
        .boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn complete(self: Box<Self>) -> BoxFuture<'static, Result<Published>> {
        async move { Ok(Published { location: self.location.to_string(), bytes: self.bytes }) }.boxed()
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async { Ok(()) }.boxed()
    }
}

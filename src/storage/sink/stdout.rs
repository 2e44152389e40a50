//! Standard output, and other destinations where bytes cannot be taken back.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::{Published, Sink, Upload};
use crate::error::{Error, ErrorKind, Result};

/// Standard output.
#[derive(Debug, Default)]
pub struct StdoutSink;

const LOCATION: &str = "standard output";

impl Sink for StdoutSink {
    fn location(&self) -> String {
        LOCATION.into()
    }

    fn preflight(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Upload>>> {
        async {
            // A duplicate of the descriptor, because `io::Stdout` would search for line ends and buffer.
            let fd = io::stdout().as_fd().try_clone_to_owned().map_err(|error| {
                Error::new(ErrorKind::StorageUnreachable, format!("open {LOCATION}")).because(error)
            })?;
            Ok(Box::new(StreamUpload::new(LOCATION.into(), File::from(fd))) as Box<dyn Upload>)
        }
        .boxed()
    }
}

/// An upload into a pipe, a terminal or a device.
pub(super) struct StreamUpload {
    location: String,
    file: Arc<File>,
    bytes: u64,
}

impl StreamUpload {
    pub(super) fn new(location: String, file: File) -> Self {
        StreamUpload { location, file: Arc::new(file), bytes: 0 }
    }
}

impl Upload for StreamUpload {
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>> {
        self.bytes += data.len() as u64;
        write_all(&self.location, Arc::clone(&self.file), data).boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn complete(self: Box<Self>) -> BoxFuture<'static, Result<Published>> {
        async move { Ok(Published { location: self.location, bytes: self.bytes }) }.boxed()
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async { Ok(()) }.boxed()
    }
}

/// Writes `data` on a thread that may block. If the future is dropped, the write still finishes.
pub(super) async fn write_all(location: &str, file: Arc<File>, data: Bytes) -> Result<()> {
    match tokio::task::spawn_blocking(move || file.as_ref().write_all(&data)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(write_failed(location, error)),
        Err(join) => Err(write_failed(location, io::Error::other(join))),
    }
}

fn write_failed(location: &str, error: io::Error) -> Error {
    let failure = Error::new(ErrorKind::StorageFailed, format!("write {location}"));
    match error.kind() {
        io::ErrorKind::BrokenPipe => failure.because("the reader of the pipe closed it"),
        io::ErrorKind::StorageFull => {
            failure.because(error).hint("free some space, or choose another destination")
        }
        _ => failure.because(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_pipe_is_a_failure_of_the_storage() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut upload = StreamUpload::new("standard output".into(), file);
        let error = upload.write(Bytes::from_static(b"text")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFailed);
        assert_eq!(error.report(), "write standard output: the reader of the pipe closed it");
    }
}

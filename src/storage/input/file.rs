//! Reads files and standard input.

use std::os::fd::AsFd;
use std::path::PathBuf;

use bytes::BytesMut;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{StreamExt, try_unfold};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{ByteStream, Input, Opened};
use crate::error::{Error, ErrorKind, Result};

/// The size of each read.
const CHUNK_BYTES: usize = 256 << 10;

/// A local file.
#[derive(Debug, Clone)]
pub struct FileInput {
    /// The path.
    pub path: PathBuf,
}

/// Standard input.
#[derive(Debug, Clone, Copy)]
pub struct StdinInput;

impl Input for FileInput {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened>> {
        async move {
            let failed = |e: std::io::Error| {
                Error::new(ErrorKind::StorageUnreachable, format!("open {}", self.location())).because(e)
            };
            let file = File::open(&self.path).await.map_err(failed)?;
            let metadata = file.metadata().await.map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(std::io::ErrorKind::IsADirectory.into()));
            }
            let size = metadata.is_file().then_some(metadata.len());
            Ok(Opened { location: self.location(), size, bytes: stream(file, self.location()) })
        }
        .boxed()
    }
}

impl Input for StdinInput {
    fn location(&self) -> String {
        "standard input".to_owned()
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened>> {
        async move {
            // Not tokio's standard input, which reads ahead on a thread that cannot be stopped.
            let file = std::io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|e| Error::new(ErrorKind::StorageUnreachable, "open standard input").because(e))?;
            let file = File::from_std(std::fs::File::from(file));
            Ok(Opened { location: self.location(), size: None, bytes: stream(file, self.location()) })
        }
        .boxed()
    }
}

fn stream(file: File, location: String) -> ByteStream {
    try_unfold((file, location), |(mut file, location)| async move {
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
        match file.read_buf(&mut buffer).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((buffer.freeze(), (file, location)))),
            Err(e) => Err(Error::new(ErrorKind::StorageFailed, format!("read {location}")).because(e)),
        }
    })
    .boxed()
}

//! Reads files and standard input.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{StreamExt, try_unfold};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{ByteStream, Ending, Input, Opened, Parts};
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
            let (file, size) = self.open_file().await?;
            Ok(Opened { location: self.location(), size, bytes: stream(file, self.location()) })
        }
        .boxed()
    }

    fn ending(&self, length: u64) -> BoxFuture<'_, Result<Option<Ending>>> {
        async move {
            let (file, Some(size)) = self.open_file().await? else { return Ok(None) };
            let parts = FileParts { location: self.location(), file: Arc::new(file.into_std().await) };
            let length = length.min(size);
            let bytes = parts.read(size - length, length).await?;
            Ok(Some(Ending { size, bytes, parts: Box::new(parts) }))
        }
        .boxed()
    }
}

impl FileInput {
    /// The file and its length; a pipe has none.
    async fn open_file(&self) -> Result<(File, Option<u64>)> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::StorageUnreachable, format!("open {}", self.location())).because(e)
        };
        let file = File::open(&self.path).await.map_err(failed)?;
        let metadata = file.metadata().await.map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok((file, size))
    }
}

/// A file that stays open, so that its parts are of the same one even if it is replaced.
struct FileParts {
    location: String,
    file: Arc<std::fs::File>,
}

impl Parts for FileParts {
    fn read(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let file = Arc::clone(&self.file);
            let reading = tokio::task::spawn_blocking(move || {
                if offset.checked_add(length).is_none_or(|end| end > file.metadata().map_or(0, |it| it.len()))
                {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
                file.read_exact_at(&mut bytes, offset)?;
                Ok::<_, std::io::Error>(Bytes::from(bytes))
            });
            reading.await.map_err(std::io::Error::other).flatten().map_err(|e| {
                Error::new(ErrorKind::StorageFailed, format!("read {}", self.location)).because(e)
            })
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

    fn ending(&self, _length: u64) -> BoxFuture<'_, Result<Option<Ending>>> {
        async { Ok(None) }.boxed()
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

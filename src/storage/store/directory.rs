//! A directory as a store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::{PendingUpload, Store, StoredObject};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::sink::Sink;
use crate::storage::sink::file::{FileSink, target_of_temporary};

/// A local directory that stores backups.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    root: PathBuf,
}

/// A file in the directory.
struct Entry {
    key: String,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl DirectoryStore {
    /// The directory need not exist.
    pub fn new(root: PathBuf) -> Self {
        DirectoryStore { root }
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        let is_inside = !key.is_empty() && key.split('/').all(|name| !matches!(name, "" | "." | ".."));
        match is_inside {
            true => Ok(self.root.join(key)),
            false => {
                Err(Error::new(ErrorKind::Usage, format!("use \"{key}\" as a path in {}", self.location()))
                    .because("it leads outside of the directory"))
            }
        }
    }

    /// All files, including temporary ones. Links are not followed out of the directory.
    async fn walk(&self) -> Result<Vec<Entry>> {
        let root = self.root.clone();
        let walked = tokio::task::spawn_blocking(move || {
            let mut entries = Vec::new();
            match walk(&root, "", &mut entries) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !root.exists() => Ok(Vec::new()),
                Err(error) => Err(error),
                Ok(()) => Ok(entries),
            }
        });
        let failed = |error: io::Error| {
            Error::new(ErrorKind::StorageUnreachable, format!("list {}", self.location())).because(error)
        };
        let mut entries = walked.await.map_err(|join| failed(io::Error::other(join)))?.map_err(failed)?;
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }
}

fn walk(directory: &Path, prefix: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // Names that are not UTF-8 are not ours.
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let key = format!("{prefix}{name}");
        let found = match entry.file_type()? {
            kind if kind.is_dir() => walk(&entry.path(), &format!("{key}/"), entries),
            kind if kind.is_file() => entry.metadata().map(|meta| {
                entries.push(Entry { key, bytes: meta.len(), modified: meta.modified().ok() });
            }),
            _ => Ok(()),
        };
        match found {
            // Removed since it was listed; or somebody's private folder, which is not ours.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {}
            found => found?,
        }
    }
    Ok(())
}

/// The key that a temporary file is being written for.
fn target_key(key: &str) -> Option<String> {
    let (folder, name) = match key.rsplit_once('/') {
        Some((folder, name)) => (Some(folder), name),
        None => (None, key),
    };
    let target = target_of_temporary(name)?;
    Some(folder.map_or_else(|| target.to_owned(), |folder| format!("{folder}/{target}")))
}

impl Store for DirectoryStore {
    fn location(&self) -> String {
        format!("directory \"{}\"", self.root.display())
    }

    fn shown(&self, key: &str) -> String {
        let path = self.root.join(key);
        std::path::absolute(&path).unwrap_or(path).display().to_string()
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<StoredObject>>> {
        async move {
            let entries = self.walk().await?.into_iter();
            Ok(entries
                .filter(|entry| entry.key.starts_with(prefix) && target_key(&entry.key).is_none())
                .map(|entry| StoredObject {
                    key: entry.key,
                    bytes: entry.bytes,
                    modified: entry.modified.map(Into::into),
                })
                .collect())
        }
        .boxed()
    }

    fn get<'a>(&'a self, key: &'a str, max_bytes: u64) -> BoxFuture<'a, Result<Option<Bytes>>> {
        async move {
            let path = self.path(key)?;
            let attempted = || format!("read {}", self.shown(key));
            let failed = |error| Error::new(ErrorKind::StorageUnreachable, attempted()).because(error);
            match tokio::fs::metadata(&path).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(error)),
                Ok(meta) if meta.len() > max_bytes => {
                    return Err(Error::new(ErrorKind::Damaged, attempted())
                        .because(format!("it has {} bytes", meta.len())));
                }
                Ok(_) => {}
            }
            tokio::fs::read(&path).await.map(|bytes| Some(bytes.into())).map_err(failed)
        }
        .boxed()
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        _content_type: &'static str,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let sink = self.file_sink(key, true).await?;
            let mut upload = sink.begin().await?;
            match upload.write(bytes).await {
                Ok(()) => upload.complete().await.map(drop),
                Err(error) => {
                    let aborted = upload.abort().await;
                    Err(crate::storage::sink::with_leftover(error, aborted))
                }
            }
        }
        .boxed()
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<()>>> {
        async move {
            let mut outcomes = Vec::with_capacity(keys.len());
            for key in keys {
                outcomes.push(self.remove(key).await);
            }
            outcomes
        }
        .boxed()
    }

    fn pending<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<PendingUpload>>> {
        async move {
            let entries = self.walk().await?.into_iter();
            Ok(entries
                .filter_map(|entry| {
                    let key = target_key(&entry.key)?;
                    let initiated = entry.modified.map(Into::into);
                    key.starts_with(prefix).then_some(PendingUpload { key, id: entry.key, initiated })
                })
                .collect())
        }
        .boxed()
    }

    fn abort<'a>(&'a self, pending: &'a PendingUpload) -> BoxFuture<'a, Result<()>> {
        async move { self.remove(&pending.id).await }.boxed()
    }

    fn lock_of<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        async { Ok(None) }.boxed()
    }

    fn sink<'a>(&'a self, key: &'a str, _content_type: &'static str) -> BoxFuture<'a, Result<Box<dyn Sink>>> {
        async move { Ok(Box::new(self.file_sink(key, false).await?) as Box<dyn Sink>) }.boxed()
    }
}

impl DirectoryStore {
    async fn file_sink(&self, key: &str, overwrite: bool) -> Result<FileSink> {
        let path = self.path(key)?;
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|error| {
                let attempted = format!("create directory \"{}\"", folder.display());
                Error::new(ErrorKind::StorageUnreachable, attempted).because(error)
            })?;
        }
        Ok(FileSink { path, overwrite, sync: true })
    }

    async fn remove(&self, key: &str) -> Result<()> {
        match tokio::fs::remove_file(self.path(key)?).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::StorageFailed, format!("remove {}", self.shown(key)))
                    .because(error))
            }
            _ => Ok(()),
        }
    }
}

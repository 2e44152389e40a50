//! A local file, which appears complete or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::stdout::{StreamUpload, write_all};
use super::{Published, Sink, Upload};
use crate::error::{Error, ErrorKind, Result};

/// A local file. The dump is written next to it under a hidden temporary name and renamed when it is
/// complete, so an existing file is unchanged until then. Devices, FIFOs, and files that this process
/// already holds open (`/dev/stdout`, `/dev/fd/3`) are written directly.
#[derive(Debug, Clone)]
pub struct FileSink {
    /// The path. Symbolic links are followed: the file that they lead to is replaced.
    pub path: PathBuf,
    /// Whether to replace an existing file, as `pg_dump -f` does.
    pub overwrite: bool,
    /// Whether to wait until the file is on disk (false with pg_dump's `--no-sync`).
    pub sync: bool,
}

enum Target {
    /// A regular file, or nothing yet: the path to rename to.
    Regular { path: PathBuf, exists: bool },
    /// Accepts bytes directly, such as a device.
    Direct,
    /// A regular file named by an open descriptor. If it were replaced, the process that opened it, such
    /// as the shell, would still have the old one.
    Opened,
}

impl FileSink {
    fn shown(&self) -> String {
        shown(&self.path)
    }

    fn target(&self) -> Result<Target> {
        match fs::metadata(&self.path) {
            Ok(meta) if meta.is_dir() => {
                Err(Error::new(ErrorKind::Usage, format!("write {}", self.shown()))
                    .because("it is a directory"))
            }
            Ok(meta) if meta.is_file() && descriptor(&self.path).is_some() => Ok(Target::Opened),
            Ok(meta) if meta.is_file() => {
                let path = fs::canonicalize(&self.path).map_err(|error| self.unreachable(error))?;
                Ok(Target::Regular { path, exists: true })
            }
            Ok(_) => Ok(Target::Direct),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Target::Regular { path: self.path.clone(), exists: false })
            }
            Err(error) => Err(self.unreachable(error)),
        }
    }

    fn unreachable(&self, error: io::Error) -> Error {
        let no_directory = error.kind() == io::ErrorKind::NotFound;
        let failure =
            Error::new(ErrorKind::StorageUnreachable, format!("create {}", self.shown())).because(error);
        if no_directory { failure.hint("does the directory exist?") } else { failure }
    }

    fn check(&self) -> Result<Target> {
        let target = self.target()?;
        match target {
            Target::Regular { exists: true, .. } if !self.overwrite => Err(key_exists(&self.path)),
            _ => Ok(target),
        }
    }

    fn open(&self) -> Result<Box<dyn Upload>> {
        let in_place = |append: bool| -> Result<Box<dyn Upload>> {
            let file = OpenOptions::new()
                .write(true)
                .append(append)
                .open(&self.path)
                .map_err(|error| self.unreachable(error))?;
            Ok(Box::new(StreamUpload::new(self.shown(), file)))
        };
        let (path, exists) = match self.check()? {
            Target::Regular { path, exists } => (path, exists),
            Target::Direct => return in_place(false),
            // Existing contents written by others stay.
            Target::Opened => return in_place(true),
        };
        let (file, temporary) = create_temporary(&path, exists).map_err(|error| self.unreachable(error))?;
        Ok(Box::new(FileUpload {
            file: Arc::new(file),
            temporary,
            path,
            overwrite: self.overwrite,
            sync: self.sync,
            bytes: 0,
        }))
    }
}

impl Sink for FileSink {
    fn location(&self) -> String {
        self.shown()
    }

    fn preflight(&self) -> BoxFuture<'_, Result<()>> {
        async {
            if let Target::Regular { path, exists } = self.check()? {
                // Creating a file is the only reliable test of a directory.
                create_temporary(&path, exists).map_err(|error| self.unreachable(error))?;
            }
            Ok(())
        }
        .boxed()
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Upload>>> {
        let sink = self.clone();
        async move {
            // Opening a FIFO waits for its reader.
            tokio::task::spawn_blocking(move || sink.open()).await.unwrap_or_else(|join| {
                Err(Error::new(ErrorKind::Other, "open the output file").because(join))
            })
        }
        .boxed()
    }
}

fn shown(path: &Path) -> String {
    format!("file \"{}\"", path.display())
}

fn key_exists(path: &Path) -> Error {
    Error::new(ErrorKind::KeyExists, format!("create {}", shown(path))).because("the file already exists")
}

const TEMPORARY_START: &str = ".pgsiphon-";
const TEMPORARY_END: &str = ".partial";

/// The limit of file systems, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// A hidden, unique name in the same directory, because renaming only works within a file system. It
/// contains the final name, so that files left by a killed process can be recognized.
fn temporary_beside(path: &Path) -> PathBuf {
    let random = format!("{:016x}", rand::random::<u64>());
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let named = format!("{TEMPORARY_START}{random}-{name}{TEMPORARY_END}");
    match named.len() <= MAX_NAME_BYTES {
        true => path.with_file_name(named),
        false => path.with_file_name(format!("{TEMPORARY_START}{random}{TEMPORARY_END}")),
    }
}

/// The final file name for a temporary file of this name.
pub(crate) fn target_of_temporary(name: &str) -> Option<&str> {
    let middle = name.strip_prefix(TEMPORARY_START)?.strip_suffix(TEMPORARY_END)?;
    let (random, target) = middle.split_once('-')?;
    (random.len() == 16 && !target.is_empty()).then_some(target)
}

/// Creates the temporary file for `path`. It gets the permissions of the file that it replaces, or else
/// those of the umask.
fn create_temporary(path: &Path, exists: bool) -> io::Result<(File, RemoveOnDrop)> {
    let temporary = temporary_beside(path);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o666).open(&temporary)?;
    let temporary = RemoveOnDrop(Some(temporary));
    if exists {
        file.set_permissions(fs::metadata(path)?.permissions())?;
    }
    Ok((file, temporary))
}

/// The name under `/proc` of the open descriptor that `path` leads to, if any: `/dev/stdout`,
/// `/dev/fd/3`, `/proc/self/fd/1`, or a link to one of these.
fn descriptor(path: &Path) -> Option<PathBuf> {
    const MOST_LINKS: usize = 40;
    let mut path = std::path::absolute(path).ok()?;
    for _ in 0..MOST_LINKS {
        let folder = fs::canonicalize(path.parent()?).ok()?;
        let of_process = folder.starts_with("/proc") && folder.ends_with("fd");
        if of_process || folder == Path::new("/dev/fd") {
            return Some(folder.join(path.file_name()?));
        }
        path = folder.join(fs::read_link(&path).ok()?);
    }
    None
}

/// Whether `path` leads to this process's standard output.
pub fn is_standard_output(path: &Path) -> bool {
    let own = |name: &Path| {
        let folder = name.parent().unwrap_or(name);
        folder == Path::new("/dev/fd") || folder == Path::new(&format!("/proc/{}/fd", std::process::id()))
    };
    descriptor(path).is_some_and(|name| own(&name) && name.ends_with("1"))
}

/// Removes the temporary file however the upload ends.
struct RemoveOnDrop(Option<PathBuf>);

impl RemoveOnDrop {
    fn remove(&mut self) -> io::Result<()> {
        match self.0.take() {
            Some(path) => fs::remove_file(path),
            None => Ok(()),
        }
    }
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(%error, "cannot remove a temporary file");
        }
    }
}

struct FileUpload {
    file: Arc<File>,
    temporary: RemoveOnDrop,
    path: PathBuf,
    overwrite: bool,
    sync: bool,
    bytes: u64,
}

impl FileUpload {
    /// Syncs, renames, and syncs the directory, because otherwise a crash may lose the name.
    fn publish(mut self) -> Result<Published> {
        let failed = |error: io::Error| {
            Error::new(ErrorKind::StorageFailed, format!("finish {}", shown(&self.path))).because(error)
        };
        if self.sync {
            self.file.sync_all().map_err(failed)?;
        }
        if let Some(temporary) = &self.temporary.0 {
            if self.overwrite || !link_if_free(temporary, &self.path)? {
                fs::rename(temporary, &self.path).map_err(failed)?;
                self.temporary.0 = None;
            }
            self.temporary.remove().map_err(failed)?;
        }
        if self.sync {
            sync_directory(&self.path).map_err(failed)?;
        }
        Ok(Published { location: shown(&self.path), bytes: self.bytes })
    }
}

/// Renames the file only if the name is free: a hard link cannot replace a file, while a rename can.
/// Returns false if the name is free, but the file system has no hard links.
fn link_if_free(temporary: &Path, path: &Path) -> Result<bool> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(true),
        Err(_) if path.exists() => Err(key_exists(path)),
        Err(_) => Ok(false),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

impl Upload for FileUpload {
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>> {
        self.bytes += data.len() as u64;
        let file = Arc::clone(&self.file);
        async move { write_all(&shown(&self.path), file, data).await }.boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn complete(self: Box<Self>) -> BoxFuture<'static, Result<Published>> {
        async move {
            let location = shown(&self.path);
            tokio::task::spawn_blocking(move || self.publish()).await.unwrap_or_else(|join| {
                Err(Error::new(ErrorKind::StorageFailed, format!("finish {location}")).because(join))
            })
        }
        .boxed()
    }

    fn abort(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async move {
            let name = self.temporary.0.clone().unwrap_or_default();
            self.temporary.remove().map_err(|error| {
                Error::new(ErrorKind::StorageFailed, format!("remove {}", shown(&name)))
                    .because(error)
                    .hint(format!("remove {} yourself", shown(&name)))
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(path: PathBuf, overwrite: bool) -> FileSink {
        FileSink { path, overwrite, sync: true }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn write_whole(sink: &FileSink, text: &'static [u8]) -> Result<Published> {
        let mut upload = sink.begin().await?;
        upload.write(Bytes::from_static(text)).await?;
        upload.flush().await?;
        upload.complete().await
    }

    #[test]
    fn a_temporary_name_tells_its_target() {
        for name in ["dump.sql.gz", "a-b_2025-01-08.partial", "ä"] {
            let temporary = temporary_beside(Path::new("/d").join(name).as_path());
            assert_eq!(target_of_temporary(temporary.file_name().unwrap().to_str().unwrap()), Some(name));
        }
        let long = temporary_beside(Path::new(&"x".repeat(250)));
        assert!(long.to_str().unwrap().len() <= MAX_NAME_BYTES);
        assert_eq!(target_of_temporary(long.to_str().unwrap()), None);
    }

    #[tokio::test]
    async fn an_old_file_stays_until_the_new_one_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.sql");
        fs::write(&path, "old").unwrap();
        let sink = sink(path.clone(), true);
        let mut upload = sink.begin().await.unwrap();
        upload.write(Bytes::from_static(b"new")).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(directory.path()).len(), 2);
        assert_eq!(upload.complete().await.unwrap().bytes, 3);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(directory.path()), ["dump.sql"]);
    }

    #[tokio::test]
    async fn a_dropped_upload_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let sink = sink(directory.path().join("dump.sql"), true);
        let mut upload = sink.begin().await.unwrap();
        upload.write(Bytes::from_static(b"part")).await.unwrap();
        drop(upload);
        assert!(names(directory.path()).is_empty());
    }

    #[tokio::test]
    async fn an_existing_file_is_not_overwritten_unless_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.sql");
        let sink = sink(path.clone(), false);
        let mut late = sink.begin().await.unwrap();
        late.write(Bytes::from_static(b"late")).await.unwrap();
        write_whole(&sink, b"first").await.unwrap();
        assert_eq!(sink.preflight().await.unwrap_err().kind(), ErrorKind::KeyExists);
        // Nor may an upload that began before the file existed replace it.
        assert_eq!(late.complete().await.unwrap_err().kind(), ErrorKind::KeyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(directory.path()), ["dump.sql"]);
    }

    #[tokio::test]
    async fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real.sql"), directory.path().join("link.sql"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_whole(&sink(link.clone(), true), b"new").await.unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[tokio::test]
    async fn a_full_disk_is_a_failure_of_the_storage() {
        let error = write_whole(&sink("/dev/full".into(), true), b"text").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFailed);
        write_whole(&sink("/dev/null".into(), false), b"text").await.unwrap();
    }

    #[tokio::test]
    async fn only_what_is_no_file_is_written_in_place() {
        // A tmpfs is an ordinary file system, although it is mounted below /dev.
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            let directory = tempfile::tempdir_in(memory).unwrap();
            let path = directory.path().join("dump.sql");
            write_whole(&sink(path.clone(), true), b"first").await.unwrap();
            let mut upload = sink(path.clone(), true).begin().await.unwrap();
            upload.write(Bytes::from_static(b"new")).await.unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"first");
            upload.complete().await.unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("null.sql");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        write_whole(&sink(link.clone(), true), b"text").await.unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(directory.path()), ["null.sql"]);
    }

    #[tokio::test]
    async fn a_file_that_is_open_gets_the_dump_at_its_end() {
        use std::os::fd::AsRawFd;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("open.sql");
        fs::write(&path, "before\n").unwrap();
        let open = OpenOptions::new().append(true).open(&path).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(format!("/dev/fd/{}", open.as_raw_fd()), &link).unwrap();
        write_whole(&sink(link, true), b"dump\n").await.unwrap();
        io::Write::write_all(&mut &open, b"after\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before\ndump\nafter\n");
    }

    #[test]
    fn standard_output_has_many_names() {
        for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/../dev/stdout"] {
            assert!(is_standard_output(Path::new(name)), "{name}");
        }
        for name in ["/dev/stderr", "/dev/fd/2", "/dev/null", "1", "/dev/shm/1", "/proc/self/fd/11"] {
            assert!(!is_standard_output(Path::new(name)), "{name}");
        }
    }

    #[tokio::test]
    async fn bad_places_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = sink(directory.path().join("missing/dump.sql"), true);
        assert_eq!(nowhere.preflight().await.unwrap_err().kind(), ErrorKind::StorageUnreachable);
        let folder = sink(directory.path().into(), true);
        assert_eq!(folder.preflight().await.unwrap_err().kind(), ErrorKind::Usage);
    }
}

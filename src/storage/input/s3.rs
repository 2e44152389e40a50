//! Reads an object in S3, with as many requests as necessary.
//!
//! A restore reads only as fast as the server accepts data, possibly for hours, and connections do not
//! last that long. A lost connection is replaced by one that continues at the same byte (`Range`),
//! provided that the object is still the same (`If-Match`).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{StreamExt, try_unfold};

use super::{ByteStream, Ending, Input, Opened, Parts};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::{
    Attempts, Bucket, ConnectionOptions, RequestClass, S3Failure, S3Location, innermost,
};

/// An object in S3.
#[derive(Clone)]
pub struct S3Input {
    source: Arc<Source>,
}

struct Source {
    bucket: Bucket,
    location: S3Location,
}

impl S3Input {
    /// Creates a client from the environment and the profile. Sends nothing to the storage.
    ///
    /// # Errors
    /// `Usage`, if the endpoint is not a URL, or there is no region.
    pub async fn new(location: S3Location, options: &ConnectionOptions) -> Result<Self> {
        let bucket = Bucket::connect(&location.bucket, options).await?;
        Ok(S3Input { source: Arc::new(Source { bucket, location }) })
    }
}

impl Input for S3Input {
    fn location(&self) -> String {
        self.source.location.to_string()
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened>> {
        async move {
            let Source { bucket, location } = &*self.source;
            let answer = bucket.get(&location.key, None).await;
            let answer = answer.map_err(|failure| self.source.unreachable(failure))?;
            let size = answer.content_length().and_then(|length| u64::try_from(length).ok());
            let object = ObjectBody {
                attempts: bucket.attempts(RequestClass::Ordinary),
                source: Arc::clone(&self.source),
                etag: answer.e_tag().map(str::to_owned),
                size,
                offset: 0,
                body: Some(answer.body),
            };
            Ok(Opened { location: self.location(), size, bytes: object.stream() })
        }
        .boxed()
    }

    fn ending(&self, length: u64) -> BoxFuture<'_, Result<Option<Ending>>> {
        async move {
            let range = self.source.range(&format!("bytes=-{length}"), None, length).await?;
            let Some(range) = range else { return Ok(None) };
            let parts = S3Parts { source: Arc::clone(&self.source), etag: range.etag };
            Ok(Some(Ending { size: range.size, bytes: range.bytes, parts: Box::new(parts) }))
        }
        .boxed()
    }
}

/// Parts of one object: without an ETag, nothing would tell that it was replaced.
struct S3Parts {
    source: Arc<Source>,
    etag: Option<String>,
}

impl Parts for S3Parts {
    fn read(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let Some(last) = offset.checked_add(length).and_then(|end| end.checked_sub(1)) else {
                return Ok(Bytes::new());
            };
            let range = format!("bytes={offset}-{last}");
            let found = self.source.range(&range, self.etag.as_deref(), length).await?;
            let found = found.filter(|found| found.offset == offset && found.bytes.len() as u64 == length);
            found.map(|found| found.bytes).ok_or_else(|| {
                self.source.failed().because(format!("the storage returned other bytes than {range}"))
            })
        }
        .boxed()
    }
}

/// What a request for some bytes returned.
struct FoundRange {
    bytes: Bytes,
    offset: u64,
    /// The length of the object.
    size: u64,
    etag: Option<String>,
}

impl Source {
    /// At most `length` bytes; requests them again if the connection is lost. `None` if the storage returns
    /// something else than the range.
    async fn range(&self, range: &str, etag: Option<&str>, length: u64) -> Result<Option<FoundRange>> {
        let mut attempts = self.bucket.attempts(RequestClass::Ordinary);
        loop {
            let answer = match self.bucket.get_range(&self.location.key, range, etag).await {
                Ok(answer) => answer,
                // An empty object has no range.
                Err(failure) if failure.status == Some(416) && etag.is_none() => {
                    return Ok(Some(FoundRange { bytes: Bytes::new(), offset: 0, size: 0, etag: None }));
                }
                Err(failure) if failure.is_precondition_failed() => {
                    return Err(self.failed().because("the object was replaced while it was read"));
                }
                Err(failure) => return Err(self.unreachable(failure)),
            };
            let found = match answer.content_range() {
                Some(header) => offset_and_size(header),
                // The whole object, which some storages return if the range has all of it.
                None => answer.content_length().and_then(|size| Some((0, u64::try_from(size).ok()?))),
            };
            let Some((offset, size)) = found else { return Ok(None) };
            let expected = length.min(size);
            if answer.content_length() != i64::try_from(expected).ok() {
                return Ok(None);
            }
            let etag = answer.e_tag().map(str::to_owned);
            let reason = match whole(answer.body, expected).await {
                Ok(bytes) => return Ok(Some(FoundRange { bytes, offset, size, etag })),
                Err(reason) => reason,
            };
            let what = format!("reading {range} of {}", self.location);
            if !attempts.again(&what, &reason).await {
                return Err(self.failed().because(reason));
            }
        }
    }

    fn unreachable(&self, failure: S3Failure) -> Error {
        let attempted = format!("read {}", self.location);
        if failure.status == Some(404) && !failure.is_code("NoSuchBucket") {
            return Error::new(ErrorKind::StorageUnreachable, attempted)
                .because("there is no object at this key");
        }
        let denied = failure.is_denied();
        let error = failure.into_error(ErrorKind::StorageUnreachable, attempted);
        if denied {
            return error.hint(
                "the credentials need s3:GetObject on the key, and s3:ListBucket to learn that a key is missing",
            );
        }
        error
    }

    fn failed(&self) -> Error {
        Error::new(ErrorKind::StorageFailed, format!("read {}", self.location))
    }
}

struct ObjectBody {
    source: Arc<Source>,
    etag: Option<String>,
    size: Option<u64>,
    /// How many bytes were received.
    offset: u64,
    /// The response being read; None after one that ended early.
    body: Option<aws_sdk_s3::primitives::ByteStream>,
    /// Consecutive responses that ended before any data arrived.
    attempts: Attempts,
}

impl ObjectBody {
    fn stream(self) -> ByteStream {
        try_unfold(self, |mut object| async move { Ok(object.next().await?.map(|bytes| (bytes, object))) })
            .boxed()
    }

    async fn next(&mut self) -> Result<Option<bytes::Bytes>> {
        loop {
            let reason = match &mut self.body {
                None => {
                    self.reopen().await?;
                    continue;
                }
                Some(body) => match body.next().await {
                    Some(Ok(bytes)) => {
                        self.offset += bytes.len() as u64;
                        self.attempts.restart();
                        return Ok(Some(bytes));
                    }
                    // After the last byte, only the checksum can be wrong.
                    Some(Err(error)) if self.size == Some(self.offset) => {
                        return Err(Error::new(ErrorKind::Damaged, format!("read {}", self.source.location))
                            .because(innermost(&error)));
                    }
                    Some(Err(error)) => innermost(&error),
                    None if self.size.is_none_or(|size| self.offset >= size) => return Ok(None),
                    None => "the response ended too early".to_owned(),
                },
            };
            self.body = None;
            let what = format!("reading {} from byte {}", self.source.location, self.offset);
            if !self.attempts.again(&what, &reason).await {
                return Err(self.source.failed().because(reason));
            }
        }
    }

    /// Requests the rest of the object.
    async fn reopen(&mut self) -> Result<()> {
        // Without an ETag, a replaced object would go unnoticed.
        let Some(etag) = &self.etag else {
            return Err(self.source.failed().because("the connection was lost"));
        };
        let answer = self.source.bucket.get(&self.source.location.key, Some((self.offset, etag))).await;
        let answer = answer.map_err(|failure| {
            if failure.is_precondition_failed() || failure.status == Some(404) {
                return self.source.failed().because("the object was replaced or removed while it was read");
            }
            failure.into_error(ErrorKind::StorageFailed, format!("read {}", self.source.location))
        })?;
        // A storage that ignores the range would start over.
        let expected = format!("bytes {}-", self.offset);
        if self.offset > 0 && !answer.content_range().is_some_and(|range| range.starts_with(&expected)) {
            return Err(self.source.failed().because("the storage does not support range requests"));
        }
        self.body = Some(answer.body);
        Ok(())
    }
}

/// The first offset and the object's length in a `Content-Range` header: `bytes 100-199/5000`.
fn offset_and_size(header: &str) -> Option<(u64, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (offset, size) = (range.split_once('-')?.0.parse().ok()?, size.parse().ok()?);
    (offset <= size).then_some((offset, size))
}

/// A response's body of this length, or why it cannot be read.
async fn whole(
    mut body: aws_sdk_s3::primitives::ByteStream,
    length: u64,
) -> std::result::Result<Bytes, String> {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        all.extend_from_slice(&chunk.map_err(|error| innermost(&error))?);
        if all.len() as u64 > length {
            return Err("the response is longer than it says".to_owned());
        }
    }
    if (all.len() as u64) < length {
        return Err("the response ended too early".to_owned());
    }
    Ok(all.freeze())
}

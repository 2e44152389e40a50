//! An object in S3, read by as many requests as it takes.
//!
//! A restore reads as slowly as the server takes in what it reads, for hours if need be, and
//! connections do not last as long. One that is lost is made again from the byte where it ended
//! (`Range`), and only if the object is still the same (`If-Match`).

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{StreamExt, try_unfold};

use super::{ByteStream, Input, Opened};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::client::connect;
use crate::storage::s3::failure::{S3Failure, innermost};
use crate::storage::s3::{RetryPolicy, S3Location, S3Options};

/// An object.
#[derive(Clone)]
pub struct S3Input {
    source: Arc<Source>,
}

struct Source {
    client: Client,
    location: S3Location,
    retry: RetryPolicy,
}

impl S3Input {
    /// Reads the environment and the profile, and makes a client. Sends nothing to the storage.
    ///
    /// # Errors
    /// `Usage` if the endpoint is no URL, or if there is no region.
    pub async fn new(location: S3Location, options: &S3Options) -> Result<Self> {
        let client = connect(options).await?.client;
        Ok(S3Input { source: Arc::new(Source { client, location, retry: options.retry }) })
    }
}

impl Input for S3Input {
    fn location(&self) -> String {
        self.source.location.to_string()
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened>> {
        async move {
            let answer = self.source.get(None).await.map_err(|failure| self.source.unreachable(failure))?;
            let size = answer.content_length().and_then(|length| u64::try_from(length).ok());
            let object = Object {
                source: Arc::clone(&self.source),
                etag: answer.e_tag().map(str::to_owned),
                size,
                offset: 0,
                body: Some(answer.body),
                failures: 0,
            };
            Ok(Opened { location: self.location(), size, bytes: object.stream() })
        }
        .boxed()
    }
}

impl Source {
    /// The object, or what of it follows `from`, where that gives a byte and the ETag that it had.
    async fn get(&self, from: Option<(u64, &str)>) -> Result<GetObjectOutput, S3Failure> {
        let request = self
            .client
            .get_object()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .set_range(from.map(|(offset, _)| format!("bytes={offset}-")))
            .set_if_match(from.map(|(_, etag)| etag.to_owned()));
        self.retry.run("GetObject", || request.clone().send()).await
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
                "the credentials need s3:GetObject on the key, and s3:ListBucket to be told that a key is missing",
            );
        }
        error
    }

    fn failed(&self) -> Error {
        Error::new(ErrorKind::StorageFailed, format!("read {}", self.location))
    }
}

/// An object that is being read.
struct Object {
    source: Arc<Source>,
    etag: Option<String>,
    size: Option<u64>,
    /// How many bytes of it came.
    offset: u64,
    /// The answer that is being read; none after one that ended too early.
    body: Option<aws_sdk_s3::primitives::ByteStream>,
    /// Answers in a row that ended before they brought anything.
    failures: u32,
}

impl Object {
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
                        self.failures = 0;
                        return Ok(Some(bytes));
                    }
                    // After the last byte it can only be its checksum that is wrong.
                    Some(Err(error)) if self.size == Some(self.offset) => {
                        return Err(Error::new(ErrorKind::Damaged, format!("read {}", self.source.location))
                            .because(innermost(&error)));
                    }
                    Some(Err(error)) => innermost(&error),
                    None if self.size.is_none_or(|size| self.offset >= size) => return Ok(None),
                    None => "the answer ended too early".to_owned(),
                },
            };
            self.body = None;
            self.failures += 1;
            if self.failures >= self.source.retry.attempts {
                return Err(self.source.failed().because(reason));
            }
            tracing::debug!(offset = self.offset, "{} is asked for again: {reason}", self.source.location);
            self.source.retry.pause(self.failures).await;
        }
    }

    /// Asks for the rest.
    async fn reopen(&mut self) -> Result<()> {
        // Without an ETag nothing would show that it is another object's rest.
        let Some(etag) = &self.etag else {
            return Err(self.source.failed().because("the connection was lost"));
        };
        let answer = self.source.get(Some((self.offset, etag))).await.map_err(|failure| {
            if failure.is_precondition_failed() || failure.status == Some(404) {
                return self.source.failed().because("the object was replaced or removed while it was read");
            }
            failure.into_error(ErrorKind::StorageFailed, format!("read {}", self.source.location))
        })?;
        // A storage that ignores the range would begin anew.
        let expected = format!("bytes {}-", self.offset);
        if self.offset > 0 && !answer.content_range().is_some_and(|range| range.starts_with(&expected)) {
            return Err(self.source.failed().because("the storage does not answer requests for a range"));
        }
        self.body = Some(answer.body);
        Ok(())
    }
}

//! An upload in progress: collects bytes into parts, and sends them.

use std::sync::Arc;

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use tokio::task::JoinSet;

use super::cleanup::Pending;
use super::commit::{Body, Finished, commit};
use super::part_buffer::PartBuffer;
use super::target::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::{PartNumber, RequestClass, S3Failure};
use crate::storage::sink::{Published, Upload, with_leftover};

pub(super) struct S3Upload {
    target: Arc<Target>,
    /// A random token stored with the object. If the response to the last request is lost, it identifies
    /// our object.
    token: String,
    /// The part being collected.
    buffer: PartBuffer,
    next_part: PartNumber,
    pending: Pending,
    in_flight: JoinSet<Result<CompletedPart>>,
    parts: Vec<CompletedPart>,
    bytes: u64,
}

impl S3Upload {
    pub(super) fn new(target: Arc<Target>) -> Self {
        S3Upload {
            pending: Pending::new(Arc::clone(&target)),
            target,
            token: format!("{:032x}", rand::random::<u128>()),
            buffer: PartBuffer::default(),
            next_part: 1,
            in_flight: JoinSet::new(),
            parts: Vec::new(),
            bytes: 0,
        }
    }

    /// Creates a multipart upload, and aborts it again.
    pub(super) async fn probe(mut self) -> Result<()> {
        self.create().await.map_err(|failure| {
            failure.into_error(ErrorKind::StorageUnreachable, self.target.attempted("prepare to write"))
        })?;
        self.pending.abort().await
    }

    async fn create(&mut self) -> Result<String, S3Failure> {
        if let Some(upload_id) = &self.pending.upload_id {
            return Ok(upload_id.clone());
        }
        let Target { bucket, .. } = &*self.target;
        let object = self.target.object(&self.token);
        let mut attempts = bucket.attempts(RequestClass::Ordinary);
        loop {
            // Until there is a response: this future may be dropped while the storage creates the
            // upload.
            self.pending.lost_creates += 1;
            match bucket.create_upload_once(&object).await {
                Ok(upload_id) => {
                    self.pending.lost_creates -= 1;
                    return Ok(self.pending.upload_id.insert(upload_id).clone());
                }
                Err(failure) => {
                    self.pending.lost_creates -= u32::from(!failure.is_ambiguous());
                    if !failure.is_retryable() || !attempts.again("CreateMultipartUpload", &failure).await {
                        return Err(failure);
                    }
                }
            }
        }
    }

    fn part_bytes(&self) -> Result<usize> {
        let bytes = self.target.part_bytes(self.next_part).ok_or_else(|| {
            Error::new(ErrorKind::StorageFailed, self.target.attempted("write"))
                .because(format!(
                    "the dump needs more than {} parts",
                    self.target.bucket.provider().max_parts
                ))
                .hint("use larger parts (--s3-part-size or destination.part_size), or compress")
        })?;
        usize::try_from(bytes).map_err(|error| {
            Error::new(ErrorKind::StorageFailed, self.target.attempted("write")).because(error)
        })
    }

    async fn write_bytes(&mut self, mut data: Bytes) -> Result<()> {
        self.bytes += data.len() as u64;
        while !data.is_empty() {
            let mut part_bytes = self.part_bytes()?;
            if self.buffer.len() == part_bytes {
                // Not earlier, because a dump that ends here needs only one PutObject.
                self.dispatch().await?;
                part_bytes = self.part_bytes()?;
            }
            self.buffer.fill(&mut data, part_bytes);
        }
        self.reap()
    }

    /// Detects failed parts without waiting.
    fn reap(&mut self) -> Result<()> {
        while let Some(part) = self.in_flight.try_join_next() {
            self.parts.push(joined(&self.target, part)?);
        }
        Ok(())
    }

    /// Sends the collected part, as soon as fewer parts are being sent than allowed.
    async fn dispatch(&mut self) -> Result<()> {
        let upload_id = self.create().await.map_err(|failure| {
            failure
                .into_error(ErrorKind::StorageFailed, self.target.attempted("create a multipart upload for"))
        })?;
        let limit = self.target.parts_in_flight(self.buffer.len() as u64);
        while self.in_flight.len() >= limit {
            self.join_one().await?;
        }
        let body = self.buffer.take();
        let part_number = self.next_part;
        self.next_part += 1;
        self.in_flight.spawn(upload_part(Arc::clone(&self.target), upload_id, part_number, body));
        Ok(())
    }

    async fn join_one(&mut self) -> Result<()> {
        if let Some(part) = self.in_flight.join_next().await {
            self.parts.push(joined(&self.target, part)?);
        }
        Ok(())
    }

    async fn flush_parts(&mut self) -> Result<()> {
        // A dump that fits into one part is sent with PutObject.
        if self.pending.upload_id.is_none() {
            return Ok(());
        }
        if !self.buffer.is_empty() {
            self.dispatch().await?;
        }
        while !self.in_flight.is_empty() {
            self.join_one().await?;
        }
        self.parts.sort_by_key(|part| part.part_number);
        Ok(())
    }

    /// Discards the parts being sent, and removes the others.
    async fn give_up(mut self) -> Result<()> {
        self.in_flight.shutdown().await;
        self.pending.abort().await
    }

    fn finish(mut self) -> (Finished, Pending) {
        let body = match self.pending.upload_id.clone() {
            Some(upload_id) => Body::Parts { upload_id, parts: self.parts },
            None => Body::Whole(self.buffer.take()),
        };
        (Finished { target: self.target, token: self.token, body, bytes: self.bytes }, self.pending)
    }
}

fn joined(
    target: &Target,
    part: Result<Result<CompletedPart>, tokio::task::JoinError>,
) -> Result<CompletedPart> {
    part.unwrap_or_else(|join| {
        Err(Error::new(ErrorKind::StorageFailed, target.attempted("upload a part of")).because(join))
    })
}

async fn upload_part(
    target: Arc<Target>,
    upload_id: String,
    part_number: PartNumber,
    body: Bytes,
) -> Result<CompletedPart> {
    target.bucket.put_part(target.key(), &upload_id, part_number, body).await.map_err(|failure| {
        let attempted = format!("upload part {part_number} of {}", target.location);
        failure.into_error(ErrorKind::StorageFailed, attempted)
    })
}

impl Upload for S3Upload {
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>> {
        self.write_bytes(data).boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        self.flush_parts().boxed()
    }

    fn complete(mut self: Box<Self>) -> BoxFuture<'static, Result<Published>> {
        async move {
            match self.flush_parts().await {
                Ok(()) => {
                    let (finished, pending) = self.finish();
                    commit(finished, pending).await
                }
                Err(error) => {
                    let aborted = self.give_up().await;
                    Err(with_leftover(error, aborted))
                }
            }
        }
        .boxed()
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.give_up().boxed()
    }
}

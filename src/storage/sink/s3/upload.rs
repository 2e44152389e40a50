//! An upload under way: gathers bytes into parts, and sends them.

use std::sync::Arc;

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedPart;
use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt};
use tokio::task::JoinSet;

use super::{Target, cleanup, commit};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::failure::S3Failure;
use crate::storage::s3::headers::ObjectHeaders;
use crate::storage::sink::{Published, Upload};

/// The object's metadata that names the run that wrote it.
pub(super) const TOKEN_KEY: &str = "pgsiphon-write-token";

pub(super) struct S3Upload {
    pub(super) target: Arc<Target>,
    /// A random number that the object carries. If the answer to the last request is lost, it tells
    /// our object from another.
    pub(super) token: String,
    /// Bytes of the part that is being gathered.
    buffer: BytesMut,
    next_part: u32,
    pub(super) upload_id: Option<String>,
    /// How many requests to create an upload may have made one that we know nothing of.
    pub(super) lost_creates: u32,
    in_flight: JoinSet<Result<CompletedPart>>,
    pub(super) parts: Vec<CompletedPart>,
    pub(super) bytes: u64,
}

impl S3Upload {
    pub(super) fn new(target: Arc<Target>) -> Self {
        S3Upload {
            target,
            token: format!("{:032x}", rand::random::<u128>()),
            buffer: BytesMut::new(),
            next_part: 1,
            upload_id: None,
            lost_creates: 0,
            in_flight: JoinSet::new(),
            parts: Vec::new(),
            bytes: 0,
        }
    }

    /// Creates the multipart upload, and aborts it again.
    pub(super) async fn probe(mut self) -> Result<()> {
        self.create().await.map_err(|failure| {
            failure.into_error(ErrorKind::StorageUnreachable, self.target.attempted("prepare to write"))
        })?;
        cleanup::abort(&mut self).await
    }

    async fn create(&mut self) -> Result<String, S3Failure> {
        if let Some(upload_id) = &self.upload_id {
            return Ok(upload_id.clone());
        }
        let policy = self.target.options.retry;
        let mut attempt = 1;
        loop {
            match policy.once(Box::pin(self.create_request().send())).await.and_then(|output| {
                output.upload_id.ok_or_else(|| S3Failure::incomplete("the answer holds no upload id"))
            }) {
                Ok(upload_id) => {
                    self.upload_id = Some(upload_id.clone());
                    return Ok(upload_id);
                }
                Err(failure) => {
                    self.lost_creates += u32::from(failure.is_ambiguous());
                    if !failure.is_retryable() || attempt >= policy.attempts {
                        return Err(failure);
                    }
                    tracing::debug!(attempt, %failure, "CreateMultipartUpload failed, and is tried again");
                    policy.pause(attempt).await;
                    attempt += 1;
                }
            }
        }
    }

    fn create_request(&self) -> CreateMultipartUploadFluentBuilder {
        let target = &self.target;
        let headers = ObjectHeaders::new(&target.options);
        target
            .client
            .create_multipart_upload()
            .bucket(&target.location.bucket)
            .key(&target.location.key)
            .metadata(TOKEN_KEY, &self.token)
            .set_content_type(target.options.content_type.map(str::to_owned))
            .set_storage_class(headers.storage_class)
            .set_server_side_encryption(headers.encryption)
            .set_ssekms_key_id(headers.kms_key_id)
            .set_tagging(headers.tagging)
            .set_object_lock_mode(headers.lock_mode)
            .set_object_lock_retain_until_date(headers.lock_until)
            .set_expected_bucket_owner(target.options.expected_bucket_owner.clone())
            // Declared here: Garage refuses parts with a checksum that was not announced.
            .set_checksum_algorithm(target.checksum().algorithm())
    }

    fn part_bytes(&self) -> Result<usize> {
        let bytes = self.target.part_bytes(self.next_part).ok_or_else(|| {
            Error::new(ErrorKind::StorageFailed, self.target.attempted("write"))
                .because(format!("the dump needs more than {} parts", self.target.provider.max_parts))
                .hint("give larger parts by --s3-part-size or destination.part_size, or compress")
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
                // Not earlier: a dump that ends here is one PutObject.
                self.dispatch().await?;
                part_bytes = self.part_bytes()?;
            }
            if self.buffer.capacity() < part_bytes {
                // Memory is touched only as it fills, so a small dump stays small.
                self.buffer.reserve(part_bytes - self.buffer.len());
            }
            let room = part_bytes - self.buffer.len();
            self.buffer.extend_from_slice(&data.split_to(room.min(data.len())));
        }
        self.reap()
    }

    /// Notices failed parts without waiting.
    fn reap(&mut self) -> Result<()> {
        while let Some(part) = self.in_flight.try_join_next() {
            self.parts.push(joined(&self.target, part)?);
        }
        Ok(())
    }

    /// Sends the part that was gathered, once there is room among those under way.
    async fn dispatch(&mut self) -> Result<()> {
        let upload_id = self.create().await.map_err(|failure| {
            failure
                .into_error(ErrorKind::StorageFailed, self.target.attempted("create a multipart upload for"))
        })?;
        let limit = self.target.parts_in_flight(self.buffer.len() as u64);
        while self.in_flight.len() >= limit {
            self.join_one().await?;
        }
        let body = std::mem::take(&mut self.buffer).freeze();
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
        // What fits into one part is for PutObject.
        if self.upload_id.is_none() {
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

    /// Gives up the parts that are under way.
    pub(super) async fn stop_parts(&mut self) {
        self.in_flight.shutdown().await;
    }

    pub(super) fn take_small_body(&mut self) -> Bytes {
        std::mem::take(&mut self.buffer).freeze()
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
    part_number: u32,
    body: Bytes,
) -> Result<CompletedPart> {
    let number = i32::try_from(part_number).unwrap_or(i32::MAX);
    let request = || {
        target
            .client
            .upload_part()
            .bucket(&target.location.bucket)
            .key(&target.location.key)
            .upload_id(&upload_id)
            .part_number(number)
            .set_expected_bucket_owner(target.options.expected_bucket_owner.clone())
            .set_checksum_algorithm(target.checksum().algorithm())
            .body(ByteStream::from(body.clone()))
            .send()
    };
    // Without an ETag the part cannot be named to CompleteMultipartUpload.
    let check = |output: UploadPartOutput| match output.e_tag {
        Some(_) => Ok(output),
        None => Err(S3Failure::incomplete("the answer to UploadPart names no part")),
    };
    let policy = target.options.retry.for_body(body.len());
    let sent = policy.run_checked("UploadPart", request, check).await;
    let output = sent.map_err(|failure| {
        let attempted = format!("upload part {part_number} of {}", target.location);
        failure.into_error(ErrorKind::StorageFailed, attempted)
    })?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(output.e_tag)
        .set_checksum_crc32(output.checksum_crc32)
        .set_checksum_crc64_nvme(output.checksum_crc64_nvme)
        .set_checksum_sha256(output.checksum_sha256)
        .build())
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
                Ok(()) => commit::commit(*self).await,
                Err(error) => {
                    let aborted = cleanup::abort(&mut self).await;
                    Err(crate::storage::sink::with_leftover(error, aborted))
                }
            }
        }
        .boxed()
    }

    fn abort(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async move { cleanup::abort(&mut self).await }.boxed()
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        let Some(upload_id) = self.upload_id.take() else { return };
        // Without a runtime there is nobody to send the request.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let target = Arc::clone(&self.target);
            runtime.spawn(async move {
                if let Err(error) = cleanup::abort_upload(&target, &upload_id).await {
                    tracing::warn!("{}", error.report());
                }
            });
        }
    }
}

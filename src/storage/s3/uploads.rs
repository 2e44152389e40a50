//! Requests about multipart uploads
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>).

use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, MultipartUpload};
use bytes::Bytes;

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::new_object::{NewObject, with_object};
use super::objects::time;
use super::retry::RequestClass;
use crate::storage::PendingUpload;

/// The number of a part, from 1 on.
pub(crate) type PartNumber = u32;

impl Bucket {
    /// Begins a multipart upload in one attempt, and returns its id.
    pub(crate) async fn create_upload_once(&self, object: &NewObject) -> Result<String, S3Failure> {
        self.send_once(RequestClass::Ordinary, self.create_request(object).send()).await.and_then(upload_id)
    }

    /// Begins a multipart upload, with retries. Each failed attempt may leave an unknown upload.
    pub(crate) async fn create_upload(&self, object: &NewObject) -> Result<String, S3Failure> {
        let request = || self.create_request(object).send();
        self.send_checked(RequestClass::Ordinary, "CreateMultipartUpload", request, upload_id).await
    }

    fn create_request(&self, object: &NewObject) -> CreateMultipartUploadFluentBuilder {
        with_object!(self.create_multipart_upload(), object, self.checksum())
    }

    pub(crate) async fn put_part(
        &self,
        key: &str,
        upload_id: &str,
        part_number: PartNumber,
        body: Bytes,
    ) -> Result<CompletedPart, S3Failure> {
        let number = i32::try_from(part_number).unwrap_or(i32::MAX);
        let request = || {
            self.upload_part()
                .key(key)
                .upload_id(upload_id)
                .part_number(number)
                .set_checksum_algorithm(self.checksum().algorithm())
                .body(ByteStream::from(body.clone()))
                .send()
        };
        // CompleteMultipartUpload needs the part's ETag.
        let check = |output: UploadPartOutput| match output.e_tag {
            Some(_) => Ok(output),
            None => Err(S3Failure::incomplete("the response to UploadPart has no ETag")),
        };
        let sent = self.send_checked(RequestClass::Body(body.len()), "UploadPart", request, check).await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .set_checksum_sha256(sent.checksum_sha256)
            .build())
    }

    /// Completes the object from its parts, in one attempt.
    pub(crate) async fn complete_upload_once(
        &self,
        object: &NewObject,
        upload_id: &str,
        parts: &[CompletedPart],
    ) -> Result<(), S3Failure> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        let request = self
            .complete_multipart_upload()
            .key(&object.key)
            .upload_id(upload_id)
            .set_if_none_match(object.if_none_match.clone())
            .multipart_upload(parts);
        // Success must be explicit: a truncated body is not success.
        match self.send_once(RequestClass::Complete, request.send()).await?.e_tag {
            Some(_) => Ok(()),
            None => Err(S3Failure::incomplete("the response to CompleteMultipartUpload has no ETag")),
        }
    }

    /// Aborts an upload. It may still exist afterwards: see [`Bucket::has_upload`].
    pub(crate) async fn abort_upload(
        &self,
        key: &str,
        upload_id: &str,
        class: RequestClass,
    ) -> Result<(), S3Failure> {
        let request = || self.abort_multipart_upload().key(key).upload_id(upload_id).send();
        self.send(class, "AbortMultipartUpload", request).await.map(drop)
    }

    /// Whether the upload exists.
    pub(crate) async fn has_upload(
        &self,
        key: &str,
        upload_id: &str,
        class: RequestClass,
    ) -> Result<bool, S3Failure> {
        match self.send(class, "ListParts", || self.list_parts().key(key).upload_id(upload_id).send()).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_no_such_upload() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The pending uploads for exactly this key.
    pub(crate) async fn pending_uploads_of(
        &self,
        key: &str,
        class: RequestClass,
    ) -> Result<Vec<PendingUpload>, S3Failure> {
        // Keys are sorted, the shortest first: those equal to the prefix are on the first page.
        let request = || self.list_multipart_uploads().prefix(key).send();
        let page = self.send(class, "ListMultipartUploads", request).await?;
        let uploads = page.uploads.unwrap_or_default().into_iter().filter_map(pending);
        Ok(uploads.filter(|upload| upload.key == key).collect())
    }

    /// The pending uploads whose keys begin with `prefix`, from all pages.
    pub(crate) async fn pending_uploads(&self, prefix: &str) -> Result<Vec<PendingUpload>, S3Failure> {
        let mut uploads = Vec::new();
        let mut marker: (Option<String>, Option<String>) = (None, None);
        loop {
            let request = || {
                self.list_multipart_uploads()
                    .prefix(prefix)
                    .set_key_marker(marker.0.clone())
                    .set_upload_id_marker(marker.1.clone())
                    .send()
            };
            let page = self.send(RequestClass::Ordinary, "ListMultipartUploads", request).await?;
            let found = page.uploads.unwrap_or_default().into_iter().filter_map(pending);
            uploads.extend(found.filter(|upload| upload.key.starts_with(prefix)));
            let next = (page.next_key_marker, page.next_upload_id_marker);
            match page.is_truncated {
                Some(true) if next != marker && next.0.is_some() => marker = next,
                Some(true) => return Err(S3Failure::incomplete("the list of uploads is truncated")),
                _ => return Ok(uploads),
            }
        }
    }
}

fn upload_id(answer: CreateMultipartUploadOutput) -> Result<String, S3Failure> {
    answer.upload_id.ok_or_else(|| S3Failure::incomplete("the response has no upload id"))
}

fn pending(upload: MultipartUpload) -> Option<PendingUpload> {
    let initiated = upload.initiated.and_then(|at| time(&at));
    Some(PendingUpload { key: upload.key?, id: upload.upload_id?, initiated })
}

//! The one request that publishes, and the proof that it did.
//!
//! If its answer is lost, the object may be there or not. Sending the request again need not tell:
//! some servers then say NoSuchUpload, and `If-None-Match` says 412 because of our own object. So
//! we look: the object carries a random token that only this run knows.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedMultipartUpload;
use bytes::Bytes;

use super::upload::{S3Upload, TOKEN_KEY};
use super::{Target, cleanup};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::failure::S3Failure;
use crate::storage::s3::headers::ObjectHeaders;
use crate::storage::sink::{Published, with_leftover};

/// What is at the key.
#[derive(Debug)]
enum AtKey {
    /// Our object, whole.
    Ours,
    /// Our object by its token, but of another length.
    Damaged(i64),
    /// Somebody else's object.
    Theirs,
    /// Nothing.
    Nothing,
    /// The storage does not say.
    Unknown,
}

/// What one attempt came to.
enum Attempt {
    Published,
    /// No use in trying again.
    Refused(Error),
    /// Perhaps the next attempt succeeds.
    Failed(S3Failure),
}

/// Publishes the upload; whatever fails is cleaned up.
pub(super) async fn commit(mut upload: S3Upload) -> Result<Published> {
    let small_body = upload.upload_id.is_none().then(|| upload.take_small_body());
    let outcome = try_to_commit(&upload, small_body).await;
    match outcome {
        Ok(()) => {
            upload.upload_id = None;
            if let Err(error) = cleanup::abort_lost_creates(&upload).await {
                tracing::warn!("{}", error.report());
            }
            Ok(Published { location: upload.target.location.to_string(), bytes: upload.bytes })
        }
        Err(failed) => conclude(upload, failed).await,
    }
}

/// Why the last attempt failed, and whether an earlier one may have succeeded after all.
struct Failed {
    error: Error,
    in_doubt: bool,
}

/// Cleans up, and only then looks for the last time: after the abort nothing can change any more.
async fn conclude(mut upload: S3Upload, failed: Failed) -> Result<Published> {
    let aborted = cleanup::abort(&mut upload).await;
    if !failed.in_doubt {
        return Err(with_leftover(failed.error, aborted));
    }
    match look(&upload).await {
        AtKey::Ours => Ok(Published { location: upload.target.location.to_string(), bytes: upload.bytes }),
        AtKey::Nothing | AtKey::Theirs | AtKey::Damaged(_) => Err(with_leftover(failed.error, aborted)),
        AtKey::Unknown => {
            let attempted = upload.target.attempted("learn whether the dump was published as");
            let error = Error::new(ErrorKind::OutcomeUnknown, attempted)
                .because(failed.error.report())
                .hint(format!("look whether {} is there, and verify it", upload.target.location));
            Err(with_leftover(error, aborted))
        }
    }
}

async fn try_to_commit(upload: &S3Upload, small_body: Option<Bytes>) -> Result<(), Failed> {
    let target = &upload.target;
    let refused = |error| Failed { error, in_doubt: false };
    // Some servers take no notice of conditions, and for them this is the last moment to look.
    if !target.options.overwrite && matches!(look(upload).await, AtKey::Theirs) {
        return Err(refused(target.key_exists()));
    }
    let mut commit = Commit { upload, small_body, if_none_match: target.if_none_match(), in_doubt: false };
    let mut attempt = 1;
    loop {
        match commit.try_once().await {
            Attempt::Published => return Ok(()),
            Attempt::Refused(error) => return Err(refused(error)),
            // Others refuse what they don't know: then the look above must do.
            Attempt::Failed(failure) if failure.is_unsupported() && commit.if_none_match.is_some() => {
                tracing::warn!(
                    "the storage knows no conditional writes: another run could overwrite the dump"
                );
                commit.if_none_match = None;
            }
            Attempt::Failed(failure) if failure.is_retryable() && attempt < target.options.retry.attempts => {
                tracing::debug!(attempt, %failure, "publishing failed, and is tried again");
                target.options.retry.pause(attempt).await;
                attempt += 1;
            }
            Attempt::Failed(failure) => {
                let error = failure.into_error(ErrorKind::StorageFailed, target.attempted("publish"));
                return Err(Failed { error, in_doubt: commit.in_doubt });
            }
        }
    }
}

/// The last request, in all its attempts.
struct Commit<'a> {
    upload: &'a S3Upload,
    /// The whole dump, if it is for PutObject.
    small_body: Option<Bytes>,
    if_none_match: Option<String>,
    /// Whether an attempt that failed may have succeeded.
    in_doubt: bool,
}

impl Commit<'_> {
    async fn try_once(&mut self) -> Attempt {
        let sent = match &self.small_body {
            Some(body) => self.put_object(body.clone()).await,
            None => self.complete_multipart().await,
        };
        let failure = match sent {
            Ok(()) => return confirm(self.upload).await,
            Err(failure) => failure,
        };
        self.in_doubt |= failure.is_ambiguous();
        // The answers that our own earlier success can cause, and those that say nothing.
        if failure.is_ambiguous() || failure.is_precondition_failed() || failure.is_no_such_upload() {
            match look(self.upload).await {
                AtKey::Ours => return Attempt::Published,
                AtKey::Damaged(length) => return Attempt::Refused(damaged(self.upload, length)),
                AtKey::Theirs if failure.is_precondition_failed() => {
                    return Attempt::Refused(self.upload.target.key_exists());
                }
                AtKey::Unknown if failure.is_precondition_failed() && !self.in_doubt => {
                    return Attempt::Refused(self.upload.target.key_exists());
                }
                AtKey::Theirs | AtKey::Nothing | AtKey::Unknown => {}
            }
        }
        Attempt::Failed(failure)
    }

    async fn put_object(&self, body: Bytes) -> Result<(), S3Failure> {
        let target = &self.upload.target;
        let policy = target.options.retry.for_body(body.len());
        let headers = ObjectHeaders::new(&target.options);
        let request = target
            .client
            .put_object()
            .bucket(&target.location.bucket)
            .key(&target.location.key)
            .metadata(TOKEN_KEY, &self.upload.token)
            .set_content_type(target.options.content_type.map(str::to_owned))
            .set_storage_class(headers.storage_class)
            .set_server_side_encryption(headers.encryption)
            .set_ssekms_key_id(headers.kms_key_id)
            .set_tagging(headers.tagging)
            .set_object_lock_mode(headers.lock_mode)
            .set_object_lock_retain_until_date(headers.lock_until)
            .set_expected_bucket_owner(target.options.expected_bucket_owner.clone())
            .set_checksum_algorithm(target.checksum().algorithm())
            .set_if_none_match(self.if_none_match.clone())
            .body(ByteStream::from(body));
        match policy.once(Box::pin(request.send())).await?.e_tag {
            Some(_) => Ok(()),
            None => Err(S3Failure::incomplete("the answer to PutObject names no object")),
        }
    }

    async fn complete_multipart(&self) -> Result<(), S3Failure> {
        let target = &self.upload.target;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.upload.parts.clone())).build();
        let request = target
            .client
            .complete_multipart_upload()
            .bucket(&target.location.bucket)
            .key(&target.location.key)
            .set_upload_id(self.upload.upload_id.clone())
            .set_expected_bucket_owner(target.options.expected_bucket_owner.clone())
            .set_if_none_match(self.if_none_match.clone())
            .multipart_upload(parts);
        let output = target.options.retry.for_complete().once(Box::pin(request.send())).await?;
        // Success must say so: a body that ended early is none.
        match output.e_tag {
            Some(_) => Ok(()),
            None => Err(S3Failure::incomplete("the answer to CompleteMultipartUpload names no object")),
        }
    }
}

/// Reads the size again. A storage that does not let us look is believed: it said success.
async fn confirm(upload: &S3Upload) -> Attempt {
    match look(upload).await {
        AtKey::Damaged(length) => Attempt::Refused(damaged(upload, length)),
        seen @ (AtKey::Nothing | AtKey::Theirs) => {
            // A listing that lags behind, or somebody who has just overwritten it.
            tracing::warn!(?seen, "{} does not show what was just published there", upload.target.location);
            Attempt::Published
        }
        AtKey::Ours | AtKey::Unknown => Attempt::Published,
    }
}

fn damaged(upload: &S3Upload, length: i64) -> Error {
    Error::new(ErrorKind::StorageFailed, upload.target.attempted("publish"))
        .because(format!("the storage holds {length} bytes of the {} that it was given", upload.bytes))
        .hint("do not rely on this object")
}

async fn look(upload: &S3Upload) -> AtKey {
    let Target { client, location, options, .. } = &*upload.target;
    let head = || {
        let request = client.head_object().bucket(&location.bucket).key(&location.key);
        request.set_expected_bucket_owner(options.expected_bucket_owner.clone()).send()
    };
    match options.retry.for_cleanup().run("HeadObject", head).await {
        Ok(object) => {
            let token = object.metadata.as_ref().and_then(|metadata| metadata.get(TOKEN_KEY));
            match object.content_length {
                _ if token != Some(&upload.token) => AtKey::Theirs,
                Some(length) if u64::try_from(length) != Ok(upload.bytes) => AtKey::Damaged(length),
                _ => AtKey::Ours,
            }
        }
        Err(failure) if failure.status == Some(404) => AtKey::Nothing,
        Err(failure) => {
            tracing::debug!(%failure, "the storage does not say what is at the key");
            AtKey::Unknown
        }
    }
}

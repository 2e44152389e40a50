//! Sends the request that publishes an object, and verifies that it did.
//!
//! If the response is lost, the object may or may not exist. Repeating the request does not always tell:
//! some servers then answer NoSuchUpload, and `If-None-Match` fails with 412 because of our own object.
//! So we look: the object carries a random token that only this run knows.

use std::sync::Arc;

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;

use super::cleanup::Pending;
use super::target::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::{NewObject, RequestClass, S3Failure, TOKEN_KEY};
use crate::storage::sink::{Published, with_leftover};

/// An upload that is ready to be published.
pub(super) struct Finished {
    pub(super) target: Arc<Target>,
    /// A random token stored with the object.
    pub(super) token: String,
    pub(super) body: Body,
    /// The size of the object.
    pub(super) bytes: u64,
}

pub(super) enum Body {
    /// In memory, for one PutObject.
    Whole(Bytes),
    /// In the storage, as the parts of this upload.
    Parts { upload_id: String, parts: Vec<CompletedPart> },
}

#[derive(Debug)]
enum AtKey {
    /// Our object, complete.
    Ours,
    /// An object with our token, but this other size.
    Damaged(i64),
    /// Another object.
    Theirs,
    /// No object.
    Nothing,
    /// The storage does not tell.
    Unknown,
}

/// The result of one attempt.
enum Attempt {
    Published,
    /// Another attempt would not help.
    Refused(Error),
    /// Another attempt may succeed.
    Failed(S3Failure),
}

/// Publishes the upload, or cleans up if that fails.
pub(super) async fn commit(finished: Finished, pending: Pending) -> Result<Published> {
    match finished.try_to_publish().await {
        Ok(()) => {
            if let Err(error) = pending.completed().await {
                finished.target.bucket.warnings().warn(error.report());
            }
            Ok(finished.published())
        }
        Err(failed) => conclude(&finished, pending, failed).await,
    }
}

/// Why the last attempt failed, and whether an earlier one may have succeeded.
struct Failed {
    error: Error,
    in_doubt: bool,
}

/// Cleans up, and only then looks for the last time: nothing can change after the abort.
async fn conclude(finished: &Finished, pending: Pending, failed: Failed) -> Result<Published> {
    let aborted = pending.abort().await;
    if !failed.in_doubt {
        return Err(with_leftover(failed.error, aborted));
    }
    match finished.look().await {
        AtKey::Ours => Ok(finished.published()),
        AtKey::Nothing | AtKey::Theirs | AtKey::Damaged(_) => Err(with_leftover(failed.error, aborted)),
        AtKey::Unknown => {
            let target = &finished.target;
            let attempted = target.attempted("learn whether the dump was published as");
            let error = Error::new(ErrorKind::OutcomeUnknown, attempted)
                .because(failed.error)
                .and_hint(format!("check whether {} exists, and verify it", target.location));
            Err(with_leftover(error, aborted))
        }
    }
}

impl Finished {
    fn published(&self) -> Published {
        Published { location: self.target.location.to_string(), bytes: self.bytes }
    }

    async fn try_to_publish(&self) -> Result<(), Failed> {
        let target = &self.target;
        let refused = |error| Failed { error, in_doubt: false };
        // Some servers ignore conditions; for them this is the last moment to look.
        if !target.options.overwrite && matches!(self.look().await, AtKey::Theirs) {
            return Err(refused(target.key_exists()));
        }
        let object = target.object(&self.token).only_if_new(target.only_if_new());
        let mut commit = Commit { finished: self, object, in_doubt: false };
        let mut attempts = target.bucket.attempts(RequestClass::Ordinary);
        loop {
            match commit.try_once().await {
                Attempt::Published => return Ok(()),
                Attempt::Refused(error) => return Err(refused(error)),
                // Others reject what they don't know; then the check above must suffice.
                Attempt::Failed(failure) if failure.is_unsupported() && commit.object.is_only_if_new() => {
                    target.bucket.warnings().warn(
                        "the storage does not support conditional writes: another run could overwrite the dump",
                    );
                    commit.object = commit.object.only_if_new(false);
                }
                Attempt::Failed(failure)
                    if failure.is_retryable() && attempts.again("publishing", &failure).await => {}
                Attempt::Failed(failure) => {
                    let error = failure.into_error(ErrorKind::StorageFailed, target.attempted("publish"));
                    return Err(Failed { error, in_doubt: commit.in_doubt });
                }
            }
        }
    }

    /// Reads the size again. If the storage does not let us look, its success response is trusted.
    async fn confirm(&self) -> Attempt {
        match self.look().await {
            AtKey::Damaged(length) => Attempt::Refused(self.damaged(length)),
            AtKey::Nothing | AtKey::Theirs => {
                // A listing that lags behind, or another process has just overwritten it.
                let location = &self.target.location;
                self.target
                    .bucket
                    .warnings()
                    .warn(format_args!("{location} does not show the object just published there"));
                Attempt::Published
            }
            AtKey::Ours | AtKey::Unknown => Attempt::Published,
        }
    }

    fn damaged(&self, length: i64) -> Error {
        Error::new(ErrorKind::StorageFailed, self.target.attempted("publish"))
            .because(format!("the storage has {length} bytes of the {} that were sent", self.bytes))
            .hint("do not rely on this object")
    }

    async fn look(&self) -> AtKey {
        match self.target.bucket.head(self.target.key(), RequestClass::Cleanup).await {
            Ok(Some(object)) => {
                let token = object.metadata.as_ref().and_then(|metadata| metadata.get(TOKEN_KEY));
                match object.content_length {
                    _ if token != Some(&self.token) => AtKey::Theirs,
                    Some(length) if u64::try_from(length) != Ok(self.bytes) => AtKey::Damaged(length),
                    _ => AtKey::Ours,
                }
            }
            Ok(None) => AtKey::Nothing,
            Err(failure) => {
                tracing::debug!(%failure, "cannot find out what is at the key");
                AtKey::Unknown
            }
        }
    }
}

/// The final request, with retries.
struct Commit<'a> {
    finished: &'a Finished,
    object: NewObject,
    /// Whether a failed attempt may have succeeded.
    in_doubt: bool,
}

impl Commit<'_> {
    async fn try_once(&mut self) -> Attempt {
        let Finished { target, body, .. } = self.finished;
        let sent = match body {
            Body::Whole(body) => target.bucket.put_once(&self.object, body.clone()).await,
            Body::Parts { upload_id, parts } => {
                target.bucket.complete_upload_once(&self.object, upload_id, parts).await
            }
        };
        let failure = match sent {
            Ok(()) => return self.finished.confirm().await,
            Err(failure) => failure,
        };
        self.in_doubt |= failure.is_ambiguous();
        // Responses that our own earlier success can cause, and those that prove nothing.
        if failure.is_ambiguous() || failure.is_precondition_failed() || failure.is_no_such_upload() {
            match self.finished.look().await {
                AtKey::Ours => return Attempt::Published,
                AtKey::Damaged(length) => return Attempt::Refused(self.finished.damaged(length)),
                AtKey::Theirs if failure.is_precondition_failed() => {
                    return Attempt::Refused(target.key_exists());
                }
                AtKey::Unknown if failure.is_precondition_failed() && !self.in_doubt => {
                    return Attempt::Refused(target.key_exists());
                }
                AtKey::Theirs | AtKey::Nothing | AtKey::Unknown => {}
            }
        }
        Attempt::Failed(failure)
    }
}

//! The one request that publishes, and the proof that it did.
//!
//! If its answer is lost, the object may be there or not. Sending the request again need not tell:
//! some servers then say NoSuchUpload, and `If-None-Match` says 412 because of our own object. So
//! we look: the object carries a random token that only this run knows.

use std::sync::Arc;

use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;

use super::cleanup::Pending;
use super::target::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::{NewObject, RequestClass, S3Failure, TOKEN_KEY};
use crate::storage::sink::{Published, with_leftover};

/// An upload that only has to be published.
pub(super) struct Finished {
    pub(super) target: Arc<Target>,
    /// A random number that the object carries.
    pub(super) token: String,
    pub(super) body: Body,
    /// The length of the object.
    pub(super) bytes: u64,
}

/// Where the bytes are.
pub(super) enum Body {
    /// Still here, for one PutObject.
    Whole(Bytes),
    /// In the storage, as the parts of this upload.
    Parts { upload_id: String, parts: Vec<CompletedPart> },
}

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

/// Why the last attempt failed, and whether an earlier one may have succeeded after all.
struct Failed {
    error: Error,
    in_doubt: bool,
}

/// Cleans up, and only then looks for the last time: after the abort nothing can change any more.
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
                .and_hint(format!("look whether {} is there, and verify it", target.location));
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
        // Some servers take no notice of conditions, and for them this is the last moment to look.
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
                // Others refuse what they don't know: then the look above must do.
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

    /// Reads the size again. A storage that does not let us look is believed: it said success.
    async fn confirm(&self) -> Attempt {
        match self.look().await {
            AtKey::Damaged(length) => Attempt::Refused(self.damaged(length)),
            AtKey::Nothing | AtKey::Theirs => {
                // A listing that lags behind, or somebody who has just overwritten it.
                let location = &self.target.location;
                self.target
                    .bucket
                    .warnings()
                    .warn(format_args!("{location} does not show what was just published there"));
                Attempt::Published
            }
            AtKey::Ours | AtKey::Unknown => Attempt::Published,
        }
    }

    fn damaged(&self, length: i64) -> Error {
        Error::new(ErrorKind::StorageFailed, self.target.attempted("publish"))
            .because(format!("the storage holds {length} bytes of the {} that it was given", self.bytes))
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
                tracing::debug!(%failure, "the storage does not say what is at the key");
                AtKey::Unknown
            }
        }
    }
}

/// The last request, in all its attempts.
struct Commit<'a> {
    finished: &'a Finished,
    object: NewObject,
    /// Whether an attempt that failed may have succeeded.
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
        // The answers that our own earlier success can cause, and those that say nothing.
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

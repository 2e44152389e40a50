//! Leaves no pending upload behind: its parts would be paid for, and seen by nobody.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};

use super::target::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::PendingUpload;
use crate::storage::s3::{Bucket, RequestClass, S3Failure};

/// A pending upload of our key that is older than this belongs to no run that lives.
const STALE_AGE: TimeDelta = TimeDelta::hours(24);

/// How often to abort an upload whose parts keep coming in.
const ABORT_ROUNDS: u32 = 5;

/// What an upload has left in the storage so far. Dropping it aborts that, as well as can be done without
/// waiting.
pub(super) struct Pending {
    target: Arc<Target>,
    pub(super) upload_id: Option<String>,
    /// How many requests to create an upload may have made one that we know nothing of.
    pub(super) lost_creates: u32,
}

impl Pending {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Pending { target, upload_id: None, lost_creates: 0 }
    }

    /// Removes all traces.
    pub(super) async fn abort(mut self) -> Result<()> {
        let aborted = match &self.upload_id {
            Some(upload_id) => abort_upload(&self.target.bucket, self.target.key(), upload_id).await,
            None => Ok(()),
        };
        // Whatever came of it has been told: `Drop` need not try again.
        self.upload_id = None;
        aborted.and(self.abort_lost_creates().await)
    }

    /// The upload is an object now.
    pub(super) async fn completed(mut self) -> Result<()> {
        self.upload_id = None;
        self.abort_lost_creates().await
    }

    /// Aborts the uploads that were created by requests whose answers were lost.
    ///
    /// Such an upload shows nothing that would prove it ours. It is taken for ours if it was not there
    /// before the run, and there are no more of them than answers were lost. Otherwise another run may
    /// be writing to the same key: then they are named, and left.
    async fn abort_lost_creates(&self) -> Result<()> {
        if self.lost_creates == 0 {
            return Ok(());
        }
        let Target { bucket, known_uploads, .. } = &*self.target;
        let key = self.target.key();
        let unproven = |cause: String| {
            Error::new(ErrorKind::StorageFailed, self.target.attempted("look for lost multipart uploads of"))
                .because(cause)
                .hint("list the bucket's multipart uploads, and abort those of this key")
        };
        let Some(known) = known_uploads.get() else {
            return Err(unproven("the storage did not tell which uploads were there before".into()));
        };
        let pending = bucket
            .pending_uploads_of(key, RequestClass::Cleanup)
            .await
            .map_err(|failure| unproven(failure.to_string()))?;
        let is_lost =
            |found: &PendingUpload| !known.contains(&found.id) && self.upload_id.as_ref() != Some(&found.id);
        let lost: Vec<_> = pending.into_iter().filter(is_lost).collect();
        if lost.len() > self.lost_creates as usize {
            return Err(unproven(format!("{} are pending, and not all can be ours", lost.len())));
        }
        for found in lost {
            abort_upload(bucket, key, &found.id).await?;
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(upload_id) = self.upload_id.take() else { return };
        // Without a runtime there is nobody to send the request.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let target = Arc::clone(&self.target);
            runtime.spawn(async move {
                if let Err(error) = abort_upload(&target.bucket, target.key(), &upload_id).await {
                    target.bucket.warnings().warn(error.report());
                }
            });
        }
    }
}

/// Aborts one upload, and sees that it is gone: a part that is still being taken in when the abort
/// arrives may outlive it (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>).
pub(crate) async fn abort_upload(bucket: &Bucket, key: &str, upload_id: &str) -> Result<()> {
    let class = RequestClass::Cleanup;
    let leftover = |failure: S3Failure| {
        let attempted = format!("abort multipart upload {upload_id} of {}", bucket.url(key));
        let command = abort_command(bucket, key, upload_id);
        Error::new(ErrorKind::StorageFailed, attempted)
            .because(failure)
            .hint(format!("its parts may be left; to remove them: {command}"))
    };
    let mut rounds = bucket.attempts(class);
    for _ in 0..ABORT_ROUNDS {
        match bucket.abort_upload(key, upload_id, class).await {
            Ok(()) => {}
            Err(failure) if failure.is_no_such_upload() => return Ok(()),
            Err(failure) => return Err(leftover(failure)),
        }
        match bucket.has_upload(key, upload_id, class).await {
            Ok(true) => {
                if !rounds.again("AbortMultipartUpload", "parts are still coming in").await {
                    break;
                }
            }
            Ok(false) => return Ok(()),
            // We may not look, and must believe the answer to the abort.
            Err(failure) if failure.is_denied() || failure.is_unsupported() => return Ok(()),
            Err(failure) => return Err(leftover(failure)),
        }
    }
    Err(leftover(S3Failure::incomplete("the upload is still there after it was aborted")))
}

/// Names what a killed run left, for the operator to remove.
pub(super) fn warn_of_stale_uploads(bucket: &Bucket, uploads: &[PendingUpload]) {
    for upload in uploads {
        if upload.initiated.is_some_and(|at| Utc::now() - at > STALE_AGE) {
            bucket.warnings().warn(format_args!(
                "a multipart upload for {} has been pending for more than a day; to remove it: {}",
                bucket.url(&upload.key),
                abort_command(bucket, &upload.key, &upload.id)
            ));
        }
    }
}

/// What an operator types to remove an upload.
fn abort_command(bucket: &Bucket, key: &str, upload_id: &str) -> String {
    let mut command = format!(
        "aws s3api abort-multipart-upload --bucket {} --key {} --upload-id {}",
        quoted(bucket.name()),
        quoted(key),
        quoted(upload_id)
    );
    if let Some(url) = bucket.endpoint_url() {
        command.push_str(" --endpoint-url ");
        command.push_str(&quoted(url));
    }
    command
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

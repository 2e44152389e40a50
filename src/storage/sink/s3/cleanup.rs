//! Makes sure that no pending upload is left behind: its parts would cost money, and stay unnoticed.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};

use super::target::Target;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::PendingUpload;
use crate::storage::s3::{Bucket, RequestClass, S3Failure};

/// A pending upload of our key older than this does not belong to a run in progress.
const STALE_AGE: TimeDelta = TimeDelta::hours(24);

/// How many times to abort an upload whose parts are still arriving.
const ABORT_ROUNDS: u32 = 5;

/// What an upload has left in the storage so far. Dropping it aborts the upload as far as that is
/// possible without waiting.
pub(super) struct Pending {
    target: Arc<Target>,
    pub(super) upload_id: Option<String>,
    /// How many requests may have created an upload whose id we did not receive.
    pub(super) lost_creates: u32,
}

impl Pending {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Pending { target, upload_id: None, lost_creates: 0 }
    }

    /// Aborts everything that is pending.
    pub(super) async fn abort(mut self) -> Result<()> {
        let aborted = match &self.upload_id {
            Some(upload_id) => abort_upload(&self.target.bucket, self.target.key(), upload_id).await,
            None => Ok(()),
        };
        // The result has been reported: `Drop` need not try again.
        self.upload_id = None;
        aborted.and(self.abort_lost_creates().await)
    }

    /// Records that the upload has become an object.
    pub(super) async fn completed(mut self) -> Result<()> {
        self.upload_id = None;
        self.abort_lost_creates().await
    }

    /// Aborts uploads created by requests whose responses were lost.
    ///
    /// Nothing in such an upload proves that it is ours. It is considered ours if it did not exist
    /// before the run, and there are no more such uploads than responses were lost. Otherwise another
    /// run may be writing to the same key: then they are only reported.
    async fn abort_lost_creates(&self) -> Result<()> {
        if self.lost_creates == 0 {
            return Ok(());
        }
        let Target { bucket, known_uploads, .. } = &*self.target;
        let key = self.target.key();
        let unproven = |cause: String| {
            Error::new(ErrorKind::StorageFailed, self.target.attempted("look for lost multipart uploads of"))
                .because(cause)
                .hint("list the bucket's multipart uploads, and abort those for this key")
        };
        let Some(known) = known_uploads.get() else {
            return Err(unproven("the storage did not report which uploads existed before".into()));
        };
        let pending = bucket
            .pending_uploads_of(key, RequestClass::Cleanup)
            .await
            .map_err(|failure| unproven(failure.to_string()))?;
        let is_lost =
            |found: &PendingUpload| !known.contains(&found.id) && self.upload_id.as_ref() != Some(&found.id);
        let lost: Vec<_> = pending.into_iter().filter(is_lost).collect();
        if lost.len() > self.lost_creates as usize {
            return Err(unproven(format!("{} are pending, but not all of them can be ours", lost.len())));
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
        // Without a runtime, the request cannot be sent.
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

/// Aborts an upload, and checks that it is gone: a part still being received when the abort arrives may
/// survive it (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>).
pub(crate) async fn abort_upload(bucket: &Bucket, key: &str, upload_id: &str) -> Result<()> {
    let class = RequestClass::Cleanup;
    let leftover = |failure: S3Failure| {
        let attempted = format!("abort multipart upload {upload_id} of {}", bucket.url(key));
        let command = abort_command(bucket, key, upload_id);
        Error::new(ErrorKind::StorageFailed, attempted)
            .because(failure)
            .hint(format!("its parts may remain; to remove them: {command}"))
    };
    let mut rounds = bucket.attempts(class).at_least(ABORT_ROUNDS + 1);
    for _ in 0..ABORT_ROUNDS {
        match bucket.abort_upload(key, upload_id, class).await {
            Ok(()) => {}
            Err(failure) if failure.is_no_such_upload() => return Ok(()),
            Err(failure) => return Err(leftover(failure)),
        }
        match bucket.has_upload(key, upload_id, class).await {
            Ok(true) => {
                if !rounds.again("AbortMultipartUpload", "parts are still arriving").await {
                    break;
                }
            }
            Ok(false) => return Ok(()),
            // We may not check, and have to trust the response to the abort.
            Err(failure) if failure.is_denied() || failure.is_unsupported() => return Ok(()),
            Err(failure) => return Err(leftover(failure)),
        }
    }
    Err(leftover(S3Failure::incomplete("the upload still exists after it was aborted")))
}

/// Reports uploads left by killed runs, for the operator to remove.
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

/// The command that removes an upload.
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

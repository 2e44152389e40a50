//! Leaves no pending upload behind: its parts would be paid for, and seen by nobody.

use std::time::{Duration, SystemTime};

use super::Target;
use super::upload::S3Upload;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::RetryPolicy;
use crate::storage::s3::failure::S3Failure;

/// A pending upload of our key that is older than this belongs to no run that lives.
const STALE_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often to abort an upload whose parts keep coming in.
const ABORT_ROUNDS: u32 = 5;

/// A multipart upload that is neither complete nor aborted.
pub(super) struct PendingUpload {
    pub(super) id: String,
    initiated: Option<SystemTime>,
}

/// The pending uploads for exactly this key.
pub(super) async fn pending_uploads(
    target: &Target,
    policy: RetryPolicy,
) -> Result<Vec<PendingUpload>, S3Failure> {
    let location = &target.location;
    // Keys come sorted, the shortest first: those equal to the prefix are on the first page.
    let request = || {
        let request = target.client.list_multipart_uploads().bucket(&location.bucket).prefix(&location.key);
        request.set_expected_bucket_owner(target.options.expected_bucket_owner.clone()).send()
    };
    let output = policy.run("ListMultipartUploads", request).await?;
    let uploads = output.uploads.unwrap_or_default().into_iter();
    Ok(uploads
        .filter(|upload| upload.key.as_deref() == Some(&location.key))
        .filter_map(|upload| {
            let initiated = upload.initiated.and_then(|at| SystemTime::try_from(at).ok());
            Some(PendingUpload { id: upload.upload_id?, initiated })
        })
        .collect())
}

/// Names what a killed run left, for the operator to remove.
pub(super) fn warn_of_stale_uploads(target: &Target, uploads: &[PendingUpload]) {
    for upload in uploads {
        let age = upload.initiated.and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > STALE_AGE) {
            tracing::warn!(
                "a multipart upload for {} has been pending for more than a day; to remove it: {}",
                target.location,
                abort_command(target, &upload.id)
            );
        }
    }
}

/// Removes all traces of an upload.
pub(super) async fn abort(upload: &mut S3Upload) -> Result<()> {
    upload.stop_parts().await;
    let aborted = match upload.upload_id.clone() {
        Some(upload_id) => abort_upload(&upload.target, &upload_id).await,
        None => Ok(()),
    };
    // Whatever came of it has been told: `Drop` need not try again.
    upload.upload_id = None;
    aborted.and(abort_lost_creates(upload).await)
}

/// Aborts one upload, and sees that it is gone: a part that is still being taken in when the abort
/// arrives may outlive it (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>).
pub(super) async fn abort_upload(target: &Target, upload_id: &str) -> Result<()> {
    let policy = target.options.retry.for_cleanup();
    let leftover = |failure: S3Failure| {
        let attempted = format!("abort multipart upload {upload_id} of {}", target.location);
        Error::new(ErrorKind::StorageFailed, attempted)
            .because(failure)
            .hint(format!("its parts may be left; to remove them: {}", abort_command(target, upload_id)))
    };
    let Target { client, location, options, .. } = target;
    let send_abort = || {
        let request = client.abort_multipart_upload().bucket(&location.bucket).key(&location.key);
        request.upload_id(upload_id).set_expected_bucket_owner(options.expected_bucket_owner.clone()).send()
    };
    let send_list = || {
        let request = client.list_parts().bucket(&location.bucket).key(&location.key);
        request.upload_id(upload_id).set_expected_bucket_owner(options.expected_bucket_owner.clone()).send()
    };
    for round in 1..=ABORT_ROUNDS {
        match policy.run("AbortMultipartUpload", send_abort).await {
            Ok(_) => {}
            Err(failure) if failure.is_no_such_upload() => return Ok(()),
            Err(failure) => return Err(leftover(failure)),
        }
        match policy.run("ListParts", send_list).await {
            Ok(_) => policy.pause(round).await,
            // Gone; or we may not look, and must believe the answer to the abort.
            Err(failure) if failure.is_no_such_upload() => return Ok(()),
            Err(failure) if failure.is_denied() || failure.is_unsupported() => return Ok(()),
            Err(failure) => return Err(leftover(failure)),
        }
    }
    Err(leftover(S3Failure::incomplete("the upload is still there after it was aborted")))
}

/// Aborts the uploads that were created by requests whose answers were lost.
///
/// Such an upload shows nothing that would prove it ours. It is taken for ours if it was not there
/// before the run, and there are no more of them than answers were lost. Otherwise another run may
/// be writing to the same key: then they are named, and left.
pub(super) async fn abort_lost_creates(upload: &S3Upload) -> Result<()> {
    let target = &upload.target;
    if upload.lost_creates == 0 {
        return Ok(());
    }
    let unproven = |cause: String| {
        Error::new(ErrorKind::StorageFailed, target.attempted("look for lost multipart uploads of"))
            .because(cause)
            .hint("list the bucket's multipart uploads, and abort those of this key")
    };
    let Some(known) = target.known_uploads.get() else {
        return Err(unproven("the storage did not tell which uploads were there before".into()));
    };
    let pending = pending_uploads(target, target.options.retry.for_cleanup())
        .await
        .map_err(|failure| unproven(failure.to_string()))?;
    let lost: Vec<_> = pending
        .into_iter()
        .filter(|found| !known.contains(&found.id) && upload.upload_id.as_ref() != Some(&found.id))
        .collect();
    if lost.len() > upload.lost_creates as usize {
        return Err(unproven(format!("{} are pending, and not all can be ours", lost.len())));
    }
    for found in lost {
        abort_upload(target, &found.id).await?;
    }
    Ok(())
}

/// What an operator types to remove an upload.
fn abort_command(target: &Target, upload_id: &str) -> String {
    let location = &target.location;
    let mut command = format!(
        "aws s3api abort-multipart-upload --bucket {} --key {} --upload-id {}",
        quoted(&location.bucket),
        quoted(&location.key),
        quoted(upload_id)
    );
    if let Some(url) = &target.endpoint_url {
        command.push_str(" --endpoint-url ");
        command.push_str(&quoted(url));
    }
    command
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

//! The bucket: each permission is tested with an object and an upload that cannot be taken for a backup
//! and are removed again. Each is a separate finding.

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Findings, size};
use crate::backups::naming::Naming;
use crate::config::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::{Checksum, PartSizing, S3Options};
use crate::storage::store::lifecycle::{Lifecycle, describe};
use crate::storage::store::probe::{Answer, Probe, Put};

/// The contents of the test object.
const BODY: &[u8] = b"pgsiphon check was here; this may be removed\n";

/// How far the time in a signature may differ from the storage's clock
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, `RequestTimeTooSkewed`).
const MOST_SKEW: TimeDelta = TimeDelta::minutes(15);

/// A clock difference from which on `check` warns.
const WORTH_TELLING: TimeDelta = TimeDelta::minutes(1);

/// Checks a job's bucket. `largest` is the name and size of its largest database.
pub(super) async fn check(
    job: &Job,
    bucket: &str,
    options: &S3Options,
    largest: Option<&(String, u64)>,
) -> Findings {
    let mut findings = Findings::default();
    if let Err((check, error)) = Box::pin(look(job, bucket, options, largest, &mut findings)).await {
        findings.fail(check, &error);
    }
    findings
}

/// A key under the job's prefix that no backup uses.
fn probe_key(naming: &Naming) -> String {
    format!("{}pgsiphon-check-{:016x}.tmp", naming.common_prefix(), rand::random::<u64>())
}

/// Stops at the first failure that would make everything after it fail in the same way.
async fn look(
    job: &Job,
    bucket: &str,
    options: &S3Options,
    largest: Option<&(String, u64)>,
    findings: &mut Findings,
) -> Result<(), (&'static str, Error)> {
    let key = probe_key(&job.destination.naming);
    let probe = Probe::new(bucket, options, key).await.map_err(|error| ("storage", error))?;
    findings.ok("storage", storage(&probe, bucket));
    probe.credentials().await.map_err(|error| ("credentials", error))?;
    findings.ok("credentials", "found");
    let listed = probe.list(job.destination.naming.common_prefix()).await;
    clock(probe.clock(), Utc::now(), findings);
    match listed {
        Answer::Done(_) => {
            findings.ok("list", "allowed");
        }
        Answer::Denied(error) => {
            findings.warn(
                "list",
                format!(
                    "denied: backups work, but list, status, prune and size comparisons do not ({})",
                    error.line()
                ),
                "grant s3:ListBucket on the bucket, unless this machine should only write",
            );
        }
        Answer::Unsupported(error) | Answer::Failed(error) => return Err(("list", error)),
    }
    write(job, &probe, findings).await;
    uploads(&probe, findings).await;
    protection(options, &probe, findings).await;
    lifecycle(job, &probe, findings).await;
    provider(&probe, options, largest, findings);
    Ok(())
}

fn storage(probe: &Probe, bucket: &str) -> String {
    let provider = match probe.provider().name {
        "generic" => "no provider-specific settings".to_owned(),
        name => format!("provider {name}"),
    };
    format!("bucket {bucket}, region {}, {provider}", probe.region())
}

fn clock(storage: Option<DateTime<Utc>>, now: DateTime<Utc>, findings: &mut Findings) {
    const CHECK: &str = "storage's clock";
    let Some(storage) = storage else { return };
    let skew = (storage - now).abs();
    let both = format!(
        "the storage's shows {}, ours {}",
        storage.format("%Y-%m-%d %H:%M:%S"),
        now.format("%Y-%m-%d %H:%M:%S")
    );
    if skew > MOST_SKEW {
        let error = Error::new(ErrorKind::StorageUnreachable, "sign requests")
            .because(format!("the clocks differ too much: {both}"))
            .hint("set this machine's clock, preferably with NTP");
        findings.fail(CHECK, &error);
    } else if skew > WORTH_TELLING {
        findings.warn(
            CHECK,
            both,
            "set this machine's clock with NTP: from 15 minutes on, requests are refused",
        );
    } else {
        findings.ok(CHECK, format!("within {} s of ours", WORTH_TELLING.num_seconds()));
    }
}

/// Stores an object, reads it, tries to overwrite it, and deletes it.
async fn write(job: &Job, probe: &Probe, findings: &mut Findings) {
    let conditional = probe.provider().conditional_writes;
    let put = match probe.put(BODY, conditional).await {
        Answer::Unsupported(_) if conditional => probe.put(BODY, false).await,
        put => put,
    };
    let version = match put {
        Answer::Done(Put::Stored { version }) => version,
        Answer::Done(Put::Refused) => {
            let error = Error::new(ErrorKind::StorageUnreachable, format!("store {}", probe.shown()))
                .because("the storage says that this object already exists");
            findings.fail("write", &error);
            return;
        }
        Answer::Denied(error) | Answer::Unsupported(error) | Answer::Failed(error) => {
            findings.fail("write", &error);
            return;
        }
    };
    findings.ok("write", "allowed");
    read(probe, findings).await;
    let mut versions: Vec<String> = version.into_iter().collect();
    if conditional {
        versions.extend(overwrite(probe, findings).await);
    } else {
        findings.ok(
            "conditional writes",
            "not used with this provider: pgsiphon checks that a key is free before it writes",
        );
    }
    remove(job, probe, &versions, findings).await;
}

async fn read(probe: &Probe, findings: &mut Findings) {
    match probe.get().await {
        Answer::Done(body) if body == BODY => findings.ok("read", "allowed"),
        Answer::Done(body) => {
            let error = Error::new(ErrorKind::Damaged, format!("read {}", probe.shown()))
                .because(format!("it returned {} bytes that differ from what was written", body.len()));
            findings.fail("read", &error)
        }
        Answer::Denied(error) => findings.warn(
            "read",
            format!("denied, but restore and verify need it ({})", error.line()),
            "grant s3:GetObject on the keys, here or where restores are run",
        ),
        Answer::Unsupported(error) | Answer::Failed(error) => findings.fail("read", &error),
    };
}

/// Returns the version that was written, if the storage wrongly allowed it.
async fn overwrite(probe: &Probe, findings: &mut Findings) -> Option<String> {
    const CHECK: &str = "conditional writes";
    match probe.put(BODY, true).await {
        Answer::Done(Put::Refused) => {
            findings.ok(CHECK, "honored: no run can overwrite a backup");
        }
        Answer::Done(Put::Stored { version }) => {
            findings.warn(
                CHECK,
                "ignored: two runs that write the same key at the same moment could both succeed",
                "only matters if several machines run the same job",
            );
            return version;
        }
        Answer::Unsupported(_) => {
            findings.warn(
                CHECK,
                "not supported: two runs that write the same key at the same moment could both succeed",
                "only matters if several machines run the same job",
            );
        }
        Answer::Denied(error) | Answer::Failed(error) => {
            findings.fail(CHECK, &error);
        }
    }
    None
}

async fn remove(job: &Job, probe: &Probe, versions: &[String], findings: &mut Findings) {
    const CHECK: &str = "delete";
    match probe.delete(None).await {
        Answer::Done(()) => {
            let mut left = 0;
            for version in versions {
                left += usize::from(!matches!(probe.delete(Some(version)).await, Answer::Done(())));
            }
            let more = match left {
                0 => "",
                _ => ", but old versions stay, including the test object's",
            };
            findings.ok(CHECK, format!("allowed{more}"));
        }
        Answer::Denied(error) if job.prune_after_backup => {
            findings.fail(CHECK, &error).hint(
                "retention.prune_after_backup needs s3:DeleteObject; or prune elsewhere, with a separate role",
            );
        }
        Answer::Denied(_) => {
            findings.ok(
                CHECK,
                format!(
                    "denied, as recommended for a machine that only writes backups; {} stays",
                    probe.shown()
                ),
            );
        }
        Answer::Unsupported(error) | Answer::Failed(error) => {
            findings.fail(CHECK, &error);
        }
    }
}

/// Begins a multipart upload, looks for it in the list, and aborts it.
async fn uploads(probe: &Probe, findings: &mut Findings) {
    let id = match probe.begin_upload(BODY).await {
        Answer::Done(id) => id,
        Answer::Denied(error) | Answer::Unsupported(error) | Answer::Failed(error) => {
            findings.fail("multipart upload", &error);
            return;
        }
    };
    findings.ok("multipart upload", "allowed");
    match probe.sees_upload(&id).await {
        Answer::Done(true) => findings.ok("list uploads", "allowed"),
        Answer::Done(false) => findings.warn(
            "list uploads",
            "allowed, but the upload just begun is not listed",
            "add a lifecycle rule that aborts uploads of killed runs: pgsiphon lifecycle set --abort-days 7",
        ),
        Answer::Denied(error) | Answer::Unsupported(error) | Answer::Failed(error) => findings.warn(
            "list uploads",
            format!("uploads of killed runs can't be found: {}", error.line()),
            "grant s3:ListBucketMultipartUploads on the bucket, or add a lifecycle rule that aborts incomplete uploads",
        ),
    };
    match probe.abort_upload(&id).await {
        Answer::Done(()) => findings.ok("abort", "allowed"),
        Answer::Denied(error) | Answer::Unsupported(error) | Answer::Failed(error) => {
            findings.fail("abort", &error)
        }
    };
}

/// What protects backups from someone who gets hold of the credentials.
async fn protection(options: &S3Options, probe: &Probe, findings: &mut Findings) {
    const CHECK: &str = "protection";
    let lock = probe.has_object_lock().await;
    if let (Answer::Done(false), Some(_)) = (&lock, options.object.object_lock) {
        let error = Error::new(ErrorKind::StorageFailed, "lock backups")
            .because("the bucket has no Object Lock, but destination.object_lock_mode is set")
            .hint("enable Object Lock for the bucket, or unset destination.object_lock_mode");
        findings.fail(CHECK, &error);
        return;
    }
    if matches!(lock, Answer::Done(true)) {
        findings.ok(CHECK, "the bucket has Object Lock");
        return;
    }
    match probe.has_versions().await {
        Answer::Done(true) => findings.ok(CHECK, "the bucket has versioning"),
        Answer::Done(false) => findings.warn(
            CHECK,
            "the bucket has neither versioning nor Object Lock: anyone allowed to delete can destroy all backups",
            "enable versioning or Object Lock, or make sure that no key stored on a server may delete",
        ),
        Answer::Denied(_) => findings.ok(CHECK, "not visible to these credentials"),
        Answer::Unsupported(_) | Answer::Failed(_) => {
            findings.ok(CHECK, "the storage does not report whether it has versioning")
        }
    };
}

async fn lifecycle(job: &Job, probe: &Probe, findings: &mut Findings) {
    const CHECK: &str = "incomplete uploads";
    let rules = match Lifecycle::read(probe.store()).await {
        Ok(lifecycle) => lifecycle.rules,
        Err(error) => {
            findings.ok(CHECK, format!("cannot read whether the bucket aborts them: {}", error.line()));
            return;
        }
    };
    let prefix = job.destination.naming.common_prefix();
    match Lifecycle::aborting(&rules, prefix) {
        Some(rule) => findings.ok(CHECK, describe(rule).join("; ")),
        None => findings.warn(
            CHECK,
            "no lifecycle rule aborts them: the upload of a killed run costs money until the next run",
            "pgsiphon lifecycle set --abort-days 7 --yes",
        ),
    };
}

/// How this provider differs from others, and whether the dump fits.
fn provider(probe: &Probe, options: &S3Options, largest: Option<&(String, u64)>, findings: &mut Findings) {
    const CHECK: &str = "limits";
    let provider = probe.provider();
    let sizing = provider.part_sizing.with(options.object.parts);
    let most = sizing.max_object_bytes(provider.max_parts);
    let mut told = match sizing {
        PartSizing::Growing { first_bytes } => {
            format!("{} growing parts, starting at {}", provider.max_parts, size(first_bytes))
        }
        PartSizing::Fixed { bytes } => format!("{} parts of {}", provider.max_parts, size(bytes)),
    };
    told.push_str(&format!(": at most {} per object", size(most)));
    if options.connection.checksum.unwrap_or(provider.checksum) == Checksum::None {
        told.push_str("; no checksums are sent, which this provider rejects");
    }
    match largest {
        Some((name, bytes)) if *bytes > most => findings.warn(
            CHECK,
            format!("{told}; {name} has {} on disk, and might not fit", size(*bytes)),
            "set destination.part_size to use larger parts, or dump large tables in a separate job",
        ),
        _ => findings.ok(CHECK, told),
    };
}

#[cfg(test)]
mod tests {
    use super::super::report::{Level, Report};
    use super::*;

    #[test]
    fn what_is_tried_is_no_backup() {
        for (databases, globals) in [
            ("{prefix}{database}_{timestamp}.sql.gz", "{prefix}globals_{timestamp}.sql.gz"),
            ("{timestamp}-{database}", "g{timestamp}"),
            ("{prefix}{timestamp}/{database}.tmp", "{prefix}{timestamp}.tmp"),
        ] {
            let naming = Naming::new(databases, globals, "p/", "j", chrono_tz::UTC).unwrap();
            let key = probe_key(&naming);
            assert!(key.starts_with(naming.common_prefix()) && naming.parse(&key).is_none(), "{key}");
        }
    }

    #[test]
    fn requests_are_refused_after_fifteen_minutes() {
        let now = Utc::now();
        for (minutes, level) in
            [(0, Level::Ok), (5, Level::Warning), (-16, Level::Failed), (16, Level::Failed)]
        {
            let mut findings = Findings::default();
            clock(Some(now + TimeDelta::minutes(minutes)), now, &mut findings);
            assert_eq!(Report::new("j", findings).findings[0].level, level, "{minutes}");
        }
        let mut findings = Findings::default();
        clock(None, now, &mut findings);
        assert!(Report::new("j", findings).findings.is_empty());
    }
}

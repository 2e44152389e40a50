//! Tests how `pgsiphon check` reports each missing permission on a bucket.

use std::collections::BTreeMap;

use crate::support::scripted_s3::{ACCESS_KEY, BUCKET, Conditions, Fault, Op, Rule, ScriptedS3};
use serde_json::Value;

/// Runs the command with an unreachable source, and returns the levels and texts of the findings about
/// the storage.
async fn check(server: &ScriptedS3, more: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pgsiphon"));
    command
        .args(["check", "--json"])
        .env("PGSIPHON_SOURCE_URL", "postgresql://nobody@127.0.0.1:1/x")
        .env("PGSIPHON_DESTINATION_URL", format!("s3://{BUCKET}/nightly"))
        .env("PGSIPHON_DESTINATION_ENDPOINT_URL", &server.endpoint_url)
        .env("PGSIPHON_AWS_S3_REGION", "us-east-1")
        .env("PGSIPHON_AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("PGSIPHON_AWS_SECRET_ACCESS_KEY", "secret")
        .envs(more.iter().copied())
        .current_dir(std::env::temp_dir());
    let output = command.output().await.unwrap();
    // The exit code of the source's failure, which comes first.
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = reports[0]["findings"].as_array().unwrap().iter();
    findings.map(|f| (text(&f["check"]), (text(&f["level"]), text(&f["found"])))).collect()
}

async fn denied(ops: &[Op]) -> ScriptedS3 {
    let rules: Vec<_> = ops.iter().map(|op| Rule::always(*op, Fault::Reject(403, "AccessDenied"))).collect();
    ScriptedS3::start(&rules).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_has_its_own_finding() {
    let rights = [
        (Op::ListObjects, "list", "warning"),
        (Op::PutObject, "write", "failed"),
        (Op::GetObject, "read", "warning"),
        (Op::CreateMultipartUpload, "multipart upload", "failed"),
        (Op::UploadPart, "multipart upload", "failed"),
        (Op::ListMultipartUploads, "list uploads", "warning"),
        (Op::AbortMultipartUpload, "abort", "failed"),
        (Op::DeleteObject, "delete", "ok"),
    ];
    for (op, check_name, level) in rights {
        let server = denied(&[op]).await;
        let found = check(&server, &[]).await;
        for (_, other, _) in rights {
            let Some((other_level, text)) = found.get(other) else { continue };
            let expected = if other == check_name { level } else { "ok" };
            assert_eq!(other_level, expected, "{op:?} denied, {other}: {text}");
        }
        let left = server.pending_uploads().len();
        assert_eq!(left, usize::from(op == Op::AbortMultipartUpload), "{op:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pruning_needs_permission_to_delete() {
    let server = denied(&[Op::DeleteObject]).await;
    let found = check(&server, &[]).await;
    assert!(found["delete"].1.starts_with("denied, as recommended"), "{found:#?}");
    let found = check(
        &server,
        &[("PGSIPHON_RETENTION_PRUNE_AFTER_BACKUP", "true"), ("PGSIPHON_RETENTION_KEEP_DAILY", "7")],
    )
    .await;
    assert_eq!(found["delete"].0, "failed");
    assert_eq!(found["retention"].1, "keeps 7 daily; removed after each run");
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_conditions_cause_a_warning() {
    for (conditions, level) in
        [(Conditions::Kept, "ok"), (Conditions::Ignored, "warning"), (Conditions::Refused, "warning")]
    {
        let server = ScriptedS3::start(&[]).await;
        server.set_conditions(conditions);
        let found = check(&server, &[]).await;
        assert_eq!(found["conditional writes"].0, level, "{conditions:?}: {found:#?}");
        assert_eq!((found["write"].0.as_str(), found["delete"].0.as_str()), ("ok", "ok"));
    }
}

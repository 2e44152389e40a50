//! The warnings of a backup are in its manifest and its report, in whichever task or thread they
//! occurred.

use serde_json::Value;

use crate::support::database::{Database, Settings};
use crate::support::scripted_s3::{ACCESS_KEY, BUCKET, Fault, Op, Rule, ScriptedS3};
use crate::support::servers::{Servers, clean_command};

#[tokio::test(flavor = "multi_thread")]
async fn repeated_storage_failures_are_in_the_manifest() {
    let postgres = Servers::from_environment().unwrap().newest().unwrap().clone();
    let from = Database::create(&postgres, "warnings", &Settings::default()).unwrap();
    from.query("CREATE TABLE big AS SELECT repeat(md5(g::text), 10) AS t FROM generate_series(1, 40000) g")
        .unwrap();
    let busy = Fault::Reject(503, "SlowDown");
    let server = ScriptedS3::start(&[Rule { op: Op::UploadPart, nth: 0, times: 7, fault: busy }]).await;
    let output = clean_command(env!("CARGO_BIN_EXE_pgsiphon"))
        .args(["backup", "--json"])
        .env("PGSIPHON_SOURCE_HOST", &postgres.host)
        .env("PGSIPHON_SOURCE_PORT", postgres.port.to_string())
        .env("PGSIPHON_SOURCE_USER", &postgres.user)
        .env("PGSIPHON_SOURCE_DBNAME", from.name())
        .env("PGSIPHON_DATABASES_GLOBALS", "false")
        .env("PGSIPHON_DESTINATION_URL", format!("s3://{BUCKET}/nightly"))
        .env("PGSIPHON_DESTINATION_ENDPOINT_URL", &server.endpoint_url)
        .env("PGSIPHON_DESTINATION_PART_SIZE", "12MiB")
        .env("PGSIPHON_DUMP_COMPRESS", "none")
        .env("PGSIPHON_AWS_S3_REGION", "us-east-1")
        .env("PGSIPHON_AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("PGSIPHON_AWS_SECRET_ACCESS_KEY", "secret")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let key = report[0]["backups"][0]["key"].as_str().unwrap();
    let manifest = server.object(&format!("{key}.manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    for warnings in [&manifest["warnings"], &report[0]["backups"][0]["warnings"]] {
        let text = warnings.to_string();
        assert!(text.contains("UploadPart keeps failing") && text.contains("SlowDown"), "{text}");
    }
}

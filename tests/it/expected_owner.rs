//! Every request of every command carries `destination.expected_bucket_owner`: a bucket that now belongs
//! to somebody else is neither written nor read.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::database::{Database, Settings};
use crate::support::scripted_s3::{ACCESS_KEY, BUCKET, Op, ScriptedS3};
use crate::support::servers::{Servers, clean_command};

fn pgsiphon(server: &ScriptedS3, from: &Database, arguments: &[&str]) {
    let [_, host, _, port, _, user] = from.server().connection_options();
    let mut command: Command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
    let output = command
        .args(arguments)
        .env("PGSIPHON_SOURCE_HOST", host)
        .env("PGSIPHON_SOURCE_PORT", port)
        .env("PGSIPHON_SOURCE_USER", user)
        .env("PGSIPHON_SOURCE_DBNAME", from.name())
        .env("PGSIPHON_DATABASES_GLOBALS", "false")
        .env("PGSIPHON_DESTINATION_URL", format!("s3://{BUCKET}/nightly"))
        .env("PGSIPHON_DESTINATION_ENDPOINT_URL", &server.endpoint_url)
        .env("PGSIPHON_DESTINATION_PART_SIZE", "5MiB")
        .env("PGSIPHON_DESTINATION_EXPECTED_BUCKET_OWNER", "123456789012")
        .env("PGSIPHON_DUMP_COMPRESS", "none")
        .env("PGSIPHON_RETENTION_KEEP_LAST", "1")
        .env("PGSIPHON_AWS_S3_REGION", "us-east-1")
        .env("PGSIPHON_AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("PGSIPHON_AWS_SECRET_ACCESS_KEY", "secret")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_names_the_expected_owner() {
    let postgres = Servers::from_environment().unwrap().newest().unwrap().clone();
    let make = |stem| Database::create(&postgres, stem, &Settings::default()).unwrap();
    let (from, to) = (make("owner"), make("owner_to"));
    from.query("CREATE TABLE big AS SELECT repeat(md5(g::text), 10) AS t FROM generate_series(1, 40000) g")
        .unwrap();
    let server = ScriptedS3::start(&[]).await;
    pgsiphon(&server, &from, &["check"]);
    pgsiphon(&server, &from, &["backup"]);
    pgsiphon(&server, &from, &["list"]);
    pgsiphon(&server, &from, &["status"]);
    pgsiphon(&server, &from, &["verify", "latest"]);
    let url = format!(
        "postgresql://{}@/{}?host={}&port={}",
        postgres.user,
        to.name(),
        postgres.host,
        postgres.port
    );
    pgsiphon(&server, &from, &["restore", "latest", "--to", &url]);
    pgsiphon(&server, &from, &["prune", "--yes"]);
    assert_eq!(to.query("SELECT count(*) FROM big").unwrap().trim(), "40000");
    assert_eq!(server.without_owner(), []);
    let asked: BTreeSet<Op> = server.log().into_iter().collect();
    for op in [Op::GetObject, Op::HeadObject, Op::UploadPart, Op::CompleteMultipartUpload, Op::ListObjects] {
        assert!(asked.contains(&op), "{op:?} was never asked for");
    }
}

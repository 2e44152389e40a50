//! The hints of errors reach the terminal, even after other errors were wrapped around them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::database::{Database, Settings};
use crate::support::scripted_s3::{ACCESS_KEY, BUCKET, Fault, Op, Rule, ScriptedS3};
use crate::support::servers::{Servers, clean_command};

/// About 12 MB that do not compress well.
const BIG: &str =
    "CREATE TABLE big AS SELECT md5(g::text) || md5((-g)::text) AS t FROM generate_series(1, 200000) g";

fn database(stem: &str, sql: &str) -> Database {
    let database =
        Database::create(Servers::from_environment().unwrap().newest().unwrap(), stem, &Settings::default())
            .unwrap();
    database.query(sql).unwrap();
    database
}

fn pgsiphon(server: &ScriptedS3) -> Command {
    let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", &server.endpoint_url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn wait_for(server: &ScriptedS3, op: Op) {
    let start = Instant::now();
    while !server.log().contains(&op) {
        assert!(start.elapsed() < Duration::from_secs(60), "{op:?} was never asked for");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_names_the_command_that_removes_the_upload_it_left() {
    let from = database("hint_upload", BIG);
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let server = ScriptedS3::start(&[
            // The signal arrives before the dump has finished.
            Rule {
                op: Op::UploadPart,
                nth: 1,
                times: usize::MAX,
                fault: Fault::Delay(Duration::from_secs(60)),
            },
            Rule::always(Op::AbortMultipartUpload, Fault::Reject(403, "AccessDenied")),
        ])
        .await;
        let mut command = pgsiphon(&server);
        command
            .arg("dump")
            .args(from.server().connection_options())
            .args(["-d", from.name(), "-Z", "none", "--s3-part-size", "5MiB"])
            .args(["-f", &format!("s3://{BUCKET}/nightly/db.sql")]);
        let child = command.spawn().unwrap();
        wait_for(&server, Op::UploadPart);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let (ended, stderr) = end(child);
        assert_eq!(ended, Some(code), "{stderr}");
        for part in ["write the dump: interrupted", "(hint: ", "aws s3api abort-multipart-upload --bucket"] {
            assert!(stderr.contains(part), "{part} is missing in {stderr}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_its_manifest_explains_why() {
    let from = database("hint_manifest", "CREATE TABLE t (a int)");
    // The first object is the backup, the second its manifest.
    let server = ScriptedS3::start(&[Rule::once(Op::PutObject, 1, Fault::Reject(403, "AccessDenied"))]).await;
    let [_, host, _, port, _, user] = from.server().connection_options();
    let mut command = pgsiphon(&server);
    command
        .arg("backup")
        .env("PGSIPHON_SOURCE_HOST", host)
        .env("PGSIPHON_SOURCE_PORT", port)
        .env("PGSIPHON_SOURCE_USER", user)
        .env("PGSIPHON_SOURCE_DBNAME", from.name())
        .env("PGSIPHON_DESTINATION_URL", format!("s3://{BUCKET}/nightly"))
        .env("PGSIPHON_DATABASES_GLOBALS", "false");
    let (code, stderr) = end(command.spawn().unwrap());
    assert_eq!(code, Some(6), "{stderr}");
    for hint in ["the credentials need s3:PutObject", "does not count as good without its manifest"] {
        assert!(stderr.contains(hint), "{hint} is missing in {stderr}");
    }
}

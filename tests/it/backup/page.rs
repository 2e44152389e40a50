//! Tests the status page in a real browser. `PGSIPHON_TEST_BROWSER` names it: Chromium, or a browser
//! with the same flags; scripts/test looks for one.

use std::process::Command;

use super::schedule::Scheduler;
use super::world::{World, wait_until};

const BROWSER_VARIABLE: &str = "PGSIPHON_TEST_BROWSER";

fn browser(profile: &tempfile::TempDir, arguments: &[&str]) -> std::process::Output {
    let program = std::env::var_os(BROWSER_VARIABLE)
        .unwrap_or_else(|| panic!("{BROWSER_VARIABLE} is not set: scripts/test finds a Chromium by itself"));
    Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--window-size=900,1400"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_browser_shows_the_status_page() {
    let world = World::new();
    let database = world.database("bk_page <b>\"'&", "CREATE TABLE t AS SELECT generate_series(1, 1000) g");
    let place = world.directory();
    let mut command = world.command(&place, database.name(), &["schedule"]);
    command.env("PGSIPHON_DATABASES_GLOBALS", "false");
    let scheduler = Scheduler::start(command);
    wait_until("three runs", || scheduler.get("/").matches("<circle").count() >= 3);

    let profile = tempfile::tempdir().unwrap();
    let shot = profile.path().join("page.png");
    let output = browser(&profile, &[&format!("--screenshot={}", shot.display()), &scheduler.url()]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && shot.metadata().is_ok_and(|file| file.len() > 10_000), "{log}");
    // The page requests nothing that its own policy forbids, and runs no scripts.
    assert!(!log.contains("CONSOLE"), "{log}");

    let output = browser(&profile, &["--dump-dom", &scheduler.url()]);
    let dom = String::from_utf8(output.stdout).unwrap();
    for shown in [
        "succeeded",
        "<h3>bk_page",
        "&lt;b&gt;",
        "<polyline points=",
        "✓ good",
        "pgsiphon restore '",
        "--to postgresql://HOST/NEW_DATABASE",
    ] {
        assert!(dom.contains(shown), "{shown:?} is not in {dom}");
    }
    assert!(!dom.contains("<b>"), "{dom}");
}

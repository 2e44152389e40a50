//! `pgsiphon schedule`: runs on time, what it serves, and how it stops.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::mpsc;

use super::world::{BIG, Place, World, ends, json, stderr, wait_until};

/// A scheduler that serves its page, and is killed at the end of the test.
pub(crate) struct Scheduler {
    process: Child,
    address: String,
    log: mpsc::Receiver<String>,
}

impl Scheduler {
    /// Starts the scheduler; a run is due every second.
    pub(crate) fn start(mut command: Command) -> Self {
        command.env("PGSIPHON_SCHEDULE_CRON", "* * * * * *").env("PGSIPHON_HTTP_LISTEN", "127.0.0.1:0");
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let first = log.recv().unwrap();
        let address = first.split("http://").nth(1).unwrap_or_else(|| panic!("{first}"));
        let address = address.trim_end_matches('/').to_owned();
        Scheduler { process, address, log }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The body served at a path.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal, waits for the end, and returns the exit code and the log.
    fn signal(mut self, name: &str) -> (Option<i32>, String) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        let code = self.process.wait().unwrap().code();
        (code, self.log.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn command(world: &World, place: &Place, database: &str) -> Command {
    let mut command = world.command(place, database, &["schedule"]);
    command.env("PGSIPHON_DATABASES_GLOBALS", "false");
    command
}

#[test]
fn runs_are_stored_and_shown_and_end_with_the_process() {
    let world = World::new();
    let database = world.database("bk_schedule", "CREATE TABLE t AS SELECT generate_series(1, 10) g");
    let place = world.bucket();
    let scheduler = Scheduler::start(command(&world, &place, database.name()));
    assert!(scheduler.get("/healthz").starts_with("HTTP/1.1 200"));
    let succeeded = "result=\"succeeded\"} 2\n";
    wait_until("two runs", || scheduler.get("/metrics").contains(succeeded));
    let metrics = scheduler.get("/metrics");
    for (metric, value) in [("last_good_backup_rows", " 10\n"), ("last_run_succeeded", " 1\n")] {
        let line = metrics.lines().find(|line| line.starts_with(&format!("pgsiphon_{metric}{{")));
        assert!(line.is_some_and(|line| line.ends_with(value.trim_end())), "{metric}: {metrics}");
    }
    let (code, log) = scheduler.signal("-TERM");
    // Between two runs there is nothing to abort; during a run there is a grace period.
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("runs next at"), "{log}");
    let listed = json(world.command(&place, database.name(), &["list"]), 0);
    let listed = listed.as_array().unwrap();
    assert!(listed.len() >= 2 && listed.iter().all(|backup| backup["state"] == "good"), "{listed:?}");
    assert_eq!(place.pending(), 0);
}

#[test]
fn a_killed_scheduler_leaves_only_complete_backups_and_the_next_run_cleans_up() {
    let world = World::new();
    let database = world.database("bk_schedule_kill", BIG);
    let place = world.bucket();
    for _ in 0..2 {
        let scheduler = Scheduler::start(command(&world, &place, database.name()));
        // What the previous run has left is removed first.
        wait_until("a part", || place.pending() == 1);
        drop(scheduler);
        let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", database.name());
        wait_until("the end of its sessions", || database.query(&sessions).unwrap().trim() == "1");
        let listed = json(world.command(&place, database.name(), &["list"]), 0);
        assert!(listed.as_array().unwrap().iter().all(|backup| backup["state"] == "good"), "{listed}");
    }
    let mut backup = world.command(&place, database.name(), &["backup"]);
    backup.env("PGSIPHON_DATABASES_GLOBALS", "false");
    ends(backup, 0);
    assert_eq!(place.pending(), 0);
}

#[test]
fn a_run_that_does_not_end_in_time_is_aborted_cleanly() {
    let world = World::new();
    let database = world.database("bk_schedule_term", BIG);
    let place = world.bucket();
    let mut command = command(&world, &place, database.name());
    command.env("PGSIPHON_SCHEDULE_GRACE_PERIOD", "0");
    let scheduler = Scheduler::start(command);
    wait_until("a part", || place.pending() == 1);
    let (code, log) = scheduler.signal("-TERM");
    assert_eq!(code, Some(143), "{log}");
    assert_eq!(place.pending(), 0, "{log}");
    let listed = json(world.command(&place, database.name(), &["list"]), 0);
    assert!(listed.as_array().unwrap().iter().all(|backup| backup["state"] == "good"), "{listed}");
}

#[test]
fn a_port_in_use_is_reported_before_anything_runs() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = world.directory();
    let mut command = command(&world, &place, "postgres");
    command.env("PGSIPHON_HTTP_LISTEN", taken.local_addr().unwrap().to_string());
    let output = ends(command, 2);
    assert!(stderr(&output).contains("http.listen"), "{}", stderr(&output));
}

/// Accepts requests one after another, answers 200, and passes them on.
fn listener() -> (String, mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
            }
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            drop(sender.send(head + &String::from_utf8(body).unwrap()));
        }
    });
    (url, requests)
}

#[test]
fn start_success_and_failure_are_notified() {
    let world = World::new();
    let database = world.database("bk_notify", "CREATE TABLE t AS SELECT generate_series(1, 10) g");
    let place = world.directory();
    let (url, requests) = listener();
    let command = |place: &Place, database: &str| {
        let mut command = world.command(place, database, &["backup"]);
        command
            .env("PGSIPHON_NOTIFY_PING_URL", format!("{url}/ping-token"))
            .env("PGSIPHON_NOTIFY_WEBHOOK_URL", format!("{url}/hook-token"))
            .env("PGSIPHON_DATABASES_GLOBALS", "false");
        command
    };
    ends(command(&place, database.name()), 0);
    let next = || requests.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert!(next().starts_with("POST /ping-token/start "));
    assert!(next().starts_with("POST /ping-token "));
    let hook = next();
    assert!(hook.starts_with("POST /hook-token "), "{hook}");
    let body: serde_json::Value = serde_json::from_str(hook.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["event"], "backup.succeeded");
    assert_eq!(body["report"]["backups"][0]["database"], database.name());

    let failed = ends(command(&place, "bk_notify_no_such"), 3);
    assert!(next().starts_with("POST /ping-token/start "));
    let fail = next();
    assert!(fail.starts_with("POST /ping-token/fail ") && fail.contains("bk_notify_no_such"), "{fail}");
    assert!(next().contains("\"event\":\"backup.failed\""));
    assert!(!stderr(&failed).contains("token"), "{}", stderr(&failed));

    // If nobody can be notified, the backup is still made. It goes to another place, because it may have
    // the same name as the first, if both begin in the same second.
    let elsewhere = world.directory();
    let mut deaf = command(&elsewhere, database.name());
    deaf.env("PGSIPHON_NOTIFY_PING_URL", "http://127.0.0.1:1/ping-token");
    let output = ends(deaf, 0);
    assert!(stderr(&output).contains("ping the start of the run"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("ping-token"), "{}", stderr(&output));
}

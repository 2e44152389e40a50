//! Tests the scheduler with a simulated clock and simulated runs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;

use super::*;
use crate::config::layer::{File, Layer};
use crate::config::{Config, Job};
use crate::ops::Failure;

const STEP: TimeDelta = TimeDelta::seconds(30);

/// A clock that advances only while someone sleeps, and shuts the scheduler down at the end.
struct FakeClock {
    now: Mutex<DateTime<Utc>>,
    end: DateTime<Utc>,
    shutdown: CancellationToken,
}

impl FakeClock {
    fn advance(&self, by: TimeDelta) {
        let mut now = self.now.lock().unwrap();
        *now += by;
        if *now >= self.end {
            self.shutdown.cancel();
        }
    }
}

impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> futures::future::BoxFuture<'_, ()> {
        let until = self.now() + TimeDelta::from_std(duration).unwrap();
        Box::pin(async move {
            while self.now() < until {
                let before = self.now();
                tokio::task::yield_now().await;
                // A run takes time, too.
                if self.now() == before {
                    self.advance(STEP.min(until - before));
                }
            }
        })
    }
}

/// Takes a fixed time for each run, and records when the runs began.
struct Pretended<'a> {
    clock: &'a FakeClock,
    takes: TimeDelta,
    /// Whether it stops when asked to.
    fails: bool,
    began: Mutex<Vec<DateTime<Utc>>>,
    at_once: AtomicUsize,
}

impl Runner for Pretended<'_> {
    fn run<'a>(
        &'a self,
        job: usize,
        now: DateTime<Utc>,
        abort: CancellationToken,
    ) -> LocalBoxFuture<'a, RunReport> {
        assert_eq!(job, 0);
        Box::pin(async move {
            assert_eq!(self.at_once.fetch_add(1, Ordering::SeqCst), 0, "runs overlap");
            self.began.lock().unwrap().push(now);
            let mut left = self.takes;
            while left > TimeDelta::zero() && !abort.is_cancelled() {
                self.clock.advance(STEP);
                left -= STEP;
                tokio::task::yield_now().await;
            }
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            let stopped = abort.is_cancelled();
            let error = Error::new(ErrorKind::SourceFailed, "pretend").because("it was to fail");
            RunReport {
                job: "default".into(),
                run_id: String::new(),
                started_at: now,
                finished_at: self.clock.now(),
                succeeded: !self.fails && !stopped,
                backups: Vec::new(),
                warnings: Vec::new(),
                removed_uploads: 0,
                pruned: 0,
                failure: (self.fails || stopped).then(|| Failure::from(&error)),
            }
        })
    }
}

struct NoEnvironment;

impl crate::pg::conninfo::Environment for NoEnvironment {
    fn raw(&self, _: &str) -> Option<String> {
        None
    }
}

fn config(toml: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgsiphon.toml");
    let text = format!("source.dbname = \"x\"\ndestination.url = \"{}\"\n{toml}", folder.path().display());
    std::fs::write(&path, text).unwrap();
    Config::resolve(None, Some(File::read(&path).unwrap()), Layer::default(), &NoEnvironment).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Runs the scheduler from `from` for `hours`; returns when runs began, and how it ended.
async fn live(
    toml: &str,
    from: &str,
    hours: i64,
    takes: TimeDelta,
    fails: bool,
) -> (Vec<String>, Result<()>, JobState) {
    let config = config(toml);
    let jobs: Vec<&Job> = config.jobs.iter().collect();
    let shutdown = CancellationToken::new();
    let end = at(from) + TimeDelta::hours(hours);
    let clock = FakeClock { now: Mutex::new(at(from)), end, shutdown: shutdown.clone() };
    let runner =
        Pretended { clock: &clock, takes, fails, began: Mutex::default(), at_once: AtomicUsize::new(0) };
    let board = new_board(&jobs);
    let ended = run(&jobs, &runner, &clock, &board, shutdown).await;
    let began = runner.began.lock().unwrap().iter().map(|at| at.format("%d %H:%M").to_string()).collect();
    (began, ended, board.read().remove(0))
}

#[tokio::test]
async fn a_week_has_seven_runs_at_their_time() {
    let minute = TimeDelta::minutes(1);
    let (began, ended, state) =
        live("[schedule]\ncron = \"0 4 * * *\"", "2026-01-01T12:00:00Z", 7 * 24, minute, false).await;
    ended.unwrap();
    let expected = ["02 04:00", "03 04:00", "04 04:00", "05 04:00", "06 04:00", "07 04:00", "08 04:00"];
    assert_eq!(began, expected);
    assert_eq!((state.succeeded, state.failed), (7, 0));
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_followed_by_one_only() {
    // Hourly, and each run takes two and a half hours.
    let takes = TimeDelta::minutes(150);
    let (began, ended, _) =
        live("[schedule]\ncron = \"0 * * * *\"", "2026-01-01T00:30:00Z", 7, takes, false).await;
    // The last run was asked to stop, and did.
    assert_eq!(began, ["01 01:00", "01 03:30", "01 06:00"]);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Interrupted);
    let (began, _, _) =
        live("[schedule]\ncron = \"0 * * * *\"\ncatch_up = false", "2026-01-01T00:30:00Z", 8, takes, false)
            .await;
    assert_eq!(began, ["01 01:00", "01 04:00", "01 07:00"]);
}

#[tokio::test]
async fn failures_are_remembered_and_do_not_stop_the_schedule() {
    let (began, ended, state) =
        live("[schedule]\ncron = \"0 4 * * *\"", "2026-01-01T12:00:00Z", 48, TimeDelta::minutes(1), true)
            .await;
    ended.unwrap();
    assert_eq!(began.len(), 2);
    assert_eq!((state.succeeded, state.failed, state.failures.len()), (0, 2, 2));
    assert_eq!(state.last.unwrap().failures, ["pretend: it was to fail"]);
    assert_eq!(state.next, Some(at("2026-01-04T04:00:00Z")));
}

#[tokio::test]
async fn a_run_may_end_within_its_grace_period() {
    let toml = "[schedule]\ncron = \"0 4 * * *\"\ngrace_period = \"1h\"";
    // The run begins at 04:00, is asked to stop at 04:30, and would end at 05:00.
    let hour = TimeDelta::minutes(60);
    let (began, ended, state) = live(toml, "2026-01-01T03:30:00Z", 1, hour, false).await;
    assert_eq!(began, ["01 04:00"]);
    ended.unwrap();
    assert_eq!(state.succeeded, 1);
}

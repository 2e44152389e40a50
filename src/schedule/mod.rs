//! Runs jobs at their times, in a long-running process.
//!
//! Each job has its own task, which waits, runs, and waits again, so runs of one job cannot overlap in
//! this process. The job's lock in the source keeps other processes out. [`due`], which is pure, decides
//! what is due.

pub mod clock;
pub(crate) mod due;
pub(crate) mod state;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use futures::future::{LocalBoxFuture, join_all};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Job, Schedule};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Inventory, RunReport, backup, notify};
use crate::progress::Silent;
use crate::storage::store;
use clock::Clock;
use due::{DueTimes, Next};
use state::{JobState, SchedulerState};

/// The longest sleep before the clock is read again: it may have jumped, or the machine may have slept.
const LONGEST_SLEEP: Duration = Duration::from_secs(20);

/// How often the store is listed, in addition to after each run: other programs may remove backups.
const LISTING_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// How many upcoming runs are logged at startup.
const ANNOUNCED: usize = 3;

/// What the scheduler runs: backups, or a test double.
pub trait Runner {
    /// Runs job number `job` at `now`. Cancelling `abort` ends the run soon.
    fn run<'a>(
        &'a self,
        job: usize,
        now: DateTime<Utc>,
        abort: CancellationToken,
    ) -> LocalBoxFuture<'a, RunReport>;
}

/// The runner of the program: backups with notifications.
pub struct Backups<'a> {
    /// The jobs as configured at startup.
    pub jobs: &'a [&'a Job],
    /// Reloads the configuration, because secrets in files may have changed.
    pub reload: &'a dyn Fn() -> Result<Config>,
}

impl Runner for Backups<'_> {
    fn run<'a>(
        &'a self,
        job: usize,
        now: DateTime<Utc>,
        abort: CancellationToken,
    ) -> LocalBoxFuture<'a, RunReport> {
        let job = self.jobs[job];
        let reloaded = (self.reload)().map_err(|error| {
            let reason = error.report();
            tracing::warn!(
                "job {}: cannot reload the configuration; keeping the one loaded at startup: {reason}",
                job.name
            );
        });
        Box::pin(async move {
            let reloaded = reloaded.iter().flat_map(|config| &config.jobs).find(|it| it.name == job.name);
            let job = reloaded.unwrap_or(job);
            notify::started(&job.notify).await;
            let report = Box::pin(backup::run(job, now, Arc::new(Silent), abort)).await;
            notify::finished(&job.notify, &report).await;
            report
        })
    }
}

/// The initial state of these jobs, before any run.
pub fn new_board(jobs: &[&Job]) -> SchedulerState {
    SchedulerState::new(jobs.iter().map(|job| JobState {
        name: job.name.clone(),
        schedule: format!("{} {}", job.schedule.text, job.schedule.time_zone),
        ..JobState::default()
    }))
}

/// Runs the jobs at their times until `shutdown` is cancelled. Runs in progress may then continue for
/// their jobs' grace periods.
///
/// # Errors
/// `Interrupted`, if a run had to be aborted. Failures of runs are logged and recorded on the board.
pub async fn run(
    jobs: &[&Job],
    runner: &dyn Runner,
    clock: &dyn Clock,
    board: &SchedulerState,
    shutdown: CancellationToken,
) -> Result<()> {
    let tasks = jobs.iter().enumerate().map(async |(number, job)| {
        let last = list(job, number, clock, board).await;
        let settled = if job.schedule.catch_up { last } else { None };
        let slots = DueTimes::new(job.schedule.clone(), settled.unwrap_or_else(|| clock.now()));
        announce(job, &slots, clock.now());
        let task = Task { job, number, runner, clock, board, shutdown: &shutdown };
        task.live(slots).await
    });
    let aborted = join_all(tasks).await.into_iter().any(|ended| ended == Ended::Aborted);
    match aborted {
        true => Err(Error::new(ErrorKind::Interrupted, "finish the run within its grace period")
            .because("it was aborted; nothing incomplete was left behind")),
        false => Ok(()),
    }
}

/// Lists a job's backups in the store, and returns the time of the newest. A failure does not prevent
/// runs: the writer may not be allowed to list.
async fn list(job: &Job, number: usize, clock: &dyn Clock, board: &SchedulerState) -> Option<DateTime<Utc>> {
    let listed = async {
        let store = store::open(&job.destination.place).await?;
        let inventory = Inventory::read(&*store, &job.name, &job.destination.naming).await?;
        board.update(number, |state| state.listed(&inventory, clock.now(), |key| store.shown(key)));
        Ok::<_, Error>(inventory.entries.iter().map(|entry| entry.parsed.timestamp).max())
    };
    Box::pin(listed).await.unwrap_or_else(|error| {
        tracing::warn!("job {}: cannot list its backups: {}", job.name, error.report());
        board.update(number, |state| state.list_problem = Some(error.report()));
        None
    })
}

fn announce(job: &Job, slots: &DueTimes, now: DateTime<Utc>) {
    let Schedule { text, time_zone, .. } = &job.schedule;
    let upcoming: Vec<_> = slots.upcoming(now, ANNOUNCED).iter().map(|slot| local(job, *slot)).collect();
    match upcoming.is_empty() {
        true => tracing::warn!("job {}: \"{text}\" never matches", job.name),
        false => {
            tracing::info!("job {} ({text}, {time_zone}) runs next at {}", job.name, upcoming.join(", "))
        }
    }
}

fn local(job: &Job, time: DateTime<Utc>) -> String {
    time.with_timezone(&job.schedule.time_zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Cleanly,
    Aborted,
}

struct Task<'a> {
    job: &'a Job,
    number: usize,
    runner: &'a dyn Runner,
    clock: &'a dyn Clock,
    board: &'a SchedulerState,
    shutdown: &'a CancellationToken,
}

impl Task<'_> {
    async fn live(&self, mut slots: DueTimes) -> Ended {
        let mut since_listing = Duration::ZERO;
        while !self.shutdown.is_cancelled() {
            let now = self.clock.now();
            let pause = match slots.next(now) {
                Next::Run { slot, missed } => {
                    self.tell_if_late(slot, missed, now);
                    if self.run().await == Ended::Aborted {
                        return Ended::Aborted;
                    }
                    Box::pin(list(self.job, self.number, self.clock, self.board)).await;
                    since_listing = Duration::ZERO;
                    continue;
                }
                Next::Skip { slot, missed } => {
                    let last = local(self.job, slot);
                    tracing::warn!("job {}: {missed} runs were missed, the last at {last}", self.job.name);
                    continue;
                }
                Next::Wait(until) => {
                    self.board.update(self.number, |state| state.next = Some(until));
                    (until - now).to_std().unwrap_or_default().min(LONGEST_SLEEP)
                }
                Next::Never => LONGEST_SLEEP,
            };
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = self.shutdown.cancelled() => {}
            }
            since_listing += pause;
            if since_listing >= LISTING_INTERVAL && !self.shutdown.is_cancelled() {
                Box::pin(list(self.job, self.number, self.clock, self.board)).await;
                since_listing = Duration::ZERO;
            }
        }
        Ended::Cleanly
    }

    fn tell_if_late(&self, slot: DateTime<Utc>, missed: usize, now: DateTime<Utc>) {
        let late = now - slot;
        if late > chrono::TimeDelta::minutes(5) || missed > 0 {
            let (name, slot) = (&self.job.name, local(self.job, slot));
            tracing::warn!(
                "job {name}: catching up on the run due at {slot}; {missed} earlier runs were missed"
            );
        }
    }

    /// Runs once. After `shutdown` the run gets its grace period, and is then aborted.
    async fn run(&self) -> Ended {
        let now = self.clock.now().trunc_subsecs(0);
        tracing::info!("job {}: starting the run", self.job.name);
        self.board.update(self.number, |state| {
            state.running_since = Some(now);
            state.next = None;
        });
        let abort = CancellationToken::new();
        let grace = async {
            self.shutdown.cancelled().await;
            self.clock.sleep(self.job.schedule.grace_period).await;
            abort.cancel();
            std::future::pending::<Infallible>().await
        };
        let report = tokio::select! {
            report = self.runner.run(self.number, now, abort.clone()) => report,
            never = grace => match never {},
        };
        self.tell(&report);
        self.board.update(self.number, |state| state.ended(&report));
        let was_aborted = abort.is_cancelled() && !report.succeeded;
        if was_aborted { Ended::Aborted } else { Ended::Cleanly }
    }

    fn tell(&self, report: &RunReport) {
        let name = &report.job;
        for failure in report.failures() {
            tracing::error!("job {name}: {}", failure.message);
        }
        let stored = report.backups.iter().filter(|backup| backup.failure().is_none()).count();
        let seconds = (report.finished_at - report.started_at).num_seconds();
        let of = report.backups.len();
        tracing::info!("job {name}: the run ended after {seconds} s; {stored} of {of} backups are stored");
    }
}

#[cfg(test)]
mod tests;

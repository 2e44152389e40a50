//! Metrics in the OpenMetrics text format, which Prometheus reads.

use std::fmt;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::schedule::state::JobState;

/// The media type from the specification
/// (<https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>).
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfJob {
    job: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRuns {
    job: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDatabase {
    job: String,
    database: String,
}

type Seconds<L> = Family<L, Gauge<f64, AtomicU64>>;
type Number<L> = Family<L, Gauge>;

pub(super) fn render(jobs: &[JobState], now: DateTime<Utc>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("pgsiphon");
    let runs = Family::<OfRuns, Counter>::default();
    registry.register("runs", "Runs since the scheduler started", runs.clone());
    let running = Number::<OfJob>::default();
    registry.register("running", "Whether a run is in progress", running.clone());
    let next = Seconds::<OfJob>::default();
    registry.register("next_run_timestamp_seconds", "When the next run is due", next.clone());
    let duration = Seconds::<OfJob>::default();
    registry.register("last_run_duration_seconds", "How long the last run took", duration.clone());
    let last_ok = Number::<OfJob>::default();
    registry.register("last_run_succeeded", "Whether the last run succeeded", last_ok.clone());
    let listable = Number::<OfJob>::default();
    registry.register(
        "store_listed",
        "Whether the last attempt to list the store succeeded",
        listable.clone(),
    );
    let age = Seconds::<OfDatabase>::default();
    registry.register("last_good_backup_age_seconds", "Age of the newest good backup", age.clone());
    let timestamp = Seconds::<OfDatabase>::default();
    registry.register(
        "last_good_backup_timestamp_seconds",
        "Time of the newest good backup",
        timestamp.clone(),
    );
    let stored = Number::<OfDatabase>::default();
    registry.register(
        "last_good_backup_stored_bytes",
        "Size of the newest good backup in the store",
        stored.clone(),
    );
    let text = Number::<OfDatabase>::default();
    registry.register(
        "last_good_backup_text_bytes",
        "Uncompressed size of the newest good backup",
        text.clone(),
    );
    let rows = Number::<OfDatabase>::default();
    registry.register("last_good_backup_rows", "Number of rows in the newest good backup", rows.clone());
    let took = Seconds::<OfDatabase>::default();
    registry.register(
        "last_good_backup_duration_seconds",
        "How long the newest good backup took",
        took.clone(),
    );
    let good = Number::<OfDatabase>::default();
    registry.register("good_backups", "Number of good backups", good.clone());
    let bad = Number::<OfDatabase>::default();
    registry.register("other_backups", "Number of backups that are not good", bad.clone());

    for job in jobs {
        let of_job = OfJob { job: job.name.clone() };
        for (result, count) in [("succeeded", job.succeeded), ("failed", job.failed)] {
            runs.get_or_create(&OfRuns { job: job.name.clone(), result }).inc_by(count);
        }
        running.get_or_create(&of_job).set(job.running_since.is_some().into());
        listable.get_or_create(&of_job).set((job.listed_at.is_some() && job.list_problem.is_none()).into());
        if let Some(at) = job.next {
            next.get_or_create(&of_job).set(seconds(at));
        }
        if let Some(run) = &job.last {
            duration.get_or_create(&of_job).set(seconds(run.finished_at) - seconds(run.started_at));
            last_ok.get_or_create(&of_job).set(run.failures.is_empty().into());
        }
        for subject in job.subjects() {
            let of = OfDatabase { job: job.name.clone(), database: subject.to_owned() };
            let all = job.backups.iter().filter(|backup| backup.subject == subject).count();
            let count = job.good(subject).count();
            good.get_or_create(&of).set(count as i64);
            bad.get_or_create(&of).set((all - count) as i64);
            let Some(newest) = job.good(subject).next_back() else { continue };
            age.get_or_create(&of).set((seconds(now) - seconds(newest.timestamp)).max(0.0));
            timestamp.get_or_create(&of).set(seconds(newest.timestamp));
            stored.get_or_create(&of).set(newest.stored_bytes as i64);
            if let (Some(text_bytes), Some(count)) = (newest.text_bytes, newest.rows) {
                text.get_or_create(&of).set(text_bytes as i64);
                rows.get_or_create(&of).set(count as i64);
            }
            if let Some(seconds) = newest.seconds {
                took.get_or_create(&of).set(seconds);
            }
        }
    }
    let mut out = String::new();
    encode(&mut out, &registry)?;
    Ok(out)
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

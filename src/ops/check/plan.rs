//! What the configuration does on its own: when the job runs, and what it keeps.

use chrono::{DateTime, Utc};

use super::report::Findings;
use crate::config::Job;
use crate::error::{Error, ErrorKind};

/// How many upcoming runs are listed.
const TOLD: usize = 3;

pub(super) fn check(job: &Job, now: DateTime<Utc>) -> Findings {
    let mut findings = Findings::default();
    let times = std::iter::successors(job.schedule.after(now), |time| job.schedule.after(*time)).take(TOLD);
    let zone = job.schedule.time_zone;
    let shown: Vec<_> =
        times.map(|time| time.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string()).collect();
    match shown.is_empty() {
        true => findings.warn(
            "schedule",
            format!("\"{}\" never matches", job.schedule.text),
            "correct schedule.cron if pgsiphon schedule runs the job",
        ),
        false => {
            findings.ok("schedule", format!("pgsiphon schedule would run it at {}, …", shown.join(", ")))
        }
    };
    retention(job, &mut findings);
    findings
}

fn retention(job: &Job, findings: &mut Findings) {
    const CHECK: &str = "retention";
    let policy = &job.retention;
    if !policy.has_rules() && job.prune_after_backup {
        let error = Error::new(ErrorKind::Usage, "prune after backups")
            .because("retention.prune_after_backup is set, but no rule says what to keep")
            .hint("set retention.keep_daily or another keep rule");
        findings.fail(CHECK, &error);
    } else if !policy.has_rules() {
        findings.warn(
            CHECK,
            "no rule: backups are never removed",
            "set retention.keep_daily or another keep rule, or add a lifecycle rule to the bucket",
        );
    } else {
        let rules = [
            ("last", policy.keep_last),
            ("daily", policy.keep_daily),
            ("weekly", policy.keep_weekly),
            ("monthly", policy.keep_monthly),
            ("yearly", policy.keep_yearly),
        ];
        let rules: Vec<_> = rules
            .iter()
            .filter(|(_, number)| *number > 0)
            .map(|(name, number)| format!("{number} {name}"))
            .collect();
        let when = if job.prune_after_backup { "after each run" } else { "only by pgsiphon prune --yes" };
        findings.ok(CHECK, format!("keeps {}; removed {when}", rules.join(", ")));
    }
}

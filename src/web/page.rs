//! The status page: one self-contained document.

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plot::{self, bytes, time};
use crate::schedule::state::{Backup, FinishedRun, JobState};

/// How many backups of a database the table lists; the plot shows all of them.
const LISTED: usize = 14;

const STYLE: &str = include_str!("page.css");

pub(super) fn render(jobs: &[JobState], now: DateTime<Utc>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="60";
                title { (title(jobs)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "pgsiphon" }
                    p { "As of " time datetime=(now.to_rfc3339()) { (time(now)) } ". All times are UTC." }
                }
                main {
                    @for job in jobs { (section(job, now)) }
                    @if jobs.is_empty() { p { "No jobs are configured." } }
                }
            }
        }
    };
    page.into_string()
}

/// The text in the browser tab.
fn title(jobs: &[JobState]) -> &'static str {
    let failed = jobs.iter().any(|job| job.last.as_ref().is_some_and(|run| !run.failures.is_empty()));
    if failed { "✗ pgsiphon: a run failed" } else { "pgsiphon" }
}

fn section(job: &JobState, now: DateTime<Utc>) -> Markup {
    html! {
        section id=(format!("job-{}", job.name)) {
            h2 { "Job " (job.name) }
            dl {
                dt { "Schedule" } dd { code { (job.schedule) } }
                dt { "Next run" } dd class="next" {
                    @match (job.running_since, job.next) {
                        (Some(since), _) => { "running since " (time(since)) }
                        (None, Some(next)) => { (time(next)) " (in " (span((next - now).num_seconds())) ")" }
                        (None, None) => { "none" }
                    }
                }
                dt { "Last run" } dd class="last" {
                    @match &job.last {
                        Some(run) => (outcome(run)),
                        None => "none since the scheduler was started",
                    }
                }
            }
            @if let Some(problem) = &job.list_problem {
                p class="problem" { "The backups could not be listed: " (problem) }
            }
            @if !job.failures.is_empty() {
                h3 { "Failed runs" }
                ul class="failures" {
                    @for run in &job.failures {
                        li { (time(run.started_at)) @for failure in &run.failures { p class="problem" { (failure) } } }
                    }
                }
            }
            @for subject in job.subjects() { (database(job, subject, now)) }
            @if job.backups.is_empty() && job.list_problem.is_none() { p { "No backups yet." } }
        }
    }
}

fn outcome(run: &FinishedRun) -> Markup {
    let took = span((run.finished_at - run.started_at).num_seconds());
    html! {
        (time(run.started_at)) ", " (took) ": "
        @if run.failures.is_empty() { span class="good" { "✓ succeeded" } }
        @else { span class="bad" { "✗ failed" } }
        @for warning in &run.warnings { p class="warning" { "Warning: " (warning) } }
    }
}

fn database(job: &JobState, subject: &str, now: DateTime<Utc>) -> Markup {
    let good: Vec<&Backup> = job.good(subject).collect();
    let listed = job.backups.iter().filter(|backup| backup.subject == subject).rev().take(LISTED);
    html! {
        h3 { (subject) }
        p {
            @match good.last() {
                Some(newest) => {
                    "Newest good backup: " strong { (span((now - newest.timestamp).num_seconds())) " old" }
                    ", " (bytes(newest.stored_bytes)) "."
                }
                None => span class="bad" { "✗ No good backup." },
            }
        }
        (plot::sizes(&good))
        div class="scroll" {
            table {
                thead { tr {
                    th { "Time" } th class="number" { "Stored" } th class="number" { "Text" }
                    th class="number" { "Rows" } th class="number" { "Took" } th { "State" } th { "Restore" }
                } }
                tbody { @for backup in listed { (row(backup)) } }
            }
        }
    }
}

fn row(backup: &Backup) -> Markup {
    html! {
        tr {
            td { (time(backup.timestamp)) }
            td class="number" { (bytes(backup.stored_bytes)) }
            td class="number" { @if let Some(text) = backup.text_bytes { (bytes(text)) } }
            td class="number" { @if let Some(rows) = backup.rows { (rows) } }
            td class="number" { @if let Some(seconds) = backup.seconds { (format!("{seconds:.1} s")) } }
            td {
                @if backup.is_good { span class="good" { "✓ good" } }
                @else { span class="bad" { "✗ " (backup.problem.as_deref().unwrap_or("not good")) } }
            }
            td { @if backup.is_good { code class="copy" { (restore_command(&backup.location)) } } }
        }
    }
}

/// The command that restores the backup; a click selects it.
fn restore_command(location: &str) -> String {
    format!("pgsiphon restore '{}' --to postgresql://HOST/NEW_DATABASE", location.replace('\'', r"'\''"))
}

/// A human-readable time span: its two largest units.
fn span(seconds: i64) -> String {
    let (sign, seconds) = if seconds < 0 { ("-", -seconds) } else { ("", seconds) };
    let text = match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn job() -> JobState {
        let backup = |day: u32, stored_bytes: u64, is_good: bool| Backup {
            subject: "shop <b>&".into(),
            timestamp: at(&format!("2026-01-{day:02}T04:00:00Z")),
            stored_bytes,
            text_bytes: Some(stored_bytes * 5),
            rows: Some(1000),
            seconds: Some(1.5),
            is_good,
            problem: (!is_good).then(|| "it has no manifest".into()),
            location: format!("s3://b/it's_{day}.sql.gz"),
        };
        let run = FinishedRun {
            started_at: at("2026-01-04T04:00:00Z"),
            finished_at: at("2026-01-04T04:01:40Z"),
            failures: vec!["connect to \"db\": refused <script>alert(1)</script>".into()],
            warnings: Vec::new(),
        };
        JobState {
            name: "nightly".into(),
            schedule: "0 4 * * * UTC".into(),
            next: Some(at("2026-01-05T04:00:00Z")),
            last: Some(run.clone()),
            failures: vec![run],
            failed: 1,
            backups: vec![backup(1, 100_000, true), backup(2, 120_000, true), backup(3, 9, false)],
            listed_at: Some(at("2026-01-04T05:00:00Z")),
            ..JobState::default()
        }
    }

    #[test]
    fn what_a_page_says() {
        let page = render(&[job()], at("2026-01-04T05:00:00Z"));
        for said in [
            "<title>✗ pgsiphon: a run failed</title>",
            "2026-01-05 04:00:00 (in 23 h 0 min)",
            "2 d 1 h old",
            "it has no manifest",
            "<polyline",
            "pgsiphon restore 's3://b/it'\\''s_2.sql.gz' --to postgresql://HOST/NEW_DATABASE",
        ] {
            assert!(page.contains(said), "{said:?} is not in {page}");
        }
        assert!(!page.contains("<script>") && !page.contains("shop <b>"), "unescaped: {page}");
        assert!(!page.contains("it'\\''s_3.sql.gz"), "a bad backup is offered for restore");
        assert!(!page.contains("src=") && !page.contains("href="), "the page loads an external resource");
    }

    #[test]
    fn time_spans() {
        let spans = [5, 100, 7_300, 200_000, -70].map(span);
        assert_eq!(spans, ["5 s", "1 min", "2 h 1 min", "2 d 7 h", "-1 min"]);
    }
}

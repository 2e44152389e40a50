//! Tells others of runs: a dead man's switch that complains when nothing is heard from us, and a webhook.
//!
//! Pings are as healthchecks.io defined them (<https://healthchecks.io/docs/http_api/>) and others
//! took over: the URL itself for success, with `/start` and `/fail` for the other two. A failure to
//! notify is a warning: the backup is what counts.

use std::sync::OnceLock;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use serde::Serialize;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::report::RunReport;
use crate::config::Notify;
use crate::error::ErrorKind;
use crate::pg::secret::Secret;
use crate::pg::tls::provider::provider;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of a failure's text a ping carries; services keep some 10 kB at least.
const PING_BODY_BYTES: usize = 8_000;

/// What a webhook gets.
#[derive(Serialize)]
struct Message<'a> {
    /// `backup.succeeded` or `backup.failed`.
    event: &'a str,
    /// One line for a person; chat services show it as it is.
    text: String,
    /// Everything.
    report: &'a RunReport,
}

/// Says that a run begins.
pub async fn started(notify: &Notify) {
    if let Some(url) = &notify.ping_url {
        post("ping that the run begins", &ping(url, "/start"), "text/plain", String::new()).await;
    }
}

/// Says how a run ended. That another run held the lock is not worth an alarm: that one will tell.
pub async fn finished(notify: &Notify, report: &RunReport) {
    if report.failure.as_ref().is_some_and(|failure| failure.kind == ErrorKind::JobLocked) {
        return;
    }
    if let Some(url) = &notify.ping_url {
        let end = if report.succeeded { "" } else { "/fail" };
        let mut body = summary(report);
        body.truncate(body.floor_char_boundary(PING_BODY_BYTES));
        post("ping that the run ended", &ping(url, end), "text/plain; charset=utf-8", body).await;
    }
    if let Some(url) = &notify.webhook_url {
        let event = if report.succeeded { "backup.succeeded" } else { "backup.failed" };
        match serde_json::to_string(&Message { event, text: summary(report), report }) {
            Ok(body) => post("post the report to the webhook", url, "application/json", body).await,
            Err(error) => tracing::warn!("write the report for the webhook: {error}"),
        }
    }
}

/// One line, or one for each failure.
fn summary(report: &RunReport) -> String {
    let stored = report.backups.iter().filter(|backup| backup.failure().is_none()).count();
    let seconds = (report.finished_at - report.started_at).num_seconds();
    let mut text = format!(
        "pgsiphon job {}: {stored} of {} backups stored in {seconds} s",
        report.job,
        report.backups.len()
    );
    for failure in report.failures() {
        text.push_str("\nfailed: ");
        text.push_str(&failure.message);
    }
    for warning in report.warnings.iter().chain(report.backups.iter().flat_map(|backup| &backup.warnings)) {
        text.push_str("\nwarning: ");
        text.push_str(warning);
    }
    text
}

/// The path goes before the parameters, if the URL has any.
fn ping(url: &Secret, end: &str) -> Secret {
    let url = url.reveal();
    let (path, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    Secret::new(format!("{}{end}{query}", path.trim_end_matches('/')))
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider())
            .build();
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).tls_config(tls);
        config.user_agent(concat!("pgsiphon/", env!("CARGO_PKG_VERSION"))).build().into()
    })
}

/// Sends, tries again twice, and gives up with a warning. The URL may be a secret, and is not shown.
async fn post(what: &'static str, url: &Secret, content_type: &'static str, body: String) {
    let send = || {
        let (url, body) = (url.clone(), body.clone());
        async move {
            let sent = tokio::task::spawn_blocking(move || {
                agent().post(url.reveal()).content_type(content_type).send(body).map(drop)
            });
            sent.await.unwrap_or(Err(ureq::Error::ConnectionFailed))
        }
    };
    let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_secs(1)).with_max_times(2);
    if let Err(error) = send.retry(pauses).await {
        tracing::warn!("{what}: {}", without_url(error));
    }
}

/// Some errors quote the URL.
fn without_url(error: ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the URL cannot be read".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_go_before_parameters() {
        let ping = |url: &str| ping(&Secret::new(url), "/fail").reveal().to_owned();
        assert_eq!(ping("https://hc.example/uuid"), "https://hc.example/uuid/fail");
        assert_eq!(ping("https://hc.example/uuid/"), "https://hc.example/uuid/fail");
        assert_eq!(ping("https://hc.example/uuid?rid=1"), "https://hc.example/uuid/fail?rid=1");
    }
}

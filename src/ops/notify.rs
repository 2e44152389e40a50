//! Notifies others of runs: a dead man's switch, which raises an alarm when pings stop, and a webhook.
//!
//! Pings follow the protocol that healthchecks.io defined (<https://healthchecks.io/docs/http_api/>) and
//! others adopted: the URL itself for success, with `/start` and `/fail` appended for start and failure.
//! A failed notification is only a warning: the backup is what matters.

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

const PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes of a failure's text a ping carries; services keep at least about 10 kB.
const PING_BODY_BYTES: usize = 8_000;

/// The JSON body that a webhook gets.
#[derive(Serialize)]
struct Message<'a> {
    /// `backup.succeeded` or `backup.failed`.
    event: &'a str,
    /// One line for people; chat services show it unchanged.
    text: String,
    report: &'a RunReport,
}

/// Reports that a run starts.
pub async fn started(notify: &Notify) {
    if let Some(url) = &notify.ping_url {
        post("ping the start of the run", &ping(url, "/start"), "text/plain", String::new()).await;
    }
}

/// Reports how a run ended. A run that found the lock taken raises no alarm: the run that holds the lock
/// reports.
pub async fn finished(notify: &Notify, report: &RunReport) {
    if report.failure.as_ref().is_some_and(|failure| failure.kind == ErrorKind::JobLocked) {
        return;
    }
    if let Some(url) = &notify.ping_url {
        let end = if report.succeeded { "" } else { "/fail" };
        let mut body = summary(report);
        body.truncate(body.floor_char_boundary(PING_BODY_BYTES));
        post("ping the end of the run", &ping(url, end), "text/plain; charset=utf-8", body).await;
    }
    if let Some(url) = &notify.webhook_url {
        let event = if report.succeeded { "backup.succeeded" } else { "backup.failed" };
        match serde_json::to_string(&Message { event, text: summary(report), report }) {
            Ok(body) => post("post the report to the webhook", url, "application/json", body).await,
            Err(error) => tracing::warn!("cannot write the report for the webhook: {error}"),
        }
    }
}

/// One line on success, one line per failure otherwise.
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

/// Appends to the path, before any query parameters.
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

/// Sends a request with two retries, and then gives up with a warning. Never shows the URL, which may be
/// a secret.
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
        ureq::Error::BadUri(_) => "the URL cannot be parsed".to_owned(),
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

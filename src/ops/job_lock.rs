//! The lock of a job: only the process that holds it runs the job.
//!
//! It is an advisory lock in the source, on a number derived from the job's name. The server releases it
//! when the connection ends for any reason: a crash, `kill -9`, a lost machine. So no stale lock has to
//! be removed by hand, and a run that gets the lock knows that no other run of the job is alive, and
//! that anything pending under the job's keys was left by a killed run.
//!
//! It is a transaction-level lock, so that it works through poolers in transaction mode. The transaction
//! reads nothing and does not hold back vacuum. Advisory locks are per database, so a job must always
//! take its lock in the same one.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::{Session, connect};
use crate::pg::error::ConnectionClosed;
use crate::pg::params::ConnectParams;

/// How often the connection is checked locally.
const LOOK: Duration = Duration::from_millis(500);

/// The server is queried after this many local checks. This also keeps the connection from looking idle
/// to anything in between.
const LOOKS_PER_QUESTION: u32 = 40;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A held lock. Dropping it closes the connection, and so releases the lock.
pub(crate) struct JobLock {
    job: String,
    lost: CancellationToken,
    release: CancellationToken,
    keeper: JoinHandle<()>,
}

impl JobLock {
    /// Fails with `JobLocked` if another run holds the lock, and with errors of the connection.
    pub(crate) async fn take(params: &ConnectParams, job: &str) -> Result<JobLock> {
        let session = connect(params).await?;
        let attempted = format!("take the lock of job \"{job}\"");
        let failed = |error| session.source_failed(attempted.clone(), error);
        let has_transaction_timeout = session.version().at_least(17);
        let mut sql = "BEGIN READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0; \
                       SET LOCAL statement_timeout = 0; SET LOCAL idle_session_timeout = 0;"
            .to_owned();
        if !session.version().at_least(14) {
            sql = sql.replace(" SET LOCAL idle_session_timeout = 0;", "");
        }
        if has_transaction_timeout {
            sql.push_str("SET LOCAL transaction_timeout = 0;");
        }
        session.client.batch_execute(&sql).await.map_err(failed)?;
        let key = lock_key(job);
        let row = session
            .client
            .query_one("SELECT pg_catalog.pg_try_advisory_xact_lock($1)", &[&key])
            .await
            .map_err(failed)?;
        if !row.try_get::<_, bool>(0).map_err(failed)? {
            let holder = holder(&session, key).await;
            session.close().await;
            return Err(Error::new(ErrorKind::JobLocked, format!("run job \"{job}\""))
                .because(format!("another run holds its lock{holder}")));
        }
        let (lost, release) = (CancellationToken::new(), CancellationToken::new());
        let keeper = tokio::spawn(keep(session, job.to_owned(), lost.clone(), release.clone()));
        Ok(JobLock { job: job.to_owned(), lost, release, keeper })
    }

    /// Cancelled when the connection, and so the lock, is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// The error of a run that lost its lock.
    pub(crate) fn loss(&self) -> Error {
        Error::new(ErrorKind::SourceFailed, format!("hold the lock of job \"{}\"", self.job))
            .because(ConnectionClosed)
            .hint("another run may start now, so this one must stop")
    }

    /// Releases the lock, and waits until the server has done so.
    pub(crate) async fn release(mut self) {
        self.release.cancel();
        if (&mut self.keeper).await.is_err() {
            tracing::debug!("the task that holds the lock ended early");
        }
    }
}

impl Drop for JobLock {
    fn drop(&mut self) {
        self.release.cancel();
        self.keeper.abort();
    }
}

/// Keeps the connection open until it is lost or no longer needed.
async fn keep(session: Session, job: String, lost: CancellationToken, release: CancellationToken) {
    let mut looks = 0;
    loop {
        tokio::select! {
            biased;
            () = release.cancelled() => break,
            () = tokio::time::sleep(LOOK) => {}
        }
        looks += 1;
        let mut alive = !session.client.is_closed();
        if alive && looks % LOOKS_PER_QUESTION == 0 {
            let question = session.client.batch_execute("SELECT");
            alive = matches!(tokio::time::timeout(PATIENCE, question).await, Ok(Ok(())));
        }
        if !alive {
            tracing::warn!("the connection that held the lock of job \"{job}\" is lost");
            lost.cancel();
            return;
        }
    }
    session.close().await;
}

/// Describes the session that holds the lock, as far as this role may see it.
async fn holder(session: &Session, key: i64) -> String {
    let sql = "SELECT a.pid, a.backend_start::pg_catalog.text AS since, \
                      pg_catalog.host(a.client_addr) AS client
                 FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
                WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                  AND (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8 = $1";
    let Ok(Some(row)) = session.client.query_opt(sql, &[&key]).await else { return String::new() };
    let mut text = String::new();
    if let Ok(pid) = row.try_get::<_, i32>("pid") {
        text.push_str(&format!(": server process {pid}"));
    }
    if let Ok(Some(since)) = row.try_get::<_, Option<String>>("since") {
        text.push_str(&format!(", since {since}"));
    }
    if let Ok(Some(client)) = row.try_get::<_, Option<String>>("client") {
        text.push_str(&format!(", from {client}"));
    }
    text
}

/// The number of a job's lock, unlikely to be used by another program.
fn lock_key(job: &str) -> i64 {
    let digest = Sha256::digest(format!("pgsiphon job {job}"));
    i64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of different versions must use the same number.
    #[test]
    fn the_number_of_a_job_stays_the_same() {
        assert_eq!(lock_key("default"), lock_key("default"));
        assert_ne!(lock_key("default"), lock_key("shop"));
        let digest = Sha256::digest("pgsiphon job default");
        assert_eq!(lock_key("default").to_be_bytes(), digest[..8]);
    }
}

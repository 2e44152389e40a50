//! One attempt at one database, or at the globals.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use futures::future::FutureExt;
use tokio_util::sync::CancellationToken;

use super::JobRun;
use super::retry::interrupted;
use crate::backups::manifest::hex;
use crate::backups::naming::Subject;
use crate::codec::Compression;
use crate::config::{Connector, Job};
use crate::dump::{ClusterRequest, DumpRequest, Dumped, OutputOptions, dump, dump_cluster};
use crate::error::Result;
use crate::ops::job_lock::JobLock;
use crate::pg::conninfo::OsEnvironment;
use crate::pg::error::sqlstate;
use crate::progress::Warnings;
use crate::select::options::{ClusterOptions, DumpOptions};
use crate::snapshot::SessionOptions;
use crate::storage::sink::Sink;

pub(in crate::ops) fn session_options(job: &Job) -> SessionOptions {
    SessionOptions {
        role: job.source.role.clone(),
        lock_wait_timeout: job.dump.lock_wait_timeout.clone(),
        ..SessionOptions::default()
    }
}

pub(in crate::ops) fn dump_options(job: &Job) -> DumpOptions {
    let mut options = DumpOptions::new(restrict_key());
    options.patterns.exclude_schemas = job.dump.exclude_schemas.clone();
    options.patterns.exclude_tables = job.dump.exclude_tables.clone();
    options.patterns.exclude_table_data = job.dump.exclude_table_data.clone();
    options.allow_unknown = job.dump.allow_unknown;
    options
}

/// The key that locks psql while it reads the dump: unpredictable to whoever wrote the data.
fn restrict_key() -> String {
    hex(&rand::random::<[u8; 32]>())
}

impl JobRun<'_> {
    pub(super) async fn attempt(
        &mut self,
        subject: &Subject,
        warnings: &Warnings,
    ) -> Result<(Dumped, DateTime<Utc>)> {
        let connector = self.job.source.connector().await?.warning(warnings);
        if self.lock.as_ref().is_none_or(|lock| lock.lost().is_cancelled()) {
            self.lock = None;
            // Another run may hold it by now; then this run must end.
            self.lock = Some(JobLock::take(&connector.params(None, &OsEnvironment)?, &self.job.name).await?);
        }
        let Some(lock) = &self.lock else { return Err(interrupted()) };
        let began = Utc::now().trunc_subsecs(0);
        let stop = self.shutdown.child_token();
        let dumping = self.dump(subject, connector, warnings, stop.clone()).boxed();
        let watching = async {
            lock.lost().cancelled().await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        let dumped = tokio::select! {
            dumped = dumping => dumped,
            () = watching => Err(lock.loss()),
        };
        match dumped {
            Err(_) if lock.lost().is_cancelled() && !self.shutdown.is_cancelled() => Err(lock.loss()),
            dumped => dumped.map(|dumped| (dumped, began)),
        }
    }

    async fn dump(
        &self,
        subject: &Subject,
        connector: Connector,
        warnings: &Warnings,
        stop: CancellationToken,
    ) -> Result<Dumped> {
        match subject {
            Subject::Database(name) => {
                let request = DumpRequest {
                    params: connector.params(Some(name), &OsEnvironment)?,
                    session: session_options(self.job),
                    options: dump_options(self.job),
                    output: self.output(subject, self.job.dump.jobs),
                    sink: self.sink(subject).await?,
                };
                dump(request, Arc::clone(&self.progress), warnings, stop).await
            }
            Subject::Globals => match self.globals(connector.clone(), false, warnings, stop.clone()).await {
                Err(error) if sqlstate(&error).is_some_and(|state| state.code() == "42501") => {
                    warnings
                        .warn("roles are backed up without their passwords, which only superusers may read");
                    self.globals(connector, true, warnings, stop).await
                }
                dumped => dumped,
            },
        }
    }

    async fn globals(
        &self,
        connector: Connector,
        no_role_passwords: bool,
        warnings: &Warnings,
        stop: CancellationToken,
    ) -> Result<Dumped> {
        let subject = Subject::Globals;
        let request = ClusterRequest {
            database: Some(self.connected.clone()),
            params_for: Box::new(move |database| connector.params(Some(database), &OsEnvironment)),
            session: session_options(self.job),
            cluster: ClusterOptions {
                roles: true,
                tablespaces: true,
                databases: false,
                no_role_passwords,
                exclude_databases: Vec::new(),
            },
            options: DumpOptions::new(restrict_key()),
            output: self.output(&subject, 1),
            sink: self.sink(&subject).await?,
        };
        dump_cluster(request, Arc::clone(&self.progress), warnings, stop).await
    }

    async fn sink(&self, subject: &Subject) -> Result<Box<dyn Sink>> {
        let key = self.job.destination.naming.key(subject, self.now);
        self.store.sink(&key, self.compression(subject).content_type()).await
    }

    fn output(&self, subject: &Subject, jobs: usize) -> OutputOptions {
        OutputOptions {
            compression: self.compression(subject),
            jobs,
            digest: true,
            index: self.job.dump.index,
            rate_limit: self.job.dump.rate_limit,
        }
    }

    pub(super) fn compression(&self, subject: &Subject) -> Compression {
        match subject {
            Subject::Database(_) => self.job.dump.compression,
            Subject::Globals => self.job.dump.globals_compression,
        }
    }
}

//! `pgsiphon schedule`: runs the configured jobs on schedule, as a long-running process.

use std::sync::Arc;

use clap::Args;
use pgsiphon::error::Result;
use pgsiphon::schedule::clock::SystemClock;
use pgsiphon::schedule::{self, Backups};
use pgsiphon::web::Server;
use tokio_util::sync::CancellationToken;

use super::jobs::JobArgs;

#[derive(Args)]
pub(crate) struct ScheduleArgs {
    #[command(flatten)]
    pub(super) jobs: JobArgs,
}

/// Runs the command.
pub(crate) async fn run(args: ScheduleArgs, shutdown: CancellationToken) -> Result<()> {
    let config = args.jobs.load()?;
    let jobs = args.jobs.select(&config)?;
    let board = Arc::new(schedule::new_board(&jobs));
    let web = match config.listen() {
        Some(listen) => {
            let server = Server::bind(&listen).await?;
            tracing::info!("status page at http://{}/", server.address());
            Some(tokio::spawn(server.serve(Arc::clone(&board))))
        }
        None => None,
    };
    let reload = || args.jobs.load();
    let runner = Backups { jobs: &jobs, reload: &reload };
    let ended = Box::pin(schedule::run(&jobs, &runner, &SystemClock, &board, shutdown)).await;
    if let Some(web) = web {
        web.abort();
    }
    if ended.is_ok() {
        tracing::info!("stopped; no run was in progress");
    }
    ended
}

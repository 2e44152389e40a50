//! A dump from end to end: the one place where everything is wired together.

mod cluster;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::codec::Compression;
use crate::emit::emit;
use crate::error::{Error, ErrorKind, Result};
use crate::options::DumpOptions;
use crate::order::order;
use crate::pg::connect::{Session, connect};
use crate::pg::params::ConnectParams;
use crate::pg::snapshot::{SessionOptions, lead};
use crate::pipeline::{self, Progress, Summary};
use crate::plan::{Segment, Setting, plan, timestamp};
use crate::rows::{Producers, Source};
use crate::sink::Sink;

pub use cluster::{ClusterRequest, ParamsFor, dump_cluster};

/// What to dump, how, and where to.
pub struct Request {
    /// The source.
    pub params: ConnectParams,
    /// How to set up its sessions.
    pub session: SessionOptions,
    /// What of it, and how it is written.
    pub options: DumpOptions,
    /// How to compress.
    pub compression: Compression,
    /// How many sessions read at once, beside the one that holds the locks.
    pub jobs: usize,
    /// Where to.
    pub sink: Box<dyn Sink>,
}

/// Dumps. On any error, and when `shutdown` is cancelled, nothing is left at the destination.
pub async fn dump(
    request: Request,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Summary> {
    let Request { params, session, options, compression, jobs, sink } = request;
    let prepared = async {
        let leader = connect(&params).await?;
        sink.preflight().await?;
        let prepared = prepare(leader, params, session, options).await?;
        let upload = sink.begin().await?;
        Ok::<_, Error>((prepared, upload))
    };
    let (Prepared { source, segments }, upload) = tokio::select! {
        biased;
        () = shutdown.cancelled() => {
            return Err(Error::new(ErrorKind::Interrupted(2), "read the catalogs").because("interrupted"));
        }
        prepared = prepared => prepared?,
    };
    let run = pipeline::Options { compression, jobs, byte_budget: pipeline::Options::DEFAULT_BYTE_BUDGET };
    pipeline::run(segments, Producers(Arc::new(source)), run, upload, progress, shutdown).await
}

/// A database whose dump is planned, and held by a snapshot and locks.
struct Prepared {
    source: Source,
    segments: Vec<Segment>,
}

/// Reads a database's catalogs, and plans its dump.
async fn prepare(
    leader: Session,
    params: ConnectParams,
    session: SessionOptions,
    options: DumpOptions,
) -> Result<Prepared> {
    let started = timestamp();
    let mut leader = lead(leader, session, &options).await?;
    let dialect = leader.server.dialect();
    let ordered = order(&mut leader.catalog, dialect);
    let entries = emit(&leader.catalog, &ordered, &options, &leader.quoter, dialect)?;
    let setting =
        Setting { options: &options, server: &leader.server, quoter: &leader.quoter, started: &started };
    let segments = plan(&entries, setting);
    Ok(Prepared { source: Source { params, leader, options }, segments })
}

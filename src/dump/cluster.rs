//! A dump of the whole cluster, or of its global objects only.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::outline::Outline;
use super::{Dumped, OutputOptions, Prepared, appendix, close, prepare};
use crate::catalog::{CatalogScope, ClusterDatabase, list_databases, read_globals, refuse_unknown};
use crate::contents::{Producers, TextProducers};
use crate::emit::emit_globals;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::{Session, connect};
use crate::pg::params::ConnectParams;
use crate::pipeline::PipelineRun;
use crate::plan::{PlanContext, cluster_database, cluster_end, cluster_order, cluster_start, timestamp};
use crate::progress::{Progress, Warnings};
use crate::select::options::{ClusterOptions, DumpOptions};
use crate::snapshot::{SessionOptions, begin_reading};
use crate::storage::sink::{Sink, Upload};

/// Finds out how to connect to the database with this name.
pub type ParamsFor = dyn Fn(&str) -> Result<ConnectParams> + Send + Sync;

/// What to dump of a cluster, how, and where to.
pub struct ClusterRequest {
    /// Gives the connection parameters for each database of the cluster.
    pub params_for: Box<ParamsFor>,
    /// The database from which to read the globals; otherwise `postgres`, or `template1` if that does not
    /// exist.
    pub database: Option<String>,
    /// How to set up the sessions.
    pub session: SessionOptions,
    /// Which parts of the cluster to dump.
    pub cluster: ClusterOptions,
    /// What to dump of each database, and in which form.
    pub options: DumpOptions,
    /// How the dump is written.
    pub output: OutputOptions,
    /// Where the dump is written.
    pub sink: Box<dyn Sink>,
}

/// Dumps the globals and then one database after the other into one text, as pg_dumpall does. Each database
/// is consistent in itself. If an error occurs or `shutdown` is cancelled, nothing is left at the
/// destination.
pub async fn dump_cluster(
    mut request: ClusterRequest,
    progress: Arc<dyn Progress>,
    warnings: &Warnings,
    shutdown: CancellationToken,
) -> Result<Dumped> {
    let (params_for, warnings) = (request.params_for, warnings.clone());
    request.sink.warn_to(&warnings);
    request.params_for =
        Box::new(move |database| Ok(ConnectParams { warnings: warnings.clone(), ..params_for(database)? }));
    let started = or_interrupted(&shutdown, Box::pin(start(&request))).await?;
    let Started { text, databases, server_version, upload } = started;
    let output = request.output;
    let mut run = PipelineRun::new(output.pipeline(), upload, progress, shutdown.clone())?;
    let summary = match Box::pin(write(&mut run, &request, text, databases, &shutdown)).await {
        // Only where decoding can begin: the databases' objects have the same numbers.
        Ok(()) => {
            let appendix = output.has_index().then(|| appendix(Outline::default(), output.compression));
            run.complete(appendix).await?
        }
        Err(error) => return Err(run.abort(error).await),
    };
    Ok(Dumped { summary, server_version, relations: Vec::new(), large_objects: 0 })
}

/// What is known before the first byte is written.
struct Started {
    text: String,
    databases: Vec<ClusterDatabase>,
    server_version: String,
    upload: Box<dyn Upload>,
}

async fn start(request: &ClusterRequest) -> Result<Started> {
    let ClusterRequest { cluster, options, sink, .. } = request;
    let started = timestamp();
    let session = connect_to_any(request).await?;
    sink.preflight().await?;
    let (server, quoter) = begin_reading(&session, request.session.clone(), options).await?;
    refuse_unknown(
        &session.client,
        &server,
        CatalogScope::Globals,
        options.allow_unknown,
        session.warnings(),
    )
    .await?;
    let globals = read_globals(&session.client, &server, cluster, options, session.warnings()).await?;
    let databases = match cluster.databases {
        true => list_databases(&session.client, &cluster.exclude_databases).await?,
        false => Vec::new(),
    };
    let sql = emit_globals(&globals, &databases, cluster, options, &quoter, server.dialect())?;
    let setting = PlanContext { options, server: &server, quoter: &quoter, started: &started };
    let text = cluster_start(setting, &sql, !databases.is_empty());
    session.close().await;
    Ok(Started { text, databases, server_version: server.version, upload: sink.begin().await? })
}

async fn connect_to_any(request: &ClusterRequest) -> Result<Session> {
    let params_for = &request.params_for;
    if let Some(database) = &request.database {
        return connect(&params_for(database)?).await;
    }
    let first = match connect(&params_for("postgres")?).await {
        Ok(session) => return Ok(session),
        Err(error) => error,
    };
    match connect(&params_for("template1")?).await {
        Ok(session) => {
            tracing::info!(
                "connected to template1, because connecting to postgres failed: {}",
                first.report()
            );
            Ok(session)
        }
        Err(_) => Err(first),
    }
}

async fn write(
    run: &mut PipelineRun,
    request: &ClusterRequest,
    start: String,
    databases: Vec<ClusterDatabase>,
    shutdown: &CancellationToken,
) -> Result<()> {
    run.write(vec![start], TextProducers).await?;
    for database in cluster_order(databases) {
        if database.is_excluded {
            tracing::info!("excluding database {:?}", database.datname);
            continue;
        }
        tracing::info!("dumping database {:?}", database.datname);
        write_database(run, request, &database, shutdown).await.map_err(|e| in_database(&database, e))?;
    }
    run.write(vec![cluster_end(&request.options, &timestamp())], TextProducers).await
}

async fn write_database(
    run: &mut PipelineRun,
    request: &ClusterRequest,
    database: &ClusterDatabase,
    shutdown: &CancellationToken,
) -> Result<()> {
    let (heading, options) = cluster_database(&request.options, database);
    run.write(vec![heading], TextProducers).await?;
    let params = (request.params_for)(&database.datname)?;
    let prepared = Box::pin(async {
        let session = connect(&params).await?;
        let output = OutputOptions { index: false, ..request.output };
        prepare(session, params, request.session.clone(), options, output).await
    });
    let Prepared { source, segments, .. } = or_interrupted(shutdown, prepared).await?;
    let source = Arc::new(source);
    run.write(segments, Producers(Arc::clone(&source))).await?;
    close(source).await;
    Ok(())
}

/// Adds the database's name to the error, and keeps the error's kind.
fn in_database(database: &ClusterDatabase, error: Error) -> Error {
    if error.kind() == ErrorKind::Interrupted {
        return error;
    }
    error.context(format!("dump database \"{}\"", database.datname))
}

async fn or_interrupted<T>(
    shutdown: &CancellationToken,
    reading: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {
            Err(Error::interrupted("read the catalogs"))
        }
        done = reading => done,
    }
}

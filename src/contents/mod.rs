//! Produces the contents of segments: large objects, and rows from COPY, either unchanged or as INSERTs.

// A new kind of object must not be forgotten: the compiler points to each place that must handle it.
#![deny(clippy::wildcard_enum_match_arm)]

mod insert;
mod large_object;

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::future::join_all;
use tokio_postgres::error::SqlState;

use crate::catalog::{DumpId, RelKind, Relation, TableData};
use crate::emit::{copy_columns, load_target};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::{Session, connect};
use crate::pg::error::sqlstate;
use crate::pg::params::ConnectParams;
use crate::pipeline::{BlockWriter, Produce, ProducerFactory};
use crate::plan::Segment;
use crate::select::options::{DumpOptions, RowFormat};
use crate::snapshot::{Leader, begin};
use insert::InsertWriter;

/// What all producers of a dump share.
pub(crate) struct DumpSource {
    pub params: ConnectParams,
    /// The session that holds the locks and the snapshot.
    pub leader: Leader,
    pub options: DumpOptions,
    pub readers: Readers,
}

/// Which sessions read the rows.
pub(crate) enum Readers {
    /// The leader's: there is one connection, and one producer.
    Leader,
    /// A separate session for each producer: one of these while any are left, then a new one.
    Own(Mutex<Vec<Session>>),
}

impl DumpSource {
    /// Opens sessions for at most `wanted` producers, and returns how many producers have one. If the
    /// server's connection limit leaves room for none, the leader reads.
    ///
    /// # Errors
    /// `SourceUnreachable`, unless the connection limit is the reason.
    pub(crate) async fn open_readers(&mut self, wanted: usize) -> Result<usize> {
        let Readers::Own(sessions) = &mut self.readers else { return Ok(1) };
        let sessions = sessions.get_mut().unwrap_or_else(PoisonError::into_inner);
        for opened in join_all((0..wanted).map(|_| connect(&self.params))).await {
            match opened {
                Ok(session) => sessions.push(session),
                Err(error) if sqlstate(&error) == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
                    tracing::debug!("one session less: {}", error.report());
                }
                Err(error) => return Err(error),
            }
        }
        let opened = sessions.len();
        if opened < wanted {
            tracing::info!("the limit of connections leaves room for {} of {wanted} readers", opened.max(1));
        }
        if opened == 0 && wanted > 0 {
            self.readers = Readers::Leader;
        }
        Ok(opened)
    }
}

/// Creates the producers of one dump.
pub(crate) struct Producers(pub Arc<DumpSource>);

impl ProducerFactory<Segment> for Producers {
    type Producer = Producer;

    async fn producer(&self, _worker: usize) -> Result<Producer> {
        Ok(Producer { source: Arc::clone(&self.0), session: None, active: Active::None })
    }
}

/// Creates producers for segments that only consist of text that is already known.
pub(crate) struct TextProducers;

/// Produces text that is already known.
pub(crate) struct TextProducer;

impl ProducerFactory<String> for TextProducers {
    type Producer = TextProducer;

    async fn producer(&self, _worker: usize) -> Result<TextProducer> {
        Ok(TextProducer)
    }
}

impl Produce<String> for TextProducer {
    async fn produce(&mut self, text: &String, out: &mut BlockWriter) -> Result<()> {
        push_text(text, out)
    }
}

/// The session whose running command is to be cancelled if the dump is stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Active {
    None,
    Own,
    Leaders,
}

/// Produces segments in its own session, which it opens when it first needs it.
pub(crate) struct Producer {
    source: Arc<DumpSource>,
    session: Option<Arc<Session>>,
    active: Active,
}

impl Produce<Segment> for Producer {
    async fn produce(&mut self, segment: &Segment, out: &mut BlockWriter) -> Result<()> {
        match segment {
            Segment::Text(text) => push_text(text, out),
            Segment::CompletionTime => {
                out.push(format!("-- Completed on {}\n\n", crate::plan::timestamp()).as_bytes())
            }
            Segment::Rows(data) => self.rows(*data, out).await,
            Segment::LargeObjects(group) => {
                let session = self.session().await?;
                self.active = Active::Own;
                large_object::produce(&session, &self.source.leader.catalog, *group, out).await?;
                self.active = Active::None;
                Ok(())
            }
        }
    }

    async fn finish(self) -> Result<()> {
        // If the leader's session was lost, its locks were lost too: a table could have been truncated before
        // we read it. Errors after the last row also only appear here.
        let leader = &self.source.leader.session;
        check(leader, "hold the dump's locks to its end").await?;
        if let Some(session) = self.session {
            check(&session, "end the dump's transaction").await?;
            if let Some(session) = Arc::into_inner(session) {
                session.close().await;
            }
        }
        Ok(())
    }

    async fn cancel(&mut self) {
        let session = match self.active {
            Active::None => return,
            Active::Own => self.session.as_deref(),
            Active::Leaders => Some(&*self.source.leader.session),
        };
        if let Some(session) = session
            && let Err(error) = session.cancel().await
        {
            tracing::debug!("could not cancel the running command: {}", error.report());
        }
    }
}

/// Checks that the transaction is open and not aborted.
async fn check(session: &Session, attempted: &str) -> Result<()> {
    session.client.batch_execute("SELECT").await.map_err(|e| session.source_failed(attempted, e))
}

/// Writes known text. It contains no rows, so it can be cut anywhere.
fn push_text(text: &str, out: &mut BlockWriter) -> Result<()> {
    const PIECE: usize = 64 << 10;
    crate::pg::text::encode(text).chunks(PIECE).try_for_each(|piece| out.push(piece))
}

impl Producer {
    async fn session(&mut self) -> Result<Arc<Session>> {
        if let Some(session) = &self.session {
            return Ok(Arc::clone(session));
        }
        let leader = &self.source.leader;
        let session = match &self.source.readers {
            Readers::Leader => Arc::clone(&leader.session),
            Readers::Own(sessions) => {
                let opened = sessions.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let session = match opened {
                    Some(session) => session,
                    None => connect(&self.source.params).await?,
                };
                begin(&session, &leader.setup, Some(&leader.snapshot)).await?;
                Arc::new(session)
            }
        };
        session
            .client
            .batch_execute("SAVEPOINT table_lock")
            .await
            .map_err(|e| session.source_failed("begin the dump of a table", e))?;
        self.session = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn rows(&mut self, data: DumpId, out: &mut BlockWriter) -> Result<()> {
        let source = Arc::clone(&self.source);
        let catalog = &source.leader.catalog;
        let Some(data) = catalog.table_data(data) else { return Ok(()) };
        let Some(relation) = catalog.relation(data.table) else { return Ok(()) };
        let name = source
            .leader
            .quoter
            .qualified(catalog.namespace_name(data.table), &catalog.object(data.table).name);
        let own = self.session().await?;
        self.active = Active::Own;
        let locked = lock_nowait(&own, &source, relation, &name).await?;
        let session = if locked { &own } else { &source.leader.session };
        if !locked {
            self.active = Active::Leaders;
            tracing::debug!("another session is waiting to lock {name} exclusively, so the leader reads it");
        }
        let copy = copy_command(&source, relation, data, &name);
        let copied = match source.options.rows {
            RowFormat::Copy => {
                let push = |row: &[u8]| {
                    out.count_row();
                    out.push(row)
                };
                copy_rows(session, &name, &copy, push).await
            }
            RowFormat::Insert { rows } => {
                let target = load_target(catalog, &source.options, data.table);
                let into = source
                    .leader
                    .quoter
                    .qualified(catalog.namespace_name(target), &catalog.object(target).name);
                let mut writer =
                    InsertWriter::new(&source.options, &source.leader.quoter, relation, &into, rows);
                let copied = copy_rows(session, &name, &copy, |row| {
                    out.count_row();
                    writer.push(row, out)
                })
                .await;
                match copied {
                    Ok(()) => writer.finish(out),
                    failed => failed,
                }
            }
        };
        copied?;
        self.active = Active::None;
        Ok(())
    }
}

/// Takes the lock that the leader already has, so that COPY does not queue for it behind a session that waits
/// for the leader: the server cannot detect that deadlock. Returns false if there is such a session.
/// such a session.
/// Rolling back to the savepoint releases the lock on the previous table. The SELECT fails if that table's
/// COPY ended in an error after its last row.
async fn lock_nowait(
    session: &Session,
    source: &DumpSource,
    relation: &Relation,
    name: &str,
) -> Result<bool> {
    const NEXT: &str = "SELECT; ROLLBACK TO SAVEPOINT table_lock;";
    let sql = if relation.relkind == RelKind::ForeignTable {
        format!("{NEXT} {}", source.leader.setup.allow_foreign_tables())
    } else {
        format!("{NEXT} LOCK TABLE ONLY {name} IN ACCESS SHARE MODE NOWAIT")
    };
    let Err(error) = session.client.batch_execute(&sql).await else { return Ok(true) };
    let error = session.source_failed(format!("lock table {name}"), error);
    if sqlstate(&error) != Some(&SqlState::LOCK_NOT_AVAILABLE) {
        return Err(error);
    }
    session
        .client
        .batch_execute("ROLLBACK TO SAVEPOINT table_lock")
        .await
        .map_err(|e| session.source_failed(format!("lock table {name}"), e))?;
    Ok(false)
}

fn copy_command(source: &DumpSource, relation: &Relation, data: &TableData, name: &str) -> String {
    let columns = copy_columns(&source.leader.quoter, relation);
    if data.condition.is_none() && relation.relkind != RelKind::ForeignTable {
        return format!("COPY {name} {columns} TO STDOUT");
    }
    let listed = columns.strip_prefix('(').and_then(|c| c.strip_suffix(')')).unwrap_or("*");
    let condition = data.condition.as_deref().unwrap_or_default();
    format!("COPY (SELECT {listed} FROM {name} {condition}) TO STDOUT")
}

/// Runs the COPY and passes each row to `push`.
async fn copy_rows(
    session: &Session,
    name: &str,
    copy: &str,
    mut push: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let failed = |e| session.source_failed(format!("copy table {name}"), e);
    let stream = session.client.copy_out(copy).await.map_err(failed)?;
    let mut stream = std::pin::pin!(stream);
    while let Some(row) = stream.next().await {
        let row = row.map_err(failed)?;
        // A correct server escapes the backslash here. psql would read what follows as commands.
        if &row[..] == b"\\.\n" {
            return Err(Error::new(ErrorKind::SourceFailed, format!("copy table {name}"))
                .because("the server sent a row that looks like the end of the data"));
        }
        push(&row)?;
    }
    Ok(())
}

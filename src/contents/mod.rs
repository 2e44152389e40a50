//! Produces the contents of segments: large objects, and rows from COPY, either unchanged or as INSERTs.

// A new kind of object must not be forgotten: the compiler points to each place that must handle it.
#![deny(clippy::wildcard_enum_match_arm)]

mod insert;
mod large_object;
mod rows;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use tokio_postgres::error::SqlState;

use crate::error::Result;
use crate::pg::connect::{Session, connect};
use crate::pg::error::sqlstate;
use crate::pg::params::ConnectParams;
use crate::pipeline::{BlockWriter, Produce, ProducerFactory};
use crate::plan::{Segment, Step};
use crate::select::options::DumpOptions;
use crate::snapshot::{Leader, begin};
use rows::RowReader;

/// What all producers of a dump share.
pub(crate) struct DumpSource {
    pub params: ConnectParams,
    /// The session that holds the locks and the snapshot.
    pub leader: Leader,
    pub options: DumpOptions,
    pub readers: Readers,
    /// Held by the producer that uses the leader's session, if each has a session of its own.
    pub leader_turn: tokio::sync::Mutex<()>,
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
        Ok(Producer {
            source: Arc::clone(&self.0),
            session: None,
            has_savepoint: false,
            active: Active::None,
        })
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
    /// Whether the session's transaction has the savepoint to which each query returns first.
    has_savepoint: bool,
    active: Active,
}

impl Produce<Segment> for Producer {
    async fn produce(&mut self, segment: &Segment, out: &mut BlockWriter) -> Result<()> {
        let mut reader = RowReader::new(&segment.steps);
        for (number, step) in segment.steps.iter().enumerate() {
            match step {
                Step::Text(text) => push_text(text, out)?,
                Step::CompletionTime => {
                    let comment = format!("-- Completed on {}\n\n", crate::plan::timestamp());
                    out.push(comment.as_bytes(), 0)?;
                }
                Step::Rows(..) => reader.read(self, number, out).await?,
                Step::LargeObjects(oids) => {
                    let session = self.session().await?;
                    self.active = Active::Own;
                    large_object::produce(&session, oids, out).await?;
                    self.active = Active::None;
                }
            }
            out.end_part();
        }
        Ok(())
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
    crate::pg::text::encode(text).chunks(PIECE).try_for_each(|piece| out.push(piece, 0))
}

impl Producer {
    /// Whether it does not read with the leader's session.
    fn has_own_session(&self) -> bool {
        match self.source.readers {
            Readers::Leader => false,
            Readers::Own(_) => true,
        }
    }

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
        self.session = Some(Arc::clone(&session));
        Ok(session)
    }
}

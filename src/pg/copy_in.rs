//! `COPY … FROM stdin` in the simple query protocol, as psql sends it.
//!
//! tokio-postgres copies in by the extended protocol only, learns of an error only after the last row, and
//! loses its place when a COPY is refused. So we send the COPY as a plain query, and the stream below
//! tokio-postgres ([`crate::pg::frontend_stream`]) does the copying: it hides the server's CopyInResponse and
//! sends the rows itself. tokio-postgres only sees a slow query, and its outcome. (Manual, "COPY
//! Operations".)

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::mpsc;
use tokio_postgres::{Client, Error};

/// What the stream sends between the query and its outcome.
#[derive(Debug)]
pub(crate) enum CopyMessage {
    Rows(Bytes),
    Done,
}

/// The rows of a COPY. If the sender is dropped before [`CopyMessage::Done`], the COPY fails.
pub(crate) type CopyRows = mpsc::Receiver<CopyMessage>;

/// Where the stream finds the rows when the server asks for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct CopySlot(Arc<Mutex<Option<CopyRows>>>);

impl CopySlot {
    /// Takes the rows, if a COPY is in progress.
    pub(crate) fn take(&self) -> Option<CopyRows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_filled(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn filled(rows: CopyRows) -> Self {
        let slot = CopySlot::default();
        slot.fill(rows);
        slot
    }

    fn fill(&self, rows: CopyRows) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
    }
}

/// Appends CopyData or CopyDone, or CopyFail if there is no message.
pub(crate) fn put_message(message: Option<&CopyMessage>, out: &mut BytesMut) {
    let (kind, body): (u8, &[u8]) = match message {
        Some(CopyMessage::Rows(rows)) => (b'd', rows),
        Some(CopyMessage::Done) => (b'c', b""),
        None => (b'f', b"the rows end too early\0"),
    };
    out.reserve(5 + body.len());
    out.put_u8(kind);
    // A chunk of text is far below 2 GB.
    out.put_u32(u32::try_from(4 + body.len()).unwrap_or(u32::MAX));
    out.put_slice(body);
}

/// A COPY in progress. Dropping it makes the server discard its rows.
pub struct CopyIn<'a> {
    outcome: BoxFuture<'a, Result<(), Error>>,
    rows: mpsc::Sender<CopyMessage>,
    slot: CopySlot,
}

impl<'a> CopyIn<'a> {
    pub(crate) fn begin(client: &'a Client, slot: &CopySlot, statement: String) -> Self {
        // One chunk can wait while another is written.
        let (rows, receiver) = mpsc::channel(1);
        slot.fill(receiver);
        let outcome = async move { client.batch_execute(&statement).await }.boxed();
        CopyIn { outcome, rows, slot: slot.clone() }
    }

    /// Waits until the server ends the COPY. Before [`CopyIn::finish`] it only does so because of an error.
    pub async fn ended(&mut self) -> Option<Error> {
        (&mut self.outcome).await.err()
    }

    /// Sends some bytes of the rows. `Err` has the outcome of [`CopyIn::ended`].
    pub async fn send(&mut self, rows: Bytes) -> Result<(), Option<Error>> {
        self.put(CopyMessage::Rows(rows)).await
    }

    /// Ends the rows, and waits for the server's result.
    pub async fn finish(mut self) -> Result<(), Option<Error>> {
        self.put(CopyMessage::Done).await?;
        (&mut self.outcome).await.map_err(Some)
    }

    async fn put(&mut self, message: CopyMessage) -> Result<(), Option<Error>> {
        tokio::select! {
            biased;
            outcome = &mut self.outcome => Err(outcome.err()),
            permit = self.rows.reserve() => match permit {
                Ok(permit) => {
                    permit.send(message);
                    Ok(())
                }
                // The stream dropped the receiver, so the outcome will follow.
                Err(_) => Err((&mut self.outcome).await.err()),
            },
        }
    }
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        // If the COPY was refused, its rows were never taken.
        drop(self.slot.take());
    }
}

//! An open connection.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::task::JoinHandle;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, CancelToken, Client, Connection, SimpleQueryMessage};

use super::copy_in::{CopyIn, CopySlot};
use super::copy_out::{CopyOut, CopyOutSlot};
use super::error::{self, cause_of};
use super::frontend_stream::FrontendStream;
use super::params::{ConnectParams, TargetSessionAttrs};
use super::transport::{Address, Encryption, ReadyTls, Transport};
use super::version::ServerVersion;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Warnings;

/// How long a server may take to handle a cancel request or to close the connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that is logged in. Dropping it closes the connection immediately, which ends its transaction;
/// [`Session::close`] ends it cleanly.
pub struct Session {
    /// The client that runs queries.
    pub client: Arc<Client>,
    version: ServerVersion,
    standard_conforming_strings: bool,
    in_hot_standby: Option<bool>,
    default_transaction_read_only: Option<bool>,
    canceller: Canceller,
    host: String,
    over_tls: bool,
    warnings: Warnings,
    slots: CopySlots,
    last_words: LastWords,
    task: ConnectionTask,
}

type Stream = FrontendStream<Transport>;

/// Where the connection's stream finds the two ends of a COPY.
#[derive(Debug, Clone, Default)]
pub(crate) struct CopySlots {
    pub copy_in: CopySlot,
    pub copy_out: CopyOutSlot,
}

/// The error that ended the connection. Only the connection's task receives it; the client just reports
/// "closed" from then on.
type LastWords = Arc<Mutex<Option<tokio_postgres::Error>>>;

/// The task that drives the connection, which ends when this is dropped.
struct ConnectionTask(JoinHandle<()>);

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    /// Starts to drive the connection. Fails with the text of the version if it cannot be parsed.
    pub(crate) fn new(
        client: Client,
        connection: Connection<Stream, Stream>,
        canceller: Canceller,
        host: String,
        over_tls: bool,
        warnings: Warnings,
        slots: CopySlots,
    ) -> Result<Self, String> {
        let parameter = |name: &str| connection.parameter(name);
        let is_on = |name: &str| parameter(name).map(|value| value == "on");
        let text = parameter("server_version").unwrap_or("");
        let version = ServerVersion::parse(text).ok_or_else(|| text.to_owned())?;
        let standard_conforming_strings = is_on("standard_conforming_strings").unwrap_or(true);
        let in_hot_standby = is_on("in_hot_standby");
        let default_transaction_read_only = is_on("default_transaction_read_only");
        let last_words = LastWords::default();
        let task = tokio::spawn(drive(connection, Arc::clone(&last_words)));
        Ok(Session {
            client: Arc::new(client),
            version,
            standard_conforming_strings,
            in_hot_standby,
            default_transaction_read_only,
            canceller,
            host,
            over_tls,
            warnings,
            slots,
            last_words,
            task: ConnectionTask(task),
        })
    }

    /// Receives the warnings of what is done in the session.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// The server's version, as reported at login.
    pub fn version(&self) -> &ServerVersion {
        &self.version
    }

    /// The value at login; a session may change it later.
    pub fn standard_conforming_strings(&self) -> bool {
        self.standard_conforming_strings
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.over_tls
    }

    /// The connected host, for messages: `"db", port 5432`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Begins a `COPY … FROM stdin`. The session must not be used for anything else until it ends.
    pub fn copy_in(&self, statement: String) -> CopyIn<'_> {
        CopyIn::begin(&self.client, &self.slots.copy_in, statement)
    }

    /// Begins a query with one or more `COPY … TO STDOUT` among its statements, whose rows come in chunks of at
    /// most `chunk_bytes`. The session must not be used for anything else until it ends.
    pub fn copy_out(&self, statements: String, chunk_bytes: usize) -> CopyOut {
        CopyOut::begin(Arc::clone(&self.client), &self.slots.copy_out, statements, chunk_bytes)
    }

    /// Cancels the session's running query, from another task or thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Asks the server, over a separate connection, to cancel this session's running query.
    ///
    /// # Errors
    /// If the server cannot be reached within ten seconds. The server never reports whether it cancelled
    /// anything.
    pub async fn cancel(&self) -> Result<()> {
        self.canceller.cancel().await
    }

    /// Converts an error of tokio-postgres to a failure of the source. Unlike [`error::source_failed`], it
    /// knows why a connection was lost.
    pub fn source_failed(&self, attempted: impl Into<String>, error: tokio_postgres::Error) -> Error {
        error::source_failed(attempted, self.reason(error))
    }

    /// Why the connection was lost, if it was; otherwise the same error.
    pub fn reason(&self, error: tokio_postgres::Error) -> tokio_postgres::Error {
        let last_words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner).take();
        match last_words {
            Some(reason) if error.is_closed() => reason,
            _ => error,
        }
    }

    /// Closes the connection cleanly, and waits until it is closed.
    pub async fn close(self) {
        let Session { client, mut task, .. } = self;
        drop(client);
        if tokio::time::timeout(PATIENCE, &mut task.0).await.is_err() {
            tracing::debug!("the connection did not close in time");
        }
    }

    /// Whether the server is of the wanted kind.
    pub(crate) async fn fits(&self, wanted: TargetSessionAttrs) -> Result<bool, tokio_postgres::Error> {
        Ok(match wanted {
            TargetSessionAttrs::Any => true,
            TargetSessionAttrs::ReadWrite => !self.is_read_only().await?,
            TargetSessionAttrs::ReadOnly => self.is_read_only().await?,
            TargetSessionAttrs::Primary => !self.is_standby().await?,
            TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby => self.is_standby().await?,
        })
    }

    /// Asks servers before 14; later ones report this at login.
    async fn is_read_only(&self) -> Result<bool, tokio_postgres::Error> {
        match (self.default_transaction_read_only, self.in_hot_standby) {
            (Some(read_only), Some(standby)) => Ok(read_only || standby),
            _ => Ok(self.ask("SHOW transaction_read_only").await?.as_deref() == Some("on")),
        }
    }

    async fn is_standby(&self) -> Result<bool, tokio_postgres::Error> {
        match self.in_hot_standby {
            Some(standby) => Ok(standby),
            None => Ok(self.ask("SELECT pg_catalog.pg_is_in_recovery()").await?.as_deref() == Some("t")),
        }
    }

    async fn ask(&self, query: &str) -> Result<Option<String>, tokio_postgres::Error> {
        let messages = self.client.simple_query(query).await?;
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("host", &self.host)
            .field("version", &self.version.text())
            .field("tls", &self.over_tls)
            .finish_non_exhaustive()
    }
}

/// Drives the connection until it ends, and logs notices: warnings at level info, others at debug.
async fn drive(mut connection: Connection<Stream, Stream>, last_words: LastWords) {
    let end = {
        let mut messages = pin!(futures::stream::poll_fn(|cx| connection.poll_message(cx)));
        loop {
            match messages.next().await {
                Some(Ok(AsyncMessage::Notice(notice))) => {
                    let (severity, sqlstate) = (notice.severity(), notice.code().code());
                    let message = notice.message().escape_debug();
                    if notice.parsed_severity() == Some(Severity::Warning) {
                        tracing::info!(severity, sqlstate, "message from the server: {message}");
                    } else {
                        tracing::debug!(severity, sqlstate, "message from the server: {message}");
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        }
    };
    // The client only notices the end when `connection` is dropped, which happens after this.
    *last_words.lock().unwrap_or_else(PoisonError::into_inner) = end;
    drop(connection);
}

/// Sends cancel requests for one session.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    params: Arc<ConnectParams>,
    address: Address,
    encryption: Encryption,
}

impl Canceller {
    pub(crate) fn new(
        token: CancelToken,
        params: &ConnectParams,
        address: Address,
        encryption: Encryption,
    ) -> Self {
        Canceller { token, params: Arc::new(params.clone()), address, encryption }
    }

    /// Does the same as [`Session::cancel`].
    ///
    /// # Errors
    /// As for [`Session::cancel`].
    pub async fn cancel(&self) -> Result<()> {
        let attempted = || Error::new(ErrorKind::SourceUnreachable, "cancel the query");
        let request = Box::pin(async {
            let transport = Transport::open(&self.address, &self.encryption, &self.params)
                .await
                .map_err(|error| attempted().because(error))?;
            self.token
                .cancel_query_raw(transport, ReadyTls)
                .await
                .map_err(|error| attempted().because(cause_of(error).0))
        });
        tokio::time::timeout(PATIENCE, request)
            .await
            .unwrap_or_else(|_| Err(attempted().because("the server did not answer")))
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").field("address", &self.address).finish_non_exhaustive()
    }
}

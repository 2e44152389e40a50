//! Does what a dump says.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use super::encoding::ClientOnly;
use super::failure::Place;
use super::marks::Marks;
use super::meta::MetaCommand;
use super::omit::{is_about_owner, is_about_privileges};
use super::script::{Piece, PieceKind};
use super::statement::{Kind, abbreviated};
use super::target::{connect_to_maintenance, create, refuse_nonempty};
use super::words::is_about_database;
use super::{Options, Request, Restored, Script};
use crate::dump::ParamsFor;
use crate::error::{Error, ErrorKind, Result};
use crate::input::text;
use crate::pg::connect::{Session, connect};
use crate::pg::error::{failed, is_connection_lost, sqlstate};
use crate::pg::params::ConnectParams;
use crate::pg::text::decode;
use crate::pipeline::Progress;
use crate::quote::{portable_literal, quoted};

/// How long a server may take to roll back before we leave it to it.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(
    request: Request,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Restored> {
    let Request { backup, params, params_for, options } = request;
    let mut runner = Runner {
        script: Script::new(text::read(backup, progress)),
        params,
        params_for,
        options,
        marks: Marks::default(),
        session: None,
        undecided: Vec::new(),
        is_known_empty: false,
        in_transaction: false,
        done: Restored::default(),
        has_changed: false,
        errors: 0,
    };
    let outcome = tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(Error::new(ErrorKind::Interrupted(2), runner.attempted()).because("interrupted")),
        outcome = Box::pin(runner.restore()) => outcome,
    };
    runner.end(outcome).await
}

struct Runner {
    script: Script,
    /// Of the database that we are connected to, or want to be.
    params: ConnectParams,
    params_for: Box<ParamsFor>,
    options: Options,
    marks: Marks,
    session: Option<Session>,
    /// Settings that came before it was clear whether the dump makes its database itself.
    undecided: Vec<Piece>,
    /// The database that we are connected to may be written to.
    is_known_empty: bool,
    /// We began a transaction for all.
    in_transaction: bool,
    done: Restored,
    /// Something was done that stays, unless it is rolled back.
    has_changed: bool,
    errors: u64,
}

impl Runner {
    fn attempted(&self) -> String {
        format!("restore {}", self.script.location())
    }

    async fn restore(&mut self) -> Result<()> {
        if self.options.create {
            let session = connect_to_maintenance(&self.params).await?;
            self.begin_session(session).await?;
        } else {
            let session = connect(&self.params).await?;
            self.begin_session(session).await?;
        }
        while let Some(piece) = self.script.next().await? {
            match piece.kind {
                PieceKind::Space => {}
                PieceKind::Comment => self.marks.comment(&piece.text),
                PieceKind::MetaCommand => self.meta_command(&piece).await?,
                PieceKind::Statement | PieceKind::CopyFromStdin => self.statement(piece).await?,
                // Of a COPY that failed: they are data, and never run as SQL.
                PieceKind::Rows | PieceKind::EndOfRows => {}
            }
        }
        if let Some(missing) = self.marks.missing() {
            return Err(self.damaged(missing));
        }
        // Nothing but settings: the database is still asked for.
        self.decide(Kind::Content).await?;
        if self.in_transaction {
            self.execute_own("COMMIT").await?;
            self.in_transaction = false;
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::new(ErrorKind::Damaged, format!("read {}", self.script.location())).because(what)
    }

    fn session(&self) -> Result<&Session> {
        self.session.as_ref().ok_or_else(no_session)
    }

    /// Makes a new session ready.
    async fn begin_session(&mut self, session: Session) -> Result<()> {
        let encoding = self.params.client_encoding.as_deref().and_then(ClientOnly::named);
        self.script.splitter.reconnected(session.standard_conforming_strings(), encoding);
        if let Some(old) = self.session.replace(session) {
            old.close().await;
        }
        self.is_known_empty = self.options.into_nonempty;
        if let Some(role) = &self.options.role {
            self.execute_own(&format!("SET ROLE {}", quoted(role))).await?;
        }
        Ok(())
    }

    async fn execute_own(&self, sql: &str) -> Result<()> {
        let session = self.session()?;
        let outcome = session.client.batch_execute(sql).await;
        outcome.map_err(|e| failed(ErrorKind::RestoreFailed, format!("run {sql}"), session.reason(e)))
    }

    /// With `--create`, makes the database as soon as it is clear that the dump does not.
    async fn decide(&mut self, next: Kind) -> Result<()> {
        if !std::mem::take(&mut self.options.create) {
            return Ok(());
        }
        if !matches!(next, Kind::Database | Kind::Cluster | Kind::CreateRole) && !self.marks.is_cluster() {
            let database = self.params.dbname.clone();
            create(self.session()?, &database).await?;
            let session = connect(&self.params).await?;
            self.begin_session(session).await?;
        }
        for setting in std::mem::take(&mut self.undecided) {
            self.run(&setting, Kind::Setting).await?;
        }
        Ok(())
    }

    async fn statement(&mut self, piece: Piece) -> Result<()> {
        if !self.marks.have_begun() {
            return Err(self.damaged("it does not begin as a dump of pg_dump or pgsiphon does"));
        }
        let kind = Kind::of(&piece.text);
        if self.is_left_out(kind, &piece.text) {
            return Ok(());
        }
        if kind == Kind::Setting && self.options.create {
            self.undecided.push(piece);
            return Ok(());
        }
        self.decide(kind).await?;
        if kind == Kind::Content && !self.is_known_empty {
            refuse_nonempty(self.session()?, &self.params.dbname).await?;
            self.is_known_empty = true;
        }
        if self.options.single_transaction {
            if matches!(kind, Kind::Begin | Kind::Commit) {
                return Ok(());
            }
            if kind.refuses_transactions(&piece.text) {
                return Err(self.refuses_transaction(piece.line, &abbreviated(&piece.text)));
            }
            if !self.in_transaction {
                self.execute_own("BEGIN").await?;
                self.in_transaction = true;
            }
        }
        let outcome = match piece.kind {
            PieceKind::CopyFromStdin => self.copy(&piece).await,
            _ => self.run(&piece, kind).await,
        };
        let Err(error) = outcome else {
            self.has_changed |= kind != Kind::Setting;
            return Ok(());
        };
        if error.kind() != ErrorKind::RestoreFailed {
            return Err(error);
        }
        if !self.options.continue_on_error || self.is_session_over(&error) {
            return Err(self.damage_behind().await.unwrap_or(error));
        }
        // After an error in a transaction of the dump's own, all is refused up to its end.
        if sqlstate(&error) != Some(&SqlState::IN_FAILED_SQL_TRANSACTION) {
            self.errors += 1;
            tracing::error!("{}", error.report());
        }
        Ok(())
    }

    fn is_left_out(&self, kind: Kind, statement: &[u8]) -> bool {
        let options = &self.options;
        (options.stay_in_database && (kind == Kind::Database || is_about_database(statement)))
            || (options.no_owner && is_about_owner(statement))
            || (options.no_privileges && is_about_privileges(statement))
    }

    /// Whether the session ended with this error. (Class 57P: the server shuts down, or was told to
    /// end the session.)
    fn is_session_over(&self, error: &Error) -> bool {
        is_connection_lost(error)
            || sqlstate(error).is_some_and(|code| code.code().starts_with("57P"))
            || self.session.as_ref().is_none_or(|session| session.client.is_closed())
    }

    /// Reads on for a while after an error: wrong bytes in a compressed backup show at the end of
    /// what they are part of, when the server may have stumbled over them already.
    async fn damage_behind(&mut self) -> Option<Error> {
        if !self.script.is_checked() {
            return None;
        }
        let read_on = async {
            loop {
                match self.script.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(error),
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, read_on).await.ok().flatten();
        found.filter(|error| error.kind() == ErrorKind::Damaged)
    }

    fn refuses_transaction(&self, line: u64, what: &str) -> Error {
        Error::new(ErrorKind::RestoreFailed, format!("run line {line}: {what}"))
            .because("it cannot be part of a single transaction")
            .hint("restore this dump without -1/--single-transaction")
    }

    async fn run(&mut self, piece: &Piece, kind: Kind) -> Result<()> {
        let session = self.session()?;
        let Err(error) = session.client.batch_execute(&decode(&piece.text)).await else {
            self.done.statements += 1;
            return Ok(());
        };
        let place = Place { statement: &piece.text, line: piece.line, rows_line: None };
        let error = place.error(session.reason(error));
        // pg_dumpall writes CREATE ROLE and ALTER ROLE apart so that the role may be there: the one
        // that restores always is.
        let is_there = sqlstate(&error) == Some(&SqlState::DUPLICATE_OBJECT);
        if kind == Kind::CreateRole && is_there && !self.in_transaction && self.marks.is_cluster() {
            tracing::warn!("line {}: {} the role is there already", piece.line, abbreviated(&piece.text));
            return Ok(());
        }
        Err(error)
    }

    /// Runs a COPY, with the rows that follow; if it fails, some of them are left in the script.
    async fn copy(&mut self, copy: &Piece) -> Result<()> {
        let Runner { session, script, done, .. } = self;
        let session = session.as_ref().ok_or_else(no_session)?;
        let mut place = Place { statement: &copy.text, line: copy.line, rows_line: None };
        let mut rows = 0;
        let mut copying = session.copy_in(decode(&copy.text));
        let outcome = loop {
            // If the script fails, dropping the COPY makes the server drop its rows.
            let piece = tokio::select! {
                biased;
                error = copying.ended() => break Err(error),
                piece = script.next() => piece?,
            };
            match piece {
                Some(Piece { kind: PieceKind::Rows, text, line }) => {
                    place.rows_line.get_or_insert(line);
                    rows += memchr::memchr_iter(b'\n', &text).count() as u64;
                    if let Err(error) = copying.send(text).await {
                        break Err(error);
                    }
                }
                Some(Piece { kind: PieceKind::Space, .. }) => {}
                _ => break copying.finish().await,
            }
        };
        match outcome {
            Ok(()) => {
                done.statements += 1;
                done.rows += rows;
                Ok(())
            }
            Err(Some(error)) => Err(place.error(session.reason(error))),
            Err(None) => Err(Error::new(ErrorKind::RestoreFailed, place.attempted(None))
                .because("the server takes no rows")),
        }
    }

    async fn meta_command(&mut self, piece: &Piece) -> Result<()> {
        let refused = |why: String| {
            let line = piece.line;
            Error::new(ErrorKind::RestoreFailed, format!("read line {line} of {}", self.script.location()))
                .because(why)
        };
        match self.marks.meta_command(&piece.text).map_err(refused)? {
            MetaCommand::Nothing | MetaCommand::Restrict(_) | MetaCommand::Unrestrict(_) => {}
            MetaCommand::Encoding(_) | MetaCommand::Connect(_) if self.options.stay_in_database => {}
            MetaCommand::Encoding(name) => {
                let setting = format!("SET client_encoding = {}", portable_literal(&name));
                self.execute_own(&setting).await?;
                self.script.splitter.set_encoding(ClientOnly::named(&name));
            }
            MetaCommand::Connect(_) if self.options.single_transaction => {
                return Err(self.refuses_transaction(piece.line, "\\connect"));
            }
            MetaCommand::Connect(database) => {
                self.decide(Kind::Database).await?;
                self.params = (self.params_for)(&database)?;
                let session = connect(&self.params).await?;
                self.begin_session(session).await?;
            }
        }
        Ok(())
    }

    /// Says goodbye, having rolled back what must not stay, and what became of it all.
    async fn end(mut self, outcome: Result<()>) -> Result<Restored> {
        if let Some(session) = self.session.take() {
            if let Err(error) = &outcome {
                if matches!(error.kind(), ErrorKind::Interrupted(_))
                    && let Err(error) = session.cancel().await
                {
                    tracing::debug!("{}", error.report());
                }
                // Waits until the server has dropped what was under way.
                let rollback = session.client.batch_execute("ROLLBACK");
                if !matches!(tokio::time::timeout(PATIENCE, rollback).await, Ok(Ok(()))) {
                    tracing::debug!("the server does not say that it rolled back");
                }
            }
            session.close().await;
        }
        match outcome {
            Ok(()) if self.errors > 0 => {
                let (errors, done) = (self.errors, self.done.statements);
                Err(Error::new(ErrorKind::RestoreFailed, self.attempted())
                    .because(format!("{errors} statements failed, {done} succeeded")))
            }
            Ok(()) => Ok(self.done),
            Err(error) => Err(self.with_what_stays(error)),
        }
    }

    /// Adds to the error what of the dump is in the database now.
    fn with_what_stays(&self, error: Error) -> Error {
        let what = if !self.has_changed {
            return error;
        } else if self.options.single_transaction {
            "nothing of the dump is in the database"
        } else {
            "what came before is in the database; with --single-transaction it is all or nothing"
        };
        match error.advice() {
            Some(advice) => {
                let advice = format!("{advice}; {what}");
                error.hint(advice)
            }
            None => error.hint(what),
        }
    }
}

fn no_session() -> Error {
    Error::new(ErrorKind::Other, "use a session before it is there")
}

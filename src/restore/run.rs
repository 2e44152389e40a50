//! Does what a dump says.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use super::encoding::ClientOnly;
use super::failure::Place;
use super::marks::{Begins, Marks};
use super::meta::MetaCommand;
use super::omit::{is_about_owner, is_about_privileges};
use super::script::{Piece, PieceKind};
use super::statement::{Kind, abbreviated};
use super::target::{connect_to_maintenance, create, has_schema_public, is_for_maintenance, refuse_nonempty};
use super::words::{database_name, is_about_database};
use super::{Options, Request, Restored, Script};
use crate::dump::ParamsFor;
use crate::error::{Error, ErrorKind, Result};
use crate::input::text;
use crate::pg::connect::{Session, connect};
use crate::pg::error::{failed, is_connection_lost, sqlstate};
use crate::pg::params::ConnectParams;
use crate::pg::text::{Text, decode};
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
        target: params.dbname.clone(),
        params,
        params_for,
        options,
        marks: Marks::default(),
        session: None,
        part: Part::Globals,
        held: Vec::new(),
        held_bytes: 0,
        made: false,
        connected_to: Vec::new(),
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

/// More than any cluster's roles and tablespaces need. What is longer is run before it is known what
/// comes after it.
const MOST_HELD_BYTES: usize = 64 << 20;

/// What dumps of `-n public` say of it, with and without `-c`.
const SCHEMA_PUBLIC: [&[u8]; 3] =
    [b"CREATE SCHEMA public;", b"DROP SCHEMA public;", b"DROP SCHEMA IF EXISTS public;"];

/// What of a dump is being read. Its structure decides where statements go, not what kind they are:
/// psql runs the first of them wherever it happens to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What belongs to no database: before the first of them, and between them. Held until it is
    /// clear what follows, because a database that is refused must leave these undone, too.
    Globals,
    /// A database's dump has begun, and has only set the session up so far, which is held as well.
    Undecided,
    /// It makes its database itself, and is not connected to that yet.
    OwnDatabase,
    /// The contents of the database that we are connected to.
    Contents,
}

struct Runner {
    script: Script,
    /// The database that was asked for.
    target: String,
    /// Of the database that we are connected to, or want to be.
    params: ConnectParams,
    params_for: Box<ParamsFor>,
    options: Options,
    marks: Marks,
    session: Option<Session>,
    part: Part,
    /// Statements that wait for a decision, with their kinds.
    held: Vec<(Piece, Kind)>,
    held_bytes: usize,
    /// We made the target.
    made: bool,
    /// The databases that the dump itself connected to.
    connected_to: Vec<String>,
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
                PieceKind::Comment => match self.marks.comment(&piece.text) {
                    Some(Begins::Database) => self.part = Part::Undecided,
                    Some(Begins::Cluster) => self.part = Part::Globals,
                    None => {}
                },
                PieceKind::MetaCommand => self.meta_command(&piece).await?,
                PieceKind::Statement | PieceKind::CopyFromStdin => self.statement(piece).await?,
                // Of a COPY that failed: they are data, and never run as SQL.
                PieceKind::Rows | PieceKind::EndOfRows => {}
            }
        }
        if let Some(missing) = self.marks.missing() {
            return Err(self.damaged(missing));
        }
        self.finish_parts().await?;
        if self.in_transaction {
            self.execute_own("COMMIT").await?;
            self.in_transaction = false;
        }
        self.assert_target().await
    }

    /// Does what was held until the end, and makes the database that was asked for even if nothing goes
    /// into it.
    async fn finish_parts(&mut self) -> Result<()> {
        if self.part == Part::Undecided {
            self.begin_contents().await?;
        } else if self.options.create && !self.made && self.connected_to.is_empty() {
            self.make_target().await?;
        }
        self.release().await
    }

    /// With `--create`, whether the database that was asked for is the one that was restored.
    async fn assert_target(&self) -> Result<()> {
        if !self.options.create || is_for_maintenance(&self.target) {
            return Ok(());
        }
        let attempted = || format!("create database \"{}\" and restore into it", self.target);
        if !self.made && !self.connected_to.contains(&self.target) {
            return Err(Error::new(ErrorKind::RestoreFailed, attempted()).because(format!(
                "the dump makes its databases itself, and it is none of them: {}",
                self.connected_to.join(", ")
            )));
        }
        let session = self.session()?;
        let failed = |e| failed(ErrorKind::RestoreFailed, attempted(), session.reason(e));
        let sql = "SELECT pg_catalog.current_database()::pg_catalog.text, EXISTS (
                          SELECT FROM pg_catalog.pg_database WHERE datname = $1::pg_catalog.text::pg_catalog.name)";
        let row = session.client.query_one(sql, &[&Text(self.target.clone())]).await.map_err(failed)?;
        let current: Text = row.try_get(0).map_err(failed)?;
        let is_there: bool = row.try_get(1).map_err(failed)?;
        if !is_there || current.0 != self.params.dbname {
            return Err(Error::new(ErrorKind::Other, attempted())
                .because(format!("the session is in database \"{}\": this is a bug", current.0)));
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

    /// Makes the database that was asked for, and connects to it.
    async fn make_target(&mut self) -> Result<()> {
        create(self.session()?, &self.target).await?;
        self.made = true;
        self.connect_to_target().await
    }

    async fn connect_to_target(&mut self) -> Result<()> {
        self.params = (self.params_for)(&self.target)?;
        let session = connect(&self.params).await?;
        self.begin_session(session).await
    }

    /// The contents of a database follow. Of a dump of one database they go into the one that was asked
    /// for, which must be there and empty; in a cluster's they go where the dump has connected to.
    async fn begin_contents(&mut self) -> Result<()> {
        if self.options.create && !self.marks.is_cluster() {
            if !self.made {
                self.make_target().await?;
            } else if self.params.dbname != self.target {
                self.connect_to_target().await?;
            }
        }
        self.refuse_nonempty().await?;
        self.part = Part::Contents;
        self.release().await
    }

    async fn refuse_nonempty(&mut self) -> Result<()> {
        if !self.is_known_empty {
            refuse_nonempty(self.session()?, &self.params.dbname).await?;
            self.is_known_empty = true;
        }
        Ok(())
    }

    /// The dump makes its database itself, under its own name.
    async fn begin_own_database(&mut self, statement: &[u8]) -> Result<()> {
        let own = database_name(statement);
        if self.options.create
            && !self.marks.is_cluster()
            && !is_for_maintenance(&self.target)
            && own.as_ref().is_some_and(|own| *own != self.target)
        {
            let own = own.unwrap_or_default();
            return Err(Error::new(
                ErrorKind::RestoreFailed,
                format!("restore into database \"{}\"", self.target),
            )
            .because(format!("the dump was made with -C, and makes database \"{own}\" itself"))
            .hint(format!(
                "restore it under its own name with --to postgres, or make a dump of \"{own}\" without -C"
            )));
        }
        self.part = Part::OwnDatabase;
        self.release().await
    }

    /// Does what was held.
    async fn release(&mut self) -> Result<()> {
        self.held_bytes = 0;
        for (piece, kind) in std::mem::take(&mut self.held) {
            self.perform(piece, kind).await?;
        }
        Ok(())
    }

    async fn hold(&mut self, piece: Piece, kind: Kind) -> Result<()> {
        self.held_bytes += piece.text.len();
        self.held.push((piece, kind));
        if self.held_bytes > MOST_HELD_BYTES { self.release().await } else { Ok(()) }
    }

    async fn statement(&mut self, piece: Piece) -> Result<()> {
        if !self.marks.have_begun() {
            return Err(self.damaged("it does not begin as a dump of pg_dump or pgsiphon does"));
        }
        let kind = Kind::of(&piece.text);
        if self.is_left_out(kind, &piece.text) {
            return Ok(());
        }
        match self.part {
            Part::Globals if piece.kind == PieceKind::Statement => return self.hold(piece, kind).await,
            Part::Undecided if kind == Kind::Setting => return self.hold(piece, kind).await,
            Part::Undecided if kind == Kind::Database => self.begin_own_database(&piece.text).await?,
            // Rows between the parts of a dump are none of pg_dump's.
            Part::Globals | Part::Undecided => self.begin_contents().await?,
            Part::Contents if kind != Kind::Setting => self.refuse_nonempty().await?,
            Part::OwnDatabase | Part::Contents => {}
        }
        self.perform(piece, kind).await
    }

    /// Runs a statement where we are.
    async fn perform(&mut self, piece: Piece, kind: Kind) -> Result<()> {
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
        // What dumps of `-n public` grant on it builds on the privileges that it has from the start, so in
        // an empty database the one that is there is the right one.
        if SCHEMA_PUBLIC.contains(&&piece.text[..])
            && !self.options.into_nonempty
            && self.part == Part::Contents
            && has_schema_public(self.session()?).await?
        {
            tracing::info!("line {}: schema public stays as it is", piece.line);
            return Ok(());
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
        if kind == Kind::CreateRole && is_there && !self.in_transaction {
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
                self.release().await?;
                self.params = (self.params_for)(&database)?;
                let session = connect(&self.params).await?;
                self.begin_session(session).await?;
                self.connected_to.push(database);
                if matches!(self.part, Part::Undecided | Part::OwnDatabase) {
                    self.part = Part::Contents;
                }
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
        let drop = format!("DROP DATABASE {};", quoted(&self.target));
        let what = match (self.has_changed, self.made, self.options.single_transaction) {
            (false, false, _) => return error,
            (false, true, _) | (true, true, true) => {
                format!(
                    "database \"{}\" was made, and nothing of the dump is in it; {drop} removes it",
                    self.target
                )
            }
            (true, true, false) => format!(
                "database \"{}\" was made, and holds what came before; {drop} removes it; with \
                 --single-transaction it is all or nothing",
                self.target
            ),
            (true, false, true) => "nothing of the dump is in the database".to_owned(),
            (true, false, false) => {
                "what came before is in the database; with --single-transaction it is all or nothing"
                    .to_owned()
            }
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

//! Executes a dump.

mod end;

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use crate::dump::ParamsFor;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::Session;
use crate::pg::error::{failed, is_connection_lost, sqlstate};
use crate::pg::params::ConnectParams;
use crate::pg::quote::{portable_literal, quoted};
use crate::pg::text::decode;
use crate::progress::Progress;
use crate::restore::completeness::{Mark, Marks};
use crate::restore::encoding::ClientOnly;
use crate::restore::failure::{Spot, is_missing};
use crate::restore::meta::MetaCommand;
use crate::restore::place::{ScriptPlace, Step};
use crate::restore::replace::Replacement;
use crate::restore::script::{Piece, PieceKind};
use crate::restore::statement::names::{
    creates_public, database_name, drops_public, is_about_database, role_dropped,
};
use crate::restore::statement::ownership::{is_about_owner, is_about_privileges};
use crate::restore::statement::{StatementKind, abbreviated, refuses_transactions};
use crate::restore::target::{
    connect_to_maintenance, connect_to_own, connect_to_target, create, has_untouched_public,
    is_for_maintenance, refuse_nonempty, refuse_other,
};
use crate::restore::{Rename, RestoreOptions, RestoreRequest, Restored, Script};
use crate::storage::input::text;

/// How long to wait for the server to roll back before disconnecting.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(
    request: RestoreRequest,
    progress: Arc<dyn Progress>,
    shutdown: CancellationToken,
) -> Result<Restored> {
    let RestoreRequest { backup, params, params_for, mut options } = request;
    let replacement = match options.replace {
        true => Some(Replacement::prepare(&params, options.force).await?),
        false => None,
    };
    options.create |= options.replace;
    let params = replacement.as_ref().map_or(params, |replacement| replacement.scratch.clone());
    let mut runner = Runner {
        script: Script::new(text::read(backup, progress)),
        target: params.clone(),
        params,
        params_for,
        options,
        marks: Marks::default(),
        session: None,
        place: ScriptPlace::Undecided,
        held: Vec::new(),
        is_at_target: false,
        is_target_made: false,
        has_database: false,
        is_target_writable: false,
        own: Vec::new(),
        has_connected: false,
        is_writable: false,
        in_transaction: false,
        done: Restored::default(),
        has_changed: false,
        errors: 0,
    };
    let outcome = tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(Error::interrupted(runner.attempted())),
        outcome = Box::pin(runner.restore()) => outcome,
    };
    let is_made = runner.is_target_made;
    let outcome = runner.end(outcome).await;
    match replacement {
        Some(replacement) => replacement.finish(outcome, is_made).await,
        None => outcome,
    }
}

struct Runner {
    script: Script,
    /// The database to restore to.
    target: ConnectParams,
    /// The database of the current session.
    params: ConnectParams,
    params_for: Box<ParamsFor>,
    options: RestoreOptions,
    marks: Marks,
    session: Option<Session>,
    place: ScriptPlace,
    /// Pieces read before it was clear whether the dump creates its database itself.
    held: Vec<Piece>,
    /// The current session is in the target database.
    is_at_target: bool,
    /// We created the target database.
    is_target_made: bool,
    /// The target database may be written to: it was empty, or need not be.
    is_target_writable: bool,
    /// A dump of a database has begun.
    has_database: bool,
    /// The databases to which the dump itself connected.
    own: Vec<String>,
    /// The current cluster dump has itself connected to a database.
    has_connected: bool,
    /// The database of the current session may be written to.
    is_writable: bool,
    /// We began the single transaction.
    in_transaction: bool,
    done: Restored,
    /// Something was changed that stays unless rolled back.
    has_changed: bool,
    errors: u64,
}

impl Runner {
    fn attempted(&self) -> String {
        format!("restore {}", self.script.location())
    }

    async fn restore(&mut self) -> Result<()> {
        if self.options.create || self.options.no_database {
            self.go_to_maintenance().await?;
        } else {
            self.go_to_target().await?;
        }
        while let Some(piece) = self.script.next().await? {
            match piece.kind {
                PieceKind::Space => {}
                PieceKind::Comment => {
                    if let Some(mark) = self.marks.comment(&piece.text) {
                        self.mark(mark).await?;
                    }
                }
                PieceKind::MetaCommand => self.meta_command(&piece).await?,
                PieceKind::Statement | PieceKind::CopyFromStdin => self.statement(piece).await?,
                // From a COPY that failed: they are data, and never executed as SQL.
                PieceKind::Rows | PieceKind::EndOfRows => {}
            }
        }
        if let Some(missing) = self.marks.missing() {
            return Err(self.damaged(missing));
        }
        self.finish_target().await?;
        if self.in_transaction {
            self.execute_own("COMMIT").await?;
            self.in_transaction = false;
        }
        Ok(())
    }

    /// Starts over at the header of each dump; a text may contain several.
    async fn mark(&mut self, mark: Mark) -> Result<()> {
        self.has_database |= mark == Mark::DatabaseBegins;
        match mark {
            Mark::DatabaseBegins if self.marks.is_cluster() && self.has_connected => {
                self.place = ScriptPlace::Contents;
            }
            Mark::DatabaseBegins => self.place = ScriptPlace::Undecided,
            // Roles wait, so that nothing is done if what follows is refused.
            Mark::ClusterBegins => (self.place, self.has_connected) = (ScriptPlace::Undecided, false),
            // It contains only settings, but the database was still asked for.
            Mark::DatabaseEnds if self.place == ScriptPlace::Undecided => self.enter_target().await?,
            Mark::DatabaseEnds | Mark::ClusterEnds => {}
        }
        Ok(())
    }

    /// Makes sure that the requested database exists, whatever the dump contains.
    async fn finish_target(&mut self) -> Result<()> {
        if self.options.replace && !self.has_database {
            return Err(Error::new(ErrorKind::RestoreFailed, self.attempted())
                .because("it contains no dump of a database to replace the existing one"));
        }
        if self.options.no_database && self.own.is_empty() {
            return self.enter_target().await;
        }
        let wants_target = self.options.create && !self.is_target_made;
        if !wants_target || !self.own.is_empty() {
            self.run_held().await?;
        }
        if !wants_target {
            return Ok(());
        }
        let target = &self.target.dbname;
        if self.own.is_empty() {
            self.enter_target().await
        } else if self.own.contains(target) || is_for_maintenance(target) {
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::RestoreFailed,
                format!("create database \"{target}\" and restore into it"),
            )
            .because(format!(
                "the dump creates its own databases, and this is not one of them: {}",
                self.own.join(", ")
            )))
        }
    }

    /// With `--create`, a dump that creates its database under another name would fill one that was not
    /// asked for.
    fn refuse_other_name(&self, statement: &[u8]) -> Result<()> {
        let target = &self.target.dbname;
        let Some(own) = database_name(statement).filter(|own| own != target) else { return Ok(()) };
        let is_chosen = self.is_target_made || is_for_maintenance(target);
        if !self.options.create || self.marks.is_cluster() || is_chosen {
            return Ok(());
        }
        Err(Error::new(ErrorKind::RestoreFailed, format!("restore into database \"{target}\""))
            .because(format!("the dump was made with -C, and creates database \"{own}\" itself"))
            .hint(format!(
                "restore it under its own name with --to postgres, or make a dump of \"{own}\" without -C"
            )))
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::new(ErrorKind::Damaged, format!("read {}", self.script.location())).because(what)
    }

    fn session(&self) -> Result<&Session> {
        self.session.as_ref().ok_or_else(no_session)
    }

    /// Prepares a new session.
    async fn begin_session(&mut self, session: Session) -> Result<()> {
        let encoding = self.params.client_encoding.as_deref().and_then(ClientOnly::named);
        self.script.splitter.reconnected(session.standard_conforming_strings(), encoding);
        if let Some(old) = self.session.replace(session) {
            old.close().await;
        }
        self.is_writable = self.options.into_nonempty;
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

    async fn go_to_maintenance(&mut self) -> Result<()> {
        let session = connect_to_maintenance(&self.target).await?;
        self.params = self.target.clone();
        self.is_at_target = false;
        self.begin_session(session).await
    }

    async fn go_to_target(&mut self) -> Result<()> {
        let session = connect_to_target(&self.target).await?;
        if self.is_target_made {
            refuse_other(&session, &self.target.dbname).await?;
        }
        self.params = self.target.clone();
        self.is_at_target = true;
        self.begin_session(session).await?;
        self.is_writable |= self.is_target_writable;
        Ok(())
    }

    /// Enters the requested database, which is created if necessary, and must be empty.
    async fn enter_target(&mut self) -> Result<()> {
        if self.options.no_database {
            return Err(Error::new(ErrorKind::Usage, self.attempted())
                .because("no target database was given, and the dump does not connect to one itself")
                .hint(
                    "name it with --to, and add --create to create it; for roles only, use --to postgres",
                ));
        }
        if self.options.create && !self.is_target_made {
            create(self.session()?, &self.target.dbname).await?;
            (self.is_target_made, self.is_target_writable, self.has_changed) = (true, true, true);
        }
        if !self.is_at_target {
            self.go_to_target().await?;
        }
        self.place = ScriptPlace::Contents;
        self.check_writable().await?;
        self.run_held().await
    }

    /// A dump that creates its databases itself cannot replace one.
    fn refuse_own(&self) -> Result<()> {
        if !self.options.replace {
            return Ok(());
        }
        Err(Error::new(ErrorKind::RestoreFailed, self.attempted())
            .because("the dump creates or selects its database itself, so it cannot replace another")
            .hint("dump without -C/--create; or drop the database, and restore with --to postgres"))
    }

    /// Refuses to change a database that is not empty.
    async fn check_writable(&mut self) -> Result<()> {
        if !self.is_writable {
            refuse_nonempty(self.session()?, &self.params.dbname).await?;
            self.is_writable = true;
            self.is_target_writable |= self.is_at_target;
        }
        Ok(())
    }

    async fn run_held(&mut self) -> Result<()> {
        for piece in std::mem::take(&mut self.held) {
            let kind = StatementKind::of(&piece.text);
            if kind == StatementKind::Setting {
                self.script.splitter.follow(&piece.text);
            }
            self.perform(piece, kind).await?;
        }
        Ok(())
    }

    /// Creates the schema into which a relation is moved.
    async fn create_schema(&self) -> Result<()> {
        let Some(Rename { to: (schema, _), .. }) = &self.options.rename else { return Ok(()) };
        let session = self.session()?;
        let found = session
            .client
            .query_opt("SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1", &[schema])
            .await
            .map_err(|e| {
                failed(ErrorKind::RestoreFailed, format!("look for schema {schema}"), session.reason(e))
            })?;
        match found {
            Some(_) => Ok(()),
            None => self.execute_own(&format!("CREATE SCHEMA {}", quoted(schema))).await,
        }
    }

    async fn statement(&mut self, mut piece: Piece) -> Result<()> {
        if !self.marks.have_begun() {
            return Err(self.damaged("it does not begin like a dump made by pg_dump or pgsiphon"));
        }
        let kind = match StatementKind::of(&piece.text) {
            StatementKind::CreateRole if !self.marks.is_cluster() => StatementKind::Cluster,
            kind => kind,
        };
        if self.is_left_out(kind, &piece.text) {
            return Ok(());
        }
        if let Some(rename) = &self.options.rename {
            piece.text = rename.apply(&piece.text).into();
        }
        if self.options.single_transaction {
            if matches!(kind, StatementKind::Begin | StatementKind::Commit) {
                return Ok(());
            }
            if refuses_transactions(&piece.text) {
                return Err(self.refuses_transaction(piece.line, &abbreviated(&piece.text)));
            }
        }
        match self.place.step(kind, &piece.text, self.has_connected, self.marks.is_cluster()) {
            Step::Hold => {
                self.held.push(piece);
                return Ok(());
            }
            Step::Run => {}
            Step::RunInEmpty => self.check_writable().await?,
            Step::MakeOwn => {
                self.refuse_own()?;
                self.refuse_other_name(&piece.text)?;
                let is_among_globals = self.marks.is_cluster() && !self.marks.is_in_database();
                self.place = if is_among_globals { ScriptPlace::Cluster } else { ScriptPlace::Own };
                self.run_held().await?;
            }
            Step::EnterTarget => self.enter_target().await?,
        }
        self.perform(piece, kind).await
    }

    /// Executes a statement in the current database.
    async fn perform(&mut self, piece: Piece, kind: StatementKind) -> Result<()> {
        if self.options.single_transaction && !self.in_transaction {
            self.execute_own("BEGIN").await?;
            self.in_transaction = true;
            self.create_schema().await?;
        }
        // Grants on it in dumps of `-n public` build on its initial privileges.
        if role_dropped(&decode(&piece.text)).as_deref() == Some(&self.params.user) {
            // pg_dumpall --clean also drops the restoring role.
            tracing::warn!(
                "line {}: skipped {} (it is the restoring role)",
                piece.line,
                abbreviated(&piece.text)
            );
            return Ok(());
        }
        let makes_anew =
            creates_public(&piece.text) || (!self.options.into_nonempty && drops_public(&piece.text));
        if makes_anew && has_untouched_public(self.session()?).await? {
            tracing::debug!("line {}: the schema public already exists, as in every database", piece.line);
            return Ok(());
        }
        let outcome = match piece.kind {
            PieceKind::CopyFromStdin => self.copy(&piece).await,
            _ => self.run(&piece, kind).await,
        };
        let Err(mut error) = outcome else {
            self.has_changed |= kind != StatementKind::Setting;
            return Ok(());
        };
        if error.kind() != ErrorKind::RestoreFailed {
            return Err(error);
        }
        if self.options.is_part && error.hints().is_none() && sqlstate(&error).is_some_and(is_missing) {
            error = error.hint("--with-dependencies also restores what the chosen objects need");
        }
        if !self.options.continue_on_error || self.is_session_over(&error) {
            return Err(self.damage_behind().await.unwrap_or(error));
        }
        // After an error in the dump's own transaction, every statement fails until its end.
        if sqlstate(&error) != Some(&SqlState::IN_FAILED_SQL_TRANSACTION) {
            self.errors += 1;
            tracing::error!("{}", error.report());
        }
        Ok(())
    }

    fn is_left_out(&self, kind: StatementKind, statement: &[u8]) -> bool {
        let options = &self.options;
        (options.stay_in_database && (kind == StatementKind::Database || is_about_database(statement)))
            || (options.no_owner && is_about_owner(statement))
            || (options.no_privileges && is_about_privileges(statement))
    }

    /// Whether the session ended with this error. (Class 57P: the server is shutting down, or was asked
    /// to end the session.)
    fn is_session_over(&self, error: &Error) -> bool {
        is_connection_lost(error)
            || sqlstate(error).is_some_and(|code| code.code().starts_with("57P"))
            || self.session.as_ref().is_none_or(|session| session.client.is_closed())
    }

    /// Continues reading a little after an error: corruption in a compressed backup shows at the end of
    /// a block, when the server may already have failed on its contents.
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

    async fn run(&mut self, piece: &Piece, kind: StatementKind) -> Result<()> {
        // pg_dumpall writes CREATE ROLE and ALTER ROLE separately because the role may exist: the
        // restoring one always does.
        // that restores always is.
        let may_be_there = kind == StatementKind::CreateRole;
        let needs_savepoint = may_be_there && self.in_transaction;
        if needs_savepoint {
            self.execute_own("SAVEPOINT pgsiphon").await?;
        }
        let session = self.session()?;
        let Err(error) = session.client.batch_execute(&decode(&piece.text)).await else {
            if needs_savepoint {
                self.execute_own("RELEASE SAVEPOINT pgsiphon").await?;
            }
            self.done.statements += 1;
            return Ok(());
        };
        let spot = Spot { statement: &piece.text, line: piece.line, rows_line: None };
        let error = spot.error(session.reason(error));
        if may_be_there && sqlstate(&error) == Some(&SqlState::DUPLICATE_OBJECT) {
            if needs_savepoint {
                self.execute_own("ROLLBACK TO SAVEPOINT pgsiphon").await?;
            }
            tracing::warn!(
                "line {}: skipped {} (the role already exists)",
                piece.line,
                abbreviated(&piece.text)
            );
            return Ok(());
        }
        Err(error)
    }

    /// Executes a COPY with the rows that follow. If it fails, some rows may be left unread.
    async fn copy(&mut self, copy: &Piece) -> Result<()> {
        let Runner { session, script, done, .. } = self;
        let session = session.as_ref().ok_or_else(no_session)?;
        let mut spot = Spot { statement: &copy.text, line: copy.line, rows_line: None };
        let mut rows = 0;
        let mut copying = session.copy_in(decode(&copy.text));
        let outcome = loop {
            // If reading the script fails, dropping the COPY makes the server discard its rows.
            let piece = tokio::select! {
                biased;
                error = copying.ended() => break Err(error),
                piece = script.next() => piece?,
            };
            match piece {
                Some(Piece { kind: PieceKind::Rows, text, line }) => {
                    spot.rows_line.get_or_insert(line);
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
            Err(Some(error)) => Err(spot.error(session.reason(error))),
            Err(None) => Err(Error::new(ErrorKind::RestoreFailed, spot.attempted(None))
                .because("the server does not accept rows")),
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
                self.refuse_own()?;
                self.run_held().await?;
                let params = (self.params_for)(&database)?;
                let session = connect_to_own(&params).await?;
                self.params = params;
                self.is_at_target = false;
                self.has_connected = self.marks.is_cluster();
                self.place = if self.has_connected && !self.marks.is_in_database() {
                    ScriptPlace::Cluster
                } else {
                    ScriptPlace::Contents
                };
                self.own.push(database);
                self.begin_session(session).await?;
            }
        }
        Ok(())
    }
}

fn no_session() -> Error {
    Error::new(ErrorKind::Other, "use a session before it exists")
}

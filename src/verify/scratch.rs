//! Restores a backup into a scratch database, dumps that database, and drops it.

use std::sync::Arc;

use rand::RngExt;
use tokio_util::sync::CancellationToken;

use super::compare::{Comparison, compare};
use super::stream::stream;
use super::{BackupContents, Depth, read_back};
use crate::codec::Compression;
use crate::dump::{self, ParamsFor, dump};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::{Session, connect};
use crate::pg::error::failed;
use crate::pg::params::ConnectParams;
use crate::pg::quote::{portable_literal, quoted};
use crate::pg::text::EncodedText;
use crate::progress::{Progress, Silent, Warnings};
use crate::restore::{self, client_only, restore};
use crate::select::options::{DumpOptions, Patterns};
use crate::snapshot::SessionOptions;
use crate::storage::input::Opened;

/// What to restore, and where.
pub struct ScratchRequest {
    /// The backup, at its beginning.
    pub backup: Opened,
    /// What [`read_back`] found in it, with [`Depth::Comparable`].
    pub contents: BackupContents,
    /// A database of the server, used to create the scratch database.
    pub params: ConnectParams,
    /// How to connect to the scratch database.
    pub params_for: Box<ParamsFor>,
    /// The role with which to restore and dump.
    pub role: Option<String>,
}

/// The result of a trial restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The server's version.
    pub server_version: String,
    /// How the restored database differs from the backup.
    pub comparison: Comparison,
}

/// Restores the backup into a new database, dumps that, and compares. The database is always dropped in
/// the end.
///
/// # Errors
/// `RestoreFailed`, if it cannot be restored; `Damaged`, if the restored database differs from the
/// backup; `Interrupted`; errors of the server.
pub async fn try_restore(
    request: ScratchRequest,
    progress: Arc<dyn Progress>,
    shutdown: &CancellationToken,
) -> Result<Tried> {
    let ScratchRequest { backup, contents, params, params_for, role } = request;
    if contents.is_cluster {
        return Err(Error::new(ErrorKind::Usage, format!("restore {}", contents.location))
            .because("a dump of a whole cluster cannot be restored next to other databases")
            .hint("restore it into an empty cluster"));
    }
    let database = format!("pgsiphon_verify_{:016x}", rand::rng().random::<u64>());
    let maintenance = connect(&params).await?;
    create(&maintenance, &database, &contents).await?;
    maintenance.close().await;
    tracing::info!("created the scratch database {database}");
    let trial = Trial { database: &database, params_for, role, contents: &contents };
    let outcome = trial.run(backup, progress, shutdown).await;
    let dropped = drop_database(&params, &trial.params_for, &database).await;
    match (outcome, dropped) {
        (outcome, Ok(())) => outcome,
        (Ok(_), Err(error)) => Err(error),
        (Err(error), Err(leftover)) => Err(error.and_hint(leftover.report())),
    }
}

struct Trial<'a> {
    database: &'a str,
    params_for: Box<ParamsFor>,
    role: Option<String>,
    contents: &'a BackupContents,
}

impl Trial<'_> {
    async fn run(
        &self,
        backup: Opened,
        progress: Arc<dyn Progress>,
        shutdown: &CancellationToken,
    ) -> Result<Tried> {
        let params = (self.params_for)(self.database)?;
        // The scratch database has another name than the dumped one, and so does the database that the
        // dump creates.
        let no_other: Box<ParamsFor> = Box::new(|name| {
            Err(Error::new(ErrorKind::Usage, format!("connect to \"{name}\""))
                .because("a trial restore must stay in its scratch database"))
        });
        let request = restore::RestoreRequest {
            backup,
            params: params.clone(),
            params_for: no_other,
            options: restore::RestoreOptions {
                stay_in_database: true,
                role: self.role.clone(),
                ..restore::RestoreOptions::default()
            },
        };
        restore(request, progress, shutdown.clone()).await?;
        self.compare(params, shutdown).await
    }

    /// Dumps the scratch database, and compares while dumping.
    async fn compare(&self, params: ConnectParams, shutdown: &CancellationToken) -> Result<Tried> {
        let warnings = Warnings::default();
        let (sink, opened) = stream(format!("the dump of database {}", self.database));
        let encoding = self.contents.setting("client_encoding").map(str::to_owned);
        let options = self.options();
        let session = SessionOptions {
            role: self.role.clone(),
            encoding,
            // The server quotes types and expressions.
            quote_all_identifiers: options.quote_all_identifiers,
            ..SessionOptions::default()
        };
        let request = dump::DumpRequest {
            params,
            session,
            options,
            output: dump::OutputOptions {
                compression: Compression::None,
                jobs: 1,
                digest: false,
                index: false,
                rate_limit: None,
            },
            sink: Box::new(sink),
        };
        let dumping = dump(request, Arc::new(Silent), &warnings, shutdown.clone());
        let reading = read_back(opened, Depth::Comparable, None, Arc::new(Silent), shutdown);
        // If the dump fails, the other side only sees that it is cut off: report the dump's error.
        let (dumped, read) = tokio::join!(Box::pin(dumping), Box::pin(reading));
        let (dumped, read) = (dumped?, read?);
        let comparison = compare(self.contents, &read)?;
        Ok(Tried { server_version: dumped.server_version, comparison })
    }

    /// The flags with which the backup was made, as far as they can be recognized: what it left out must
    /// be left out again.
    fn options(&self) -> DumpOptions {
        let statements = &self.contents.statements;
        let none = |wanted: &dyn Fn(&[u8]) -> bool| !statements.iter().any(|text| wanted(text));
        let begins = |verbs: &'static [&'static [u8]]| {
            move |text: &[u8]| verbs.iter().any(|verb| text.starts_with(verb))
        };
        let selected = self.contents.selected_schemas();
        let patterns =
            Patterns { schemas: selected.iter().map(|name| quoted(name)).collect(), ..Patterns::default() };
        let says = |piece: &'static [u8]| move |text: &[u8]| memchr::memmem::find(text, piece).is_some();
        let drops = |text: &[u8]| text.starts_with(b"DROP ");
        let bodies =
            |text: &[u8]| text.starts_with(b"CREATE FUNCTION ") || text.starts_with(b"CREATE PROCEDURE ");
        let has_rows = !self.contents.relations.is_empty() || self.contents.inserts > 0;
        DumpOptions {
            no_owner: none(&|text| memchr::memmem::find(text, b" OWNER TO ").is_some()),
            no_privileges: none(&begins(&[b"GRANT ", b"REVOKE ", b"ALTER DEFAULT PRIVILEGES "])),
            no_comments: none(&begins(&[b"COMMENT ON "])),
            data: has_rows
                || !none(&begins(&[b"SELECT pg_catalog.setval("]))
                || self.contents.large_objects > 0,
            statistics: !none(&begins(&[b"SELECT * FROM pg_catalog.pg_restore_"])),
            clean: !none(&drops),
            if_exists: !none(&|text| drops(text) && says(b" IF EXISTS ")(text)),
            // Every database has comments or objects in `public`, which need no quotes otherwise.
            quote_all_identifiers: !none(&|text| {
                says(b" SCHEMA \"public\"")(text) || says(b" \"public\".")(text)
            }),
            disable_dollar_quoting: !none(&|text| bodies(text) && says(b"\n    AS '")(text))
                && none(&|text| bodies(text) && says(b"\n    AS $")(text)),
            load_via_partition_root: self.contents.loads_via_root,
            large_objects: (self.contents.large_objects > 0).then_some(true),
            patterns,
            ..DumpOptions::new("verify".to_owned())
        }
    }
}

/// Creates the scratch database like the backup's own: from its own statement, or with its encoding.
async fn create(session: &Session, database: &str, contents: &BackupContents) -> Result<()> {
    let attempted = || format!("create the scratch database {database}");
    let fail = |e| failed(ErrorKind::RestoreFailed, attempted(), session.reason(e));
    let settings = match &contents.create_database {
        Some(statement) => settings_of(statement),
        None => {
            let sql = "SELECT pg_catalog.pg_encoding_to_char(encoding)::text FROM pg_catalog.pg_database WHERE datname = 'template0'";
            let row = session.client.query_one(sql, &[]).await.map_err(fail)?;
            let usual: EncodedText = row.try_get(0).map_err(fail)?;
            match contents.setting("client_encoding") {
                Some(encoding) if encoding != usual.0 && !client_only(encoding) => {
                    format!(" ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'", portable_literal(encoding))
                }
                _ => String::new(),
            }
        }
    };
    let sql = format!("CREATE DATABASE {} TEMPLATE template0{settings}", quoted(database));
    session.client.batch_execute(&sql).await.map_err(fail)
}

/// Everything after the template in `CREATE DATABASE`, except the tablespace.
fn settings_of(statement: &str) -> String {
    let Some((_, settings)) = statement.split_once("TEMPLATE = template0") else { return String::new() };
    let settings = settings.trim_end().trim_end_matches(';');
    let end = settings.find(" TABLESPACE = ").unwrap_or(settings.len());
    settings[..end].to_owned()
}

/// Drops the scratch database, and its subscriptions first, which would prevent that.
async fn drop_database(params: &ConnectParams, params_for: &ParamsFor, database: &str) -> Result<()> {
    let sql = format!("DROP DATABASE IF EXISTS {}", quoted(database));
    let attempted = || format!("drop the scratch database {database}");
    let advise = |error: Error| error.hint(format!("drop it by hand: {sql};"));
    let run = async {
        let scratch = connect(&params_for(database)?).await?;
        let fail = |e| failed(ErrorKind::RestoreFailed, attempted(), e);
        let list = "SELECT subname::text FROM pg_catalog.pg_subscription
                     WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
        // Only superusers can see subscriptions, and only they can have restored any.
        for row in scratch.client.query(list, &[]).await.unwrap_or_default() {
            let name = quoted(&row.try_get::<_, EncodedText>(0).map_err(fail)?.0);
            for change in [
                format!("ALTER SUBSCRIPTION {name} DISABLE"),
                format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
                format!("DROP SUBSCRIPTION {name}"),
            ] {
                scratch.client.batch_execute(&change).await.map_err(fail)?;
            }
        }
        scratch.close().await;
        let maintenance = connect(params).await?;
        // FORCE exists since 13.
        let force = if maintenance.version().major() >= 13 { " WITH (FORCE)" } else { "" };
        maintenance.client.batch_execute(&format!("{sql}{force}")).await.map_err(fail)?;
        maintenance.close().await;
        Ok(())
    };
    Box::pin(run).await.map_err(advise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_databases_are_taken_over() {
        for (statement, settings) in [
            (
                "CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C';",
                " ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C'",
            ),
            (
                "CREATE DATABASE \"a b\" WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE = 'C' TABLESPACE = fast;",
                " ENCODING = 'LATIN1' LOCALE = 'C'",
            ),
            ("CREATE DATABASE shop;", ""),
        ] {
            assert_eq!(settings_of(statement), settings);
        }
    }
}

//! Replaces an existing database: the backup is restored under another name, and takes over the old name
//! when it is complete. Until then the old database is unchanged.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::target::{connect_to_maintenance, drop_statement};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::Session;
use crate::pg::error::failed;
use crate::pg::params::ConnectParams;
use crate::pg::quote::quoted;
use crate::pg::text::EncodedText;

/// Databases that a cluster needs, and that we connect through.
const PROTECTED: [&str; 3] = ["postgres", "template0", "template1"];

/// How many bytes of the name our names reuse: the server truncates names to 63 bytes.
const STEM_BYTES: usize = 36;

/// What prevents the server from dropping a database. (Everyone can read a subscription's database.)
const OBSTACLES: &str = "
    SELECT pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
           pg_catalog.pg_has_role(d.datdba, 'USAGE') AS is_ours,
           d.datistemplate,
           EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE s.database = d.datname) AS has_slots,
           EXISTS (SELECT FROM pg_catalog.pg_subscription s WHERE s.subdbid = d.oid) AS has_subscriptions,
           EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts x WHERE x.database = d.datname) AS has_prepared
      FROM pg_catalog.pg_database d WHERE d.datname = $1";

/// Other sessions in a database. Autovacuum workers leave on their own.
const OTHERS: &str = "
    SELECT pg_catalog.concat_ws(' ', COALESCE(a.usename::text, a.backend_type), 'from ' || pg_catalog.host(a.client_addr),
                                '(' || NULLIF(a.application_name, '') || ')', 'pid ' || a.pid::text) AS who
      FROM pg_catalog.pg_stat_activity a
     WHERE a.datname = $1 AND a.pid <> pg_catalog.pg_backend_pid()
       AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
     ORDER BY a.pid";

/// A database to be replaced, and the one that replaces it.
pub(super) struct Replacement {
    /// How to connect to the new database, which has a temporary name.
    pub(super) scratch: ConnectParams,
    database: String,
    owner: String,
    old_name: String,
    force: bool,
}

impl Replacement {
    /// Checks whether the database can be replaced. Changes nothing.
    ///
    /// # Errors
    /// `Usage`, for databases that are never replaced; `RestoreFailed` with what prevents it; errors of
    /// the server.
    pub(super) async fn prepare(params: &ConnectParams, force: bool) -> Result<Self> {
        let database = params.dbname.clone();
        if PROTECTED.contains(&database.as_str()) {
            return Err(Error::new(ErrorKind::Usage, attempted(&database))
                .because("this database is never replaced: the cluster needs it"));
        }
        let session = connect_to_maintenance(params).await?;
        let owner = look_for_obstacles(&session, &database).await?;
        if !force {
            refuse_others(&session, &database).await?;
        }
        session.close().await;
        let mut end = database.len().min(STEM_BYTES);
        while !database.is_char_boundary(end) {
            end -= 1;
        }
        let number = rand::rng().random::<u32>();
        let named = |what: &str| format!("{}_{what}_{number:08x}", &database[..end]);
        Ok(Replacement {
            scratch: ConnectParams { dbname: named("new"), ..params.clone() },
            old_name: named("old"),
            database,
            owner,
            force,
        })
    }

    /// Puts the new database in the old one's place, or drops it if the restore failed.
    ///
    /// # Errors
    /// The error of the restore, with what is left behind; `RestoreFailed`, if the databases cannot be
    /// swapped.
    pub(super) async fn finish<T>(self, outcome: Result<T>, is_made: bool) -> Result<T> {
        match outcome {
            Ok(done) => self.swap().await.map(|()| done),
            Err(error) => {
                let dropped = if is_made { self.drop_scratch().await } else { Ok(()) };
                let error = error.and_hint(format!("database \"{}\" is unchanged", self.database));
                Err(match dropped {
                    Ok(()) => error,
                    Err(leftover) => error.and_hint(leftover.report()),
                })
            }
        }
    }

    async fn drop_scratch(&self) -> Result<()> {
        let scratch = &self.scratch.dbname;
        let sql = drop_statement(scratch);
        let run = async {
            let session = connect_to_maintenance(&self.scratch).await?;
            execute(&session, format!("drop database \"{scratch}\""), &sql).await?;
            session.close().await;
            Ok(())
        };
        run.await.map_err(|error: Error| error.hint(format!("drop it by hand: {sql}")))
    }

    async fn swap(&self) -> Result<()> {
        let [scratch, database, old] =
            [&self.scratch.dbname, &self.database, &self.old_name].map(|name| quoted(name));
        let renames = format!(
            "ALTER DATABASE {database} RENAME TO {old}; ALTER DATABASE {scratch} RENAME TO {database};"
        );
        let exchange = async {
            let session = connect_to_maintenance(&self.scratch).await?;
            if self.force {
                let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                            WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid()";
                let fail = |e| failed(ErrorKind::RestoreFailed, attempted(&self.database), session.reason(e));
                session.client.execute(sql, &[&self.database]).await.map_err(fail)?;
            } else {
                refuse_others(&session, &self.database).await?;
            }
            // Members of the owning role get the same access again. Either both names change, or none.
            let owner = quoted(&self.owner);
            let sql = format!("BEGIN; ALTER DATABASE {scratch} OWNER TO {owner}; {renames} COMMIT;");
            execute(&session, attempted(&self.database), &sql).await?;
            Ok(session)
        };
        let session = exchange.await.map_err(|error: Error| {
            error.hint(format!(
                "the backup is restored as {scratch}, and {database} is unchanged: drop the new one, or, when \
                 nobody is connected, swap them with {renames}"
            ))
        })?;
        let sql = drop_statement(&self.old_name);
        execute(&session, format!("drop the old database, now named {old}"), &sql).await.map_err(
            |error| error.hint(format!("{database} was replaced; drop the old one by hand: {sql}")),
        )?;
        session.close().await;
        Ok(())
    }
}

fn attempted(database: &str) -> String {
    format!("replace database \"{database}\"")
}

async fn execute(session: &Session, attempted: String, sql: &str) -> Result<()> {
    let fail = |e| failed(ErrorKind::RestoreFailed, attempted, session.reason(e));
    session.client.batch_execute(sql).await.map_err(fail)
}

/// Returns the owner of a database that can be replaced.
async fn look_for_obstacles(session: &Session, database: &str) -> Result<String> {
    let fail = |e| failed(ErrorKind::RestoreFailed, attempted(database), session.reason(e));
    let refused =
        |why: &str| Error::new(ErrorKind::RestoreFailed, attempted(database)).because(why.to_owned());
    let Some(row) = session.client.query_opt(OBSTACLES, &[&database]).await.map_err(fail)? else {
        return Err(refused("it does not exist").hint("--create creates a new database"));
    };
    let owner: EncodedText = row.try_get("owner").map_err(fail)?;
    let is_ours: bool = row.try_get("is_ours").map_err(fail)?;
    if !is_ours {
        return Err(refused(&format!("it belongs to role \"{}\"", owner.0))
            .hint("connect as its owner, who needs CREATEDB, or as a superuser"));
    }
    for (column, why) in [
        ("datistemplate", "it is a template database, which the server does not drop"),
        ("has_slots", "it has replication slots: drop them first"),
        ("has_subscriptions", "it has subscriptions: drop them first"),
        ("has_prepared", "it has prepared transactions: commit them or roll them back first"),
    ] {
        if row.try_get(column).map_err(fail)? {
            return Err(refused(why));
        }
    }
    Ok(owner.0)
}

/// How long a session may take to end after its client disconnects. DROP DATABASE waits for five
/// seconds.
const GOODBYE: Duration = Duration::from_secs(2);

async fn refuse_others(session: &Session, database: &str) -> Result<()> {
    let fail = |e| failed(ErrorKind::RestoreFailed, attempted(database), session.reason(e));
    let start = Instant::now();
    let others = loop {
        let rows = session.client.query(OTHERS, &[&database]).await.map_err(fail)?;
        let others: Result<Vec<EncodedText>, _> = rows.iter().map(|row| row.try_get("who")).collect();
        let others: Vec<String> = others.map_err(fail)?.into_iter().map(|who| who.0).collect();
        if others.is_empty() {
            return Ok(());
        }
        if start.elapsed() >= GOODBYE {
            break others;
        }
        tokio::time::sleep(GOODBYE / 20).await;
    };
    Err(Error::new(ErrorKind::RestoreFailed, attempted(database))
        .because(format!("other sessions are connected to it: {}", others.join(", ")))
        .hint("end them first, or use --force"))
}

//! `pg_subscription`: subscriptions of this database. Only superusers may read them.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_subscription
pub(crate) struct Subscription {
    pub owner: String,
    /// `None` if a foreign server defines the connection.
    pub subconninfo: Option<String>,
    /// The name of that server, from version 19 on.
    pub servername: Option<String>,
    pub subslotname: Option<String>,
    pub subpublications: Vec<String>,
    pub subbinary: bool,
    pub substream: char,
    pub subtwophasestate: char,
    pub subdisableonerr: bool,
    pub subpasswordrequired: bool,
    pub subrunasowner: bool,
    pub subfailover: bool,
    pub subretaindeadtuples: bool,
    /// In milliseconds; 0 is no limit.
    pub submaxretention: i64,
    pub subsynccommit: String,
    /// `-1` means the server's own setting.
    pub subwalrcvtimeout: String,
    pub suborigin: String,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    if r.options.no_subscriptions {
        return StartedQuery::none("pg_subscription");
    }
    if !r.superuser {
        let sql = "SELECT pg_catalog.count(*) AS count FROM pg_catalog.pg_subscription
                    WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database
                                      WHERE datname = pg_catalog.current_database())";
        return r.start("pg_subscription", sql);
    }
    let since = |major: u32, column: &str, before: &str| {
        if r.major >= major { format!("s.{column}") } else { format!("{before} AS {column}") }
    };
    // A Boolean until 15.
    let substream = match r.major {
        ..14 => "'f'::\"char\"",
        14..16 => "CASE WHEN s.substream THEN 't'::\"char\" ELSE 'f'::\"char\" END",
        16.. => "s.substream",
    };
    let server = match r.major {
        ..19 => "NULL::text",
        19.. => "(SELECT f.srvname FROM pg_catalog.pg_foreign_server f WHERE f.oid = s.subserver)",
    };
    let sql = format!(
        "SELECT s.oid, s.subname, s.subowner, s.subconninfo, s.subslotname, s.subsynccommit, s.subpublications,
                {substream} AS substream, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},
                {server} AS servername
           FROM pg_catalog.pg_subscription s
          WHERE s.subdbid = (SELECT oid FROM pg_catalog.pg_database
                              WHERE datname = pg_catalog.current_database())",
        since(14, "subbinary", "false"),
        since(15, "subtwophasestate", "'d'::\"char\""),
        since(15, "subdisableonerr", "false"),
        since(16, "subpasswordrequired", "true"),
        since(16, "subrunasowner", "false"),
        since(16, "suborigin", "'any'::text"),
        since(17, "subfailover", "false"),
        since(19, "subretaindeadtuples", "false"),
        since(19, "submaxretention", "0"),
        since(19, "subwalrcvtimeout", "'-1'::text"),
    );
    r.start("pg_subscription", &sql)
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    let rows = rows.rows().await?;
    if !r.superuser {
        if rows.first().map(|row| row.int("count")).transpose()?.unwrap_or(0) > 0 {
            r.warnings.warn("subscriptions not dumped because current user is not a superuser");
        }
        return Ok(());
    }
    for row in rows {
        let subscription = Subscription {
            owner: catalog.role(row.oid("subowner")?),
            subconninfo: row.opt_text("subconninfo")?,
            servername: row.opt_text("servername")?,
            subslotname: row.opt_text("subslotname")?,
            subpublications: row.texts("subpublications")?,
            subbinary: row.bool("subbinary")?,
            substream: row.char("substream")?,
            subtwophasestate: row.char("subtwophasestate")?,
            subdisableonerr: row.bool("subdisableonerr")?,
            subpasswordrequired: row.bool("subpasswordrequired")?,
            subrunasowner: row.bool("subrunasowner")?,
            subfailover: row.bool("subfailover")?,
            subretaindeadtuples: row.bool("subretaindeadtuples")?,
            submaxretention: row.int("submaxretention")?,
            subsynccommit: row.text("subsynccommit")?,
            subwalrcvtimeout: row.text("subwalrcvtimeout")?,
            suborigin: row.text("suborigin")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_SUBSCRIPTION, oid: row.oid("oid")? },
            row.text("subname")?,
            None,
            ObjectKind::Subscription(Box::new(subscription)),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}

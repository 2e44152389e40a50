//! `pg_subscription`: subscriptions of this database. Only superusers may read them.

use super::read::Reader;
use super::{Catalog, CatalogId, Kind, class};
use crate::error::Result;

/// A subscription.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_subscription
pub struct Subscription {
    pub owner: String,
    pub subconninfo: String,
    pub subslotname: Option<String>,
    pub subpublications: Vec<String>,
    pub subbinary: bool,
    pub substream: char,
    pub subtwophasestate: char,
    pub subdisableonerr: bool,
    pub subpasswordrequired: bool,
    pub subrunasowner: bool,
    pub subfailover: bool,
    pub subsynccommit: String,
    pub suborigin: String,
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    if r.options.no_subscriptions {
        return Ok(());
    }
    if !r.superuser {
        let sql = "SELECT pg_catalog.count(*) AS count FROM pg_catalog.pg_subscription
                    WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database
                                      WHERE datname = pg_catalog.current_database())";
        let rows = r.query("pg_subscription", sql).await?;
        if rows.first().map(|row| row.int("count")).transpose()?.unwrap_or(0) > 0 {
            tracing::warn!("subscriptions not dumped because current user is not a superuser");
        }
        return Ok(());
    }
    let since = |major: u32, column: &str, before: &str| {
        if r.major >= major { format!("s.{column}") } else { format!("{before} AS {column}") }
    };
    // A boolean until 15.
    let substream = match r.major {
        ..14 => "'f'::\"char\"",
        14..16 => "CASE WHEN s.substream THEN 't'::\"char\" ELSE 'f'::\"char\" END",
        16.. => "s.substream",
    };
    let sql = format!(
        "SELECT s.oid, s.subname, s.subowner, s.subconninfo, s.subslotname, s.subsynccommit, s.subpublications,
                {substream} AS substream, {}, {}, {}, {}, {}, {}, {}
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
    );
    for row in r.query("pg_subscription", &sql).await? {
        let subscription = Subscription {
            owner: catalog.role(row.oid("subowner")?),
            subconninfo: row.text("subconninfo")?,
            subslotname: row.opt_text("subslotname")?,
            subpublications: row.texts("subpublications")?,
            subbinary: row.bool("subbinary")?,
            substream: row.char("substream")?,
            subtwophasestate: row.char("subtwophasestate")?,
            subdisableonerr: row.bool("subdisableonerr")?,
            subpasswordrequired: row.bool("subpasswordrequired")?,
            subrunasowner: row.bool("subrunasowner")?,
            subfailover: row.bool("subfailover")?,
            subsynccommit: row.text("subsynccommit")?,
            suborigin: row.text("suborigin")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_SUBSCRIPTION, oid: row.oid("oid")? },
            row.text("subname")?,
            None,
            Kind::Subscription(Box::new(subscription)),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}

//! What a dump must know about the server and the session before it reads anything.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::error::source_failed;
use super::text::EncodedText;
use crate::error::{Error, ErrorKind, Result};

/// The oldest major version that can be dumped.
pub(crate) const OLDEST_MAJOR: u32 = 12;
const OLDEST_DIALECT: u32 = 14;
const NEWEST_DIALECT: u32 = 19;

/// The newest major version whose catalogs and text are known.
///
/// In builds with debug assertions, `PGSIPHON_TEST_NEWEST_MAJOR` lowers it, to simulate with existing servers
/// how servers of future versions are handled.
pub(crate) fn newest_major() -> u32 {
    if cfg!(debug_assertions)
        && let Some(lower) =
            std::env::var("PGSIPHON_TEST_NEWEST_MAJOR").ok().and_then(|text| text.parse().ok())
    {
        return NEWEST_DIALECT.min(lower);
    }
    NEWEST_DIALECT
}

/// The server, as seen by the session.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub major: u32,
    /// `server_version_num`, such as 180006.
    pub version_num: i32,
    /// The version as the server reports it.
    pub version: String,
    pub encoding: String,
    /// `standard_conforming_strings`, which the dump sets too.
    pub standard_conforming_strings: bool,
    /// Whether the session's user is a superuser.
    pub superuser: bool,
    /// Whether the server is in recovery.
    pub standby: bool,
    /// Words that must be quoted as a name in some places, with their `catcode` in `pg_get_keywords()`.
    pub keywords: HashMap<String, char>,
}

impl Server {
    /// The major version of pg_dump whose output we reproduce: the server's own, if it is known.
    pub(crate) fn dialect(&self) -> u32 {
        self.major.clamp(OLDEST_DIALECT, newest_major())
    }

    /// The version whose catalogs we assume: the server's own, if it is known.
    pub(crate) fn known_major(&self) -> u32 {
        self.major.min(newest_major())
    }

    /// Queries the server, within the transaction that set the session up.
    pub(crate) async fn read(client: &Client) -> Result<Server> {
        let sql = "SELECT pg_catalog.current_setting('server_version_num')::int4 AS num,
                          pg_catalog.current_setting('server_version') AS version,
                          pg_catalog.current_setting('client_encoding') AS encoding,
                          pg_catalog.current_setting('standard_conforming_strings') = 'on' AS strings,
                          pg_catalog.current_setting('is_superuser') = 'on' AS superuser,
                          pg_catalog.pg_is_in_recovery() AS standby,
                          ARRAY(SELECT catcode::text || word FROM pg_catalog.pg_get_keywords()
                                WHERE catcode <> 'U') AS keywords";
        let failed = |e| source_failed("read the server's version and settings", e);
        let row = client.query_typed_one(sql, &[]).await.map_err(failed)?;
        let num: i32 = row.try_get("num").map_err(failed)?;
        let major = u32::try_from(num / 10_000).unwrap_or(0);
        if major < OLDEST_MAJOR {
            return Err(Error::new(ErrorKind::SourceFailed, "dump the database").because(format!(
                "the server's version is {major}; versions before {OLDEST_MAJOR} are not supported"
            )));
        }
        let keywords: Vec<String> = row.try_get("keywords").map_err(failed)?;
        let keyword = |spelled: &String| {
            let mut letters = spelled.chars();
            Some((letters.next()?, letters.as_str().to_owned()))
        };
        Ok(Server {
            major,
            version_num: num,
            version: row.try_get::<_, EncodedText>("version").map_err(failed)?.0,
            encoding: row.try_get("encoding").map_err(failed)?,
            standard_conforming_strings: row.try_get("strings").map_err(failed)?,
            superuser: row.try_get("superuser").map_err(failed)?,
            standby: row.try_get("standby").map_err(failed)?,
            keywords: keywords.iter().filter_map(keyword).map(|(catcode, word)| (word, catcode)).collect(),
        })
    }
}

//! Operations on a connection.

use std::time::{Duration, Instant};

use pgsiphon::ErrorKind;
use pgsiphon::pg::error::{is_connection_lost, source_failed, sqlstate};
use pgsiphon::pg::text::{self, EncodedText};

use crate::world::{World, ask, block_on, connected, failure, logged, try_connect_in};

pub(crate) fn startup_parameters_arrive(world: &World) {
    let string = world
        .socket(r"options='-c statement_timeout=1234 -c DateStyle=German,\\ DMY' application_name='my app'");
    let log = logged(|| {
        block_on(async {
            let session = try_connect_in(&string, &[("PGTZ", "Asia/Tokyo")]).await.unwrap();
            for (name, value) in [
                ("statement_timeout", "1234ms"),
                ("DateStyle", "German, DMY"),
                ("application_name", "my app"),
                ("TimeZone", "Asia/Tokyo"),
            ] {
                assert_eq!(ask(&session, &format!("SHOW {name}")).await, value);
            }
            session.client.batch_execute("DO $$ BEGIN RAISE NOTICE 'look here'; END $$").await.unwrap();
            let session = connected(&world.socket("")).await;
            assert_eq!(ask(&session, "SHOW application_name").await, "pgsiphon");
            session.close().await;
        });
    });
    assert!(log.contains("look here"), "{log}");
}

pub(crate) fn several_hosts(world: &World) {
    let port = world.cluster().port;
    let directory = world.cluster().socket_directory().display();
    let base =
        format!("user=postgres dbname=postgres connect_timeout=20 host=127.0.0.1,{directory} port=1,{port}");
    block_on(async {
        connected(&base).await;
        connected(&format!("{base} load_balance_hosts=random")).await;

        let report = failure(&base.replace(&format!("port=1,{port}"), "port=1,2")).await;
        for part in ["any server", "\"127.0.0.1\", port 1: Connection refused", ".s.PGSQL.2\": No such file"]
        {
            assert!(report.contains(part), "{part:?} is not in {report}");
        }

        world.cluster().psql(
            "postgres",
            "CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on",
        );
        let one = format!("host={directory} port={port} dbname=postgres");
        for (wanted, writer, reader) in [
            ("any", true, true),
            ("read-write", true, false),
            ("read-only", false, true),
            ("primary", true, true),
            ("standby", false, false),
            ("prefer-standby", true, true),
        ] {
            for (user, good) in [("postgres", writer), ("reader", reader)] {
                let string = format!("{one} user={user} target_session_attrs={wanted}");
                if good {
                    connected(&string).await;
                } else {
                    let report = failure(&string).await;
                    assert!(report.contains("read-only") || report.contains("hot standby"), "{report}");
                }
            }
        }
    });
}

pub(crate) fn cancel(world: &World) {
    block_on(async {
        for string in [
            world.socket(""),
            world.tcp("user=trusted sslmode=require"),
            world.tcp("user=trusted sslmode=disable"),
        ] {
            let session = connected(&string).await;
            let canceller = session.canceller();
            let started = Instant::now();
            let (result, ()) = tokio::join!(session.client.batch_execute("SELECT pg_sleep(60)"), async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                canceller.cancel().await.unwrap();
            });
            let error = source_failed("sleep", result.unwrap_err());
            assert_eq!(sqlstate(&error).map(|code| code.code()), Some("57014"));
            assert_eq!(error.kind(), ErrorKind::SourceFailed);
            assert_eq!(
                error.report(),
                "sleep: ERROR: canceling statement due to user request (SQLSTATE 57014)"
            );
            assert!(!is_connection_lost(&error));
            assert!(started.elapsed() < Duration::from_secs(30));
            session.cancel().await.unwrap();
            // A cancel request may arrive late, but the connection remains usable.
            let _ = session.client.batch_execute("SELECT 1").await;
            assert_eq!(ask(&session, "SELECT 2").await, "2");
        }
    });
}

pub(crate) fn the_reason_of_a_lost_connection(world: &World) {
    block_on(async {
        let victim = connected(&world.socket("")).await;
        let pid = ask(&victim, "SELECT pg_backend_pid()").await;
        world.cluster().psql("postgres", &format!("SELECT pg_terminate_backend({pid})"));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let error = victim.client.batch_execute("SELECT 1").await.unwrap_err();
        let error = victim.source_failed("read", error);
        assert_eq!(error.kind(), ErrorKind::SourceFailed);
        assert_eq!(sqlstate(&error).map(|code| code.code()), Some("57P01"), "{}", error.report());
        let error = victim.client.batch_execute("SELECT 1").await.unwrap_err();
        let error = source_failed("read", error);
        assert_eq!(error.report(), "read: the server closed the connection");
        assert!(is_connection_lost(&error));
    });
}

pub(crate) fn dropping_ends_the_session(world: &World) {
    block_on(async {
        let observer = connected(&world.socket("")).await;
        let session = connected(&world.socket("application_name=dropped")).await;
        let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dropped'";
        assert_eq!(ask(&observer, count).await, "1");
        drop(session);
        let deadline = Instant::now() + Duration::from_secs(20);
        while ask(&observer, count).await != "0" {
            assert!(Instant::now() < deadline, "the backend is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// Names with bytes that are valid in no encoding, and in EUC_JP; a search_path with such bytes,
/// which PostgreSQL 18 reports at login.
pub(crate) fn texts_of_any_encoding(world: &World) {
    let cluster = world.cluster();
    let of_multibyte_emacs = block_on(async {
        let session = connected(&world.socket("dbname=postgres")).await;
        ask(&session, "SELECT (pg_char_to_encoding('MULE_INTERNAL') >= 0)::text").await
    });
    // It no longer exists from version 19 on.
    let last = (of_multibyte_emacs == "true").then_some("MULE_INTERNAL");
    for encoding in ["SQL_ASCII", "LATIN1", "EUC_JP"].into_iter().chain(last) {
        let dbname = encoding.to_lowercase();
        cluster.psql(
            "postgres",
            &format!("CREATE DATABASE {dbname} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"),
        );
        let bytes: &[u8] = match encoding {
            "SQL_ASCII" => b"na\xefve \xff\xfe \xf4\x8f\xbf\xa9",
            "LATIN1" => b"na\xefve",
            "EUC_JP" => b"\xc6\xfc\xcb\xdc",
            _ => b"\x81\xe9",
        };
        let name = text::decode(bytes);
        let string = world.socket(&format!("dbname={dbname}"));
        block_on(async {
            let session = connected(&string).await;
            assert_eq!(ask(&session, "SHOW client_encoding").await, encoding, "not tokio-postgres's UTF8");
            let statements = format!(
                "CREATE SCHEMA \"{name}\"; CREATE TABLE \"{name}\".\"{name}\" (\"{name}\" int); \
                 ALTER DATABASE {dbname} SET search_path = \"{name}\""
            );
            session.client.batch_execute(&statements).await.unwrap();
            let session = connected(&string).await;
            let by_parse =
                format!("SELECT oid::int8 FROM pg_class WHERE relname = '{name}' AND relkind = $1");
            let statement = session.client.prepare(&by_parse).await.unwrap();
            assert_eq!(session.client.query(&statement, &[&(b'r' as i8)]).await.unwrap().len(), 1);
            let by_bind = "SELECT relname, encode(convert_to(relname::text, $2), 'hex') FROM pg_class WHERE relname = $1::name";
            let row =
                session.client.query_one(by_bind, &[&EncodedText(name.clone()), &encoding]).await.unwrap();
            assert_eq!(row.get::<_, EncodedText>(0), EncodedText(name.clone()));
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(row.get::<_, &str>(1), hex, "{encoding}");
        });
    }
}

//! Login methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgsiphon::ErrorKind;
use pgsiphon::pg::connect::connect;
use pgsiphon::pg::error::sqlstate;
use pgsiphon::pg::params::{PasswordPrompt, PromptPolicy};
use pgsiphon::pg::secret::Secret;

use crate::cluster::PASSWORD;
use crate::world::{
    Files, World, ask, block_on, connected, failure, logged, params_in, try_connect, try_connect_in,
};

/// `password=…`, quoted.
fn password() -> String {
    format!("password='{}'", PASSWORD.replace('\\', r"\\"))
}

pub(crate) fn every_login_method(world: &World) {
    block_on(async {
        let session = connected(&world.socket("sslmode=require")).await;
        assert!(!session.is_tls(), "TLS is never used on a socket");
        assert_eq!(ask(&session, "SHOW server_version_num").await, session.version().num().to_string());
        assert!(session.standard_conforming_strings());

        for user in ["scram", "md5", "clear", "tls_only", "plain_only", "trusted"] {
            let session = connected(&world.tcp(&format!("user={user} {}", password()))).await;
            assert_eq!(ask(&session, "SELECT current_user").await, user);
            assert_eq!(session.is_tls(), user != "plain_only", "{user}");
            let seen = ask(&session, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
            assert_eq!(seen == "t", session.is_tls(), "{user}");
        }

        let files = Files::default();
        let escaped = PASSWORD.replace('\\', r"\\").replace(':', r"\:");
        files.write(".pgpass", &format!("localhost:{}:*:scram:{escaped}\n", world.cluster().port));
        let home = [("HOME", files.path(""))];
        let home: Vec<_> = home.iter().map(|(n, v)| (*n, v.as_str())).collect();
        try_connect_in(&world.tcp("user=scram"), &home).await.unwrap();

        let port = world.cluster().port;
        let encoded: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = format!("postgresql://scram:{encoded}@127.0.0.1:{port}/postgres?sslmode=disable");
        assert!(!connected(&url).await.is_tls());
    });
}

pub(crate) fn prefer_and_allow_fall_back(world: &World) {
    block_on(async {
        for (mode, user, over_tls) in [
            ("prefer", "scram", Some(true)),
            ("prefer", "plain_only", Some(false)),
            ("allow", "scram", Some(false)),
            ("allow", "tls_only", Some(true)),
            ("disable", "scram", Some(false)),
            ("disable", "tls_only", None),
            ("require", "scram", Some(true)),
            ("require", "plain_only", None),
        ] {
            let string = world.tcp(&format!("user={user} sslmode={mode} {}", password()));
            let session = try_connect(&string).await;
            assert_eq!(session.as_ref().ok().map(|session| session.is_tls()), over_tls, "{mode} {user}");
            if let Err(error) = session {
                assert!(error.report().contains("no pg_hba.conf entry"), "{}", error.report());
                assert_eq!(sqlstate(&error).map(|code| code.code()), Some("28000"));
            }
        }
        // If both fail, both are reported.
        let report = failure(&world.tcp("user=nobody_knows")).await;
        assert_eq!(report.matches("no pg_hba.conf entry").count(), 2, "{report}");
        assert_eq!(report.matches(", with TLS").count(), 1, "{report}");
    });
}

pub(crate) fn channel_binding(world: &World) {
    block_on(async {
        let string = |user: &str, rest: &str| world.tcp(&format!("user={user} {} {rest}", password()));
        for mode in ["disable", "prefer", "require"] {
            connected(&string("scram", &format!("sslmode=require channel_binding={mode}"))).await;
        }
        connected(&string("scram", "sslmode=disable channel_binding=prefer")).await;
        for (user, mode) in
            [("scram", "disable"), ("md5", "require"), ("clear", "require"), ("trusted", "require")]
        {
            let report = failure(&string(user, &format!("sslmode={mode} channel_binding=require"))).await;
            assert!(report.contains("did not use channel binding"), "{report}");
        }
    });
}

pub(crate) fn require_auth(world: &World) {
    block_on(async {
        let string = |user: &str, methods: &str| {
            world.tcp(&format!("user={user} {} require_auth={methods}", password()))
        };
        for (user, methods) in [
            ("scram", "scram-sha-256"),
            ("scram", "!password,!md5"),
            ("md5", "md5,scram-sha-256"),
            ("clear", "password"),
            ("trusted", "none"),
        ] {
            connected(&string(user, methods)).await;
        }
        for (user, methods, told) in [
            ("clear", "scram-sha-256", "a password in clear text"),
            ("clear", "!password", "a password in clear text"),
            ("md5", "scram-sha-256", "an MD5-hashed password"),
            ("scram", "md5", "SCRAM authentication"),
            ("trusted", "scram-sha-256", "no authentication"),
            ("trusted", "!none", "no authentication"),
        ] {
            let report = failure(&string(user, methods)).await;
            assert!(report.contains(told) && report.contains("require_auth forbids"), "{report}");
        }
    });
}

pub(crate) fn failures_never_contain_the_password(world: &World) {
    const WRONG: &str = "opensesame";
    let port = world.cluster().port;
    let mut reports = Vec::new();
    let log = logged(|| {
        block_on(async {
            for user in ["scram", "md5", "clear"] {
                for mode in ["prefer", "allow", "require", "disable"] {
                    let string = world.tcp(&format!("user={user} password={WRONG} sslmode={mode}"));
                    let params = params_in(&string, &[]);
                    let error = connect(&params).await.err().unwrap();
                    assert_eq!(error.kind(), ErrorKind::SourceUnreachable);
                    assert_eq!(sqlstate(&error).map(|code| code.code()), Some("28P01"), "{user} {mode}");
                    let report = error.report();
                    let expected = format!("server at \"localhost\" (127.0.0.1), port {port}");
                    for part in [
                        &expected,
                        &format!("user \"{user}\""),
                        "database \"postgres\"",
                        "SQLSTATE 28P01",
                        "hint",
                    ] {
                        assert!(report.contains(part), "{part:?} is not in {report}");
                    }
                    assert_eq!(report.matches("password authentication failed").count(), 1, "{report}");
                    reports.extend([report, format!("{error} {error:?} {error:#?} {params:?} {params:#?}")]);
                }
            }
            let string =
                |rest: &str| format!("{} {rest}", world.tcp(&format!("{} password={WRONG}", "user=trusted")));
            for (rest, parts) in [
                ("dbname=nonesuch", &["does not exist", "SQLSTATE 3D000", "database \"nonesuch\""][..]),
                ("port=1", &["Connection refused", "port 1", "is the server running"]),
                ("hostaddr='' host=host.invalid", &["\"host.invalid\"", "check the host's name"]),
                ("hostaddr='' host=/nonexistent", &["/nonexistent/.s.PGSQL.", "No such file"]),
            ] {
                let report = failure(&string(rest)).await;
                for part in parts {
                    assert!(report.contains(part), "{part:?} is not in {report}");
                }
                reports.push(report);
            }
            let report = failure(&world.tcp("user=scram")).await;
            assert!(report.contains("wants a password") && report.contains("PGPASSWORD"), "{report}");
        });
    });
    assert!(log.contains("cannot connect to"), "nothing was logged: {log}");
    assert!(!log.contains(WRONG), "{log}");
    for report in reports {
        assert!(!report.contains(WRONG), "{report}");
    }
    assert!(!world.cluster().log().contains(WRONG));
}

pub(crate) fn the_user_is_asked_once(world: &World) {
    let asked = Arc::new(AtomicUsize::new(0));
    let with_prompt = |string: &str, policy| {
        let count = Arc::clone(&asked);
        let mut params = params_in(string, &[]);
        params.prompt = PasswordPrompt::new(
            policy,
            Some(Arc::new(move |_: &str| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(Secret::new(PASSWORD))
            })),
        );
        params
    };
    let asked_so_far = || asked.swap(0, Ordering::Relaxed);
    block_on(async {
        let params = with_prompt(&world.tcp("user=scram"), PromptPolicy::IfNeeded);
        for _ in 0..2 {
            connect(&params).await.unwrap();
        }
        assert_eq!(asked_so_far(), 1, "the second connection uses the answer");

        connect(&with_prompt(&world.tcp("user=trusted"), PromptPolicy::IfNeeded)).await.unwrap();
        assert_eq!(asked_so_far(), 0, "the server wanted no password");

        connect(&with_prompt(&world.tcp("user=scram password=wrong"), PromptPolicy::IfNeeded))
            .await
            .unwrap_err();
        assert_eq!(asked_so_far(), 0, "a wrong password is not a missing one");

        connect(&with_prompt(&world.tcp("user=scram password=wrong"), PromptPolicy::Force)).await.unwrap();
        assert_eq!(asked_so_far(), 1, "what the user types counts");

        connect(&with_prompt(&world.tcp("user=scram"), PromptPolicy::Never)).await.unwrap_err();
        assert_eq!(asked_so_far(), 0);
    });
}

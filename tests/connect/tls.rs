//! TLS: which certificates are accepted by which sslmode.

use pgsiphon::ErrorKind;

use crate::certificates::{Authority, self_signed, version_1};
use crate::cluster::cluster;
use crate::world::{Files, World, ask, block_on, connected, failure, params_in, try_connect, try_connect_in};

pub(crate) fn certificates_are_verified_as_configured(world: &World) {
    let files = Files::default();
    let stranger = files.write("stranger.crt", &Authority::new("a stranger").pem());
    let ca = world.ca_file();
    let port = world.cluster().port;
    let other_name =
        format!("host=other.example hostaddr=127.0.0.1 port={port} dbname=postgres user=trusted");
    let by_address = format!("host=127.0.0.1 port={port} dbname=postgres user=trusted");
    let only_address = format!("hostaddr=127.0.0.1 port={port} dbname=postgres user=trusted");
    let right_name = world.tcp("user=trusted");
    block_on(async {
        for (place, mode, root, good) in [
            (&right_name, "verify-full", &ca, true),
            (&by_address, "verify-full", &ca, true),
            (&other_name, "verify-full", &ca, false),
            (&other_name, "verify-ca", &ca, true),
            (&only_address, "verify-ca", &ca, true),
            (&right_name, "verify-ca", &stranger, false),
            (&right_name, "verify-full", &stranger, false),
            // As in libpq, existing root certificates make require verify the chain.
            (&right_name, "require", &stranger, false),
            (&other_name, "require", &ca, true),
        ] {
            let string = format!("{place} sslmode={mode} sslrootcert={root}");
            match try_connect(&string).await {
                Ok(session) => assert!(good && session.is_tls(), "{string}"),
                Err(error) => {
                    assert!(!good, "{string}: {}", error.report());
                    assert_eq!(error.kind(), ErrorKind::SourceUnreachable);
                    assert!(error.report().contains("certificate"), "{}", error.report());
                }
            }
        }
        // prefer continues without TLS if TLS fails.
        let session = connected(&format!("{right_name} sslmode=prefer sslrootcert={stranger}")).await;
        assert!(!session.is_tls());

        let report = failure(&format!("{only_address} sslmode=verify-full sslrootcert={ca}")).await;
        assert!(report.contains("only the server's address"), "{report}");
        let report = failure(&format!("{right_name} sslrootcert=system")).await;
        assert!(report.contains("UnknownIssuer"), "{report}");

        // Missing root certificates matter from verify-ca on.
        let missing = files.path("missing.crt");
        connected(&format!("{right_name} sslmode=require sslrootcert={missing}")).await;
        let error =
            try_connect(&format!("{right_name} sslmode=verify-ca sslrootcert={missing}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.report().contains("missing.crt") && error.report().contains("does not exist"));
        let garbage = files.write("garbage.crt", "no certificate");
        let error =
            try_connect(&format!("{right_name} sslmode=verify-ca sslrootcert={garbage}")).await.unwrap_err();
        assert!(error.report().contains("contains no certificate"), "{}", error.report());

        // ~/.postgresql/root.crt is the default.
        files.write(".postgresql/root.crt", &world.authority().pem());
        let home = files.path("");
        try_connect_in(&format!("{right_name} sslmode=verify-full"), &[("HOME", &home)]).await.unwrap();
        files.write(".postgresql/root.crl", &world.authority().revocations(true));
        let error = try_connect_in(&format!("{right_name} sslmode=verify-full"), &[("HOME", &home)])
            .await
            .unwrap_err();
        assert!(error.report().contains("Revoked"), "{}", error.report());
        let harmless = files.write("harmless.crl", &world.authority().revocations(false));
        connected(&format!("{right_name} sslmode=verify-ca sslrootcert={ca} sslcrl={harmless}")).await;
        let revoked = files.write("crls/revoked.crl", &world.authority().revocations(true));
        for crl in [format!("sslcrl={revoked}"), format!("sslcrldir={}", files.path("crls"))] {
            let report = failure(&format!("{right_name} sslmode=verify-ca sslrootcert={ca} {crl}")).await;
            assert!(report.contains("Revoked"), "{report}");
        }
    });
}

/// Certificates that result from PostgreSQL's manual.
pub(crate) fn odd_certificates(world: &World) {
    let files = Files::default();
    let simple = self_signed("localhost");
    let simple_file = files.write("simple.crt", &simple.certificate);
    let cluster = cluster(&simple, &world.authority().pem());
    let string = |host: &str, rest: &str| {
        format!("host={host} hostaddr=127.0.0.1 port={} dbname=postgres user=trusted {rest}", cluster.port)
    };
    let verify_full = |file: &str| format!("sslmode=verify-full sslrootcert={file}");
    block_on(async {
        // Its own root, and only a common name.
        assert!(connected(&string("localhost", &verify_full(&simple_file))).await.is_tls());
        let report = failure(&string("other.example", &verify_full(&simple_file))).await;
        assert!(report.contains("certificate"), "{report}");
        connected(&string("other.example", &format!("sslmode=verify-ca sslrootcert={simple_file}"))).await;
        let other = self_signed("localhost");
        let other_file = files.write("other.crt", &other.certificate);
        failure(&string("localhost", &verify_full(&other_file))).await;

        // The common name counts only if there are no alternative names.
        cluster.use_certificate(&world.authority().server("localhost", &["other.example"]));
        failure(&string("localhost", &verify_full(&world.ca_file()))).await;
        connected(&string("other.example", &verify_full(&world.ca_file()))).await;
        cluster.use_certificate(&world.authority().server("localhost", &[]));
        connected(&string("localhost", &verify_full(&world.ca_file()))).await;
        failure(&string("other.example", &verify_full(&world.ca_file()))).await;

        // X.509 version 1.
        let old = version_1("localhost");
        let old_file = files.write("old.crt", &old.certificate);
        cluster.use_certificate(&old);
        assert!(connected(&string("localhost", "sslmode=require")).await.is_tls());
        assert!(connected(&string("localhost", &verify_full(&old_file))).await.is_tls());
        failure(&string("other.example", &verify_full(&old_file))).await;
        failure(&string("localhost", &verify_full(&simple_file))).await;

        // There is no channel binding for certificates signed with Ed25519 (RFC 5929): if required, it
        // must fail and not be ignored.
        let ed25519 = Authority::with("Ed25519", &rcgen::PKCS_ED25519);
        cluster.use_certificate(&ed25519.server("localhost", &["localhost"]));
        let scram = |rest: &str| {
            let password = crate::cluster::PASSWORD.replace('\\', r"\\");
            string("localhost", &format!("sslmode=require password='{password}' {rest}"))
                .replace("trusted", "scram")
        };
        assert!(connected(&scram("")).await.is_tls());
        let report = failure(&scram("channel_binding=require")).await;
        assert!(report.contains("channel binding"), "{report}");
    });
}

/// Certificates that libpq accepts thanks to OpenSSL, and rustls alone does not.
pub(crate) fn certificates_that_openssl_accepts(world: &World) {
    let files = Files::default();
    let authority = world.authority();
    let ca = world.ca_file();
    let p521 = Authority::with("P-521", &rcgen::PKCS_ECDSA_P521_SHA512);
    let p521_file = files.write("p521.crt", &p521.pem());
    let old_root = files.write("old-root.crt", &authority.pem_version_1());
    let stranger = files.write("stranger.crt", &Authority::new("the authority").pem());
    let first = authority.server_version_1("localhost");
    let cluster = cluster(&first, &authority.pem());
    let string = |host: &str, mode: &str, root: &str, rest: &str| {
        format!(
            "host={host} hostaddr=127.0.0.1 port={} dbname=postgres user=trusted sslmode={mode} \
             sslrootcert={root} {rest}",
            cluster.port
        )
    };
    let is_encrypted = async |string: &str| {
        assert!(connected(string).await.is_tls(), "{string}");
    };
    block_on(async {
        for (what, pair, root) in [
            ("version 1", &first, &ca),
            ("P-521", &p521.server_with("localhost", &rcgen::PKCS_ECDSA_P521_SHA512), &p521_file),
            ("RSA-PSS", &authority.server_rsa_pss("localhost"), &ca),
            ("version 1 below version 1", &first, &old_root),
            ("version 3 below version 1", &authority.server("localhost", &["localhost"]), &old_root),
        ] {
            cluster.use_certificate(pair);
            for mode in ["prefer", "require", "verify-ca", "verify-full"] {
                is_encrypted(&string("localhost", mode, root, "")).await;
            }
            // A root with the same name that did not sign it, and another name.
            for (mode, host, root) in
                [("verify-ca", "localhost", &stranger), ("verify-full", "other.example", root)]
            {
                let report = failure(&string(host, mode, root, "")).await;
                assert!(report.contains("certificate"), "{what}: {report}");
            }
            if what != "RSA-PSS" {
                is_encrypted(&string("localhost", "verify-full", root, "ssl_max_protocol_version=TLSv1.2"))
                    .await;
            }
        }
        cluster.use_settings("ssl_ecdh_curve = 'secp521r1'");
        for rest in ["", "ssl_max_protocol_version=TLSv1.2"] {
            is_encrypted(&string("localhost", "verify-full", &old_root, rest)).await;
        }
    });
}

/// A handshake that we do not support is an error, and if prefer continues without TLS it says why.
pub(crate) fn failed_encryption_is_reported(world: &World) {
    let authority = world.authority();
    let rsa = authority.server_with("localhost", &rcgen::PKCS_RSA_SHA256);
    let cluster = cluster(&rsa, &authority.pem());
    for ciphers in ["AES256-SHA256", "ECDHE-RSA-AES256-SHA384"] {
        cluster.use_settings(&format!("ssl_max_protocol_version = 'TLSv1.2'\nssl_ciphers = '{ciphers}'"));
        let run = |mode: &str| {
            let string =
                format!("host=127.0.0.1 port={} dbname=postgres user=trusted sslmode={mode}", cluster.port);
            assert_cmd::Command::new(env!("CARGO_BIN_EXE_pgsiphon"))
                .args(["dump", "-j", "4", &string])
                .env_clear()
                .output()
                .unwrap()
        };
        let required = run("require");
        assert_eq!(required.status.code(), Some(3), "{ciphers}");
        let preferred = run("prefer");
        let told = String::from_utf8(preferred.stderr).unwrap();
        assert!(preferred.status.success(), "{ciphers}: {told}");
        assert_eq!(told.matches("not encrypted, because TLS failed").count(), 1, "{ciphers}: {told}");
        assert!(told.contains("HandshakeFailure"), "{ciphers}: {told}");
        // An explicit choice causes no warning.
        for mode in ["disable", "allow"] {
            assert!(run(mode).stderr.is_empty(), "{mode}");
        }
    }
}

pub(crate) fn client_certificates(world: &World) {
    let files = Files::default();
    let good = files.write_pair("good", &world.authority().client("cert"));
    let string = |rest: &str| world.tcp(&format!("user=cert sslmode=require {rest}"));
    block_on(async {
        let session = connected(&string(&good)).await;
        let name = ask(&session, "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
        assert!(name.contains("CN=cert"), "{name}");

        for (what, pair) in [
            ("another role's", world.authority().client("scram")),
            ("a stranger's", Authority::new("a stranger").client("cert")),
        ] {
            failure(&string(
                &files.write_pair(what, &pair).replace(' ', "\\ ").replace("\\ sslkey", " sslkey"),
            ))
            .await;
        }
        let report = failure(&string("")).await;
        assert!(report.contains("certificate"), "{report}");
        failure(&string(&format!("{good} sslcertmode=disable"))).await;

        // The default files.
        let pair = world.authority().client("cert");
        files.write(".postgresql/postgresql.crt", &pair.certificate);
        files.write(".postgresql/postgresql.key", &pair.key);
        let home = files.path("");
        try_connect_in(&string(""), &[("HOME", &home)]).await.unwrap();

        let crt = files.path("good.crt");
        let open_key = files.write_mode("open.key", &pair.key, 0o644);
        let group_key = files.write_mode("group.key", &pair.key, 0o660);
        let encrypted = files.write(
            "encrypted.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        let stranger = files.path("another role's.key");
        for (key, told) in [
            (files.path("none.key"), "No such file"),
            (open_key, "group or world access"),
            (group_key, "group or world access"),
            (encrypted, "encrypted"),
            (stranger, "does not belong"),
            (files.path(""), "not a regular file"),
        ] {
            let error = try_connect(&string(&format!("sslcert={crt} sslkey='{}'", key.replace('\'', r"\'"))))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.report().contains(told), "{}", error.report());
        }
    });
}

pub(crate) fn versions_and_direct_negotiation(world: &World) {
    let string = |rest: &str| world.tcp(&format!("user=trusted sslmode=require {rest}"));
    let version = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    block_on(async {
        let session = connected(&string("ssl_max_protocol_version=TLSv1.2")).await;
        assert_eq!(ask(&session, version).await, "TLSv1.2");
        let session = connected(&string("ssl_min_protocol_version=TLSv1.3 sslsni=0")).await;
        assert_eq!(ask(&session, version).await, "TLSv1.3");
        let is_17 = session.version().at_least(17);
        let direct = try_connect(&string("sslnegotiation=direct")).await;
        assert_eq!(direct.is_ok(), is_17);
    });
    assert!(!params_in(&string("sslsni=0"), &[]).tls.sni);
}

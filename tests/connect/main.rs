//! Connections to a real server: every way to log in, every sslmode, and what goes wrong.
//!
//! `PGSIPHON_TEST_SERVERS` names the `servers.json` of `scripts/servers`; only its programs are used,
//! because these tests need their own clusters with their own pg_hba.conf and certificates.

// clippy.toml allows it in #[test] functions, but a test without a harness has none.
#![allow(clippy::unwrap_used)]

mod certificates;
mod cluster;
mod fakes;
mod limits;
mod logins;
mod sessions;
mod tls;
mod world;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use world::World;

type Test = fn(&World);

const TESTS: &[(&str, Test)] = &[
    ("logins::every_login_method", logins::every_login_method),
    ("logins::prefer_and_allow_fall_back", logins::prefer_and_allow_fall_back),
    ("logins::channel_binding", logins::channel_binding),
    ("logins::require_auth", logins::require_auth),
    ("logins::failures_never_contain_the_password", logins::failures_never_contain_the_password),
    ("logins::the_user_is_asked_once", logins::the_user_is_asked_once),
    ("tls::certificates_are_verified_as_configured", tls::certificates_are_verified_as_configured),
    ("limits::one_connection_is_enough", limits::one_connection_is_enough),
    (
        "limits::timeouts_of_roles_and_databases_do_not_count",
        limits::timeouts_of_roles_and_databases_do_not_count,
    ),
    (
        "limits::poolers_that_reject_parameters_are_supported",
        limits::poolers_that_reject_parameters_are_supported,
    ),
    ("limits::permanent_failures_are_not_retried", limits::permanent_failures_are_not_retried),
    ("tls::odd_certificates", tls::odd_certificates),
    ("tls::certificates_that_openssl_accepts", tls::certificates_that_openssl_accepts),
    ("tls::failed_encryption_is_reported", tls::failed_encryption_is_reported),
    ("tls::client_certificates", tls::client_certificates),
    ("tls::versions_and_direct_negotiation", tls::versions_and_direct_negotiation),
    ("sessions::startup_parameters_arrive", sessions::startup_parameters_arrive),
    ("sessions::several_hosts", sessions::several_hosts),
    ("sessions::cancel", sessions::cancel),
    ("sessions::the_reason_of_a_lost_connection", sessions::the_reason_of_a_lost_connection),
    ("sessions::dropping_ends_the_session", sessions::dropping_ends_the_session),
    ("sessions::texts_of_any_encoding", sessions::texts_of_any_encoding),
    ("fakes::a_silent_server_times_out", fakes::a_silent_server_times_out),
    ("fakes::bytes_before_tls_are_refused", fakes::bytes_before_tls_are_refused),
    ("fakes::nonsense_does_not_panic", fakes::nonsense_does_not_panic),
];

fn main() {
    let arguments = Arguments::from_args();
    let world = Arc::new(World::default());
    let trials = TESTS.iter().map(|(name, test)| {
        let world = Arc::clone(&world);
        Trial::test(*name, move || {
            test(&world);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Stops the cluster, which exit() would not do.
    drop(world);
    conclusion.exit();
}

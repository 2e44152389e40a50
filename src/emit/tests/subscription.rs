//! Subscriptions.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER};
use crate::catalog::{DumpId, ObjectKind, Subscription};

/// A subscription with the defaults of 17, except streaming.
fn subscription() -> Subscription {
    Subscription {
        owner: OWNER.into(),
        subconninfo: Some("host=it's".into()),
        servername: None,
        subslotname: Some("slot".into()),
        subpublications: vec!["p".into(), "Q".into()],
        subbinary: false,
        substream: 'f',
        subtwophasestate: 'd',
        subdisableonerr: false,
        subpasswordrequired: true,
        subrunasowner: false,
        subfailover: false,
        subretaindeadtuples: false,
        submaxretention: 0,
        subsynccommit: "off".into(),
        subwalrcvtimeout: "-1".into(),
        suborigin: "any".into(),
    }
}

fn with_subscription(it: Subscription) -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let id = f.add_without_schema("Sub", ObjectKind::Subscription(Box::new(it)));
    (f, id)
}

/// The options, in a dump of that major version.
fn options(it: Subscription, major: u32) -> String {
    let (f, id) = with_subscription(it);
    let text = dump(&f).of(major).with(|o| o.no_owner = true).sql(&[id]);
    let (_, options) = text.split_once(" WITH (").unwrap();
    options.strip_suffix(");\n").unwrap().to_owned()
}

#[test]
fn a_subscription_does_not_connect_when_it_is_made() {
    let (mut f, id) = with_subscription(subscription());
    f.comment(id, "why");
    assert_eq!(
        dump(&f).of(17).sql(&[id]),
        "CREATE SUBSCRIPTION \"Sub\" CONNECTION 'host=it''s' PUBLICATION p, \"Q\" \
         WITH (connect = false, slot_name = 'slot');\nALTER SUBSCRIPTION \"Sub\" OWNER TO o;\n\
         COMMENT ON SUBSCRIPTION \"Sub\" IS 'why';\n"
    );
    assert_eq!(
        dump(&f).headers(&[id]),
        [
            "Name: Sub; Type: SUBSCRIPTION; Schema: -; Owner: o",
            "Name: SUBSCRIPTION \"Sub\"; Type: COMMENT; Schema: -; Owner: o",
        ]
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP SUBSCRIPTION IF EXISTS \"Sub\";\n");
    assert_eq!(dump(&f).with(|o| o.no_subscriptions = true).sql(&[id]), "");
}

#[test]
fn a_subscription_can_be_without_a_slot() {
    let text = options(Subscription { subslotname: None, ..subscription() }, 17);
    assert_eq!(text, "connect = false, slot_name = NONE");
}

#[test]
fn streaming_that_is_off_is_told_from_18_on() {
    let streaming = |substream, major| options(Subscription { substream, ..subscription() }, major);
    let with = |option: &str| format!("connect = false, slot_name = 'slot'{option}");
    assert_eq!(streaming('f', 17), with(""));
    assert_eq!(streaming('f', 18), with(", streaming = off"));
    assert_eq!(streaming('t', 18), with(", streaming = on"));
    assert_eq!(streaming('p', 18), with(", streaming = parallel"));
}

#[test]
fn options_are_told_where_they_are_not_the_usual_ones() {
    let it = Subscription {
        subbinary: true,
        substream: 't',
        subtwophasestate: 'e',
        subdisableonerr: true,
        subpasswordrequired: false,
        subrunasowner: true,
        subfailover: true,
        subretaindeadtuples: true,
        submaxretention: 1000,
        subsynccommit: "remote_apply".into(),
        subwalrcvtimeout: "10s".into(),
        suborigin: "none".into(),
        ..subscription()
    };
    assert_eq!(
        options(it, 19),
        "connect = false, slot_name = 'slot', binary = true, streaming = on, two_phase = on, \
         disable_on_error = true, password_required = false, run_as_owner = true, failover = true, \
         retain_dead_tuples = true, max_retention_duration = 1000, synchronous_commit = remote_apply, \
         wal_receiver_timeout = \"10s\", origin = none"
    );
}

#[test]
fn a_subscription_of_a_server_names_it_from_19_on() {
    let it = Subscription { subconninfo: None, servername: Some("Far".into()), ..subscription() };
    let (f, id) = with_subscription(it);
    let text = dump(&f).of(19).sql(&[id]);
    assert!(text.starts_with("CREATE SUBSCRIPTION \"Sub\" SERVER \"Far\" PUBLICATION"), "{text}");
}

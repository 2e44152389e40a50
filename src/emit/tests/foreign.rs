//! Foreign-data wrappers, servers, user mappings.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER, acl};
use crate::catalog::{Acl, DumpId, ForeignDataWrapper, ForeignServer, Kind, UserMapping};

fn wrapper() -> ForeignDataWrapper {
    ForeignDataWrapper {
        owner: OWNER.into(),
        acl: Acl::default(),
        fdwhandler: "-".into(),
        fdwvalidator: "-".into(),
        fdwconnection: "-".into(),
        options: String::new(),
    }
}

fn server() -> ForeignServer {
    ForeignServer {
        owner: OWNER.into(),
        acl: Acl::default(),
        fdwname: "Fdw".into(),
        srvtype: None,
        srvversion: None,
        options: String::new(),
        user_mappings: Vec::new(),
    }
}

fn add_server(f: &mut Fixture, it: ForeignServer) -> DumpId {
    f.add_without_schema("Far", Kind::ForeignServer(Box::new(it)))
}

#[test]
fn a_wrapper_has_the_functions_that_it_has() {
    let mut f = Fixture::new();
    let bare = f.add_without_schema("bare", Kind::ForeignDataWrapper(Box::new(wrapper())));
    let full = ForeignDataWrapper {
        fdwhandler: "s.h".into(),
        fdwvalidator: "s.v".into(),
        fdwconnection: "s.c".into(),
        options: "debug 'true'".into(),
        ..wrapper()
    };
    let full = f.add_without_schema("full", Kind::ForeignDataWrapper(Box::new(full)));
    assert_eq!(
        dump(&f).sql(&[bare, full]),
        "CREATE FOREIGN DATA WRAPPER bare;\nALTER FOREIGN DATA WRAPPER bare OWNER TO o;\n\
         CREATE FOREIGN DATA WRAPPER full HANDLER s.h VALIDATOR s.v CONNECTION s.c OPTIONS (\n    \
         debug 'true'\n);\nALTER FOREIGN DATA WRAPPER full OWNER TO o;\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[bare]), "DROP FOREIGN DATA WRAPPER IF EXISTS bare;\n");
}

#[test]
fn a_server_has_type_and_version_as_literals() {
    let mut f = Fixture::new();
    let it = ForeignServer {
        srvtype: Some("it's".into()),
        srvversion: Some("9".into()),
        options: "host 'h'".into(),
        ..server()
    };
    let id = add_server(&mut f, it);
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE SERVER \"Far\" TYPE 'it''s' VERSION '9' FOREIGN DATA WRAPPER \"Fdw\" OPTIONS (\n    \
         host 'h'\n);\nALTER SERVER \"Far\" OWNER TO o;\n"
    );
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP SERVER IF EXISTS \"Far\";\n");
}

#[test]
fn a_server_is_called_a_foreign_one_in_grants_but_not_in_comments() {
    let mut f = Fixture::new();
    let id = add_server(&mut f, ForeignServer { acl: acl(&["x=U/o"], &[]), ..server() });
    f.comment(id, "there");
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[id]),
        "CREATE SERVER \"Far\" FOREIGN DATA WRAPPER \"Fdw\";\nCOMMENT ON SERVER \"Far\" IS 'there';\n\
         GRANT ALL ON FOREIGN SERVER \"Far\" TO x;\n"
    );
}

#[test]
fn user_mappings_follow_their_server_and_are_dropped_before_it() {
    let mut f = Fixture::new();
    let mapping = |user: &str, options: &str| UserMapping { user: user.into(), options: options.into() };
    let user_mappings = vec![mapping("public", ""), mapping("Bob", "password 'x'")];
    let id = add_server(&mut f, ForeignServer { user_mappings, ..server() });
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[id]),
        "CREATE SERVER \"Far\" FOREIGN DATA WRAPPER \"Fdw\";\n\
         CREATE USER MAPPING FOR public SERVER \"Far\";\n\
         CREATE USER MAPPING FOR \"Bob\" SERVER \"Far\" OPTIONS (\n    password 'x'\n);\n"
    );
    assert_eq!(
        dump(&f).drops_if_exists(&[id]),
        "DROP USER MAPPING IF EXISTS FOR \"Bob\" SERVER \"Far\";\n\
         DROP USER MAPPING IF EXISTS FOR public SERVER \"Far\";\nDROP SERVER IF EXISTS \"Far\";\n"
    );
}

#[test]
fn headers_tell_wrappers_servers_and_mappings_apart() {
    let mut f = Fixture::new();
    let w = f.add_without_schema("Fdw", Kind::ForeignDataWrapper(Box::new(wrapper())));
    f.comment(w, "how");
    let user_mappings = vec![UserMapping { user: "Bob".into(), options: String::new() }];
    let id = add_server(&mut f, ForeignServer { user_mappings, ..server() });
    assert_eq!(
        dump(&f).headers(&[w, id]),
        [
            "Name: Fdw; Type: FOREIGN DATA WRAPPER; Schema: -; Owner: o",
            "Name: FOREIGN DATA WRAPPER \"Fdw\"; Type: COMMENT; Schema: -; Owner: o",
            "Name: Far; Type: SERVER; Schema: -; Owner: o",
            "Name: USER MAPPING Bob SERVER Far; Type: USER MAPPING; Schema: -; Owner: o",
        ]
    );
}

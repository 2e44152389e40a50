//! The database itself, in a dump that creates it.

use super::{Dump, dump};
use crate::catalog::fixture::{Fixture, OWNER, acl};
use crate::catalog::{Acl, Database, Label};

fn database() -> Database {
    Database {
        oid: 16_000,
        datname: "shop".into(),
        owner: OWNER.into(),
        acl: Acl::default(),
        encoding: "UTF8".into(),
        datlocprovider: 'c',
        datcollate: "C".into(),
        datctype: "C".into(),
        datlocale: None,
        daticurules: None,
        datistemplate: false,
        datconnlimit: -1,
        tablespace: "pg_default".into(),
        comment: None,
        security_labels: Vec::new(),
        settings: Vec::new(),
        role_settings: Vec::new(),
    }
}

fn of(database: Database) -> Fixture {
    let mut f = Fixture::new();
    f.catalog.database = Some(database);
    f
}

fn created(f: &Fixture) -> Dump<'_> {
    dump(f).with(|o| o.create = true)
}

/// The command that creates it, from its encoding on.
fn definition(database: Database, major: u32) -> String {
    let text = created(&of(database)).of(major).sql(&[]);
    let line = text.lines().next().unwrap();
    line.strip_prefix("CREATE DATABASE shop WITH TEMPLATE = template0 ").unwrap().to_owned()
}

#[test]
fn a_database_is_made_only_if_asked() {
    assert_eq!(dump(&of(database())).sql(&[]), "");
    let text = created(&of(database())).sql(&[]);
    assert!(text.starts_with("CREATE DATABASE shop ") && text.contains("\n\\connect shop\n"), "{text}");
    assert!(text.contains("\nALTER DATABASE shop OWNER TO o;\n"), "{text}");
}

#[test]
fn providers_of_locales_are_told_from_15_on() {
    assert_eq!(definition(database(), 14), "ENCODING = 'UTF8' LOCALE = 'C';");
    assert_eq!(definition(database(), 15), "ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C';");
}

#[test]
fn each_provider_has_its_locale() {
    let icu = Database {
        datlocprovider: 'i',
        datctype: "de_DE".into(),
        datlocale: Some("de".into()),
        daticurules: Some("&a < b".into()),
        ..database()
    };
    assert_eq!(
        definition(icu, 18),
        "ENCODING = 'UTF8' LOCALE_PROVIDER = icu LC_COLLATE = 'C' LC_CTYPE = 'de_DE' ICU_LOCALE = 'de' \
         ICU_RULES = '&a < b';"
    );
    let builtin = Database { datlocprovider: 'b', datlocale: Some("C.UTF-8".into()), ..database() };
    assert_eq!(
        definition(builtin, 18),
        "ENCODING = 'UTF8' LOCALE_PROVIDER = builtin LOCALE = 'C' BUILTIN_LOCALE = 'C.UTF-8';"
    );
}

#[test]
fn a_tablespace_of_its_own_is_named_unless_unwanted() {
    let f = of(Database { tablespace: "Fast".into(), ..database() });
    let text = created(&f).sql(&[]);
    assert!(text.contains("LOCALE = 'C' TABLESPACE = \"Fast\";\n"), "{text}");
    assert!(!created(&f).with(|o| o.no_tablespaces = true).sql(&[]).contains("TABLESPACE"));
}

#[test]
fn settings_of_the_database_come_before_its_contents() {
    let f = of(Database {
        datconnlimit: 5,
        settings: vec!["search_path=s, \"$user\"".into()],
        role_settings: vec![("Bob".into(), "work_mem=1GB".into())],
        ..database()
    });
    let text = created(&f).sql(&[f.schema]);
    let properties = "ALTER DATABASE shop CONNECTION LIMIT = 5;\n\
                      ALTER DATABASE shop SET search_path TO 's', '$user';\n\
                      ALTER ROLE \"Bob\" IN DATABASE shop SET work_mem TO '1GB';\n";
    let (before, after) = text.split_once(properties).unwrap();
    assert!(before.contains("\\connect shop") && after.contains("CREATE SCHEMA s;"), "{text}");
}

#[test]
fn a_template_is_none_any_more_before_it_is_dropped() {
    let f = of(Database { datistemplate: true, ..database() });
    assert_eq!(
        created(&f).drops_if_exists(&[f.schema]),
        "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'shop';\n\
         DROP DATABASE IF EXISTS shop;\n"
    );
    assert!(created(&f).sql(&[]).contains("ALTER DATABASE shop IS_TEMPLATE = true;\n"));
}

#[test]
fn comment_labels_and_privileges_are_those_of_the_database() {
    let f = of(Database {
        acl: acl(&["o=CTc/o", "x=c/o"], &["o=CTc/o"]),
        comment: Some("ours".into()),
        security_labels: vec![Label { objsubid: 0, provider: "selinux".into(), text: "a\\b".into() }],
        ..database()
    });
    let labelled = |major| created(&f).of(major).sql(&[]);
    let text = labelled(18);
    assert!(text.contains("COMMENT ON DATABASE shop IS 'ours';\n"), "{text}");
    assert!(text.contains("GRANT CONNECT ON DATABASE shop TO x;\n"), "{text}");
    assert!(text.contains("SECURITY LABEL FOR selinux ON DATABASE shop IS E'a\\\\b';\n"), "{text}");
    // From 19 on, strings always conform to the standard.
    assert!(labelled(19).contains("SECURITY LABEL FOR selinux ON DATABASE shop IS 'a\\b';\n"));
}

#[test]
fn headers_tell_the_database_from_its_properties() {
    let f = of(Database { datconnlimit: 5, comment: Some("ours".into()), ..database() });
    assert_eq!(
        created(&f).headers(&[]),
        [
            "Name: shop; Type: DATABASE; Schema: -; Owner: o",
            "Name: DATABASE shop; Type: COMMENT; Schema: -; Owner: o",
            "Name: shop; Type: DATABASE PROPERTIES; Schema: -; Owner: o",
        ]
    );
}

//! Roles, memberships, tablespaces and parameters, as pg_dumpall prints them.

use super::quoter;
use crate::catalog::fixture::{OWNER, acl};
use crate::catalog::{
    Acl, ClusterDatabase, Globals, Label, Membership, MembershipOptions, ParameterAcl, Role, Tablespace,
};
use crate::emit::emit_globals;
use crate::pg::secret::Secret;
use crate::select::options::{ClusterOptions, DumpOptions};

fn role(name: &str) -> Role {
    Role {
        rolname: name.into(),
        rolsuper: false,
        rolinherit: true,
        rolcreaterole: false,
        rolcreatedb: false,
        rolcanlogin: false,
        rolreplication: false,
        rolbypassrls: false,
        rolconnlimit: -1,
        rolpassword: None,
        rolvaliduntil: None,
        comment: None,
        security_labels: Vec::new(),
        settings: Vec::new(),
    }
}

fn membership(role: &str, member: &str, grantor: &str) -> Membership {
    Membership {
        role: role.into(),
        member: member.into(),
        grantor: Some(grantor.into()),
        by_bootstrap_superuser: grantor == "postgres",
        admin_option: false,
        options: None,
    }
}

fn tablespace(location: &str) -> Tablespace {
    Tablespace {
        spcname: "Fast".into(),
        owner: OWNER.into(),
        location: location.into(),
        acl: Acl::default(),
        spcoptions: Vec::new(),
        comment: None,
        security_labels: Vec::new(),
    }
}

fn printed(globals: &Globals, major: u32, change: impl FnOnce(&mut DumpOptions)) -> String {
    let cluster = ClusterOptions {
        roles: true,
        tablespaces: true,
        databases: true,
        no_role_passwords: false,
        exclude_databases: Vec::new(),
    };
    let database = |name: &str| ClusterDatabase { datname: name.into(), is_excluded: false };
    let mut options = DumpOptions::new("key".into());
    change(&mut options);
    let databases = [database("postgres"), database("Shop")];
    emit_globals(globals, &databases, &cluster, &options, &quoter(false).for_major(major), major).unwrap()
}

/// The commands, without headings.
fn commands(globals: &Globals, major: u32) -> String {
    let text = printed(globals, major, |_| {});
    text.lines().filter(|l| !l.is_empty() && !l.starts_with("--")).map(|l| format!("{l}\n")).collect()
}

#[test]
fn a_role_is_told_all_that_it_is_and_is_not() {
    let mut it = role("Bob");
    it.rolcanlogin = true;
    it.rolconnlimit = 3;
    it.rolpassword = Some(Secret::new("SCRAM-SHA-256$x"));
    it.rolvaliduntil = Some("2030-01-01 00:00:00+00".into());
    let globals = Globals { roles: vec![it], ..Globals::default() };
    assert_eq!(
        commands(&globals, 18),
        "CREATE ROLE \"Bob\";\nALTER ROLE \"Bob\" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN \
         NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 3 PASSWORD 'SCRAM-SHA-256$x' \
         VALID UNTIL '2030-01-01 00:00:00+00';\n"
    );
}

#[test]
fn comments_and_labels_follow_each_role() {
    let mut it = role("bob");
    it.comment = Some("it's".into());
    it.security_labels = vec![Label { objsubid: 0, provider: "selinux".into(), text: "x".into() }];
    let globals = Globals { roles: vec![it], ..Globals::default() };
    let text = commands(&globals, 18);
    let after = "COMMENT ON ROLE bob IS 'it''s';\nSECURITY LABEL FOR selinux ON ROLE bob IS 'x';\n";
    assert!(text.ends_with(after), "{text}");
    let without = printed(&globals, 18, |o| (o.no_comments, o.no_security_labels) = (true, true));
    assert!(!without.contains("COMMENT ON") && !without.contains("SECURITY LABEL"), "{without}");
}

#[test]
fn settings_come_after_all_roles_and_under_one_heading_from_15_on() {
    let mut bob = role("bob");
    bob.settings = vec!["role=ann".into(), "work_mem=1GB".into()];
    let globals = Globals { roles: vec![bob, role("ann")], ..Globals::default() };
    let settings = |major| {
        let text = printed(&globals, major, |_| {});
        text.split_once("CREATE ROLE ann;\n").unwrap().1.split_once(";\n").unwrap().1.trim_end().to_owned()
    };
    let (all, bobs) = ("--\n-- User Configurations\n--\n", "--\n-- User Config \"bob\"\n--\n");
    let (first, second) = ("ALTER ROLE bob SET role TO 'ann';", "ALTER ROLE bob SET work_mem TO '1GB';");
    assert_eq!(settings(14), format!("{all}\n{bobs}\n{first}\n{bobs}\n{second}"));
    assert_eq!(settings(15), format!("\n{all}\n{bobs}\n{first}\n{second}"));
}

#[test]
fn memberships_come_after_those_of_their_grantors_from_16_on() {
    let admin = Membership { admin_option: true, ..membership("staff", "zoe", "postgres") };
    let globals =
        Globals { memberships: vec![membership("staff", "ann", "zoe"), admin], ..Globals::default() };
    let (of_ann, of_zoe) = (
        "GRANT staff TO ann GRANTED BY zoe;\n",
        "GRANT staff TO zoe WITH ADMIN OPTION GRANTED BY postgres;\n",
    );
    assert_eq!(commands(&globals, 15), format!("{of_ann}{of_zoe}"));
    assert_eq!(commands(&globals, 16), format!("{of_zoe}{of_ann}"));
}

#[test]
fn memberships_have_the_options_that_came_with_16() {
    let with = |inherit, set| {
        let options = Some(MembershipOptions { inherit, set });
        let it = Membership { options, grantor: None, ..membership("Staff", "ann", "postgres") };
        commands(&Globals { memberships: vec![it], ..Globals::default() }, 16)
    };
    assert_eq!(with(true, true), "GRANT \"Staff\" TO ann WITH INHERIT TRUE;\n");
    assert_eq!(with(false, false), "GRANT \"Staff\" TO ann WITH INHERIT FALSE, SET FALSE;\n");
}

#[test]
fn a_tablespace_has_its_options_and_privileges() {
    let it = Tablespace {
        acl: acl(&["x=C/o"], &[]),
        spcoptions: vec!["seq_page_cost=1".into()],
        comment: Some("ssd".into()),
        ..tablespace("/srv/fast")
    };
    let globals = Globals { tablespaces: vec![it], ..Globals::default() };
    assert_eq!(
        commands(&globals, 18),
        "CREATE TABLESPACE \"Fast\" OWNER o LOCATION '/srv/fast';\n\
         ALTER TABLESPACE \"Fast\" SET (seq_page_cost=1);\nGRANT ALL ON TABLESPACE \"Fast\" TO x;\n\
         COMMENT ON TABLESPACE \"Fast\" IS 'ssd';\n"
    );
    assert!(!printed(&globals, 18, |o| o.no_tablespaces = true).contains("TABLESPACE"));
}

#[test]
fn a_tablespace_in_place_is_made_in_place_from_17_on() {
    let globals = Globals { tablespaces: vec![tablespace("pg_tblspc/1")], ..Globals::default() };
    assert!(commands(&globals, 16).contains("LOCATION 'pg_tblspc/1';"));
    assert!(commands(&globals, 17).contains("LOCATION '';"));
}

#[test]
fn privileges_on_parameters_came_with_15() {
    let it = ParameterAcl {
        parname: "work_mem".into(),
        owner: "postgres".into(),
        acl: acl(&["x=sA/postgres"], &[]),
    };
    let globals = Globals { parameter_acls: vec![it], ..Globals::default() };
    assert_eq!(commands(&globals, 14), "");
    assert_eq!(commands(&globals, 15), "GRANT ALL ON PARAMETER work_mem TO x;\n");
    assert!(!printed(&globals, 15, |o| o.no_privileges = true).contains("GRANT"));
}

#[test]
fn databases_tablespaces_and_roles_are_dropped_in_this_order() {
    let globals =
        Globals { roles: vec![role("bob")], tablespaces: vec![tablespace("/srv")], ..Globals::default() };
    let drops = |if_exists| {
        let text = printed(&globals, 18, |o| (o.clean, o.if_exists) = (true, if_exists));
        text.lines().filter(|l| l.starts_with("DROP")).map(|l| format!("{l}\n")).collect::<String>()
    };
    let expected = "DROP DATABASE \"Shop\";\nDROP TABLESPACE \"Fast\";\nDROP ROLE bob;\n";
    assert_eq!(drops(false), expected);
    let if_exists = "DROP DATABASE IF EXISTS \"Shop\";\nDROP TABLESPACE IF EXISTS \"Fast\";\n\
                     DROP ROLE IF EXISTS bob;\n";
    assert_eq!(drops(true), if_exists);
}

#[test]
fn a_dump_of_rows_only_has_no_globals() {
    let globals = Globals { roles: vec![role("bob")], ..Globals::default() };
    assert_eq!(printed(&globals, 18, |o| o.schema = false), "");
}

//! Comments, security labels and privileges, with a table as the example.

use super::{dump, quoter};
use crate::catalog::DumpId;
use crate::catalog::fixture::{Fixture, acl, table};
use crate::emit::acl::{AclTarget, commands};

fn with_table() -> (Fixture, DumpId) {
    let mut f = Fixture::new();
    let t = f.add_relation("T", table(&[("a", "integer"), ("B", "text")]));
    (f, t)
}

/// The commands after the table's own.
fn after(text: &str) -> &str {
    text.split_once("\n);\n").unwrap().1
}

#[test]
fn comments_on_a_table_and_its_columns_follow_it() {
    let (mut f, t) = with_table();
    f.comment(t, "it's one");
    f.comment_on_column(t, 2, "b\\");
    let dump = dump(&f).with(|o| o.no_owner = true);
    assert_eq!(
        after(&dump.sql(&[t])),
        "COMMENT ON TABLE s.\"T\" IS 'it''s one';\nCOMMENT ON COLUMN s.\"T\".\"B\" IS 'b\\';\n"
    );
    assert_eq!(after(&dump.with(|o| o.no_comments = true).sql(&[t])), "");
}

#[test]
fn security_labels_of_a_table_and_its_columns_are_one_entry() {
    let (mut f, t) = with_table();
    f.label(t, 0, "selinux", "secret");
    f.label(t, 1, "Other", "it's");
    let dump = dump(&f).with(|o| o.no_owner = true);
    let text = dump.text(&[t]);
    assert_eq!(text.matches("Type: SECURITY LABEL").count(), 1);
    assert_eq!(
        after(&dump.sql(&[t])),
        "SECURITY LABEL FOR selinux ON TABLE s.\"T\" IS 'secret';\n\
         SECURITY LABEL FOR \"Other\" ON COLUMN s.\"T\".a IS 'it''s';\n"
    );
    assert_eq!(after(&dump.with(|o| o.no_security_labels = true).sql(&[t])), "");
}

#[test]
fn privileges_on_columns_come_after_those_on_the_table() {
    let (mut f, t) = with_table();
    let relation = f.catalog.relation_mut(t).unwrap();
    relation.acl = acl(&["o=arwdDxtm/o", "reader=r/o"], &["o=arwdDxtm/o"]);
    relation.column_acls = vec![("B".into(), acl(&["writer=rw/o"], &[]))];
    let dump = dump(&f).with(|o| o.no_owner = true);
    assert_eq!(
        after(&dump.sql(&[t])),
        "GRANT SELECT ON TABLE s.\"T\" TO reader;\n\
         GRANT SELECT(\"B\"),UPDATE(\"B\") ON TABLE s.\"T\" TO writer;\n"
    );
    assert_eq!(after(&dump.with(|o| o.no_privileges = true).sql(&[t])), "");
}

#[test]
fn the_privilege_to_maintain_came_with_17() {
    let (mut f, t) = with_table();
    f.catalog.relation_mut(t).unwrap().acl = acl(&["x=arwdDxtm/o"], &[]);
    let granted = |major| after(&dump(&f).of(major).with(|o| o.no_owner = true).sql(&[t])).to_owned();
    assert_eq!(granted(17), "GRANT ALL ON TABLE s.\"T\" TO x;\n");
    f.catalog.relation_mut(t).unwrap().acl = acl(&["x=arwdDxt/o"], &[]);
    let granted = |major| after(&dump(&f).of(major).with(|o| o.no_owner = true).sql(&[t])).to_owned();
    assert_eq!(granted(16), "GRANT ALL ON TABLE s.\"T\" TO x;\n");
    let each = "SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE";
    assert_eq!(granted(17), format!("GRANT {each} ON TABLE s.\"T\" TO x;\n"));
}

#[test]
fn what_an_extension_granted_is_not_granted_again() {
    let (mut f, t) = with_table();
    let relation = f.catalog.relation_mut(t).unwrap();
    relation.acl = acl(&["o=r/o", "x=r/o", "y=r/o"], &["o=r/o"]);
    relation.acl.initial = Some(vec!["o=r/o".into(), "x=r/o".into()]);
    let dump = dump(&f).with(|o| o.no_owner = true);
    assert_eq!(after(&dump.sql(&[t])), "GRANT SELECT ON TABLE s.\"T\" TO y;\n");
}

#[test]
fn privileges_of_other_grantors_are_granted_in_their_names() {
    let (mut f, t) = with_table();
    f.catalog.relation_mut(t).unwrap().acl = acl(&["x=r*/o", "y=r/x", "o=r/o"], &[]);
    let granted = |major| after(&dump(&f).of(major).with(|o| o.no_owner = true).sql(&[t])).to_owned();
    let others = "GRANT SELECT ON TABLE s.\"T\" TO x WITH GRANT OPTION;\nSET SESSION AUTHORIZATION x;\n\
                  GRANT SELECT ON TABLE s.\"T\" TO y;\nRESET SESSION AUTHORIZATION;\n";
    let own = "GRANT SELECT ON TABLE s.\"T\" TO o;\n";
    assert_eq!(granted(14), format!("{others}{own}"));
    assert_eq!(granted(15), format!("{own}{others}"));
}

/// The privileges granted by these letters, starting from none.
fn granted(keyword: &str, column: Option<&str>, letters: &str, dialect: u32) -> String {
    let target = AclTarget { keyword, name: "n", column, namespace: None, owner: "o", prefix: "" };
    let text = commands(&quoter(false), &target, &[format!("x={letters}/o")], &[], dialect).unwrap();
    let end = format!(" ON {keyword} n TO x;\n");
    text.strip_prefix("GRANT ").unwrap().strip_suffix(&end).unwrap().to_owned()
}

#[test]
fn every_privilege_has_its_letter_and_its_place() {
    for (keyword, letters, expected) in [
        ("TABLE", "wmDtdxa", "INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,MAINTAIN,UPDATE"),
        ("TABLE", "rx", "SELECT,REFERENCES"),
        ("SEQUENCE", "wr", "SELECT,UPDATE"),
        ("SEQUENCE", "wU", "USAGE,UPDATE"),
        ("FUNCTION", "X", "ALL"),
        ("PROCEDURE", "X", "ALL"),
        ("SCHEMA", "C", "CREATE"),
        ("DATABASE", "CT", "CREATE,TEMPORARY"),
        ("DATABASE", "c", "CONNECT"),
        ("TABLESPACE", "C", "ALL"),
        ("PARAMETER", "s", "SET"),
        ("PARAMETER", "A", "ALTER SYSTEM"),
        ("LARGE OBJECT", "r", "SELECT"),
        ("LARGE OBJECT", "w", "UPDATE"),
        ("TYPE", "U", "ALL"),
    ] {
        assert_eq!(granted(keyword, None, letters, 18), expected);
    }
    let until_16 = granted("TABLE", None, "wDtdxa", 16);
    assert_eq!(until_16, "INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE");
    assert_eq!(granted("TABLE", Some("c"), "wxa", 18), "INSERT(c),REFERENCES(c),UPDATE(c)");
    assert_eq!(granted("TABLE", Some("c"), "wxar", 18), "ALL(c)");
}

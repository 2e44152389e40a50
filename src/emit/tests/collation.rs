//! Collations and conversions.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER};
use crate::catalog::{Collation, Conversion, Kind};

fn collation(collprovider: char) -> Collation {
    Collation {
        owner: OWNER.into(),
        collencoding: -1,
        collprovider,
        collisdeterministic: true,
        collcollate: None,
        collctype: None,
        colllocale: None,
        collicurules: None,
    }
}

/// The definition of this collation in a dump of that major version.
fn made(collation: Collation, major: u32) -> String {
    let mut f = Fixture::new();
    let id = f.add("c", Kind::Collation(Box::new(collation)));
    dump(&f).of(major).with(|o| o.no_owner = true).sql(&[id])
}

#[test]
fn a_collation_of_the_operating_system_has_one_locale_or_two() {
    let locales = |collate: &str, ctype: &str| Collation {
        collcollate: Some(collate.into()),
        collctype: Some(ctype.into()),
        ..collation('c')
    };
    assert_eq!(made(locales("C", "C"), 18), "CREATE COLLATION s.c (provider = libc, locale = 'C');\n");
    assert_eq!(
        made(locales("C", "de_DE"), 18),
        "CREATE COLLATION s.c (provider = libc, lc_collate = 'C', lc_ctype = 'de_DE');\n"
    );
}

#[test]
fn a_collation_of_icu_can_have_rules_and_be_nondeterministic() {
    let it = Collation {
        collisdeterministic: false,
        colllocale: Some("und".into()),
        collicurules: Some("&a < 'b'".into()),
        ..collation('i')
    };
    assert_eq!(
        made(it, 18),
        "CREATE COLLATION s.c (provider = icu, deterministic = false, locale = 'und', rules = '&a < ''b''');\n"
    );
}

#[test]
fn a_built_in_collation_has_a_locale() {
    let it = Collation { colllocale: Some("C.UTF-8".into()), ..collation('b') };
    assert_eq!(made(it, 18), "CREATE COLLATION s.c (provider = builtin, locale = 'C.UTF-8');\n");
}

#[test]
fn the_default_collation_had_an_empty_locale_until_14() {
    assert_eq!(made(collation('d'), 14), "CREATE COLLATION s.c (provider = default, locale = '');\n");
    assert_eq!(made(collation('d'), 15), "CREATE COLLATION s.c (provider = default);\n");
}

#[test]
fn a_collation_has_an_owner_a_comment_and_a_drop_command() {
    let mut f = Fixture::new();
    let id = f.add("C", Kind::Collation(Box::new(collation('d'))));
    f.comment(id, "sorted");
    let text = dump(&f).sql(&[id]);
    let after = "ALTER COLLATION s.\"C\" OWNER TO o;\nCOMMENT ON COLLATION s.\"C\" IS 'sorted';\n";
    assert!(text.ends_with(after), "{text}");
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP COLLATION IF EXISTS s.\"C\";\n");
}

#[test]
fn a_conversion_names_its_encodings_and_its_function() {
    let mut f = Fixture::new();
    let conversion = |condefault| Conversion {
        owner: OWNER.into(),
        for_encoding: "LATIN1".into(),
        to_encoding: "UTF8".into(),
        conproc: "iso8859_1_to_utf8".into(),
        condefault,
    };
    let plain = f.add("plain", Kind::Conversion(Box::new(conversion(false))));
    let default = f.add("default", Kind::Conversion(Box::new(conversion(true))));
    assert_eq!(
        dump(&f).with(|o| o.no_owner = true).sql(&[plain, default]),
        "CREATE CONVERSION s.plain FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;\n\
         CREATE DEFAULT CONVERSION s.default FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;\n"
    );
    let text = dump(&f).sql(&[plain]);
    assert!(text.ends_with("ALTER CONVERSION s.plain OWNER TO o;\n"), "{text}");
}

#[test]
fn headers_tell_collations_from_conversions() {
    let mut f = Fixture::new();
    let c = f.add("c", Kind::Collation(Box::new(collation('d'))));
    f.comment(c, "sorted");
    assert_eq!(
        dump(&f).headers(&[c]),
        [
            "Name: c; Type: COLLATION; Schema: s; Owner: o",
            "Name: COLLATION c; Type: COMMENT; Schema: s; Owner: o"
        ]
    );
}

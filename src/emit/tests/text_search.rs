//! Text search parsers, templates, dictionaries, configurations.

use super::dump;
use crate::catalog::fixture::{Fixture, OWNER};
use crate::catalog::{Kind, TsConfig, TsDict, TsParser, TsTemplate};

#[test]
fn a_parser_may_have_no_headline() {
    for (headline, line) in [("-", ""), ("s.head", "    HEADLINE = s.head,\n")] {
        let mut f = Fixture::new();
        let it = TsParser {
            prsstart: "s.start".into(),
            prstoken: "s.token".into(),
            prsend: "s.end".into(),
            prsheadline: headline.into(),
            prslextype: "s.types".into(),
        };
        let id = f.add("P", Kind::TsParser(Box::new(it)));
        assert_eq!(
            dump(&f).sql(&[id]),
            format!(
                "CREATE TEXT SEARCH PARSER s.\"P\" (\n    START = s.start,\n    GETTOKEN = s.token,\n    \
                 END = s.end,\n{line}    LEXTYPES = s.types );\n"
            )
        );
    }
}

#[test]
fn a_template_may_have_no_init() {
    for (init, line) in [("-", ""), ("s.init", "    INIT = s.init,\n")] {
        let mut f = Fixture::new();
        let it = TsTemplate { tmplinit: init.into(), tmpllexize: "s.lexize".into() };
        let id = f.add("t", Kind::TsTemplate(it));
        let expected = format!("CREATE TEXT SEARCH TEMPLATE s.t (\n{line}    LEXIZE = s.lexize );\n");
        assert_eq!(dump(&f).sql(&[id]), expected);
        assert_eq!(dump(&f).headers(&[id]), ["Name: t; Type: TEXT SEARCH TEMPLATE; Schema: s; Owner: -"]);
    }
}

#[test]
fn a_dictionary_has_a_template_options_and_an_owner() {
    let mut f = Fixture::new();
    let template = ("pg_catalog".into(), "Simple".into());
    let it = TsDict { owner: OWNER.into(), template, dictinitoption: Some("stopwords = 'english'".into()) };
    let id = f.add("d", Kind::TsDict(Box::new(it)));
    f.comment(id, "why");
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE TEXT SEARCH DICTIONARY s.d (\n    TEMPLATE = pg_catalog.\"Simple\",\n    \
         stopwords = 'english' );\nALTER TEXT SEARCH DICTIONARY s.d OWNER TO o;\n\
         COMMENT ON TEXT SEARCH DICTIONARY s.d IS 'why';\n"
    );
}

#[test]
fn a_configuration_maps_each_token_to_dictionaries() {
    let mut f = Fixture::new();
    let parser = ("pg_catalog".into(), "default".into());
    let mappings =
        vec![("word".into(), vec!["s.d".into(), "simple".into()]), ("Odd".into(), vec!["simple".into()])];
    let it = TsConfig { owner: OWNER.into(), parser, mappings };
    let id = f.add("C", Kind::TsConfig(Box::new(it)));
    assert_eq!(
        dump(&f).sql(&[id]),
        "CREATE TEXT SEARCH CONFIGURATION s.\"C\" (\n    PARSER = pg_catalog.default );\n\
         ALTER TEXT SEARCH CONFIGURATION s.\"C\"\n    ADD MAPPING FOR word WITH s.d, simple;\n\
         ALTER TEXT SEARCH CONFIGURATION s.\"C\"\n    ADD MAPPING FOR \"Odd\" WITH simple;\n\
         ALTER TEXT SEARCH CONFIGURATION s.\"C\" OWNER TO o;\n"
    );
    let header = "Name: C; Type: TEXT SEARCH CONFIGURATION; Schema: s; Owner: o";
    assert_eq!(dump(&f).headers(&[id]), [header]);
    assert_eq!(dump(&f).drops_if_exists(&[id]), "DROP TEXT SEARCH CONFIGURATION IF EXISTS s.\"C\";\n");
}

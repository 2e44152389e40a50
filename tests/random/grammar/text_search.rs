//! Text search parsers, templates, dictionaries and configurations.

use super::World;

pub(super) fn object(w: &mut World) {
    let (_, _, name) = w.place("text search");
    match w.below(6) {
        0 => {
            w.run(format!("CREATE TEXT SEARCH PARSER {name} (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline)"));
            w.comment_only(&format!("TEXT SEARCH PARSER {name}"));
        }
        1 => {
            let init = w.maybe(50, "INIT = dsimple_init, ");
            w.run(format!("CREATE TEXT SEARCH TEMPLATE {name} ({init}LEXIZE = dsimple_lexize)"));
            w.comment_only(&format!("TEXT SEARCH TEMPLATE {name}"));
        }
        2 | 3 => {
            let form = w.pick(&[
                "TEMPLATE = pg_catalog.simple, stopwords = 'english', accept = 'false'",
                "TEMPLATE = pg_catalog.snowball, language = 'german'",
                "TEMPLATE = pg_catalog.simple",
            ]);
            w.run(format!("CREATE TEXT SEARCH DICTIONARY {name} ({form})"));
            let identity = format!("TEXT SEARCH DICTIONARY {name}");
            w.handle(&identity, &identity, &[]);
            let configurations: Vec<String> =
                w.configurations.iter().filter(|c| !c.starts_with("pg_")).cloned().collect();
            if w.chance(60) && !configurations.is_empty() {
                let configuration = w.pick(&configurations);
                let tokens = w.pick(&["asciiword", "word, numword", "url, email, int"]);
                w.run(format!("ALTER TEXT SEARCH CONFIGURATION {configuration} ALTER MAPPING FOR {tokens} WITH {name}, pg_catalog.english_stem"));
            }
        }
        _ => {
            let form = w.pick(&["(COPY = pg_catalog.english)", "(PARSER = pg_catalog.\"default\")"]);
            w.run(format!("CREATE TEXT SEARCH CONFIGURATION {name} {form}"));
            if form.contains("PARSER") {
                w.run(format!(
                    "ALTER TEXT SEARCH CONFIGURATION {name} ADD MAPPING FOR word, int WITH pg_catalog.simple"
                ));
            }
            let identity = format!("TEXT SEARCH CONFIGURATION {name}");
            w.handle(&identity, &identity, &[]);
            w.configurations.push(name);
        }
    }
}

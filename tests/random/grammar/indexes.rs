//! Indexes.

use super::expression::Place;
use super::types::Shape;
use super::{Column, World};

pub(super) fn index(w: &mut World) {
    let Some(r) = w.relation("rpm") else { return };
    let name = w.fresh(&format!("relation {}", r.schema));
    let unique = if r.kind == 'r' && w.chance(15) { "UNIQUE " } else { "" };
    let ordered: Vec<Column> =
        r.columns.iter().filter(|c| c.of.is_ordered && !c.is_generated).cloned().collect();
    let mut method = "btree";
    let mut keys = Vec::new();
    for _ in 0..=w.below(3) {
        let key = match w.below(6) {
            0 | 1 => {
                let base: Vec<Column> = r.columns.iter().filter(|c| !c.is_generated).cloned().collect();
                let (expression, of) = w.scalar(&base, Place::Immutable);
                if of.is_ordered { format!("({expression})") } else { format!("(({expression}) IS NULL)") }
            }
            _ if ordered.is_empty() => format!("({} IS NULL)", r.columns[0].name).replace('(', "((") + ")",
            _ => w.pick(&ordered).name,
        };
        let order = w.pick(&["", "", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        keys.push(format!("{key}{order}"));
    }
    let arrays: Vec<Column> =
        r.columns.iter().filter(|c| matches!(c.of.shape, Shape::Array(_))).cloned().collect();
    let ranges: Vec<Column> = r.columns.iter().filter(|c| c.of.is_range()).cloned().collect();
    let texts: Vec<Column> = r.columns.iter().filter(|c| c.of.is_texty()).cloned().collect();
    let integers: Vec<Column> = r.columns.iter().filter(|c| c.of.sql == "integer").cloned().collect();
    let classes: Vec<String> = w.classes.iter().filter(|c| c.1 == "btree").map(|c| c.0.clone()).collect();
    let mut options = "";
    match w.below(10) {
        0 if !arrays.is_empty() => (method, keys) = ("gin", vec![w.pick(&arrays).name]),
        1 if !ranges.is_empty() => (method, keys) = ("gist", vec![w.pick(&ranges).name]),
        2 if !texts.is_empty() => {
            let class = w.pick(&["text_pattern_ops", "varchar_pattern_ops"]);
            keys = vec![format!("{} {class}", w.pick(&texts).name)];
        }
        3 if !integers.is_empty() => {
            (method, keys) = ("brin", vec![w.pick(&integers).name]);
            options = " WITH (pages_per_range = 16)";
        }
        4 if !integers.is_empty() => (method, keys) = ("hash", vec![w.pick(&integers).name]),
        5 if !integers.is_empty() && !classes.is_empty() => {
            keys = vec![format!("{} {}", w.pick(&integers).name, w.pick(&classes))];
        }
        6 if !texts.is_empty() => {
            let collation = w.collation();
            keys = vec![format!("{} COLLATE {collation}", w.pick(&texts).name)];
        }
        _ => {}
    }
    if method == "btree" && w.chance(10) {
        options = " WITH (fillfactor = 60, deduplicate_items = off)";
    }
    let include = if method == "btree" && w.chance(12) {
        format!(" INCLUDE ({})", w.pick(&r.columns).name)
    } else {
        String::new()
    };
    let nulls = if w.major >= 15 && !unique.is_empty() && w.chance(40) { " NULLS NOT DISTINCT" } else { "" };
    let tablespace = if w.chance(5) { format!(" TABLESPACE {}", w.tablespace) } else { String::new() };
    let base: Vec<Column> = r.columns.iter().filter(|c| !c.is_generated).cloned().collect();
    let where_ =
        if w.chance(20) { format!(" WHERE {}", w.condition(&base, Place::Immutable)) } else { String::new() };
    let only = if r.kind == 'p' { w.maybe(30, "ONLY ") } else { "" };
    w.run(format!(
        "CREATE {unique}INDEX {name} ON {only}{} USING {method} ({}){include}{nulls}{options}{tablespace}{where_}",
        r.name, keys.join(", ")
    ));
    let qualified = format!("{}.{name}", r.schema);
    w.comment_only(&format!("INDEX {qualified}"));
    if w.chance(12) && r.kind != 'p' && method == "btree" {
        let what = if r.kind == 'm' { "MATERIALIZED VIEW" } else { "TABLE" };
        w.run(format!("ALTER {what} {} CLUSTER ON {name}", r.name));
    }
    if w.chance(10) {
        w.run(format!("ALTER INDEX {qualified} ALTER COLUMN 1 SET STATISTICS 50"));
    }
    if !unique.is_empty() && w.chance(20) {
        let constraint = w.shared();
        let sql = w.pick(&["REPLICA IDENTITY USING INDEX", "ADD CONSTRAINT"]);
        let sql = match sql {
            "ADD CONSTRAINT" => format!("ADD CONSTRAINT {constraint} UNIQUE USING INDEX {name}"),
            _ => format!("{sql} {name}"),
        };
        w.run(format!("ALTER TABLE {} {sql}", r.name));
    }
}

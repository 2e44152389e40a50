//! Schemas, sequences, and objects attached to relations: rules, triggers, policies, statistics.

use super::expression::Place;
use super::{Column, World};

pub(super) fn schema(w: &mut World) {
    let name = w.fresh("schema");
    if name.starts_with("\"pg_") {
        return;
    }
    let authorization = if w.chance(30) { format!(" AUTHORIZATION {}", w.role()) } else { String::new() };
    w.run(format!("CREATE SCHEMA {name}{authorization}"));
    let identity = format!("SCHEMA {name}");
    w.handle(&identity, &identity, &["USAGE", "CREATE", "ALL"]);
    w.schemas.push(name);
}

pub(super) fn sequence(w: &mut World) {
    let (_, _, name) = w.place("relation");
    let of = w.pick(&["", "", " AS smallint", " AS integer"]);
    let options = w.sequence_options();
    let unlogged = if w.major >= 15 { w.maybe(15, "UNLOGGED ") } else { "" };
    w.run(format!("CREATE {unlogged}SEQUENCE {name}{of} {options}"));
    w.handle(&format!("SEQUENCE {name}"), &format!("SEQUENCE {name}"), &["USAGE", "SELECT", "UPDATE", "ALL"]);
    let text = name.replace('\'', "''");
    if w.chance(40) {
        let is_called = w.pick(&["true", "false"]);
        w.run(format!("SELECT setval('{text}', 7, {is_called})"));
    }
    if w.chance(35)
        && let Some(r) = w.relation("rp")
        && name.starts_with(&format!("{}.", r.schema))
    {
        let column = w.pick(&r.columns);
        w.run(format!("ALTER SEQUENCE {name} OWNED BY {}.{}", r.name, column.name));
        if w.chance(50) && !column.is_generated && !column.is_identity {
            w.run(format!("ALTER TABLE {} ALTER {} SET DEFAULT nextval('{text}')", r.name, column.name));
        }
    }
    w.sequences.push(name);
}

pub(super) fn rule(w: &mut World) {
    let Some(r) = w.relation("rpv") else { return };
    let name = w.shared();
    let event = w.pick(&["INSERT", "UPDATE", "DELETE"]);
    let row = if event == "DELETE" { "OLD" } else { "NEW" };
    let scope: Vec<Column> = r.columns.iter().map(|c| c.behind(row)).collect();
    let condition =
        if w.chance(40) { format!(" WHERE {}", w.condition(&scope, Place::Query)) } else { String::new() };
    let also = w.pick(&["ALSO", "INSTEAD", "INSTEAD", ""]);
    let action = match w.below(4) {
        0 => "NOTHING".to_owned(),
        1 => {
            let channel = w.shared();
            format!("NOTIFY {channel}")
        }
        2 => match w.relation("rpv") {
            Some(other) => {
                let c = w.pick(&other.columns);
                let value = w.of_type(&scope, &c.of);
                format!("(INSERT INTO {} ({}) VALUES ({value}); SELECT 1)", other.name, c.name)
            }
            None => "NOTHING".to_owned(),
        },
        _ => {
            let (expression, _) = w.scalar(&scope, Place::Query);
            format!("SELECT {expression} AS x")
        }
    };
    w.run(format!("CREATE RULE {name} AS ON {event} TO {}{condition} DO {also} {action}", r.name));
    w.comment_only(&format!("RULE {name} ON {}", r.name));
    if w.chance(20) && r.kind != 'v' {
        let how = w.pick(&["DISABLE RULE", "ENABLE REPLICA RULE", "ENABLE ALWAYS RULE"]);
        w.run(format!("ALTER TABLE {} {how} {name}", r.name));
    }
}

pub(super) fn trigger(w: &mut World) {
    if w.triggers.is_empty() {
        super::code::trigger_function(w);
    }
    let triggers = w.triggers.clone();
    let function = w.pick(&triggers);
    let Some(r) = w.relation("rrpvf") else { return };
    let name = w.shared();
    let arguments = w.pick(&["", "", "'x'", "'it''s', 'back\\slash', ''", "'new\nline'"]);
    let column = w.pick(&r.columns).name;
    let of = format!("UPDATE OF {column}");
    let events = w
        .pick(&["INSERT", "UPDATE", "DELETE", "INSERT OR UPDATE", "UPDATE OR DELETE OR INSERT", of.as_str()])
        .to_owned();
    let row = if events.contains("INSERT") { "NEW" } else { "OLD" };
    let row = if events.contains("DELETE") && events.contains("INSERT") { "" } else { row };
    let scope: Vec<Column> = r.columns.iter().filter(|c| !c.is_generated).map(|c| c.behind(row)).collect();
    let when = if w.chance(30) && !row.is_empty() && r.kind != 'v' && !scope.is_empty() {
        format!(" WHEN ({})", w.condition(&scope, Place::Volatile))
    } else {
        String::new()
    };
    let sql = match w.below(6) {
        _ if r.kind == 'v' => {
            format!("TRIGGER {name} INSTEAD OF {} ON {} FOR EACH ROW", events.replace(&of, "UPDATE"), r.name)
        }
        0 if r.kind != 'f' => {
            let from = match w.relation("r") {
                Some(other) if w.chance(30) => format!(" FROM {}", other.name),
                _ => String::new(),
            };
            let defer = w.pick(&["", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"]);
            format!("CONSTRAINT TRIGGER {name} AFTER {events} ON {}{from}{defer} FOR EACH ROW{when}", r.name)
        }
        1 => format!("TRIGGER {name} AFTER TRUNCATE ON {} FOR EACH STATEMENT", r.name),
        2 => {
            let event = w.pick(&["INSERT", "UPDATE"]);
            let (new, level) = (w.shared(), w.pick(&["STATEMENT", "STATEMENT", "ROW"]));
            format!(
                "TRIGGER {name} AFTER {event} ON {} REFERENCING NEW TABLE AS {new} FOR EACH {level}",
                r.name
            )
        }
        3 => format!("TRIGGER {name} BEFORE {events} ON {} FOR EACH STATEMENT", r.name),
        _ => {
            let time = w.pick(&["BEFORE", "AFTER"]);
            format!("TRIGGER {name} {time} {events} ON {} FOR EACH ROW{when}", r.name)
        }
    };
    w.run(format!("CREATE {sql} EXECUTE FUNCTION {function}({arguments})"));
    w.comment_only(&format!("TRIGGER {name} ON {}", r.name));
    if w.chance(25) && r.kind != 'v' {
        let how = w.pick(&["DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"]);
        let only = if r.kind == 'p' { w.maybe(50, "ONLY ") } else { "" };
        w.run(format!("ALTER TABLE {only}{} {how} TRIGGER {name}", r.name));
    }
    if w.chance(30) && r.is_bound {
        // On a partition, unlike its parent's.
        let parts: Vec<String> =
            w.relations.iter().filter(|p| p.is_bound && p.kind == 'r').map(|p| p.name.clone()).collect();
        if !parts.is_empty() {
            let part = w.pick(&parts);
            let how = w.pick(&["DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"]);
            w.run(format!("ALTER TABLE {part} {how} TRIGGER ALL"));
        }
    }
}

pub(super) fn policy(w: &mut World) {
    let Some(r) = w.relation("rp") else { return };
    let name = w.shared();
    let command = w.pick(&["", " FOR ALL", " FOR SELECT", " FOR INSERT", " FOR UPDATE", " FOR DELETE"]);
    let permissive = w.pick(&["", "", " AS RESTRICTIVE"]);
    let to = match w.below(4) {
        0 => {
            let all = w.roles.clone();
            format!(" TO {}", w.some(&all, 3).join(", "))
        }
        1 => " TO PUBLIC".to_owned(),
        2 => " TO CURRENT_USER".to_owned(),
        _ => String::new(),
    };
    let mut sql = format!("CREATE POLICY {name} ON {}{permissive}{command}{to}", r.name);
    if command != " FOR INSERT" {
        sql.push_str(&format!(" USING ({})", w.condition(&r.columns, Place::Query)));
    }
    if !command.ends_with("SELECT") && !command.ends_with("DELETE") && w.chance(70) {
        sql.push_str(&format!(" WITH CHECK ({})", w.condition(&r.columns, Place::Query)));
    }
    w.run(sql);
    w.comment_only(&format!("POLICY {name} ON {}", r.name));
    if w.chance(50) {
        w.run(format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", r.name));
    }
}

pub(super) fn statistics(w: &mut World) {
    let Some(r) = w.relation("rpmf") else { return };
    let (_, _, name) = w.place("statistics");
    let ordered: Vec<Column> =
        r.columns.iter().filter(|c| c.of.is_ordered && !c.is_generated).cloned().collect();
    if ordered.is_empty() {
        return;
    }
    let mut keys: Vec<String> = w.some(&ordered, 3).into_iter().map(|c| c.name).collect();
    if keys.len() < 2 || w.chance(25) {
        keys.push(format!("({} IS NULL)", ordered[0].name).replace('(', "((") + ")");
        keys.rotate_left(1);
    }
    let kinds = w.pick(&["", "", " (ndistinct)", " (mcv, dependencies)", " (ndistinct, dependencies)"]);
    w.run(format!("CREATE STATISTICS {name}{kinds} ON {} FROM {}", keys.join(", "), r.name));
    let identity = format!("STATISTICS {name}");
    w.handle(&identity, &identity, &[]);
    if w.chance(25) {
        let target = w.pick(&["0", "500", "-1"]);
        w.run(format!("ALTER STATISTICS {name} SET STATISTICS {target}"));
    }
}

/// Dumps contain its results only from version 18 on.
pub(super) fn analyze(w: &mut World) {
    let Some(r) = w.relation("rpmf") else { return };
    w.run(format!("ANALYZE {}", r.name));
}

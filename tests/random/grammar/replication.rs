//! Publications and subscriptions.

use super::{Relation, World};

pub(super) fn publication(w: &mut World) {
    let name = w.fresh("publication");
    let mut with = Vec::new();
    if w.chance(40) {
        with.push(format!("publish = '{}'", w.options(&["insert", "update", "delete", "truncate"])));
    }
    if w.chance(30) {
        with.push("publish_via_partition_root = true".to_owned());
    }
    if w.major >= 18 && w.chance(30) {
        with.push(format!("publish_generated_columns = {}", w.pick(&["stored", "none"])));
    }
    let with = if with.is_empty() { String::new() } else { format!(" WITH ({})", with.join(", ")) };
    let mut what = Vec::new();
    let all = if w.major >= 19 { 30 } else { 10 };
    if w.chance(all) {
        what.extend(everything(w));
    } else if w.chance(85) {
        let fit: Vec<Relation> =
            w.relations.iter().filter(|r| "rp".contains(r.kind) && !r.columns.is_empty()).cloned().collect();
        if !fit.is_empty() {
            for r in w.some(&fit, 3) {
                let only = if r.kind == 'r' { w.maybe(30, "ONLY ") } else { "" };
                let mut table = format!("TABLE {only}{}", r.name);
                if w.major >= 15 && w.chance(30) {
                    let columns: Vec<String> = w
                        .some(&r.columns, 3)
                        .into_iter()
                        .filter(|c| !c.is_generated)
                        .map(|c| c.name)
                        .collect();
                    if !columns.is_empty() {
                        table.push_str(&format!(" ({})", columns.join(", ")));
                    }
                }
                if w.major >= 15 && w.chance(30) {
                    let simple: Vec<_> = r
                        .columns
                        .iter()
                        .filter(|c| !c.is_generated && !c.of.sql.contains('.'))
                        .cloned()
                        .collect();
                    if !simple.is_empty() {
                        let column = w.pick(&simple);
                        table.push_str(&format!(" WHERE ({} IS NOT NULL)", column.name));
                    }
                }
                what.push(table);
            }
        }
        if w.major >= 15 && w.chance(30) && !what.iter().any(|t| t.ends_with(')') && !t.contains("WHERE")) {
            let schema = w.schema();
            what.push(format!("TABLES IN SCHEMA {schema}"));
        }
    }
    let list = if what.is_empty() { String::new() } else { format!(" FOR {}", what.join(", ")) };
    w.run(format!("CREATE PUBLICATION {name}{list}{with}"));
    let identity = format!("PUBLICATION {name}");
    w.handle(&identity, &identity, &[]);
}

/// FOR ALL TABLES, and the additional forms of version 19.
fn everything(w: &mut World) -> Vec<String> {
    let mut tables = "ALL TABLES".to_owned();
    if w.major < 19 {
        return vec![tables];
    }
    if w.chance(60) {
        let fit: Vec<String> =
            w.relations.iter().filter(|r| "rp".contains(r.kind)).map(|r| r.name.clone()).collect();
        let except = if fit.is_empty() { Vec::new() } else { w.some(&fit, 3) };
        if !except.is_empty() {
            tables.push_str(&format!(" EXCEPT (TABLE {})", except.join(", ")));
        }
    }
    let sequences = "ALL SEQUENCES".to_owned();
    match w.below(4) {
        0 => vec![sequences],
        1 => vec![tables, sequences],
        _ => vec![tables],
    }
}

pub(super) fn subscription(w: &mut World) {
    let name = w.fresh("subscription");
    let mut with = vec!["connect = false", "slot_name = NONE"];
    let mut options = vec!["binary = true", "streaming = on", "synchronous_commit = 'local'"];
    if w.major >= 15 {
        options.extend(["two_phase = true", "disable_on_error = true"]);
    }
    if w.major >= 16 {
        options.extend(["origin = none", "password_required = false", "run_as_owner = true"]);
    }
    if w.major >= 17 {
        options.push("failover = true");
    }
    if w.major >= 19 {
        options.extend([
            "retain_dead_tuples = true",
            "max_retention_duration = 7",
            "wal_receiver_timeout = '9s'",
        ]);
    }
    if w.chance(60) {
        with.extend(w.some(&options, 3));
    }
    let publisher = match w.connecting_server.clone() {
        Some(server) if w.chance(50) => format!("SERVER {server}"),
        _ => "CONNECTION 'host=nowhere dbname=''x y'' password=s\\\\'".to_owned(),
    };
    let (a, b) = (w.shared(), w.shared());
    let list = if a == b { a } else { format!("{a}, {b}") };
    w.run(format!("CREATE SUBSCRIPTION {name} {publisher} PUBLICATION {list} WITH ({})", with.join(", ")));
    w.comment_only(&format!("SUBSCRIPTION {name}"));
}

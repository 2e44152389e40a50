//! Partitioned tables and their partitions.

use super::types::Type;
use super::{Column, Relation, World, literal};

/// How a table is partitioned, and which bounds are used.
#[derive(Debug, Clone)]
pub(super) struct Partitioning {
    pub(super) column: Column,
    strategy: &'static str,
    next: usize,
    has_default: bool,
}

/// `PARTITION BY …` over one of the columns; a suitable one is added if necessary.
fn partition_by(w: &mut World, columns: &[Column]) -> Option<(Partitioning, String)> {
    let fit: Vec<Column> = columns
        .iter()
        .filter(|c| {
            !c.is_generated && !c.is_identity && ["integer", "text", "date"].contains(&c.of.sql.as_str())
        })
        .cloned()
        .collect();
    let column = (!fit.is_empty()).then(|| w.pick(&fit))?;
    let strategy = w.pick(&["RANGE", "RANGE", "LIST", "LIST", "HASH"]);
    let key = match w.below(8) {
        0 => format!("({} IS NULL), {}", column.name, column.name)
            .replacen('(', "((", 1)
            .replacen(')', "))", 1),
        1 if column.of.is_texty() => {
            let collation = w.collation();
            format!("{} COLLATE {collation}", column.name)
        }
        2 if column.of.is_texty() && strategy != "HASH" => format!("{} text_pattern_ops", column.name),
        _ => column.name.clone(),
    };
    let key = if key.contains(", ") && strategy != "HASH" { column.name.clone() } else { key };
    let sql = format!(" PARTITION BY {strategy} ({key})");
    Some((Partitioning { column, strategy, next: 0, has_default: false }, sql))
}

pub(super) fn partitioned(w: &mut World) {
    let (schema, bare, name) = w.place("relation");
    let count = 1 + w.below(5);
    let (mut columns, mut written) = w.columns(count, true);
    let of = w.pick(&["integer", "integer", "text", "date"]);
    let of = match of {
        "integer" => Type::integer(),
        "text" => Type::text(),
        _ => Type { sql: "date".to_owned(), ..Type::integer() },
    };
    let key = Column::plain(&w.column_name(&columns), of);
    let place = w.below(columns.len() + 1);
    let not_null = w.maybe(30, " NOT NULL");
    written.insert(place, format!("{} {}{not_null}", key.name, key.of.sql));
    columns.insert(place, key);
    // A generated column must not precede the columns that it uses, and an earlier column never does.
    if w.chance(30) {
        written.push(w.check(&name, &columns));
    }
    let Some((partitioning, by)) = partition_by(w, &columns) else { return };
    let mut keys = Vec::new();
    if w.chance(35) {
        keys.push(vec![partitioning.column.clone()]);
        written.push(format!("PRIMARY KEY ({})", partitioning.column.name));
    }
    let tablespace = if w.chance(8) { format!(" TABLESPACE {}", w.tablespace) } else { String::new() };
    w.run(format!("CREATE TABLE {name} ({}){by}{tablespace}", written.join(", ")));
    let relation =
        Relation { keys, partitioning: Some(partitioning), ..Relation::new(schema, bare, columns, 'p') };
    w.remember(relation);
    partition(w);
}

pub(super) fn partition(w: &mut World) {
    let fit: Vec<Relation> = w.relations.iter().filter(|r| r.partitioning.is_some()).cloned().collect();
    if fit.is_empty() {
        return;
    }
    let parent = w.pick(&fit);
    let Some(bound) = bound(w, &parent) else { return };
    if let Some(parent) = w.relation_mut(&parent.name) {
        parent.is_bound = true;
    }
    let (schema, bare, name) = w.place("relation");
    let mut columns = parent.columns.clone();
    let sub = if w.chance(20) { partition_by(w, &columns) } else { None };
    let by = sub.as_ref().map_or(String::new(), |s| s.1.clone());
    let storage = if sub.is_some() { String::new() } else { w.storage() };
    let foreign =
        if sub.is_none() && w.chance(8) && !w.servers.is_empty() { Some(w.servers.clone()) } else { None };
    if let Some(servers) = foreign {
        let server = w.pick(&servers);
        w.run(format!("CREATE FOREIGN TABLE {name} PARTITION OF {} {bound} SERVER {server}", parent.name));
        let relation = Relation { is_bound: true, ..Relation::new(schema, bare, columns, 'f') };
        w.remember(relation);
        return;
    }
    if w.chance(35) {
        // Attached later, with its columns in another order, and some dropped.
        columns = w.some(&columns, columns.len());
        let missing: Vec<Column> =
            parent.columns.iter().filter(|c| !columns.iter().any(|x| x.name == c.name)).cloned().collect();
        columns.extend(missing);
        if columns.iter().all(|c| !c.is_generated && !c.is_identity) {
            let mut written: Vec<String> =
                columns.iter().map(|c| format!("{} {}", c.name, c.of.sql)).collect();
            let dropped = w.chance(40);
            if dropped {
                let place = w.below(written.len() + 1);
                written.insert(place, "dropped_soon int".to_owned());
            }
            w.run(format!("CREATE TABLE {name} ({}){by}{storage}", written.join(", ")));
            if dropped {
                w.run(format!("ALTER TABLE {name} DROP COLUMN dropped_soon"));
            }
            if w.chance(30) {
                let index = w.fresh(&format!("relation {schema}"));
                w.run(format!(
                    "CREATE INDEX {index} ON {name} ({})",
                    parent.partitioning.as_ref().map_or("1", |p| p.column.name.as_str())
                ));
            }
        } else {
            let like = w.pick(&[
                "",
                " INCLUDING ALL",
                " INCLUDING GENERATED",
                " INCLUDING DEFAULTS INCLUDING GENERATED",
            ]);
            w.run(format!("CREATE TABLE {name} (LIKE {}{like}){by}{storage}", parent.name));
            columns = parent.columns.clone();
        }
        w.run(format!("ALTER TABLE {} ATTACH PARTITION {name} {bound}", parent.name));
    } else {
        let mut options = Vec::new();
        for column in columns.iter().filter(|c| !c.is_generated && !c.is_identity).take(2) {
            if w.chance(20) {
                let value = w.default_of(&column.of);
                options.push(format!("{} DEFAULT {value}", column.name));
            }
        }
        if w.chance(15) {
            options.push(w.check(&name, &columns));
        }
        let list = if options.is_empty() { String::new() } else { format!(" ({})", options.join(", ")) };
        let unlogged = w.maybe(5, "UNLOGGED ");
        let unlogged = if by.is_empty() { unlogged } else { "" };
        w.run(format!(
            "CREATE {unlogged}TABLE {name} PARTITION OF {}{list} {bound}{by}{storage}",
            parent.name
        ));
    }
    if w.chance(6) {
        w.run(format!("ALTER TABLE {} DETACH PARTITION {name}", parent.name));
    }
    let kind = if sub.is_some() { 'p' } else { 'r' };
    let relation = Relation {
        is_bound: true,
        partitioning: sub.map(|s| s.0),
        keys: parent.keys.clone(),
        ..Relation::new(schema, bare, columns, kind)
    };
    w.remember(relation);
}

/// Picks an unused bound, and marks it as used.
fn bound(w: &mut World, parent: &Relation) -> Option<String> {
    let mut p = parent.partitioning.clone()?;
    let number = p.next;
    p.next += 1;
    let of_number = |n: usize| match p.column.of.sql.as_str() {
        "integer" => format!("{}", n * 10),
        "date" => format!("'20{:02}-01-01'", n.min(99)),
        _ => literal(&format!("{n:03}\\ '")),
    };
    let sql = if p.strategy == "HASH" {
        if number > 6 {
            return None;
        }
        format!("FOR VALUES WITH (MODULUS 7, REMAINDER {number})")
    } else if !p.has_default && w.chance(20) {
        p.has_default = true;
        "DEFAULT".to_owned()
    } else if p.strategy == "LIST" {
        let null = if number == 2 { ", NULL" } else { "" };
        format!("FOR VALUES IN ({}{null})", of_number(number))
    } else {
        let from = if number == 0 { "MINVALUE".to_owned() } else { of_number(number) };
        let to = if number == 5 { "MAXVALUE".to_owned() } else { of_number(number + 1) };
        if number > 5 {
            return None;
        }
        format!("FOR VALUES FROM ({from}) TO ({to})")
    };
    let parent = w.relation_mut(&parent.name)?;
    parent.partitioning = Some(p);
    Some(sql)
}

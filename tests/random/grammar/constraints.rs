//! Constraints added to tables: keys, exclusions, checks and foreign keys.

use super::expression::Place;
use super::{Column, Relation, World};

pub(super) fn constraint(w: &mut World) {
    let Some(r) = w.relation("rpf") else { return };
    let name = r.name.clone();
    let constraint = w.shared();
    if r.kind == 'f' || w.chance(35) {
        let check = w.check(&name, &r.columns);
        let only = w.maybe(10, "ONLY ");
        let valid = w.maybe(30, " NOT VALID");
        w.run(format!("ALTER TABLE {only}{name} ADD {check}{valid}"));
        return;
    }
    let deferrable = w.pick(&["", "", "", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"]);
    let storage = w.pick(&["", "", "", " WITH (fillfactor = 80)"]);
    let ranges: Vec<Column> = r.columns.iter().filter(|c| c.of.is_range()).cloned().collect();
    let ordered: Vec<Column> = r.columns.iter().filter(|c| c.of.is_ordered).cloned().collect();
    if ordered.is_empty() {
        return;
    }
    let mut key = w.some(&ordered, 3);
    if let Some(p) = &r.partitioning {
        key.retain(|c| c.name != p.column.name);
        key.push(p.column.clone());
    }
    let list: Vec<&str> = key.iter().map(|c| c.name.as_str()).collect();
    let list = list.join(", ");
    let sql = match w.below(8) {
        0 if !ranges.is_empty() => {
            let range = w.pick(&ranges).name;
            let where_ = if w.chance(40) {
                format!(" WHERE ({})", w.condition(&r.columns, Place::Immutable))
            } else {
                String::new()
            };
            format!("EXCLUDE USING gist ({range} WITH &&){storage}{where_}{deferrable}")
        }
        1 => {
            let column = w.pick(&ordered).name;
            let where_ = if w.chance(40) {
                format!(" WHERE ({})", w.condition(&r.columns, Place::Immutable))
            } else {
                String::new()
            };
            format!("EXCLUDE USING btree ({column} WITH =){storage}{where_}{deferrable}")
        }
        2 if w.major >= 18 && !ranges.is_empty() => {
            let range = w.pick(&ranges).name;
            let fit: Vec<Column> = ordered.iter().filter(|c| c.name != range).cloned().collect();
            if fit.is_empty() {
                return;
            }
            let column = w.pick(&fit).name;
            let what = w.pick(&["PRIMARY KEY", "UNIQUE"]);
            format!("{what} ({column}, {range} WITHOUT OVERLAPS)")
        }
        3 => format!("PRIMARY KEY ({list}){storage}{deferrable}"),
        _ => {
            let nulls = if w.major >= 15 && w.chance(25) { " NULLS NOT DISTINCT" } else { "" };
            let rest: Vec<Column> =
                r.columns.iter().filter(|c| !key.iter().any(|k| k.name == c.name)).cloned().collect();
            let include = if w.chance(20) && !rest.is_empty() {
                format!(" INCLUDE ({})", w.pick(&rest).name)
            } else {
                String::new()
            };
            if deferrable.is_empty()
                && let Some(r) = w.relation_mut(&name)
            {
                r.keys.push(key.clone());
            }
            format!("UNIQUE{nulls} ({list}){include}{storage}{deferrable}")
        }
    };
    let tablespace =
        if w.chance(5) { format!(" USING INDEX TABLESPACE {}", w.tablespace) } else { String::new() };
    let sql = if deferrable.is_empty() { format!("{sql}{tablespace}") } else { sql };
    w.run(format!("ALTER TABLE {name} ADD CONSTRAINT {constraint} {sql}"));
    w.comment_only(&format!("CONSTRAINT {constraint} ON {name}"));
    if w.chance(15) {
        w.run(format!("ALTER TABLE {name} CLUSTER ON {constraint}"));
    }
    if w.chance(10) {
        w.run(format!("ALTER TABLE {name} REPLICA IDENTITY USING INDEX {constraint}"));
    }
}

pub(super) fn foreign_key(w: &mut World) {
    let keyed: Vec<Relation> =
        w.relations.iter().filter(|r| "rp".contains(r.kind) && !r.keys.is_empty()).cloned().collect();
    if keyed.is_empty() {
        return constraint(w);
    }
    let parent = w.pick(&keyed);
    let Some(child) = (if w.chance(20) { Some(parent.clone()) } else { w.relation("rp") }) else { return };
    let key = w.pick(&parent.keys);
    let mut columns = Vec::new();
    for part in &key {
        let fit: Vec<Column> =
            child.columns.iter().filter(|c| c.of.sql == part.of.sql && !c.is_generated).cloned().collect();
        let used = |c: &Column, columns: &[Column]| columns.iter().any(|x| x.name == c.name);
        let free: Vec<Column> = fit.into_iter().filter(|c| !used(c, &columns)).collect();
        if free.is_empty() {
            if child.is_bound {
                return;
            }
            let column = Column::plain(&w.column_name(&child.columns), part.of.clone());
            w.run(format!("ALTER TABLE {} ADD COLUMN {} {}", child.name, column.name, column.of.sql));
            if let Some(child) = w.relation_mut(&child.name) {
                child.columns.push(column.clone());
            }
            columns.push(column);
        } else {
            columns.push(w.pick(&free));
        }
    }
    if w.major >= 18 && parent.kind == 'r' && w.chance(15) {
        // Temporal keys: both sides get the columns for them.
        let (a, b, constraint) = (w.fresh("column"), w.fresh("column"), w.shared());
        for (name, what) in [(&parent.name, "PRIMARY KEY"), (&child.name, "UNIQUE")] {
            w.run(format!("ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {a} int4range, ADD COLUMN IF NOT EXISTS {b} daterange"));
            w.run(format!("ALTER TABLE {name} ADD {what} ({a}, {b} WITHOUT OVERLAPS)"));
        }
        w.run(format!(
            "ALTER TABLE {} ADD CONSTRAINT {constraint} FOREIGN KEY ({a}, PERIOD {b}) REFERENCES {} ({a}, PERIOD {b})",
            child.name, parent.name
        ));
        w.comment_only(&format!("CONSTRAINT {constraint} ON {}", child.name));
    }
    let list = |columns: &[Column]| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(", ");
    let constraint = w.shared();
    let actions = w.pick(&[
        "",
        "",
        " ON DELETE CASCADE",
        " ON UPDATE CASCADE ON DELETE SET NULL",
        " ON DELETE SET DEFAULT",
        " ON DELETE RESTRICT",
    ]);
    let set = if w.major >= 15 && w.chance(10) {
        format!(" ON DELETE SET NULL ({})", columns[0].name)
    } else {
        actions.to_owned()
    };
    let matching = w.maybe(15, " MATCH FULL");
    let deferrable = w.pick(&["", "", "", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"]);
    let tail = if w.major >= 18 && w.chance(15) { " NOT ENFORCED" } else { w.maybe(20, " NOT VALID") };
    w.run(format!(
        "ALTER TABLE {} ADD CONSTRAINT {constraint} FOREIGN KEY ({}) REFERENCES {} ({}){matching}{set}{deferrable}{tail}",
        child.name, list(&columns), parent.name, list(&key)
    ));
    w.comment_only(&format!("CONSTRAINT {constraint} ON {}", child.name));
}

//! Changes that make old objects depend on newer ones, if possible in loops.

use super::expression::Place;
use super::types::{Shape, Type};
use super::{Column, Relation, Routine, World};

pub(super) fn rename(w: &mut World) {
    let Some(r) = w.relation("rpvmf") else { return };
    let what = match r.kind {
        'v' => "VIEW",
        'm' => "MATERIALIZED VIEW",
        'f' => "FOREIGN TABLE",
        _ => "TABLE",
    };
    match w.below(4) {
        0 => {
            let schema = w.schema();
            if schema == r.schema {
                return;
            }
            w.run(format!("ALTER {what} {} SET SCHEMA {schema}", r.name));
            moved(w, &r, schema, r.bare.clone());
        }
        1 => {
            let bare = w.fresh(&format!("relation {}", r.schema));
            w.run(format!("ALTER {what} {} RENAME TO {bare}", r.name));
            moved(w, &r, r.schema.clone(), bare);
        }
        2 if !r.is_bound => {
            let (old, new) = (w.pick(&r.columns).name, w.column_name(&r.columns));
            w.run(format!("ALTER {what} {} RENAME {old} TO {new}", r.name));
            let change = |c: &mut Column| {
                if c.name == old {
                    c.name.clone_from(&new)
                }
            };
            if let Some(r) = w.relation_mut(&r.name) {
                r.columns.iter_mut().for_each(change);
                r.keys.iter_mut().flatten().for_each(change);
                r.partitioning.iter_mut().map(|p| &mut p.column).for_each(change);
            }
        }
        _ => {
            if w.routines.is_empty() {
                return;
            }
            let all = w.routines.clone();
            let routine = w.pick(&all);
            let schema = w.schema();
            w.run(format!("ALTER {} SET SCHEMA {schema}", routine.identity));
            w.routines.retain(|x| x.identity != routine.identity);
        }
    }
}

/// Types and references that use the old name would fail from now on, so they are forgotten.
fn moved(w: &mut World, old: &Relation, schema: String, bare: String) {
    let name = format!("{schema}.{bare}");
    w.handles.retain(|h| {
        !h.comment.as_deref().or(h.owner.as_deref()).is_some_and(|text| text.contains(&old.name))
    });
    w.routines.retain(|x| !x.identity.contains(&old.name) && !x.returns.sql.contains(&old.name));
    if let Some(r) = w.relation_mut(&old.name) {
        (r.schema, r.bare, r.name) = (schema, bare, name);
    }
}

fn row_of(r: &Relation) -> Type {
    Type::new(r.name.clone(), Shape::Row(r.columns.iter().map(|c| c.of.shape.clone()).collect()), false)
}

/// A function over the relation's rows.
fn over_rows(w: &mut World, r: &Relation, returns: &Type) -> Routine {
    let (_, _, name) = w.place("function");
    let identity = format!("FUNCTION {name}({})", r.name);
    let sql = if w.major >= 14 && w.chance(50) {
        // The planner may call it, even within pg_dump's read-only transaction.
        let (expression, _) = w.scalar(&[], Place::Immutable);
        format!(
            "BEGIN ATOMIC SELECT CASE WHEN ({expression}) IS NULL THEN NULL::{0} ELSE NULL::{0} END; END",
            returns.sql
        )
    } else {
        format!("AS 'SELECT NULL::{}'", returns.sql)
    };
    w.run(format!("CREATE FUNCTION {name}({}) RETURNS {} LANGUAGE sql IMMUTABLE {sql}", r.name, returns.sql));
    w.handle(&identity, &identity, &["EXECUTE"]);
    let routine = Routine {
        name,
        identity,
        arguments: vec![row_of(r)],
        returns: returns.clone(),
        is_set: false,
        is_immutable: true,
    };
    w.routines.push(routine.clone());
    routine
}

pub(super) fn twist(w: &mut World) {
    let Some(r) = w.relation("rrp") else { return };
    let simple: Vec<Column> =
        r.columns.iter().filter(|c| !c.is_generated && !c.is_identity).cloned().collect();
    if simple.is_empty() {
        return;
    }
    let column = w.pick(&simple);
    match w.below(11) {
        0 => {
            let f = over_rows(w, &r, &column.of);
            w.run(format!(
                "ALTER TABLE {} ALTER {} SET DEFAULT {}(NULL::{})",
                r.name, column.name, f.name, r.name
            ));
        }
        1 => {
            let f = over_rows(w, &r, &Type::boolean());
            let constraint = w.shared();
            w.run(format!(
                "ALTER TABLE {} ADD CONSTRAINT {constraint} CHECK ({}({}.*) IS NULL)",
                r.name, f.name, r.bare
            ));
            w.comment_only(&format!("CONSTRAINT {constraint} ON {}", r.name));
        }
        2 => {
            // A view and a function that depend on each other.
            let Some(v) = w.relation("v") else { return };
            let f = over_rows(w, &v, &Type::boolean());
            let nulls: Vec<String> =
                v.columns.iter().map(|c| format!("NULL::{} AS {}", c.of.sql, c.name)).collect();
            w.run(format!(
                "CREATE OR REPLACE VIEW {} AS SELECT {} WHERE {}(NULL::{}) IS NULL",
                v.name,
                nulls.join(", "),
                f.name,
                v.name
            ));
        }
        3 => {
            // A function whose body is replaced by one that needs a newer object.
            let fit: Vec<Routine> =
                w.routines.iter().filter(|f| f.arguments.is_empty() && !f.is_set).cloned().collect();
            if fit.is_empty() || w.major < 14 {
                return;
            }
            let f = w.pick(&fit);
            let Some(other) = w.relation("rpvm") else { return };
            w.run(format!(
                "CREATE OR REPLACE FUNCTION {}() RETURNS {} LANGUAGE sql BEGIN ATOMIC SELECT NULL::{1} FROM {} AS q; END",
                f.name, f.returns.sql, other.name
            ));
        }
        4 => {
            // A column of a row type.
            let Some(other) = w.relation("rpvm") else { return };
            if r.is_bound {
                return;
            }
            let of = if w.chance(30) { row_of(&other).array() } else { row_of(&other) };
            let added = Column::plain(&w.column_name(&r.columns), of);
            w.run(format!("ALTER TABLE {} ADD COLUMN {} {}", r.name, added.name, added.of.sql));
            if let Some(r) = w.relation_mut(&r.name) {
                r.columns.push(added);
            }
        }
        5 => {
            let f = over_rows(w, &r, &Type::integer());
            let index = w.fresh(&format!("relation {}", r.schema));
            w.run(format!("CREATE INDEX {index} ON {} ({}({}.*))", r.name, f.name, r.bare));
        }
        6 => {
            // A domain's check over the domain itself.
            let domains: Vec<Type> = w
                .types
                .iter()
                .filter(|t| t.sql.contains('.') && matches!(t.shape, Shape::Samples(_)))
                .cloned()
                .collect();
            if domains.is_empty() {
                return;
            }
            let of = w.pick(&domains);
            let (_, _, name) = w.place("function");
            let constraint = w.shared();
            w.run(format!(
                "CREATE FUNCTION {name}({}) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'",
                of.sql
            ));
            w.run(format!("ALTER DOMAIN {} ADD CONSTRAINT {constraint} CHECK ({name}(VALUE))", of.sql));
            w.comment_only(&format!("CONSTRAINT {constraint} ON DOMAIN {}", of.sql));
        }
        7 => {
            // A table whose default queries a view of that table.
            let (schema, bare, view) = w.place("relation");
            w.run(format!("CREATE VIEW {view} AS SELECT {} FROM {}", column.name, r.name));
            let relation =
                Relation::new(schema, bare, vec![Column::plain(&column.name, column.of.clone())], 'v');
            w.remember(relation.clone());
            let f = over_rows(w, &relation, &column.of);
            w.run(format!(
                "ALTER TABLE {} ALTER {} SET DEFAULT {}(NULL::{view})",
                r.name, column.name, f.name
            ));
        }
        8 => {
            // Two tables that refer to each other.
            let Some(other) = w.relation("r") else { return };
            let (a, b) = (w.shared(), w.shared());
            let (ca, cb) = (w.column_name(&r.columns), w.column_name(&other.columns));
            if r.is_bound || other.is_bound || r.name == other.name {
                return;
            }
            w.run(format!("ALTER TABLE {} ADD COLUMN {ca} int UNIQUE", r.name));
            w.run(format!("ALTER TABLE {} ADD COLUMN {cb} int UNIQUE", other.name));
            w.run(format!(
                "ALTER TABLE {} ADD CONSTRAINT {a} FOREIGN KEY ({ca}) REFERENCES {} ({cb})",
                r.name, other.name
            ));
            w.run(format!(
                "ALTER TABLE {} ADD CONSTRAINT {b} FOREIGN KEY ({cb}) REFERENCES {} ({ca})",
                other.name, r.name
            ));
            for (name, column) in [(&r.name, ca), (&other.name, cb)] {
                if let Some(r) = w.relation_mut(name) {
                    r.columns.push(Column::plain(&column, Type::integer()));
                }
            }
        }
        9 => {
            // A materialised view that needs a key, and what depends on it.
            if r.keys.is_empty() {
                return;
            }
            let key = w.pick(&r.keys);
            let by: Vec<String> = key.iter().map(|c| format!("q.{}", c.name)).collect();
            let (schema, bare, name) = w.place("relation");
            w.run(format!(
                "CREATE MATERIALIZED VIEW {name} AS SELECT q.{} AS x FROM {} AS q GROUP BY {}",
                column.name,
                r.name,
                by.join(", ")
            ));
            let relation = Relation::new(schema, bare, vec![Column::plain("x", column.of.clone())], 'm');
            w.remember(relation.clone());
            if w.chance(60) {
                over_rows(w, &relation, &Type::integer());
            }
        }
        _ => {
            // A policy or a rule that uses a function over the rows of the same table.
            let f = over_rows(w, &r, &Type::boolean());
            let name = w.shared();
            w.run(format!("CREATE POLICY {name} ON {} USING ({}({}.*))", r.name, f.name, r.bare));
        }
    }
}

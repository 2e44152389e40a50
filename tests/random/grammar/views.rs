//! Views and materialised views over existing relations.

use super::expression::Place;
use super::types::Type;
use super::{Column, Relation, World, literal};

/// A query, and the names and types of what it returns.
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) columns: Vec<Column>,
}

impl World {
    /// A select list: expressions with their own names.
    fn select_list(&mut self, scope: &[Column], count: usize) -> (String, Vec<Column>) {
        let mut columns = Vec::new();
        let mut list = Vec::new();
        for _ in 0..count {
            let (expression, of) = if self.chance(60) && !scope.is_empty() {
                let c = self.pick(scope);
                (c.name, c.of)
            } else {
                self.scalar(scope, Place::Query)
            };
            let name = self.column_name(&columns);
            list.push(format!("{expression} AS {name}"));
            columns.push(Column::plain(&name, of));
        }
        (list.join(", "), columns)
    }

    pub(super) fn query(&mut self) -> Query {
        let form = self.below(12);
        let Some(r) = self.relation("rrpvvmf") else {
            return Query {
                sql: "SELECT 1 AS one".to_owned(),
                columns: vec![Column::plain("one", Type::integer())],
            };
        };
        let scope: Vec<Column> = r.columns.iter().map(|c| c.behind("q")).collect();
        match form {
            0 if !r.keys.is_empty() => {
                // Valid only as long as the key exists: the view depends on the constraint.
                let key = self.pick(&r.keys);
                let by: Vec<String> = key.iter().map(|c| format!("q.{}", c.name)).collect();
                let columns: Vec<Column> = r.columns.clone();
                let list: Vec<&str> = scope.iter().map(|c| c.name.as_str()).collect();
                Query {
                    sql: format!(
                        "SELECT {} FROM {} AS q GROUP BY {}",
                        list.join(", "),
                        r.name,
                        by.join(", ")
                    ),
                    columns: columns.into_iter().map(|c| Column::plain(&c.name, c.of)).collect(),
                }
            }
            1 => {
                let Some(other) = self.relation("rpvmf") else { return self.query() };
                let mut both = scope;
                both.extend(other.columns.iter().map(|c| c.behind("p")));
                let count = 1 + self.below(4);
                let (list, columns) = self.select_list(&both, count);
                let join = self.pick(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
                let condition = self.condition(&both, Place::Query);
                let on = if join == "FULL JOIN" { "true".to_owned() } else { condition };
                Query {
                    sql: format!("SELECT {list} FROM {} AS q {join} {} AS p ON {on}", r.name, other.name),
                    columns,
                }
            }
            2 => {
                let name = self.column_name(&[]);
                let values: Vec<String> =
                    (0..2).map(|_| format!("({})", { self.pick(&["1", "NULL", "2"]) })).collect();
                Query {
                    sql: format!("SELECT v.{name} FROM (VALUES {}) AS v({name})", values.join(", ")),
                    columns: vec![Column::plain(&name, Type::integer())],
                }
            }
            3 => {
                let sets: Vec<_> = self.routines.iter().filter(|f| f.is_set).cloned().collect();
                if sets.is_empty() {
                    return self.query();
                }
                let routine = self.pick(&sets);
                let arguments: Vec<String> = routine.arguments.iter().map(|of| self.constant(of)).collect();
                let ordinality = self.maybe(30, " WITH ORDINALITY");
                Query {
                    sql: format!(
                        "SELECT count(*) AS n FROM {}({}){ordinality} AS f",
                        routine.name,
                        arguments.join(", ")
                    ),
                    columns: vec![Column::plain("n", Type { sql: "bigint".to_owned(), ..Type::integer() })],
                }
            }
            4 => {
                let alias = self.shared();
                let of = Type::new(
                    r.name.clone(),
                    super::types::Shape::Row(r.columns.iter().map(|c| c.of.shape.clone()).collect()),
                    false,
                );
                Query {
                    sql: format!("SELECT q AS {alias} FROM {} AS q", r.name),
                    columns: vec![Column::plain(&alias, of)],
                }
            }
            5 if !self.aggregates.is_empty() => {
                let all = self.aggregates.clone();
                let (aggregate, of) = self.pick(&all);
                let argument = self.of_type(&scope, &of);
                let condition = self.condition(&scope, Place::Query);
                let alias = self.shared();
                Query {
                    sql: format!(
                        "SELECT {aggregate}({argument}) FILTER (WHERE {condition}) AS {alias} FROM {} AS q",
                        r.name
                    ),
                    columns: vec![Column::plain(&alias, of)],
                }
            }
            6 => {
                let c = self.pick(&scope);
                let name = self.shared();
                let tail = if c.of.is_ordered { "UNION" } else { "UNION ALL" };
                Query {
                    sql: format!(
                        "SELECT {0} AS {name} FROM {1} AS q {tail} SELECT {0} FROM {1} AS q",
                        c.name, r.name
                    ),
                    columns: vec![Column::plain(&name, c.of)],
                }
            }
            7 => {
                let inner = self.query();
                let with = self.shared();
                let inner_scope: Vec<Column> = inner.columns.iter().map(|c| c.behind("w")).collect();
                let count = 1 + self.below(3);
                let (list, columns) = self.select_list(&inner_scope, count);
                Query {
                    sql: format!("WITH {with} AS ({}) SELECT {list} FROM {with} AS w", inner.sql),
                    columns,
                }
            }
            8 => {
                let count = 1 + self.below(2);
                let (list, mut columns) = self.select_list(&scope, count);
                let name = self.column_name(&columns);
                columns.push(Column::plain(&name, Type { sql: "bigint".to_owned(), ..Type::integer() }));
                Query {
                    sql: format!("SELECT {list}, row_number() OVER () AS {name} FROM {} AS q", r.name),
                    columns,
                }
            }
            9 => Query {
                sql: format!("SELECT * FROM {}", r.name),
                columns: r.columns.iter().map(|c| Column::plain(&c.name, c.of.clone())).collect(),
            },
            _ => {
                let count = 1 + self.below(5);
                let (list, columns) = self.select_list(&scope, count);
                let condition = if self.chance(50) {
                    format!(" WHERE {}", self.condition(&scope, Place::Query))
                } else {
                    String::new()
                };
                Query { sql: format!("SELECT {list} FROM {} AS q{condition}", r.name), columns }
            }
        }
    }
}

pub(super) fn view(w: &mut World) {
    let query = w.query();
    let (schema, bare, name) = w.place("relation");
    let security = if w.major >= 15 { "security_invoker = true" } else { "security_barrier" };
    let options = w.pick(&[
        "",
        "",
        "",
        "security_barrier",
        security,
        "security_barrier = false",
        "check_option = local",
    ]);
    let with = if options.is_empty() { String::new() } else { format!(" WITH ({options})") };
    let tail = if options.is_empty() {
        w.pick(&["", "", "", "", " WITH CHECK OPTION", " WITH LOCAL CHECK OPTION"])
    } else {
        ""
    };
    w.run(format!("CREATE VIEW {name}{with} AS {}{tail}", query.sql));
    let relation = Relation::new(schema, bare, query.columns, 'v');
    w.remember(relation);
}

pub(super) fn materialized(w: &mut World) {
    let query = w.query();
    let (schema, bare, name) = w.place("relation");
    let storage = w.storage().replace("user_catalog_table = true", "fillfactor = 50");
    let data = w.pick(&["", " WITH NO DATA", " WITH DATA"]);
    w.run(format!("CREATE MATERIALIZED VIEW {name}{storage} AS {}{data}", query.sql));
    let ordered: Vec<Column> = query.columns.iter().filter(|c| c.of.is_ordered).cloned().collect();
    let relation = Relation::new(schema.clone(), bare, query.columns, 'm');
    w.remember(relation);
    if w.chance(50) && !ordered.is_empty() {
        let index = w.fresh(&format!("relation {schema}"));
        let column = w.pick(&ordered).name;
        w.run(format!("CREATE INDEX {index} ON {name} ({column})"));
    }
}

/// A ring of views, closed by CREATE OR REPLACE.
pub(super) fn circular(w: &mut World) {
    let of = [w.builtin(), w.a_type()];
    let columns: Vec<Column> =
        of.into_iter().enumerate().map(|(i, of)| Column::plain(["\"x\"", "\"y z\""][i], of)).collect();
    let nulls: Vec<String> = columns.iter().map(|c| format!("NULL::{} AS {}", c.of.sql, c.name)).collect();
    let (schema, bare, first) = w.place("relation");
    let with = w.pick(&["", "", " WITH (security_barrier)"]);
    w.run(format!("CREATE VIEW {first}{with} AS SELECT {}", nulls.join(", ")));
    let relation = Relation::new(schema, bare, columns.clone(), 'v');
    w.remember(relation);
    let mut last = first.clone();
    for _ in 0..=w.below(3) {
        let (schema, bare, name) = w.place("relation");
        w.run(format!("CREATE VIEW {name} AS SELECT * FROM {last}"));
        let relation = Relation::new(schema, bare, columns.clone(), 'v');
        w.remember(relation);
        last = name;
    }
    let (call, _) = w.scalar(&[], Place::Query);
    w.run(format!(
        "CREATE OR REPLACE VIEW {first}{with} AS SELECT q.* FROM {last} AS q WHERE ({call}) IS NOT NULL"
    ));
}

pub(super) fn alter(w: &mut World) {
    let Some(r) = w.relation("vm") else { return };
    let column = w.pick(&r.columns);
    let sql = match (w.below(5), r.kind) {
        (0, 'v') => {
            let value = w.default_of(&column.of);
            format!("ALTER VIEW {} ALTER {} SET DEFAULT {value}", r.name, column.name)
        }
        (1, 'v') => format!("ALTER VIEW {} SET (security_barrier = true)", r.name),
        (2, 'v') => {
            let text = literal(&r.bare);
            format!("COMMENT ON COLUMN {}.{} IS {text}", r.name, column.name)
        }
        (0 | 1, 'm') => format!("REFRESH MATERIALIZED VIEW {}", r.name),
        (2, 'm') => format!("REFRESH MATERIALIZED VIEW {} WITH NO DATA", r.name),
        (3, 'm') => format!("ALTER MATERIALIZED VIEW {} ALTER {} SET STATISTICS 3", r.name, column.name),
        (_, 'm') => format!("ALTER MATERIALIZED VIEW {} SET TABLESPACE {}", r.name, w.tablespace),
        _ => format!("ALTER VIEW {} ALTER {} DROP DEFAULT", r.name, column.name),
    };
    w.run(sql);
}

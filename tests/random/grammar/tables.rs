//! Tables and their columns.

use super::expression::Place;
use super::types::Type;
use super::{Column, Relation, World};

pub(super) const TABLE_PRIVILEGES: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "ALL"];
const TABLE_OPTIONS: &[&str] = &[
    "fillfactor = 70",
    "autovacuum_enabled = false",
    "toast.autovacuum_enabled = off",
    "parallel_workers = 2",
    "toast_tuple_target = 256",
    "user_catalog_table = true",
    "autovacuum_vacuum_scale_factor = 0.3",
];
const SEQUENCE_OPTIONS: &[&str] = &[
    "START 5",
    "INCREMENT -2",
    "INCREMENT 10",
    "MINVALUE -100",
    "MAXVALUE 1000",
    "CYCLE",
    "CACHE 20",
    "NO CYCLE",
    "NO MINVALUE",
    "MAXVALUE 32767",
];

impl World {
    pub(super) fn column_name(&mut self, others: &[Column]) -> String {
        for _ in 0..10 {
            let name = self.shared();
            if !others.iter().any(|c| c.name == name) {
                return name;
            }
        }
        self.fresh("column")
    }

    pub(super) fn sequence_options(&mut self) -> String {
        let options = self.some(SEQUENCE_OPTIONS, 3);
        let mut words: Vec<&str> = Vec::new();
        for option in options {
            let word = option.split(' ').next().unwrap_or_default();
            let clashes = words
                .iter()
                .any(|w| w.contains(word) || w.contains(option.rsplit(' ').nth(1).unwrap_or("-")));
            if !clashes {
                words.push(option);
            }
        }
        words.join(" ")
    }

    /// A column, and its definition in CREATE TABLE.
    fn column(&mut self, others: &[Column], is_partitioned: bool) -> (Column, String) {
        let name = self.column_name(others);
        if self.chance(6) && !is_partitioned {
            let serial = self.pick(&["serial", "bigserial", "smallserial"]);
            return (Column::plain(&name, Type::integer()), format!("{name} {serial}"));
        }
        let mut column = Column::plain(&name, self.a_type());
        let mut sql = String::new();
        if self.major >= 16 && self.chance(5) {
            sql.push_str(self.pick(&[" STORAGE EXTERNAL", " STORAGE PLAIN", " STORAGE DEFAULT"]));
        }
        if self.major >= 14 && self.chance(4) {
            sql.push_str(self.pick(&[" COMPRESSION pglz", " COMPRESSION default"]));
        }
        if column.of.is_texty() && self.chance(20) {
            let collation = self.collation();
            sql.push_str(&format!(" COLLATE {collation}"));
        }
        match self.below(14) {
            0 => {
                column.of = self.pick(&["integer", "bigint", "smallint"]).into();
                column.is_identity = true;
                let when = self.pick(&["ALWAYS", "BY DEFAULT"]);
                let options =
                    if self.chance(60) { format!(" ({})", self.sequence_options()) } else { String::new() };
                sql = format!(" GENERATED {when} AS IDENTITY{options}");
            }
            1 if !others.is_empty() => {
                let base: Vec<Column> = others.iter().filter(|c| !c.is_generated).cloned().collect();
                column.is_generated = true;
                let is_virtual = self.major >= 18 && self.chance(50);
                let (expression, of) = if is_virtual {
                    let base: Vec<Column> = base.into_iter().filter(|c| !c.of.sql.contains('.')).collect();
                    let Some(of) = (!base.is_empty()).then(|| self.pick(&base)) else {
                        return self.column(others, is_partitioned);
                    };
                    (format!("{} IS NULL", of.name), Type::boolean())
                } else {
                    self.scalar(&base, Place::Immutable)
                };
                column.of = of;
                let how = if is_virtual { " VIRTUAL" } else { " STORED" };
                let how = if is_virtual && self.chance(50) { "" } else { how };
                sql = format!(" GENERATED ALWAYS AS ({expression}){how}");
            }
            2..=5 => {
                let value = self.default_of(&column.of);
                sql.push_str(&format!(" DEFAULT {value}"));
            }
            _ => {}
        }
        if self.chance(15) {
            if self.major >= 18 && self.chance(60) {
                let constraint = self.shared();
                sql.push_str(&format!(" CONSTRAINT {constraint}"));
            }
            sql.push_str(" NOT NULL");
            if self.major >= 18 && self.chance(15) && !is_partitioned {
                sql.push_str(" NO INHERIT");
            }
        }
        (column.clone(), format!("{} {}{sql}", column.name, column.of.sql))
    }

    pub(super) fn columns(&mut self, count: usize, is_partitioned: bool) -> (Vec<Column>, Vec<String>) {
        let mut columns = Vec::new();
        let mut written = Vec::new();
        for _ in 0..count {
            let (column, sql) = self.column(&columns, is_partitioned);
            columns.push(column);
            written.push(sql);
        }
        (columns, written)
    }

    /// A named check, as written in CREATE TABLE.
    pub(super) fn check(&mut self, table: &str, columns: &[Column]) -> String {
        let base: Vec<Column> = columns.iter().filter(|c| !c.is_generated).cloned().collect();
        let condition = self.lenient(&base);
        let name = if self.chance(60) {
            let name = self.shared();
            self.comment_only(&format!("CONSTRAINT {name} ON {table}"));
            format!("CONSTRAINT {name} ")
        } else {
            String::new()
        };
        let tail = if self.chance(10) {
            " NO INHERIT"
        } else if self.major >= 18 && self.chance(10) {
            " NOT ENFORCED"
        } else {
            ""
        };
        format!("{name}CHECK ({condition}){tail}")
    }

    pub(super) fn storage(&mut self) -> String {
        let mut sql = String::new();
        if self.chance(6) && !self.table_methods.is_empty() {
            let methods = self.table_methods.clone();
            sql.push_str(&format!(" USING {}", self.pick(&methods)));
        }
        if self.chance(12) {
            sql.push_str(&format!(" WITH ({})", self.options(TABLE_OPTIONS)));
        }
        if self.chance(6) {
            sql.push_str(&format!(" TABLESPACE {}", self.tablespace));
        }
        sql
    }

    /// Remembers a new table with its columns, as something to comment on, own and grant.
    pub(super) fn remember(&mut self, relation: Relation) {
        let name = relation.name.clone();
        let what = match relation.kind {
            'v' => "VIEW",
            'm' => "MATERIALIZED VIEW",
            'f' => "FOREIGN TABLE",
            _ => "TABLE",
        };
        self.handles.push(super::Handle {
            comment: Some(format!("{what} {name}")),
            owner: Some(format!("{what} {name}")),
            grant: Some((format!("TABLE {name}"), TABLE_PRIVILEGES)),
        });
        for column in relation.columns.iter().take(2) {
            self.comment_only(&format!("COLUMN {name}.{}", column.name));
        }
        self.relations.push(relation);
    }
}

impl From<&str> for Type {
    fn from(sql: &str) -> Self {
        Type { sql: sql.to_owned(), ..Type::integer() }
    }
}

pub(super) fn table(w: &mut World) {
    let (schema, bare, name) = w.place("relation");
    let count = if w.chance(5) { 0 } else { 1 + w.below(7) };
    let (columns, mut written) = w.columns(count, false);
    let mut keys = Vec::new();
    if w.chance(45) {
        let simple: Vec<Column> = columns.iter().filter(|c| c.of.is_ordered).cloned().collect();
        if !simple.is_empty() {
            let key = w.some(&simple, 2);
            let list: Vec<&str> = key.iter().map(|c| c.name.as_str()).collect();
            let constraint = if w.chance(30) {
                format!("CONSTRAINT {} ", w.fresh(&format!("relation {schema}")))
            } else {
                String::new()
            };
            let deferrable = w.maybe(10, " DEFERRABLE INITIALLY DEFERRED");
            written.push(format!("{constraint}PRIMARY KEY ({}){deferrable}", list.join(", ")));
            if deferrable.is_empty() {
                keys.push(key);
            }
        }
    }
    if w.chance(25) && !columns.is_empty() {
        written.push(w.check(&name, &columns));
    }
    let likes: Vec<String> =
        w.relations.iter().filter(|r| "rpvmf".contains(r.kind)).map(|r| r.name.clone()).collect();
    if w.chance(5) && !likes.is_empty() {
        let like = w.pick(&likes);
        let what =
            w.pick(&["", " INCLUDING ALL", " INCLUDING DEFAULTS", " INCLUDING INDEXES INCLUDING COMMENTS"]);
        written = vec![format!("LIKE {like}{what}")];
    }
    let unlogged = w.maybe(8, "UNLOGGED ");
    let storage = w.storage();
    w.run(format!("CREATE {unlogged}TABLE {name} ({}){storage}", written.join(", ")));
    let relation = Relation { keys, ..Relation::new(schema, bare, columns, 'r') };
    w.remember(relation);
}

pub(super) fn typed(w: &mut World) {
    let Some(of) = w.relation("c") else { return };
    let (schema, bare, name) = w.place("relation");
    let mut options = Vec::new();
    for column in of.columns.iter().take(3) {
        if w.chance(50) {
            let value = w.default_of(&column.of);
            let not_null = w.maybe(30, " NOT NULL");
            options.push(format!("{} WITH OPTIONS DEFAULT {value}{not_null}", column.name));
        }
    }
    if w.chance(40) {
        options.push(w.check(&name, &of.columns));
    }
    let list = if options.is_empty() { String::new() } else { format!(" ({})", options.join(", ")) };
    w.run(format!("CREATE TABLE {name} OF {}{list}", of.name));
    let relation = Relation { is_bound: true, ..Relation::new(schema, bare, of.columns, 'r') };
    w.remember(relation);
}

pub(super) fn child(w: &mut World) {
    let fit: Vec<Relation> =
        w.relations.iter().filter(|r| r.kind == 'r' && r.partitioning.is_none()).cloned().collect();
    if fit.is_empty() {
        return;
    }
    let mut parents = w.some(&fit, 2);
    // Columns with the same name but different types cannot be merged.
    if parents.len() == 2 {
        let clashes = parents[0].columns.iter().any(|a| parents[1].columns.iter().any(|b| a.name == b.name));
        if clashes {
            parents.truncate(1);
        }
    }
    let (schema, bare, name) = w.place("relation");
    let mut columns: Vec<Column> = parents.iter().flat_map(|p| p.columns.clone()).collect();
    let mut written = Vec::new();
    for column in columns.clone().iter().filter(|c| !c.is_generated && !c.is_identity).take(3) {
        if w.chance(25) {
            let value = w.default_of(&column.of);
            written.push(format!("{} {} DEFAULT {value}", column.name, column.of.sql));
        }
    }
    let (more, sql) = {
        let count = w.below(3);
        let mut more = Vec::new();
        let mut sql = Vec::new();
        for _ in 0..count {
            let (column, text) = w.column(&columns, false);
            columns.push(column.clone());
            more.push(column);
            sql.push(text);
        }
        (more, sql)
    };
    drop(more);
    written.extend(sql);
    if w.chance(20) && !columns.is_empty() {
        written.push(w.check(&name, &columns));
    }
    let names: Vec<String> = parents.iter().map(|p| p.name.clone()).collect();
    if w.chance(25) && parents.len() == 1 {
        w.run(format!("CREATE TABLE {name} (LIKE {})", names[0]));
        w.run(format!("ALTER TABLE {name} INHERIT {}", names[0]));
        columns = parents[0].columns.clone();
    } else {
        let storage = w.storage();
        w.run(format!(
            "CREATE TABLE {name} ({}) INHERITS ({}){storage}",
            written.join(", "),
            names.join(", ")
        ));
    }
    for parent in &names {
        if let Some(parent) = w.relation_mut(parent) {
            parent.is_bound = true;
        }
    }
    if w.chance(10) {
        w.run(format!("ALTER TABLE {name} NO INHERIT {}", names[0]));
    }
    let relation = Relation { is_bound: true, ..Relation::new(schema, bare, columns, 'r') };
    w.remember(relation);
}

pub(super) fn alter(w: &mut World) {
    let Some(r) = w.relation("rpm") else { return };
    let name = &r.name;
    let column = w.pick(&r.columns);
    let c = &column.name;
    let what = if r.kind == 'm' { "MATERIALIZED VIEW" } else { "TABLE" };
    let sql = match w.below(23) {
        19 if r.kind == 'r' && !w.types.is_empty() => {
            let composites: Vec<String> =
                w.relations.iter().filter(|r| r.kind == 'c').map(|r| r.name.clone()).collect();
            if composites.is_empty() { "NOT OF".to_owned() } else { format!("OF {}", w.pick(&composites)) }
        }
        20 if r.kind != 'm' => {
            let constraint = w.shared();
            let how =
                w.pick(&["NOT ENFORCED", "DEFERRABLE INITIALLY DEFERRED", "NOT DEFERRABLE", "NO INHERIT"]);
            format!("ALTER CONSTRAINT {constraint} {how}")
        }
        21 if r.kind != 'm' => {
            let constraint = w.shared();
            let how = w.pick(&["DROP CONSTRAINT IF EXISTS", "VALIDATE CONSTRAINT"]);
            format!("{how} {constraint}")
        }
        22 if r.kind == 'r' => {
            w.pick(&["SET WITHOUT CLUSTER", "DISABLE TRIGGER USER", "ENABLE TRIGGER ALL"]).to_owned()
        }
        0 => format!("ALTER {c} SET STATISTICS {}", w.pick(&["0", "100", "-1", "10000"])),
        1 => format!("ALTER {c} SET (n_distinct = -0.5, n_distinct_inherited = 3)"),
        2 => format!("ALTER {c} SET STORAGE {}", w.pick(&["PLAIN", "MAIN", "EXTERNAL", "EXTENDED"])),
        3 => format!("ALTER {c} SET COMPRESSION pglz"),
        4 => format!("SET ({})", w.options(TABLE_OPTIONS)),
        5 if r.kind != 'm' => format!("REPLICA IDENTITY {}", w.pick(&["FULL", "NOTHING", "DEFAULT"])),
        6 if r.kind == 'r' => w.pick(&["SET UNLOGGED", "SET LOGGED"]).to_owned(),
        7 if r.kind != 'm' => w.pick(&["ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"]).to_owned(),
        8 if r.kind != 'm' && !column.is_generated && !column.is_identity => {
            let value = w.default_of(&column.of);
            format!("ALTER {c} SET DEFAULT {value}")
        }
        9 if r.kind != 'm' && w.major >= 18 => {
            let (constraint, valid) = (w.shared(), w.maybe(50, " NOT VALID"));
            w.comment_only(&format!("CONSTRAINT {constraint} ON {name}"));
            format!("ADD CONSTRAINT {constraint} NOT NULL {c}{valid}")
        }
        9 | 10 if r.kind != 'm' => format!("ALTER {c} {} NOT NULL", w.pick(&["SET", "DROP"])),
        11 if r.kind == 'r' => format!("SET TABLESPACE {}", w.tablespace),
        12 | 13 if r.kind != 'm' && !r.is_bound => {
            let (column, sql) = w.column(&r.columns, r.kind == 'p');
            if let Some(r) = w.relation_mut(name) {
                r.columns.push(column);
            }
            format!("ADD COLUMN {sql}")
        }
        14 if r.kind == 'r' && !column.is_identity && !column.is_generated => {
            format!("ALTER {c} ADD GENERATED BY DEFAULT AS IDENTITY")
        }
        15 if r.kind == 'r' && !r.is_bound => {
            let of = w.a_type();
            let sql = format!("ALTER {c} DROP DEFAULT, ALTER {c} TYPE {} USING NULL", of.sql);
            if let Some(column) =
                w.relation_mut(name).and_then(|r| r.columns.iter_mut().find(|x| x.name == *c))
            {
                column.of = of;
            }
            sql
        }
        16 if r.kind == 'r' && column.is_generated => format!("ALTER {c} DROP EXPRESSION IF EXISTS"),
        17 if !w.table_methods.is_empty() && w.major >= 15 && r.kind != 'p' => {
            let methods = w.table_methods.clone();
            format!("SET ACCESS METHOD {}", w.pick(&methods))
        }
        _ => format!("ALTER {c} SET STATISTICS 7"),
    };
    w.run(format!("ALTER {what} {name} {sql}"));
}

pub(super) fn drop_column(w: &mut World) {
    let fit: Vec<Relation> = w
        .relations
        .iter()
        .filter(|r| "rp".contains(r.kind) && r.columns.len() > 1 && !r.is_bound)
        .cloned()
        .collect();
    if fit.is_empty() {
        return;
    }
    let r = w.pick(&fit);
    let column = w.pick(&r.columns);
    let cascade = w.maybe(20, " CASCADE");
    w.run(format!("ALTER TABLE {} DROP COLUMN {}{cascade}", r.name, column.name));
    if !cascade.is_empty()
        && let Some(r) = w.relation_mut(&r.name)
    {
        r.columns.retain(|c| c.name != column.name);
        r.keys.retain(|key| key.iter().all(|c| c.name != column.name));
    }
}

//! A grammar of databases: randomly drawn statements, most of which succeed.
//!
//! The generator never asks the server. It remembers what it has created, assumes that all of that
//! succeeded, and builds on it, so anything that depends on a failed statement fails, too.

mod code;
mod constraints;
mod expression;
mod foreign;
mod indexes;
mod names;
mod operators;
mod partitions;
mod privileges;
mod relations;
mod replication;
mod rows;
mod tables;
mod text_search;
mod twists;
mod types;
mod views;

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

pub(crate) use names::{literal, quoted};
use partitions::Partitioning;
use types::Type;

/// One statement (or some that belong together), and the rule of the grammar that produced it.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) kind: &'static str,
    pub(crate) sql: String,
}

/// A column of a table, a view or a function's result.
#[derive(Debug, Clone)]
struct Column {
    /// Quoted; after `NEW.` and the like it can be any expression.
    name: String,
    of: Type,
    is_generated: bool,
    is_identity: bool,
}

/// Anything that can be selected from.
#[derive(Debug, Clone)]
struct Relation {
    schema: String,
    bare: String,
    /// Qualified by the schema.
    name: String,
    columns: Vec<Column>,
    /// What `pg_class.relkind` would say: r p v m f.
    kind: char,
    /// Primary and unique keys.
    keys: Vec<Vec<Column>>,
    partitioning: Option<Partitioning>,
    /// It is a partition, a child or typed, or has such: then some changes are not allowed.
    is_bound: bool,
}

/// A function that expressions can call.
#[derive(Debug, Clone)]
struct Routine {
    name: String,
    /// `FUNCTION name(types)`, as COMMENT ON and GRANT expect it.
    identity: String,
    arguments: Vec<Type>,
    returns: Type,
    is_set: bool,
    is_immutable: bool,
}

/// How to name an object in COMMENT ON, ALTER … OWNER TO and GRANT … ON.
#[derive(Debug, Clone)]
struct Handle {
    comment: Option<String>,
    owner: Option<String>,
    grant: Option<(String, &'static [&'static str])>,
}

/// What has been created so far.
pub(crate) struct World {
    rng: StdRng,
    major: u32,
    kind: &'static str,
    statements: Vec<Statement>,
    taken: BTreeSet<String>,
    roles: Vec<String>,
    tablespace: String,
    schemas: Vec<String>,
    types: Vec<Type>,
    relations: Vec<Relation>,
    sequences: Vec<String>,
    routines: Vec<Routine>,
    triggers: Vec<String>,
    event_functions: Vec<String>,
    collations: Vec<String>,
    operators: Vec<(String, Type)>,
    aggregates: Vec<(String, Type)>,
    classes: Vec<(String, String)>,
    configurations: Vec<String>,
    wrappers: Vec<String>,
    servers: Vec<String>,
    /// A server that can be used for subscriptions, from version 19 on.
    connecting_server: Option<String>,
    table_methods: Vec<String>,
    extensions: Vec<&'static str>,
    large_objects: u32,
    handles: Vec<Handle>,
}

/// A rule: its name, how often it is drawn, the first major version that supports it, and its function.
type Rule = (&'static str, u32, u32, fn(&mut World));

const RULES: &[Rule] = &[
    ("schema", 2, 0, relations::schema),
    ("enum", 3, 0, types::enumeration),
    ("domain", 4, 0, types::domain),
    ("composite", 3, 0, types::composite),
    ("range type", 2, 0, types::range),
    ("base type", 1, 0, types::base),
    ("shell type", 1, 0, types::shell),
    ("alter type", 3, 0, types::alter),
    ("table", 10, 0, tables::table),
    ("typed table", 2, 0, tables::typed),
    ("inheritance", 3, 0, tables::child),
    ("alter table", 10, 0, tables::alter),
    ("dropped column", 4, 0, tables::drop_column),
    ("constraint", 8, 0, constraints::constraint),
    ("foreign key", 7, 0, constraints::foreign_key),
    ("partitioned table", 4, 0, partitions::partitioned),
    ("partition", 9, 0, partitions::partition),
    ("index", 10, 0, indexes::index),
    ("sequence", 4, 0, relations::sequence),
    ("view", 8, 0, views::view),
    ("circular views", 2, 0, views::circular),
    ("materialized view", 4, 0, views::materialized),
    ("alter view", 3, 0, views::alter),
    ("rule", 4, 0, relations::rule),
    ("trigger", 6, 0, relations::trigger),
    ("policy", 4, 0, relations::policy),
    ("statistics", 3, 0, relations::statistics),
    ("analyze", 3, 18, relations::analyze),
    ("function", 8, 0, code::function),
    ("atomic function", 6, 14, code::atomic),
    ("procedure", 2, 0, code::procedure),
    ("aggregate", 3, 0, code::aggregate),
    ("event trigger", 1, 0, code::event_trigger),
    ("language", 1, 0, code::language),
    ("operator", 3, 0, operators::operator),
    ("operator class", 2, 0, operators::class),
    ("operator family", 2, 0, operators::family),
    ("cast", 2, 0, operators::cast),
    ("collation", 2, 0, operators::collation),
    ("conversion", 1, 0, operators::conversion),
    ("access method", 1, 0, operators::access_method),
    ("text search", 4, 0, text_search::object),
    ("publication", 4, 0, replication::publication),
    ("subscription", 1, 0, replication::subscription),
    ("foreign server", 3, 0, foreign::server),
    ("foreign table", 3, 0, foreign::table),
    ("connecting server", 1, 19, foreign::connecting_server),
    ("large object", 4, 0, rows::large_object),
    ("rows", 14, 0, rows::insert),
    ("comment", 14, 0, privileges::comment),
    ("grant", 14, 0, privileges::grant),
    ("revoke", 5, 0, privileges::revoke),
    ("grant by another", 4, 0, privileges::grant_by_another),
    ("column grant", 4, 0, privileges::column_grant),
    ("default privileges", 3, 0, privileges::default),
    ("owner", 8, 0, privileges::owner),
    ("rename or move", 4, 0, twists::rename),
    ("twist", 8, 0, twists::twist),
    ("extension", 1, 0, types::extension),
    ("database setting", 1, 0, privileges::database),
];

/// The database drawn from one seed for one major version.
pub(crate) struct Plan {
    pub(crate) statements: Vec<Statement>,
    /// Names of relations and schemas, for patterns.
    pub(crate) relations: Vec<String>,
    pub(crate) schemas: Vec<String>,
}

/// The names of the rules for a server of that major version.
pub(crate) fn kinds(major: u32) -> Vec<&'static str> {
    RULES.iter().filter(|rule| rule.2 <= major).map(|rule| rule.0).collect()
}

/// Draws a database: each rule once in random order, then `draws` more by weight. The roles and the
/// tablespace exist, and their names are quoted.
pub(crate) fn draw(seed: u64, major: u32, draws: usize, roles: &[String], tablespace: &str) -> Plan {
    let mut world = World::new(seed, major, roles, tablespace);
    for rule in [relations::schema, types::enumeration, code::function, tables::table, tables::table] {
        world.kind = "start";
        rule(&mut world);
    }
    let rules: Vec<&Rule> = RULES.iter().filter(|rule| rule.2 <= major).collect();
    let mut order = rules.clone();
    order.shuffle(&mut world.rng);
    let weights: Vec<&Rule> =
        rules.iter().flat_map(|&rule| std::iter::repeat_n(rule, rule.1 as usize)).collect();
    for _ in 0..draws {
        order.push(weights[world.below(weights.len())]);
    }
    // Privileges and comments are of little use in an empty database.
    let late = ["comment", "grant", "revoke", "column grant", "owner", "twist", "rename or move"];
    order[..rules.len()].sort_by_key(|rule| late.contains(&rule.0));
    for rule in order {
        world.kind = rule.0;
        rule.3(&mut world);
    }
    Plan {
        relations: world.relations.iter().map(|r| r.name.clone()).collect(),
        schemas: world.schemas,
        statements: world.statements,
    }
}

impl World {
    fn new(seed: u64, major: u32, roles: &[String], tablespace: &str) -> Self {
        World {
            rng: StdRng::seed_from_u64(seed),
            major,
            kind: "",
            statements: Vec::new(),
            taken: BTreeSet::new(),
            roles: roles.to_vec(),
            tablespace: tablespace.to_owned(),
            schemas: vec!["public".to_owned()],
            types: Vec::new(),
            relations: Vec::new(),
            sequences: Vec::new(),
            routines: Vec::new(),
            triggers: Vec::new(),
            event_functions: Vec::new(),
            collations: vec!["\"C\"".to_owned(), "\"POSIX\"".to_owned()],
            operators: Vec::new(),
            aggregates: Vec::new(),
            classes: Vec::new(),
            configurations: vec!["pg_catalog.simple".to_owned()],
            wrappers: Vec::new(),
            servers: Vec::new(),
            connecting_server: None,
            table_methods: Vec::new(),
            extensions: Vec::new(),
            large_objects: 0,
            handles: Vec::new(),
        }
    }

    fn run(&mut self, sql: impl Into<String>) {
        self.statements.push(Statement { kind: self.kind, sql: sql.into() });
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound.max(1))
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// `text` with that probability, or nothing.
    fn maybe<'a>(&mut self, percent: usize, text: &'a str) -> &'a str {
        if self.chance(percent) { text } else { "" }
    }

    /// A random selection, in random order, with at least one item.
    fn some<T: Clone>(&mut self, of: &[T], most: usize) -> Vec<T> {
        let mut all = of.to_vec();
        all.shuffle(&mut self.rng);
        let count = 1 + self.below(most.min(all.len()).max(1));
        all.truncate(count);
        all
    }

    fn schema(&mut self) -> String {
        let schemas = self.schemas.clone();
        self.pick(&schemas)
    }

    fn role(&mut self) -> String {
        let roles = self.roles.clone();
        self.pick(&roles)
    }

    /// A relation of one of these kinds.
    fn relation(&mut self, kinds: &str) -> Option<Relation> {
        let all: Vec<Relation> = self
            .relations
            .iter()
            .filter(|r| kinds.contains(r.kind) && !r.columns.is_empty())
            .cloned()
            .collect();
        (!all.is_empty()).then(|| self.pick(&all))
    }

    /// The remembered relation, for changes.
    fn relation_mut(&mut self, name: &str) -> Option<&mut Relation> {
        self.relations.iter_mut().find(|r| r.name == name)
    }

    fn handle(&mut self, comment: &str, owner: &str, grant: &'static [&'static str]) {
        let grant = (!grant.is_empty()).then(|| (owner.to_owned(), grant));
        self.handles.push(Handle { comment: Some(comment.to_owned()), owner: Some(owner.to_owned()), grant });
    }

    fn comment_only(&mut self, comment: &str) {
        self.handles.push(Handle { comment: Some(comment.to_owned()), owner: None, grant: None });
    }

    /// A random selection of options, joined by commas.
    fn options(&mut self, of: &[&str]) -> String {
        self.some(of, 3).join(", ")
    }
}

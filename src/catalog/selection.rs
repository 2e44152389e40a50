//! Which objects, and which of their components, the options select.

use std::collections::HashSet;
use std::error::Error as StdError;

use postgres_types::{ToSql, Type};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::row::query;
use super::{Catalog, Components, DumpId, FIRST_NORMAL_OID, Oid};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::error::PgFailure;
use crate::pg::text::EncodedText;
use crate::select::options::{DumpOptions, Patterns};
use crate::select::pattern::{NamePattern, parse};

/// OID of the role `pg_database_owner`, which owns schema public from version 15 on.
const ROLE_PG_DATABASE_OWNER: Oid = 6171;

/// The patterns of the options, resolved to OIDs.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    include_everything: bool,
    schemas: Option<HashSet<Oid>>,
    exclude_schemas: HashSet<Oid>,
    tables: Option<HashSet<Oid>>,
    exclude_tables: HashSet<Oid>,
    exclude_table_data: HashSet<Oid>,
    extensions: Option<HashSet<Oid>>,
    exclude_extensions: HashSet<Oid>,
    foreign_servers: HashSet<Oid>,
}

/// What a pattern is matched against.
struct PatternTarget {
    noun: &'static str,
    sql: &'static str,
    namespace: Option<&'static str>,
    name: &'static str,
    visible: Option<&'static str>,
    most_dots: usize,
}

const SCHEMAS: PatternTarget = PatternTarget {
    noun: "schemas",
    sql: "SELECT n.oid FROM pg_catalog.pg_namespace n WHERE true",
    namespace: None,
    name: "n.nspname",
    visible: None,
    most_dots: 1,
};
const TABLES: PatternTarget = PatternTarget {
    noun: "tables",
    sql: "SELECT c.oid FROM pg_catalog.pg_class c
           LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
          WHERE c.relkind OPERATOR(pg_catalog.=) ANY (array['r', 'S', 'v', 'm', 'f', 'p'])",
    namespace: Some("n.nspname"),
    name: "c.relname",
    visible: Some("pg_catalog.pg_table_is_visible(c.oid)"),
    most_dots: 2,
};
const EXTENSIONS: PatternTarget = PatternTarget {
    noun: "extensions",
    sql: "SELECT e.oid FROM pg_catalog.pg_extension e WHERE true",
    namespace: None,
    name: "e.extname",
    visible: None,
    most_dots: 0,
};
const FOREIGN_SERVERS: PatternTarget = PatternTarget {
    noun: "foreign servers",
    sql: "SELECT s.oid FROM pg_catalog.pg_foreign_server s WHERE true",
    namespace: None,
    name: "s.srvname",
    visible: None,
    most_dots: 0,
};

/// Resolves patterns of one kind; if `strict`, each must match something.
async fn resolve(
    client: &Client,
    target: &PatternTarget,
    patterns: &[String],
    children: bool,
    strict: bool,
) -> Result<HashSet<Oid>> {
    let mut found = HashSet::new();
    for pattern in patterns {
        let NamePattern { database, namespace, name, dots } =
            parse(pattern, target.namespace.is_some(), target.most_dots);
        check_dots(client, target, pattern, dots, database.as_deref()).await?;
        let mut sql = target.sql.to_owned();
        let mut params: Vec<EncodedText> = Vec::new();
        let mut matches = |column: &str, regex: Option<String>| {
            if let Some(regex) = regex {
                params.push(EncodedText(regex));
                sql.push_str(&format!(
                    " AND {column} OPERATOR(pg_catalog.~) ${} COLLATE pg_catalog.default",
                    params.len()
                ));
            }
        };
        let qualified = namespace.is_some();
        matches(target.name, name.filter(|r| r != "^(.*)$"));
        if let Some(column) = target.namespace {
            matches(column, namespace.filter(|r| r != "^(.*)$"));
        }
        if let (false, Some(visible)) = (qualified, target.visible) {
            sql.push_str(&format!(" AND {visible}"));
        }
        if children {
            sql = format!(
                "WITH RECURSIVE tree AS ({sql}
                  UNION SELECT i.inhrelid FROM tree t
                   JOIN pg_catalog.pg_inherits i ON t.oid OPERATOR(pg_catalog.=) i.inhparent)
                 SELECT oid FROM tree"
            );
        }
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            params.iter().map(|p| (p as &(dyn ToSql + Sync), Type::TEXT)).collect();
        // Unqualified patterns match objects that are visible in the user's search_path, as in psql.
        if target.visible.is_some() {
            batch(client, "RESET search_path").await?;
        }
        let rows = query(client, target.noun, &sql, &params).await.map_err(|e| name_pattern(e, pattern))?;
        if target.visible.is_some() {
            batch(client, "SET LOCAL search_path = ''").await?;
        }
        if strict && rows.is_empty() {
            return Err(no_match(target, Some(pattern)));
        }
        for row in rows {
            found.insert(row.oid("oid")?);
        }
    }
    Ok(found)
}

/// Adds the pattern to the error, if the server rejects it as a regular expression.
fn name_pattern(error: Error, pattern: &str) -> Error {
    let failure = StdError::source(&error).and_then(|source| source.downcast_ref::<PgFailure>());
    if failure.is_some_and(|failure| failure.sqlstate == SqlState::INVALID_REGULAR_EXPRESSION) {
        return Error::new(ErrorKind::Usage, format!("match the pattern \"{pattern}\"")).because(error);
    }
    error
}

async fn batch(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|e| crate::pg::error::source_failed(format!("run {sql}"), e))
}

async fn check_dots(
    client: &Client,
    target: &PatternTarget,
    pattern: &str,
    dots: usize,
    database: Option<&str>,
) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Usage, why.to_owned()).because(pattern.to_owned()));
    if dots > target.most_dots {
        return match target.namespace {
            Some(_) => refuse("improper relation name (too many dotted names)"),
            None => refuse("improper qualified name (too many dotted names)"),
        };
    }
    if let Some(database) = database {
        let rows =
            query(client, "the database's name", "SELECT pg_catalog.current_database() AS name", &[]).await?;
        let Some(row) = rows.first() else { return refuse("cross-database references are not implemented") };
        if row.text("name")? != database {
            return refuse("cross-database references are not implemented");
        }
    }
    Ok(())
}

fn no_match(target: &PatternTarget, pattern: Option<&str>) -> Error {
    let noun = target.noun;
    match pattern {
        Some(p) => Error::new(ErrorKind::Usage, format!("no matching {noun} were found for pattern \"{p}\"")),
        None => Error::new(ErrorKind::Usage, format!("no matching {noun} were found")),
    }
    .hint("patterns follow psql's rules: unquoted names are folded to lower case, * and ? are wildcards")
}

/// Resolves an inclusion: `None` if there are no patterns; an error if nothing matches.
async fn included(
    client: &Client,
    target: &PatternTarget,
    plain: &[String],
    with_children: &[String],
    strict: bool,
) -> Result<Option<HashSet<Oid>>> {
    if plain.is_empty() && with_children.is_empty() {
        return Ok(None);
    }
    let mut found = resolve(client, target, plain, false, strict).await?;
    found.extend(resolve(client, target, with_children, true, strict).await?);
    if found.is_empty() {
        return Err(no_match(target, None));
    }
    Ok(Some(found))
}

impl Selection {
    /// Queries the objects that the patterns match, inside the caller's transaction.
    pub(crate) async fn resolve(client: &Client, options: &DumpOptions) -> Result<Selection> {
        let p: &Patterns = &options.patterns;
        let mut exclude_tables = resolve(client, &TABLES, &p.exclude_tables, false, false).await?;
        exclude_tables.extend(resolve(client, &TABLES, &p.exclude_tables_and_children, true, false).await?);
        let mut exclude_table_data = resolve(client, &TABLES, &p.exclude_table_data, false, false).await?;
        exclude_table_data
            .extend(resolve(client, &TABLES, &p.exclude_table_data_and_children, true, false).await?);
        Ok(Selection {
            include_everything: options.include_everything(),
            schemas: included(client, &SCHEMAS, &p.schemas, &[], p.strict).await?,
            exclude_schemas: resolve(client, &SCHEMAS, &p.exclude_schemas, false, false).await?,
            tables: included(client, &TABLES, &p.tables, &p.tables_and_children, p.strict).await?,
            exclude_tables,
            exclude_table_data,
            extensions: included(client, &EXTENSIONS, &p.extensions, &[], p.strict).await?,
            exclude_extensions: resolve(client, &EXTENSIONS, &p.exclude_extensions, false, false).await?,
            foreign_servers: resolve(client, &FOREIGN_SERVERS, &p.foreign_servers, false, true).await?,
        })
    }

    /// The components of an object that is only dumped with the whole database.
    pub(super) fn everything(&self) -> Components {
        if self.include_everything { Components::all() } else { Components::empty() }
    }

    /// Whether the rows of this relation were excluded (`--exclude-table-data`).
    pub(super) fn data_excluded(&self, relation: Oid) -> bool {
        self.exclude_table_data.contains(&relation)
    }

    /// Whether the rows of this foreign server's tables were included (`--include-foreign-data`).
    pub(super) fn foreign_data_included(&self, server: Oid) -> bool {
        self.foreign_servers.contains(&server)
    }

    /// Whether this relation was selected by `-t`.
    pub(super) fn table_named(&self, relation: Oid) -> bool {
        self.tables.as_ref().is_some_and(|t| t.contains(&relation))
    }

    /// Whether this relation or its namespace was excluded.
    pub(super) fn table_or_schema_excluded(&self, relation: Oid, namespace: Oid) -> bool {
        self.exclude_tables.contains(&relation) || self.exclude_schemas.contains(&namespace)
    }

    /// Whether this extension was not selected by `-e`, or was excluded.
    pub(super) fn extension_skipped(&self, extension: Oid) -> bool {
        self.extensions.as_ref().is_some_and(|e| !e.contains(&extension))
            || self.exclude_extensions.contains(&extension)
    }

    /// Selects an extension; a built-in one only for its members' changed privileges.
    pub(super) fn extension(&self, oid: Oid) -> Components {
        if oid < FIRST_NORMAL_OID {
            return Components::ACL;
        }
        if self.exclude_extensions.contains(&oid) {
            return Components::empty();
        }
        match &self.extensions {
            Some(wanted) if wanted.contains(&oid) => Components::all(),
            Some(_) => Components::empty(),
            None => self.everything(),
        }
    }

    /// Whether every new database has this schema. False if it was selected by name.
    pub(super) fn comes_with_database(&self, name: &str) -> bool {
        name == "public" && self.tables.is_none() && self.schemas.is_none()
    }

    /// Selects a namespace; the second value is the components that its objects inherit.
    pub(super) fn namespace(&self, oid: Oid, name: &str, owner: Oid) -> (Components, Components) {
        let both = |c| (c, c);
        let selected = if self.tables.is_some() {
            both(Components::empty())
        } else if let Some(wanted) = &self.schemas {
            both(if wanted.contains(&oid) { Components::all() } else { Components::empty() })
        } else if name == "pg_catalog" {
            both(Components::ACL)
        } else if name.starts_with("pg_") || name == "information_schema" {
            both(Components::empty())
        } else if name == "public" && owner == ROLE_PG_DATABASE_OWNER {
            (Components::all() - Components::DEFINITION, Components::all())
        } else {
            both(Components::all())
        };
        if !selected.1.is_empty() && self.exclude_schemas.contains(&oid) {
            return both(Components::empty());
        }
        selected
    }

    /// Selects a relation that is not a member of an extension.
    pub(super) fn relation(&self, oid: Oid, from_namespace: Components) -> Components {
        let selected = match &self.tables {
            Some(wanted) if wanted.contains(&oid) => Components::all(),
            Some(_) => Components::empty(),
            None => from_namespace,
        };
        if self.exclude_tables.contains(&oid) { Components::empty() } else { selected }
    }

    /// Selects an object by its namespace or, if it has none, by whether the whole database is dumped.
    pub(super) fn object(&self, catalog: &mut Catalog, id: DumpId) {
        if member_of_extension(catalog, id) {
            return;
        }
        let inherited = contents_of_namespace(catalog, id);
        catalog.object_mut(id).dump = inherited.unwrap_or_else(|| self.everything());
    }

    /// Selects an object that belongs to no namespace. Of built-in objects, only the components in `built_in`
    /// are selected.
    pub(super) fn global_object(&self, catalog: &mut Catalog, id: DumpId, built_in: Components) {
        if member_of_extension(catalog, id) {
            return;
        }
        let oid = catalog.object(id).catalog_id.oid;
        catalog.object_mut(id).dump =
            if oid < FIRST_NORMAL_OID { self.everything() & built_in } else { self.everything() };
    }
}

/// The components that an object inherits from its namespace.
pub(super) fn contents_of_namespace(catalog: &Catalog, id: DumpId) -> Option<Components> {
    let namespace = catalog.object(id).namespace?;
    catalog.namespace(namespace).map(|n| n.dump_contents)
}

/// If the object is a member of an extension, makes it come after the extension and only dumps its changed
/// privileges.
pub(super) fn member_of_extension(catalog: &mut Catalog, id: DumpId) -> bool {
    let Some(&extension) = catalog.members.get(&catalog.object(id).catalog_id) else { return false };
    let contents = catalog.extension(extension).map_or(Components::empty(), |e| e.dump_contents);
    let object = catalog.object_mut(id);
    object.extension_member = true;
    object.dependencies.push(extension);
    object.dump = contents & Components::ACL;
    true
}

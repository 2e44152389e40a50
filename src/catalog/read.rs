//! Reads all kinds of objects, each after those that it refers to.

use std::sync::Arc;

use tokio_postgres::Client;

use super::locked_tables::{TableToLock, to_lock};
use super::privileges::Unreadable;
use super::reader::Reader;
use super::selection::Selection;
use super::started_query::StartedQuery;
use super::{
    Catalog, ObjectKind, Oid, RelKind, access_method, attribute, collation, comment, constraint, conversion,
    database, default_acl, depend, event_trigger, extension, foreign, index, inherit, language, large_object,
    namespace, operator, policy, privileges, publication, relation, relation_statistics, routine, rule,
    sequence, statistics, subscription, table_data, text_search, trigger, typ,
};
use crate::error::Result;
use crate::pg::connect::Session;
use crate::pg::server::Server;
use crate::progress::Warnings;
use crate::select::options::DumpOptions;

use crate::pg::quote::Quoter;

/// Lists the tables that a dump with these options locks: those whose definitions, rows or policies it reads.
/// Views, sequences and foreign tables can't be locked, or need not be.
pub(crate) async fn tables_to_lock(
    client: &Arc<Client>,
    server: &Server,
    options: &DumpOptions,
    quoter: &Quoter,
) -> Result<Vec<TableToLock>> {
    // Warnings are given later, when the objects are read for the dump.
    let warnings = Warnings::default();
    let selection = Selection::resolve(client, options).await?;
    let r = Reader::new(client, &[], server, options, &selection, quoter, &warnings);
    let mut catalog = Catalog::default();
    let relations = relation::start_listing(&r);
    let (extensions, namespaces) = (extension::start(&r), namespace::start(&r));
    extension::read(&r, &mut catalog, extensions).await?;
    namespace::read(&r, &mut catalog, namespaces).await?;
    relation::read(&r, &mut catalog, relations, None).await?;
    Ok(to_lock(&catalog, quoter))
}

/// Finds out which objects of a dump with these options the role can't read. Nothing is locked.
pub(crate) async fn unreadable(
    client: &Arc<Client>,
    server: &Server,
    options: &DumpOptions,
    quoter: &Quoter,
) -> Result<Unreadable> {
    // Warnings are given later, when the objects are read for the dump.
    let warnings = Warnings::default();
    let selection = Selection::resolve(client, options).await?;
    let r = Reader::new(client, &[], server, options, &selection, quoter, &warnings);
    let mut catalog = Catalog::default();
    let (extensions, namespaces) = (extension::start(&r), namespace::start(&r));
    let (relations, owners) = (relation::start(&r), relation::start_owners_of_sequences(&r));
    extension::read(&r, &mut catalog, extensions).await?;
    namespace::read(&r, &mut catalog, namespaces).await?;
    relation::read(&r, &mut catalog, relations, Some(owners)).await?;
    table_data::add_all(&r, &mut catalog, None);
    let keys = extension::start_keys(&r);
    extension::add_config_data(&r, &mut catalog, keys).await?;
    privileges::look(&r, &catalog).await
}

/// Reads the catalogs inside the caller's transaction. The relations to dump must already be locked: the
/// server deparses definitions from the newest catalog contents, not from the snapshot. `helpers`, if any,
/// see the same snapshot and share the work.
pub(crate) async fn read_catalog(
    client: &Arc<Client>,
    helpers: &[Session],
    server: &Server,
    options: &DumpOptions,
    quoter: &Quoter,
    warnings: &Warnings,
) -> Result<Catalog> {
    let selection = Selection::resolve(client, options).await?;
    let r = Reader::new(client, helpers, server, options, &selection, quoter, warnings);
    let mut catalog = Catalog::default();
    let c = &mut catalog;
    // These queries depend on no earlier results, and take long in large catalogs.
    let relations = relation::start(&r);
    let owners = relation::start_owners_of_sequences(&r);
    let types = typ::start(&r);
    let edges = depend::start(&r);
    let column_acls = (!options.no_privileges).then(|| attribute::start_acls(&r));
    let comments = (!options.no_comments).then(|| comment::start_comments(&r));
    // Neither do these, which are short: over a network, a round trip takes longer.
    let roles = start_roles(&r);
    let (extensions, namespaces) = (extension::start(&r), namespace::start(&r));
    let (routines, languages) = (routine::start(&r), language::start_languages(&r));
    let access_methods = access_method::start(&r);
    let default_acls = default_acl::start(&r);
    let (collations, conversions) = (collation::start(&r), conversion::start(&r));
    let (casts, transforms) = (language::start_casts(&r), language::start_transforms(&r));
    let event_triggers = event_trigger::start(&r);
    let (operators, text_search) = (operator::start(&r), text_search::start(&r));
    let foreign_data = foreign::start(&r);
    let keys_of_extensions = extension::start_keys(&r);
    let (parents, rules) = (inherit::start(&r), rule::start(&r));
    let (publications, subscriptions) = (publication::start(&r), subscription::start(&r));
    let unsafe_partitions = start_unsafe_partitions(&r);
    let large_objects = options.dump_large_objects().then(|| large_object::start(&r));
    let initial_privileges = (!options.no_privileges).then(|| comment::start_initial_privileges(&r));
    let labels = (!options.no_security_labels).then(|| comment::start_security_labels(&r));
    read_roles(c, roles).await?;
    if options.create {
        database::read(&r, c).await?;
    }
    extension::read(&r, c, extensions).await?;
    namespace::read(&r, c, namespaces).await?;
    relation::read(&r, c, relations, Some(owners)).await?;
    relation::read_definitions(&r, c).await?;
    routine::read(&r, c, routines).await?;
    typ::read(&r, c, types).await?;
    language::read_languages(&r, c, languages).await?;
    operator::read(&r, c, operators).await?;
    access_method::read(&r, c, access_methods).await?;
    text_search::read(&r, c, text_search).await?;
    foreign::read(&r, c, foreign_data).await?;
    default_acl::read(&r, c, default_acls).await?;
    collation::read(&r, c, collations).await?;
    conversion::read(&r, c, conversions).await?;
    language::read_casts(&r, c, casts).await?;
    language::read_transforms(&r, c, transforms).await?;
    event_trigger::read(&r, c, event_triggers).await?;
    extension::add_config_data(&r, c, keys_of_extensions).await?;
    let sequences = sequence::start(&r, c);
    inherit::read(c, parents).await?;
    let columns = attribute::start(&r, c);
    let checks = options.schema.then(|| constraint::start_of_tables(&r, c));
    let indexes = index::start(&r, c);
    let keys = constraint::start_foreign_keys(&r, c);
    let statistics = statistics::start(&r, c);
    let triggers = trigger::start(&r, c);
    let policies = policy::start(&r, c);
    sequence::read(c, sequences).await?;
    let column_types = attribute::read(&r, c, columns).await?;
    let checks = match checks {
        Some(checks) => Some(constraint::read_of_tables(&r, c, checks).await?),
        None => None,
    };
    attribute::flag_inherited(&r, c);
    index::read(&r, c, indexes).await?;
    constraint::read_definitions(c, checks).await?;
    attribute::read_types(c, column_types).await?;
    read_unsafe_partitions(c, unsafe_partitions).await?;
    inherit::attach_indexes(c);
    if options.statistics {
        c.version_num = server.version_num;
        relation_statistics::read(&r, c).await?;
    }
    statistics::read(&r, c, statistics).await?;
    constraint::read_foreign_keys(&r, c, keys).await?;
    trigger::read(c, triggers).await?;
    rule::read(&r, c, rules).await?;
    policy::read(&r, c, policies).await?;
    publication::read(&r, c, publications).await?;
    subscription::read(&r, c, subscriptions).await?;
    routine::read_details(&r, c).await?;
    typ::read_details(&r, c).await?;
    if options.data {
        table_data::add_all(&r, c, None);
        table_data::order_refreshes(&r, c).await?;
        if options.data_only() {
            table_data::order_by_foreign_keys(c);
        }
    } else if options.sequence_data {
        table_data::add_all(&r, c, Some(RelKind::Sequence));
    }
    privileges::check(&r, c).await?;
    let values = sequence::start_values(&r, c);
    if let Some(large_objects) = large_objects {
        large_object::read(&r, c, large_objects).await?;
    }
    depend::read(&r, c, edges).await?;
    if let Some(initial_privileges) = initial_privileges {
        comment::read_initial_privileges(&r, c, initial_privileges).await?;
    }
    if let Some(column_acls) = column_acls {
        attribute::read_acls(c, column_acls).await?;
    }
    if let Some(comments) = comments {
        comment::read_comments(c, comments).await?;
    }
    if let Some(labels) = labels {
        comment::read_security_labels(c, labels).await?;
    }
    sequence::read_values(c, values).await?;
    read_type_names(&r, c).await?;
    depend::add_boundaries(c, r.dialect);
    Ok(catalog)
}

fn start_roles(r: &Reader<'_>) -> StartedQuery {
    r.start("pg_roles", "SELECT oid, rolname FROM pg_catalog.pg_roles")
}

async fn read_roles(catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        catalog.roles.insert(row.oid("oid")?, row.text("rolname")?);
    }
    Ok(())
}

/// Queries which tables are hash partitioned by an enum. That depends on OIDs, so rows may belong to other
/// partitions after a restore, and must be loaded through the root.
fn start_unsafe_partitions(r: &Reader<'_>) -> StartedQuery {
    if r.options.schema_only() {
        return StartedQuery::none("pg_partitioned_table");
    }
    r.start(
        "pg_partitioned_table",
        "SELECT partrelid FROM pg_catalog.pg_partitioned_table
          WHERE (SELECT c.oid FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
                  WHERE c.opcname = 'enum_ops' AND a.amname = 'hash'
                    AND c.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace) = ANY (partclass)",
    )
}

async fn read_unsafe_partitions(catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        if let Some(relation) = catalog.relation_by_oid_mut(row.oid("partrelid")?) {
            relation.unsafe_partitions = true;
        }
    }
    Ok(())
}

/// Reads the server's names of the types that appear in signatures.
async fn read_type_names(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let mut wanted: Vec<Oid> = Vec::new();
    for id in catalog.ids() {
        let object = catalog.object(id);
        match &object.kind {
            ObjectKind::Routine(it) => {
                wanted.extend(&it.arg_types);
                wanted.extend(it.detail.iter().flat_map(|d| &d.transform_types));
            }
            ObjectKind::Aggregate(it) => wanted.extend(&it.arg_types),
            ObjectKind::Cast(_) if object.dump.is_empty() => {}
            ObjectKind::Cast(it) => wanted.extend([it.castsource, it.casttarget]),
            ObjectKind::Transform(it) => wanted.push(it.trftype),
            ObjectKind::Relation(it) => wanted.push(it.reloftype),
            // These have no types, or the server names the types in the definition.
            ObjectKind::Namespace(_)
            | ObjectKind::Extension(_)
            | ObjectKind::Type(_)
            | ObjectKind::ShellType(_)
            | ObjectKind::DummyType(_)
            | ObjectKind::Operator(_)
            | ObjectKind::AccessMethod(_)
            | ObjectKind::Opclass(_)
            | ObjectKind::Opfamily(_)
            | ObjectKind::Collation(_)
            | ObjectKind::Conversion(_)
            | ObjectKind::TableAttach(_)
            | ObjectKind::AttrDef(_)
            | ObjectKind::Index(_)
            | ObjectKind::IndexAttach(_)
            | ObjectKind::ExtendedStatistics(_)
            | ObjectKind::Rule(_)
            | ObjectKind::Trigger(_)
            | ObjectKind::Constraint(_)
            | ObjectKind::ForeignKey(_)
            | ObjectKind::Language(_)
            | ObjectKind::TableData(_)
            | ObjectKind::SequenceSet(_)
            | ObjectKind::RelationStatistics(_)
            | ObjectKind::RefreshMatView(_)
            | ObjectKind::TsParser(_)
            | ObjectKind::TsDict(_)
            | ObjectKind::TsTemplate(_)
            | ObjectKind::TsConfig(_)
            | ObjectKind::ForeignDataWrapper(_)
            | ObjectKind::ForeignServer(_)
            | ObjectKind::DefaultAcl(_)
            | ObjectKind::LargeObjects(_)
            | ObjectKind::LargeObjectData(_)
            | ObjectKind::EventTrigger(_)
            | ObjectKind::Policy(_)
            | ObjectKind::Publication(_)
            | ObjectKind::PublicationRel(_)
            | ObjectKind::PublicationNamespace(_)
            | ObjectKind::Subscription(_)
            | ObjectKind::PreDataBoundary
            | ObjectKind::PostDataBoundary => {}
        }
    }
    wanted.retain(|&oid| oid != 0);
    wanted.sort_unstable();
    wanted.dedup();
    let sql = "SELECT oid, pg_catalog.format_type(oid, NULL) AS name
                 FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid";
    for row in r.query_oids("type names", sql, wanted).await? {
        catalog.type_names.insert(row.oid("oid")?, row.text("name")?);
    }
    Ok(())
}

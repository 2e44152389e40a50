//! Reads all kinds of objects, each after those that it refers to.

use std::sync::Arc;

use tokio_postgres::Client;

use super::locked_tables::{TableToLock, to_lock};
use super::privileges::Unreadable;
use super::reader::Reader;
use super::selection::Selection;
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
    let r = Reader::new(client, &[], server, options, &selection, quoter, &warnings).only_to_list();
    let mut catalog = Catalog::default();
    extension::read(&r, &mut catalog).await?;
    namespace::read(&r, &mut catalog).await?;
    relation::read(&r, &mut catalog).await?;
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
    extension::read(&r, &mut catalog).await?;
    namespace::read(&r, &mut catalog).await?;
    relation::read(&r, &mut catalog).await?;
    table_data::add_all(&r, &mut catalog, None);
    extension::add_config_data(&r, &mut catalog).await?;
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
    let types = typ::start(&r);
    let edges = depend::start(&r);
    let column_acls = (!options.no_privileges).then(|| attribute::start_acls(&r));
    let comments = (!options.no_comments).then(|| comment::start_comments(&r));
    read_roles(&r, c).await?;
    if options.create {
        database::read(&r, c).await?;
    }
    extension::read(&r, c).await?;
    namespace::read(&r, c).await?;
    relation::read(&r, c).await?;
    relation::read_definitions(&r, c).await?;
    routine::read(&r, c).await?;
    typ::read(&r, c, types).await?;
    language::read_languages(&r, c).await?;
    operator::read(&r, c).await?;
    access_method::read(&r, c).await?;
    text_search::read(&r, c).await?;
    foreign::read(&r, c).await?;
    default_acl::read(&r, c).await?;
    collation::read(&r, c).await?;
    conversion::read(&r, c).await?;
    language::read_casts(&r, c).await?;
    language::read_transforms(&r, c).await?;
    event_trigger::read(&r, c).await?;
    extension::add_config_data(&r, c).await?;
    sequence::read(&r, c).await?;
    inherit::read(&r, c).await?;
    let columns = attribute::start(&r, c);
    let checks = options.schema.then(|| constraint::start_of_tables(&r, c));
    let indexes = index::start(&r, c);
    attribute::read(c, columns).await?;
    let checks = match checks {
        Some(checks) => Some(constraint::read_of_tables(&r, c, checks).await?),
        None => None,
    };
    attribute::flag_inherited(&r, c);
    index::read(&r, c, indexes).await?;
    constraint::read_definitions(c, checks).await?;
    read_unsafe_partitions(&r, c).await?;
    inherit::attach_indexes(c);
    if options.statistics {
        c.version_num = server.version_num;
        relation_statistics::read(&r, c).await?;
    }
    statistics::read(&r, c).await?;
    constraint::read_foreign_keys(&r, c).await?;
    trigger::read(&r, c).await?;
    rule::read(&r, c).await?;
    policy::read(&r, c).await?;
    publication::read(&r, c).await?;
    subscription::read(&r, c).await?;
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
    sequence::read_values(&r, c).await?;
    if options.dump_large_objects() {
        large_object::read(&r, c).await?;
    }
    depend::read(&r, c, edges).await?;
    if let Some(column_acls) = column_acls {
        comment::read_initial_privileges(&r, c).await?;
        attribute::read_acls(c, column_acls).await?;
    }
    if let Some(comments) = comments {
        comment::read_comments(c, comments).await?;
    }
    if !options.no_security_labels {
        comment::read_security_labels(&r, c).await?;
    }
    read_type_names(&r, c).await?;
    depend::add_boundaries(c, r.dialect);
    Ok(catalog)
}

async fn read_roles(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    for row in r.query("pg_roles", "SELECT oid, rolname FROM pg_catalog.pg_roles").await? {
        catalog.roles.insert(row.oid("oid")?, row.text("rolname")?);
    }
    Ok(())
}

/// Hash partitioning by an enum depends on OIDs, so rows may belong to other partitions after a restore, and
/// must be loaded through the root.
async fn read_unsafe_partitions(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    if r.options.schema_only() {
        return Ok(());
    }
    let sql = "SELECT partrelid FROM pg_catalog.pg_partitioned_table
                WHERE (SELECT c.oid FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
                        WHERE c.opcname = 'enum_ops' AND a.amname = 'hash'
                          AND c.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace) = ANY (partclass)";
    for row in r.query("pg_partitioned_table", sql).await? {
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

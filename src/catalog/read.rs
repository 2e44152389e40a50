//! Reads everything, each kind after those that it refers to.

use std::sync::Arc;

use postgres_types::{ToSql, Type};
use tokio_postgres::Client;

use super::pending::Pending;
use super::readable::Unreadable;
use super::row::{self, CatalogRow};
use super::select::Selection;
use super::{Catalog, Components, Kind, Oid, RelKind};
use crate::error::Result;
use crate::options::{DumpOptions, Sections};
use crate::pg::connect::Session;
use crate::pg::server::Server;

use crate::quote::Quoter;

/// What reading needs to know.
pub(super) struct Reader<'a> {
    client: &'a Arc<Client>,
    /// More sessions in the same snapshot.
    helpers: &'a [Session],
    pub(super) options: &'a DumpOptions,
    pub(super) selection: &'a Selection,
    pub(super) quoter: &'a Quoter,
    /// The major version, its own or the newest that we know: which columns there are.
    pub(super) major: u32,
    /// The major version of pg_dump whose text we write.
    pub(super) dialect: u32,
    pub(super) superuser: bool,
    /// Only to find out what has to be locked, not to dump it.
    pub(super) listing: bool,
    /// Asked for, or it is a standby, where unlogged tables can't be read.
    pub(super) no_unlogged_table_data: bool,
}

impl Reader<'_> {
    /// Are any definitions printed? If not, no text of theirs is asked for: to deparse takes the
    /// server time, and fails on what is broken. Which objects there are, and what depends on what,
    /// must be known all the same, as the order of the rows follows from it.
    pub(super) fn prints_definitions(&self) -> bool {
        self.options.prints_definitions()
    }

    /// Are definitions printed that never stand before the rows?
    pub(super) fn prints_post_data(&self) -> bool {
        self.options.schema && self.options.sections.contains(Sections::POST_DATA)
    }

    pub(super) async fn query(&self, what: &str, sql: &str) -> Result<Vec<CatalogRow>> {
        self.query_params(what, sql, &[]).await
    }

    pub(super) async fn query_params(
        &self,
        what: &str,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<CatalogRow>> {
        row::query(self.client, what, sql, params).await
    }

    /// Starts a query beside others: in a helper's session, if there is one.
    pub(super) fn start(&self, what: &str, sql: &str) -> Pending {
        let client = self.helpers.first().map_or(self.client, |helper| &helper.client);
        Pending::none(what).and_ask(client, sql, None)
    }

    /// Runs a query about the objects `oids`, its only parameter; not at all for none.
    ///
    /// For many objects all sessions take a share. The shares follow each other by OID, so a query
    /// that orders its rows must do so by that OID first.
    pub(super) async fn query_oids(&self, what: &str, sql: &str, oids: Vec<Oid>) -> Result<Vec<CatalogRow>> {
        self.start_oids(what, sql, oids).rows().await
    }

    /// Starts what [`Reader::query_oids`] does, to be awaited later.
    pub(super) fn start_oids(&self, what: &str, sql: &str, mut oids: Vec<Oid>) -> Pending {
        oids.sort_unstable();
        let sessions = if oids.len() < WORTH_SHARING { 1 } else { 1 + self.helpers.len() };
        let clients = std::iter::once(self.client).chain(self.helpers.iter().map(|helper| &helper.client));
        let shares = oids.chunks(oids.len().div_ceil(sessions).max(1));
        shares
            .zip(clients)
            .fold(Pending::none(what), |pending, (share, client)| pending.and_ask(client, sql, Some(share)))
    }
}

/// A column of a query whose text only definitions need: `expression` if they are printed.
pub(super) fn only_if(printed: bool, expression: &str) -> &str {
    if printed { expression } else { "NULL::pg_catalog.text" }
}

/// The number of objects from which on sharing a query pays.
const WORTH_SHARING: usize = 1000;

fn reader<'a>(
    client: &'a Arc<Client>,
    helpers: &'a [Session],
    server: &'a Server,
    options: &'a DumpOptions,
    selection: &'a Selection,
    quoter: &'a Quoter,
) -> Reader<'a> {
    Reader {
        client,
        helpers,
        listing: false,
        options,
        selection,
        quoter,
        major: server.known_major(),
        dialect: server.dialect(),
        superuser: server.superuser,
        no_unlogged_table_data: options.no_unlogged_table_data || server.standby,
    }
}

/// A table that must be locked before it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableToLock {
    /// Its OID.
    pub oid: Oid,
    /// Its name, qualified and quoted.
    pub name: String,
}

/// Lists the tables that a dump with these options locks: those of which it reads definitions,
/// rows or policies. Views, sequences and foreign tables can't be locked, or need not be.
pub async fn tables_to_lock(
    client: &Arc<Client>,
    server: &Server,
    options: &DumpOptions,
    quoter: &Quoter,
) -> Result<Vec<TableToLock>> {
    let selection = Selection::resolve(client, options).await?;
    let r = Reader { listing: true, ..reader(client, &[], server, options, &selection, quoter) };
    let mut catalog = Catalog::default();
    super::extension::read(&r, &mut catalog).await?;
    super::namespace::read(&r, &mut catalog).await?;
    super::relation::read(&r, &mut catalog).await?;
    Ok(to_lock(&catalog, quoter))
}

/// Finds out what the role can't read of what a dump with these options would hold. Nothing is locked.
pub async fn unreadable(
    client: &Arc<Client>,
    server: &Server,
    options: &DumpOptions,
    quoter: &Quoter,
) -> Result<Unreadable> {
    let selection = Selection::resolve(client, options).await?;
    let r = reader(client, &[], server, options, &selection, quoter);
    let mut catalog = Catalog::default();
    super::extension::read(&r, &mut catalog).await?;
    super::namespace::read(&r, &mut catalog).await?;
    super::relation::read(&r, &mut catalog).await?;
    super::table_data::add_all(&r, &mut catalog, None);
    super::extension::add_config_data(&r, &mut catalog).await?;
    super::readable::look(&r, &catalog).await
}

/// The tables of `catalog` that must be locked.
pub fn to_lock(catalog: &Catalog, quoter: &Quoter) -> Vec<TableToLock> {
    let locked = |id: &&super::DumpId| {
        let kind = catalog.relation(**id).map(|rel| rel.relkind);
        matches!(kind, Some(RelKind::Table | RelKind::PartitionedTable))
            && catalog.object(**id).dump.intersects(Components::REQUIRING_LOCK)
    };
    let table = |&id: &super::DumpId| TableToLock {
        oid: catalog.object(id).catalog_id.oid,
        name: quoter.qualified(catalog.namespace_name(id), &catalog.object(id).name),
    };
    catalog.relations.iter().filter(locked).map(table).collect()
}

/// Reads the catalogs inside the caller's transaction. The relations that are dumped must be
/// locked already: the server deparses definitions from the newest catalog, not the snapshot's.
/// `helpers`, if any, see the same snapshot and take their share of the work.
pub async fn read_catalog(
    client: &Arc<Client>,
    helpers: &[Session],
    server: &Server,
    options: &DumpOptions,
    quoter: &Quoter,
) -> Result<Catalog> {
    let selection = Selection::resolve(client, options).await?;
    let r = reader(client, helpers, server, options, &selection, quoter);
    let mut catalog = Catalog::default();
    let c = &mut catalog;
    // What needs nothing of what is read before it, and takes long in large catalogs.
    let types = super::typ::start(&r);
    let edges = super::depend::start(&r);
    let column_acls = (!options.no_privileges).then(|| super::attribute::start_acls(&r));
    let comments = (!options.no_comments).then(|| super::comment::start_comments(&r));
    read_roles(&r, c).await?;
    if options.create {
        super::database::read(&r, c).await?;
    }
    super::extension::read(&r, c).await?;
    super::namespace::read(&r, c).await?;
    super::relation::read(&r, c).await?;
    super::relation::read_definitions(&r, c).await?;
    super::routine::read(&r, c).await?;
    super::typ::read(&r, c, types).await?;
    super::language::read_languages(&r, c).await?;
    super::operator::read(&r, c).await?;
    super::access_method::read(&r, c).await?;
    super::text_search::read(&r, c).await?;
    super::foreign::read(&r, c).await?;
    super::default_acl::read(&r, c).await?;
    super::collation::read(&r, c).await?;
    super::conversion::read(&r, c).await?;
    super::language::read_casts(&r, c).await?;
    super::language::read_transforms(&r, c).await?;
    super::event_trigger::read(&r, c).await?;
    super::extension::add_config_data(&r, c).await?;
    super::sequence::read(&r, c).await?;
    super::inherit::read(&r, c).await?;
    let columns = super::attribute::start(&r, c);
    let indexes = super::index::start(&r, c);
    let checks = super::attribute::read(&r, c, columns).await?;
    super::attribute::flag_inherited(&r, c);
    super::index::read(&r, c, indexes).await?;
    super::constraint::read_definitions(c, checks).await?;
    read_unsafe_partitions(&r, c).await?;
    super::inherit::attach_indexes(c);
    if options.statistics {
        c.version_num = server.version_num;
        super::relation_statistics::read(&r, c).await?;
    }
    super::statistics::read(&r, c).await?;
    super::constraint::read_foreign_keys(&r, c).await?;
    super::trigger::read(&r, c).await?;
    super::rule::read(&r, c).await?;
    super::policy::read(&r, c).await?;
    super::publication::read(&r, c).await?;
    super::subscription::read(&r, c).await?;
    super::routine::read_details(&r, c).await?;
    super::typ::read_details(&r, c).await?;
    if options.data {
        super::table_data::add_all(&r, c, None);
        super::table_data::order_refreshes(&r, c).await?;
        if options.data_only() {
            super::table_data::order_by_foreign_keys(c);
        }
    } else if options.sequence_data {
        super::table_data::add_all(&r, c, Some(RelKind::Sequence));
    }
    super::readable::check(&r, c).await?;
    super::sequence::read_values(&r, c).await?;
    if options.dump_large_objects() {
        super::large_object::read(&r, c).await?;
    }
    super::depend::read(&r, c, edges).await?;
    if let Some(column_acls) = column_acls {
        super::comment::read_initial_privileges(&r, c).await?;
        super::attribute::read_acls(c, column_acls).await?;
    }
    if let Some(comments) = comments {
        super::comment::read_comments(c, comments).await?;
    }
    if !options.no_security_labels {
        super::comment::read_security_labels(&r, c).await?;
    }
    read_type_names(&r, c).await?;
    super::depend::add_boundaries(c, r.dialect);
    Ok(catalog)
}

async fn read_roles(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    for row in r.query("pg_roles", "SELECT oid, rolname FROM pg_catalog.pg_roles").await? {
        catalog.roles.insert(row.oid("oid")?, row.text("rolname")?);
    }
    Ok(())
}

/// Hash partitioning by an enum depends on OIDs, so rows may belong elsewhere after a reload and
/// must go in through the root.
async fn read_unsafe_partitions(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    if r.options.schema_only() {
        return Ok(());
    }
    let sql = "SELECT partrelid FROM pg_catalog.pg_partitioned_table
                WHERE (SELECT c.oid FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
                        WHERE c.opcname = 'enum_ops' AND a.amname = 'hash'
                          AND c.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace) = ANY (partclass)";
    for row in r.query("pg_partitioned_table", sql).await? {
        if let Some(relation) = super::relation::relation_mut(catalog, row.oid("partrelid")?) {
            relation.unsafe_partitions = true;
        }
    }
    Ok(())
}

/// Reads how the server spells the types that signatures mention.
async fn read_type_names(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    let mut wanted: Vec<Oid> = Vec::new();
    for id in catalog.ids() {
        let object = catalog.object(id);
        match &object.kind {
            Kind::Routine(it) => {
                wanted.extend(&it.arg_types);
                wanted.extend(it.detail.iter().flat_map(|d| &d.transform_types));
            }
            Kind::Aggregate(it) => wanted.extend(&it.arg_types),
            Kind::Cast(it) if !object.dump.is_empty() => wanted.extend([it.castsource, it.casttarget]),
            Kind::Transform(it) => wanted.push(it.trftype),
            Kind::Relation(it) => wanted.push(it.reloftype),
            _ => {}
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

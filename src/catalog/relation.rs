//! `pg_class`: tables, views, materialised views, foreign tables, sequences, composite types.

use std::collections::HashSet;

use rustc_hash::FxHashMap;

use super::attribute::Attribute;
use super::reader::Reader;
use super::row::CatalogRow;
use super::started_query::Started;
use super::{Acl, Catalog, CatalogId, Components, DumpId, ObjectKind, Oid, class};
use crate::error::{Error, ErrorKind, Result};

/// The values of `pg_class.relkind` that dumps handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelKind {
    /// `r`
    Table,
    /// `p`
    PartitionedTable,
    /// `v`
    View,
    /// `m`
    MatView,
    /// `f`
    ForeignTable,
    /// `S`
    Sequence,
    /// `c`
    CompositeType,
}

impl RelKind {
    fn from_char(relkind: char) -> Result<RelKind> {
        Ok(match relkind {
            'r' => RelKind::Table,
            'p' => RelKind::PartitionedTable,
            'v' => RelKind::View,
            'm' => RelKind::MatView,
            'f' => RelKind::ForeignTable,
            'S' => RelKind::Sequence,
            'c' => RelKind::CompositeType,
            other => {
                return Err(Error::new(ErrorKind::SourceFailed, "read pg_class")
                    .because(format!("relkind {other:?} is unknown to this version of pgsiphon")));
            }
        })
    }

    /// The SQL keyword of the kind.
    pub(crate) fn keyword(self) -> &'static str {
        match self {
            RelKind::View => "VIEW",
            RelKind::MatView => "MATERIALIZED VIEW",
            RelKind::ForeignTable => "FOREIGN TABLE",
            RelKind::Sequence => "SEQUENCE",
            RelKind::Table | RelKind::PartitionedTable | RelKind::CompositeType => "TABLE",
        }
    }
}

/// The parts of a foreign table that other tables do not have.
#[derive(Debug)]
pub(crate) struct ForeignTable {
    pub server_oid: Oid,
    pub server: String,
    /// Options, ready to be printed between `OPTIONS (` and `)`.
    pub options: String,
}

/// A relation other than an index.
#[derive(Debug)]
pub(crate) struct Relation {
    pub relkind: RelKind,
    pub owner: String,
    pub acl: Acl,
    /// Privileges on single columns, by column name.
    pub column_acls: Vec<(String, Acl)>,
    /// The OID of its row type.
    pub reltype: Oid,
    /// The type of a typed table, or 0.
    pub reloftype: Oid,
    pub unlogged: bool,
    /// Whether a materialised view has been filled.
    pub relispopulated: bool,
    /// `relreplident`: d, n, f or i.
    pub relreplident: char,
    pub relrowsecurity: bool,
    /// Whether row security also applies to the owner.
    pub relforcerowsecurity: bool,
    pub relispartition: bool,
    /// Number of columns.
    pub relnatts: usize,
    pub relchecks: i64,
    /// Whether it has, or had, indexes.
    pub relhasindex: bool,
    /// Whether it has, or had, triggers.
    pub relhastriggers: bool,
    /// The tablespace's name, empty for the database's default.
    pub tablespace: String,
    pub amname: Option<String>,
    /// Storage parameters, without a view's check option.
    pub reloptions: Vec<String>,
    /// Storage parameters of the TOAST table.
    pub toast_reloptions: Vec<String>,
    /// A view's check option: LOCAL or CASCADED.
    pub check_option: Option<String>,
    /// For a sequence: the owning table and column number.
    pub owned_by: Option<(Oid, i64)>,
    /// Whether it belongs to an identity column.
    pub is_identity_sequence: bool,
    pub foreign: Option<ForeignTable>,
    pub partition_key: Option<String>,
    pub partition_bound: Option<String>,
    /// For views: the query, as deparsed by the server, without the semicolon.
    pub view_definition: Option<String>,
    pub sequence: Option<super::Sequence>,
    /// Extensions that a materialised view depends on (`ALTER … DEPENDS ON EXTENSION`).
    pub depends_on_extensions: Vec<String>,

    /// Whether its columns are needed: for itself, its children or objects that depend on it.
    pub interesting: bool,
    /// The direct parents, in `inhseqno` order.
    pub parents: Vec<DumpId>,
    /// The columns, by attribute number.
    pub attributes: Vec<Attribute>,
    /// The check constraints, by name.
    pub checks: Vec<DumpId>,
    /// The indexes, by name.
    pub indexes: Vec<DumpId>,
    /// The data object (rows, value or refresh), if it is to be dumped.
    pub data: Option<DumpId>,
    /// Whether rows must not be loaded directly into their original partition, because its key's hash values
    /// differ elsewhere.
    pub unsafe_partitions: bool,
    /// A view in a dependency loop: it is created with NULL columns first, and its rule later.
    pub dummy_view: bool,
    /// A materialised view that must wait for the post-data section.
    pub postponed: bool,
    /// Whether a column is `GENERATED ALWAYS AS IDENTITY`.
    pub needs_override: bool,
}

impl Relation {
    /// A relation about which nothing else is known.
    fn of_kind(relkind: RelKind) -> Self {
        Relation {
            relkind,
            owner: String::new(),
            acl: Acl::default(),
            column_acls: Vec::new(),
            reltype: 0,
            reloftype: 0,
            unlogged: false,
            relispopulated: true,
            relreplident: 'd',
            relrowsecurity: false,
            relforcerowsecurity: false,
            relispartition: false,
            relnatts: 0,
            relchecks: 0,
            relhasindex: false,
            relhastriggers: false,
            tablespace: String::new(),
            amname: None,
            reloptions: Vec::new(),
            toast_reloptions: Vec::new(),
            check_option: None,
            owned_by: None,
            is_identity_sequence: false,
            foreign: None,
            partition_key: None,
            partition_bound: None,
            view_definition: None,
            sequence: None,
            depends_on_extensions: Vec::new(),
            interesting: false,
            parents: Vec::new(),
            attributes: Vec::new(),
            checks: Vec::new(),
            indexes: Vec::new(),
            data: None,
            unsafe_partitions: false,
            dummy_view: false,
            postponed: false,
            needs_override: false,
        }
    }
}

/// A row of `pg_class`.
pub(super) enum Found {
    Relation { oid: Oid, name: String, namespace: Oid, owner: Oid, toast: Oid, relation: Box<Relation> },
    Toast { oid: Oid, reloptions: Vec<String> },
}

/// Queries the names of the tables that may have to be locked.
pub(super) fn start_listing(r: &Reader<'_>) -> Started<Found> {
    let sql =
        "SELECT oid, relname, relnamespace, relkind FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p')";
    r.start_aside("pg_class", sql, |row| {
        Ok(Found::Relation {
            oid: row.oid("oid")?,
            name: row.text("relname")?,
            namespace: row.oid("relnamespace")?,
            owner: 0,
            toast: 0,
            relation: Box::new(Relation::of_kind(RelKind::from_char(row.char("relkind")?)?)),
        })
    })
}

/// Queries all relations except indexes, and those TOAST tables that have storage parameters.
pub(super) fn start(r: &Reader<'_>) -> Started<Found> {
    let sql = "SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.reltype, c.reloftype, c.relowner,
                    c.relnatts, c.relchecks, c.relhasindex, c.relhastriggers, c.relpersistence,
                    c.relispopulated, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
                    c.relispartition, c.relacl::text[] AS acl,
                    CASE WHEN c.relacl IS NOT NULL THEN pg_catalog.acldefault(
                        CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, c.relowner)::text[]
                     END AS acldefault,
                    pg_catalog.array_remove(pg_catalog.array_remove(
                        c.reloptions, 'check_option=local'), 'check_option=cascaded') AS reloptions,
                    CASE WHEN 'check_option=local' = ANY (c.reloptions) THEN 'LOCAL'
                         WHEN 'check_option=cascaded' = ANY (c.reloptions) THEN 'CASCADED' END AS check_option,
                    CASE WHEN c.relkind <> 'p' THEN c.reltoastrelid END AS reltoastrelid,
                    ts.spcname, am.amname
               FROM pg_catalog.pg_class c
               LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
               LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
              WHERE c.relkind IN ('r', 'S', 'v', 'c', 'm', 'f', 'p')
                 OR c.relkind = 't' AND c.reloptions IS NOT NULL";
    r.start_aside("pg_class", sql, found)
}

fn found(row: CatalogRow) -> Result<Found> {
    let (oid, relkind) = (row.oid("oid")?, row.char("relkind")?);
    if relkind == 't' {
        return Ok(Found::Toast { oid, reloptions: row.texts("reloptions")? });
    }
    let relation = Relation {
        reltype: row.oid("reltype")?,
        reloftype: row.oid("reloftype")?,
        relnatts: usize::try_from(row.int("relnatts")?).unwrap_or(0),
        relchecks: row.int("relchecks")?,
        relhasindex: row.bool("relhasindex")?,
        relhastriggers: row.bool("relhastriggers")?,
        unlogged: row.char("relpersistence")? == 'u',
        relispopulated: row.bool("relispopulated")?,
        relreplident: row.char("relreplident")?,
        relrowsecurity: row.bool("relrowsecurity")?,
        relforcerowsecurity: row.bool("relforcerowsecurity")?,
        relispartition: row.bool("relispartition")?,
        acl: Acl::from_row(&row)?,
        reloptions: row.texts("reloptions")?,
        check_option: row.opt_text("check_option")?,
        tablespace: row.opt_text("spcname")?.unwrap_or_default(),
        amname: row.opt_text("amname")?,
        ..Relation::of_kind(RelKind::from_char(relkind)?)
    };
    Ok(Found::Relation {
        oid,
        name: row.text("relname")?,
        namespace: row.oid("relnamespace")?,
        owner: row.oid("relowner")?,
        toast: row.oid("reltoastrelid")?,
        relation: Box::new(relation),
    })
}

/// A sequence that belongs to a column.
pub(super) struct OwnedSequence {
    sequence: Oid,
    table: Oid,
    column: i64,
    is_identity: bool,
}

/// Queries to which columns sequences belong.
pub(super) fn start_owners_of_sequences(r: &Reader<'_>) -> Started<OwnedSequence> {
    let sql = "SELECT objid, refobjid, refobjsubid, deptype = 'i' AS is_identity
                 FROM pg_catalog.pg_depend
                WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid = 0
                  AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND deptype IN ('a', 'i')
                  AND objid IN (SELECT seqrelid FROM pg_catalog.pg_sequence)";
    r.start_aside("pg_depend", sql, |row| {
        Ok(OwnedSequence {
            sequence: row.oid("objid")?,
            table: row.oid("refobjid")?,
            column: row.int("refobjsubid")?,
            is_identity: row.bool("is_identity")?,
        })
    })
}

/// Reads the relations of [`start`], or only those of [`start_listing`].
pub(super) async fn read(
    r: &Reader<'_>,
    catalog: &mut Catalog,
    relations: Started<Found>,
    owners: Option<Started<OwnedSequence>>,
) -> Result<()> {
    let mut rows = relations.rows().await?;
    // In the order of their OIDs, which the server does not sort as fast.
    rows.sort_unstable_by_key(|row| match row {
        Found::Relation { oid, .. } | Found::Toast { oid, .. } => *oid,
    });
    // Until 14, unchanged privileges do not count in the selection.
    let changed =
        if r.dialect < 15 && owners.is_some() { Some(with_changed_privileges(r).await?) } else { None };
    let mut toasted: FxHashMap<Oid, DumpId> = FxHashMap::default();
    let mut toasts = Vec::new();
    for row in rows {
        let (oid, name, namespace, owner, toast, mut relation) = match row {
            Found::Relation { oid, name, namespace, owner, toast, relation } => {
                (oid, name, namespace, owner, toast, relation)
            }
            Found::Toast { oid, reloptions } => {
                toasts.push((oid, reloptions));
                continue;
            }
        };
        relation.owner = catalog.role(owner);
        let (relkind, has_acl) = (relation.relkind, relation.acl.acl.is_some());
        let id = catalog.add(
            CatalogId { classoid: class::PG_CLASS, oid },
            name,
            catalog.namespace_by_oid(namespace),
            ObjectKind::Relation(relation),
        );
        toasted.insert(toast, id);
        select(r, catalog, id, relkind);
        let object = catalog.object_mut(id);
        object.components |= Components::DATA;
        object.components.set(Components::STATISTICS, true);
        object.components.set(Components::ACL, has_acl);
        let interesting = match &changed {
            Some(changed) => {
                object
                    .dump
                    .set(Components::ACL, object.dump.contains(Components::ACL) && changed.contains(&oid));
                !object.dump.is_empty()
            }
            None => object.dump.intersects(Components::DEFINITION | Components::DATA),
        };
        if let Some(relation) = catalog.relation_mut(id) {
            relation.interesting = interesting;
        }
        catalog.relations.push(id);
    }
    for (oid, reloptions) in toasts {
        if let Some(relation) = toasted.get(&oid).and_then(|&id| catalog.relation_mut(id)) {
            relation.toast_reloptions = reloptions;
        }
    }
    if let Some(owners) = owners {
        read_owners_of_sequences(catalog, owners).await?;
    }
    Ok(())
}

async fn read_owners_of_sequences(catalog: &mut Catalog, owners: Started<OwnedSequence>) -> Result<()> {
    for OwnedSequence { sequence, table, column, is_identity } in owners.rows().await? {
        if let Some(relation) = catalog.relation_by_oid_mut(sequence) {
            relation.owned_by = Some((table, column));
            relation.is_identity_sequence = is_identity;
        }
    }
    follow_owners_of_sequences(catalog);
    Ok(())
}

/// The relations whose privileges, or those of a column, differ from their initial ones.
async fn with_changed_privileges(r: &Reader<'_>) -> Result<HashSet<Oid>> {
    let sql = "SELECT oid FROM (
        SELECT c.oid, coalesce(c.relacl, acldefault) AS acl, coalesce(pip.initprivs, acldefault) AS at_first
          FROM pg_catalog.pg_class c
          CROSS JOIN LATERAL pg_catalog.acldefault(
                CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, c.relowner) AS acldefault
          LEFT JOIN pg_catalog.pg_init_privs pip
            ON pip.objoid = c.oid AND pip.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND pip.objsubid = 0
         WHERE c.relacl IS NOT NULL OR pip.initprivs IS NOT NULL
         UNION ALL
        SELECT a.attrelid, coalesce(a.attacl, '{}'), coalesce(pip.initprivs, '{}')
          FROM pg_catalog.pg_attribute a
          LEFT JOIN pg_catalog.pg_init_privs pip
            ON pip.objoid = a.attrelid AND pip.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
           AND pip.objsubid = a.attnum
         WHERE a.attnum > 0 AND (a.attacl IS NOT NULL OR pip.initprivs IS NOT NULL)) AS privileges
         WHERE NOT (acl OPERATOR(pg_catalog.@>) at_first AND at_first OPERATOR(pg_catalog.@>) acl)";
    r.query("changed privileges", sql).await?.iter().map(|row| row.oid("oid")).collect()
}

fn select(r: &Reader<'_>, catalog: &mut Catalog, id: DumpId, relkind: RelKind) {
    if relkind == RelKind::CompositeType {
        catalog.object_mut(id).dump = Components::empty();
    } else if !crate::catalog::selection::member_of_extension(catalog, id) {
        let inherited = crate::catalog::selection::contents_of_namespace(catalog, id).unwrap_or_default();
        let oid = catalog.object(id).catalog_id.oid;
        catalog.object_mut(id).dump = r.selection.relation(oid, inherited);
    }
}

/// A sequence that a column owns is dumped if its table is; an identity column's sequence only then.
fn follow_owners_of_sequences(catalog: &mut Catalog) {
    for id in catalog.relations.clone() {
        let Some(sequence) = catalog.relation(id) else { continue };
        let Some((owner, _)) = sequence.owned_by else { continue };
        let identity = sequence.is_identity_sequence;
        let Some(table) = catalog.find(class::PG_CLASS, owner) else { continue };
        let from_table = catalog.object(table).dump;
        let dump = if identity { from_table } else { catalog.object(id).dump | from_table };
        catalog.object_mut(id).dump = dump;
        if !dump.is_empty() {
            for it in [id, table] {
                if let Some(relation) = catalog.relation_mut(it) {
                    relation.interesting = true;
                }
            }
        }
    }
}

/// Reads the parts that only the server can deparse, for relations whose definitions will be dumped.
pub(super) async fn read_definitions(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    use RelKind::{ForeignTable as F, MatView, PartitionedTable, View};
    let printed = r.prints_definitions();
    let of_kind = |catalog: &Catalog, kinds: &[RelKind]| -> Vec<Oid> {
        catalog.relation_oids(|o, rel| {
            printed && o.dump.contains(Components::DEFINITION) && kinds.contains(&rel.relkind)
        })
    };
    let relations = of_kind(catalog, &[PartitionedTable]);
    let sql = "SELECT oid, pg_catalog.pg_get_partkeydef(oid) AS definition
                 FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid";
    for row in r.query_oids("partition keys", sql, relations).await? {
        if let Some(relation) = catalog.relation_by_oid_mut(row.oid("oid")?) {
            relation.partition_key = row.opt_text("definition")?;
        }
    }
    let relations = of_kind(catalog, &[View, MatView]);
    let sql = "SELECT oid, pg_catalog.pg_get_viewdef(oid) AS definition
                 FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid";
    for row in r.query_oids("view definitions", sql, relations).await? {
        let oid = row.oid("oid")?;
        let Some(mut definition) = row.nonempty("definition")? else {
            return Err(view_vanished(catalog, oid));
        };
        definition.pop();
        if let Some(relation) = catalog.relation_by_oid_mut(oid) {
            relation.view_definition = Some(definition);
        }
    }
    let relations = catalog.relation_oids(|o, rel| !o.dump.is_empty() && rel.relkind == F);
    let sql = format!(
        "SELECT ft.ftrelid AS oid, fs.oid AS server_oid, fs.srvname, {} AS options
           FROM pg_catalog.pg_foreign_table ft JOIN pg_catalog.pg_foreign_server fs ON fs.oid = ft.ftserver
          WHERE ft.ftrelid = ANY ($1)",
        super::reader::options_sql("ft.ftoptions")
    );
    for row in r.query_oids("pg_foreign_table", &sql, relations).await? {
        let foreign = ForeignTable {
            server_oid: row.oid("server_oid")?,
            server: row.text("srvname")?,
            options: row.text("options")?,
        };
        if let Some(relation) = catalog.relation_by_oid_mut(row.oid("oid")?) {
            relation.foreign = Some(foreign);
        }
    }
    let partitions = catalog
        .relation_oids(|o, rel| printed && o.dump.contains(Components::DEFINITION) && rel.relispartition);
    let sql = "SELECT c.oid, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound
                 FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)";
    for row in r.query_oids("partition bounds", sql, partitions).await? {
        if let Some(relation) = catalog.relation_by_oid_mut(row.oid("oid")?) {
            relation.partition_bound = row.opt_text("bound")?;
        }
    }
    Ok(())
}

fn view_vanished(catalog: &Catalog, oid: Oid) -> Error {
    let name = catalog.find(class::PG_CLASS, oid).map(|id| catalog.object(id).name.clone());
    Error::new(ErrorKind::SourceFailed, format!("read the definition of view {}", name.unwrap_or_default()))
        .because("the server returned no definition: the view was dropped or replaced during the dump")
        .hint("run the dump again")
}

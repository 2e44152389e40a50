//! `pg_class`: tables, views, materialised views, foreign tables, sequences, composite types.

use std::collections::HashSet;

use super::attribute::Attribute;
use super::reader::Reader;
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

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog) -> Result<()> {
    // Left joins whose columns are not used cost nothing.
    let detail = |of_type: &str, sql: &str| {
        if r.listing { format!("NULL::pg_catalog.{of_type}") } else { sql.to_owned() }
    };
    let relkinds = if r.listing { "'r', 'p'" } else { "'r', 'S', 'v', 'c', 'm', 'f', 'p'" };
    let (owner_columns, owner_join) = if r.listing {
        (
            "NULL::pg_catalog.oid AS owning_table, NULL::pg_catalog.int4 AS owning_column, false AS is_identity_sequence",
            "",
        )
    } else {
        (
            "d.refobjid AS owning_table, d.refobjsubid AS owning_column,
             (d.deptype = 'i') IS TRUE AS is_identity_sequence",
            // OFFSET keeps the planner from turning these look-ups, one per sequence, into a join of two
            // large tables.
            "LEFT JOIN LATERAL (
                SELECT refobjid, refobjsubid, deptype FROM pg_catalog.pg_depend
                 WHERE c.relkind = 'S' AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                   AND objid = c.oid AND objsubid = 0
                   AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND deptype IN ('a', 'i')
                OFFSET 0) d ON true",
        )
    };
    let rows = r
        .query(
            "pg_class",
            &format!(
                "SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.reltype, c.reloftype, c.relowner,
                    c.relchecks, c.relhasindex, c.relhastriggers, c.relpersistence,
                    c.relispopulated, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
                    c.relispartition,
                    {acl} AS acl, {acldefault} AS acldefault,
                    {reloptions} AS reloptions, {check_option} AS check_option,
                    {toast_reloptions} AS toast_reloptions,
                    {owner_columns},
                    ts.spcname, am.amname
               FROM pg_catalog.pg_class c
               {owner_join}
               LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
               LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
               LEFT JOIN pg_catalog.pg_class tc
                 ON tc.oid = c.reltoastrelid AND tc.relkind = 't' AND c.relkind <> 'p'
              WHERE c.relkind IN ({relkinds})
              ORDER BY c.oid",
                acl = detail("text[]", "c.relacl::text[]"),
                acldefault = detail(
                    "text[]",
                    "CASE WHEN c.relacl IS NOT NULL THEN pg_catalog.acldefault(
                        CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, c.relowner)::text[] END"
                ),
                reloptions = detail(
                    "text[]",
                    "pg_catalog.array_remove(pg_catalog.array_remove(
                        c.reloptions, 'check_option=local'), 'check_option=cascaded')"
                ),
                check_option = detail(
                    "text",
                    "CASE WHEN 'check_option=local' = ANY (c.reloptions) THEN 'LOCAL'
                          WHEN 'check_option=cascaded' = ANY (c.reloptions) THEN 'CASCADED' END"
                ),
                toast_reloptions = detail("text[]", "tc.reloptions"),
            ),
        )
        .await?;
    // Until 14, unchanged privileges do not count in the selection.
    let changed = if r.dialect < 15 && !r.listing { Some(with_changed_privileges(r).await?) } else { None };
    for row in rows {
        let relkind = RelKind::from_char(row.char("relkind")?)?;
        let acl = Acl::from_row(&row)?;
        let has_acl = acl.acl.is_some();
        let owning_table = row.oid("owning_table")?;
        let relation = Relation {
            relkind,
            owner: catalog.role(row.oid("relowner")?),
            acl,
            column_acls: Vec::new(),
            reltype: row.oid("reltype")?,
            reloftype: row.oid("reloftype")?,
            unlogged: row.char("relpersistence")? == 'u',
            relispopulated: row.bool("relispopulated")?,
            relreplident: row.char("relreplident")?,
            relrowsecurity: row.bool("relrowsecurity")?,
            relforcerowsecurity: row.bool("relforcerowsecurity")?,
            relispartition: row.bool("relispartition")?,
            relchecks: row.int("relchecks")?,
            relhasindex: row.bool("relhasindex")?,
            relhastriggers: row.bool("relhastriggers")?,
            tablespace: row.opt_text("spcname")?.unwrap_or_default(),
            amname: row.opt_text("amname")?,
            reloptions: row.texts("reloptions")?,
            toast_reloptions: row.texts("toast_reloptions")?,
            check_option: row.opt_text("check_option")?,
            owned_by: (owning_table != 0).then_some((owning_table, row.int("owning_column")?)),
            is_identity_sequence: row.bool("is_identity_sequence")?,
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
        };
        let oid = row.oid("oid")?;
        let id = catalog.add(
            CatalogId { classoid: class::PG_CLASS, oid },
            row.text("relname")?,
            catalog.namespace_by_oid(row.oid("relnamespace")?),
            ObjectKind::Relation(Box::new(relation)),
        );
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

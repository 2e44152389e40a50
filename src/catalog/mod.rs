//! What the system catalogs say: the objects of one database, as one snapshot sees them.
//!
//! Each kind of object has a file here with its query and its struct beside each other. All
//! objects live in one arena, [`Catalog`], and refer to each other by [`DumpId`], because a
//! dependency may lead from any kind to any other. What the server calls an object is its
//! [`CatalogId`]; what we print may be more than that (a table, its data and its attachment to a
//! partitioned table are three objects with one `CatalogId`).

// A new kind of object must not slip through: the compiler leads to each place that has to know it.
#![deny(clippy::wildcard_enum_match_arm)]

mod access_method;
mod acl;
mod attribute;
mod collation;
mod comment;
mod constraint;
mod conversion;
mod database;
mod default_acl;
mod depend;
mod event_trigger;
mod extension;
#[cfg(test)]
pub(crate) mod fixture;
mod foreign;
mod globals;
mod index;
mod inherit;
mod known;
mod language;
mod large_object;
mod locked_tables;
mod membership;
mod namespace;
mod operator;
mod parameter_acl;
mod policy;
mod privileges;
mod publication;
mod read;
mod reader;
mod relation;
mod relation_statistics;
mod role;
mod routine;
mod row;
mod rule;
pub mod selection;
mod sequence;
mod started_query;
mod statistics;
mod subscription;
mod table_data;
mod tablespace;
mod text_search;
mod trigger;
mod typ;
mod unknown;

use std::collections::HashMap;

use rustc_hash::FxHashMap;

pub use access_method::AccessMethod;
pub use acl::Acl;
pub use attribute::{AttrDef, Attribute, NotNull, attribute_name};
pub use collation::Collation;
pub use comment::Label;
pub use constraint::{Constraint, ConstraintOwner};
pub use conversion::Conversion;
pub use database::{ClusterDatabase, Database, databases_matching, list_databases};
pub use default_acl::DefaultAcl;
pub use event_trigger::EventTrigger;
pub use extension::Extension;
pub use foreign::{ForeignDataWrapper, ForeignServer, UserMapping};
pub use globals::{Globals, read_globals};
pub use index::Index;
pub use inherit::{IndexAttach, TableAttach};
pub use known::Scope;
pub use language::{Cast, Language, Transform};
pub use large_object::LargeObjects;
pub use locked_tables::{TableToLock, to_lock};
pub use membership::{Membership, MembershipOptions};
pub use namespace::Namespace;
pub use operator::{OpMember, Opclass, Operator, OperatorDetail, Opfamily, ProcMember};
pub use parameter_acl::ParameterAcl;
pub use policy::{Policy, PolicyRule};
pub use privileges::Unreadable;
pub use publication::{Publication, PublicationNamespace, PublicationRel};
pub use read::{read_catalog, tables_to_lock, unreadable};
pub use relation::{ForeignTable, RelKind, Relation};
pub use relation_statistics::{AttributeStatistics, RelationStatistics, StatisticsArgument};
pub use role::Role;
pub use routine::{Aggregate, AggregateDetail, Routine, RoutineDetail};
pub use rule::RewriteRule;
pub use sequence::{Sequence, SequenceValue};
pub use statistics::{ExtendedStatistics, ExtendedStatisticsData};
pub use subscription::Subscription;
pub use table_data::TableData;
pub use tablespace::Tablespace;
pub use text_search::{TsConfig, TsDict, TsParser, TsTemplate};
pub use trigger::Trigger;
pub use typ::{Domain, Range, Type, TypeDetail};
pub use unknown::{Unknown, find_unknown, refuse_unknown, unknown_is_refused};

/// An object identifier, unique within one system catalog.
pub type Oid = u32;

/// The first OID that `initdb` leaves to users: smaller ones are built in
/// (`FirstNormalObjectId`, <https://www.postgresql.org/docs/current/system-catalog-initial-data.html>).
pub const FIRST_NORMAL_OID: Oid = 16384;

/// The superuser that `initdb` made, whatever it is called now (`BOOTSTRAP_SUPERUSERID`,
/// <https://www.postgresql.org/docs/current/app-initdb.html>).
const BOOTSTRAP_SUPERUSER: Oid = 10;

/// OIDs of the system catalogs themselves, as `pg_depend.classid` and others name them; they are
/// fixed for all versions.
pub mod class {
    #![allow(missing_docs)]
    use super::Oid;
    pub const PG_TYPE: Oid = 1247;
    pub const PG_PROC: Oid = 1255;
    pub const PG_CLASS: Oid = 1259;
    pub const PG_DATABASE: Oid = 1262;
    pub const PG_FOREIGN_SERVER: Oid = 1417;
    pub const PG_FOREIGN_DATA_WRAPPER: Oid = 2328;
    pub const PG_AM: Oid = 2601;
    pub const PG_ATTRDEF: Oid = 2604;
    pub const PG_CAST: Oid = 2605;
    pub const PG_CONSTRAINT: Oid = 2606;
    pub const PG_CONVERSION: Oid = 2607;
    pub const PG_LANGUAGE: Oid = 2612;
    pub const PG_LARGEOBJECT: Oid = 2613;
    pub const PG_NAMESPACE: Oid = 2615;
    pub const PG_OPCLASS: Oid = 2616;
    pub const PG_OPERATOR: Oid = 2617;
    pub const PG_REWRITE: Oid = 2618;
    pub const PG_TRIGGER: Oid = 2620;
    pub const PG_OPFAMILY: Oid = 2753;
    pub const PG_EXTENSION: Oid = 3079;
    pub const PG_POLICY: Oid = 3256;
    pub const PG_STATISTIC_EXT: Oid = 3381;
    pub const PG_COLLATION: Oid = 3456;
    pub const PG_EVENT_TRIGGER: Oid = 3466;
    pub const PG_TRANSFORM: Oid = 3576;
    pub const PG_TS_DICT: Oid = 3600;
    pub const PG_TS_PARSER: Oid = 3601;
    pub const PG_TS_CONFIG: Oid = 3602;
    pub const PG_TS_TEMPLATE: Oid = 3764;
    pub const PG_DEFAULT_ACL: Oid = 826;
    pub const PG_SUBSCRIPTION: Oid = 6100;
    pub const PG_PUBLICATION: Oid = 6104;
    pub const PG_PUBLICATION_REL: Oid = 6106;
    pub const PG_PUBLICATION_NAMESPACE: Oid = 6237;
}

/// OIDs of types; they are fixed, too.
pub mod typoid {
    #![allow(missing_docs)]
    use super::Oid;
    pub const TEXT: Oid = 25;
    pub const VARCHAR: Oid = 1043;
}

/// How the server names an object: the catalog that it is a row of, and its OID there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CatalogId {
    /// OID of the system catalog, or 0 for what only we make an object of.
    pub classoid: Oid,
    /// OID of the row.
    pub oid: Oid,
}

/// Index of an object in its [`Catalog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DumpId(u32);

impl DumpId {
    /// The position in [`Catalog::objects`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

bitflags::bitflags! {
    /// The parts of an object that a dump may contain, each by itself.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Components: u8 {
        /// The command that creates it.
        const DEFINITION = 1;
        /// Rows, or a sequence's value.
        const DATA = 1 << 1;
        /// COMMENT ON.
        const COMMENT = 1 << 2;
        /// SECURITY LABEL.
        const SECURITY_LABEL = 1 << 3;
        /// Privileges.
        const ACL = 1 << 4;
        /// Row security policies.
        const POLICY = 1 << 5;
        /// A foreign server's user mappings.
        const USER_MAPPING = 1 << 6;
        /// Optimizer statistics.
        const STATISTICS = 1 << 7;
    }
}

impl Components {
    /// What can't be dumped without a lock on the relation.
    pub const REQUIRING_LOCK: Components =
        Components::DEFINITION.union(Components::DATA).union(Components::POLICY);
}

/// One object: what all kinds have in common, and what its kind adds.
#[derive(Debug)]
pub struct Object {
    /// The server's name for it.
    pub catalog_id: CatalogId,
    /// The name that it sorts by; mostly the catalog's name column.
    pub name: String,
    /// The namespace that it sorts by and is qualified with.
    pub namespace: Option<DumpId>,
    /// What of it was selected to be dumped.
    pub dump: Components,
    /// What there is to dump of it.
    pub components: Components,
    /// Is it a member of an extension?
    pub extension_member: bool,
    /// Does it depend on an extension without being its member (`deptype` x)?
    pub depends_on_extension: bool,
    /// What must come before it.
    pub dependencies: Vec<DumpId>,
    /// The kind and what only that kind has.
    pub kind: ObjectKind,
}

impl Object {
    /// What will be dumped: what was selected of what there is.
    pub fn dumped(&self) -> Components {
        self.dump & self.components
    }
}

/// The kinds of object, each with its own struct. Only small ones are kept in place: large catalogs
/// have millions of them.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum ObjectKind {
    Namespace(Box<Namespace>),
    Extension(Extension),
    Type(Box<Type>),
    /// The shell of a base or range type, created before the functions that the type needs.
    ShellType(DumpId),
    /// A row type, array type or multirange: it comes and goes with another object.
    DummyType(Box<Type>),
    Routine(Box<Routine>),
    Aggregate(Box<Aggregate>),
    Operator(Box<Operator>),
    AccessMethod(AccessMethod),
    Opclass(Box<Opclass>),
    Opfamily(Box<Opfamily>),
    Collation(Box<Collation>),
    Conversion(Box<Conversion>),
    Relation(Box<Relation>),
    TableAttach(TableAttach),
    AttrDef(AttrDef),
    Index(Box<Index>),
    IndexAttach(IndexAttach),
    ExtendedStatistics(ExtendedStatistics),
    Rule(RewriteRule),
    Trigger(Trigger),
    Constraint(Constraint),
    ForeignKey(Constraint),
    Language(Box<Language>),
    Cast(Cast),
    Transform(Transform),
    TableData(TableData),
    SequenceSet(DumpId),
    RelationStatistics(Box<RelationStatistics>),
    RefreshMatView(DumpId),
    TsParser(Box<TsParser>),
    TsDict(Box<TsDict>),
    TsTemplate(TsTemplate),
    TsConfig(Box<TsConfig>),
    ForeignDataWrapper(Box<ForeignDataWrapper>),
    ForeignServer(Box<ForeignServer>),
    DefaultAcl(Box<DefaultAcl>),
    LargeObjects(Box<LargeObjects>),
    /// The contents of a group of large objects, or (`None`) of all of them.
    LargeObjectData(Option<DumpId>),
    EventTrigger(Box<EventTrigger>),
    Policy(Box<Policy>),
    Publication(Publication),
    PublicationRel(PublicationRel),
    PublicationNamespace(PublicationNamespace),
    Subscription(Box<Subscription>),
    /// Everything of the pre-data section comes before this.
    PreDataBoundary,
    /// Everything of the post-data section comes after this.
    PostDataBoundary,
}

macro_rules! accessors {
    ($($get:ident, $get_mut:ident: $($variant:ident)|+ => $ty:ty;)*) => {
        $(
            #[doc = concat!("The object as a [`", stringify!($ty), "`], if it is one.")]
            pub fn $get(&self, id: DumpId) -> Option<&$ty> {
                match &self.objects[id.index()].kind { $(ObjectKind::$variant(it) )|+ => Some(it), _ => None }
            }
            #[doc = concat!("The object as a mutable [`", stringify!($ty), "`], if it is one.")]
            pub fn $get_mut(&mut self, id: DumpId) -> Option<&mut $ty> {
                match &mut self.objects[id.index()].kind { $(ObjectKind::$variant(it) )|+ => Some(it), _ => None }
            }
        )*
    };
}

/// All objects of one database.
#[derive(Debug, Default)]
pub struct Catalog {
    objects: Vec<Object>,
    by_catalog_id: FxHashMap<CatalogId, DumpId>,
    /// The extension that each member belongs to.
    members: FxHashMap<CatalogId, DumpId>,
    /// Role names by OID.
    pub roles: HashMap<Oid, String>,
    /// Relations that are not of kind index, in OID order.
    pub relations: Vec<DumpId>,
    /// Comments of all objects that we know.
    pub comments: HashMap<CatalogId, Vec<Label>>,
    /// Security labels of all objects that we know.
    pub security_labels: HashMap<CatalogId, Vec<Label>>,
    /// `format_type` of the types that signatures mention.
    pub type_names: HashMap<Oid, String>,
    /// The statistics of each relation and index, if they are dumped.
    pub statistics: HashMap<DumpId, DumpId>,
    /// The server's version as a number, such as 180006.
    pub version_num: i32,
    /// The database itself; read only when it is to be created.
    pub database: Option<Database>,
    /// The boundary between the pre-data section and the data.
    pub pre_data_boundary: Option<DumpId>,
    /// The boundary between the data and the post-data section.
    pub post_data_boundary: Option<DumpId>,
}

impl Catalog {
    /// Adds an object with everything selected and, for a start, only a definition to dump.
    pub fn add(
        &mut self,
        catalog_id: CatalogId,
        name: String,
        namespace: Option<DumpId>,
        kind: ObjectKind,
    ) -> DumpId {
        let id = DumpId(self.objects.len() as u32);
        if catalog_id.classoid != 0 {
            self.by_catalog_id.insert(catalog_id, id);
        }
        self.objects.push(Object {
            catalog_id,
            name,
            namespace,
            dump: Components::all(),
            components: Components::DEFINITION,
            extension_member: false,
            depends_on_extension: false,
            dependencies: Vec::new(),
            kind,
        });
        id
    }

    /// All objects, in the order in which they were read.
    pub fn ids(&self) -> impl Iterator<Item = DumpId> + use<> {
        (0..self.objects.len() as u32).map(DumpId)
    }

    /// One object.
    pub fn object(&self, id: DumpId) -> &Object {
        &self.objects[id.index()]
    }

    /// One object, to be changed.
    pub fn object_mut(&mut self, id: DumpId) -> &mut Object {
        &mut self.objects[id.index()]
    }

    /// The object that the server calls `classoid`, `oid`.
    pub fn find(&self, classoid: Oid, oid: Oid) -> Option<DumpId> {
        self.by_catalog_id.get(&CatalogId { classoid, oid }).copied()
    }

    /// The namespace with this OID.
    pub fn namespace_by_oid(&self, oid: Oid) -> Option<DumpId> {
        self.find(class::PG_NAMESPACE, oid)
    }

    /// The relation with this OID.
    pub fn relation_by_oid_mut(&mut self, oid: Oid) -> Option<&mut Relation> {
        let id = self.find(class::PG_CLASS, oid)?;
        self.relation_mut(id)
    }

    /// OIDs of the relations that `wanted` picks.
    pub fn relation_oids(&self, wanted: impl Fn(&Object, &Relation) -> bool) -> Vec<Oid> {
        let is_wanted = |id: DumpId| self.relation(id).is_some_and(|it| wanted(self.object(id), it));
        let oids = self.relations.iter().filter(|id| is_wanted(**id));
        oids.map(|id| self.object(*id).catalog_id.oid).collect()
    }

    /// Says that `dependent` must come after `on`.
    pub fn add_dependency(&mut self, dependent: DumpId, on: DumpId) {
        self.objects[dependent.index()].dependencies.push(on);
    }

    /// Takes back that `dependent` must come after `on`.
    pub fn remove_dependency(&mut self, dependent: DumpId, on: DumpId) {
        self.objects[dependent.index()].dependencies.retain(|&d| d != on);
    }

    /// The name of the object's namespace.
    pub fn namespace_name(&self, id: DumpId) -> Option<&str> {
        self.object(id).namespace.map(|n| self.object(n).name.as_str())
    }

    /// A role's name. Roles are few and read first, so an unknown one means that it was created
    /// after our snapshot or that the catalogs are damaged; pg_dump gives up, we print the OID.
    pub fn role(&self, oid: Oid) -> String {
        self.roles.get(&oid).cloned().unwrap_or_else(|| oid.to_string())
    }

    accessors! {
        namespace, namespace_mut: Namespace => Namespace;
        extension, extension_mut: Extension => Extension;
        typ, typ_mut: Type | DummyType => Type;
        routine, routine_mut: Routine => Routine;
        relation, relation_mut: Relation => Relation;
        attr_def, attr_def_mut: AttrDef => AttrDef;
        index, index_mut: Index => Index;
        rule, rule_mut: Rule => RewriteRule;
        constraint, constraint_mut: Constraint | ForeignKey => Constraint;
        table_data, table_data_mut: TableData => TableData;
        collation, collation_mut: Collation => Collation;
        operator, operator_mut: Operator => Operator;
        publication, publication_mut: Publication => Publication;
        access_method, access_method_mut: AccessMethod => AccessMethod;
        large_objects, large_objects_mut: LargeObjects => LargeObjects;
        relation_statistics, relation_statistics_mut: RelationStatistics => RelationStatistics;
    }
}

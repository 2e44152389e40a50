//! The contents of the system catalogs: the objects of one database, as one snapshot sees them.
//!
//! Each kind of object has a file here that contains both its query and its struct. All objects are stored in
//! one arena, [`Catalog`], and refer to each other by [`DumpId`], because an object of any kind may depend on
//! an object of any other. The server identifies an object by its [`CatalogId`]; we may print several objects
//! for it (a table, its data and its attachment to a partitioned table are three objects with one
//! `CatalogId`).

// A new kind of object must not be forgotten: the compiler points to each place that must handle it.
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
mod relation_size;
mod relation_statistics;
mod role;
mod routine;
mod row;
mod rule;
pub(crate) mod selection;
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

pub(crate) use access_method::AccessMethod;
pub(crate) use acl::Acl;
pub(crate) use attribute::{AttrDef, Attribute, attribute_name};
pub(crate) use collation::Collation;
pub(crate) use comment::Label;
pub(crate) use constraint::{Constraint, ConstraintOwner, ForeignKey};
pub(crate) use conversion::Conversion;
pub(crate) use database::{ClusterDatabase, Database, databases_matching, list_databases};
pub(crate) use default_acl::DefaultAcl;
pub(crate) use event_trigger::EventTrigger;
pub(crate) use extension::Extension;
pub(crate) use foreign::{ForeignDataWrapper, ForeignServer};
pub(crate) use globals::{Globals, read_globals};
pub(crate) use index::Index;
pub(crate) use inherit::{IndexAttach, TableAttach};
pub(crate) use known::CatalogScope;
pub(crate) use language::{Cast, Language, Transform};
pub(crate) use large_object::LargeObjects;
pub(crate) use locked_tables::{TableToLock, to_lock};
pub(crate) use membership::Membership;
pub(crate) use namespace::Namespace;
pub(crate) use operator::{OpMember, Opclass, Operator, Opfamily};
pub(crate) use parameter_acl::ParameterAcl;
pub(crate) use policy::Policy;
pub(crate) use privileges::Unreadable;
pub(crate) use publication::{Publication, PublicationNamespace, PublicationRel};
pub(crate) use read::{read_catalog, tables_to_lock, unreadable};
pub(crate) use relation::{RelKind, Relation};
pub(crate) use relation_size::{RelationSize, RelationSizes, read_sizes, tables_with_data};
pub(crate) use relation_statistics::{RelationStatistics, StatisticsArgument};
pub(crate) use role::Role;
pub(crate) use routine::{Aggregate, AggregateDetail, Routine, RoutineDetail};
pub(crate) use rule::RewriteRule;
pub(crate) use sequence::Sequence;
pub(crate) use statistics::ExtendedStatistics;
pub(crate) use subscription::Subscription;
pub(crate) use table_data::TableData;
pub(crate) use tablespace::Tablespace;
pub(crate) use text_search::{TsConfig, TsDict, TsParser, TsTemplate};
pub(crate) use trigger::Trigger;
pub(crate) use typ::{Domain, Range, Type, TypeDetail};
pub(crate) use unknown::{find_unknown, refuse_unknown, unknown_is_refused};

#[cfg(test)]
pub(crate) use {
    attribute::NotNull, foreign::UserMapping, membership::MembershipOptions, operator::OperatorDetail,
    operator::ProcMember, policy::PolicyRule, relation::ForeignTable,
    relation_statistics::AttributeStatistics, sequence::SequenceValue,
};

/// An object identifier, unique within one system catalog.
pub(crate) type Oid = u32;

/// The first OID that `initdb` leaves to users: objects with smaller ones are built in
/// (`FirstNormalObjectId`, <https://www.postgresql.org/docs/current/system-catalog-initial-data.html>).
pub(crate) const FIRST_NORMAL_OID: Oid = 16384;

/// The superuser that `initdb` created, whatever its current name (`BOOTSTRAP_SUPERUSERID`,
/// <https://www.postgresql.org/docs/current/app-initdb.html>).
const BOOTSTRAP_SUPERUSER: Oid = 10;

/// OIDs of the system catalogs themselves, as used in `pg_depend.classid` and similar columns; they are the
/// same in all versions.
pub(crate) mod class {
    #![allow(missing_docs)]
    use super::Oid;
    pub(crate) const PG_TYPE: Oid = 1247;
    pub(crate) const PG_PROC: Oid = 1255;
    pub(crate) const PG_CLASS: Oid = 1259;
    pub(crate) const PG_DATABASE: Oid = 1262;
    pub(crate) const PG_FOREIGN_SERVER: Oid = 1417;
    pub(crate) const PG_FOREIGN_DATA_WRAPPER: Oid = 2328;
    pub(crate) const PG_AM: Oid = 2601;
    pub(crate) const PG_ATTRDEF: Oid = 2604;
    pub(crate) const PG_CAST: Oid = 2605;
    pub(crate) const PG_CONSTRAINT: Oid = 2606;
    pub(crate) const PG_CONVERSION: Oid = 2607;
    pub(crate) const PG_LANGUAGE: Oid = 2612;
    pub(crate) const PG_LARGEOBJECT: Oid = 2613;
    pub(crate) const PG_NAMESPACE: Oid = 2615;
    pub(crate) const PG_OPCLASS: Oid = 2616;
    pub(crate) const PG_OPERATOR: Oid = 2617;
    pub(crate) const PG_REWRITE: Oid = 2618;
    pub(crate) const PG_TRIGGER: Oid = 2620;
    pub(crate) const PG_OPFAMILY: Oid = 2753;
    pub(crate) const PG_EXTENSION: Oid = 3079;
    pub(crate) const PG_POLICY: Oid = 3256;
    pub(crate) const PG_STATISTIC_EXT: Oid = 3381;
    pub(crate) const PG_COLLATION: Oid = 3456;
    pub(crate) const PG_EVENT_TRIGGER: Oid = 3466;
    pub(crate) const PG_TRANSFORM: Oid = 3576;
    pub(crate) const PG_TS_DICT: Oid = 3600;
    pub(crate) const PG_TS_PARSER: Oid = 3601;
    pub(crate) const PG_TS_CONFIG: Oid = 3602;
    pub(crate) const PG_TS_TEMPLATE: Oid = 3764;
    pub(crate) const PG_DEFAULT_ACL: Oid = 826;
    pub(crate) const PG_SUBSCRIPTION: Oid = 6100;
    pub(crate) const PG_PUBLICATION: Oid = 6104;
    pub(crate) const PG_PUBLICATION_REL: Oid = 6106;
    pub(crate) const PG_PUBLICATION_NAMESPACE: Oid = 6237;
}

/// OIDs of types; they are the same in all versions too.
pub(crate) mod typoid {
    #![allow(missing_docs)]
    use super::Oid;
    pub(crate) const TEXT: Oid = 25;
    pub(crate) const VARCHAR: Oid = 1043;
}

/// How the server identifies an object: by the catalog that contains its row, and by its OID there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct CatalogId {
    /// OID of the system catalog, or 0 for objects that only exist in this program.
    pub classoid: Oid,
    pub oid: Oid,
}

/// The index of an object in its [`Catalog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct DumpId(u32);

impl DumpId {
    /// The position in [`Catalog::objects`].
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

bitflags::bitflags! {
    /// The parts of an object that a dump can contain independently.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Components: u8 {
        /// The command that creates the object.
        const DEFINITION = 1;
        /// Rows, or a sequence's value.
        const DATA = 1 << 1;
        const COMMENT = 1 << 2;
        const SECURITY_LABEL = 1 << 3;
        const ACL = 1 << 4;
        const POLICY = 1 << 5;
        /// A foreign server's user mappings.
        const USER_MAPPING = 1 << 6;
        const STATISTICS = 1 << 7;
    }
}

impl Components {
    /// The components that can't be dumped without a lock on the relation.
    pub(crate) const REQUIRING_LOCK: Components =
        Components::DEFINITION.union(Components::DATA).union(Components::POLICY);
}

/// One object: the fields that all kinds share, and those of its kind.
#[derive(Debug)]
pub(crate) struct Object {
    pub catalog_id: CatalogId,
    /// The name by which it is sorted; usually the catalog's name column.
    pub name: String,
    /// The namespace by which it is sorted, and with which its name is qualified.
    pub namespace: Option<DumpId>,
    /// The components that were selected.
    pub dump: Components,
    /// The components that the object has.
    pub components: Components,
    /// Whether it is a member of an extension.
    pub extension_member: bool,
    /// Whether it depends on an extension without being a member of it (`deptype` x).
    pub depends_on_extension: bool,
    /// The objects that must come before it.
    pub dependencies: Vec<DumpId>,
    pub kind: ObjectKind,
}

impl Object {
    /// The components to dump: those that were selected and that the object has.
    pub(crate) fn dumped(&self) -> Components {
        self.dump & self.components
    }
}

/// The kinds of object, each with its own struct. Only small structs are stored inline: large catalogs have
/// millions of objects.
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) enum ObjectKind {
    Namespace(Box<Namespace>),
    Extension(Extension),
    Type(Box<Type>),
    /// The shell of a base or range type, created before the functions that the type needs.
    ShellType(DumpId),
    /// A row type, array type or multirange type, which is created and dropped with another object.
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
    /// The contents of a group of large objects, or (`None`) of all large objects.
    LargeObjectData(Option<DumpId>),
    EventTrigger(Box<EventTrigger>),
    Policy(Box<Policy>),
    Publication(Publication),
    PublicationRel(PublicationRel),
    PublicationNamespace(PublicationNamespace),
    Subscription(Box<Subscription>),
    /// Everything in the pre-data section comes before this.
    PreDataBoundary,
    /// Everything in the post-data section comes after this.
    PostDataBoundary,
}

macro_rules! accessors {
    ($($get:ident $(, $get_mut:ident)?: $($variant:ident)|+ => $ty:ty;)*) => {
        $(
            // Each kind has both accessors, whether or not both are used.
            #[allow(dead_code)]
            pub(crate) fn $get(&self, id: DumpId) -> Option<&$ty> {
                match &self.objects[id.index()].kind { $(ObjectKind::$variant(it) )|+ => Some(it), _ => None }
            }
            accessors!(@mut $($get_mut)?: $($variant)|+ => $ty);
        )*
    };
    (@mut : $($variant:ident)|+ => $ty:ty) => {};
    (@mut $get_mut:ident: $($variant:ident)|+ => $ty:ty) => {
        #[allow(dead_code)]
        pub(crate) fn $get_mut(&mut self, id: DumpId) -> Option<&mut $ty> {
            match &mut self.objects[id.index()].kind { $(ObjectKind::$variant(it) )|+ => Some(it), _ => None }
        }
    };
}

/// All objects of one database.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    objects: Vec<Object>,
    by_catalog_id: FxHashMap<CatalogId, DumpId>,
    /// The extension to which each member belongs.
    members: FxHashMap<CatalogId, DumpId>,
    pub roles: HashMap<Oid, String>,
    /// All relations except indexes, in OID order.
    pub relations: Vec<DumpId>,
    pub comments: HashMap<CatalogId, Vec<Label>>,
    pub security_labels: HashMap<CatalogId, Vec<Label>>,
    /// `format_type` of the types that appear in signatures.
    pub type_names: HashMap<Oid, String>,
    /// The statistics object of each relation and index, if it is dumped.
    pub statistics: HashMap<DumpId, DumpId>,
    /// The server's version as a number, such as 180006.
    pub version_num: i32,
    /// The database itself; only read if it is to be created.
    pub database: Option<Database>,
    /// The boundary between the pre-data section and the data.
    pub pre_data_boundary: Option<DumpId>,
    /// The boundary between the data and the post-data section.
    pub post_data_boundary: Option<DumpId>,
}

impl Catalog {
    /// Adds an object. Everything is selected, and at first it only has a definition.
    pub(crate) fn add(
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
    pub(crate) fn ids(&self) -> impl Iterator<Item = DumpId> + use<> {
        (0..self.objects.len() as u32).map(DumpId)
    }

    pub(crate) fn object(&self, id: DumpId) -> &Object {
        &self.objects[id.index()]
    }

    pub(crate) fn object_mut(&mut self, id: DumpId) -> &mut Object {
        &mut self.objects[id.index()]
    }

    /// The object with this OID in the system catalog `classoid`.
    pub(crate) fn find(&self, classoid: Oid, oid: Oid) -> Option<DumpId> {
        self.by_catalog_id.get(&CatalogId { classoid, oid }).copied()
    }

    pub(crate) fn namespace_by_oid(&self, oid: Oid) -> Option<DumpId> {
        self.find(class::PG_NAMESPACE, oid)
    }

    pub(crate) fn relation_by_oid_mut(&mut self, oid: Oid) -> Option<&mut Relation> {
        let id = self.find(class::PG_CLASS, oid)?;
        self.relation_mut(id)
    }

    /// The OIDs of the relations for which `wanted` is true.
    pub(crate) fn relation_oids(&self, wanted: impl Fn(&Object, &Relation) -> bool) -> Vec<Oid> {
        let is_wanted = |id: DumpId| self.relation(id).is_some_and(|it| wanted(self.object(id), it));
        let oids = self.relations.iter().filter(|id| is_wanted(**id));
        oids.map(|id| self.object(*id).catalog_id.oid).collect()
    }

    /// Records that `dependent` must come after `on`.
    pub(crate) fn add_dependency(&mut self, dependent: DumpId, on: DumpId) {
        self.objects[dependent.index()].dependencies.push(on);
    }

    /// Removes the dependency of `dependent` on `on`.
    pub(crate) fn remove_dependency(&mut self, dependent: DumpId, on: DumpId) {
        self.objects[dependent.index()].dependencies.retain(|&d| d != on);
    }

    pub(crate) fn namespace_name(&self, id: DumpId) -> Option<&str> {
        self.object(id).namespace.map(|n| self.object(n).name.as_str())
    }

    /// A role's name. Roles are few and are read first, so an unknown role was created after our snapshot, or
    /// the catalogs are damaged. pg_dump fails then; we print the OID.
    pub(crate) fn role(&self, oid: Oid) -> String {
        self.roles.get(&oid).cloned().unwrap_or_else(|| oid.to_string())
    }

    // Returns the object's data if it is of that kind.
    accessors! {
        namespace, namespace_mut: Namespace => Namespace;
        extension: Extension => Extension;
        typ, typ_mut: Type | DummyType => Type;
        routine, routine_mut: Routine => Routine;
        relation, relation_mut: Relation => Relation;
        attr_def, attr_def_mut: AttrDef => AttrDef;
        index, index_mut: Index => Index;
        rule, rule_mut: Rule => RewriteRule;
        constraint, constraint_mut: Constraint | ForeignKey => Constraint;
        table_data, table_data_mut: TableData => TableData;
        operator, operator_mut: Operator => Operator;
        publication: Publication => Publication;
        large_objects: LargeObjects => LargeObjects;
        relation_statistics, relation_statistics_mut: RelationStatistics => RelationStatistics;
    }
}

//! Catalogs built by hand, for tests without a server: plain objects, in which each test changes the details
//! that it needs.

use super::{
    Acl, AttrDef, Attribute, Catalog, CatalogId, Components, Constraint, ConstraintOwner, DumpId,
    FIRST_NORMAL_OID, Index, Label, Namespace, ObjectKind, Oid, RelKind, Relation, RewriteRule, Routine,
    RoutineDetail, Sequence, Type, TypeDetail, class, depend,
};

/// The owner of all objects.
pub(crate) const OWNER: &str = "o";

/// A catalog with the schema `s`.
pub(crate) struct Fixture {
    pub(crate) catalog: Catalog,
    pub(crate) schema: DumpId,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let mut catalog = Catalog { version_num: 180_000, ..Catalog::default() };
        let id = CatalogId { classoid: class::PG_NAMESPACE, oid: FIRST_NORMAL_OID };
        let schema = catalog.add(id, "s".into(), None, ObjectKind::Namespace(Box::new(namespace())));
        catalog.object_mut(schema).components = Components::all();
        Fixture { catalog, schema }
    }

    /// The catalog, with the dependencies on the section boundaries added.
    pub(crate) fn with_boundaries(mut self) -> Catalog {
        depend::add_boundaries(&mut self.catalog, 18);
        self.catalog
    }

    /// Adds an object to the schema `s`, with everything dumped.
    pub(crate) fn add(&mut self, name: &str, kind: ObjectKind) -> DumpId {
        self.add_to(Some(self.schema), name, kind)
    }

    pub(crate) fn add_without_schema(&mut self, name: &str, kind: ObjectKind) -> DumpId {
        self.add_to(None, name, kind)
    }

    fn add_to(&mut self, schema: Option<DumpId>, name: &str, kind: ObjectKind) -> DumpId {
        let oid = FIRST_NORMAL_OID + self.catalog.ids().count() as Oid;
        let id = self.catalog.add(CatalogId { classoid: class_of(&kind), oid }, name.into(), schema, kind);
        self.catalog.object_mut(id).components = Components::all();
        id
    }

    pub(crate) fn add_relation(&mut self, name: &str, relation: Relation) -> DumpId {
        self.add(name, ObjectKind::Relation(Box::new(relation)))
    }

    pub(crate) fn add_routine(&mut self, name: &str, routine: Routine) -> DumpId {
        self.add(name, ObjectKind::Routine(Box::new(routine)))
    }

    pub(crate) fn add_type(&mut self, name: &str, of: Type) -> DumpId {
        self.add(name, ObjectKind::Type(Box::new(of)))
    }

    pub(crate) fn add_index(&mut self, name: &str, index: Index) -> DumpId {
        self.add(name, ObjectKind::Index(Box::new(index)))
    }

    pub(crate) fn oid(&self, id: DumpId) -> Oid {
        self.catalog.object(id).catalog_id.oid
    }

    /// Sets the server's name for the type with this OID.
    pub(crate) fn name_type(&mut self, oid: Oid, name: &str) {
        self.catalog.type_names.insert(oid, name.into());
    }

    pub(crate) fn comment(&mut self, id: DumpId, text: &str) {
        self.comment_on_column(id, 0, text);
    }

    pub(crate) fn comment_on_column(&mut self, id: DumpId, attnum: i64, text: &str) {
        let label = Label { objsubid: attnum, provider: String::new(), text: text.into() };
        let catalog_id = self.catalog.object(id).catalog_id;
        self.catalog.comments.entry(catalog_id).or_default().push(label);
    }

    pub(crate) fn label(&mut self, id: DumpId, attnum: i64, provider: &str, text: &str) {
        let label = Label { objsubid: attnum, provider: provider.into(), text: text.into() };
        let catalog_id = self.catalog.object(id).catalog_id;
        self.catalog.security_labels.entry(catalog_id).or_default().push(label);
    }
}

/// The system catalog that stores objects of this kind.
fn class_of(kind: &ObjectKind) -> Oid {
    match kind {
        ObjectKind::Namespace(_) => class::PG_NAMESPACE,
        ObjectKind::Extension(_) => class::PG_EXTENSION,
        ObjectKind::Type(_) | ObjectKind::DummyType(_) => class::PG_TYPE,
        ObjectKind::Routine(_) | ObjectKind::Aggregate(_) => class::PG_PROC,
        ObjectKind::Operator(_) => class::PG_OPERATOR,
        ObjectKind::AccessMethod(_) => class::PG_AM,
        ObjectKind::Opclass(_) => class::PG_OPCLASS,
        ObjectKind::Opfamily(_) => class::PG_OPFAMILY,
        ObjectKind::Collation(_) => class::PG_COLLATION,
        ObjectKind::Conversion(_) => class::PG_CONVERSION,
        ObjectKind::Relation(_) | ObjectKind::Index(_) => class::PG_CLASS,
        ObjectKind::AttrDef(_) => class::PG_ATTRDEF,
        ObjectKind::ExtendedStatistics(_) => class::PG_STATISTIC_EXT,
        ObjectKind::Rule(_) => class::PG_REWRITE,
        ObjectKind::Trigger(_) => class::PG_TRIGGER,
        ObjectKind::Constraint(_) | ObjectKind::ForeignKey(_) => class::PG_CONSTRAINT,
        ObjectKind::Language(_) => class::PG_LANGUAGE,
        ObjectKind::Cast(_) => class::PG_CAST,
        ObjectKind::Transform(_) => class::PG_TRANSFORM,
        ObjectKind::TsParser(_) => class::PG_TS_PARSER,
        ObjectKind::TsDict(_) => class::PG_TS_DICT,
        ObjectKind::TsTemplate(_) => class::PG_TS_TEMPLATE,
        ObjectKind::TsConfig(_) => class::PG_TS_CONFIG,
        ObjectKind::ForeignDataWrapper(_) => class::PG_FOREIGN_DATA_WRAPPER,
        ObjectKind::ForeignServer(_) => class::PG_FOREIGN_SERVER,
        ObjectKind::DefaultAcl(_) => class::PG_DEFAULT_ACL,
        ObjectKind::LargeObjects(_) => class::PG_LARGEOBJECT,
        ObjectKind::EventTrigger(_) => class::PG_EVENT_TRIGGER,
        ObjectKind::Policy(_) => class::PG_POLICY,
        ObjectKind::Publication(_) => class::PG_PUBLICATION,
        ObjectKind::PublicationRel(_) => class::PG_PUBLICATION_REL,
        ObjectKind::PublicationNamespace(_) => class::PG_PUBLICATION_NAMESPACE,
        ObjectKind::Subscription(_) => class::PG_SUBSCRIPTION,
        // These objects do not exist in the server's catalogs.
        ObjectKind::ShellType(_)
        | ObjectKind::TableAttach(_)
        | ObjectKind::IndexAttach(_)
        | ObjectKind::TableData(_)
        | ObjectKind::SequenceSet(_)
        | ObjectKind::RelationStatistics(_)
        | ObjectKind::RefreshMatView(_)
        | ObjectKind::LargeObjectData(_)
        | ObjectKind::PreDataBoundary
        | ObjectKind::PostDataBoundary => 0,
    }
}

/// Privileges that differ from the server's defaults.
pub(crate) fn acl(now: &[&str], default: &[&str]) -> Acl {
    let owned = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
    Acl { acl: Some(owned(now)), default: owned(default), initial: None }
}

pub(crate) fn namespace() -> Namespace {
    Namespace { owner: OWNER.into(), acl: Acl::default(), create: true, dump_contents: Components::all() }
}

/// A relation with columns of these names and types.
pub(crate) fn relation(relkind: RelKind, columns: &[(&str, &str)]) -> Relation {
    let attributes = (1..).zip(columns).map(|(number, (name, of))| attribute(number, name, of)).collect();
    Relation {
        relkind,
        owner: OWNER.into(),
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
        relnatts: columns.len(),
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
        interesting: true,
        parents: Vec::new(),
        attributes,
        checks: Vec::new(),
        indexes: Vec::new(),
        data: None,
        unsafe_partitions: false,
        dummy_view: false,
        postponed: false,
        needs_override: false,
    }
}

pub(crate) fn table(columns: &[(&str, &str)]) -> Relation {
    relation(RelKind::Table, columns)
}

pub(crate) fn view(relkind: RelKind, query: &str) -> Relation {
    Relation { view_definition: Some(query.into()), ..relation(relkind, &[("a", "integer")]) }
}

pub(crate) fn attribute(attnum: i64, attname: &str, type_name: &str) -> Attribute {
    Attribute {
        attnum,
        attname: attname.into(),
        type_name: type_name.into(),
        atttypid: 0,
        atttypmod: -1,
        base_type: 0,
        attstattarget: None,
        attstorage: 'p',
        typstorage: 'p',
        attisdropped: false,
        attislocal: true,
        attcollation: 0,
        collation: 0,
        attcompression: '\0',
        attidentity: '\0',
        attgenerated: '\0',
        options: String::new(),
        fdw_options: String::new(),
        default: None,
        not_null: None,
        has_invalid_not_null: false,
    }
}

/// A sequence as created by `CREATE SEQUENCE` without options.
pub(crate) fn sequence() -> Sequence {
    Sequence {
        data_type: "bigint".into(),
        seqstart: 1,
        seqincrement: 1,
        seqmax: i64::MAX,
        seqmin: 1,
        seqcache: 1,
        seqcycle: false,
        value: None,
    }
}

pub(crate) fn attr_def(table: DumpId, adnum: i64, expression: &str) -> AttrDef {
    AttrDef { table, adnum, expression: expression.into(), separate: false }
}

/// A B-tree index over these columns, all of them key columns.
pub(crate) fn index(table: DumpId, columns: &[i64]) -> Index {
    Index {
        table,
        amname: "btree".into(),
        indisunique: false,
        definition: None,
        indoption: vec![0; columns.len()],
        tablespace: String::new(),
        reloptions: Vec::new(),
        indnkeyatts: columns.len() as i64,
        indkey: columns.to_vec(),
        indisclustered: false,
        indisreplident: false,
        indnullsnotdistinct: false,
        parent_oid: 0,
        attachments: Vec::new(),
        constraint: None,
        statistics: Vec::new(),
        depends_on_extensions: Vec::new(),
    }
}

/// A constraint without a definition, as for keys.
pub(crate) fn constraint(owner: ConstraintOwner, contype: char) -> Constraint {
    Constraint {
        owner,
        contype,
        definition: None,
        confrelid: 0,
        foreign_key: None,
        index: None,
        condeferrable: false,
        condeferred: false,
        conperiod: false,
        conislocal: true,
        separate: false,
    }
}

pub(crate) fn check(owner: ConstraintOwner, definition: &str) -> Constraint {
    Constraint { definition: Some(definition.into()), ..constraint(owner, 'c') }
}

/// The ON SELECT rule of a view.
pub(crate) fn view_rule(relation: DumpId) -> RewriteRule {
    RewriteRule { relation, ev_enabled: 'O', is_view_rule: true, definition: None, separate: false }
}

/// An SQL function without arguments.
pub(crate) fn routine() -> Routine {
    let detail = RoutineDetail {
        prokind: 'f',
        arguments: String::new(),
        identity_arguments: String::new(),
        result: Some("integer".into()),
        proretset: false,
        prosrc: "SELECT 1".into(),
        probin: String::new(),
        sql_body: None,
        lanname: "sql".into(),
        transform_types: Vec::new(),
        provolatile: 'v',
        proisstrict: false,
        prosecdef: false,
        proleakproof: false,
        proparallel: 'u',
        procost: "100".into(),
        prorows: "0".into(),
        prosupport: "-".into(),
        proconfig: Vec::new(),
        depends_on_extensions: Vec::new(),
    };
    Routine {
        owner: OWNER.into(),
        acl: Acl::default(),
        arg_types: Vec::new(),
        detail: Some(detail),
        postponed: false,
    }
}

pub(crate) fn typ(typtype: char, detail: TypeDetail) -> Type {
    Type {
        owner: OWNER.into(),
        acl: Acl::default(),
        typtype,
        typisdefined: true,
        typrelid: 0,
        shell: None,
        detail,
    }
}

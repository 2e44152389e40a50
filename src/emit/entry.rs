//! One entry of a dump: the text that pg_dump prints under one header comment.

use crate::catalog::{CatalogId, DumpId, Oid};

/// The section of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// The section of the preceding entries.
    None,
    /// Before the rows.
    PreData,
    /// Rows, sequence values and large objects.
    Data,
    /// After the rows.
    PostData,
}

macro_rules! entry_kinds {
    ($($(#[$doc:meta])* $kind:ident => $header:literal,)*) => {
        /// The kind of an entry. pg_dump and pg_restore identify it by the keyword in its header.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum EntryKind {
            $(
                $(#[$doc])*
                #[doc = $header]
                $kind,
            )*
        }

        impl EntryKind {
            /// The type in the header. If there is a DROP command, it uses the same keyword.
            pub(crate) fn header(self) -> &'static str {
                match self {
                    $(EntryKind::$kind => $header,)*
                }
            }
        }
    };
}

entry_kinds! {
    AccessMethod => "ACCESS METHOD",
    Acl => "ACL",
    Aggregate => "AGGREGATE",
    Cast => "CAST",
    CheckConstraint => "CHECK CONSTRAINT",
    Collation => "COLLATION",
    Comment => "COMMENT",
    Constraint => "CONSTRAINT",
    Conversion => "CONVERSION",
    Database => "DATABASE",
    DatabaseProperties => "DATABASE PROPERTIES",
    Default => "DEFAULT",
    DefaultAcl => "DEFAULT ACL",
    Domain => "DOMAIN",
    EventTrigger => "EVENT TRIGGER",
    ExtendedStatistics => "STATISTICS",
    ExtendedStatisticsData => "EXTENDED STATISTICS DATA",
    Extension => "EXTENSION",
    ForeignDataWrapper => "FOREIGN DATA WRAPPER",
    ForeignKey => "FK CONSTRAINT",
    ForeignTable => "FOREIGN TABLE",
    Function => "FUNCTION",
    Index => "INDEX",
    IndexAttach => "INDEX ATTACH",
    LargeObject => "BLOB",
    LargeObjectData => "BLOBS",
    LargeObjectMetadata => "BLOB METADATA",
    MaterializedView => "MATERIALIZED VIEW",
    MaterializedViewData => "MATERIALIZED VIEW DATA",
    Operator => "OPERATOR",
    OperatorClass => "OPERATOR CLASS",
    OperatorFamily => "OPERATOR FAMILY",
    Policy => "POLICY",
    ProceduralLanguage => "PROCEDURAL LANGUAGE",
    Procedure => "PROCEDURE",
    Publication => "PUBLICATION",
    PublicationTable => "PUBLICATION TABLE",
    PublicationTablesInSchema => "PUBLICATION TABLES IN SCHEMA",
    RelationStatisticsData => "STATISTICS DATA",
    RowSecurity => "ROW SECURITY",
    Rule => "RULE",
    Schema => "SCHEMA",
    SecurityLabel => "SECURITY LABEL",
    Sequence => "SEQUENCE",
    SequenceOwnedBy => "SEQUENCE OWNED BY",
    SequenceSet => "SEQUENCE SET",
    Server => "SERVER",
    ShellType => "SHELL TYPE",
    Subscription => "SUBSCRIPTION",
    Table => "TABLE",
    TableAttach => "TABLE ATTACH",
    TableData => "TABLE DATA",
    TextSearchConfiguration => "TEXT SEARCH CONFIGURATION",
    TextSearchDictionary => "TEXT SEARCH DICTIONARY",
    TextSearchParser => "TEXT SEARCH PARSER",
    TextSearchTemplate => "TEXT SEARCH TEMPLATE",
    Transform => "TRANSFORM",
    Trigger => "TRIGGER",
    Type => "TYPE",
    UserMapping => "USER MAPPING",
    View => "VIEW",
}

/// Groups of kinds that the plan treats alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Statistics that ANALYZE collected.
    Statistics,
    /// GRANT and REVOKE.
    Privileges,
    /// The database itself, which remains when everything in it is dropped.
    Database,
    /// Anything else.
    Object,
}

impl EntryKind {
    fn class(self) -> Class {
        match self {
            EntryKind::RelationStatisticsData | EntryKind::ExtendedStatisticsData => Class::Statistics,
            EntryKind::Acl | EntryKind::DefaultAcl => Class::Privileges,
            EntryKind::Database | EntryKind::DatabaseProperties => Class::Database,
            EntryKind::AccessMethod
            | EntryKind::Aggregate
            | EntryKind::Cast
            | EntryKind::CheckConstraint
            | EntryKind::Collation
            | EntryKind::Comment
            | EntryKind::Constraint
            | EntryKind::Conversion
            | EntryKind::Default
            | EntryKind::Domain
            | EntryKind::EventTrigger
            | EntryKind::ExtendedStatistics
            | EntryKind::Extension
            | EntryKind::ForeignDataWrapper
            | EntryKind::ForeignKey
            | EntryKind::ForeignTable
            | EntryKind::Function
            | EntryKind::Index
            | EntryKind::IndexAttach
            | EntryKind::LargeObject
            | EntryKind::LargeObjectData
            | EntryKind::LargeObjectMetadata
            | EntryKind::MaterializedView
            | EntryKind::MaterializedViewData
            | EntryKind::Operator
            | EntryKind::OperatorClass
            | EntryKind::OperatorFamily
            | EntryKind::Policy
            | EntryKind::ProceduralLanguage
            | EntryKind::Procedure
            | EntryKind::Publication
            | EntryKind::PublicationTable
            | EntryKind::PublicationTablesInSchema
            | EntryKind::RowSecurity
            | EntryKind::Rule
            | EntryKind::Schema
            | EntryKind::SecurityLabel
            | EntryKind::Sequence
            | EntryKind::SequenceOwnedBy
            | EntryKind::SequenceSet
            | EntryKind::Server
            | EntryKind::ShellType
            | EntryKind::Subscription
            | EntryKind::Table
            | EntryKind::TableAttach
            | EntryKind::TableData
            | EntryKind::TextSearchConfiguration
            | EntryKind::TextSearchDictionary
            | EntryKind::TextSearchParser
            | EntryKind::TextSearchTemplate
            | EntryKind::Transform
            | EntryKind::Trigger
            | EntryKind::Type
            | EntryKind::UserMapping
            | EntryKind::View => Class::Object,
        }
    }

    /// Whether it holds statistics that ANALYZE collected.
    pub(crate) fn is_statistics(self) -> bool {
        self.class() == Class::Statistics
    }

    /// Whether it holds privileges.
    pub(crate) fn is_acl(self) -> bool {
        self.class() == Class::Privileges
    }

    /// Whether it is the database itself.
    pub(crate) fn is_database(self) -> bool {
        self.class() == Class::Database
    }
}

/// Contents that are streamed when the dump reaches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The rows of this table data object.
    Rows(DumpId),
    /// This group of large objects, or all if `None`.
    LargeObjects(Option<DumpId>),
}

/// The text that creates an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Definition {
    None,
    /// Complete commands that end with a line feed.
    Sql(String),
    /// A comment instead of a command: the object exists already, or its rows are elsewhere.
    Note(String),
    /// A `lo_create` for each of these large objects.
    LargeObjects(Vec<Oid>),
}

impl From<String> for Definition {
    fn from(sql: String) -> Self {
        if sql.is_empty() { Definition::None } else { Definition::Sql(sql) }
    }
}

/// The command that drops the object of an entry. Names are quoted and qualified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DropCommand {
    /// `DROP keyword [IF EXISTS] …`, with the keyword of the kind; this is the name and the text after it.
    Object(String),
    /// `ALTER TABLE [IF EXISTS] [ONLY] … DROP CONSTRAINT [IF EXISTS] …`
    TableConstraint {
        /// Whether it is a foreign table.
        foreign: bool,
        /// Whether children keep the constraint (`ONLY`).
        only: bool,
        table: String,
        name: String,
    },
    /// `ALTER DOMAIN … DROP CONSTRAINT [IF EXISTS] …`
    DomainConstraint { domain: String, name: String },
    /// `ALTER TABLE [IF EXISTS] … ALTER COLUMN … DROP DEFAULT`
    ColumnDefault {
        /// Whether it is a foreign table.
        foreign: bool,
        table: String,
        column: String,
    },
    /// A `lo_unlink` for each of these large objects.
    LargeObjects(Vec<Oid>),
    /// A command or comment that has no IF EXISTS form and needs none.
    Plain(String),
    /// Prints nothing, since it is dropped with another object.
    Nothing,
}

impl DropCommand {
    /// The command, with a line feed at the end.
    pub(crate) fn sql(&self, kind: EntryKind, if_exists: bool) -> String {
        let exists = if if_exists { " IF EXISTS" } else { "" };
        // pg_dump prints ALTER FOREIGN TABLE without IF EXISTS.
        let table_exists = |foreign: bool| if foreign { "" } else { exists };
        let foreign_word = |foreign: bool| if foreign { "FOREIGN " } else { "" };
        match self {
            DropCommand::Object(what) => format!("DROP {}{exists} {what};\n", kind.header()),
            DropCommand::TableConstraint { foreign, only, table, name } => {
                let only = if *only { "ONLY " } else { "" };
                let (word, table_exists) = (foreign_word(*foreign), table_exists(*foreign));
                format!("ALTER {word}TABLE{table_exists} {only}{table} DROP CONSTRAINT{exists} {name};\n")
            }
            DropCommand::DomainConstraint { domain, name } => {
                format!("ALTER DOMAIN {domain} DROP CONSTRAINT{exists} {name};\n")
            }
            DropCommand::ColumnDefault { foreign, table, column } => {
                let (word, table_exists) = (foreign_word(*foreign), table_exists(*foreign));
                format!("ALTER {word}TABLE{table_exists} {table} ALTER COLUMN {column} DROP DEFAULT;\n")
            }
            DropCommand::LargeObjects(oids) if if_exists => oids
                .iter()
                .map(|oid| {
                    format!(
                        "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata \
                         WHERE oid = '{oid}';\n"
                    )
                })
                .collect(),
            DropCommand::LargeObjects(oids) => {
                oids.iter().map(|oid| format!("SELECT pg_catalog.lo_unlink('{oid}');\n")).collect()
            }
            DropCommand::Plain(text) => text.clone(),
            DropCommand::Nothing => String::new(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The object that it defines or fills.
    pub dump_id: Option<DumpId>,
    /// The object that it is printed for: with comments, privileges and the like, the one that they apply to.
    pub object: Option<DumpId>,
    /// The server's identifier of that object.
    pub catalog_id: CatalogId,
    pub kind: EntryKind,
    /// The kind of the object to which it is attached.
    pub on: Option<EntryKind>,
    /// The name in the header.
    pub tag: String,
    /// The schema in the header.
    pub namespace: Option<String>,
    /// The owner in the header, who also becomes the object's owner; may be empty.
    pub owner: Option<String>,
    /// The object's name in ALTER … OWNER TO, after the keyword: quoted, qualified, with arguments.
    pub identity: Option<String>,
    /// The `default_tablespace` that it needs; empty for the database's default.
    pub tablespace: Option<String>,
    /// The `default_table_access_method` that it needs.
    pub table_am: Option<String>,
    /// Whether it is a partitioned table, whose access method is set after its creation.
    pub is_partitioned: bool,
    pub section: Section,
    /// The text that creates the object.
    pub definition: Definition,
    /// The command that drops the object.
    pub drop: Option<DropCommand>,
    /// The COPY command before the contents.
    pub copy: Option<String>,
    pub contents: Option<Contents>,
}

impl Entry {
    /// An entry with a definition, and no other fields set.
    pub(crate) fn new(
        section: Section,
        kind: EntryKind,
        tag: impl Into<String>,
        definition: impl Into<Definition>,
    ) -> Self {
        Entry {
            dump_id: None,
            object: None,
            catalog_id: CatalogId::default(),
            kind,
            on: None,
            tag: tag.into(),
            namespace: None,
            owner: None,
            identity: None,
            tablespace: None,
            table_am: None,
            is_partitioned: false,
            section,
            definition: definition.into(),
            drop: None,
            copy: None,
            contents: None,
        }
    }

    #[must_use]
    pub(crate) fn in_namespace(mut self, namespace: Option<&str>) -> Self {
        self.namespace = namespace.map(str::to_owned);
        self
    }

    #[must_use]
    pub(crate) fn owned_by(mut self, owner: &str) -> Self {
        self.owner = Some(owner.to_owned());
        self
    }

    /// Sets the kind of the object to which it is attached.
    #[must_use]
    pub(crate) fn attached_to(mut self, kind: EntryKind) -> Self {
        self.on = Some(kind);
        self
    }

    /// Sets the object's name for DROP and ALTER, after the keyword.
    #[must_use]
    pub(crate) fn named(self, what: impl Into<String>) -> Self {
        let what = what.into();
        Entry { drop: Some(DropCommand::Object(what.clone())), identity: Some(what), ..self }
    }

    /// Sets the command that drops the object.
    #[must_use]
    pub(crate) fn dropped_by(mut self, drop: DropCommand) -> Self {
        self.drop = Some(drop);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_exists_goes_where_it_may() {
        let constraint = |foreign| DropCommand::TableConstraint {
            foreign,
            only: true,
            table: "a".into(),
            name: "b".into(),
        };
        let default = DropCommand::ColumnDefault { foreign: false, table: "a".into(), column: "b".into() };
        let of_domain = DropCommand::DomainConstraint { domain: "d".into(), name: "c".into() };
        for (kind, drop, expected) in [
            (EntryKind::Table, DropCommand::Object("a".into()), "DROP TABLE IF EXISTS a;\n"),
            (
                EntryKind::ForeignKey,
                constraint(false),
                "ALTER TABLE IF EXISTS ONLY a DROP CONSTRAINT IF EXISTS b;\n",
            ),
            (
                EntryKind::CheckConstraint,
                constraint(true),
                "ALTER FOREIGN TABLE ONLY a DROP CONSTRAINT IF EXISTS b;\n",
            ),
            (EntryKind::Default, default, "ALTER TABLE IF EXISTS a ALTER COLUMN b DROP DEFAULT;\n"),
            (
                EntryKind::Rule,
                DropCommand::Plain("CREATE OR REPLACE VIEW v AS\nSELECT;\n".into()),
                "CREATE OR REPLACE VIEW v AS\nSELECT;\n",
            ),
            (EntryKind::CheckConstraint, of_domain, "ALTER DOMAIN d DROP CONSTRAINT IF EXISTS c;\n"),
        ] {
            assert_eq!(drop.sql(kind, true), expected);
        }
    }
}

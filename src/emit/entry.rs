//! One entry of a dump: what pg_dump prints under one header comment.

use crate::catalog::{CatalogId, DumpId, Oid};

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// With whatever comes before it.
    None,
    /// Before the rows.
    PreData,
    /// Rows and values.
    Data,
    /// After the rows.
    PostData,
}

macro_rules! entry_kinds {
    ($($(#[$doc:meta])* $kind:ident => $header:literal,)*) => {
        /// What an entry is. pg_dump and pg_restore know it by the word in its header.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum EntryKind {
            $(
                $(#[$doc])*
                #[doc = $header]
                $kind,
            )*
        }

        impl EntryKind {
            /// The type in the header. The command that drops it has the same keyword, if there is one.
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

/// What kinds of entries have in common, as far as the plan treats them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// What ANALYZE found out.
    Statistics,
    /// GRANT and REVOKE.
    Privileges,
    /// The database itself, which stays when all in it is dropped.
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

    /// Does it hold what ANALYZE found out?
    pub(crate) fn is_statistics(self) -> bool {
        self.class() == Class::Statistics
    }

    /// Is it about privileges?
    pub(crate) fn is_acl(self) -> bool {
        self.class() == Class::Privileges
    }

    /// Is it the database itself?
    pub(crate) fn is_database(self) -> bool {
        self.class() == Class::Database
    }
}

/// Contents that are streamed when their turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The rows of this table data object.
    Rows(DumpId),
    /// Large objects: this group of them, or all.
    LargeObjects(Option<DumpId>),
}

/// What creates an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Definition {
    /// Nothing.
    None,
    /// Complete commands that end with a line feed.
    Sql(String),
    /// A comment in place of a command: the object is there already, or its rows go elsewhere.
    Note(String),
    /// A `lo_create` for each of these large objects.
    LargeObjects(Vec<Oid>),
}

impl From<String> for Definition {
    fn from(sql: String) -> Self {
        if sql.is_empty() { Definition::None } else { Definition::Sql(sql) }
    }
}

/// The command that drops what an entry creates. Names are quoted and qualified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DropCommand {
    /// `DROP keyword [IF EXISTS] …`, with the keyword of the kind: the name, and what follows it.
    Object(String),
    /// `ALTER TABLE [IF EXISTS] [ONLY] … DROP CONSTRAINT [IF EXISTS] …`
    TableConstraint {
        /// Of a foreign table.
        foreign: bool,
        /// Not of its children.
        only: bool,
        /// The table.
        table: String,
        /// The constraint.
        name: String,
    },
    /// `ALTER DOMAIN … DROP CONSTRAINT [IF EXISTS] …`
    DomainConstraint {
        /// The domain.
        domain: String,
        /// The constraint.
        name: String,
    },
    /// `ALTER TABLE [IF EXISTS] … ALTER COLUMN … DROP DEFAULT`
    ColumnDefault {
        /// Of a foreign table.
        foreign: bool,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A `lo_unlink` for each of these large objects.
    LargeObjects(Vec<Oid>),
    /// A command, or a comment, that has no form with IF EXISTS and needs none.
    Plain(String),
    /// It goes with another object, and nothing is printed.
    Nothing,
}

impl DropCommand {
    /// The text, with a line feed at the end.
    pub(crate) fn sql(&self, kind: EntryKind, if_exists: bool) -> String {
        let exists = if if_exists { " IF EXISTS" } else { "" };
        // ALTER FOREIGN TABLE has no IF EXISTS in pg_dump's text.
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

/// An entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The object that it comes from.
    pub dump_id: Option<DumpId>,
    /// What the server calls that object.
    pub catalog_id: CatalogId,
    /// What it is.
    pub kind: EntryKind,
    /// The kind of the object that it is attached to.
    pub on: Option<EntryKind>,
    /// The name in the header.
    pub tag: String,
    /// The schema in the header.
    pub namespace: Option<String>,
    /// The owner in the header, and whom the object is given to; may be empty.
    pub owner: Option<String>,
    /// How ALTER … OWNER TO names the object, behind the keyword: quoted, qualified, with arguments.
    pub identity: Option<String>,
    /// `default_tablespace` that it needs; empty for the database's.
    pub tablespace: Option<String>,
    /// `default_table_access_method` that it needs.
    pub table_am: Option<String>,
    /// A partitioned table: its access method is set after it was created.
    pub is_partitioned: bool,
    /// Its section.
    pub section: Section,
    /// What creates it.
    pub definition: Definition,
    /// What drops it.
    pub drop: Option<DropCommand>,
    /// The COPY command that its contents follow.
    pub copy: Option<String>,
    /// Its contents.
    pub contents: Option<Contents>,
}

impl Entry {
    /// An entry with a definition, and nothing else yet.
    pub(crate) fn new(
        section: Section,
        kind: EntryKind,
        tag: impl Into<String>,
        definition: impl Into<Definition>,
    ) -> Self {
        Entry {
            dump_id: None,
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

    /// Sets the schema.
    #[must_use]
    pub(crate) fn in_namespace(mut self, namespace: Option<&str>) -> Self {
        self.namespace = namespace.map(str::to_owned);
        self
    }

    /// Sets the owner.
    #[must_use]
    pub(crate) fn owned_by(mut self, owner: &str) -> Self {
        self.owner = Some(owner.to_owned());
        self
    }

    /// Sets the kind of the object that it is attached to.
    #[must_use]
    pub(crate) fn attached_to(mut self, kind: EntryKind) -> Self {
        self.on = Some(kind);
        self
    }

    /// DROP and ALTER name the object so, behind the keyword.
    #[must_use]
    pub(crate) fn named(self, what: impl Into<String>) -> Self {
        let what = what.into();
        Entry { drop: Some(DropCommand::Object(what.clone())), identity: Some(what), ..self }
    }

    /// Sets the command that drops it.
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

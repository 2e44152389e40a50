//! One entry of a dump: what pg_dump prints under one header comment.

use crate::catalog::{CatalogId, DumpId};

/// The type in the header of the statistics of a relation's columns.
pub(super) const STATISTICS_DATA: &str = "STATISTICS DATA";
/// The same for extended statistics.
pub(super) const EXTENDED_STATISTICS_DATA: &str = "EXTENDED STATISTICS DATA";

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// With whatever comes before it.
    None,
    /// Before the rows.
    PreData,
    /// Rows and values.
    Data,
    /// After the rows.
    PostData,
}

/// Contents that are streamed when their turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// The rows of this table data object.
    Rows(DumpId),
    /// Large objects: this group of them, or all.
    LargeObjects(Option<DumpId>),
}

/// An entry. Texts are complete commands that end with a line feed.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The object that it comes from.
    pub dump_id: Option<DumpId>,
    /// What the server calls that object.
    pub catalog_id: CatalogId,
    /// The name in the header.
    pub tag: String,
    /// The type in the header.
    pub desc: &'static str,
    /// The schema in the header.
    pub namespace: Option<String>,
    /// The owner in the header, and whom the object is given to; may be empty.
    pub owner: Option<String>,
    /// `default_tablespace` that it needs; empty for the database's.
    pub tablespace: Option<String>,
    /// `default_table_access_method` that it needs.
    pub table_am: Option<String>,
    /// A partitioned table: its access method is set after it was created.
    pub is_partitioned: bool,
    /// Its section.
    pub section: Section,
    /// The commands that create it.
    pub definition: String,
    /// The command that drops it; empty for a command that must not be printed.
    pub drop: Option<String>,
    /// The COPY command that its contents follow.
    pub copy: Option<String>,
    /// Its contents.
    pub contents: Option<Contents>,
}

impl Entry {
    /// An entry with a definition, and nothing else yet.
    pub fn new(section: Section, desc: &'static str, tag: impl Into<String>, definition: String) -> Self {
        Entry {
            dump_id: None,
            catalog_id: CatalogId::default(),
            tag: tag.into(),
            desc,
            namespace: None,
            owner: None,
            tablespace: None,
            table_am: None,
            is_partitioned: false,
            section,
            definition,
            drop: None,
            copy: None,
            contents: None,
        }
    }

    /// Sets the schema.
    #[must_use]
    pub fn in_namespace(mut self, namespace: Option<&str>) -> Self {
        self.namespace = namespace.map(str::to_owned);
        self
    }

    /// Sets the owner.
    #[must_use]
    pub fn owned_by(mut self, owner: &str) -> Self {
        self.owner = Some(owner.to_owned());
        self
    }

    /// Sets the command that drops it.
    #[must_use]
    pub fn dropped_by(mut self, drop: String) -> Self {
        self.drop = Some(drop);
        self
    }

    /// Does it hold what ANALYZE found out?
    pub fn is_statistics(&self) -> bool {
        matches!(self.desc, STATISTICS_DATA | EXTENDED_STATISTICS_DATA)
    }

    /// Is it about privileges?
    pub fn is_acl(&self) -> bool {
        matches!(self.desc, "ACL" | "ACL LANGUAGE" | "DEFAULT ACL")
    }
}

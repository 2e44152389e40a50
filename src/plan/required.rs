//! Which parts of an entry the options ask for.

use crate::emit::{Definition, Entry, EntryKind, Section};
use crate::select::options::{DumpOptions, Sections};

/// Which parts of an entry are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Required {
    pub(super) schema: bool,
    /// The contents, or a definition that counts as contents.
    pub(super) data: bool,
}

/// Decides which parts of one entry in `section` are printed.
pub(super) fn required(entry: &Entry, section: Section, options: &DumpOptions) -> Required {
    let nothing = Required::default();
    if entry.kind.is_database() {
        return Required { schema: options.create, data: false };
    }
    if switched_off(entry, options) {
        return nothing;
    }
    let needed = match section {
        Section::PreData | Section::None => Sections::PRE_DATA,
        Section::Data => Sections::DATA,
        Section::PostData => Sections::POST_DATA,
    };
    if !options.sections.contains(needed) {
        return nothing;
    }
    if entry.kind.is_statistics() {
        return Required { schema: options.statistics, data: false };
    }
    if entry.on == Some(EntryKind::Database) && !options.create {
        return nothing;
    }
    let is_large_object = |kind| matches!(kind, EntryKind::LargeObject | EntryKind::LargeObjectMetadata);
    let counts_as_data = entry.kind == EntryKind::SequenceSet
        || is_large_object(entry.kind)
        || entry.on.is_some_and(is_large_object);
    let has_contents = entry.contents.is_some();
    let mut required =
        Required { schema: has_contents || !counts_as_data, data: has_contents || counts_as_data };
    if entry.definition == Definition::None || entry.kind == EntryKind::TableData {
        required.schema = false;
    }
    let sequence_value = options.sequence_data && entry.kind == EntryKind::SequenceSet;
    if options.schema_only() && !sequence_value {
        required.data = false;
    }
    if options.data_only() {
        required.schema = false;
    }
    required
}

/// Kinds that have a separate option to leave them out, and entries attached to objects of such kinds.
fn switched_off(entry: &Entry, o: &DumpOptions) -> bool {
    let is_off = |kind| match kind {
        EntryKind::Acl | EntryKind::DefaultAcl => o.no_privileges,
        EntryKind::Comment => o.no_comments,
        EntryKind::SecurityLabel => o.no_security_labels,
        EntryKind::Publication | EntryKind::PublicationTable | EntryKind::PublicationTablesInSchema => {
            o.no_publications
        }
        EntryKind::Subscription => o.no_subscriptions,
        EntryKind::Policy | EntryKind::RowSecurity => o.no_policies,
        EntryKind::AccessMethod
        | EntryKind::Aggregate
        | EntryKind::Cast
        | EntryKind::CheckConstraint
        | EntryKind::Collation
        | EntryKind::Constraint
        | EntryKind::Conversion
        | EntryKind::Database
        | EntryKind::DatabaseProperties
        | EntryKind::Default
        | EntryKind::Domain
        | EntryKind::EventTrigger
        | EntryKind::ExtendedStatistics
        | EntryKind::ExtendedStatisticsData
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
        | EntryKind::ProceduralLanguage
        | EntryKind::Procedure
        | EntryKind::RelationStatisticsData
        | EntryKind::Rule
        | EntryKind::Schema
        | EntryKind::Sequence
        | EntryKind::SequenceOwnedBy
        | EntryKind::SequenceSet
        | EntryKind::Server
        | EntryKind::ShellType
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
        | EntryKind::View => false,
    };
    is_off(entry.kind) || entry.on.is_some_and(|on| is_off(on) && !entry.kind.is_acl())
}

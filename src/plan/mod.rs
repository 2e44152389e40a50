//! The dump as an ordered list of parts: text that is already known, and contents that are streamed; and its
//! division into segments, which workers produce side by side.
//!
//! This covers the part of pg_dump that it shares with pg_restore: which entries are wanted, in which pass
//! they come, and the text around each.

// A new kind of object must not be forgotten: the compiler points to each place that must handle it.
#![deny(clippy::wildcard_enum_match_arm)]

mod cluster;
mod drops;
mod print;
mod required;
mod segments;

use std::sync::Arc;

use crate::catalog::DumpId;
use crate::emit::{Contents, Entry, EntryKind, Section};
use crate::pg::quote::Quoter;
use crate::pg::server::Server;
use crate::select::options::DumpOptions;
use print::Printer;

pub(crate) use cluster::{cluster_database, cluster_end, cluster_order, cluster_start};
use required::{Required, required};
pub(crate) use segments::{BlockRange, Division, Segment, Step, divide};

/// A part of the dump. Parts follow each other, as they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text that is already known.
    Text(String),
    /// The rows of this table data object, without the commands around them.
    Rows(DumpId),
    /// The contents of this group of large objects, or of all if `None`.
    LargeObjects(Option<DumpId>),
    /// For `-v`: a comment that says when the dump ended.
    CompletionTime,
}

/// A place in the text of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The number of the part.
    pub part: usize,
    /// The offset in that part's text, in bytes as they are written.
    pub offset: u64,
}

/// What was printed of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Printed {
    /// The number of the entry.
    pub entry: usize,
    /// Where its text begins, with the header comment, and where it ends.
    pub spans: Vec<(Position, Position)>,
    /// The number of the part with its contents.
    pub contents: Option<usize>,
    /// The commands that the session must have executed before: printed here, or earlier if nothing changed since.
    pub settings: Settings,
}

/// Commands for the owner, the tablespace and the table access method.
pub(crate) type Settings = [Option<Arc<str>>; 3];

/// A dump, laid out.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub parts: Vec<Part>,
    /// What of which entries is in the parts, in order.
    pub printed: Vec<Printed>,
    /// Where the text that prepares the session ends.
    pub opening_end: Option<Position>,
}

/// Everything that affects the text around the entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanContext<'a> {
    pub options: &'a DumpOptions,
    pub server: &'a Server,
    pub quoter: &'a Quoter,
    /// The start time for `-v` ([`timestamp`]).
    pub started: &'a str,
}

/// When an entry is printed: privileges come after all objects they apply to, and last come entries that
/// privileges or other entries could interfere with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    Main,
    Acl,
    AfterAcl,
}

fn pass(entry: &Entry) -> Pass {
    let is_late = match entry.kind {
        EntryKind::RelationStatisticsData => entry.section == Section::PostData,
        EntryKind::EventTrigger | EntryKind::MaterializedViewData => true,
        EntryKind::Comment | EntryKind::SecurityLabel => entry.on == Some(EntryKind::EventTrigger),
        EntryKind::AccessMethod
        | EntryKind::Acl
        | EntryKind::Aggregate
        | EntryKind::Cast
        | EntryKind::CheckConstraint
        | EntryKind::Collation
        | EntryKind::Constraint
        | EntryKind::Conversion
        | EntryKind::Database
        | EntryKind::DatabaseProperties
        | EntryKind::Default
        | EntryKind::DefaultAcl
        | EntryKind::Domain
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
        | EntryKind::View => false,
    };
    match (entry.kind.is_acl(), is_late) {
        (true, _) => Pass::Acl,
        (false, true) => Pass::AfterAcl,
        (false, false) => Pass::Main,
    }
}

/// Lays the entries out as a dump.
pub(crate) fn plan(entries: &[Entry], setting: PlanContext<'_>) -> Plan {
    let wanted = wanted(entries, setting.options);
    // This also holds if the options merely amount to that, as with --section=data.
    let no_definition =
        wanted.iter().all(|Wanted { entry, required, .. }| !required.schema || entry.kind.is_statistics());
    let mut printer = Printer::new(setting, setting.options.data_only() || no_definition);
    printer.start();
    printer.end_opening();
    if setting.options.clean {
        for wanted in wanted.iter().rev() {
            printer.drop(wanted.entry);
        }
    }
    for current in [Pass::Main, Pass::Acl, Pass::AfterAcl] {
        for wanted in wanted.iter().filter(|wanted| pass(wanted.entry) == current) {
            printer.entry(wanted);
        }
    }
    printer.end()
}

/// An entry that is at least partly printed.
struct Wanted<'e> {
    number: usize,
    entry: &'e Entry,
    required: Required,
}

/// The entries that are at least partly printed, with the parts that are.
fn wanted<'e>(entries: &'e [Entry], options: &DumpOptions) -> Vec<Wanted<'e>> {
    let mut section = Section::PreData;
    let mut wanted = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if entry.section != Section::None {
            section = entry.section;
        }
        let required = required(entry, section, options);
        if required.schema || required.data {
            wanted.push(Wanted { number, entry, required });
        }
    }
    wanted
}

/// The part with an entry's contents.
fn part_of(contents: Contents) -> Part {
    match contents {
        Contents::Rows(id) => Part::Rows(id),
        Contents::LargeObjects(group) => Part::LargeObjects(group),
    }
}

/// The current time, in the format of the comments of `-v`.
pub(crate) fn timestamp() -> String {
    chrono::Local::now().format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

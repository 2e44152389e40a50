//! Turns objects into entries of SQL text. This code is pure: it has no client and never waits.
//!
//! There is one file per kind of object, with the same name as its reader in [`crate::catalog`]. If the
//! server can deparse an object (`pg_get_…def`), its text is printed unchanged; SQL is only composed here if
//! the server has no such function.

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
pub(crate) mod entry;
mod event_trigger;
mod extension;
mod foreign;
mod globals;
mod index;
mod inherit;
mod language;
mod large_object;
mod membership;
mod namespace;
mod operator;
mod parameter_acl;
mod policy;
mod publication;
mod relation;
mod relation_statistics;
mod role;
mod routine;
mod rule;
mod sequence;
mod settings;
mod statistics;
mod subscription;
mod table_data;
mod tablespace;
mod text_search;
mod trigger;
mod typ;

use std::panic::resume_unwind;
use std::thread;

use comment::Annotated;

use crate::catalog::{Catalog, Components, DumpId, Object, ObjectKind};
use crate::error::Result;
use crate::pg::quote::Quoter;
use crate::progress::Warnings;
use crate::select::options::DumpOptions;

pub(crate) use entry::{Contents, Definition, DropCommand, Entry, EntryKind, Section};
pub(crate) use globals::emit_globals;
pub(crate) use table_data::{copied_attributes, copy_columns, load_target};

/// The settings that affect printing, and the entries so far.
pub(crate) struct Emitter<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) options: &'a DumpOptions,
    pub(crate) q: &'a Quoter,
    /// The major version of pg_dump whose output we reproduce.
    pub(crate) dialect: u32,
    pub(crate) warnings: &'a Warnings,
    entries: Vec<Entry>,
}

/// Prints the objects in the given order.
pub(crate) fn emit(
    catalog: &Catalog,
    order: &[DumpId],
    options: &DumpOptions,
    quoter: &Quoter,
    dialect: u32,
    warnings: &Warnings,
) -> Result<Vec<Entry>> {
    let emitter = || Emitter { catalog, options, q: quoter, dialect, warnings, entries: Vec::new() };
    let mut first = emitter();
    if options.create {
        first.database()?;
    }
    let threads =
        thread::available_parallelism().map_or(1, usize::from).min(order.len() / WORTH_A_THREAD + 1);
    let share = order.len().div_ceil(threads).max(1);
    let parts = thread::scope(|scope| {
        let start = |part: &'_ [DumpId]| {
            let part = part.to_vec();
            scope.spawn(move || emitter().objects(&part))
        };
        let others: Vec<_> = order.chunks(share).skip(1).map(start).collect();
        let mut parts = vec![first.objects(&order[..share.min(order.len())])];
        parts.extend(others.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))));
        parts
    });
    Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Below this number of objects, printing is faster than starting a thread.
const WORTH_A_THREAD: usize = 10_000;

impl<'a> Emitter<'a> {
    /// Adds the entries of these objects, and returns all entries.
    fn objects(mut self, ids: &[DumpId]) -> Result<Vec<Entry>> {
        for &id in ids {
            if !self.catalog.object(id).dumped().is_empty() {
                let first = self.entries.len();
                self.object(id)?;
                self.entries[first..].iter_mut().for_each(|entry| entry.object = Some(id));
            }
        }
        Ok(self.entries)
    }

    fn object(&mut self, id: DumpId) -> Result<()> {
        let catalog = self.catalog;
        let kind = &catalog.object(id).kind;
        match kind {
            ObjectKind::TableData(it) => self.table_data(id, it),
            ObjectKind::SequenceSet(it) => self.sequence_set(id, *it),
            ObjectKind::LargeObjects(it) => return self.large_objects(id, it),
            ObjectKind::LargeObjectData(it) => self.large_object_data(id, *it),
            ObjectKind::RefreshMatView(it) => self.refresh(id, *it),
            ObjectKind::RelationStatistics(it) => self.relation_statistics(id, it),
            ObjectKind::ExtendedStatistics(it) => self.extended_statistics(id, it),
            // If no definitions are printed, nothing else is.
            _ if !self.options.schema => {}
            ObjectKind::Namespace(it) => return self.namespace(id, it),
            ObjectKind::Extension(it) => self.extension(id, it),
            ObjectKind::Type(it) => return self.typ(id, it),
            ObjectKind::ShellType(it) => self.shell_type(id, *it),
            ObjectKind::Routine(it) => return self.routine(id, it),
            ObjectKind::Aggregate(it) => return self.aggregate(id, it),
            ObjectKind::Operator(it) => self.operator(id, it),
            ObjectKind::AccessMethod(it) => self.access_method(id, it),
            ObjectKind::Opclass(it) => self.opclass(id, it),
            ObjectKind::Opfamily(it) => self.opfamily(id, it),
            ObjectKind::Collation(it) => self.collation(id, it),
            ObjectKind::Conversion(it) => self.conversion(id, it),
            ObjectKind::Relation(it) => return self.relation(id, it),
            ObjectKind::TableAttach(it) => self.table_attach(id, it),
            ObjectKind::AttrDef(it) => self.attr_def(id, it),
            ObjectKind::Index(it) => self.index(id, it),
            ObjectKind::IndexAttach(it) => self.index_attach(id, it),
            ObjectKind::Rule(it) => self.rule(id, it),
            ObjectKind::Trigger(it) => self.trigger(id, it),
            ObjectKind::EventTrigger(it) => self.event_trigger(id, it),
            ObjectKind::Constraint(it) | ObjectKind::ForeignKey(it) => self.constraint(id, it),
            ObjectKind::Language(it) => return self.language(id, it),
            ObjectKind::Cast(it) => self.cast(id, it),
            ObjectKind::Transform(it) => self.transform(id, it),
            ObjectKind::TsParser(it) => self.ts_parser(id, it),
            ObjectKind::TsDict(it) => self.ts_dict(id, it),
            ObjectKind::TsTemplate(it) => self.ts_template(id, it),
            ObjectKind::TsConfig(it) => self.ts_config(id, it),
            ObjectKind::ForeignDataWrapper(it) => return self.foreign_data_wrapper(id, it),
            ObjectKind::ForeignServer(it) => return self.foreign_server(id, it),
            ObjectKind::DefaultAcl(it) => return self.default_acl(id, it),
            ObjectKind::Policy(it) => self.policy(id, it),
            ObjectKind::Publication(it) => self.publication(id, it),
            ObjectKind::PublicationRel(it) => self.publication_rel(id, it),
            ObjectKind::PublicationNamespace(it) => self.publication_namespace(id, it),
            ObjectKind::Subscription(it) => self.subscription(id, it),
            ObjectKind::DummyType(_) | ObjectKind::PreDataBoundary | ObjectKind::PostDataBoundary => {}
        }
        Ok(())
    }

    fn get(&self, id: DumpId) -> &'a Object {
        self.catalog.object(id)
    }

    fn dumps(&self, id: DumpId, component: Components) -> bool {
        self.get(id).dumped().contains(component)
    }

    /// The object's name, quoted and qualified.
    pub(crate) fn qualified(&self, id: DumpId) -> String {
        self.q.qualified(self.catalog.namespace_name(id), &self.get(id).name)
    }

    /// The object's name, quoted.
    fn name(&self, id: DumpId) -> String {
        self.q.id(&self.get(id).name).into_owned()
    }

    fn schema(&self, id: DumpId) -> Option<&'a str> {
        self.catalog.namespace_name(id)
    }

    /// The server's name of a type.
    fn type_name(&self, oid: crate::catalog::Oid) -> &'a str {
        self.catalog.type_names.get(&oid).map_or("", String::as_str)
    }

    /// ` COLLATE name`, if the collation must be named.
    fn collate(&self, oid: crate::catalog::Oid) -> String {
        match self.catalog.find(crate::catalog::class::PG_COLLATION, oid) {
            Some(id) if oid != 0 => format!(" COLLATE {}", self.qualified(id)),
            _ => String::new(),
        }
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Adds the definition and comment of an object in a schema that is dropped by its name.
    pub(super) fn push_simple(&mut self, id: DumpId, kind: EntryKind, owner: Option<&str>, create: String) {
        let schema = self.schema(id);
        let mut entry = Entry::new(Section::PreData, kind, &*self.get(id).name, create)
            .in_namespace(schema)
            .named(self.qualified(id));
        entry.owner = owner.map(str::to_owned);
        self.push_definition(id, entry);
        let name = self.name(id);
        self.comment(Annotated {
            id,
            kind,
            keyword: kind.header(),
            name: &name,
            namespace: schema,
            owner: owner.unwrap_or_default(),
        });
    }

    /// Adds the entry of an object's definition, if it is to be dumped.
    fn push_definition(&mut self, id: DumpId, mut entry: Entry) {
        if self.dumps(id, Components::DEFINITION) {
            entry.dump_id = Some(id);
            entry.catalog_id = self.get(id).catalog_id;
            self.entries.push(entry);
        }
    }
}

#[cfg(test)]
mod tests;

//! Turns objects into entries of SQL text. Pure: no client, no waiting.
//!
//! One file per kind of object, beside its reader in [`crate::catalog`]. Where the server
//! deparses (`pg_get_…def`), its text is printed as it is; grammar is written here only where
//! the server offers none.

mod acl;
mod annotate;
mod collation;
mod constraint;
mod database;
mod default_acl;
pub mod entry;
mod extension;
mod foreign;
mod globals;
mod index;
mod language;
mod large_object;
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

use crate::catalog::{Catalog, Components, DumpId, Kind, Object};
use crate::error::Result;
use crate::options::DumpOptions;
use crate::quote::Quoter;

pub use entry::{Contents, Entry, Section};
pub use globals::emit_globals;
pub use table_data::{copy_columns, load_target};

/// What printing needs to know, and the entries so far.
pub(crate) struct Emitter<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) options: &'a DumpOptions,
    pub(crate) q: &'a Quoter,
    /// The major version of pg_dump whose text is written.
    pub(crate) dialect: u32,
    entries: Vec<Entry>,
}

/// Prints the objects in this order.
pub fn emit(
    catalog: &Catalog,
    order: &[DumpId],
    options: &DumpOptions,
    quoter: &Quoter,
    dialect: u32,
) -> Result<Vec<Entry>> {
    let emitter = || Emitter { catalog, options, q: quoter, dialect, entries: Vec::new() };
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

/// Fewer objects than this are printed sooner than a thread is started.
const WORTH_A_THREAD: usize = 10_000;

impl<'a> Emitter<'a> {
    /// The entries so far, and those of these objects.
    fn objects(mut self, ids: &[DumpId]) -> Result<Vec<Entry>> {
        for &id in ids {
            if !self.catalog.object(id).dumped().is_empty() {
                self.object(id)?;
            }
        }
        Ok(self.entries)
    }

    fn object(&mut self, id: DumpId) -> Result<()> {
        let catalog = self.catalog;
        let kind = &catalog.object(id).kind;
        match kind {
            Kind::TableData(it) => self.table_data(id, it),
            Kind::SequenceSet(it) => self.sequence_set(id, *it),
            Kind::LargeObjects(it) => return self.large_objects(id, it),
            Kind::LargeObjectData(it) => self.large_object_data(id, *it),
            Kind::RefreshMatView(it) => self.refresh(id, *it),
            Kind::RelationStatistics(it) => self.relation_statistics(id, it),
            Kind::ExtendedStatistics(it) => self.extended_statistics(id, it),
            // Without definitions that was all.
            _ if !self.options.schema => {}
            Kind::Namespace(it) => return self.namespace(id, it),
            Kind::Extension(it) => self.extension(id, it),
            Kind::Type(it) => return self.typ(id, it),
            Kind::ShellType(it) => self.shell_type(id, *it),
            Kind::Routine(it) => return self.routine(id, it),
            Kind::Aggregate(it) => return self.aggregate(id, it),
            Kind::Operator(it) => self.operator(id, it),
            Kind::AccessMethod(it) => self.access_method(id, it),
            Kind::Opclass(it) => self.opclass(id, it),
            Kind::Opfamily(it) => self.opfamily(id, it),
            Kind::Collation(it) => self.collation(id, it),
            Kind::Conversion(it) => self.conversion(id, it),
            Kind::Relation(it) => return self.relation(id, it),
            Kind::TableAttach(it) => self.table_attach(id, it),
            Kind::AttrDef(it) => self.attr_def(id, it),
            Kind::Index(it) => self.index(id, it),
            Kind::IndexAttach(it) => self.index_attach(id, it),
            Kind::Rule(it) => self.rule(id, it),
            Kind::Trigger(it) => self.trigger(id, it),
            Kind::EventTrigger(it) => self.event_trigger(id, it),
            Kind::Constraint(it) | Kind::ForeignKey(it) => self.constraint(id, it),
            Kind::Language(it) => return self.language(id, it),
            Kind::Cast(it) => self.cast(id, it),
            Kind::Transform(it) => self.transform(id, it),
            Kind::TsParser(it) => self.ts_parser(id, it),
            Kind::TsDict(it) => self.ts_dict(id, it),
            Kind::TsTemplate(it) => self.ts_template(id, it),
            Kind::TsConfig(it) => self.ts_config(id, it),
            Kind::ForeignDataWrapper(it) => return self.foreign_data_wrapper(id, it),
            Kind::ForeignServer(it) => return self.foreign_server(id, it),
            Kind::DefaultAcl(it) => return self.default_acl(id, it),
            Kind::Policy(it) => self.policy(id, it),
            Kind::Publication(it) => self.publication(id, it),
            Kind::PublicationRel(it) => self.publication_rel(id, it),
            Kind::PublicationNamespace(it) => self.publication_namespace(id, it),
            Kind::Subscription(it) => self.subscription(id, it),
            Kind::DummyType(_) | Kind::PreDataBoundary | Kind::PostDataBoundary => {}
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

    /// How the server spells a type.
    fn type_name(&self, oid: crate::catalog::Oid) -> &'a str {
        self.catalog.type_names.get(&oid).map_or("", String::as_str)
    }

    /// ` COLLATE name`, if the collation is one that must be named.
    fn collate(&self, oid: crate::catalog::Oid) -> String {
        match self.catalog.find(crate::catalog::class::PG_COLLATION, oid) {
            Some(id) if oid != 0 => format!(" COLLATE {}", self.qualified(id)),
            _ => String::new(),
        }
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Adds the entry of an object's definition, if that is to be dumped.
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

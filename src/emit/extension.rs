//! Extensions: only the extension is created, which creates its members.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, Extension};

impl Emitter<'_> {
    pub(super) fn extension(&mut self, id: DumpId, it: &Extension) {
        let name = self.name(id);
        let create =
            format!("CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA {};\n", self.q.id(&it.schema));
        let entry =
            Entry::new(Section::PreData, EntryKind::Extension, &*self.get(id).name, create).named(&*name);
        self.push_definition(id, entry);
        self.annotate(Annotated {
            id,
            kind: EntryKind::Extension,
            keyword: "EXTENSION",
            name: &name,
            namespace: None,
            owner: "",
        });
    }

    /// The commands for dependencies that `ALTER … DEPENDS ON EXTENSION` recorded for an object; `what` is
    /// its keyword and name.
    pub(super) fn depends_on_extensions(&self, what: &str, extensions: &[String]) -> String {
        // From 17 on there is an empty line before each command; until 16 there was one after it.
        let (before, after) = if self.dialect >= 17 { ("\n", "") } else { ("", "\n") };
        let clause =
            |e: &String| format!("{before}ALTER {what} DEPENDS ON EXTENSION {};{after}", self.q.id(e));
        extensions.iter().map(clause).collect()
    }
}

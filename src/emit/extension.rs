//! Extensions: created by name; their members come with them.

use super::annotate::Target;
use super::{Emitter, Entry, Section};
use crate::catalog::{DumpId, Extension};

impl Emitter<'_> {
    pub(super) fn extension(&mut self, id: DumpId, it: &Extension) {
        let name = self.name(id);
        let create =
            format!("CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA {};\n", self.q.id(&it.schema));
        let entry = Entry::new(Section::PreData, "EXTENSION", &*self.get(id).name, create)
            .dropped_by(format!("DROP EXTENSION {name};\n"));
        self.push_definition(id, entry);
        self.annotate(Target { id, keyword: "EXTENSION", name: &name, namespace: None, owner: "" });
    }
}

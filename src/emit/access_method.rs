//! Access methods.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{AccessMethod, DumpId};

impl Emitter<'_> {
    pub(super) fn access_method(&mut self, id: DumpId, it: &AccessMethod) {
        let name = self.name(id);
        let kind = match it.amtype {
            'i' => "INDEX",
            't' => "TABLE",
            other => {
                self.warnings.warn(format_args!("invalid type \"{other}\" of access method {name}"));
                return;
            }
        };
        let create = format!("CREATE ACCESS METHOD {name} TYPE {kind} HANDLER {};\n", it.handler);
        let entry =
            Entry::new(Section::PreData, EntryKind::AccessMethod, &*self.get(id).name, create).named(&*name);
        self.push_definition(id, entry);
        self.comment(Annotated {
            id,
            kind: EntryKind::AccessMethod,
            keyword: "ACCESS METHOD",
            name: &name,
            namespace: None,
            owner: "",
        });
    }
}

//! Event triggers.

use super::comment::Annotated;
use super::trigger::enabled_clause;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, EventTrigger};

impl Emitter<'_> {
    pub(super) fn event_trigger(&mut self, id: DumpId, it: &EventTrigger) {
        let name = self.name(id);
        let mut create = format!("CREATE EVENT TRIGGER {name} ON {}", self.q.id(&it.evtevent));
        if !it.tags.is_empty() {
            create.push_str(&format!("\n         WHEN TAG IN ({})", it.tags));
        }
        create.push_str(&format!("\n   EXECUTE FUNCTION {}();\n", it.function));
        if it.evtenabled != 'O' {
            create.push_str(&format!("\nALTER EVENT TRIGGER {name} {};\n", enabled_clause(it.evtenabled)));
        }
        let entry = Entry::new(Section::PostData, EntryKind::EventTrigger, &*self.get(id).name, create)
            .owned_by(&it.owner)
            .named(&*name);
        self.push_definition(id, entry);
        self.annotate(Annotated {
            id,
            kind: EntryKind::EventTrigger,
            keyword: "EVENT TRIGGER",
            name: &name,
            namespace: None,
            owner: &it.owner,
        });
    }
}

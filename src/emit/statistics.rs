//! Extended statistics.

use super::annotate::Target;
use super::{Emitter, Entry, Section};
use crate::catalog::{DumpId, ExtendedStatistics};

impl Emitter<'_> {
    pub(super) fn extended_statistics(&mut self, id: DumpId, it: &ExtendedStatistics) {
        let (name, qualified, schema) = (self.name(id), self.qualified(id), self.schema(id));
        let mut create = format!("{};\n", it.definition);
        if let Some(target) = it.target {
            create.push_str(&format!("ALTER STATISTICS {qualified} SET STATISTICS {target};\n"));
        }
        let entry = Entry::new(Section::PostData, "STATISTICS", &*self.get(id).name, create)
            .in_namespace(schema)
            .owned_by(&it.owner)
            .dropped_by(format!("DROP STATISTICS {qualified};\n"));
        self.push_definition(id, entry);
        self.comment(Target { id, keyword: "STATISTICS", name: &name, namespace: schema, owner: &it.owner });
    }
}

//! Publications, their tables and schemas.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, Publication, PublicationNamespace, PublicationRel};

impl Emitter<'_> {
    pub(super) fn publication(&mut self, id: DumpId, it: &Publication) {
        let name = self.name(id);
        let mut all = Vec::new();
        if it.puballtables {
            let except: Vec<_> = it
                .except_tables
                .iter()
                .map(|&table| format!("TABLE ONLY {}", self.qualified(table)))
                .collect();
            let except =
                if except.is_empty() { String::new() } else { format!(" EXCEPT ({})", except.join(", ")) };
            all.push(format!("ALL TABLES{except}"));
        }
        if it.puballsequences {
            all.push("ALL SEQUENCES".to_owned());
        }
        let all = if all.is_empty() { String::new() } else { format!(" FOR {}", all.join(", ")) };
        let mut with = format!("publish = '{}'", it.publish.join(", "));
        if it.pubviaroot {
            with.push_str(", publish_via_partition_root = true");
        }
        if it.pubgencols == 's' {
            with.push_str(", publish_generated_columns = stored");
        }
        let create = format!("CREATE PUBLICATION {name}{all} WITH ({with});\n");
        let entry = Entry::new(Section::PostData, EntryKind::Publication, &*self.get(id).name, create)
            .owned_by(&it.owner)
            .named(&*name);
        self.push_definition(id, entry);
        self.annotate(Annotated {
            id,
            kind: EntryKind::Publication,
            keyword: "PUBLICATION",
            name: &name,
            namespace: None,
            owner: &it.owner,
        });
    }

    pub(super) fn publication_rel(&mut self, id: DumpId, it: &PublicationRel) {
        let mut add = format!("ADD TABLE ONLY {}", self.qualified(it.table));
        if let Some(columns) = &it.columns {
            add.push_str(&format!(" ({})", self.q.ids(columns.iter().map(String::as_str))));
        }
        if let Some(filter) = &it.filter {
            add.push_str(&format!(" WHERE ({filter})"));
        }
        self.push_member(
            id,
            it.publication,
            it.table,
            EntryKind::PublicationTable,
            self.schema(it.table),
            &add,
        );
    }

    pub(super) fn publication_namespace(&mut self, id: DumpId, it: &PublicationNamespace) {
        let add = format!("ADD TABLES IN SCHEMA {}", self.name(it.schema));
        let schema = Some(self.get(it.schema).name.as_str());
        self.push_member(id, it.publication, it.schema, EntryKind::PublicationTablesInSchema, schema, &add);
    }

    fn push_member(
        &mut self,
        id: DumpId,
        publication: DumpId,
        member: DumpId,
        kind: EntryKind,
        schema: Option<&str>,
        add: &str,
    ) {
        let Some(owner) = self.catalog.publication(publication).map(|p| p.owner.as_str()) else { return };
        let tag = format!("{} {}", self.get(publication).name, self.get(member).name);
        let sql = format!("ALTER PUBLICATION {} {add};\n", self.name(publication));
        let entry = Entry::new(Section::PostData, kind, tag, sql).in_namespace(schema).owned_by(owner);
        self.push_definition(id, entry);
    }
}

//! Row security.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, Policy};

impl Emitter<'_> {
    pub(super) fn policy(&mut self, id: DumpId, it: &Policy) {
        let Some(table) = self.catalog.relation(it.table) else { return };
        let (qualified, schema) = (self.qualified(it.table), self.schema(it.table));
        let Some(rule) = &it.rule else {
            let sql = format!("ALTER TABLE {qualified} ENABLE ROW LEVEL SECURITY;\n");
            // Printed without the final line feed, as in pg_dump.
            let sql = sql.trim_end().to_owned();
            let entry = Entry::new(Section::PostData, EntryKind::RowSecurity, &*self.get(id).name, sql)
                .in_namespace(schema)
                .owned_by(&table.owner);
            return self.push_definition(id, entry);
        };
        let name = self.name(id);
        let command = match rule.polcmd {
            'r' => " FOR SELECT",
            'a' => " FOR INSERT",
            'w' => " FOR UPDATE",
            'd' => " FOR DELETE",
            _ => "",
        };
        let restrictive = if rule.polpermissive { "" } else { " AS RESTRICTIVE" };
        let mut create = format!("CREATE POLICY {name} ON {qualified}{restrictive}{command}");
        if let Some(roles) = &rule.roles {
            create.push_str(&format!(" TO {roles}"));
        }
        if let Some(using) = &rule.using {
            create.push_str(&format!(" USING ({using})"));
        }
        if let Some(check) = &rule.check {
            create.push_str(&format!(" WITH CHECK ({check})"));
        }
        create.push_str(";\n");
        let tag = format!("{} {}", self.get(it.table).name, self.get(id).name);
        let entry = Entry::new(Section::PostData, EntryKind::Policy, tag, create)
            .in_namespace(schema)
            .owned_by(&table.owner)
            .named(format!("{name} ON {qualified}"));
        self.push_definition(id, entry);
        let keyword = format!("POLICY {name} ON");
        let table_name = self.name(it.table);
        let owner = &table.owner;
        self.comment(Annotated {
            id,
            kind: EntryKind::Policy,
            keyword: &keyword,
            name: &table_name,
            namespace: schema,
            owner,
        });
    }
}

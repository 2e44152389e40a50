//! Foreign-data wrappers, servers, user mappings.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{Components, DumpId, ForeignDataWrapper, ForeignServer};
use crate::error::Result;

/// ` OPTIONS (…)`, or nothing.
pub(super) fn options_clause(options: &str) -> String {
    if options.is_empty() { String::new() } else { format!(" OPTIONS (\n    {options}\n)") }
}

impl Emitter<'_> {
    pub(super) fn foreign_data_wrapper(&mut self, id: DumpId, it: &ForeignDataWrapper) -> Result<()> {
        let name = self.name(id);
        let mut create = format!("CREATE FOREIGN DATA WRAPPER {name}");
        for (clause, function) in
            [("HANDLER", &it.fdwhandler), ("VALIDATOR", &it.fdwvalidator), ("CONNECTION", &it.fdwconnection)]
        {
            if function != "-" {
                create.push_str(&format!(" {clause} {function}"));
            }
        }
        create.push_str(&options_clause(&it.options));
        create.push_str(";\n");
        let entry = Entry::new(Section::PreData, EntryKind::ForeignDataWrapper, &*self.get(id).name, create)
            .owned_by(&it.owner)
            .named(&*name);
        self.push_definition(id, entry);
        let target = Annotated {
            id,
            kind: EntryKind::ForeignDataWrapper,
            keyword: "FOREIGN DATA WRAPPER",
            name: &name,
            namespace: None,
            owner: &it.owner,
        };
        self.comment(target);
        self.privileges(target, &it.acl)
    }

    pub(super) fn foreign_server(&mut self, id: DumpId, it: &ForeignServer) -> Result<()> {
        let name = self.name(id);
        let mut create = format!("CREATE SERVER {name}");
        for (clause, value) in [("TYPE", &it.srvtype), ("VERSION", &it.srvversion)] {
            if let Some(value) = value {
                create.push_str(&format!(" {clause} {}", self.q.literal(value)));
            }
        }
        create.push_str(&format!(" FOREIGN DATA WRAPPER {}", self.q.id(&it.fdwname)));
        create.push_str(&options_clause(&it.options));
        create.push_str(";\n");
        let entry = Entry::new(Section::PreData, EntryKind::Server, &*self.get(id).name, create)
            .owned_by(&it.owner)
            .named(&*name);
        self.push_definition(id, entry);
        let target = Annotated {
            id,
            kind: EntryKind::Server,
            keyword: "SERVER",
            name: &name,
            namespace: None,
            owner: &it.owner,
        };
        self.comment(target);
        self.privileges(Annotated { keyword: "FOREIGN SERVER", ..target }, &it.acl)?;
        if self.dumps(id, Components::USER_MAPPING) {
            self.user_mappings(id, it);
        }
        Ok(())
    }

    fn user_mappings(&mut self, id: DumpId, it: &ForeignServer) {
        let server = self.name(id);
        for mapping in &it.user_mappings {
            let what = format!("FOR {} SERVER {server}", self.q.id(&mapping.user));
            let create = format!("CREATE USER MAPPING {what}{};\n", options_clause(&mapping.options));
            let tag = format!("USER MAPPING {} SERVER {}", mapping.user, self.get(id).name);
            let entry = Entry::new(Section::PreData, EntryKind::UserMapping, tag, create)
                .owned_by(&it.owner)
                .named(what);
            self.push(entry);
        }
    }
}

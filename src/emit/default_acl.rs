//! ALTER DEFAULT PRIVILEGES.

use super::acl::{AclTarget, commands};
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{Components, DefaultAcl, DumpId};
use crate::error::{Error, ErrorKind, Result};

impl Emitter<'_> {
    pub(super) fn default_acl(&mut self, id: DumpId, it: &DefaultAcl) -> Result<()> {
        if self.options.no_privileges || !self.dumps(id, Components::ACL) {
            return Ok(());
        }
        let objects = match it.defaclobjtype {
            'r' => "TABLES",
            'S' => "SEQUENCES",
            'f' => "FUNCTIONS",
            'T' => "TYPES",
            'n' => "SCHEMAS",
            'L' => "LARGE OBJECTS",
            other => {
                return Err(Error::new(ErrorKind::SourceFailed, "read pg_default_acl")
                    .because(format!("object type {other:?} is unknown to this version of pgsiphon")));
            }
        };
        let schema = self.schema(id);
        let mut prefix = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {} ", self.q.id(&it.role));
        if let Some(schema) = schema {
            prefix.push_str(&format!("IN SCHEMA {} ", self.q.id(schema)));
        }
        let target = AclTarget {
            keyword: objects,
            name: "",
            column: None,
            namespace: None,
            owner: &it.role,
            prefix: &prefix,
        };
        let now = it.acl.acl.as_deref().unwrap_or_default();
        let sql = commands(self.q, &target, now, &it.acl.default, self.dialect)?;
        let mut entry = Entry::new(
            Section::PostData,
            EntryKind::DefaultAcl,
            format!("DEFAULT PRIVILEGES FOR {objects}"),
            sql,
        )
        .in_namespace(schema)
        .owned_by(&it.role);
        entry.dump_id = Some(id);
        entry.catalog_id = self.get(id).catalog_id;
        self.push(entry);
        Ok(())
    }
}

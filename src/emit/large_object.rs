//! Large objects: one entry each until version 16, groups from 17 on.

use super::comment::Annotated;
use super::{Contents, Definition, DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{CatalogId, Components, DumpId, LargeObjects, class};
use crate::error::Result;

impl Emitter<'_> {
    pub(super) fn large_objects(&mut self, id: DumpId, it: &LargeObjects) -> Result<()> {
        let name = &*self.get(id).name;
        let entry = if self.dialect >= 17 {
            let create = Definition::LargeObjects(it.oids.clone());
            Entry::new(Section::Data, EntryKind::LargeObjectMetadata, name, create)
        } else {
            let create = format!("SELECT pg_catalog.lo_create('{name}');\n");
            Entry::new(Section::PreData, EntryKind::LargeObject, name, create)
        };
        let mut entry = entry.owned_by(&it.owner).dropped_by(DropCommand::LargeObjects(it.oids.clone()));
        entry.identity = Some(name.to_owned());
        self.push_definition(id, entry);
        let of_data = self.options.data || self.options.large_objects == Some(true);
        if self.dumps(id, Components::COMMENT) && of_data {
            for &oid in &it.oids {
                let name = oid.to_string();
                let target = Annotated {
                    id,
                    kind: EntryKind::LargeObject,
                    keyword: "LARGE OBJECT",
                    name: &name,
                    namespace: None,
                    owner: &it.owner,
                };
                self.comment_of(CatalogId { classoid: class::PG_LARGEOBJECT, oid }, target);
            }
        }
        let name = match it.oids[..] {
            [oid] => oid.to_string(),
            _ => self.get(id).name.clone(),
        };
        let target = Annotated {
            id,
            kind: EntryKind::LargeObject,
            keyword: "LARGE OBJECT",
            name: &name,
            namespace: None,
            owner: &it.owner,
        };
        if self.dumps(id, Components::SECURITY_LABEL) && of_data {
            self.security_label(target);
        }
        if it.oids.len() > 1 { self.group_privileges(target, it) } else { self.privileges(target, &it.acl) }
    }

    /// Adds the privileges of a group: each command for all of its members, followed by an empty line.
    fn group_privileges(&mut self, group: Annotated<'_>, it: &LargeObjects) -> Result<()> {
        if self.options.no_privileges || !self.dumps(group.id, Components::ACL) {
            return Ok(());
        }
        let mut members = Vec::new();
        for oid in &it.oids {
            let name = oid.to_string();
            let sql = self.privilege_commands(Annotated { name: &name, ..group }, None, &it.acl)?;
            members.push(sql.lines().map(str::to_owned).collect::<Vec<_>>());
        }
        let Some(first) = members.first().filter(|commands| !commands.is_empty()) else { return Ok(()) };
        let mut blocks = Vec::new();
        for (number, command) in first.iter().enumerate() {
            // The grantor is set once. pg_dump repeats the command with an OID after the role's name, which
            // no server accepts.
            let is_once = command.starts_with("SET ") || command.starts_with("RESET ");
            let taken = if is_once { 1 } else { members.len() };
            let commands = members.iter().take(taken).filter_map(|commands| commands.get(number));
            blocks.push(commands.map(|command| format!("{command}\n")).collect::<String>());
        }
        let tag = format!("LARGE OBJECTS {}", group.name);
        let entry = Entry::new(Section::None, EntryKind::Acl, tag, blocks.join("\n"))
            .attached_to(EntryKind::LargeObjectMetadata)
            .owned_by(group.owner);
        self.push(entry);
        Ok(())
    }

    pub(super) fn large_object_data(&mut self, id: DumpId, group: Option<DumpId>) {
        if !self.dumps(id, Components::DATA) {
            return;
        }
        let mut entry =
            Entry::new(Section::Data, EntryKind::LargeObjectData, &*self.get(id).name, Definition::None);
        entry.owner = group.and_then(|g| self.catalog.large_objects(g)).map(|lo| lo.owner.clone());
        entry.contents = Some(Contents::LargeObjects(group));
        entry.dump_id = Some(id);
        self.push(entry);
    }
}

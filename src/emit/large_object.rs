//! Large objects: one entry each until version 16, groups from 17 on.

use super::annotate::Target;
use super::{Contents, Emitter, Entry, Section};
use crate::catalog::{CatalogId, Components, DumpId, LargeObjects, class};
use crate::error::Result;

impl Emitter<'_> {
    pub(super) fn large_objects(&mut self, id: DumpId, it: &LargeObjects) -> Result<()> {
        let (desc, create, drop) = if self.dialect >= 17 {
            // The commands are printed one by one (script.rs); here they are only the OIDs.
            let oids: String = it.oids.iter().map(|oid| format!("{oid}\n")).collect();
            ("BLOB METADATA", oids, "SELECT pg_catalog.lo_unlink(".to_owned())
        } else {
            let oid = &self.get(id).name;
            (
                "BLOB",
                format!("SELECT pg_catalog.lo_create('{oid}');\n"),
                format!("SELECT pg_catalog.lo_unlink('{oid}');\n"),
            )
        };
        let section = if self.dialect >= 17 { Section::Data } else { Section::PreData };
        let entry =
            Entry::new(section, desc, &*self.get(id).name, create).owned_by(&it.owner).dropped_by(drop);
        self.push_definition(id, entry);
        let of_data = self.options.data || self.options.large_objects == Some(true);
        if self.dumps(id, Components::COMMENT) && of_data {
            for &oid in &it.oids {
                let name = oid.to_string();
                let target =
                    Target { id, keyword: "LARGE OBJECT", name: &name, namespace: None, owner: &it.owner };
                self.comment_of(CatalogId { classoid: class::PG_LARGEOBJECT, oid }, target);
            }
        }
        let name = match it.oids[..] {
            [oid] => oid.to_string(),
            _ => self.get(id).name.clone(),
        };
        let target = Target { id, keyword: "LARGE OBJECT", name: &name, namespace: None, owner: &it.owner };
        if self.dumps(id, Components::SECURITY_LABEL) && of_data {
            self.security_label(target);
        }
        self.privileges(target, &it.acl)
    }

    pub(super) fn large_object_data(&mut self, id: DumpId, group: Option<DumpId>) {
        if !self.dumps(id, Components::DATA) {
            return;
        }
        let mut entry = Entry::new(Section::Data, "BLOBS", &*self.get(id).name, String::new());
        entry.owner = group.and_then(|g| self.catalog.large_objects(g)).map(|lo| lo.owner.clone());
        entry.contents = Some(Contents::LargeObjects(group));
        entry.dump_id = Some(id);
        self.push(entry);
    }
}

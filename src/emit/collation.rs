//! Collations and conversions.

use super::annotate::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{Collation, Conversion, DumpId};

impl Emitter<'_> {
    pub(super) fn collation(&mut self, id: DumpId, it: &Collation) {
        let provider = match it.collprovider {
            'i' => "icu",
            'b' => "builtin",
            'd' => "default",
            _ => "libc",
        };
        let mut parameters = vec![format!("provider = {provider}")];
        if !it.collisdeterministic {
            parameters.push("deterministic = false".to_owned());
        }
        let literal = |value: &Option<String>| self.q.literal(value.as_deref().unwrap_or_default());
        match it.collprovider {
            // Only pg_catalog has one, and a pattern may ask for pg_catalog.
            'd' if self.dialect < 15 => parameters.push("locale = ''".to_owned()),
            'd' => {}
            'i' | 'b' => {
                parameters.push(format!("locale = {}", literal(&it.colllocale)));
                if let Some(rules) = &it.collicurules {
                    parameters.push(format!("rules = {}", self.q.literal(rules)));
                }
            }
            _ if it.collcollate.is_some() && it.collcollate == it.collctype => {
                parameters.push(format!("locale = {}", literal(&it.collcollate)));
            }
            _ => {
                parameters.push(format!("lc_collate = {}", literal(&it.collcollate)));
                parameters.push(format!("lc_ctype = {}", literal(&it.collctype)));
            }
        }
        let create = format!("CREATE COLLATION {} ({});\n", self.qualified(id), parameters.join(", "));
        self.push_simple(id, EntryKind::Collation, Some(&it.owner), create);
    }

    pub(super) fn conversion(&mut self, id: DumpId, it: &Conversion) {
        let default = if it.condefault { "DEFAULT " } else { "" };
        let create = format!(
            "CREATE {default}CONVERSION {} FOR {} TO {} FROM {};\n",
            self.qualified(id),
            self.q.literal(&it.for_encoding),
            self.q.literal(&it.to_encoding),
            it.conproc
        );
        self.push_simple(id, EntryKind::Conversion, Some(&it.owner), create);
    }

    /// Adds the definition and comment of an object in a schema that is dropped by name.
    pub(super) fn push_simple(&mut self, id: DumpId, kind: EntryKind, owner: Option<&str>, create: String) {
        let schema = self.schema(id);
        let mut entry = Entry::new(Section::PreData, kind, &*self.get(id).name, create)
            .in_namespace(schema)
            .named(self.qualified(id));
        entry.owner = owner.map(str::to_owned);
        self.push_definition(id, entry);
        let name = self.name(id);
        self.comment(Annotated {
            id,
            kind,
            keyword: kind.header(),
            name: &name,
            namespace: schema,
            owner: owner.unwrap_or_default(),
        });
    }
}

//! Collations.

use super::{Emitter, EntryKind};
use crate::catalog::{Collation, DumpId};

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
            // Only pg_catalog has such a collation, and a pattern may select pg_catalog.
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
}

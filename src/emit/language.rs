//! Languages, casts, transforms.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{Cast, DumpId, Language, Oid, Transform, class};
use crate::error::Result;

impl Emitter<'_> {
    pub(super) fn language(&mut self, id: DumpId, it: &Language) -> Result<()> {
        let name = self.name(id);
        // If its functions are in the dump, it is created from them; otherwise the server knows the language.
        let dumped = |oid: Oid| {
            let function = self.catalog.find(class::PG_PROC, oid)?;
            (!self.get(function).dump.is_empty()).then(|| self.qualified(function))
        };
        let [handler, inline, validator] = it.functions;
        let create = match (dumped(handler), dumped(inline), dumped(validator)) {
            (Some(handler), i, v) if (i.is_some() || inline == 0) && (v.is_some() || validator == 0) => {
                let trusted = if it.lanpltrusted { "TRUSTED " } else { "" };
                let mut sql = format!("CREATE {trusted}PROCEDURAL LANGUAGE {name} HANDLER {handler}");
                if let Some(inline) = i {
                    sql.push_str(&format!(" INLINE {inline}"));
                }
                if let Some(validator) = v {
                    sql.push_str(&format!(" VALIDATOR {validator}"));
                }
                sql + ";\n"
            }
            _ => format!("CREATE OR REPLACE PROCEDURAL LANGUAGE {name};\n"),
        };
        let entry = Entry::new(Section::PreData, EntryKind::ProceduralLanguage, &*self.get(id).name, create)
            .owned_by(&it.owner)
            .named(&*name);
        self.push_definition(id, entry);
        let target = Annotated {
            id,
            kind: EntryKind::ProceduralLanguage,
            keyword: "LANGUAGE",
            name: &name,
            namespace: None,
            owner: &it.owner,
        };
        self.annotate(target);
        if it.lanpltrusted { self.privileges(target, &it.acl) } else { Ok(()) }
    }

    pub(super) fn cast(&mut self, id: DumpId, it: &Cast) {
        let pair = format!("({} AS {})", self.type_name(it.castsource), self.type_name(it.casttarget));
        let method = match it.castmethod {
            'b' => "WITHOUT FUNCTION".to_owned(),
            'i' => "WITH INOUT".to_owned(),
            _ => format!("WITH FUNCTION {}", self.function_reference(it.castfunc).unwrap_or_default()),
        };
        let context = match it.castcontext {
            'a' => " AS ASSIGNMENT",
            'i' => " AS IMPLICIT",
            _ => "",
        };
        let entry = Entry::new(
            Section::PreData,
            EntryKind::Cast,
            format!("CAST {pair}"),
            format!("CREATE CAST {pair} {method}{context};\n"),
        )
        .named(&*pair);
        self.push_definition(id, entry);
        self.comment(Annotated {
            id,
            kind: EntryKind::Cast,
            keyword: "CAST",
            name: &pair,
            namespace: None,
            owner: "",
        });
    }

    pub(super) fn transform(&mut self, id: DumpId, it: &Transform) {
        let what = format!("FOR {} LANGUAGE {}", self.type_name(it.trftype), self.q.id(&it.lanname));
        let functions: Vec<String> = [("FROM", it.trffromsql), ("TO", it.trftosql)]
            .into_iter()
            .filter_map(|(way, oid)| {
                Some(format!("{way} SQL WITH FUNCTION {}", self.function_reference(oid)?))
            })
            .collect();
        let create = format!("CREATE TRANSFORM {what} ({});\n", functions.join(", "));
        let entry = Entry::new(Section::PreData, EntryKind::Transform, format!("TRANSFORM {what}"), create)
            .named(&*what);
        self.push_definition(id, entry);
        self.comment(Annotated {
            id,
            kind: EntryKind::Transform,
            keyword: "TRANSFORM",
            name: &what,
            namespace: None,
            owner: "",
        });
    }
}

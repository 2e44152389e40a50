//! Sequences, including those of identity columns, and their values.

use super::comment::Annotated;
use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{Components, DumpId, Relation, Sequence, class};

impl Emitter<'_> {
    pub(super) fn sequence(&mut self, id: DumpId, it: &Relation) {
        let Some(sequence) = &it.sequence else { return };
        let qualified = self.qualified(id);
        let owner = it.owned_by.and_then(|(table, column)| {
            let table = self.catalog.find(class::PG_CLASS, table)?;
            Some((table, self.catalog.relation(table)?, column))
        });
        let parameters = parameters(sequence);
        let (create, drop) = match owner {
            Some((table, relation, column)) if it.is_identity_sequence => {
                let Some(attribute) = relation.attribute(column) else { return };
                let when = if attribute.attidentity == 'a' { "ALWAYS" } else { "BY DEFAULT" };
                let logged = match (it.unlogged, relation.unlogged) {
                    (true, false) => "    UNLOGGED\n",
                    (false, true) => "    LOGGED\n",
                    _ => "",
                };
                let sql = format!(
                    "ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {when} AS IDENTITY (\n    SEQUENCE NAME {qualified}\n{}{parameters}\n);\n",
                    self.qualified(table),
                    self.q.id(&attribute.attname),
                    if self.dialect >= 15 { logged } else { "" },
                );
                (sql, DropCommand::Nothing)
            }
            _ => {
                let unlogged = if it.unlogged && self.dialect >= 15 { "UNLOGGED " } else { "" };
                let of_type = match sequence.data_type.as_str() {
                    "bigint" => String::new(),
                    other => format!("    AS {other}\n"),
                };
                let sql = format!("CREATE {unlogged}SEQUENCE {qualified}\n{of_type}{parameters};\n");
                (sql, DropCommand::Object(qualified.clone()))
            }
        };
        let (name, schema) = (&*self.get(id).name, self.schema(id));
        let mut entry = Entry::new(Section::PreData, EntryKind::Sequence, name, create)
            .in_namespace(schema)
            .owned_by(&it.owner)
            .dropped_by(drop);
        entry.identity = Some(qualified.clone());
        self.push_definition(id, entry);
        if let (Some((table, relation, column)), false) = (owner, it.is_identity_sequence)
            && self.get(table).dump.contains(Components::DEFINITION)
            && let Some(attribute) = relation.attribute(column)
        {
            let (table, column) = (self.qualified(table), self.q.id(&attribute.attname));
            let sql = format!("ALTER SEQUENCE {qualified} OWNED BY {table}.{column};\n");
            let entry = Entry::new(Section::PreData, EntryKind::SequenceOwnedBy, name, sql)
                .in_namespace(schema)
                .owned_by(&it.owner);
            self.push(entry);
        }
        let quoted = self.name(id);
        self.annotate(Annotated {
            id,
            kind: EntryKind::Sequence,
            keyword: "SEQUENCE",
            name: &quoted,
            namespace: schema,
            owner: &it.owner,
        });
    }

    pub(super) fn sequence_set(&mut self, id: DumpId, sequence: DumpId) {
        let Some(relation) = self.catalog.relation(sequence) else { return };
        let Some(value) = relation.sequence.as_ref().and_then(|s| s.value) else { return };
        if !self.dumps(id, Components::DATA) {
            return;
        }
        let name = self.q.literal(&self.qualified(sequence));
        let sql = format!("SELECT pg_catalog.setval({name}, {}, {});\n", value.last_value, value.is_called);
        let entry = Entry::new(Section::Data, EntryKind::SequenceSet, &*self.get(sequence).name, sql)
            .in_namespace(self.schema(sequence))
            .owned_by(&relation.owner);
        self.push(entry);
    }
}

fn parameters(s: &Sequence) -> String {
    let (default_min, default_max) = s.default_bounds();
    let bound = |keyword: &str, value: i64, default: i64| {
        if value == default { format!("    NO {keyword}\n") } else { format!("    {keyword} {value}\n") }
    };
    format!(
        "    START WITH {}\n    INCREMENT BY {}\n{}{}    CACHE {}{}",
        s.seqstart,
        s.seqincrement,
        bound("MINVALUE", s.seqmin, default_min),
        bound("MAXVALUE", s.seqmax, default_max),
        s.seqcache,
        if s.seqcycle { "\n    CYCLE" } else { "" },
    )
}

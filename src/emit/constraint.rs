//! Constraints that are printed by a separate command.

use super::comment::Annotated;
use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{
    Constraint, ConstraintOwner, DumpId, ForeignKey, Index, RelKind, Relation, attribute_name, class,
};

/// The kind of a CHECK or NOT NULL constraint, by `contype`.
fn check_kind(contype: char) -> EntryKind {
    if contype == 'n' { EntryKind::Constraint } else { EntryKind::CheckConstraint }
}

impl Emitter<'_> {
    pub(super) fn constraint(&mut self, id: DumpId, it: &Constraint) {
        match it.owner {
            ConstraintOwner::Domain(domain) => self.domain_constraint(id, it, domain),
            ConstraintOwner::Table(table) => {
                let Some(relation) = self.catalog.relation(table) else { return };
                self.table_constraint(id, it, table, relation);
                if it.separate {
                    let keyword = format!("CONSTRAINT {} ON", self.name(id));
                    let (name, namespace) = (self.name(table), self.schema(table));
                    let owner = &relation.owner;
                    self.comment(Annotated {
                        id,
                        kind: EntryKind::Constraint,
                        keyword: &keyword,
                        name: &name,
                        namespace,
                        owner,
                    });
                }
            }
        }
    }

    fn table_constraint(&mut self, id: DumpId, it: &Constraint, table: DumpId, relation: &Relation) {
        let foreign = relation.relkind == RelKind::ForeignTable;
        let qualified = self.qualified(table);
        let definition = it.definition.as_deref().unwrap_or_default();
        let (kind, only, body) = match it.contype {
            'p' | 'u' | 'x' => {
                let Some((index_id, index)) = it.index.and_then(|i| Some((i, self.catalog.index(i)?))) else {
                    return;
                };
                let mut body = match &it.definition {
                    Some(definition) => definition.clone(),
                    None => self.key_definition(it, index, relation),
                };
                body.push_str(";\n");
                body.push_str(&self.clustered_clause(index_id, index));
                body.push_str(&self.replica_identity_clause(index_id, index));
                body.push_str(&self.index_depends(index_id, index));
                (EntryKind::Constraint, true, body)
            }
            'f' => {
                let only = relation.relkind != RelKind::PartitionedTable;
                let body = match &it.foreign_key {
                    Some(key) => self.foreign_key_definition(it, key, relation),
                    None => definition.to_owned(),
                };
                (EntryKind::ForeignKey, only, body + ";\n")
            }
            // Without ONLY: checks and NOT NULLs apply to children too.
            contype if it.separate && it.conislocal => {
                (check_kind(contype), false, format!("{definition};\n"))
            }
            _ => return,
        };
        let name = self.name(id);
        let (foreign_word, only_word) =
            (if foreign { "FOREIGN " } else { "" }, if only { "ONLY " } else { "" });
        let create =
            format!("ALTER {foreign_word}TABLE {only_word}{qualified}\n    ADD CONSTRAINT {name} {body}");
        let drop = DropCommand::TableConstraint { foreign, only, table: qualified, name };
        let tag = format!("{} {}", self.get(table).name, self.get(id).name);
        let mut entry = Entry::new(Section::PostData, kind, tag, create)
            .in_namespace(self.schema(table))
            .owned_by(&relation.owner)
            .dropped_by(drop);
        entry.tablespace = it.index.and_then(|i| self.catalog.index(i)).map(|i| i.tablespace.clone());
        self.push_definition(id, entry);
    }

    fn key_definition(&self, it: &Constraint, index: &Index, relation: &Relation) -> String {
        let keys = usize::try_from(index.indnkeyatts).unwrap_or(0).min(index.indkey.len());
        let columns = |numbers: &[i64]| self.q.ids(numbers.iter().map(|&n| attribute_name(relation, n)));
        let mut sql = if it.contype == 'p' { "PRIMARY KEY" } else { "UNIQUE" }.to_owned();
        if index.indnullsnotdistinct {
            sql.push_str(" NULLS NOT DISTINCT");
        }
        sql.push_str(&format!(" ({}", columns(&index.indkey[..keys])));
        if it.conperiod {
            sql.push_str(" WITHOUT OVERLAPS");
        }
        if keys < index.indkey.len() {
            sql.push_str(&format!(") INCLUDE ({}", columns(&index.indkey[keys..])));
        }
        sql.push(')');
        if !index.reloptions.is_empty() {
            sql.push_str(&format!(" WITH ({})", self.reloptions(&index.reloptions, "")));
        }
        if it.condeferrable {
            sql.push_str(" DEFERRABLE");
            if it.condeferred {
                sql.push_str(" INITIALLY DEFERRED");
            }
        }
        sql
    }

    /// Formats a foreign key, as `pg_get_constraintdef` does.
    fn foreign_key_definition(&self, it: &Constraint, key: &ForeignKey, relation: &Relation) -> String {
        let columns = |relation: &Relation, numbers: &[i64]| {
            self.q.ids(numbers.iter().map(|&n| attribute_name(relation, n)))
        };
        let mut sql = format!("FOREIGN KEY ({}) REFERENCES ", columns(relation, &key.conkey));
        if let Some(id) = self.catalog.find(class::PG_CLASS, it.confrelid)
            && let Some(referenced) = self.catalog.relation(id)
        {
            sql.push_str(&format!("{}({})", self.qualified(id), columns(referenced, &key.confkey)));
        }
        for (event, action) in [(" ON UPDATE ", key.confupdtype), (" ON DELETE ", key.confdeltype)] {
            let action = match action {
                'r' => "RESTRICT",
                'c' => "CASCADE",
                'n' => "SET NULL",
                'd' => "SET DEFAULT",
                // NO ACTION, which is the default.
                _ => continue,
            };
            sql.push_str(event);
            sql.push_str(action);
        }
        if it.condeferrable {
            sql.push_str(" DEFERRABLE");
        }
        if it.condeferred {
            sql.push_str(" INITIALLY DEFERRED");
        }
        if !key.convalidated {
            sql.push_str(" NOT VALID");
        }
        sql
    }

    fn domain_constraint(&mut self, id: DumpId, it: &Constraint, domain: DumpId) {
        let Some(typ) = self.catalog.typ(domain).filter(|_| it.separate) else { return };
        let (qualified, name) = (self.qualified(domain), self.name(id));
        let definition = it.definition.as_deref().unwrap_or_default();
        let create = format!("ALTER DOMAIN {qualified}\n    ADD CONSTRAINT {name} {definition};\n");
        let tag = format!("{} {}", self.get(domain).name, self.get(id).name);
        let entry = Entry::new(Section::PostData, check_kind(it.contype), tag, create)
            .in_namespace(self.schema(domain))
            .owned_by(&typ.owner)
            .dropped_by(DropCommand::DomainConstraint { domain: qualified, name: name.clone() });
        self.push_definition(id, entry);
        let keyword = format!("CONSTRAINT {name} ON DOMAIN");
        let (name, namespace) = (self.name(domain), self.schema(domain));
        self.comment(Annotated {
            id,
            kind: EntryKind::Constraint,
            keyword: &keyword,
            name: &name,
            namespace,
            owner: &typ.owner,
        });
    }
}

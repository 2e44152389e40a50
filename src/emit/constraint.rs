//! Constraints that are printed by a command of their own.

use super::annotate::Annotated;
use super::{Emitter, Entry, Section};
use crate::catalog::{Constraint, ConstraintOwner, DumpId, Index, RelKind, Relation, attribute_name};

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
                    self.comment(Annotated { id, keyword: &keyword, name: &name, namespace, owner });
                }
            }
        }
    }

    fn table_constraint(&mut self, id: DumpId, it: &Constraint, table: DumpId, relation: &Relation) {
        let foreign = if relation.relkind == RelKind::ForeignTable { "FOREIGN " } else { "" };
        let qualified = self.qualified(table);
        let definition = it.definition.as_deref().unwrap_or_default();
        let (desc, only, body) = match it.contype {
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
                ("CONSTRAINT", "ONLY ", body)
            }
            'f' => {
                let only = if relation.relkind == RelKind::PartitionedTable { "" } else { "ONLY " };
                ("FK CONSTRAINT", only, format!("{definition};\n"))
            }
            // Not ONLY: checks and NOT NULLs hold for children too.
            contype if it.separate && it.conislocal => {
                let desc = if contype == 'n' { "CONSTRAINT" } else { "CHECK CONSTRAINT" };
                (desc, "", format!("{definition};\n"))
            }
            _ => return,
        };
        let name = self.name(id);
        let create = format!("ALTER {foreign}TABLE {only}{qualified}\n    ADD CONSTRAINT {name} {body}");
        let drop = format!("ALTER {foreign}TABLE {only}{qualified} DROP CONSTRAINT {name};\n");
        let tag = format!("{} {}", self.get(table).name, self.get(id).name);
        let mut entry = Entry::new(Section::PostData, desc, tag, create)
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

    fn domain_constraint(&mut self, id: DumpId, it: &Constraint, domain: DumpId) {
        let Some(typ) = self.catalog.typ(domain).filter(|_| it.separate) else { return };
        let (qualified, name) = (self.qualified(domain), self.name(id));
        let definition = it.definition.as_deref().unwrap_or_default();
        let create = format!("ALTER DOMAIN {qualified}\n    ADD CONSTRAINT {name} {definition};\n");
        let desc = if it.contype == 'n' { "CONSTRAINT" } else { "CHECK CONSTRAINT" };
        let tag = format!("{} {}", self.get(domain).name, self.get(id).name);
        let entry = Entry::new(Section::PostData, desc, tag, create)
            .in_namespace(self.schema(domain))
            .owned_by(&typ.owner)
            .dropped_by(format!("ALTER DOMAIN {qualified} DROP CONSTRAINT {name};\n"));
        self.push_definition(id, entry);
        let keyword = format!("CONSTRAINT {name} ON DOMAIN");
        let (name, namespace) = (self.name(domain), self.schema(domain));
        self.comment(Annotated { id, keyword: &keyword, name: &name, namespace, owner: &typ.owner });
    }
}

//! Types of all kinds.

use super::comment::Annotated;
use super::{DropCommand, Emitter, Entry, EntryKind, Section};
use crate::catalog::{Attribute, CatalogId, Components, Domain, DumpId, Range, Type, TypeDetail, class};
use crate::error::Result;

impl Emitter<'_> {
    pub(super) fn typ(&mut self, id: DumpId, it: &Type) -> Result<()> {
        let (name, qualified) = (self.name(id), self.qualified(id));
        let mut kind = EntryKind::Type;
        let mut drop = DropCommand::Object(qualified.clone());
        let create = match &it.detail {
            TypeDetail::Enum(labels) => self.enum_definition(&qualified, labels),
            TypeDetail::Range(range) => self.range_definition(&qualified, range),
            TypeDetail::Composite(attributes) => self.composite_definition(&qualified, attributes),
            TypeDetail::Base(parameters) => {
                drop = DropCommand::Object(format!("{qualified} CASCADE"));
                format!("CREATE TYPE {qualified} (\n    {}\n);\n", parameters.join(",\n    "))
            }
            TypeDetail::Domain(domain) => {
                kind = EntryKind::Domain;
                self.domain_definition(&qualified, domain)
            }
            TypeDetail::None if it.typtype == 'p' && !it.typisdefined => {
                format!("CREATE TYPE {qualified};\n")
            }
            // No details were read, since no definitions are printed.
            TypeDetail::None if !self.options.prints_definitions() => return Ok(()),
            TypeDetail::None => {
                let name = &self.get(id).name;
                self.warnings.warn(format_args!("typtype of data type \"{name}\" appears to be invalid"));
                return Ok(());
            }
        };
        let schema = self.schema(id);
        let entry = Entry::new(Section::PreData, kind, &*self.get(id).name, create)
            .in_namespace(schema)
            .owned_by(&it.owner)
            .named(qualified)
            .dropped_by(drop);
        self.push_definition(id, entry);
        let keyword = kind.header();
        let target = Annotated { id, kind, keyword, name: &name, namespace: schema, owner: &it.owner };
        self.annotate(target);
        self.privileges(Annotated { keyword: "TYPE", ..target }, &it.acl)?;
        match &it.detail {
            TypeDetail::Domain(domain) => self.comments_on_domain_constraints(domain, target),
            TypeDetail::Composite(_) if !self.dumps(id, Components::COMMENT) => {}
            TypeDetail::Composite(attributes) => {
                let relation = CatalogId { classoid: class::PG_CLASS, oid: it.typrelid };
                self.comments_with_columns(target, relation, |attnum| {
                    let column = attributes.iter().find(|a| a.attnum == attnum && !a.attisdropped);
                    column.map(|a| a.attname.clone())
                });
            }
            TypeDetail::None | TypeDetail::Enum(_) | TypeDetail::Range(_) | TypeDetail::Base(_) => {}
        }
        Ok(())
    }

    fn enum_definition(&self, qualified: &str, labels: &[String]) -> String {
        let labels: Vec<String> = labels.iter().map(|l| format!("\n    {}", self.q.literal(l))).collect();
        format!("CREATE TYPE {qualified} AS ENUM ({}\n);\n", labels.join(","))
    }

    fn range_definition(&self, qualified: &str, range: &Range) -> String {
        let mut parameters = vec![format!("subtype = {}", range.rngsubtype)];
        if let Some(multirange) = &range.multirange {
            parameters.push(format!("multirange_type_name = {multirange}"));
        }
        if let Some((schema, name)) = &range.opclass {
            parameters.push(format!("subtype_opclass = {}", self.q.qualified(Some(schema), name)));
        }
        if let Some(id) = self.catalog.find(class::PG_COLLATION, range.collation) {
            parameters.push(format!("collation = {}", self.qualified(id)));
        }
        for (parameter, function) in [("canonical", &range.rngcanonical), ("subtype_diff", &range.rngsubdiff)]
        {
            if function != "-" {
                parameters.push(format!("{parameter} = {function}"));
            }
        }
        format!("CREATE TYPE {qualified} AS RANGE (\n    {}\n);\n", parameters.join(",\n    "))
    }

    fn composite_definition(&self, qualified: &str, attributes: &[Attribute]) -> String {
        let column = |a: &Attribute| {
            format!("\n\t{} {}{}", self.q.id(&a.attname), a.type_name, self.collate(a.collation))
        };
        let columns: Vec<String> = attributes.iter().filter(|a| !a.attisdropped).map(column).collect();
        format!("CREATE TYPE {qualified} AS ({}\n);\n", columns.join(","))
    }

    fn domain_definition(&self, qualified: &str, domain: &Domain) -> String {
        let mut sql =
            format!("CREATE DOMAIN {qualified} AS {}{}", domain.base, self.collate(domain.collation));
        let not_null_id = domain.not_null_constraint;
        let separate = not_null_id.and_then(|c| self.catalog.constraint(c)).is_some_and(|c| c.separate);
        match (&domain.not_null, not_null_id) {
            (Some(Some(definition)), Some(constraint)) if !separate => {
                sql.push_str(&format!(" CONSTRAINT {} {definition}", self.name(constraint)));
            }
            (Some(_), _) if !separate => sql.push_str(" NOT NULL"),
            _ => {}
        }
        if let Some((default, is_literal)) = &domain.default {
            let value = if *is_literal { self.q.literal(default) } else { default.clone() };
            sql.push_str(&format!(" DEFAULT {value}"));
        }
        for &check in &domain.checks {
            let Some(constraint) = self.catalog.constraint(check).filter(|c| !c.separate) else { continue };
            let definition = constraint.definition.as_deref().unwrap_or_default();
            sql.push_str(&format!("\n\tCONSTRAINT {} {definition}", self.name(check)));
        }
        sql + ";\n"
    }

    fn comments_on_domain_constraints(&mut self, domain: &Domain, target: Annotated<'_>) {
        for &id in domain.not_null_constraint.iter().chain(&domain.checks) {
            if self.catalog.constraint(id).is_some_and(|c| !c.separate) {
                let keyword = format!("CONSTRAINT {} ON DOMAIN", self.name(id));
                self.comment(Annotated { id, keyword: &keyword, ..target });
            }
        }
    }

    pub(super) fn shell_type(&mut self, id: DumpId, of: DumpId) {
        let Some(base) = self.catalog.typ(of) else { return };
        let create = format!("CREATE TYPE {};\n", self.qualified(id));
        let entry = Entry::new(Section::PreData, EntryKind::ShellType, &*self.get(id).name, create)
            .in_namespace(self.schema(id))
            .owned_by(&base.owner);
        self.push_definition(id, entry);
    }
}

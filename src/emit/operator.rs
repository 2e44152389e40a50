//! Operators, their classes and families.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{DumpId, Oid, OpMember, Opclass, Operator, Opfamily, class};

impl Emitter<'_> {
    pub(super) fn operator(&mut self, id: DumpId, it: &Operator) {
        // A shell operator, created by a forward reference, is not printed.
        let Some(d) = it.detail.as_ref().filter(|_| it.oprcode != 0) else { return };
        let mut parameters: Vec<String> = Vec::new();
        parameters.extend(function_name(&d.function).map(|f| format!("FUNCTION = {f}")));
        let (mut left, mut right) = ("NONE", "NONE");
        if it.oprkind != 'l' {
            parameters.push(format!("LEFTARG = {}", d.left_type));
            left = &d.left_type;
        }
        if it.oprkind != 'r' {
            parameters.push(format!("RIGHTARG = {}", d.right_type));
            right = &d.right_type;
        }
        parameters.extend(self.operator_reference(d.oprcom).map(|o| format!("COMMUTATOR = {o}")));
        parameters.extend(self.operator_reference(d.oprnegate).map(|o| format!("NEGATOR = {o}")));
        if d.oprcanmerge {
            parameters.push("MERGES".to_owned());
        }
        if d.oprcanhash {
            parameters.push("HASHES".to_owned());
        }
        parameters.extend(function_name(&d.oprrest).map(|f| format!("RESTRICT = {f}")));
        parameters.extend(function_name(&d.oprjoin).map(|f| format!("JOIN = {f}")));
        let symbol = &self.get(id).name;
        let identity = format!("{symbol} ({left}, {right})");
        let schema = self.schema(id);
        let prefix = self.q.id(schema.unwrap_or_default()).into_owned();
        let create = format!("CREATE OPERATOR {prefix}.{symbol} (\n    {}\n);\n", parameters.join(",\n    "));
        let entry = Entry::new(Section::PreData, EntryKind::Operator, &**symbol, create)
            .in_namespace(schema)
            .owned_by(&it.owner)
            .named(format!("{prefix}.{identity}"));
        self.push_definition(id, entry);
        self.comment(Annotated {
            id,
            kind: EntryKind::Operator,
            keyword: "OPERATOR",
            name: &identity,
            namespace: schema,
            owner: &it.owner,
        });
    }

    /// `OPERATOR(schema.symbol)`; `None` for OID 0.
    pub(super) fn operator_reference(&self, oid: Oid) -> Option<String> {
        let id = self.catalog.find(class::PG_OPERATOR, oid)?;
        let schema = self.schema(id).unwrap_or_default();
        Some(format!("OPERATOR({}.{})", self.q.id(schema), self.get(id).name))
    }

    fn member_operator(&self, member: &OpMember) -> String {
        let order = match &member.sort_family {
            Some((schema, name)) => format!(" FOR ORDER BY {}", self.q.qualified(Some(schema), name)),
            None => String::new(),
        };
        format!("OPERATOR {} {}{order}", member.strategy, member.operator)
    }

    pub(super) fn opclass(&mut self, id: DumpId, it: &Opclass) {
        let (qualified, method) = (self.qualified(id), self.q.id(&it.amname).into_owned());
        let default = if it.opcdefault { "DEFAULT " } else { "" };
        let family = match &it.family {
            Some((schema, name)) => format!(" FAMILY {}", self.q.qualified(Some(schema), name)),
            None => String::new(),
        };
        let mut members: Vec<String> = Vec::new();
        if it.key_type != "-" {
            members.push(format!("STORAGE {}", it.key_type));
        }
        members.extend(it.operators.iter().map(|m| self.member_operator(m)));
        members.extend(
            it.functions
                .iter()
                .map(|m| format!("FUNCTION {} ({}, {}) {}", m.number, m.left_type, m.right_type, m.function)),
        );
        if members.is_empty() {
            // The grammar requires a member; storing the input type is the default.
            members.push(format!("STORAGE {}", it.input_type));
        }
        let create = format!(
            "CREATE OPERATOR CLASS {qualified}\n    {default}FOR TYPE {} USING {method}{family} AS\n    {};\n",
            it.input_type,
            members.join(" ,\n    ")
        );
        self.push_opset(id, EntryKind::OperatorClass, &method, &it.owner, create);
    }

    pub(super) fn opfamily(&mut self, id: DumpId, it: &Opfamily) {
        let (qualified, method) = (self.qualified(id), self.q.id(&it.amname).into_owned());
        let mut create = format!("CREATE OPERATOR FAMILY {qualified} USING {method};\n");
        let mut members: Vec<String> = it.operators.iter().map(|m| self.member_operator(m)).collect();
        members.extend(
            it.functions
                .iter()
                .map(|m| format!("FUNCTION {} ({}, {}) {}", m.number, m.left_type, m.right_type, m.function)),
        );
        if !members.is_empty() {
            create.push_str(&format!(
                "ALTER OPERATOR FAMILY {qualified} USING {method} ADD\n    {};\n",
                members.join(" ,\n    ")
            ));
        }
        self.push_opset(id, EntryKind::OperatorFamily, &method, &it.owner, create);
    }

    fn push_opset(&mut self, id: DumpId, kind: EntryKind, method: &str, owner: &str, create: String) {
        let schema = self.schema(id);
        let entry = Entry::new(Section::PreData, kind, &*self.get(id).name, create)
            .in_namespace(schema)
            .owned_by(owner)
            .named(format!("{} USING {method}", self.qualified(id)));
        self.push_definition(id, entry);
        let name = format!("{} USING {method}", self.name(id));
        self.comment(Annotated { id, kind, keyword: kind.header(), name: &name, namespace: schema, owner });
    }
}

/// The name in a `regprocedure`, without arguments; `None` for `-`.
fn function_name(signature: &str) -> Option<&str> {
    if signature == "-" {
        return None;
    }
    let mut quoted = false;
    let end = signature.bytes().position(|b| {
        quoted ^= b == b'"';
        b == b'(' && !quoted
    });
    Some(&signature[..end.unwrap_or(signature.len())])
}

//! Functions, procedures, aggregates.

use super::comment::Annotated;
use super::settings::assignment;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::{Aggregate, AggregateDetail, DumpId, Oid, Routine, RoutineDetail, class};
use crate::error::Result;

impl Emitter<'_> {
    pub(super) fn routine(&mut self, id: DumpId, it: &Routine) -> Result<()> {
        let Some(detail) = &it.detail else { return Ok(()) };
        let kind = if detail.prokind == 'p' { EntryKind::Procedure } else { EntryKind::Function };
        let keyword = kind.header();
        let signature = format!("{}({})", self.name(id), detail.identity_arguments);
        let qualified = match self.schema(id) {
            Some(schema) => format!("{}.{signature}", self.q.id(schema)),
            None => signature.clone(),
        };
        let mut create = self.routine_definition(id, detail, keyword);
        let what = format!("{keyword} {qualified}");
        create.push_str(&self.depends_on_extensions(&what, &detail.depends_on_extensions));
        let tag = format!("{}({})", self.get(id).name, self.type_list(&it.arg_types));
        let section = if it.postponed { Section::PostData } else { Section::PreData };
        let entry = Entry::new(section, kind, tag, create)
            .in_namespace(self.schema(id))
            .owned_by(&it.owner)
            .named(qualified);
        self.push_definition(id, entry);
        let namespace = self.schema(id);
        let target = Annotated { id, kind, keyword, name: &signature, namespace, owner: &it.owner };
        self.annotate(target);
        self.privileges(target, &it.acl)
    }

    fn routine_definition(&self, id: DumpId, d: &RoutineDetail, keyword: &str) -> String {
        let mut sql = format!("CREATE {keyword} {}({})", self.qualified(id), d.arguments);
        if let (Some(result), true) = (&d.result, d.prokind != 'p') {
            sql.push_str(&format!(" RETURNS {result}"));
        }
        sql.push_str(&format!("\n    LANGUAGE {}", self.q.id(&d.lanname)));
        if !d.transform_types.is_empty() {
            let types: Vec<String> =
                d.transform_types.iter().map(|&t| format!("FOR TYPE {}", self.type_name(t))).collect();
            sql.push_str(&format!(" TRANSFORM {}", types.join(", ")));
        }
        let volatility = match d.provolatile {
            'i' => " IMMUTABLE",
            's' => " STABLE",
            _ => "",
        };
        let default_cost = if matches!(d.lanname.as_str(), "internal" | "c") { "1" } else { "100" };
        let flags = [
            (d.prokind == 'w', " WINDOW"),
            (!volatility.is_empty(), volatility),
            (d.proisstrict, " STRICT"),
            (d.prosecdef, " SECURITY DEFINER"),
            (d.proleakproof, " LEAKPROOF"),
        ];
        sql.extend(flags.iter().filter(|(set, _)| *set).map(|(_, text)| *text));
        if d.procost != "0" && d.procost != default_cost {
            sql.push_str(&format!(" COST {}", d.procost));
        }
        if d.proretset && d.prorows != "0" && d.prorows != "1000" {
            sql.push_str(&format!(" ROWS {}", d.prorows));
        }
        if d.prosupport != "-" {
            sql.push_str(&format!(" SUPPORT {}", d.prosupport));
        }
        match d.proparallel {
            's' => sql.push_str(" PARALLEL SAFE"),
            'r' => sql.push_str(" PARALLEL RESTRICTED"),
            _ => {}
        }
        for setting in &d.proconfig {
            if let Some(assignment) = assignment(self.q, setting, self.dialect, |s| self.q.literal(s)) {
                sql.push_str(&format!("\n    SET {assignment}"));
            }
        }
        sql + &format!("\n    {};\n", self.body(d))
    }

    fn body(&self, d: &RoutineDetail) -> String {
        let source = |plain: bool| if plain { self.q.literal(&d.prosrc) } else { self.q.dollar(&d.prosrc) };
        let no_dollars = self.options.disable_dollar_quoting;
        match &d.sql_body {
            Some(body) => body.clone(),
            None if d.probin.is_empty() => format!("AS {}", source(no_dollars)),
            None if d.prosrc.is_empty() => format!("AS {}", self.q.literal(&d.probin)),
            None => {
                let plain = no_dollars || !d.prosrc.contains(['\'', '\\']);
                format!("AS {}, {}", self.q.literal(&d.probin), source(plain))
            }
        }
    }

    /// Types, as listed in a signature.
    pub(super) fn type_list(&self, types: &[Oid]) -> String {
        types.iter().map(|&t| self.type_name(t)).collect::<Vec<_>>().join(", ")
    }

    /// `schema.name(types)` of a function that another object refers to.
    pub(super) fn function_reference(&self, oid: Oid) -> Option<String> {
        let id = self.catalog.find(class::PG_PROC, oid)?;
        let routine = self.catalog.routine(id)?;
        Some(format!("{}({})", self.qualified(id), self.type_list(&routine.arg_types)))
    }

    pub(super) fn aggregate(&mut self, id: DumpId, it: &Aggregate) -> Result<()> {
        let Some(detail) = &it.detail else { return Ok(()) };
        let arguments = |text: &str| if it.arg_types.is_empty() { "*".to_owned() } else { text.to_owned() };
        let signature = format!("{}({})", self.name(id), arguments(&detail.identity_arguments));
        let schema = self.schema(id);
        let in_schema = |text: &str| match schema {
            Some(schema) => format!("{}.{text}", self.q.id(schema)),
            None => text.to_owned(),
        };
        let full = in_schema(&format!("{}({})", self.name(id), arguments(&detail.arguments)));
        let parameters = self.aggregate_parameters(detail).join(",\n    ");
        let tag = format!("{}({})", self.get(id).name, arguments(&self.type_list(&it.arg_types)));
        let create = format!("CREATE AGGREGATE {full} (\n    {parameters}\n);\n");
        let entry = Entry::new(Section::PreData, EntryKind::Aggregate, tag, create)
            .in_namespace(schema)
            .owned_by(&it.owner)
            .named(in_schema(&signature));
        self.push_definition(id, entry);
        let target = Annotated {
            id,
            kind: EntryKind::Aggregate,
            keyword: "AGGREGATE",
            name: &signature,
            namespace: schema,
            owner: &it.owner,
        };
        self.annotate(target);
        // GRANT treats aggregates as functions.
        let function = format!("{}({})", self.name(id), self.type_list(&it.arg_types));
        self.privileges(Annotated { keyword: "FUNCTION", name: &function, ..target }, &it.acl)
    }

    fn aggregate_parameters(&self, d: &AggregateDetail) -> Vec<String> {
        let mut out = vec![format!("SFUNC = {}", d.aggtransfn), format!("STYPE = {}", d.aggtranstype)];
        let function = |out: &mut Vec<String>, parameter: &str, function: &str| {
            if function != "-" {
                out.push(format!("{parameter} = {function}"));
            }
        };
        if d.aggtransspace != 0 {
            out.push(format!("SSPACE = {}", d.aggtransspace));
        }
        if let Some(value) = &d.agginitval {
            out.push(format!("INITCOND = {}", self.q.literal(value)));
        }
        final_function(&mut out, "", d.aggkind, &d.aggfinalfn, d.aggfinalextra, d.aggfinalmodify);
        function(&mut out, "COMBINEFUNC", &d.aggcombinefn);
        function(&mut out, "SERIALFUNC", &d.aggserialfn);
        function(&mut out, "DESERIALFUNC", &d.aggdeserialfn);
        if d.aggmtransfn != "-" {
            out.push(format!("MSFUNC = {}", d.aggmtransfn));
            out.push(format!("MINVFUNC = {}", d.aggminvtransfn));
            out.push(format!("MSTYPE = {}", d.aggmtranstype));
        }
        if d.aggmtransspace != 0 {
            out.push(format!("MSSPACE = {}", d.aggmtransspace));
        }
        if let Some(value) = &d.aggminitval {
            out.push(format!("MINITCOND = {}", self.q.literal(value)));
        }
        final_function(&mut out, "M", d.aggkind, &d.aggmfinalfn, d.aggmfinalextra, d.aggmfinalmodify);
        if let Some(operator) = self.operator_reference(d.aggsortop) {
            out.push(format!("SORTOP = {operator}"));
        }
        if d.aggkind == 'h' {
            out.push("HYPOTHETICAL".to_owned());
        }
        match d.proparallel {
            's' => out.push("PARALLEL = safe".to_owned()),
            'r' => out.push("PARALLEL = restricted".to_owned()),
            _ => {}
        }
        out
    }
}

/// FINALFUNC and related options; `moving` is M for the moving-aggregate mode.
fn final_function(
    out: &mut Vec<String>,
    moving: &str,
    aggkind: char,
    function: &str,
    extra: bool,
    modify: char,
) {
    if function == "-" {
        return;
    }
    out.push(format!("{moving}FINALFUNC = {function}"));
    if extra {
        out.push(format!("{moving}FINALFUNC_EXTRA"));
    }
    let default = if aggkind == 'n' { 'r' } else { 'w' };
    let modify = match modify {
        m if m == default => return,
        'r' => "READ_ONLY",
        's' => "SHAREABLE",
        _ => "READ_WRITE",
    };
    out.push(format!("{moving}FINALFUNC_MODIFY = {modify}"));
}

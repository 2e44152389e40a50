//! Expressions over the columns in scope, each with a known type.

use super::types::Type;
use super::{Column, Relation, World};

/// What an expression may contain in its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// An index or a generated column: immutable functions only.
    Immutable,
    /// A default or a check: no subqueries.
    Volatile,
    /// A view or a policy: anything.
    Query,
}

impl Column {
    pub(super) fn plain(name: &str, of: Type) -> Self {
        Column { name: name.to_owned(), of, is_generated: false, is_identity: false }
    }

    /// The same column behind a table's alias.
    pub(super) fn behind(&self, alias: &str) -> Self {
        Column { name: format!("{alias}.{}", self.name), ..self.clone() }
    }
}

impl Relation {
    pub(super) fn new(schema: String, bare: String, columns: Vec<Column>, kind: char) -> Self {
        let name = format!("{schema}.{bare}");
        Relation { schema, bare, name, columns, kind, keys: Vec::new(), partitioning: None, is_bound: false }
    }
}

impl World {
    /// A constant with an explicit type.
    pub(super) fn constant(&mut self, of: &Type) -> String {
        let value = if self.chance(20) { "NULL".to_owned() } else { self.value_literal(of) };
        format!("{value}::{}", of.sql)
    }

    pub(super) fn collation(&mut self) -> String {
        let all = self.collations.clone();
        self.pick(&all)
    }

    /// A call of one of our functions, with columns as arguments where types match.
    pub(super) fn call(&mut self, scope: &[Column], place: Place) -> Option<(String, Type)> {
        let fit: Vec<_> = self
            .routines
            .iter()
            .filter(|r| !r.is_set && (r.is_immutable || place != Place::Immutable))
            .cloned()
            .collect();
        let routine = (!fit.is_empty()).then(|| self.pick(&fit))?;
        let arguments: Vec<String> = routine.arguments.iter().map(|of| self.of_type(scope, of)).collect();
        Some((format!("{}({})", routine.name, arguments.join(", ")), routine.returns))
    }

    /// A column of that type, or a constant.
    pub(super) fn of_type(&mut self, scope: &[Column], of: &Type) -> String {
        let fit: Vec<Column> = scope.iter().filter(|c| c.of.sql == of.sql).cloned().collect();
        if fit.is_empty() || self.chance(20) { self.constant(of) } else { self.pick(&fit).name }
    }

    pub(super) fn scalar(&mut self, scope: &[Column], place: Place) -> (String, Type) {
        let column = if scope.is_empty() { None } else { Some(self.pick(scope)) };
        match (self.below(14), column) {
            (0..=1, _) => {
                let of = self.a_type();
                (self.constant(&of), of)
            }
            (2..=4, _) => {
                if let Some(call) = self.call(scope, place) {
                    return call;
                }
                ("1".to_owned(), Type::integer())
            }
            (5, Some(c)) => (format!("COALESCE({}, {})", c.name, self.constant(&c.of)), c.of),
            (6, Some(c)) if c.of.is_texty() => {
                let collation = self.collation();
                (format!("({} COLLATE {collation})", c.name), c.of)
            }
            (7, Some(c)) => (format!("({} IS NULL)", c.name), Type::boolean()),
            (8, Some(c)) if place == Place::Query => (format!("ARRAY[{}]", c.name), c.of.array()),
            (9, _) if place != Place::Immutable && !self.sequences.is_empty() => {
                let all = self.sequences.clone();
                let sequence = self.pick(&all).replace('\'', "''");
                (format!("nextval('{sequence}')"), Type { sql: "bigint".to_owned(), ..Type::integer() })
            }
            (10, _) if place == Place::Query => match self.relation("rpvmf") {
                Some(r) => (
                    format!("(SELECT count(*) FROM {} AS q)", r.name),
                    Type { sql: "bigint".to_owned(), ..Type::integer() },
                ),
                None => ("1".to_owned(), Type::integer()),
            },
            (11, _) if !self.operators.is_empty() => {
                let all = self.operators.clone();
                let (operator, of) = self.pick(&all);
                let (left, right) = (self.of_type(scope, &of), self.of_type(scope, &of));
                (format!("({left} OPERATOR({operator}) {right})"), Type::boolean())
            }
            (12, _) if place != Place::Immutable => {
                let (name, of) = match self.below(3) {
                    0 => ("now()", "timestamptz"),
                    1 => ("CURRENT_USER::text", "text"),
                    _ => ("random()", "double precision"),
                };
                (name.to_owned(), Type { sql: of.to_owned(), ..Type::text() })
            }
            (_, Some(c)) => (c.name, c.of),
            (_, None) => {
                let of = self.a_type();
                (self.constant(&of), of)
            }
        }
    }

    /// A condition.
    pub(super) fn condition(&mut self, scope: &[Column], place: Place) -> String {
        let (expression, of) = self.scalar(scope, place);
        match self.below(6) {
            0 => {
                let other = self.condition(scope, place);
                let word = if self.chance(50) { "AND" } else { "OR" };
                format!("(({expression} IS NOT NULL) {word} ({other}))")
            }
            1 if of.sql == "boolean" => expression,
            2 | 3 if of.is_ordered => {
                let word = self.pick(&["=", "<>", "<", ">="]);
                let value = self.value_literal(&of);
                format!("({expression} {word} {value}::{})", of.sql)
            }
            4 if of.is_ordered => {
                let values = [self.value_literal(&of), self.value_literal(&of)];
                format!("({expression} = ANY (ARRAY[{}]::{}[]))", values.join(", "), of.sql)
            }
            _ => format!("({expression} IS NOT NULL)"),
        }
    }

    /// A check that rows satisfy, whatever else it mentions.
    pub(super) fn lenient(&mut self, scope: &[Column]) -> String {
        let condition = self.condition(scope, Place::Volatile);
        format!("({condition}) IS NOT NULL OR true")
    }

    /// A default for a column of that type.
    pub(super) fn default_of(&mut self, of: &Type) -> String {
        let fit: Vec<_> =
            self.routines.iter().filter(|r| !r.is_set && r.returns.sql == of.sql).cloned().collect();
        if !fit.is_empty() && self.chance(50) {
            let routine = self.pick(&fit);
            let arguments: Vec<String> = routine.arguments.iter().map(|of| self.constant(of)).collect();
            return format!("{}({})", routine.name, arguments.join(", "));
        }
        match of.sql.as_str() {
            "integer" | "bigint" if !self.sequences.is_empty() && self.chance(40) => {
                let all = self.sequences.clone();
                let sequence = self.pick(&all).replace('\'', "''");
                format!("nextval('{sequence}')")
            }
            "regclass" if !self.relations.is_empty() && self.chance(70) => {
                let all = self.relations.clone();
                let name = self.pick(&all).name.replace('\'', "''");
                format!("'{name}'::regclass")
            }
            "timestamptz" if self.chance(50) => "now()".to_owned(),
            _ => self.constant(of),
        }
    }
}

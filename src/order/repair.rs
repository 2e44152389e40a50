//! Dependency loops: how they are found, recognised and broken.
//!
//! The server allows some loops because it creates their members in steps. For each such loop there is a
//! repair here. It either makes the dump use steps too, or drops a dependency that is already satisfied by
//! printing both members in one command.

use crate::catalog::{Catalog, Components, ConstraintOwner, DumpId, ObjectKind, RelKind};
use crate::error::{Error, ErrorKind, Result};

/// Finds loops among the objects that the sort could not place, and breaks them. Of loops that share a member
/// only one is broken, since its repair may have broken the others too. Loops among rows that no order can
/// satisfy are added to `circles`.
pub(super) fn break_loops(
    catalog: &mut Catalog,
    left: &[DumpId],
    circles: &mut Vec<Vec<DumpId>>,
) -> Result<()> {
    let objects = catalog.ids().count();
    let mut search = Search {
        done: vec![false; objects],
        dead_end_for: vec![None; objects],
        on_path: vec![false; objects],
    };
    for &start in left {
        match search.find_loop(catalog, start) {
            Some(members) => {
                repair(catalog, &members, circles)?;
                for member in members {
                    search.done[member.index()] = true;
                }
            }
            None => search.done[start.index()] = true,
        }
    }
    Ok(())
}

struct Search {
    /// Whether the object is part of a loop that was already repaired, or of no loop.
    done: Vec<bool>,
    /// No path leads from the object to this start.
    dead_end_for: Vec<Option<DumpId>>,
    /// Whether the object is on the current path; all false between two searches.
    on_path: Vec<bool>,
}

impl Search {
    /// Finds a path from `start` along dependencies back to it, depth first and without recursion, since
    /// chains of dependencies may be long.
    fn find_loop(&mut self, catalog: &Catalog, start: DumpId) -> Option<Vec<DumpId>> {
        if self.done[start.index()] {
            return None;
        }
        let mut path: Vec<(DumpId, usize)> = vec![(start, 0)];
        if catalog.object(start).dependencies.contains(&start) {
            return Some(vec![start]);
        }
        self.on_path[start.index()] = true;
        while let Some((id, next)) = path.last_mut() {
            let here = *id;
            let Some(&on) = catalog.object(here).dependencies.get(*next) else {
                self.dead_end_for[here.index()] = Some(start);
                self.on_path[here.index()] = false;
                path.pop();
                continue;
            };
            *next += 1;
            let i = on.index();
            if self.done[i] || self.dead_end_for[i] == Some(start) || self.on_path[i] {
                continue;
            }
            path.push((on, 0));
            self.on_path[i] = true;
            if catalog.object(on).dependencies.contains(&start) {
                let members: Vec<DumpId> = path.into_iter().map(|(id, _)| id).collect();
                for member in &members {
                    self.on_path[member.index()] = false;
                }
                return Some(members);
            }
        }
        None
    }
}

/// Breaks the loop by the first rule that matches.
fn repair(catalog: &mut Catalog, members: &[DumpId], circles: &mut Vec<Vec<DumpId>>) -> Result<()> {
    let rules: [fn(&mut Catalog, &[DumpId]) -> bool; 13] = [
        type_and_function,
        view_and_rule,
        view_in_longer_loop,
        matview_and_boundary,
        matview_statistics_and_boundary,
        function_and_boundary,
        table_and_check,
        check_in_longer_loop,
        table_and_default,
        partitioned_index,
        default_in_longer_loop,
        domain_and_check,
        check_of_domain_in_longer_loop,
    ];
    if rules.iter().any(|rule| rule(catalog, members)) || table_with_itself(catalog, members) {
        return Ok(());
    }
    cut_among_rows(catalog, members)?;
    circles.push(members.to_vec());
    Ok(())
}

/// Both orders of a loop of two.
fn pairs(members: &[DumpId]) -> Vec<(DumpId, DumpId)> {
    match *members {
        [a, b] => vec![(a, b), (b, a)],
        _ => Vec::new(),
    }
}

/// All ordered pairs of a loop of more than two.
fn longer_pairs(members: &[DumpId]) -> Vec<(DumpId, DumpId)> {
    if members.len() < 3 {
        return Vec::new();
    }
    members.iter().flat_map(|&a| members.iter().map(move |&b| (a, b))).collect()
}

/// A base type needs its I/O functions, and these name the type; the same holds for a range type and its
/// canonical function. The functions are created for the shell type.
fn type_and_function(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (typ, function) in pairs(members) {
        let (ObjectKind::Type(t), ObjectKind::Routine(_)) =
            (&catalog.object(typ).kind, &catalog.object(function).kind)
        else {
            continue;
        };
        let shell = t.shell;
        catalog.remove_dependency(function, typ);
        if let Some(shell) = shell {
            catalog.add_dependency(function, shell);
            let dump = catalog.object(function).dump;
            if !dump.is_empty() {
                catalog.object_mut(shell).dump = dump | Components::DEFINITION;
            }
        }
        return true;
    }
    false
}

fn is_rule_of_view(catalog: &Catalog, rule: DumpId, view: DumpId) -> bool {
    catalog.rule(rule).is_some_and(|r| r.is_view_rule && r.relation == view)
}

fn relkind(catalog: &Catalog, id: DumpId) -> Option<RelKind> {
    catalog.relation(id).map(|rel| rel.relkind)
}

/// A view is printed together with its ON SELECT rule.
fn view_and_rule(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (view, rule) in pairs(members) {
        let of_view = matches!(relkind(catalog, view), Some(RelKind::View | RelKind::MatView));
        if of_view && is_rule_of_view(catalog, rule, view) {
            catalog.remove_dependency(rule, view);
            return true;
        }
    }
    false
}

/// A view whose rule needs something that needs the view: the view is created with NULL columns first, and
/// gets its rule in the post-data section.
fn view_in_longer_loop(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (view, rule) in longer_pairs(members) {
        if relkind(catalog, view) != Some(RelKind::View) || !is_rule_of_view(catalog, rule, view) {
            continue;
        }
        catalog.remove_dependency(view, rule);
        if let Some(relation) = catalog.relation_mut(view) {
            relation.dummy_view = true;
        }
        if let Some(rule) = catalog.rule_mut(rule) {
            rule.separate = true;
        }
        catalog.add_dependency(rule, view);
        wait_for_post_data(catalog, rule);
        return true;
    }
    false
}

fn wait_for_post_data(catalog: &mut Catalog, id: DumpId) {
    if let Some(boundary) = catalog.post_data_boundary {
        catalog.add_dependency(id, boundary);
    }
}

/// A section boundary in a longer loop, and the member that follows it.
fn boundary_and_next(
    catalog: &Catalog,
    members: &[DumpId],
    is_boundary: impl Fn(&ObjectKind) -> bool,
) -> Option<(DumpId, DumpId)> {
    if members.len() < 3 {
        return None;
    }
    let position = members.iter().position(|&id| is_boundary(&catalog.object(id).kind))?;
    Some((members[position], members[(position + 1) % members.len()]))
}

fn is_pre_data(kind: &ObjectKind) -> bool {
    matches!(kind, ObjectKind::PreDataBoundary)
}

/// A materialised view that groups by a primary key needs that constraint, which is post-data, so the view
/// becomes post-data too. Its row type and other views may come first in the loop.
fn matview_and_boundary(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    if !members.iter().any(|&id| relkind(catalog, id) == Some(RelKind::MatView)) {
        return false;
    }
    let Some((boundary, next)) = boundary_and_next(catalog, members, is_pre_data) else { return false };
    catalog.remove_dependency(boundary, next);
    if let Some(relation) = catalog.relation_mut(next).filter(|rel| rel.relkind == RelKind::MatView) {
        relation.postponed = true;
    }
    true
}

/// The statistics of such a view come after it, so they become post-data as well.
fn matview_statistics_and_boundary(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    let of_matview = |&id: &DumpId| {
        let of_it =
            |(&of, &it): (&DumpId, &DumpId)| it == id && relkind(catalog, of) == Some(RelKind::MatView);
        catalog.relation_statistics(id).is_some() && catalog.statistics.iter().any(of_it)
    };
    if !members.iter().any(of_matview) {
        return false;
    }
    let is_post_data = |kind: &ObjectKind| matches!(kind, ObjectKind::PostDataBoundary);
    let Some((boundary, next)) = boundary_and_next(catalog, members, is_post_data) else { return false };
    catalog.remove_dependency(boundary, next);
    if let Some(statistics) = catalog.relation_statistics_mut(next) {
        statistics.post_data = true;
    }
    true
}

/// The same for a function with an SQL-standard body that groups by a primary key.
fn function_and_boundary(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    if !members.iter().any(|&id| matches!(catalog.object(id).kind, ObjectKind::Routine(_))) {
        return false;
    }
    let Some((boundary, next)) = boundary_and_next(catalog, members, is_pre_data) else { return false };
    catalog.remove_dependency(boundary, next);
    if let Some(routine) = catalog.routine_mut(next) {
        routine.postponed = true;
    }
    true
}

fn is_check_of(catalog: &Catalog, constraint: DumpId, owner: ConstraintOwner) -> bool {
    matches!(&catalog.object(constraint).kind,
        ObjectKind::Constraint(c) if matches!(c.contype, 'c' | 'n') && c.owner == owner)
}

/// A check constraint is printed within CREATE TABLE.
fn table_and_check(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (table, check) in pairs(members) {
        if is_check_of(catalog, check, ConstraintOwner::Table(table)) {
            catalog.remove_dependency(check, table);
            return true;
        }
    }
    false
}

/// A check constraint that needs something that needs the table is printed separately, in the post-data
/// section.
fn check_in_longer_loop(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (table, check) in longer_pairs(members) {
        if relkind(catalog, table).is_some() && is_check_of(catalog, check, ConstraintOwner::Table(table)) {
            separate_constraint(catalog, table, check);
            return true;
        }
    }
    false
}

fn separate_constraint(catalog: &mut Catalog, owner: DumpId, constraint: DumpId) {
    catalog.remove_dependency(owner, constraint);
    if let Some(constraint) = catalog.constraint_mut(constraint) {
        constraint.separate = true;
    }
    catalog.add_dependency(constraint, owner);
    wait_for_post_data(catalog, constraint);
}

fn is_default_of(catalog: &Catalog, default: DumpId, table: DumpId) -> bool {
    catalog.attr_def(default).is_some_and(|d| d.table == table)
}

/// A default is printed within CREATE TABLE.
fn table_and_default(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (table, default) in pairs(members) {
        if is_default_of(catalog, default, table) {
            catalog.remove_dependency(default, table);
            return true;
        }
    }
    false
}

/// A partitioned table's index is created before its partitions' indexes are attached.
fn partitioned_index(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (parent, partition) in pairs(members) {
        let parent_oid = catalog.object(parent).catalog_id.oid;
        let attached = catalog.index(partition).is_some_and(|i| i.parent_oid == parent_oid);
        if attached && catalog.index(parent).is_some() {
            catalog.remove_dependency(partition, parent);
            return true;
        }
    }
    false
}

/// A default that needs something that needs the table, such as nextval() of a sequence that the column owns,
/// is printed separately.
fn default_in_longer_loop(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (table, default) in longer_pairs(members) {
        if !is_default_of(catalog, default, table) {
            continue;
        }
        catalog.remove_dependency(table, default);
        if let Some(attr_def) = catalog.attr_def_mut(default) {
            attr_def.separate = true;
        }
        catalog.add_dependency(default, table);
        return true;
    }
    false
}

/// A domain's check constraint is printed within CREATE DOMAIN.
fn domain_and_check(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (domain, check) in pairs(members) {
        if is_check_of(catalog, check, ConstraintOwner::Domain(domain)) {
            catalog.remove_dependency(check, domain);
            return true;
        }
    }
    false
}

/// A domain's check constraint that calls a function that uses the domain is printed separately, in the
/// post-data section.
fn check_of_domain_in_longer_loop(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    for (domain, check) in longer_pairs(members) {
        let is_type = matches!(catalog.object(domain).kind, ObjectKind::Type(_));
        if is_type && is_check_of(catalog, check, ConstraintOwner::Domain(domain)) {
            separate_constraint(catalog, domain, check);
            return true;
        }
    }
    false
}

/// A column may depend on another column or on the whole row; we don't distinguish columns.
fn table_with_itself(catalog: &mut Catalog, members: &[DumpId]) -> bool {
    let &[table] = members else { return false };
    if relkind(catalog, table).is_none() {
        return false;
    }
    catalog.remove_dependency(table, table);
    true
}

/// Handles loops that no other rule matches. Circular foreign keys among the rows of a data-only dump can be
/// cut anywhere: rows may be loaded in any order without triggers.
///
/// # Errors
/// Any other loop, such as a column's default that names an index by its OID, since no order of it can be
/// restored.
fn cut_among_rows(catalog: &mut Catalog, members: &[DumpId]) -> Result<()> {
    if !members.iter().all(|&id| matches!(catalog.object(id).kind, ObjectKind::TableData(_))) {
        let names: Vec<String> = members.iter().filter_map(|&id| described(catalog, id)).collect();
        let names = names.join(", ");
        return Err(Error::new(ErrorKind::SourceFailed, "order the objects of the dump")
            .because(format!("these depend on each other in a circle, so none can be created first: {names}"))
            .hint("change one so that it does not depend on the next, or leave it out (--exclude-table)"));
    }
    let on = members.get(1).unwrap_or(&members[0]);
    catalog.remove_dependency(members[0], *on);
    Ok(())
}

/// Describes the object for users; `None` for the section boundaries, which are internal.
fn described(catalog: &Catalog, id: DumpId) -> Option<String> {
    let object = catalog.object(id);
    let what = match &object.kind {
        ObjectKind::PreDataBoundary | ObjectKind::PostDataBoundary => return None,
        ObjectKind::Relation(relation) => relation.relkind.keyword(),
        ObjectKind::Type(_) | ObjectKind::ShellType(_) | ObjectKind::DummyType(_) => "TYPE",
        ObjectKind::Routine(_) => "FUNCTION",
        ObjectKind::Aggregate(_) => "AGGREGATE",
        ObjectKind::AttrDef(_) => "DEFAULT in",
        ObjectKind::Index(_) => "INDEX",
        ObjectKind::Constraint(_) | ObjectKind::ForeignKey(_) => "CONSTRAINT",
        ObjectKind::Rule(_) => "RULE",
        ObjectKind::Trigger(_) => "TRIGGER",
        ObjectKind::Policy(_) => "POLICY",
        ObjectKind::TableData(_) => "rows of",
        ObjectKind::Namespace(_) => "SCHEMA",
        ObjectKind::Extension(_) => "EXTENSION",
        ObjectKind::Operator(_) => "OPERATOR",
        ObjectKind::AccessMethod(_) => "ACCESS METHOD",
        ObjectKind::Opclass(_) => "OPERATOR CLASS",
        ObjectKind::Opfamily(_) => "OPERATOR FAMILY",
        ObjectKind::Collation(_) => "COLLATION",
        ObjectKind::Conversion(_) => "CONVERSION",
        ObjectKind::TableAttach(_) | ObjectKind::IndexAttach(_) => "attachment of",
        ObjectKind::ExtendedStatistics(_) => "STATISTICS",
        ObjectKind::Language(_) => "LANGUAGE",
        ObjectKind::Cast(_) => "CAST",
        ObjectKind::Transform(_) => "TRANSFORM",
        ObjectKind::SequenceSet(_) => "value of",
        ObjectKind::RelationStatistics(_) => "statistics of",
        ObjectKind::RefreshMatView(_) => "refresh of",
        ObjectKind::TsParser(_) => "TEXT SEARCH PARSER",
        ObjectKind::TsDict(_) => "TEXT SEARCH DICTIONARY",
        ObjectKind::TsTemplate(_) => "TEXT SEARCH TEMPLATE",
        ObjectKind::TsConfig(_) => "TEXT SEARCH CONFIGURATION",
        ObjectKind::ForeignDataWrapper(_) => "FOREIGN DATA WRAPPER",
        ObjectKind::ForeignServer(_) => "SERVER",
        ObjectKind::DefaultAcl(_) => "DEFAULT PRIVILEGES",
        ObjectKind::LargeObjects(_) => "LARGE OBJECT",
        ObjectKind::LargeObjectData(_) => "contents of LARGE OBJECT",
        ObjectKind::EventTrigger(_) => "EVENT TRIGGER",
        ObjectKind::Publication(_) => "PUBLICATION",
        ObjectKind::PublicationRel(_) => "PUBLICATION TABLE",
        ObjectKind::PublicationNamespace(_) => "PUBLICATION TABLES IN SCHEMA",
        ObjectKind::Subscription(_) => "SUBSCRIPTION",
    };
    let namespace = catalog.namespace_name(id).map(|name| format!("{name}.")).unwrap_or_default();
    Some(format!("{what} {namespace}{}", object.name))
}

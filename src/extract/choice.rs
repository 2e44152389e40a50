//! Which entries of a backup are wanted.

use std::collections::{HashMap, HashSet};

use super::UseList;
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Index, IndexEntry, Section};

/// What is wanted of a backup. By default, everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Objects by name, with their rows. If there are any, nothing else is wanted but what belongs to them.
    pub names: Vec<ChosenName>,
    /// Only what is in one of these schemas, unless there are none.
    pub schemas: Vec<String>,
    /// Nothing that is in one of these schemas.
    pub excluded_schemas: Vec<String>,
    /// Only definitions, or only data.
    pub only: Option<Only>,
    /// Only these sections, unless there are none.
    pub sections: Vec<Section>,
    /// Only the entries of this list, in its order.
    pub list: Option<UseList>,
    /// Also what the chosen entries need.
    pub with_dependencies: bool,
}

/// The two sides of a backup, as `pg_restore -s` and `-a` tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// What defines objects, except large objects.
    Definitions,
    /// Rows, values of sequences, and all that concerns large objects.
    Data,
}

/// An object, with or without its schema. Names are not folded to lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenName {
    /// A table, view, materialized view, sequence or foreign table.
    Table(String),
    /// The same, with its partitions and the tables that inherit from it.
    TableAndChildren(String),
    /// An index.
    Index(String),
    /// A function, procedure or aggregate: with its argument types, or all of its name.
    Function(String),
    /// A trigger, with or without its table's name before it.
    Trigger(String),
}

/// The kinds of entries that [`ChosenName::Table`] finds.
const RELATIONS: [&str; 8] = [
    "TABLE",
    "TABLE DATA",
    "VIEW",
    "MATERIALIZED VIEW",
    "MATERIALIZED VIEW DATA",
    "FOREIGN TABLE",
    "SEQUENCE",
    "SEQUENCE SET",
];

const ROUTINES: [&str; 3] = ["FUNCTION", "PROCEDURE", "AGGREGATE"];

/// The kinds of entries that are wanted whenever what they are about is.
const REMARKS: [&str; 4] = ["ACL", "COMMENT", "SECURITY LABEL", "STATISTICS DATA"];

/// The kinds of entries without which a table or sequence is not what it was.
const PARTS: [&str; 3] = ["DEFAULT", "SEQUENCE OWNED BY", "SEQUENCE SET"];

impl ChosenName {
    fn name(&self) -> &str {
        match self {
            ChosenName::Table(name)
            | ChosenName::TableAndChildren(name)
            | ChosenName::Index(name)
            | ChosenName::Function(name)
            | ChosenName::Trigger(name) => name,
        }
    }

    /// The same, if it was written as in SQL.
    fn without_quotes(&self) -> Self {
        let mut bare = self.clone();
        match &mut bare {
            ChosenName::Table(name)
            | ChosenName::TableAndChildren(name)
            | ChosenName::Index(name)
            | ChosenName::Function(name)
            | ChosenName::Trigger(name) => *name = name.replace('"', ""),
        }
        bare
    }

    fn what(&self) -> &'static str {
        match self {
            ChosenName::Table(_) | ChosenName::TableAndChildren(_) => "table, view or sequence",
            ChosenName::Index(_) => "index",
            ChosenName::Function(_) => "function",
            ChosenName::Trigger(_) => "trigger",
        }
    }

    fn kinds(&self) -> &'static [&'static str] {
        match self {
            ChosenName::Table(_) | ChosenName::TableAndChildren(_) => &RELATIONS,
            ChosenName::Index(_) => &["INDEX"],
            ChosenName::Function(_) => &ROUTINES,
            ChosenName::Trigger(_) => &["TRIGGER"],
        }
    }

    /// Whether an entry has this name, compared by `same`.
    fn is_of(&self, entry: &IndexEntry, same: impl Fn(&str, &str) -> bool) -> bool {
        if !self.kinds().contains(&&*entry.kind) {
            return false;
        }
        // The tag of a trigger has its table's name before its own.
        let of_table = |name: &str| entry.tag.strip_suffix(name).is_some_and(|table| table.ends_with(' '));
        let is = |name: &str| match self {
            ChosenName::Function(_) => {
                same(&entry.tag, name) || same(entry.tag.split('(').next().unwrap_or_default(), name)
            }
            ChosenName::Trigger(_) => same(&entry.tag, name) || of_table(name),
            ChosenName::Table(_) | ChosenName::TableAndChildren(_) | ChosenName::Index(_) => {
                same(&entry.tag, name)
            }
        };
        let name = self.name();
        let within = name.split_at_checked(entry.namespace.len());
        let within = within.filter(|(namespace, _)| same(namespace, &entry.namespace));
        is(name) || within.and_then(|(_, rest)| rest.strip_prefix('.')).is_some_and(is)
    }
}

/// Follows the dependencies between entries.
struct Links<'a> {
    index: &'a Index,
    by_id: HashMap<u32, usize>,
}

impl<'a> Links<'a> {
    fn new(index: &'a Index) -> Self {
        let by_id = index.entries.iter().enumerate().map(|(number, entry)| (entry.dump_id, number)).collect();
        Links { index, by_id }
    }

    /// The places of the entries that an entry needs.
    fn needs(&self, entry: &IndexEntry) -> impl Iterator<Item = usize> {
        entry.dependencies.iter().filter_map(|id| self.by_id.get(id).copied())
    }

    /// The section of an entry. One without a section of its own is in that of what it is about.
    fn section(&self, entry: &IndexEntry) -> Section {
        let about = || self.needs(entry).map(|needed| self.index.entries[needed].section).find(is_section);
        match entry.section {
            Section::None => about().unwrap_or(Section::PreData),
            section => section,
        }
    }
}

fn is_section(section: &Section) -> bool {
    *section != Section::None
}

impl Choice {
    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        *self == Choice { with_dependencies: self.with_dependencies, ..Choice::default() }
    }

    /// The places in `index.entries` of what is wanted, in the order in which it is wanted.
    ///
    /// What concerns the database itself is never included.
    ///
    /// # Errors
    /// `Usage`, if something that was named does not exist.
    pub fn find(&self, index: &Index) -> Result<Vec<usize>> {
        let links = Links::new(index);
        let mut chosen: Vec<bool> = index.entries.iter().map(|entry| self.is_chosen(entry)).collect();
        self.refuse_unknown(index)?;
        let listed = self.listed(&links)?;
        self.add_children(&links, &mut chosen);
        if let Some(listed) = &listed {
            let mut wanted = vec![false; chosen.len()];
            for number in listed {
                wanted[*number] = chosen[*number] || self.is_remark_of_any(&links, *number, &chosen);
            }
            chosen = wanted;
        } else {
            self.add_remarks(&links, &mut chosen);
        }
        if self.with_dependencies {
            add_dependencies(&links, &mut chosen);
            self.add_remarks(&links, &mut chosen);
        }
        let is_wanted = |number: &usize| {
            let entry = &index.entries[*number];
            chosen[*number]
                && !is_about_database(entry)
                && self.only.is_none_or(|only| only == Only::of(entry))
                && (self.sections.is_empty() || self.sections.contains(&links.section(entry)))
        };
        let Some(listed) = listed else { return Ok((0..chosen.len()).filter(is_wanted).collect()) };
        let mut is_added = vec![true; chosen.len()];
        listed.iter().for_each(|number| is_added[*number] = false);
        // Those that are needed come first, in the backup's order.
        let added = (0..chosen.len()).filter(|number| is_added[*number]);
        Ok(added.chain(listed.iter().copied()).filter(is_wanted).collect())
    }

    /// The chosen partitioned tables of which partitions are not chosen: those have the rows.
    pub fn without_partitions(index: &Index, chosen: &[usize]) -> Vec<String> {
        let links = Links::new(index);
        let is_chosen: HashSet<usize> = chosen.iter().copied().collect();
        let mut found = Vec::new();
        for attached in index.entries.iter().filter(|entry| *entry.kind == *"TABLE ATTACH") {
            // It has the name of the partition, and needs the partition and its parent.
            let (partitions, parents): (Vec<_>, Vec<_>) =
                links.needs(attached).partition(|table| has_same_name(attached, &index.entries[*table]));
            if partitions.iter().any(|partition| !is_chosen.contains(partition)) {
                let chosen = parents.into_iter().filter(|parent| is_chosen.contains(parent));
                found.extend(
                    chosen.map(|it| format!("{}.{}", index.entries[it].namespace, index.entries[it].tag)),
                );
            }
        }
        found.dedup();
        found
    }

    fn is_selective(&self) -> bool {
        !(self.names.is_empty() && self.schemas.is_empty() && self.excluded_schemas.is_empty())
    }

    /// Whether an entry is chosen for its own sake.
    fn is_chosen(&self, entry: &IndexEntry) -> bool {
        let is_in = |schemas: &[String]| schemas.iter().any(|schema| **schema == *entry.namespace);
        if is_remark(entry) && self.is_selective() {
            return false;
        }
        (self.schemas.is_empty() || is_in(&self.schemas))
            && !is_in(&self.excluded_schemas)
            && (self.names.is_empty() || self.names.iter().any(|name| name.is_of(entry, |a, b| a == b)))
    }

    /// The places of the entries of the list, each once.
    fn listed(&self, links: &Links<'_>) -> Result<Option<Vec<usize>>> {
        let Some(UseList(ids)) = &self.list else { return Ok(None) };
        let place = |id: &u32| {
            links.by_id.get(id).copied().ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("find entry {id} of the list in the backup"))
                    .because("there is no such entry")
                    .hint("dump ids differ from backup to backup: make the list anew with pgsiphon contents")
            })
        };
        let mut places = ids.iter().map(place).collect::<Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        places.retain(|number| seen.insert(*number));
        Ok(Some(places))
    }

    fn refuse_unknown(&self, index: &Index) -> Result<()> {
        let unknown = |what: &str, name: &str, similar: Option<String>| {
            let error = Error::new(ErrorKind::Usage, format!("find {what} \"{name}\" in the backup"))
                .because("the backup does not have it");
            match similar {
                Some(similar) => error.hint(format!("did you mean {similar}?")),
                None => error.hint("pgsiphon contents lists what it has"),
            }
        };
        for name in &self.names {
            if index.entries.iter().any(|entry| name.is_of(entry, |a, b| a == b)) {
                continue;
            }
            let bare = name.without_quotes();
            let similar = index.entries.iter().find(|entry| bare.is_of(entry, str::eq_ignore_ascii_case));
            let similar = similar.map(|entry| format!("{}.{}", entry.namespace, entry.tag));
            return Err(unknown(name.what(), name.name(), similar));
        }
        let has = |schema: &str| index.entries.iter().any(|entry| *entry.namespace == *schema);
        if let Some(schema) = self.schemas.iter().find(|schema| !has(schema)) {
            let mut namespaces = index.entries.iter().map(|entry| &entry.namespace);
            let similar = namespaces.find(|namespace| namespace.eq_ignore_ascii_case(schema));
            return Err(unknown("schema", schema, similar.map(ToString::to_string)));
        }
        Ok(())
    }

    /// Adds partitions, tables that inherit, and what attaches them.
    fn add_children(&self, links: &Links<'_>, chosen: &mut [bool]) {
        let entries = &links.index.entries;
        let mut parents = vec![false; entries.len()];
        for (number, entry) in entries.iter().enumerate() {
            parents[number] = self.names.iter().any(|name| {
                matches!(name, ChosenName::TableAndChildren(_)) && name.is_of(entry, |a, b| a == b)
            });
        }
        let is_table = |number: &usize| matches!(&*entries[*number].kind, "TABLE" | "FOREIGN TABLE");
        loop {
            let before = parents.iter().filter(|parent| **parent).count();
            for (number, entry) in entries.iter().enumerate() {
                let tables = || links.needs(entry).filter(is_table);
                match &*entry.kind {
                    "TABLE" | "FOREIGN TABLE" | "TABLE DATA" if tables().any(|table| parents[table]) => {
                        parents[number] = true;
                    }
                    // As in `without_partitions`.
                    "TABLE ATTACH"
                        if tables().any(|table| parents[table] && !has_same_name(entry, &entries[table])) =>
                    {
                        chosen[number] = true;
                        tables().for_each(|table| parents[table] = true);
                    }
                    _ => {}
                }
            }
            if parents.iter().filter(|parent| **parent).count() == before {
                break;
            }
        }
        chosen.iter_mut().zip(parents).for_each(|(chosen, parent)| *chosen |= parent);
    }

    fn add_remarks(&self, links: &Links<'_>, chosen: &mut [bool]) {
        if !self.is_selective() && self.list.is_none() {
            return;
        }
        for number in 0..chosen.len() {
            chosen[number] |= self.is_remark_of_any(links, number, chosen);
        }
    }

    /// Whether an entry is a remark about chosen ones.
    fn is_remark_of_any(&self, links: &Links<'_>, number: usize, chosen: &[bool]) -> bool {
        let entry = &links.index.entries[number];
        is_remark(entry) && links.needs(entry).next().is_some() && links.needs(entry).all(|it| chosen[it])
    }
}

impl Only {
    fn of(entry: &IndexEntry) -> Self {
        let is_of_large_object = matches!(&*entry.kind, "BLOB" | "BLOB METADATA")
            || (is_remark(entry) && entry.tag.starts_with("LARGE OBJECT"));
        match entry.section {
            Section::Data => Only::Data,
            Section::None | Section::PreData | Section::PostData if is_of_large_object => Only::Data,
            Section::None | Section::PreData | Section::PostData => Only::Definitions,
        }
    }
}

fn has_same_name(a: &IndexEntry, b: &IndexEntry) -> bool {
    (&a.namespace, &a.tag) == (&b.namespace, &b.tag)
}

fn is_remark(entry: &IndexEntry) -> bool {
    REMARKS.contains(&&*entry.kind)
}

/// Whether an entry creates or changes the database itself.
fn is_about_database(entry: &IndexEntry) -> bool {
    matches!(&*entry.kind, "DATABASE" | "DATABASE PROPERTIES")
        || (is_remark(entry) && entry.tag.starts_with("DATABASE "))
}

/// Adds what chosen entries need, and what a table needs to fill in its values.
fn add_dependencies(links: &Links<'_>, chosen: &mut [bool]) {
    let entries = &links.index.entries;
    let mut parts: HashMap<usize, Vec<usize>> = HashMap::new();
    for (number, entry) in entries.iter().enumerate().filter(|(_, entry)| PARTS.contains(&&*entry.kind)) {
        links.needs(entry).for_each(|needed| parts.entry(needed).or_default().push(number));
    }
    let mut open: Vec<usize> = (0..chosen.len()).filter(|number| chosen[*number]).collect();
    while let Some(number) = open.pop() {
        let needed = links.needs(&entries[number]);
        for other in needed.chain(parts.get(&number).into_iter().flatten().copied()) {
            if !chosen[other] {
                chosen[other] = true;
                open.push(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with a default from a sequence, an index, a trigger, a partition, and another schema.
    fn shop() -> Index {
        let entry =
            |dump_id, kind: &str, namespace: &str, tag: &str, section, dependencies: &[u32]| IndexEntry {
                dump_id,
                kind: kind.into(),
                namespace: namespace.into(),
                tag: tag.into(),
                section,
                dependencies: dependencies.to_vec(),
                ..IndexEntry::default()
            };
        use Section::{Data, None, PostData, PreData};
        let entries = vec![
            entry(1, "DATABASE", "", "shop", None, &[]),
            entry(2, "ACL", "", "DATABASE shop", None, &[1]),
            entry(3, "SCHEMA", "", "app", PreData, &[]),
            entry(4, "TYPE", "app", "state", PreData, &[3]),
            entry(5, "FUNCTION", "app", "next(integer)", PreData, &[3]),
            entry(6, "FUNCTION", "app", "next(text)", PreData, &[3]),
            entry(7, "TABLE", "app", "orders", PreData, &[3, 4]),
            entry(8, "COMMENT", "app", "TABLE orders", None, &[7]),
            entry(9, "SEQUENCE", "app", "orders_id_seq", PreData, &[7]),
            entry(10, "SEQUENCE OWNED BY", "app", "orders_id_seq", PreData, &[7, 9]),
            entry(11, "DEFAULT", "app", "orders id", PreData, &[7, 9, 5]),
            entry(12, "TABLE", "app", "orders_2026", PreData, &[3]),
            entry(13, "TABLE ATTACH", "app", "orders_2026", PreData, &[7, 12]),
            entry(14, "TABLE", "other", "Orders", PreData, &[]),
            entry(15, "TABLE DATA", "app", "orders", Data, &[7]),
            entry(16, "TABLE DATA", "app", "orders_2026", Data, &[12]),
            entry(17, "SEQUENCE SET", "app", "orders_id_seq", Data, &[9]),
            entry(18, "INDEX", "app", "orders_idx", PostData, &[7]),
            entry(19, "TRIGGER", "app", "orders audit", PostData, &[7, 5]),
            entry(20, "ACL", "app", "TABLE orders", None, &[7]),
            entry(21, "BLOB", "", "4711", PreData, &[]),
            entry(22, "BLOBS", "", "BLOBS", Data, &[21]),
            entry(23, "ACL", "", "LARGE OBJECT 4711", None, &[21]),
        ];
        Index { entries, ..Index::default() }
    }

    fn found(choice: &Choice) -> Vec<u32> {
        let index = shop();
        choice.find(&index).unwrap().into_iter().map(|number| index.entries[number].dump_id).collect()
    }

    fn named(names: &[ChosenName]) -> Choice {
        Choice { names: names.to_vec(), ..Choice::default() }
    }

    #[test]
    fn everything_is_all_but_the_database() {
        assert_eq!(found(&Choice::default()), (3..=23).collect::<Vec<_>>());
    }

    #[test]
    fn names_choose_what_pg_restore_chooses() {
        use ChosenName::{Function, Index, Table, TableAndChildren, Trigger};
        let name = |name: &str| name.to_owned();
        for (chosen, ids) in [
            (Table(name("orders")), &[7, 8, 15, 20][..]),
            (Table(name("app.orders")), &[7, 8, 15, 20]),
            (Table(name("orders_id_seq")), &[9, 17]),
            (Table(name("Orders")), &[14]),
            (TableAndChildren(name("app.orders")), &[7, 8, 12, 13, 15, 16, 20]),
            (TableAndChildren(name("app.orders_2026")), &[12, 16]),
            (Index(name("orders_idx")), &[18]),
            (Function(name("next(text)")), &[6]),
            (Function(name("app.next(text)")), &[6]),
            (Function(name("next")), &[5, 6]),
            (Trigger(name("audit")), &[19]),
            (Trigger(name("orders audit")), &[19]),
            (Trigger(name("app.audit")), &[19]),
        ] {
            assert_eq!(found(&named(std::slice::from_ref(&chosen))), ids, "{chosen:?}");
        }
    }

    #[test]
    fn schemas_and_sections_narrow_the_choice() {
        let in_app = Choice { schemas: vec!["app".into()], ..Choice::default() };
        assert_eq!(found(&in_app), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20]);
        let elsewhere = Choice { excluded_schemas: vec!["app".into()], ..Choice::default() };
        assert_eq!(found(&elsewhere), [3, 14, 21, 22, 23]);
        let data = Choice { sections: vec![Section::Data], ..Choice::default() };
        assert_eq!(found(&data), [15, 16, 17, 22]);
        let rows = Choice { only: Some(Only::Data), ..Choice::default() };
        assert_eq!(found(&rows), [15, 16, 17, 21, 22, 23]);
        let definition =
            Choice { only: Some(Only::Definitions), ..named(&[ChosenName::Table("orders".into())]) };
        assert_eq!(found(&definition), [7, 8, 20]);
    }

    #[test]
    fn dependencies_are_followed() {
        let choice = Choice { with_dependencies: true, ..named(&[ChosenName::Table("orders".into())]) };
        assert_eq!(found(&choice), [3, 4, 5, 7, 8, 9, 10, 11, 15, 17, 20]);
    }

    #[test]
    fn a_list_gives_the_order() {
        let list = Choice { list: Some(UseList(vec![15, 7, 20, 1])), ..Choice::default() };
        assert_eq!(found(&list), [15, 7, 20]);
        let with = Choice { with_dependencies: true, ..list };
        assert_eq!(found(&with), [3, 4, 5, 8, 9, 10, 11, 17, 15, 7, 20]);
        let both =
            Choice { list: Some(UseList(vec![12, 7, 7])), ..named(&[ChosenName::Table("orders".into())]) };
        assert_eq!(found(&both), [7]);
    }

    #[test]
    fn partitioned_tables_without_partitions_are_told() {
        let index = shop();
        let told = |choice: Choice| Choice::without_partitions(&index, &choice.find(&index).unwrap());
        assert_eq!(told(named(&[ChosenName::Table("orders".into())])), ["app.orders"]);
        assert!(told(named(&[ChosenName::TableAndChildren("orders".into())])).is_empty());
        assert!(told(Choice::default()).is_empty());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = |choice: Choice| choice.find(&shop()).unwrap_err();
        let missing = error(named(&[ChosenName::Table("ORDERS".into())]));
        assert!(missing.hints().is_some_and(|hint| hint.contains("app.orders")), "{missing:?}");
        let quoted = error(named(&[ChosenName::Table("\"app\".\"orders\"".into())]));
        assert!(quoted.hints().is_some_and(|hint| hint.contains("app.orders")), "{quoted:?}");
        for choice in [
            named(&[ChosenName::Index("orders".into())]),
            named(&[ChosenName::Trigger("dit".into())]),
            Choice { schemas: vec!["none".into()], ..Choice::default() },
            Choice { list: Some(UseList(vec![99])), ..Choice::default() },
        ] {
            assert_eq!(error(choice).kind(), ErrorKind::Usage);
        }
    }
}

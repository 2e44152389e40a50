//! Tables, views, materialised views, foreign tables.

use super::comment::Annotated;
use super::{Emitter, Entry, EntryKind, Section};
use crate::catalog::attribute_name;
use crate::catalog::{AttrDef, Attribute, CatalogId, Components, DumpId, RelKind, Relation};
use crate::error::Result;

impl Emitter<'_> {
    pub(super) fn relation(&mut self, id: DumpId, it: &Relation) -> Result<()> {
        if self.dumps(id, Components::DEFINITION) {
            match it.relkind {
                RelKind::Sequence => self.sequence(id, it),
                RelKind::CompositeType => {}
                RelKind::Table
                | RelKind::PartitionedTable
                | RelKind::View
                | RelKind::MatView
                | RelKind::ForeignTable => self.table(id, it),
            }
        }
        if !self.dumps(id, Components::ACL) {
            return Ok(());
        }
        let kind = if it.relkind == RelKind::Sequence { EntryKind::Sequence } else { EntryKind::Table };
        let (name, keyword) = (self.name(id), kind.header());
        let target =
            Annotated { id, kind, keyword, name: &name, namespace: self.schema(id), owner: &it.owner };
        self.push_privileges(target, None, &it.acl)?;
        for (column, acl) in &it.column_acls {
            let column = self.q.id(column);
            self.push_privileges(Annotated { keyword: "TABLE", ..target }, Some(&column), acl)?;
        }
        Ok(())
    }

    fn table(&mut self, id: DumpId, it: &Relation) {
        let qualified = self.qualified(id);
        let kind = entry_kind(it.relkind);
        let mut create = match it.relkind {
            RelKind::View => self.view_definition(&qualified, it),
            RelKind::MatView => self.matview_definition(&qualified, it),
            RelKind::Table
            | RelKind::PartitionedTable
            | RelKind::ForeignTable
            | RelKind::Sequence
            | RelKind::CompositeType => self.table_definition(&qualified, it),
        };
        if it.relkind != RelKind::View {
            self.column_settings(&mut create, &qualified, it);
        }
        let has_identity =
            matches!(it.relkind, RelKind::Table | RelKind::PartitionedTable | RelKind::MatView);
        match it.relreplident {
            'n' if has_identity => {
                create.push_str(&format!("\nALTER TABLE ONLY {qualified} REPLICA IDENTITY NOTHING;\n"));
            }
            'f' if has_identity => {
                create.push_str(&format!("\nALTER TABLE ONLY {qualified} REPLICA IDENTITY FULL;\n"));
            }
            // If an index is the replica identity, it is named where the index is created.
            _ => {}
        }
        if it.relforcerowsecurity {
            create.push_str(&format!("\nALTER TABLE ONLY {qualified} FORCE ROW LEVEL SECURITY;\n"));
        }
        let section = if it.postponed { Section::PostData } else { Section::PreData };
        let mut entry = Entry::new(section, kind, &*self.get(id).name, create)
            .in_namespace(self.schema(id))
            .owned_by(&it.owner)
            .named(qualified);
        let stored = matches!(it.relkind, RelKind::Table | RelKind::MatView);
        // Until 14, foreign tables were treated as if they had one too.
        let foreign_too = it.relkind == RelKind::ForeignTable && self.dialect < 15;
        if stored || it.relkind == RelKind::PartitionedTable || foreign_too {
            entry.tablespace = Some(it.tablespace.clone());
        }
        entry.is_partitioned = it.relkind == RelKind::PartitionedTable;
        // From version 17 on, partitioned tables have their own access method.
        if stored || (entry.is_partitioned && self.dialect >= 17) {
            entry.table_am = it.amname.clone();
        }
        self.push_definition(id, entry);
        self.annotate_table(id, it, kind);
    }

    fn annotate_table(&mut self, id: DumpId, it: &Relation, kind: EntryKind) {
        let name = self.name(id);
        let keyword = kind.header();
        let target =
            Annotated { id, kind, keyword, name: &name, namespace: self.schema(id), owner: &it.owner };
        if self.dumps(id, Components::COMMENT) {
            let column = |attnum| it.attribute(attnum).map(|a| a.attname.clone());
            self.comments_with_columns(target, self.get(id).catalog_id, column);
        }
        if self.dumps(id, Components::SECURITY_LABEL) {
            self.table_security_labels(it, target);
        }
        self.comments_on_not_nulls(it, target);
        for &check in &it.checks {
            let inline = self.catalog.constraint(check).is_some_and(|c| !c.separate && c.conislocal);
            if inline {
                let keyword = format!("CONSTRAINT {} ON", self.name(check));
                self.comment(Annotated { id: check, keyword: &keyword, ..target });
            }
        }
    }

    fn table_security_labels(&mut self, it: &Relation, target: Annotated<'_>) {
        let catalog_id: CatalogId = self.get(target.id).catalog_id;
        let labels = self.catalog.security_labels.get(&catalog_id);
        let qualified = self.qualified(target.id);
        let mut sql = String::new();
        for label in labels.into_iter().flatten() {
            let on = match label.objsubid {
                0 => format!("{} {qualified}", target.keyword),
                attnum => format!("COLUMN {qualified}.{}", self.q.id(attribute_name(it, attnum))),
            };
            sql.push_str(&self.label_sql(label, &on));
        }
        self.push_security_labels(sql, target);
    }

    /// Comments on NOT NULL constraints, which are not separate objects: all in one entry.
    fn comments_on_not_nulls(&mut self, it: &Relation, target: Annotated<'_>) {
        if self.options.no_comments {
            return;
        }
        for attribute in &it.attributes {
            let Some(not_null) = &attribute.not_null else { continue };
            if let (Some(name), Some(comment)) = (&not_null.name, &not_null.comment) {
                let keyword = format!("CONSTRAINT {} ON", self.q.id(name));
                self.push_comment(comment, Annotated { keyword: &keyword, ..target });
            }
        }
    }

    fn view_definition(&self, qualified: &str, it: &Relation) -> String {
        let mut sql = format!("CREATE VIEW {qualified}");
        if it.dummy_view {
            return format!("{sql} AS\n{};\n", self.dummy_query(it));
        }
        sql.push_str(&self.view_options(it));
        sql + &view_query(it)
    }

    /// The ` WITH (…)` clause of a view.
    pub(super) fn view_options(&self, it: &Relation) -> String {
        if it.reloptions.is_empty() {
            String::new()
        } else {
            format!(" WITH ({})", self.reloptions(&it.reloptions, ""))
        }
    }

    /// A query with the view's columns and no rows, which depends only on types.
    pub(super) fn dummy_query(&self, it: &Relation) -> String {
        let column = |a: &Attribute| {
            format!("\n    NULL::{}{} AS {}", a.type_name, self.collate(a.collation), self.q.id(&a.attname))
        };
        let columns: Vec<String> = it.attributes.iter().map(column).collect();
        format!("SELECT{}", columns.join(","))
    }

    fn matview_definition(&self, qualified: &str, it: &Relation) -> String {
        let mut sql =
            format!("CREATE {}MATERIALIZED VIEW {qualified}", if it.unlogged { "UNLOGGED " } else { "" });
        sql.push_str(&self.storage_clause(it));
        let query = it.view_definition.as_deref().unwrap_or_default();
        sql.push_str(&format!(" AS\n{query}\n  WITH NO DATA;\n"));
        let what = format!("MATERIALIZED VIEW {qualified}");
        sql.push_str(&self.depends_on_extensions(&what, &it.depends_on_extensions));
        sql
    }

    fn table_definition(&self, qualified: &str, it: &Relation) -> String {
        let unlogged = if it.unlogged { "UNLOGGED " } else { "" };
        let mut sql = format!("CREATE {unlogged}{} {qualified}", it.relkind.keyword());
        let typed = it.reloftype != 0;
        if typed {
            sql.push_str(&format!(" OF {}", self.type_name(it.reloftype)));
        }
        let elements: Vec<String> =
            it.attributes
                .iter()
                .filter_map(|a| {
                    if it.prints(a) { self.column_definition(it, a) } else { self.inherited_not_null(a) }
                })
                .chain(it.checks.iter().filter_map(|&check| self.inline_check(it, check)))
                .collect();
        if !elements.is_empty() {
            sql.push_str(&format!(" (\n    {}\n)", elements.join(",\n    ")));
        } else if !typed {
            sql.push_str(" (\n)");
        }
        if !it.parents.is_empty() && !it.relispartition {
            let parents: Vec<String> = it.parents.iter().map(|&p| self.qualified(p)).collect();
            sql.push_str(&format!("\nINHERITS ({})", parents.join(", ")));
        }
        if let (RelKind::PartitionedTable, Some(key)) = (it.relkind, &it.partition_key) {
            sql.push_str(&format!("\nPARTITION BY {key}"));
        }
        if let Some(foreign) = &it.foreign {
            sql.push_str(&format!("\nSERVER {}", self.q.id(&foreign.server)));
        }
        sql.push_str(&self.storage_clause(it));
        if let Some(foreign) = it.foreign.as_ref().filter(|f| !f.options.is_empty()) {
            sql.push_str(&format!("\nOPTIONS (\n    {}\n)", foreign.options));
        }
        sql + ";\n"
    }

    /// One column within CREATE TABLE; `None` if a typed table has nothing to add to its type.
    fn column_definition(&self, it: &Relation, a: &Attribute) -> Option<String> {
        let typed = it.reloftype != 0;
        let default = a.default.and_then(|d| self.catalog.attr_def(d)).filter(|d| !d.separate);
        let not_null = a.not_null.as_ref().filter(|n| n.is_local || it.relispartition);
        if typed && default.is_none() && not_null.is_none() {
            return None;
        }
        let mut sql = self.q.id(&a.attname).into_owned();
        if !typed {
            sql.push_str(&format!(" {}", a.type_name));
        }
        if let Some(AttrDef { expression, .. }) = default {
            sql.push_str(&match a.attgenerated {
                's' => format!(" GENERATED ALWAYS AS ({expression}) STORED"),
                'v' => format!(" GENERATED ALWAYS AS ({expression})"),
                _ => format!(" DEFAULT {expression}"),
            });
        }
        if let Some(not_null) = not_null {
            match &not_null.name {
                Some(name) => sql.push_str(&format!(" CONSTRAINT {} NOT NULL", self.q.id(name))),
                None => sql.push_str(" NOT NULL"),
            }
            if not_null.no_inherit {
                sql.push_str(" NO INHERIT");
            }
        }
        Some(sql + &self.collate(a.collation))
    }

    /// The NOT NULL that a table declares itself on an inherited column; until version 17 this required an
    /// ALTER TABLE.
    fn inherited_not_null(&self, a: &Attribute) -> Option<String> {
        let not_null = a.not_null.as_ref().filter(|n| n.is_local && !a.attisdropped && self.dialect >= 18)?;
        let name = match &not_null.name {
            // pg_dump never quotes this name. If the result would be invalid SQL or another name, we differ,
            // so that the dump can be restored.
            Some(name) => format!("CONSTRAINT {} ", self.q.id_unless_readable(name)),
            None => String::new(),
        };
        let no_inherit = if not_null.no_inherit { " NO INHERIT" } else { "" };
        Some(format!("{name}NOT NULL {}{no_inherit}", self.q.id(&a.attname)))
    }

    fn inline_check(&self, it: &Relation, check: DumpId) -> Option<String> {
        let constraint = self.catalog.constraint(check)?;
        if constraint.separate || (!constraint.conislocal && !it.relispartition) {
            return None;
        }
        let definition = constraint.definition.as_deref().unwrap_or_default();
        Some(format!("CONSTRAINT {} {definition}", self.name(check)))
    }

    fn storage_clause(&self, it: &Relation) -> String {
        let mut options = Vec::new();
        for (reloptions, prefix) in [(&it.reloptions, ""), (&it.toast_reloptions, "toast.")] {
            if !reloptions.is_empty() {
                options.push(self.reloptions(reloptions, prefix));
            }
        }
        if options.is_empty() { String::new() } else { format!("\nWITH ({})", options.join(", ")) }
    }

    /// Storage parameters, each as `prefix name=value`.
    pub(super) fn reloptions(&self, options: &[String], prefix: &str) -> String {
        let spell = |option: &String| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            // A value that is not an identifier is written as a string.
            let value = if self.q.id(value) == value { value.to_owned() } else { self.q.literal(value) };
            format!("{prefix}{}={value}", self.q.id(name))
        };
        options.iter().map(spell).collect::<Vec<_>>().join(", ")
    }

    /// The column settings that need ALTER TABLE after CREATE TABLE.
    fn column_settings(&self, sql: &mut String, qualified: &str, it: &Relation) {
        let foreign = if it.relkind == RelKind::ForeignTable { "FOREIGN " } else { "" };
        for a in it.attributes.iter().filter(|a| !a.attisdropped) {
            let column = self.q.id(&a.attname);
            let mut alter = |what: String| {
                sql.push_str(&format!("ALTER {foreign}TABLE ONLY {qualified} {what};\n"));
            };
            let inherited = a.not_null.as_ref().is_some_and(|n| n.is_local && !it.prints(a));
            if inherited && self.dialect < 18 {
                alter(format!("ALTER COLUMN {column} SET NOT NULL"));
            }
            if let Some(target) = a.attstattarget {
                alter(format!("ALTER COLUMN {column} SET STATISTICS {target}"));
            }
            if a.attstorage != a.typstorage
                && let Some(storage) = storage_keyword(a.attstorage)
            {
                alter(format!("ALTER COLUMN {column} SET STORAGE {storage}"));
            }
            let compression = match a.attcompression {
                _ if self.options.no_toast_compression => None,
                'p' => Some("pglz"),
                'l' => Some("lz4"),
                _ => None,
            };
            if let Some(compression) = compression {
                alter(format!("ALTER COLUMN {column} SET COMPRESSION {compression}"));
            }
            if !a.options.is_empty() {
                alter(format!("ALTER COLUMN {column} SET ({})", a.options));
            }
            if it.relkind == RelKind::ForeignTable && !a.fdw_options.is_empty() {
                let only = if self.dialect >= 17 { "ONLY " } else { "" };
                sql.push_str(&format!(
                    "ALTER FOREIGN TABLE {only}{qualified} ALTER COLUMN {column} OPTIONS (\n    {}\n);\n",
                    a.fdw_options
                ));
            }
        }
    }
}

fn entry_kind(relkind: RelKind) -> EntryKind {
    match relkind {
        RelKind::Table | RelKind::PartitionedTable => EntryKind::Table,
        RelKind::View => EntryKind::View,
        RelKind::MatView => EntryKind::MaterializedView,
        RelKind::ForeignTable => EntryKind::ForeignTable,
        RelKind::Sequence => EntryKind::Sequence,
        RelKind::CompositeType => EntryKind::Type,
    }
}

/// ` AS` and the query of a view, to the end of the statement.
pub(super) fn view_query(it: &Relation) -> String {
    let query = it.view_definition.as_deref().unwrap_or_default();
    match &it.check_option {
        Some(check) => format!(" AS\n{query}\n  WITH {check} CHECK OPTION;\n"),
        None => format!(" AS\n{query};\n"),
    }
}

fn storage_keyword(attstorage: char) -> Option<&'static str> {
    Some(match attstorage {
        'p' => "PLAIN",
        'e' => "EXTERNAL",
        'x' => "EXTENDED",
        'm' => "MAIN",
        _ => return None,
    })
}

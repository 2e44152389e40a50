//! How an entry is printed: its header, its commands, and the session settings for it.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Part, Plan, PlanContext, Position, Printed, Settings, Wanted, part_of};
use crate::emit::{Contents, Definition, DropCommand, Entry, EntryKind};
use crate::pg::quote::quoted;
use crate::pg::text;

/// Text longer than this compresses faster when several workers share it.
const ENOUGH_FOR_A_WORKER: usize = 2 << 20;

/// An entry whose text has begun.
struct Begun {
    start: Position,
    settings: Settings,
}

/// Writes the dump's text, and keeps track of the settings of the session that will restore it.
pub(super) struct Printer<'a> {
    pub(super) setting: PlanContext<'a>,
    pub(super) out: String,
    plan: Plan,
    /// How much of `out` was counted for a position, and how many bytes that is in the dump.
    counted: usize,
    counted_bytes: u64,
    headers: usize,
    tablespace: Option<Setting>,
    table_am: Option<Setting>,
    user: Option<Setting>,
    /// No definitions are printed, so triggers are disabled around rows if requested.
    data_only: bool,
}

/// What a setting of the session was set to, and by which command.
struct Setting {
    value: String,
    command: Arc<str>,
}

impl Setting {
    /// Prints the command, unless the setting has this value already. Returns the command.
    fn set(
        current: &mut Option<Setting>,
        value: &str,
        out: &mut String,
        command: impl FnOnce() -> String,
    ) -> Arc<str> {
        if let Some(setting) = current
            && setting.value == value
        {
            return Arc::clone(&setting.command);
        }
        let command: Arc<str> = command().into();
        out.push_str(&command);
        out.push_str("\n\n");
        *current = Some(Setting { value: value.to_owned(), command: Arc::clone(&command) });
        command
    }
}

impl<'a> Printer<'a> {
    pub(super) fn new(setting: PlanContext<'a>, data_only: bool) -> Self {
        Printer {
            setting,
            out: String::new(),
            plan: Plan::default(),
            counted: 0,
            counted_bytes: 0,
            headers: 0,
            tablespace: None,
            table_am: None,
            user: None,
            data_only,
        }
    }

    pub(super) fn start(&mut self) {
        let PlanContext { options, server, started, .. } = self.setting;
        self.out.push_str("--\n-- PostgreSQL database dump\n--\n\n");
        self.out.push_str(&format!("\\restrict {}\n\n", options.restrict_key));
        // The server reports this text, so none of its lines may become a line of the script.
        let version = server.version.replace(['\n', '\r'], " ");
        self.out.push_str(&format!("-- Dumped from database version {version}\n"));
        self.out.push_str(&format!("-- Dumped by pgsiphon version {}\n\n", env!("CARGO_PKG_VERSION")));
        if options.verbose {
            self.out.push_str(&format!("-- Started on {started}\n\n"));
        }
        self.session_settings();
    }

    /// Notes that what was printed so far prepares the session.
    pub(super) fn end_opening(&mut self) {
        self.plan.opening_end = Some(self.position());
    }

    pub(super) fn end(mut self) -> Plan {
        if self.setting.options.verbose {
            self.flush();
            self.plan.parts.push(Part::CompletionTime);
        }
        self.out.push_str("--\n-- PostgreSQL database dump complete\n--\n\n");
        self.out.push_str(&format!("\\unrestrict {}\n\n", self.setting.options.restrict_key));
        self.flush();
        self.plan
    }

    fn flush(&mut self) {
        if !self.out.is_empty() {
            self.plan.parts.push(Part::Text(std::mem::take(&mut self.out)));
            (self.counted, self.counted_bytes) = (0, 0);
        }
    }

    fn position(&mut self) -> Position {
        self.counted_bytes += text::encoded_len(&self.out[self.counted..]) as u64;
        self.counted = self.out.len();
        Position { part: self.plan.parts.len(), offset: self.counted_bytes }
    }

    /// Notes that this entry's text ends here. `contents` is the part with its contents.
    fn note(&mut self, number: usize, begun: Begun, contents: Option<usize>) {
        let span = (begun.start, self.position());
        match self.plan.printed.last_mut().filter(|last| last.entry == number) {
            Some(last) => {
                last.spans.push(span);
                last.contents = contents;
            }
            None => {
                let settings = begun.settings;
                self.plan.printed.push(Printed { entry: number, spans: vec![span], contents, settings });
            }
        }
    }

    fn session_settings(&mut self) {
        let PlanContext { options, server, .. } = self.setting;
        let on_off = |on: bool| if on { "on" } else { "off" };
        let strings = server.standard_conforming_strings;
        let mut settings: Vec<String> = vec![
            "statement_timeout = 0".into(),
            "lock_timeout = 0".into(),
            "idle_in_transaction_session_timeout = 0".into(),
        ];
        if server.dialect() >= 17 {
            settings.push("transaction_timeout = 0".into());
        }
        settings.push(format!("client_encoding = '{}'", server.encoding));
        settings.push(format!("standard_conforming_strings = {}", on_off(strings)));
        self.push_settings(&settings);
        self.out.push_str("SELECT pg_catalog.set_config('search_path', '', false);\n");
        let mut settings: Vec<String> = vec![
            "check_function_bodies = false".into(),
            "xmloption = content".into(),
            "client_min_messages = warning".into(),
        ];
        if !strings {
            settings.push("escape_string_warning = off".into());
        }
        settings.push(format!("row_security = {}", on_off(options.enable_row_security)));
        self.push_settings(&settings);
        self.out.push('\n');
    }

    fn push_settings(&mut self, settings: &[String]) {
        for setting in settings {
            self.out.push_str(&format!("SET {setting};\n"));
        }
    }

    /// Prints the wanted parts of an entry.
    pub(super) fn entry(&mut self, wanted: &Wanted<'_>) {
        let &Wanted { number, entry, required } = wanted;
        if self.out.len() >= ENOUGH_FOR_A_WORKER {
            self.flush();
        }
        if required.schema {
            let begun = self.print(entry, false);
            self.note(number, begun, None);
            if entry.kind.is_database() {
                self.reconnect(&entry.tag);
            }
        }
        if !required.data {
            return;
        }
        match entry.contents {
            Some(contents) => {
                let begun = self.print(entry, true);
                let part = self.contents(entry, contents);
                self.note(number, begun, Some(part));
            }
            None if !required.schema => {
                let begun = self.print(entry, false);
                self.note(number, begun, None);
            }
            None => {}
        }
    }

    /// Returns where its header comment begins, and the settings for it.
    fn print(&mut self, entry: &Entry, is_data: bool) -> Begun {
        let options = self.setting.options;
        let settings = [self.become_owner(entry), self.select_tablespace(entry), self.select_table_am(entry)];
        let start = self.position();
        self.header(entry, is_data);
        match &entry.definition {
            Definition::None => {}
            Definition::LargeObjects(oids) => {
                for oid in oids {
                    self.out.push_str(&format!("SELECT pg_catalog.lo_create('{oid}');\n"));
                }
                self.out.push('\n');
            }
            Definition::Sql(sql) if entry.on == Some(EntryKind::LargeObjectMetadata) => {
                self.out.push_str(sql);
                self.out.push('\n');
            }
            Definition::Sql(_) if options.no_owner && entry.kind == EntryKind::Schema => {
                self.out.push_str(&format!("CREATE SCHEMA {};\n\n\n", self.setting.quoter.id(&entry.tag)));
            }
            Definition::Sql(text) | Definition::Note(text) => {
                self.out.push_str(text);
                self.out.push_str("\n\n");
            }
        }
        self.owner(entry);
        if entry.is_partitioned
            && let (Some(am), false) = (&entry.table_am, options.no_table_access_method)
        {
            let q = self.setting.quoter;
            let name = q.qualified(entry.namespace.as_deref(), &entry.tag);
            self.out.push_str(&format!("ALTER TABLE {name} SET ACCESS METHOD {};\n\n", q.id(am)));
        }
        if entry.kind.is_acl() {
            // The entry's grants may have changed the session's user.
            self.user = None;
        }
        Begun { start, settings }
    }

    fn header(&mut self, entry: &Entry, is_data: bool) {
        let options = self.setting.options;
        self.out.push_str("--\n");
        if options.verbose {
            // Numbered in order of appearance: pg_dump's numbers depend on the order in which it read its
            // catalogs.
            self.headers += 1;
            let (number, id) = (self.headers, entry.catalog_id);
            self.out.push_str(&format!("-- TOC entry {number} (class {} OID {})\n", id.classoid, id.oid));
        }
        let owner = if options.no_owner { None } else { entry.owner.as_deref() };
        let what = if entry.kind.is_statistics() {
            "-- Statistics for Name: "
        } else if is_data {
            "-- Data for Name: "
        } else {
            "-- Name: "
        };
        let tablespace = entry.tablespace.as_deref().filter(|t| !t.is_empty() && !options.no_tablespaces);
        for (label, value) in [
            (what, Some(entry.tag.as_str())),
            ("; Type: ", Some(entry.kind.header())),
            ("; Schema: ", Some(entry.namespace.as_deref().unwrap_or("-"))),
            ("; Owner: ", Some(owner.unwrap_or("-"))),
            ("; Tablespace: ", tablespace),
        ] {
            let Some(value) = value else { continue };
            self.out.push_str(label);
            self.out.push_str(&one_line(value));
        }
        self.out.push_str("\n--\n\n");
    }

    fn select_tablespace(&mut self, entry: &Entry) -> Option<Arc<str>> {
        let PlanContext { options, quoter, .. } = self.setting;
        let want = entry.tablespace.as_ref().filter(|_| !options.no_tablespaces)?;
        let command = || {
            let value = if want.is_empty() { "''".into() } else { quoter.id(want) };
            format!("SET default_tablespace = {value};")
        };
        Some(Setting::set(&mut self.tablespace, want, &mut self.out, command))
    }

    fn select_table_am(&mut self, entry: &Entry) -> Option<Arc<str>> {
        let PlanContext { options, quoter, .. } = self.setting;
        let is_set = !entry.is_partitioned && !options.no_table_access_method;
        let want = entry.table_am.as_ref().filter(|_| is_set)?;
        let command = || format!("SET default_table_access_method = {};", quoter.id(want));
        Some(Setting::set(&mut self.table_am, want, &mut self.out, command))
    }

    /// With `--use-set-session-authorization`: sets the user who runs the following commands.
    pub(super) fn become_owner(&mut self, entry: &Entry) -> Option<Arc<str>> {
        if self.setting.options.no_owner || !self.setting.options.set_session_authorization {
            return None;
        }
        Some(self.become_user(entry.owner.as_deref().unwrap_or_default()))
    }

    fn become_user(&mut self, user: &str) -> Arc<str> {
        let quoter = self.setting.quoter;
        let command = || {
            let name = if user.is_empty() { "DEFAULT".to_owned() } else { quoter.literal(user) };
            format!("SET SESSION AUTHORIZATION {name};")
        };
        Setting::set(&mut self.user, user, &mut self.out, command)
    }

    /// Sets the owner, for objects that have a command for it.
    fn owner(&mut self, entry: &Entry) {
        let options = self.setting.options;
        let built_in_schema =
            entry.kind == EntryKind::Schema && matches!(entry.definition, Definition::Note(_));
        let (Some(owner), Some(identity)) = (&entry.owner, &entry.identity) else { return };
        // An object that is part of another one belongs to that one's owner.
        let is_part = entry.drop == Some(DropCommand::Nothing);
        if options.no_owner
            || (options.set_session_authorization && !built_in_schema)
            || owner.is_empty()
            || is_part
        {
            return;
        }
        let owner = self.setting.quoter.id(owner);
        if let Definition::LargeObjects(oids) = &entry.definition {
            for oid in oids {
                self.out.push_str(&format!("ALTER LARGE OBJECT {oid} OWNER TO {owner};\n"));
            }
            self.out.push('\n');
        } else if let Some(keyword) = owner_keyword(entry.kind, self.setting.server.dialect()) {
            self.out.push_str(&format!("ALTER {keyword} {identity} OWNER TO {owner};\n\n"));
        }
    }

    /// Returns the number of the part with the contents.
    fn contents(&mut self, entry: &Entry, contents: Contents) -> usize {
        let options = self.setting.options;
        if matches!(contents, Contents::LargeObjects(_)) {
            self.out.push_str("BEGIN;\n\n");
            let part = self.part(contents);
            self.out.push_str("COMMIT;\n\n");
            return part;
        }
        let switch_triggers = options.disable_triggers && self.data_only;
        if switch_triggers {
            self.triggers(entry, "DISABLE");
        }
        self.become_owner(entry);
        if let Some(copy) = &entry.copy {
            self.out.push_str(copy);
        }
        let part = self.part(contents);
        if entry.copy.is_some() {
            self.out.push_str("\\.\n");
        }
        self.out.push_str("\n\n");
        if switch_triggers {
            self.triggers(entry, "ENABLE");
        }
        part
    }

    fn part(&mut self, contents: Contents) -> usize {
        self.flush();
        self.plan.parts.push(part_of(contents));
        self.plan.parts.len() - 1
    }

    fn triggers(&mut self, entry: &Entry, verb: &str) {
        let superuser = self.setting.options.superuser.clone();
        self.become_user(superuser.as_deref().unwrap_or_default());
        let table = self.setting.quoter.qualified(entry.namespace.as_deref(), &entry.tag);
        self.out.push_str(&format!("ALTER TABLE {table} {verb} TRIGGER ALL;\n\n"));
    }

    /// psql connects to the database that was just created, so all session settings are gone.
    fn reconnect(&mut self, database: &str) {
        let key = &self.setting.options.restrict_key;
        self.out.push_str(&format!("\\unrestrict {key}\n"));
        self.out.push_str(&connect_command(self.setting.quoter, database));
        self.out.push_str(&format!("\\restrict {key}\n\n"));
        (self.user, self.tablespace, self.table_am) = (None, None, None);
        self.session_settings();
    }
}

/// The keyword for ALTER … OWNER TO; `None` for objects that take their owner from another object, or have
/// none.
fn owner_keyword(kind: EntryKind, dialect: u32) -> Option<&'static str> {
    match kind {
        EntryKind::Collation
        | EntryKind::Conversion
        | EntryKind::Domain
        | EntryKind::Type
        | EntryKind::ForeignTable
        | EntryKind::TextSearchDictionary
        | EntryKind::TextSearchConfiguration
        | EntryKind::ExtendedStatistics
        | EntryKind::Database
        | EntryKind::ProceduralLanguage
        | EntryKind::Schema
        | EntryKind::EventTrigger
        | EntryKind::ForeignDataWrapper
        | EntryKind::Server
        | EntryKind::Publication
        | EntryKind::Subscription
        | EntryKind::Aggregate
        | EntryKind::Function
        | EntryKind::Operator
        | EntryKind::OperatorClass
        | EntryKind::OperatorFamily
        | EntryKind::Procedure => Some(kind.header()),
        // ALTER TABLE works for all of them; from 16 on, pg_dump uses each kind's own keyword.
        EntryKind::View | EntryKind::Sequence | EntryKind::MaterializedView if dialect >= 16 => {
            Some(kind.header())
        }
        EntryKind::Table | EntryKind::View | EntryKind::Sequence | EntryKind::MaterializedView => {
            Some("TABLE")
        }
        EntryKind::LargeObject | EntryKind::LargeObjectMetadata => Some("LARGE OBJECT"),
        EntryKind::AccessMethod
        | EntryKind::Acl
        | EntryKind::Cast
        | EntryKind::CheckConstraint
        | EntryKind::Comment
        | EntryKind::Constraint
        | EntryKind::DatabaseProperties
        | EntryKind::Default
        | EntryKind::DefaultAcl
        | EntryKind::ExtendedStatisticsData
        | EntryKind::Extension
        | EntryKind::ForeignKey
        | EntryKind::Index
        | EntryKind::IndexAttach
        | EntryKind::LargeObjectData
        | EntryKind::MaterializedViewData
        | EntryKind::Policy
        | EntryKind::PublicationTable
        | EntryKind::PublicationTablesInSchema
        | EntryKind::RelationStatisticsData
        | EntryKind::RowSecurity
        | EntryKind::Rule
        | EntryKind::SecurityLabel
        | EntryKind::SequenceOwnedBy
        | EntryKind::SequenceSet
        | EntryKind::ShellType
        | EntryKind::TableAttach
        | EntryKind::TableData
        | EntryKind::TextSearchParser
        | EntryKind::TextSearchTemplate
        | EntryKind::Transform
        | EntryKind::Trigger
        | EntryKind::UserMapping => None,
    }
}

/// Text for a comment, which a line feed would end.
fn one_line(text: &str) -> Cow<'_, str> {
    let ends = ['\n', '\r'];
    if text.contains(ends) { Cow::Owned(text.replace(ends, " ")) } else { Cow::Borrowed(text) }
}

/// `\connect`, in a form in which psql reads the argument only as a database name.
fn connect_command(quoter: &crate::pg::quote::Quoter, database: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if database.chars().all(plain) {
        return format!("\\connect {}\n", quoter.id(database));
    }
    let value: String = database
        .chars()
        .flat_map(|c| {
            let escape = matches!(c, '\'' | '\\').then_some('\\');
            escape.into_iter().chain([c])
        })
        .collect();
    let conninfo = quoted(&format!("dbname='{value}'"));
    format!("\\encoding SQL_ASCII\n\\connect -reuse-previous=on {conninfo}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_named_safely() {
        let q = crate::pg::quote::Quoter::new(Default::default(), false, true);
        assert_eq!(connect_command(&q, "shop_1"), "\\connect shop_1\n");
        assert_eq!(connect_command(&q, "Shop"), "\\connect \"Shop\"\n");
        assert_eq!(
            connect_command(&q, "a b'c\\d\"e"),
            "\\encoding SQL_ASCII\n\\connect -reuse-previous=on \"dbname='a b\\'c\\\\d\"\"e'\"\n"
        );
    }
}

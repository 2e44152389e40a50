//! What a dump should contain, with pg_dump's names and meanings
//! (<https://www.postgresql.org/docs/current/app-pgdump.html>), after the command line was parsed.

bitflags::bitflags! {
    /// The three sections of a dump (`--section`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Sections: u8 {
        /// Everything that must exist before the rows are loaded.
        const PRE_DATA = 1;
        /// Rows, sequence values and large objects.
        const DATA = 2;
        /// Indexes, triggers, rules and most constraints.
        const POST_DATA = 4;
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// `COPY … FROM stdin` and the server's own text format.
    Copy,
    /// `INSERT`, with this number of rows in one command.
    Insert {
        /// `--rows-per-insert`, at least 1.
        rows: u32,
    },
}

/// Name patterns, as `psql` understands them.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    /// `-n`: schemas to dump.
    pub schemas: Vec<String>,
    /// `-N`: schemas to leave out.
    pub exclude_schemas: Vec<String>,
    /// `-t`: tables to dump.
    pub tables: Vec<String>,
    /// `--table-and-children`: tables to dump with their partitions and inheritance children.
    pub tables_and_children: Vec<String>,
    /// `-T`: tables to leave out.
    pub exclude_tables: Vec<String>,
    /// `--exclude-table-and-children`: tables to leave out with their partitions and inheritance children.
    pub exclude_tables_and_children: Vec<String>,
    /// `--exclude-table-data`: tables to dump without their rows.
    pub exclude_table_data: Vec<String>,
    /// `--exclude-table-data-and-children`: the same, with their partitions and inheritance children.
    pub exclude_table_data_and_children: Vec<String>,
    /// `-e`: extensions to dump.
    pub extensions: Vec<String>,
    /// Dump only extensions, as `-e` does. `include extension` in a filter file leaves out other extensions,
    /// but nothing else.
    pub only_extensions: bool,
    /// `--exclude-extension`: extensions to leave out.
    pub exclude_extensions: Vec<String>,
    /// `--include-foreign-data`: foreign servers whose tables' rows are dumped.
    pub foreign_servers: Vec<String>,
    /// `--strict-names`: each pattern that includes something must match something.
    pub strict: bool,
}

/// Everything that affects the text of a dump.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// Dump definitions (off with `-a`).
    pub schema: bool,
    /// Dump rows (off with `-s`).
    pub data: bool,
    /// `--statistics`: dump the statistics that ANALYZE collected.
    pub statistics: bool,
    /// The sections to print.
    pub sections: Sections,
    /// `-c`: drop objects before creating them.
    pub clean: bool,
    /// `--if-exists`: drop with `IF EXISTS`.
    pub if_exists: bool,
    /// `-C`: create the database and connect to it.
    pub create: bool,
    /// `-O`: leave out ownership.
    pub no_owner: bool,
    /// `-x`: leave out privileges.
    pub no_privileges: bool,
    /// `--no-comments`: leave out comments on objects.
    pub no_comments: bool,
    /// `--no-publications`: leave out publications.
    pub no_publications: bool,
    /// `--no-subscriptions`: leave out subscriptions.
    pub no_subscriptions: bool,
    /// `--no-security-labels`: leave out security labels.
    pub no_security_labels: bool,
    /// `--no-policies`: leave out row security policies.
    pub no_policies: bool,
    /// `--no-tablespaces`: leave out the assignment of tablespaces.
    pub no_tablespaces: bool,
    /// `--no-table-access-method`: leave out table access methods.
    pub no_table_access_method: bool,
    /// `--no-toast-compression`: leave out TOAST compression methods.
    pub no_toast_compression: bool,
    /// `--no-unlogged-table-data`: leave out the rows of unlogged tables.
    pub no_unlogged_table_data: bool,
    /// `-b` (`Some(true)`) or `-B` (`Some(false)`): whether to dump large objects.
    pub large_objects: Option<bool>,
    /// `--sequence-data`: dump sequence values even with `-s`.
    pub sequence_data: bool,
    /// Whether rows are written as COPY or as INSERT.
    pub rows: RowFormat,
    /// `--column-inserts`: name the columns in each INSERT.
    pub column_inserts: bool,
    /// `--on-conflict-do-nothing`: add `ON CONFLICT DO NOTHING` to each INSERT.
    pub on_conflict_do_nothing: bool,
    /// `--load-via-partition-root`: load a partition's rows through its root table.
    pub load_via_partition_root: bool,
    /// `--disable-triggers`: disable triggers while rows are loaded.
    pub disable_triggers: bool,
    /// `-S`: the superuser who disables triggers.
    pub superuser: Option<String>,
    /// `--disable-dollar-quoting`: quote function bodies as SQL strings.
    pub disable_dollar_quoting: bool,
    /// `--quote-all-identifiers`: quote identifiers even where it is not needed.
    pub quote_all_identifiers: bool,
    /// `--use-set-session-authorization`: set owners by `SET SESSION AUTHORIZATION`.
    pub set_session_authorization: bool,
    /// `--enable-row-security`: dump only the rows that row security lets the user see.
    pub enable_row_security: bool,
    /// `-v`: print comments for each entry, and start and end times.
    pub verbose: bool,
    /// `--allow-unknown`: dump a server that is newer than this program knows, leaving out unknown features.
    pub allow_unknown: bool,
    /// `--restrict-key`, or a random key.
    pub restrict_key: String,
    /// Patterns that select objects.
    pub patterns: Patterns,
}

impl DumpOptions {
    /// A dump of everything, as pg_dump without flags makes it.
    pub fn new(restrict_key: String) -> Self {
        DumpOptions {
            schema: true,
            data: true,
            statistics: false,
            sections: Sections::all(),
            clean: false,
            if_exists: false,
            create: false,
            no_owner: false,
            no_privileges: false,
            no_comments: false,
            no_publications: false,
            no_subscriptions: false,
            no_security_labels: false,
            no_policies: false,
            no_tablespaces: false,
            no_table_access_method: false,
            no_toast_compression: false,
            no_unlogged_table_data: false,
            large_objects: None,
            sequence_data: false,
            rows: RowFormat::Copy,
            column_inserts: false,
            on_conflict_do_nothing: false,
            load_via_partition_root: false,
            disable_triggers: false,
            superuser: None,
            disable_dollar_quoting: false,
            quote_all_identifiers: false,
            set_session_authorization: false,
            enable_row_security: false,
            verbose: false,
            allow_unknown: false,
            restrict_key,
            patterns: Patterns::default(),
        }
    }

    /// Whether only rows are dumped (`-a`).
    pub fn data_only(&self) -> bool {
        !self.schema
    }

    /// Whether only definitions are dumped (`-s`).
    pub fn schema_only(&self) -> bool {
        !self.data
    }

    /// Whether any definitions are printed, in the sections that were chosen.
    pub fn prints_definitions(&self) -> bool {
        self.schema && self.sections.intersects(Sections::PRE_DATA | Sections::POST_DATA)
    }

    /// Whether the whole database is dumped, including objects that belong to no schema.
    pub fn include_everything(&self) -> bool {
        let p = &self.patterns;
        p.schemas.is_empty() && p.tables.is_empty() && p.tables_and_children.is_empty() && !p.only_extensions
    }

    /// Whether large objects are dumped.
    pub fn dump_large_objects(&self) -> bool {
        self.large_objects.unwrap_or(self.include_everything() && self.data)
    }
}

/// Which parts of a whole cluster are dumped, with pg_dumpall's names and meanings
/// (<https://www.postgresql.org/docs/current/app-pg-dumpall.html>). All other options are in [`DumpOptions`].
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Roles, their memberships, and privileges on parameters (not with `--tablespaces-only`).
    pub roles: bool,
    /// Tablespaces (not with `--roles-only`).
    pub tablespaces: bool,
    /// All databases (not with `--globals-only` and similar options).
    pub databases: bool,
    /// `--no-role-passwords`: leave out the passwords of roles.
    pub no_role_passwords: bool,
    /// `--exclude-database`: patterns for databases to leave out.
    pub exclude_databases: Vec<String>,
}

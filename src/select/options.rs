//! What is asked of a dump, with pg_dump's names and meanings
//! (<https://www.postgresql.org/docs/current/app-pgdump.html>), after the command line was understood.

bitflags::bitflags! {
    /// The three sections of a dump (`--section`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Sections: u8 {
        /// Everything that must exist before the rows.
        const PRE_DATA = 1;
        /// Rows, sequence values, large objects.
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
    /// `INSERT`, with so many rows in one command.
    Insert {
        /// `--rows-per-insert`, at least 1.
        rows: u32,
    },
}

/// Name patterns, as `psql` understands them.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    /// `-n`
    pub schemas: Vec<String>,
    /// `-N`
    pub exclude_schemas: Vec<String>,
    /// `-t`
    pub tables: Vec<String>,
    /// `--table-and-children`
    pub tables_and_children: Vec<String>,
    /// `-T`
    pub exclude_tables: Vec<String>,
    /// `--exclude-table-and-children`
    pub exclude_tables_and_children: Vec<String>,
    /// `--exclude-table-data`
    pub exclude_table_data: Vec<String>,
    /// `--exclude-table-data-and-children`
    pub exclude_table_data_and_children: Vec<String>,
    /// `-e`
    pub extensions: Vec<String>,
    /// Only extensions are wanted, as `-e` means it. `include extension` in a filter file leaves out
    /// other extensions, but nothing else.
    pub only_extensions: bool,
    /// `--exclude-extension`
    pub exclude_extensions: Vec<String>,
    /// `--include-foreign-data`: foreign servers
    pub foreign_servers: Vec<String>,
    /// `--strict-names`: each pattern of an inclusion must match something.
    pub strict: bool,
}

/// Everything that shapes the text of a dump.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// Definitions are dumped (not with `-a`).
    pub schema: bool,
    /// Rows are dumped (not with `-s`).
    pub data: bool,
    /// `--statistics`: what ANALYZE found out is dumped.
    pub statistics: bool,
    /// The sections that are printed.
    pub sections: Sections,
    /// `-c`
    pub clean: bool,
    /// `--if-exists`
    pub if_exists: bool,
    /// `-C`
    pub create: bool,
    /// `-O`
    pub no_owner: bool,
    /// `-x`
    pub no_privileges: bool,
    /// `--no-comments`
    pub no_comments: bool,
    /// `--no-publications`
    pub no_publications: bool,
    /// `--no-subscriptions`
    pub no_subscriptions: bool,
    /// `--no-security-labels`
    pub no_security_labels: bool,
    /// `--no-policies`
    pub no_policies: bool,
    /// `--no-tablespaces`
    pub no_tablespaces: bool,
    /// `--no-table-access-method`
    pub no_table_access_method: bool,
    /// `--no-toast-compression`
    pub no_toast_compression: bool,
    /// `--no-unlogged-table-data`
    pub no_unlogged_table_data: bool,
    /// `-b` (`Some(true)`) or `-B` (`Some(false)`)
    pub large_objects: Option<bool>,
    /// `--sequence-data`
    pub sequence_data: bool,
    /// COPY or INSERT
    pub rows: RowFormat,
    /// `--column-inserts`
    pub column_inserts: bool,
    /// `--on-conflict-do-nothing`
    pub on_conflict_do_nothing: bool,
    /// `--load-via-partition-root`
    pub load_via_partition_root: bool,
    /// `--disable-triggers`
    pub disable_triggers: bool,
    /// `-S`
    pub superuser: Option<String>,
    /// `--disable-dollar-quoting`
    pub disable_dollar_quoting: bool,
    /// `--quote-all-identifiers`
    pub quote_all_identifiers: bool,
    /// `--use-set-session-authorization`
    pub set_session_authorization: bool,
    /// `--enable-row-security`
    pub enable_row_security: bool,
    /// `-v`: comments on each entry, and start and end times.
    pub verbose: bool,
    /// `--allow-unknown`: dump a server that is newer than we know without what we don't know.
    pub allow_unknown: bool,
    /// `--restrict-key`, or a random one.
    pub restrict_key: String,
    /// Which objects.
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

    /// `-a`: rows only.
    pub fn data_only(&self) -> bool {
        !self.schema
    }

    /// `-s`: definitions only.
    pub fn schema_only(&self) -> bool {
        !self.data
    }

    /// Are any definitions printed? With `--section`, those of one section may have to wait for another.
    pub fn prints_definitions(&self) -> bool {
        self.schema && self.sections.intersects(Sections::PRE_DATA | Sections::POST_DATA)
    }

    /// Is the whole database wanted, with what belongs to no schema?
    pub fn include_everything(&self) -> bool {
        let p = &self.patterns;
        p.schemas.is_empty() && p.tables.is_empty() && p.tables_and_children.is_empty() && !p.only_extensions
    }

    /// Are large objects wanted?
    pub fn dump_large_objects(&self) -> bool {
        self.large_objects.unwrap_or(self.include_everything() && self.data)
    }
}

/// Which parts of a whole cluster are dumped, with pg_dumpall's names and meanings
/// (<https://www.postgresql.org/docs/current/app-pg-dumpall.html>). All else is in [`DumpOptions`].
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Roles, their memberships, and privileges on parameters (not with `--tablespaces-only`).
    pub roles: bool,
    /// Tablespaces (not with `--roles-only`).
    pub tablespaces: bool,
    /// All databases (not with `--globals-only` and its like).
    pub databases: bool,
    /// `--no-role-passwords`
    pub no_role_passwords: bool,
    /// `--exclude-database`: name patterns
    pub exclude_databases: Vec<String>,
}

//! What to dump and how to write it: pg_dump's flags, of all major versions
//! (<https://www.postgresql.org/docs/current/app-pgdump.html>).

use clap::{Args, ValueEnum};
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::select::filter::{self, Lists};
use pgsiphon::select::options::{DumpOptions, Patterns, RowFormat, Sections};

/// Rows per INSERT command for `--inserts`.
const DEFAULT_ROWS_PER_INSERT: u32 = 1;

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum SectionArg {
    PreData,
    Data,
    PostData,
}

#[derive(Args)]
#[command(next_help_heading = "Options controlling the output content")]
pub(super) struct ContentArgs {
    /// Dump only the data, not the schema or statistics
    #[arg(short = 'a', long)]
    data_only: bool,
    /// Dump only the schema, no data or statistics
    #[arg(short = 's', long)]
    schema_only: bool,
    /// Dump only the statistics, not schema or data (18 and later)
    #[arg(long)]
    statistics_only: bool,
    /// Dump the statistics (18 and later)
    #[arg(long)]
    statistics: bool,
    /// Do not dump data
    #[arg(long)]
    no_data: bool,
    /// Do not dump the schema
    #[arg(long)]
    no_schema: bool,
    /// Do not dump statistics (the default)
    #[arg(long)]
    no_statistics: bool,
    /// Include sequence values even if data is left out
    #[arg(long)]
    sequence_data: bool,
    /// Include large objects even if patterns select other objects
    #[arg(short = 'b', long, alias = "blobs")]
    large_objects: bool,
    /// Exclude large objects
    #[arg(short = 'B', long, alias = "no-blobs")]
    no_large_objects: bool,
    /// Clean (drop) database objects before recreating
    #[arg(short = 'c', long)]
    clean: bool,
    /// Use IF EXISTS when dropping objects
    #[arg(long)]
    if_exists: bool,
    /// Include commands to create the database in the dump
    #[arg(short = 'C', long)]
    create: bool,
    /// Dump the data in this encoding
    #[arg(short = 'E', long, value_name = "ENCODING")]
    encoding: Option<String>,
    /// Dump only the named section; may be repeated
    #[arg(long, value_enum, value_name = "SECTION")]
    section: Vec<SectionArg>,
    /// Use this snapshot, exported by another session
    #[arg(long, value_name = "SNAPSHOT")]
    pub(super) snapshot: Option<String>,
    /// Wait until the dump can run without serialization anomalies
    #[arg(long)]
    pub(super) serializable_deferrable: bool,
    /// Dump a server newer than pgsiphon knows, leaving out what is unknown
    #[arg(long)]
    allow_unknown: bool,
    /// Use this key for \restrict and \unrestrict instead of a random one
    #[arg(long, value_name = "KEY")]
    restrict_key: Option<String>,
    /// For in-place upgrades; refused
    #[arg(long, hide = true)]
    binary_upgrade: bool,

    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    omission: OmissionArgs,
    #[command(flatten)]
    form: FormArgs,

    /// Enable row security: dump only the rows that the role may see
    #[arg(long)]
    pub(super) enable_row_security: bool,
    /// Override the default setting of extra_float_digits
    #[arg(long, value_name = "NUM", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-15..=3))]
    pub(super) extra_float_digits: Option<i32>,
    /// Quote all identifiers, even if not key words
    #[arg(long)]
    pub(super) quote_all_identifiers: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Options that select objects")]
struct SelectionArgs {
    /// Dump only the matching schemas
    #[arg(short = 'n', long, value_name = "PATTERN")]
    schema: Vec<String>,
    /// Do not dump the matching schemas
    #[arg(short = 'N', long, value_name = "PATTERN")]
    exclude_schema: Vec<String>,
    /// Dump only the matching tables
    #[arg(short = 't', long, value_name = "PATTERN")]
    table: Vec<String>,
    /// Dump only the matching tables, with their children and partitions
    #[arg(long, value_name = "PATTERN")]
    table_and_children: Vec<String>,
    /// Do not dump the matching tables
    #[arg(short = 'T', long, value_name = "PATTERN")]
    exclude_table: Vec<String>,
    /// Do not dump the matching tables, or their children and partitions
    #[arg(long, value_name = "PATTERN")]
    exclude_table_and_children: Vec<String>,
    /// Do not dump data of the matching tables
    #[arg(long, value_name = "PATTERN")]
    exclude_table_data: Vec<String>,
    /// Do not dump data of the matching tables, or of their children and partitions
    #[arg(long, value_name = "PATTERN")]
    exclude_table_data_and_children: Vec<String>,
    /// Dump only the matching extensions
    #[arg(short = 'e', long, value_name = "PATTERN")]
    extension: Vec<String>,
    /// Do not dump the matching extensions
    #[arg(long, value_name = "PATTERN")]
    exclude_extension: Vec<String>,
    /// Include the data of foreign tables on the matching foreign servers
    #[arg(long, value_name = "PATTERN")]
    include_foreign_data: Vec<String>,
    /// Include or exclude objects as listed in this file; - is standard input
    #[arg(long, value_name = "FILENAME")]
    filter: Vec<String>,
    /// Require each include pattern to match at least one object
    #[arg(long)]
    strict_names: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Options that omit parts of the dump")]
struct OmissionArgs {
    /// Skip restoration of object ownership
    #[arg(short = 'O', long)]
    no_owner: bool,
    /// Do not dump privileges (grant/revoke)
    #[arg(short = 'x', long, alias = "no-acl")]
    no_privileges: bool,
    /// Do not dump comments
    #[arg(long)]
    no_comments: bool,
    /// Do not dump row security policies
    #[arg(long)]
    no_policies: bool,
    /// Do not dump publications
    #[arg(long)]
    no_publications: bool,
    /// Do not dump security label assignments
    #[arg(long)]
    no_security_labels: bool,
    /// Do not dump subscriptions
    #[arg(long)]
    no_subscriptions: bool,
    /// Do not dump table access methods
    #[arg(long)]
    no_table_access_method: bool,
    /// Do not dump tablespace assignments
    #[arg(long)]
    no_tablespaces: bool,
    /// Do not dump TOAST compression methods
    #[arg(long)]
    no_toast_compression: bool,
    /// Do not dump unlogged table data
    #[arg(long)]
    no_unlogged_table_data: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Options controlling the output format")]
struct FormArgs {
    /// Dump data as INSERT commands instead of COPY
    #[arg(long)]
    inserts: bool,
    /// Dump data as INSERT commands with column names
    #[arg(long, alias = "attribute-inserts")]
    column_inserts: bool,
    /// Number of rows per INSERT; implies --inserts
    #[arg(long, value_name = "NROWS", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    rows_per_insert: Option<u32>,
    /// Add ON CONFLICT DO NOTHING to INSERT commands
    #[arg(long)]
    on_conflict_do_nothing: bool,
    /// Load partitions via the root table
    #[arg(long)]
    load_via_partition_root: bool,
    /// Disable triggers during a data-only restore
    #[arg(long)]
    disable_triggers: bool,
    /// Superuser name to use for disabling triggers
    #[arg(short = 'S', long, value_name = "NAME")]
    superuser: Option<String>,
    /// Disable dollar quoting, use SQL standard quoting
    #[arg(long)]
    disable_dollar_quoting: bool,
    /// Use SET SESSION AUTHORIZATION instead of ALTER OWNER
    #[arg(long)]
    use_set_session_authorization: bool,
}

/// An invalid command line.
pub(super) fn usage(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, text).hint("try \"pgsiphon dump --help\"")
}

impl ContentArgs {
    /// The requested encoding.
    pub(super) fn encoding(&self) -> Option<String> {
        self.encoding.clone()
    }

    /// The databases that `--filter` files exclude from a dump of the cluster.
    pub(super) fn filtered_databases(&self) -> Result<Vec<String>> {
        let mut databases = Vec::new();
        self.selection.read_filters(|text, name| filter::add(text, name, Lists::Cluster(&mut databases)))?;
        Ok(databases)
    }

    /// The options that the flags add up to; contradictions are refused as in pg_dump. `--filter`
    /// files are read here, unless it is a dump of the cluster.
    pub(super) fn options(&self, verbose: bool, cluster: bool) -> Result<DumpOptions> {
        if self.binary_upgrade {
            return Err(usage(
                "option --binary-upgrade is not supported: only pg_upgrade can use such a dump",
            ));
        }
        let patterns = self.selection.patterns(cluster)?;
        self.refuse_contradictions(&patterns)?;
        let only = self.data_only || self.schema_only || self.statistics_only;
        let (o, f) = (&self.omission, &self.form);
        Ok(DumpOptions {
            schema: self.schema_only || !(only || self.no_schema),
            data: self.data_only || !(only || self.no_data),
            statistics: self.statistics_only || self.statistics,
            sections: sections(&self.section),
            clean: self.clean,
            if_exists: self.if_exists,
            create: self.create,
            no_owner: o.no_owner,
            no_privileges: o.no_privileges,
            no_comments: o.no_comments,
            no_publications: o.no_publications,
            no_subscriptions: o.no_subscriptions,
            no_security_labels: o.no_security_labels,
            no_policies: o.no_policies,
            no_tablespaces: o.no_tablespaces,
            no_table_access_method: o.no_table_access_method,
            no_toast_compression: o.no_toast_compression,
            no_unlogged_table_data: o.no_unlogged_table_data,
            large_objects: match (self.large_objects, self.no_large_objects) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            },
            sequence_data: self.sequence_data,
            rows: if f.inserts || f.column_inserts || f.rows_per_insert.is_some() {
                RowFormat::Insert { rows: f.rows_per_insert.unwrap_or(DEFAULT_ROWS_PER_INSERT) }
            } else {
                RowFormat::Copy
            },
            column_inserts: f.column_inserts,
            on_conflict_do_nothing: f.on_conflict_do_nothing,
            load_via_partition_root: f.load_via_partition_root,
            disable_triggers: f.disable_triggers,
            superuser: f.superuser.clone(),
            disable_dollar_quoting: f.disable_dollar_quoting,
            quote_all_identifiers: self.quote_all_identifiers,
            set_session_authorization: f.use_set_session_authorization,
            enable_row_security: self.enable_row_security,
            verbose,
            allow_unknown: self.allow_unknown,
            restrict_key: self.restrict_key()?,
            patterns,
        })
    }

    fn refuse_contradictions(&self, patterns: &Patterns) -> Result<()> {
        let exclusive = [
            ("-s/--schema-only", self.schema_only, "-a/--data-only", self.data_only),
            ("-s/--schema-only", self.schema_only, "--statistics-only", self.statistics_only),
            ("-a/--data-only", self.data_only, "--statistics-only", self.statistics_only),
            ("-a/--data-only", self.data_only, "--no-data", self.no_data),
            ("-s/--schema-only", self.schema_only, "--no-schema", self.no_schema),
            ("--statistics-only", self.statistics_only, "--no-statistics", self.no_statistics),
            ("--statistics", self.statistics, "--no-statistics", self.no_statistics),
            ("-a/--data-only", self.data_only, "--statistics", self.statistics),
            ("-s/--schema-only", self.schema_only, "--statistics", self.statistics),
            (
                "-s/--schema-only",
                self.schema_only,
                "--include-foreign-data",
                !patterns.foreign_servers.is_empty(),
            ),
            ("-c/--clean", self.clean, "-a/--data-only", self.data_only),
        ];
        for (one, is_one, other, is_other) in exclusive {
            if is_one && is_other {
                return Err(usage(format!("options {one} and {other} cannot be used together")));
            }
        }
        if self.if_exists && !self.clean {
            return Err(usage("option --if-exists requires option -c/--clean"));
        }
        let f = &self.form;
        if f.on_conflict_do_nothing && !(f.inserts || f.column_inserts || f.rows_per_insert.is_some()) {
            return Err(usage(
                "option --on-conflict-do-nothing requires option --inserts, --rows-per-insert, or --column-inserts",
            ));
        }
        Ok(())
    }

    fn restrict_key(&self) -> Result<String> {
        match &self.restrict_key {
            Some(key) if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(key.clone()),
            Some(_) => Err(usage("invalid restrict key: letters and digits only")),
            None => Ok(random_key()),
        }
    }
}

impl SelectionArgs {
    fn patterns(&self, cluster: bool) -> Result<Patterns> {
        let mut patterns = Patterns {
            schemas: self.schema.clone(),
            exclude_schemas: self.exclude_schema.clone(),
            tables: self.table.clone(),
            tables_and_children: self.table_and_children.clone(),
            exclude_tables: self.exclude_table.clone(),
            exclude_tables_and_children: self.exclude_table_and_children.clone(),
            exclude_table_data: self.exclude_table_data.clone(),
            exclude_table_data_and_children: self.exclude_table_data_and_children.clone(),
            extensions: self.extension.clone(),
            only_extensions: !self.extension.is_empty(),
            exclude_extensions: self.exclude_extension.clone(),
            foreign_servers: self.include_foreign_data.clone(),
            strict: self.strict_names,
        };
        if !cluster {
            self.read_filters(|text, name| filter::add(text, name, Lists::Database(&mut patterns)))?;
        }
        Ok(patterns)
    }

    fn read_filters(&self, mut add: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
        for name in &self.filter {
            let text = if name == "-" {
                std::io::read_to_string(std::io::stdin())
            } else {
                std::fs::read_to_string(name)
            };
            let text = text.map_err(|error| {
                let not_text = error.kind() == std::io::ErrorKind::InvalidData;
                let failure =
                    Error::new(ErrorKind::Usage, format!("read filter file \"{name}\"")).because(error);
                if not_text { failure.hint("save the file as UTF-8") } else { failure }
            })?;
            add(&text, name)?;
        }
        Ok(())
    }
}

fn sections(given: &[SectionArg]) -> Sections {
    if given.is_empty() {
        return Sections::all();
    }
    let one = |section: &SectionArg| match section {
        SectionArg::PreData => Sections::PRE_DATA,
        SectionArg::Data => Sections::DATA,
        SectionArg::PostData => Sections::POST_DATA,
    };
    given.iter().map(one).collect()
}

/// A key that the dumped server cannot know, so it cannot end psql's restricted mode.
fn random_key() -> String {
    use rand::RngExt;
    let mut rng = rand::rng();
    (0..63).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect()
}

//! `pgsiphon dump --globals-only`, `--all` and similar: pg_dumpall's flags.

use clap::Args;
use pgsiphon::dump::ParamsFor;
use pgsiphon::dump::SessionOptions;
use pgsiphon::error::Result;
use pgsiphon::pg::conninfo::{ConnectArgs, OsEnvironment, resolve};
use pgsiphon::select::options::{ClusterOptions, DumpOptions, Sections};

use super::content::usage;

#[derive(Args)]
#[command(next_help_heading = "Options for the whole cluster")]
pub(super) struct ClusterArgs {
    /// Dump only global objects: roles and tablespaces
    #[arg(short = 'g', long)]
    globals_only: bool,
    /// Dump only roles
    #[arg(short = 'r', long)]
    roles_only: bool,
    /// Dump only tablespaces
    #[arg(long)]
    tablespaces_only: bool,
    /// Dump all databases, after roles and tablespaces
    #[arg(long)]
    all: bool,
    /// With --all, leave out databases with a matching name
    #[arg(long, value_name = "PATTERN")]
    exclude_database: Vec<String>,
    /// Do not dump the roles' password hashes, which only superusers can read
    #[arg(long)]
    no_role_passwords: bool,
    /// Database to read roles and tablespaces from [default: postgres, otherwise template1]
    #[arg(short = 'l', long, value_name = "DBNAME")]
    database: Option<String>,
}

/// What a dump of the cluster needs in addition to any dump's options.
pub(super) struct Cluster {
    pub(super) options: ClusterOptions,
    /// Where to read the globals.
    pub(super) database: Option<String>,
}

impl Cluster {
    /// Leaves out more databases, from a filter file.
    pub(super) fn exclude_databases(&mut self, patterns: Vec<String>) -> Result<()> {
        if !self.options.databases && !patterns.is_empty() {
            return Err(usage("\"exclude database\" in a filter file requires option --all"));
        }
        self.options.exclude_databases.extend(patterns);
        Ok(())
    }
}

impl ClusterArgs {
    /// Is it a dump of the cluster, rather than of one database?
    pub(super) fn is_given(&self) -> bool {
        self.globals_only || self.roles_only || self.tablespaces_only || self.all
    }

    /// The requested parts of the cluster, if any.
    pub(super) fn resolve(&self, options: &DumpOptions, session: &SessionOptions) -> Result<Option<Cluster>> {
        let scopes = [
            ("-g/--globals-only", self.globals_only),
            ("-r/--roles-only", self.roles_only),
            ("--tablespaces-only", self.tablespaces_only),
            ("--all", self.all),
        ];
        let mut given = scopes.iter().filter(|(_, given)| *given).map(|(name, _)| name);
        let scope = given.next();
        if let (Some(first), Some(second)) = (scope, given.next()) {
            return Err(usage(format!("options {first} and {second} cannot be used together")));
        }
        if !self.exclude_database.is_empty() && !self.all {
            return Err(usage("option --exclude-database requires option --all"));
        }
        if scope.is_none() {
            return match (self.no_role_passwords, &self.database) {
                (true, _) => Err(usage("option --no-role-passwords requires --all, -g or -r")),
                (_, Some(_)) => {
                    Err(usage("option -l/--database requires --all, -g, -r or --tablespaces-only")
                        .hint("name the database to dump with -d, or without an option"))
                }
                _ => Ok(None),
            };
        }
        refuse_options_of_one_database(options, session)?;
        let options = ClusterOptions {
            roles: !self.tablespaces_only,
            tablespaces: !self.roles_only,
            databases: self.all,
            no_role_passwords: self.no_role_passwords,
            exclude_databases: self.exclude_database.clone(),
        };
        Ok(Some(Cluster { options, database: self.database.clone() }))
    }
}

/// Returns how to connect to each database: as the user said, except for the database.
pub(super) fn params_for(connect: ConnectArgs) -> Result<Box<ParamsFor>> {
    if connect.dbname.as_deref().is_some_and(|given| !given.contains('=') && !given.contains("://")) {
        return Err(usage("a dump of the cluster does not accept a database name")
            .hint("exclude databases with --exclude-database; use -l to read roles and tablespaces from another one"));
    }
    Ok(Box::new(move |database| {
        resolve(&ConnectArgs { database: Some(database.to_owned()), ..connect.clone() }, &OsEnvironment)
    }))
}

/// Refuses options that pg_dumpall does not have: they only apply to a single database.
fn refuse_options_of_one_database(options: &DumpOptions, session: &SessionOptions) -> Result<()> {
    let p = &options.patterns;
    let patterns = [
        &p.schemas,
        &p.exclude_schemas,
        &p.tables,
        &p.tables_and_children,
        &p.exclude_tables,
        &p.exclude_tables_and_children,
        &p.exclude_table_data,
        &p.exclude_table_data_and_children,
        &p.extensions,
        &p.exclude_extensions,
        &p.foreign_servers,
    ];
    let wrong = if options.create {
        "-C/--create"
    } else if options.sections != Sections::all() {
        "--section"
    } else if session.snapshot.is_some() {
        "--snapshot"
    } else if p.strict || patterns.iter().any(|patterns| !patterns.is_empty()) {
        "a pattern of schemas, tables, extensions or servers"
    } else {
        return Ok(());
    };
    Err(usage(format!("{wrong} cannot be used in a dump of the cluster")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Parsed {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    /// The error for these arguments, if any.
    fn complaint(arguments: &[&str], options: DumpOptions, session: SessionOptions) -> Option<String> {
        let all = ["dump"].iter().chain(arguments);
        let parsed = <Parsed as clap::Parser>::try_parse_from(all).unwrap();
        parsed.cluster.resolve(&options, &session).err().map(|error| error.to_string())
    }

    fn complains(arguments: &[&str], text: &str) {
        let found = complaint(arguments, DumpOptions::new("k".into()), SessionOptions::default());
        assert_eq!(found.as_deref(), Some(text), "{arguments:?}");
    }

    #[test]
    fn contradictions_are_usage_errors() {
        complains(&["-g", "-r"], "options -g/--globals-only and -r/--roles-only cannot be used together");
        complains(
            &["--all", "--tablespaces-only"],
            "options --tablespaces-only and --all cannot be used together",
        );
        complains(&["-g", "--exclude-database", "x"], "option --exclude-database requires option --all");
        complains(&["--no-role-passwords"], "option --no-role-passwords requires --all, -g or -r");
        complains(&["-l", "x"], "option -l/--database requires --all, -g, -r or --tablespaces-only");
    }

    #[test]
    fn options_of_one_database_are_refused() {
        let plain = || DumpOptions::new("k".into());
        let create = DumpOptions { create: true, ..plain() };
        let found = complaint(&["--all"], create.clone(), SessionOptions::default());
        assert_eq!(found.as_deref(), Some("-C/--create cannot be used in a dump of the cluster"));
        assert_eq!(complaint(&[], create, SessionOptions::default()), None);

        let mut tables = plain();
        tables.patterns.tables.push("t".into());
        assert!(complaint(&["-g"], tables, SessionOptions::default()).is_some());
        let session = SessionOptions { snapshot: Some("s".into()), ..SessionOptions::default() };
        assert!(complaint(&["--all"], plain(), session).is_some());
        assert_eq!(complaint(&["--all"], plain(), SessionOptions::default()), None);
    }

    #[test]
    fn a_database_is_no_cluster() {
        let named = |name: &str| ConnectArgs { dbname: Some(name.into()), ..ConnectArgs::default() };
        assert!(params_for(named("shop")).is_err());
        for name in ["host=h user=u dbname=shop", "postgresql://u@h/shop"] {
            let params = params_for(named(name)).unwrap()("other").unwrap();
            assert_eq!(params.dbname, "other");
        }
    }
}

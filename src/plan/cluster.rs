//! The text around the globals and the databases in a dump of the whole cluster.

use super::PlanContext;
use crate::catalog::ClusterDatabase;
use crate::select::options::DumpOptions;

/// The beginning: the session's settings and the globals. `with_databases` tells whether databases follow.
pub(crate) fn cluster_start(setting: PlanContext<'_>, globals: &str, with_databases: bool) -> String {
    let PlanContext { options, server, started, .. } = setting;
    let strings = if server.standard_conforming_strings {
        "SET standard_conforming_strings = on;\n"
    } else {
        "SET standard_conforming_strings = off;\nSET escape_string_warning = off;\n"
    };
    let (key, encoding) = (&options.restrict_key, &server.encoding);
    let started = if options.verbose { format!("-- Started on {started}\n\n") } else { String::new() };
    let heading = if with_databases { "--\n-- Databases\n--\n\n" } else { "" };
    // The dump of each database enters restricted mode itself.
    format!(
        "--\n-- PostgreSQL database cluster dump\n--\n\n{started}\\restrict {key}\n\n\
         SET default_transaction_read_only = off;\n\n\
         SET client_encoding = '{encoding}';\n{strings}\n\
         {globals}\\unrestrict {key}\n\n{heading}"
    )
}

/// The end; `completed` is the end time, for `-v`.
pub(crate) fn cluster_end(options: &DumpOptions, completed: &str) -> String {
    let completed = if options.verbose { format!("-- Completed on {completed}\n\n") } else { String::new() };
    format!("{completed}--\n-- PostgreSQL database cluster dump complete\n--\n\n")
}

/// The order in which the databases are dumped: `template1` first, so that a restore connected to `postgres`
/// can drop it before `postgres` itself is restored.
pub(crate) fn cluster_order(mut databases: Vec<ClusterDatabase>) -> Vec<ClusterDatabase> {
    databases.sort_by_key(|it| it.datname != "template1");
    databases
}

/// The text before the dump of a database, and the options for that dump.
///
/// Databases that exist from the start are not created: psql is told to connect to them. Only with `-c` are
/// they dropped and recreated, as all databases that users created are.
pub(crate) fn cluster_database(options: &DumpOptions, database: &ClusterDatabase) -> (String, DumpOptions) {
    let name = &database.datname;
    let in_line = name.replace(['\n', '\r'], " ");
    let mut heading = format!("--\n-- Database \"{in_line}\" dump\n--\n\n");
    let is_built_in = database.is_there_from_the_start();
    if is_built_in && !options.clean {
        heading.push_str(&format!("\\connect {name}\n\n"));
    }
    let options = DumpOptions {
        create: !is_built_in || options.clean,
        clean: is_built_in && options.clean,
        if_exists: false,
        ..options.clone()
    };
    (heading, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dumped(name: &str, clean: bool) -> (String, bool, bool) {
        let options = DumpOptions { clean, if_exists: clean, ..DumpOptions::new("key".into()) };
        let database = ClusterDatabase { datname: name.into(), is_excluded: false };
        let (heading, options) = cluster_database(&options, &database);
        assert!(!options.if_exists);
        (heading, options.create, options.clean)
    }

    #[test]
    fn databases_that_are_there_are_made_again_only_with_clean() {
        let heading = |name: &str| format!("--\n-- Database \"{name}\" dump\n--\n\n");
        assert_eq!(dumped("a\nb", false), (heading("a b"), true, false));
        assert_eq!(dumped("app", true), (heading("app"), true, false));
        let connects = heading("postgres") + "\\connect postgres\n\n";
        assert_eq!(dumped("postgres", false), (connects, false, false));
        assert_eq!(dumped("template1", true), (heading("template1"), true, true));
    }

    #[test]
    fn template1_comes_first() {
        let named = |name: &str| ClusterDatabase { datname: name.into(), is_excluded: false };
        let ordered = cluster_order(["a", "postgres", "template1", "z"].map(named).into());
        assert_eq!(ordered, ["template1", "a", "postgres", "z"].map(named));
    }
}

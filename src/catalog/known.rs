//! What this program knows about each version's system catalogs: their columns, and the codes in columns that
//! hold one letter. [`super::unknown`] compares newer servers with it.

use std::collections::{BTreeMap, BTreeSet};

const COLUMNS: &str = include_str!("known_columns.txt");

/// The known catalogs of version `major`, each with its columns.
pub(super) fn columns(major: u32) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in COLUMNS.lines().filter(|line| !line.starts_with('#')) {
        let Some((catalog, columns)) = line.split_once(": ") else { continue };
        let columns: BTreeSet<_> = columns
            .split(' ')
            .filter_map(|column| match column.split_once('@') {
                None => Some(column),
                Some((column, since)) => {
                    since.parse().is_ok_and(|since: u32| since <= major).then_some(column)
                }
            })
            .collect();
        if !columns.is_empty() {
            known.insert(catalog, columns);
        }
    }
    known
}

/// Which dump a catalog's rows belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatalogScope {
    /// A dump of one database.
    Database,
    /// A dump of roles and tablespaces.
    Globals,
}

/// Catalogs that are not compared, since nothing in a dump comes from them alone: they hold measurements, the
/// bytes of large objects, or data that accompanies other objects.
const NOT_DUMPED: &[&str] = &[
    "pg_depend",
    "pg_description",
    "pg_init_privs",
    "pg_largeobject",
    "pg_replication_origin",
    "pg_seclabel",
    "pg_shdepend",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_subscription_rel",
];

const GLOBAL: &[&str] =
    &["pg_auth_members", "pg_authid", "pg_db_role_setting", "pg_parameter_acl", "pg_tablespace"];

/// Whether a dump of that scope reads the catalog.
pub(super) fn is_read(catalog: &str, scope: CatalogScope) -> bool {
    match scope {
        CatalogScope::Database => !NOT_DUMPED.contains(&catalog) && !GLOBAL.contains(&catalog),
        CatalogScope::Globals => GLOBAL.contains(&catalog),
    }
}

/// The codes that a column may hold. An empty string stands for the zero byte.
pub(super) struct Codes {
    pub(super) catalog: &'static str,
    pub(super) column: &'static str,
    /// The known codes, each a single letter, with the first version that has it (0 for all).
    codes: &'static [(&'static str, u32)],
}

impl Codes {
    /// The codes of version `major`.
    pub(super) fn known(&self, major: u32) -> Vec<&'static str> {
        let there = |(codes, since): &&(&'static str, u32)| *since <= major && !codes.is_empty();
        let letters = self.codes.iter().filter(there).flat_map(|(codes, _)| codes.split(""));
        // Splitting at the empty string gives an empty string at both ends, which stands for the zero byte.
        letters.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

const fn codes(catalog: &'static str, column: &'static str, codes: &'static [(&'static str, u32)]) -> Codes {
    Codes { catalog, column, codes }
}

/// All columns that hold codes, except those in which users may store any letter. From the manual's chapter
/// on the system catalogs.
pub(super) const CODES: &[Codes] = &[
    codes("pg_aggregate", "aggfinalmodify", &[("rsw", 0)]),
    codes("pg_aggregate", "aggkind", &[("noh", 0)]),
    codes("pg_aggregate", "aggmfinalmodify", &[("rsw", 0)]),
    codes("pg_am", "amtype", &[("it", 0)]),
    codes("pg_amop", "amoppurpose", &[("so", 0)]),
    codes("pg_attribute", "attcompression", &[("pl", 14)]),
    codes("pg_attribute", "attgenerated", &[("s", 0), ("v", 18)]),
    codes("pg_attribute", "attidentity", &[("ad", 0)]),
    codes("pg_attribute", "attstorage", &[("pemx", 0)]),
    codes("pg_cast", "castcontext", &[("eai", 0)]),
    codes("pg_cast", "castmethod", &[("fib", 0)]),
    codes("pg_class", "relkind", &[("rpiISvmcft", 0)]),
    codes("pg_class", "relpersistence", &[("put", 0)]),
    codes("pg_class", "relreplident", &[("dnfi", 0)]),
    codes("pg_collation", "collprovider", &[("dci", 0), ("b", 17)]),
    codes("pg_constraint", "confdeltype", &[(" arcnd", 0)]),
    codes("pg_constraint", "confmatchtype", &[(" fps", 0)]),
    codes("pg_constraint", "confupdtype", &[(" arcnd", 0)]),
    codes("pg_constraint", "contype", &[("cfputx", 0), ("n", 17)]),
    codes("pg_database", "datlocprovider", &[("ci", 0), ("b", 17)]),
    codes("pg_default_acl", "defaclobjtype", &[("rSfTn", 0), ("L", 18)]),
    codes("pg_event_trigger", "evtenabled", &[("ODRA", 0)]),
    codes("pg_operator", "oprkind", &[("blr", 0)]),
    codes("pg_partitioned_table", "partstrat", &[("lrh", 0)]),
    codes("pg_policy", "polcmd", &[("*rawd", 0)]),
    codes("pg_proc", "proargmodes", &[("iobvt", 0)]),
    codes("pg_proc", "prokind", &[("fawp", 0)]),
    codes("pg_proc", "proparallel", &[("sru", 0)]),
    codes("pg_proc", "provolatile", &[("isv", 0)]),
    codes("pg_publication", "pubgencols", &[("ns", 18)]),
    codes("pg_rewrite", "ev_enabled", &[("ODRA", 0)]),
    codes("pg_rewrite", "ev_type", &[("1234", 0)]),
    codes("pg_statistic_ext", "stxkind", &[("dfme", 0)]),
    codes("pg_subscription", "substream", &[("tfp", 16)]),
    codes("pg_subscription", "subtwophasestate", &[("dpe", 0)]),
    codes("pg_trigger", "tgenabled", &[("ODRA", 0)]),
    codes("pg_type", "typalign", &[("csid", 0)]),
    codes("pg_type", "typstorage", &[("pemx", 0)]),
    codes("pg_type", "typtype", &[("bcdeprm", 0)]),
];

/// Rows that, from some version on, mean more than their code tells.
pub(super) struct Extended {
    pub(super) catalog: &'static str,
    /// The first version that has such rows.
    pub(super) since: u32,
    /// A description for messages.
    pub(super) what: &'static str,
    /// The condition that finds them, on the catalog's columns.
    pub(super) condition: &'static str,
}

pub(super) const EXTENDED: &[Extended] = &[
    // From 18 on, a column's NOT NULL is also a constraint. If it has the server's default name, is valid and
    // inherited, and has no comment, it says no more than attnotnull does.
    Extended {
        catalog: "pg_constraint",
        since: 18,
        what: "a NOT NULL constraint with its own name, state or comment",
        condition: "contype = 'n' AND conrelid <> 0
            AND (NOT convalidated OR connoinherit
                 OR pg_catalog.obj_description(oid, 'pg_constraint') IS NOT NULL
                 OR conname <> (SELECT c.relname || '_' || a.attname || '_not_null'
                                  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
                                 WHERE c.oid = conrelid AND a.attnum = conkey[1])
                 OR conislocal IS DISTINCT FROM (coninhcount = 0))",
    },
    // Before 19 no command could make a list empty, so it had no textual form.
    Extended { catalog: "pg_proc", since: 19, what: "a setting that is an empty list", condition: EMPTY_LISTS_OF_ROUTINES },
    Extended { catalog: "pg_db_role_setting", since: 19, what: "a setting that is an empty list", condition: EMPTY_LISTS },
];

const EMPTY_LISTS_OF_ROUTINES: &str = "EXISTS (SELECT FROM pg_catalog.unnest(proconfig) s WHERE s ~ '=$')";
const EMPTY_LISTS: &str = "EXISTS (SELECT FROM pg_catalog.unnest(setconfig) s WHERE s ~ '=$')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_codes_grow_with_the_version() {
        assert!(columns(17)["pg_publication"].contains("pubviaroot"));
        assert!(!columns(17)["pg_publication"].contains("pubgencols"));
        assert!(columns(18)["pg_publication"].contains("pubgencols"));
        assert!(columns(14).len() > 60 && !columns(14).contains_key("pg_parameter_acl"));
        let generated = CODES.iter().find(|codes| codes.column == "attgenerated").unwrap();
        assert_eq!(generated.known(17), ["", "s"]);
        assert_eq!(generated.known(18), ["", "s", "v"]);
    }

    #[test]
    fn every_catalog_and_column_with_codes_is_one_that_is_known() {
        let known = columns(u32::MAX);
        for codes in CODES {
            assert!(known[codes.catalog].contains(codes.column), "{}.{}", codes.catalog, codes.column);
        }
        for catalog in NOT_DUMPED.iter().chain(GLOBAL).chain(EXTENDED.iter().map(|it| &it.catalog)) {
            assert!(known.contains_key(catalog), "{catalog}");
        }
    }
}

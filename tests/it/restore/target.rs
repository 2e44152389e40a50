//! Where the statements of a dump are executed: in the requested database, and nowhere else.

use super::*;
use crate::support::database::{administer, ask};

/// A dump of one database with these statements, framed as by pg_dump.
fn of_database(statements: &str) -> String {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n\
         SELECT pg_catalog.set_config('search_path', '', false);\n\n{statements}\n\
         --\n-- PostgreSQL database dump complete\n--\n\n"
    )
}

/// The same as by pg_dumpall -g.
fn of_globals(statements: &str) -> String {
    format!(
        "--\n-- PostgreSQL database cluster dump\n--\n\nSET default_transaction_read_only = off;\n\
         SET client_encoding = 'UTF8';\n\n{statements}\n\
         --\n-- PostgreSQL database cluster dump complete\n--\n\n"
    )
}

const CLERK: &str =
    "CREATE TABLE public.clerk (id integer);\nCOPY public.clerk (id) FROM stdin;\n1\n2\n\\.\n";

impl World {
    fn written(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A database name that does not exist.
    fn target(&self, stem: &str) -> Database {
        let made = self.database(stem, "");
        let name = made.name().to_owned();
        drop(made);
        Database::expected(&self.server, &name)
    }

    /// The contents of the maintenance database.
    fn in_postgres(&self) -> String {
        ask(
            &self.server,
            "postgres",
            "SELECT count(*) FROM pg_class WHERE relname = 'clerk'
             UNION ALL SELECT count(*) FROM pg_description WHERE description LIKE 'rt %'",
        )
        .unwrap()
        .trim()
        .to_owned()
    }
}

#[test]
fn whatever_comes_first_goes_into_the_database_that_is_made() {
    let world = World::new();
    for (number, first) in [
        "COMMENT ON SCHEMA public IS 'rt of the shop';",
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC;",
        "GRANT CREATE ON SCHEMA public TO PUBLIC;",
        "ALTER SCHEMA public OWNER TO pg_monitor;",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;",
        "CREATE EXTENSION hstore WITH SCHEMA public;",
        "DROP TABLE IF EXISTS public.clerk;",
        "BEGIN;\nSELECT pg_catalog.lo_create('4711');\nCOMMIT;",
        "SELECT pg_catalog.lo_create('4712');",
        "CREATE SCHEMA public;",
        "-- nothing",
    ]
    .into_iter()
    .enumerate()
    {
        let dump = world.written("first.sql", &of_database(&format!("{first}\n\n{CLERK}")));
        for options in [&["--create"][..], &["--create", "-1"], &["--create", "--into-nonempty"]] {
            if first == "CREATE SCHEMA public;" && options.contains(&"--into-nonempty") {
                continue;
            }
            let to = world.target(&format!("rt_first_{number}"));
            assert_done(&world.restore(to.name(), options, &dump).output().unwrap());
            assert_eq!(to.query("SELECT count(*) FROM public.clerk").unwrap().trim(), "2", "{first}");
        }
        assert_eq!(world.in_postgres(), "0\n0", "{first}");
    }
}

#[test]
fn a_refused_restore_has_changed_nothing() {
    let world = World::new();
    let role = format!("rt_refused_{}", std::process::id());
    let comment = "COMMENT ON SCHEMA public IS 'rt refused';\n";
    let revoke = "REVOKE USAGE ON SCHEMA public FROM PUBLIC;\n";
    let roles = of_globals(&format!("CREATE ROLE {role};\nALTER ROLE {role} WITH LOGIN;\n"));
    let state = "SELECT COALESCE(obj_description(oid, 'pg_namespace'), '') || nspacl::text FROM pg_namespace
                  WHERE nspname = 'public'";
    for text in [
        of_database(&format!("{comment}{CLERK}")),
        of_database(&format!("{revoke}{CLERK}")),
        format!("{roles}{}", of_database(CLERK)),
    ] {
        let to = world.database("rt_refused", "CREATE TABLE there (a int)");
        let before = to.query(state).unwrap();
        let dump = world.written("refused.sql", &text);
        for options in [&[][..], &["-1"]] {
            let output = world.restore(to.name(), options, &dump).output().unwrap();
            assert_fails(&output, 11, &["it is not empty: it has 1 object (table public.there)"]);
            assert_eq!(to.query(state).unwrap(), before);
            assert_eq!(
                to.query(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'")).unwrap().trim(),
                "0"
            );
        }
    }
}

#[test]
fn parts_of_one_file_go_where_each_belongs() {
    let world = World::new();
    let role = format!("rt_parts_{}", std::process::id());
    let roles = of_globals(&format!("CREATE ROLE {role};\nALTER ROLE {role} WITH NOLOGIN;\n"));
    let owned = format!("{CLERK}ALTER TABLE public.clerk OWNER TO {role};\n");
    let other = of_database("CREATE TABLE public.other (a integer);\n");
    for (text, tables) in [
        (format!("{roles}{}", of_database(&owned)), "1"),
        (format!("{}{roles}", of_database(CLERK)), "1"),
        (format!("{roles}{}{other}{roles}", of_database(&owned)), "2"),
    ] {
        for create in [true, false] {
            let dump = world.written("parts.sql", &text);
            let to = if create { world.target("rt_parts") } else { world.database("rt_parts", "") };
            let options: &[&str] = if create { &["--create"] } else { &[] };
            assert_done(&world.restore(to.name(), options, &dump).output().unwrap());
            assert_eq!(relations(&to), tables);
            assert_eq!(world.in_postgres(), "0\n0");
            drop(to);
            administer(&world.server, &format!("DROP ROLE {role}")).unwrap();
        }
    }
}

#[test]
fn a_dump_that_makes_another_database_is_refused_before_it_does() {
    let world = World::new();
    let from = world.database("rt_own", "CREATE TABLE clerk (id int)");
    let dump = world.dump(&from, "own.sql", &["-C", "-c", "--if-exists"]);
    let to = world.target("rt_other");
    let output = world.restore(to.name(), &["--create"], &dump).output().unwrap();
    assert_fails(&output, 11, &["the dump was made with -C", from.name(), "--to postgres"]);
    assert_eq!(relations(&from), "1");
    // Under its own name, it is the requested database.
    assert_done(&world.restore(from.name(), &["--create"], &dump).output().unwrap());
    assert_done(&world.restore("postgres", &[], &dump).output().unwrap());
    assert_eq!((relations(&from), world.in_postgres()), ("1".to_owned(), "0\n0".to_owned()));
}

#[test]
fn a_failed_restore_says_how_to_remove_the_database() {
    let world = World::new();
    let dump = world.written("fails.sql", &of_database(&format!("{CLERK}SELECT 1/0;\n")));
    let made = world.target("rt_fails");
    let to = Database::expected(&world.server, &format!("{} \"odd\"", made.name()));
    for options in [&["--create"][..], &["--create", "-1"]] {
        let output = world.restore(to.name(), options, &dump).output().unwrap();
        let drop = format!("DROP DATABASE \"{} \"\"odd\"\"\";", made.name());
        assert_fails(&output, 11, &["division by zero", &drop]);
        administer(&world.server, &drop).unwrap();
    }
}

#[test]
fn a_single_transaction_accepts_roles_of_any_name() {
    let world = World::new();
    let role = format!("\"rt CREATE TABLESPACE {}\"", std::process::id());
    let dump = world.written("roles.sql", &of_globals(&format!("CREATE ROLE {role};\nDROP ROLE {role};\n")));
    assert_done(&world.restore("postgres", &["-1"], &dump).output().unwrap());
    let dump =
        world.written("spaces.sql", &of_globals("CREATE TABLESPACE rt_space LOCATION '/nonexistent';\n"));
    assert_fails(&world.restore("postgres", &["-1"], &dump).output().unwrap(), 11, &["single transaction"]);
}

#[test]
fn schema_public_alone_is_restored_on_every_version() {
    for (major, server) in servers().postgres.range(14..) {
        let world = World { server: server.clone(), folder: tempfile::tempdir().unwrap() };
        let sql = "CREATE TABLE public.clerk (id int); COMMENT ON SCHEMA public IS 'rt its own';
                   GRANT USAGE ON SCHEMA public TO pg_monitor; CREATE SCHEMA other";
        let from = world.database("rt_public", sql);
        for flags in [&["-n", "public"][..], &["-n", "public", "-c", "--if-exists"], &["-n", "pub*", "-a"]] {
            let dump = world.dump(&from, "public.sql", flags);
            let to = world.target("rt_public_to");
            let output = world.restore(to.name(), &["--create"], &dump).output().unwrap();
            if flags.contains(&"-a") {
                assert_fails(&output, 11, &["public.clerk"]);
                continue;
            }
            assert_done(&output);
            let to_file = |name: &str, database: &Database| {
                let path = world.dump(database, name, &["-n", "public", "--restrict-key", "k"]);
                std::fs::read_to_string(path).unwrap()
            };
            assert_eq!(to_file("a.sql", &from), to_file("b.sql", &to), "{major} {flags:?}");
        }
    }
}

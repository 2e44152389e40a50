//! Where the statements of a dump are executed: in the requested database, whatever comes first in the
//! dump, and nowhere at all if that database is refused.

use super::*;

/// What a dump's contents can begin with.
const FIRST: [&str; 9] = [
    "COMMENT ON SCHEMA public IS 'of the shop';",
    "REVOKE USAGE ON SCHEMA public FROM PUBLIC;",
    "GRANT CREATE ON SCHEMA public TO PUBLIC;",
    "ALTER SCHEMA public OWNER TO CURRENT_USER;",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;",
    "BEGIN;\nCOMMIT;",
    "DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER nowhere;",
    "SELECT pg_catalog.lo_create(4711);",
    "CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;",
];

const SETTINGS: &str =
    "SET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', false);\n";
const TABLE: &str = "CREATE TABLE public.rs_clerk (a int);\nCOPY public.rs_clerk (a) FROM stdin;\n1\n\\.\n";

fn database_part(statements: &str) -> String {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict KEY\n\n{SETTINGS}{statements}--\n\
         -- PostgreSQL database dump complete\n--\n\n\\unrestrict KEY\n\n"
    )
}

/// Roles as in dumps with `-c`: the restoring role is dropped and created, too.
fn roles_part(role: &str) -> String {
    format!(
        "--\n-- PostgreSQL database cluster dump\n--\n\n\\restrict KEY\n\n\
         SET default_transaction_read_only = off;\n{SETTINGS}DROP ROLE IF EXISTS postgres;\nCREATE ROLE postgres;\nCREATE ROLE {role};\n\
         ALTER ROLE {role} WITH NOLOGIN;\n\n\\unrestrict KEY\n\n\
         --\n-- PostgreSQL database cluster dump complete\n--\n\n"
    )
}

/// The part of a dump with `-C`, which creates its database itself.
fn own_part(database: &str, statements: &str) -> String {
    database_part(&format!(
        "CREATE DATABASE {database} WITH TEMPLATE = template0;\nALTER DATABASE {database} OWNER TO CURRENT_USER;\n\
         \\unrestrict KEY\n\\connect {database}\n\\restrict KEY\n{SETTINGS}{statements}"
    ))
}

impl World {
    fn text(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The parts of the maintenance database that must not change.
    fn maintenance(&self) -> String {
        let postgres = self.server.client("psql");
        let mut psql = postgres;
        let sql =
            "SELECT n.nspname, n.nspowner, n.nspacl, obj_description(n.oid), to_regclass('public.rs_clerk')
                     FROM pg_namespace n WHERE nspname = 'public'";
        let output = psql.args(["-XAt", "-d", "postgres", "-c", sql]).output().unwrap();
        assert_done(&output);
        String::from_utf8(output.stdout).unwrap()
    }
}

fn is_filled(database: &Database) -> bool {
    database.query("SELECT count(*) FROM public.rs_clerk").unwrap().trim() == "1"
}

#[test]
fn whatever_comes_first_the_new_database_is_filled() {
    let world = World::new();
    let before = world.maintenance();
    for first in FIRST {
        let dump = world.text("first.sql", &database_part(&format!("{first}\n{TABLE}")));
        for options in [&["--create"][..], &["-C", "-1"], &["-C", "--into-nonempty"]] {
            let to = world.expected("rs_first");
            assert_done(&world.restore(to.name(), options, &dump).output().unwrap());
            assert!(is_filled(&to), "{first} {options:?}");
            assert_eq!(world.maintenance(), before, "{first} {options:?}");
        }
    }
}

#[test]
fn a_refused_restore_has_run_nothing() {
    let world = World::new();
    const STATE: &str =
        "SELECT n.nspacl, n.nspowner, obj_description(n.oid), (SELECT count(*) FROM pg_default_acl),
        (SELECT count(*) FROM pg_largeobject_metadata), to_regclass('public.rs_clerk')
        FROM pg_namespace n WHERE nspname = 'public'";
    for first in FIRST {
        let dump = world.text("refused.sql", &database_part(&format!("{first}\n{TABLE}")));
        for options in [&[][..], &["-1"], &["--continue-on-error"], &["-O"]] {
            let to = world.database("rs_refused", "CREATE TABLE in_use (a int)");
            let before = to.query(STATE).unwrap();
            let output = world.restore(to.name(), options, &dump).output().unwrap();
            assert_fails(&output, 11, &["it is not empty: it has 1 object (table public.in_use)"]);
            assert_eq!(to.query(STATE).unwrap(), before, "{first} {options:?}");
        }
    }
}

#[test]
fn roles_are_not_made_if_their_database_is_refused() {
    let world = World::new();
    let to = world.database("rs_wait", "CREATE TABLE in_use (a int)");
    let role = format!("{}_role", to.name());
    let roles = roles_part(&role);
    let database = database_part(TABLE);
    let tablespace = database_part("CREATE TABLESPACE x LOCATION '/x';\n");
    for (text, options, says) in [
        (roles.clone() + &database, &[][..], "it is not empty"),
        (roles.clone() + &database, &["--continue-on-error"], "it is not empty"),
        (roles.clone() + &database, &["-1"], "it is not empty"),
        (roles.clone() + &database, &["-C"], "42P04"),
        (roles.clone(), &["-C"], "42P04"),
        (roles.clone() + &tablespace, &["-1"], "single transaction"),
    ] {
        let dump = world.text("wait.sql", &text);
        assert_fails(&world.restore(to.name(), options, &dump).output().unwrap(), 11, &[says]);
        let sql = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(to.query(&sql).unwrap().trim(), "0", "{options:?}");
    }
    // Globals alone can be restored into any database.
    let dump = world.text("roles.sql", &roles);
    let output = world.restore(to.name(), &[], &dump).output().unwrap();
    to.query(&format!("DROP ROLE {role}")).unwrap();
    assert_done(&output);
}

#[test]
fn settings_of_databases_wait_too() {
    let world = World::new();
    let to = world.database("rs_alter", "CREATE TABLE in_use (a int)");
    let first = format!("ALTER DATABASE {} SET work_mem TO '4321kB';\n", to.name());
    let dump = world.text("alter.sql", &database_part(&(first + TABLE)));
    let setting = format!(
        "SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = '{}'",
        to.name()
    );
    assert_fails(&world.restore(to.name(), &[], &dump).output().unwrap(), 11, &["it is not empty"]);
    assert_eq!(to.query(&setting).unwrap().trim(), "0");
    let new = world.expected("rs_alter_to");
    assert_done(&world.restore(new.name(), &["-C"], &dump).output().unwrap());
    assert!(is_filled(&new));
    assert_eq!(to.query(&setting).unwrap().trim(), "1");
}

#[test]
fn each_part_of_a_text_goes_to_its_database() {
    let world = World::new();
    let before = world.maintenance();
    let other = TABLE.replace("rs_clerk", "rs_other");
    let orders: [&[&str]; 5] =
        [&["r", "d"], &["d", "r"], &["d", "o"], &["r", "d", "r", "o"], &["d", "r", "o"]];
    for order in orders {
        for options in [&["-C"][..], &["-C", "-1"], &[], &["-1"]] {
            let to = match options.contains(&"-C") {
                true => world.expected("rs_parts"),
                false => world.database("rs_parts", ""),
            };
            let role = format!("{}_role", world.database("rs_parts_role", "").name());
            let text: String = order
                .iter()
                .map(|part| match *part {
                    "r" => roles_part(&role),
                    "d" => database_part(&format!("COMMENT ON SCHEMA public IS 'x';\n{TABLE}")),
                    _ => database_part(&other),
                })
                .collect();
            let dump = world.text("parts.sql", &text);
            let output = world.restore(to.name(), options, &dump).output().unwrap();
            let sql =
                format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'; DROP ROLE IF EXISTS {role}");
            let roles = world.database("rs_parts_look", "").query(&sql).unwrap();
            assert_done(&output);
            assert_eq!(roles.trim(), if order.contains(&"r") { "1" } else { "0" }, "{order:?} {options:?}");
            assert!(is_filled(&to), "{order:?} {options:?}");
            if order.contains(&"o") {
                assert_eq!(to.query("SELECT count(*) FROM rs_other").unwrap().trim(), "1");
            }
            assert_eq!(world.maintenance(), before, "{order:?} {options:?}");
        }
    }
}

#[test]
fn a_dump_that_makes_its_database_fills_that_one() {
    let world = World::new();
    let before = world.maintenance();
    let template = "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'rs_nowhere';\n";
    for (number, clean) in ["", template].into_iter().enumerate() {
        let own = world.database("rs_own", "").name().to_owned() + "_own";
        let own = Database::expected(&world.server, &own);
        let part = own_part(own.name(), &format!("COMMENT ON SCHEMA public IS 'x';\n{TABLE}"));
        let part = part.replacen("CREATE DATABASE", &format!("{clean}CREATE DATABASE"), 1);
        let to = world.expected("rs_own_to");
        let text = match number {
            0 => part,
            _ => database_part(TABLE) + &part,
        };
        let dump = world.text("own.sql", &text);
        let output = world.restore(to.name(), &["-C"], &dump).output().unwrap();
        if number == 0 {
            // That database was not asked for, and nothing was done.
            assert_fails(&output, 11, &["the dump was made with -C", "--to postgres"]);
            assert_done(&world.restore("postgres", &[], &dump).output().unwrap());
        } else {
            assert_done(&output);
            assert!(is_filled(&to));
        }
        assert!(is_filled(&own));
        assert_eq!(world.maintenance(), before);
    }
    // A cluster's dump connects before the dump of a database begins, in which anything can come first.
    let own = Database::expected(&world.server, &(world.database("rs_all", "").name().to_owned() + "_own"));
    let inner = database_part(&format!("COMMENT ON SCHEMA public IS 'x';\n{TABLE}"));
    let text = format!(
        "--\n-- PostgreSQL database cluster dump\n--\n{SETTINGS}CREATE DATABASE {0} WITH TEMPLATE = template0;\n\
         REVOKE CONNECT ON DATABASE {0} FROM PUBLIC;\n\
         ALTER ROLE CURRENT_USER IN DATABASE {0} SET work_mem TO '4MB';\n\\connect {0}\n{inner}\
         --\n-- PostgreSQL database cluster dump complete\n--\n",
        own.name()
    );
    assert_done(&world.restore_nowhere(&[], world.text("all.sql", &text)));
    assert!(is_filled(&own));
    assert_eq!(world.maintenance(), before);
}

#[test]
fn without_a_database_nothing_is_run() {
    let world = World::new();
    let before = world.maintenance();
    let role = format!("{}_role", world.database("rs_nowhere", "").name());
    let part = database_part(TABLE);
    for text in [part.clone(), roles_part(&role), roles_part(&role) + &part, database_part("")] {
        let dump = world.text("nowhere.sql", &text);
        for options in [&[][..], &["-C"], &["-1"], &["--to", ""], &["--to", "application_name=x"]] {
            assert_fails(
                &world.restore_nowhere(options, &dump),
                2,
                &["--to", "no target database was given"],
            );
        }
    }
    let sql = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{role}'");
    assert_eq!(world.database("rs_nowhere_look", "").query(&sql).unwrap().trim(), "0");
    assert_eq!(world.maintenance(), before);

    let own =
        Database::expected(&world.server, &(world.database("rs_nowhere", "").name().to_owned() + "_own"));
    assert_done(&world.restore_nowhere(&[], world.text("own.sql", &own_part(own.name(), TABLE))));
    assert!(is_filled(&own));
    // Roles also wait for a dump that creates its database.
    let own =
        Database::expected(&world.server, &(world.database("rs_nowhere", "").name().to_owned() + "_own"));
    let part = own_part(own.name(), TABLE);
    for text in [roles_part(&role) + &part, part.clone() + &roles_part(&role)] {
        assert_done(&world.restore_nowhere(&[], world.text("own.sql", &text)));
        assert!(is_filled(&own));
        let look = world.database("rs_nowhere_look", "");
        assert_eq!(look.query(&sql).unwrap().trim(), "1");
        look.query(&format!("DROP ROLE {role}")).unwrap();
        look.query(&format!("DROP DATABASE {}", own.name())).unwrap();
    }
    let part = database_part(TABLE);
    let missing = format!("{role}_missing");
    let output = world.restore(&missing, &[], world.text("plain.sql", &part)).output().unwrap();
    assert_fails(&output, 3, &["--to", "--create"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("last argument"));
}

#[test]
fn delayed_settings_affect_how_the_text_is_read() {
    let world = World::new();
    // The last byte of this character is a backslash in SJIS.
    let statements = "SET client_encoding = 'SJIS';\nCREATE TABLE public.rs_clerk (a int);\n\
                      COMMENT ON TABLE public.rs_clerk IS E'HERE';\n";
    let (before, after) =
        database_part(statements).split_once("HERE").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let dump = world.path("held.sql");
    std::fs::write(&dump, [before.as_bytes(), b"\x95\x5c", after.as_bytes()].concat()).unwrap();
    let to = world.expected("rs_held");
    assert_done(&world.restore(to.name(), &["-C"], &dump).output().unwrap());
    assert_eq!(to.query("SELECT obj_description('rs_clerk'::regclass)").unwrap().trim(), "表");
    // From a newer server: skipped like any other failing statement, if requested.
    let dump = world.text("newer.sql", &database_part(&format!("SET nothing_known = 1;\n{TABLE}")));
    let to = world.expected("rs_held");
    let output = world.restore(to.name(), &["-C", "--continue-on-error"], &dump).output().unwrap();
    assert_fails(&output, 11, &["1 statements failed", "nothing_known"]);
    assert!(is_filled(&to));
}

#[test]
fn names_with_tablespace_in_them_can_be_in_a_transaction() {
    let world = World::new();
    let stem = world.database("rs_words", "").name().to_owned();
    let roles = [format!("{stem}_tablespace"), format!("\"{stem} CREATE DATABASE tablespace\"")];
    let mut text = String::new();
    for role in &roles {
        text += &format!("CREATE ROLE {role};\nALTER ROLE {role} WITH NOLOGIN;\n");
    }
    text += "CREATE TABLE public.tablespace (a int);\nALTER TABLE public.tablespace SET TABLESPACE pg_default;\n\
             COMMENT ON TABLE public.tablespace IS 'DROP TABLESPACE x';\n\
             CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'CREATE DATABASE x'; END$$;\n";
    let to = world.database("rs_words_to", "");
    let dump = world.text("words.sql", &database_part(&text));
    let output = world.restore(to.name(), &["-1"], &dump).output().unwrap();
    to.query(&roles.map(|role| format!("DROP ROLE IF EXISTS {role};")).concat()).unwrap();
    assert_done(&output);
    for refused in ["CREATE TABLESPACE x LOCATION '/x';", "ALTER SYSTEM SET work_mem = '1MB';", "VACUUM;"] {
        let dump = world.text("refused.sql", &database_part(&format!("{refused}\n")));
        let to = world.expected("rs_words_to");
        let output = world.restore(to.name(), &["-1", "-C"], &dump).output().unwrap();
        assert_fails(&output, 11, &["single transaction"]);
        assert_fails(&world.restore(to.name(), &[], &dump).output().unwrap(), 3, &["does not exist"]);
    }
}

#[test]
fn a_dump_of_the_schema_public_is_restored() {
    let world = World::new();
    for server in servers().postgres.values() {
        let from = Database::create(server, "rs_public", &Settings::default()).unwrap();
        from.query("CREATE TABLE rs_clerk AS SELECT 1 AS a; COMMENT ON SCHEMA public IS 'of the shop'")
            .unwrap();
        let world = World { server: server.clone(), folder: tempfile::tempdir().unwrap() };
        for flags in [&["-n", "public"][..], &["-n", "public", "--quote-all-identifiers"]] {
            let dump = world.dump(&from, "public.sql", &[flags, &["--overwrite"]].concat());
            let to = world.expected("rs_public_to");
            assert_done(&world.restore(to.name(), &["--create"], &dump).output().unwrap());
            assert!(is_filled(&to));
            let to = world.database("rs_public_to", "");
            assert_done(&world.restore(to.name(), &["-1"], &dump).output().unwrap());
            assert!(is_filled(&to));
            for changed in [
                "COMMENT ON SCHEMA public IS 'mine'",
                "GRANT ALL ON SCHEMA public TO pg_monitor",
                "DROP SCHEMA public; CREATE SCHEMA public",
            ] {
                let to = world.database("rs_public_to", changed);
                let output = world.restore(to.name(), &[], &dump).output().unwrap();
                assert_fails(&output, 11, &["42P06"]);
            }
        }
        let clean = ["-n", "public", "-c", "--if-exists", "--overwrite"];
        let dump = world.dump(&from, "public.sql", &clean);
        let to = world.expected("rs_public_to");
        assert_done(&world.restore(to.name(), &["-C"], &dump).output().unwrap());
        assert!(is_filled(&to));
    }
    drop(world);
}

#[test]
fn a_failed_restore_says_how_to_drop_the_database() {
    let world = World::new();
    let dump = world.text("fails.sql", &database_part(&format!("{TABLE}SELECT nope;\n")));
    for (options, held) in [(&["-C"][..], "is partly restored"), (&["-C", "-1"], "is empty")] {
        let to = world.expected("rs_half");
        let output = world.restore(to.name(), options, &dump).output().unwrap();
        let drop = format!("DROP DATABASE \"{}\";", to.name().replace('"', "\"\""));
        assert_fails(&output, 11, &["SELECT nope", held, &drop]);
        world.database("rs_half_drop", "").query(&drop).unwrap();
    }
}

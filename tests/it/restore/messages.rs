//! Messages of failed restores.

use super::*;

#[test]
fn missing_privileges_are_named() {
    let world = World::new();
    let to = world.database("rs_rights", "CREATE SCHEMA closed; REVOKE ALL ON SCHEMA public FROM PUBLIC");
    let role = format!("{}_role", to.name());
    to.query(&format!("CREATE ROLE {role}; GRANT {role} TO CURRENT_USER")).unwrap();
    let view = format!(
        "CREATE TABLE public.t (a int);\nCREATE MATERIALIZED VIEW public.m AS SELECT a FROM public.t WITH NO DATA;\n\
         GRANT USAGE ON SCHEMA public TO {role};\nALTER MATERIALIZED VIEW public.m OWNER TO {role};\n\
         REFRESH MATERIALIZED VIEW public.m;\n"
    );
    let view = world.script("view.sql", &view);
    let refreshed = world.restore(to.name(), &["--into-nonempty"], &view).output().unwrap();
    let schema = world.script("schema.sql", "CREATE TABLE closed.t (a int);\n");
    let closed = world.restore(to.name(), &["--role", &role, "--into-nonempty"], &schema).output().unwrap();
    to.query(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    assert_fails(&refreshed, 11, &["REFRESH", "its owner's privileges", "grant the owner SELECT"]);
    assert!(!String::from_utf8_lossy(&refreshed.stderr).contains("superuser"));
    assert_fails(&closed, 11, &["permission denied for schema closed", "USAGE on the schema"]);
    assert!(!String::from_utf8_lossy(&closed.stderr).contains("SELECT"));
}

#[test]
fn a_dump_that_drops_first_says_so_in_an_empty_database() {
    let world = World::new();
    for drop in [
        "DROP TABLE public.t;",
        "DROP FUNCTION public.f();",
        "DROP TYPE public.e;",
        "DROP INDEX nowhere.i;",
        "ALTER TABLE ONLY public.t DROP CONSTRAINT c;",
    ] {
        let to = world.database("rs_drops", "");
        let dump = world.script("drops.sql", &format!("{drop}\n"));
        assert_fails(&world.restore(to.name(), &[], &dump).output().unwrap(), 11, &["--if-exists"]);
    }
    let to = world.database("rs_drops", "");
    let dump = world.script("missing.sql", "ALTER TABLE public.t OWNER TO postgres;\n");
    let output = world.restore(to.name(), &[], &dump).output().unwrap();
    assert_fails(&output, 11, &["42P01"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("--if-exists"));
}

#[test]
fn a_database_that_the_dump_misses_is_not_blamed_on_the_command_line() {
    let world = World::new();
    let to = world.database("rs_misses", "");
    let dump = world.script("misses.sql", "\\unrestrict KEY\n\\connect rs_nowhere\n\\restrict KEY\n");
    let output = world.restore(to.name(), &[], &dump).output().unwrap();
    assert_fails(&output, 3, &["rs_nowhere", "the dump connects to this database"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("argument"));
}

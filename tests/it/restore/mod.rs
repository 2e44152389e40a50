//! Runs `pgsiphon restore` like a user, on a real PostgreSQL: the result equals what was dumped, and if
//! that is not possible, the exit code and the message say why, and nothing incomplete is left.

mod destination;
mod inputs;
mod messages;
mod replace;
mod target;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::database::{Database, Settings};
use crate::support::servers::{Postgres, Servers, clean_command};

const PGSIPHON: &str = env!("CARGO_BIN_EXE_pgsiphon");

fn servers() -> Servers {
    Servers::from_environment().unwrap()
}

/// The newest server, and a folder for dumps.
struct World {
    server: Postgres,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        World { server: servers().newest().unwrap().clone(), folder: tempfile::tempdir().unwrap() }
    }

    fn database(&self, stem: &str, sql: &str) -> Database {
        let database = Database::create(&self.server, stem, &Settings::default()).unwrap();
        if !sql.is_empty() {
            database.query(sql).unwrap();
        }
        database
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Dumps a database with pgsiphon into a file.
    fn dump(&self, database: &Database, name: &str, flags: &[&str]) -> PathBuf {
        let path = self.path(name);
        let mut command = clean_command(PGSIPHON);
        command.arg("dump").args(self.server.connection_options()).args(flags).arg("-f").arg(&path);
        let output = command.args(["-d", database.name()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// A database that does not exist yet, and is dropped after the test; its name needs quotes.
    fn expected(&self, stem: &str) -> Database {
        let name = self.database(stem, "").name().to_owned();
        Database::expected(&self.server, &format!("{name} \"new\""))
    }

    /// Restores without naming a database.
    fn restore_nowhere(&self, options: &[&str], backup: impl AsRef<std::ffi::OsStr>) -> Output {
        let mut command = clean_command(PGSIPHON);
        command.arg("restore").args(self.server.connection_options()).args(options).arg(backup);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Writes a dump by hand, with the same surroundings as pg_dump's.
    fn script(&self, name: &str, statements: &str) -> PathBuf {
        let path = self.path(name);
        let head = "--\n-- PostgreSQL database dump\n--\n\n\\restrict KEY\n\n";
        let end = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict KEY\n\n";
        std::fs::write(&path, format!("{head}{statements}{end}")).unwrap();
        path
    }

    fn restore(&self, database: &str, options: &[&str], backup: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = clean_command(PGSIPHON);
        command.arg("restore").args(self.server.connection_options()).args(["-d", database]);
        command.args(options).arg(backup);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn assert_fails(output: &Output, code: i32, says: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for text in says {
        assert!(stderr.contains(text), "{text:?} is not in {stderr}");
    }
}

fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The number of relations made by users.
fn relations(database: &Database) -> String {
    let sql = "SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relnamespace = 'public'::regnamespace";
    database.query(sql).unwrap().trim().to_owned()
}

/// Waits until the database has an active session with such a query; returns its pid.
fn backend(database: &Database, like: &str) -> String {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
            AND pid <> pg_backend_pid() AND query LIKE '{like}'"
    );
    let start = Instant::now();
    loop {
        let pid = database.query(&sql).unwrap();
        if let Some(pid) = pid.lines().next() {
            return pid.to_owned();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{like} was never seen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const SHOP: &str = "CREATE TABLE customers (id serial PRIMARY KEY, name text);
    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text);
    INSERT INTO customers (name) SELECT E'na\\\\\\nme\\t' || g FROM generate_series(1, 300) g;
    INSERT INTO orders SELECT g, g % 300 + 1, repeat(md5(g::text), 20) FROM generate_series(1, 20000) g;
    CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE a WHEN 1 THEN 2 END; END;
    CREATE VIEW v AS SELECT count(*) FROM orders; SELECT lo_from_bytea(4711, 'large;')";
const DIGEST: &str =
    "SELECT md5(string_agg(o::text, ';' ORDER BY id)), (SELECT md5(string_agg(c::text, ';' ORDER BY id))
    FROM customers c), (SELECT count FROM v), f(1), lo_get(4711) FROM orders o";

#[test]
fn every_compression_is_recognized_regardless_of_the_file_name() {
    let world = World::new();
    let from = world.database("rs_formats", SHOP);
    for method in ["gzip", "zstd", "lz4", "none"] {
        let dump = world.dump(&from, &format!("{method}.dump"), &["-Z", method]);
        for options in [&[][..], &["-1"]] {
            let to = world.database("rs_formats_to", "");
            assert_done(&world.restore(to.name(), options, &dump).output().unwrap());
            assert_eq!(to.query(DIGEST).unwrap(), from.query(DIGEST).unwrap(), "{method} {options:?}");
        }
    }
}

#[test]
fn standard_input_and_many_gzip_members_are_read() {
    let world = World::new();
    let from = world.database("rs_stdin", SHOP);
    let plain = std::fs::read(world.dump(&from, "plain", &[])).unwrap();
    let mut members = Vec::new();
    for piece in plain.chunks(plain.len() / 3 + 1) {
        let mut encoder = flate2::write::GzEncoder::new(&mut members, flate2::Compression::fast());
        encoder.write_all(piece).unwrap();
        encoder.finish().unwrap();
    }
    let to = world.database("rs_stdin_to", "");
    let mut child = world.restore(to.name(), &[], "-").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&members).unwrap();
    assert_done(&child.wait_with_output().unwrap());
    assert_eq!(to.query(DIGEST).unwrap(), from.query(DIGEST).unwrap());
}

#[test]
fn an_object_in_s3_is_restored() {
    let world = World::new();
    let servers = servers();
    let s3 = servers.s3().unwrap();
    let from = world.database("rs_s3", SHOP);
    let to = world.database("rs_s3_to", "");
    let url = format!("s3://{}/rs/{}.sql.gz", s3.bucket, from.name());
    let with_s3 = |command: &mut Command| {
        command
            .args(["--s3-endpoint-url", &s3.endpoint, "--s3-region", &s3.region])
            .env("AWS_ACCESS_KEY_ID", &s3.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &s3.secret_key)
            .output()
            .unwrap()
    };
    let mut dump = clean_command(PGSIPHON);
    dump.arg("dump").args(world.server.connection_options()).args(["-d", from.name(), "-f", &url]);
    assert_done(&with_s3(&mut dump));
    assert_done(&with_s3(&mut world.restore(to.name(), &[], &url)));
    assert_eq!(to.query(DIGEST).unwrap(), from.query(DIGEST).unwrap());

    let missing = format!("s3://{}/rs/missing.sql.gz", s3.bucket);
    let output = with_s3(&mut world.restore(to.name(), &[], &missing));
    assert_fails(&output, 5, &[&missing, "there is no object at this key"]);
}

#[test]
fn an_error_names_statement_line_and_sqlstate_but_no_values() {
    let world = World::new();
    let cases = [
        (
            "CREATE TABLE t (a int);\nCREATE INDEX i\n  ON t (nope);\n",
            "run line 8: CREATE INDEX i ON t (nope);",
            "42703",
        ),
        (
            "CREATE TABLE t (a int);\nINSERT INTO t VALUES ('4711 secret');\n",
            "run line 8: INSERT INTO t…",
            "22P02",
        ),
        (
            "CREATE TABLE t (a int PRIMARY KEY);\nCOPY t FROM stdin;\n1\n2\n1\n\\.\n",
            "run line 8: COPY t FROM stdin;, row 3 on line 11",
            "23505",
        ),
        ("ALTER TABLE t OWNER TO nobody_at_all;\n", "run line 7", "42P01"),
        (
            "CREATE TABLE t ();\nALTER TABLE t OWNER TO nobody_at_all;\n",
            "role \"nobody_at_all\" does not exist",
            "globals-only",
        ),
    ];
    for (number, (sql, says, code)) in cases.iter().enumerate() {
        let to = world.database("rs_errors", "");
        let dump = world.script(&format!("{number}.sql"), sql);
        let output = world.restore(to.name(), &[], &dump).output().unwrap();
        assert_fails(&output, 11, &[says, code]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("Key (a)"), "{stderr}");
        let output = world.restore(to.name(), &["-1", "--into-nonempty"], &dump).output().unwrap();
        assert_fails(&output, 11, &[]);
    }
}

/// Statements before an error stay, or none of them with -1.
#[test]
fn a_single_transaction_leaves_all_or_nothing() {
    let world = World::new();
    let dump =
        world.script("fails.sql", "CREATE TABLE t (a int);\nBEGIN;\nSELECT 1;\nCOMMIT;\nSELECT nope;\n");
    for (options, left) in [(&[][..], "1"), (&["-1"], "0")] {
        let to = world.database("rs_single", "");
        assert_fails(&world.restore(to.name(), options, &dump).output().unwrap(), 11, &["SELECT nope"]);
        assert_eq!(relations(&to), left);
    }
    let to = world.database("rs_single_connect", "");
    let dump = world.script(
        "connect.sql",
        "CREATE TABLE t (a int);\n\\unrestrict KEY\n\\connect postgres\n\\restrict KEY\n",
    );
    assert_fails(&world.restore(to.name(), &["-1"], dump).output().unwrap(), 11, &["single transaction"]);
    assert_eq!(relations(&to), "0");
}

/// CVE-2026-6464: rows of a failed COPY are not SQL.
#[test]
fn rows_of_a_failed_copy_are_never_run() {
    let world = World::new();
    let to = world.database("rs_rows", "CREATE TABLE canary (a int)");
    let rows = "DROP TABLE canary;\n\\! touch canary\nDELETE FROM canary;\n\\.\n";
    let sql = format!(
        "COPY missing FROM stdin;\n{rows}CREATE TABLE t (a int);\nCOPY t FROM stdin;\n{rows}CREATE TABLE u ();\n"
    );
    let dump = world.script("rows.sql", &sql);
    let options = ["--continue-on-error", "--into-nonempty"];
    let output = world.restore(to.name(), &options, &dump).output().unwrap();
    assert_fails(&output, 11, &["42P01", "22P02", "2 statements failed, 2 succeeded"]);
    assert_eq!(relations(&to), "3");
    assert_eq!(to.query("SELECT count(*) FROM t").unwrap().trim(), "0");
}

/// The server reports early that it rejects the rows; the restore does not wait for their end.
#[test]
fn a_failed_copy_is_noticed_before_its_end() {
    let world = World::new();
    let to = world.database("rs_early", "CREATE TABLE t (a int)");
    let mut child =
        world.restore(to.name(), &["--into-nonempty"], "-").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"-- PostgreSQL database dump\nCOPY t FROM stdin;\nx\n").unwrap();
    let start = Instant::now();
    // Endless rows, written as long as they are read.
    while stdin.write_all(&b"1\n".repeat(8192)).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(30), "the restore goes on");
    }
    assert_fails(&child.wait_with_output().unwrap(), 11, &["22P02", "row 1 on line 3"]);
}

#[test]
fn a_backup_that_is_cut_off_is_damaged_and_its_last_rows_are_dropped() {
    let world = World::new();
    let from = world.database("rs_cut", SHOP);
    let gzip = std::fs::read(world.dump(&from, "cut.gz", &["-Z", "gzip"])).unwrap();
    let plain = std::fs::read(world.dump(&from, "cut.sql", &[])).unwrap();
    let end = plain.windows(9).rposition(|window| window == b"complete\n").unwrap();
    let unrestrict = plain.windows(11).rposition(|window| window == b"\\unrestrict").unwrap();
    let in_rows = plain.windows(20).position(|window| window == b"COPY public.orders (").unwrap() + 300_000;
    for (name, bytes, says) in [
        ("rows.sql", &plain[..in_rows], "the text ends within rows"),
        ("end.sql", &plain[..end], "is missing at its end"),
        ("key.sql", &plain[..unrestrict], "\\unrestrict is missing"),
        ("half.gz", &gzip[..gzip.len() / 2], "it is cut off: gzip fails at byte"),
        ("crc.gz", &gzip[..gzip.len() - 6], "it is cut off: gzip fails at byte"),
    ] {
        let path = world.path(name);
        std::fs::write(&path, bytes).unwrap();
        let to = world.database("rs_cut_to", "");
        assert_fails(&world.restore(to.name(), &["-1"], &path).output().unwrap(), 8, &[says]);
        assert_eq!(relations(&to), "0", "{name}");
        assert_fails(&world.restore(to.name(), &[], &path).output().unwrap(), 8, &[says]);
        if name == "rows.sql" || name == "half.gz" {
            assert_eq!(to.query("SELECT count(*) FROM orders").unwrap().trim(), "0", "{name}");
        }
    }
}

#[test]
fn corrupt_bytes_are_reported_as_damage() {
    let world = World::new();
    let from = world.database("rs_wrong", SHOP);
    let mut gzip = std::fs::read(world.dump(&from, "wrong.gz", &["-Z", "gzip"])).unwrap();
    let middle = gzip.len() / 2;
    gzip[middle] ^= 0x20;
    for (name, bytes) in [
        ("flipped.gz", gzip.as_slice()),
        ("empty", b""),
        ("text", b"SELECT 1;\n"),
        ("noise", b"\x00\xffnoise;"),
        // gzip's 20 bytes for empty input, from a nightly job that "succeeded".
        ("nothing.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"),
    ] {
        let path = world.path(name);
        std::fs::write(&path, bytes).unwrap();
        let to = world.database("rs_wrong_to", "");
        assert_fails(&world.restore(to.name(), &["-1"], &path).output().unwrap(), 8, &[name]);
        assert_eq!(relations(&to), "0");
    }
    let path = world.path("archive");
    std::fs::write(&path, b"PGDMP\x01\x0f\0").unwrap();
    let to = world.database("rs_archive", "");
    assert_fails(&world.restore(to.name(), &[], &path).output().unwrap(), 2, &["pg_restore"]);
    assert_fails(&world.restore(to.name(), &[], "/no/such/file").output().unwrap(), 5, &["/no/such/file"]);
}

#[test]
fn a_nonempty_database_is_refused() {
    let world = World::new();
    let dump = world.script("some.sql", "CREATE TABLE t (a int);\n");
    for (holds, what) in [
        ("CREATE TABLE a.x ()", "table a.x"),
        ("CREATE FUNCTION a.f() RETURNS int LANGUAGE sql RETURN 1", "function a.f"),
        ("CREATE TYPE a.e AS ENUM ('x')", "type a.e"),
        ("CREATE TYPE a.c AS (x int)", "type a.c"),
        ("SELECT lo_create(4711)", "large object 4711"),
    ] {
        let to = world.database("rs_nonempty", &format!("CREATE SCHEMA a; {holds}"));
        let output = world.restore(to.name(), &[], &dump).output().unwrap();
        assert_fails(&output, 11, &["it is not empty: it has 1 object (", what, "--into-nonempty"]);
        assert_eq!(relations(&to), "0");
        assert_done(&world.restore(to.name(), &["--into-nonempty"], &dump).output().unwrap());
        assert_eq!(relations(&to), "1");
    }
    let to = world.database("rs_extension", "CREATE EXTENSION hstore");
    assert_done(&world.restore(to.name(), &[], &dump).output().unwrap());
}

#[test]
fn a_database_is_created_on_request() {
    let world = World::new();
    let from = world.database("rs_create", SHOP);
    let dump = world.dump(&from, "plain.sql", &[]);
    let to = Database::expected(&world.server, &format!("{} made \"anew\"", from.name()));
    assert_fails(&world.restore(to.name(), &[], &dump).output().unwrap(), 3, &["does not exist"]);
    assert_done(&world.restore(to.name(), &["-C"], &dump).output().unwrap());
    assert_eq!(to.query(DIGEST).unwrap(), from.query(DIGEST).unwrap());
    assert_fails(&world.restore(to.name(), &["-C"], &dump).output().unwrap(), 11, &["42P04", "--create"]);
    // A dump that creates its database itself has its own name for it.
    let dump = world.dump(&from, "creates.sql", &["-C"]);
    let output = world.restore("postgres", &[], &dump).output().unwrap();
    assert_fails(&output, 11, &["CREATE DATABASE", "42P04"]);
}

#[test]
fn meta_commands_are_refused_by_line() {
    let world = World::new();
    let canary = world.path("canary");
    let touch = format!("\\unrestrict KEY\n\\! touch {}\n", canary.display());
    for (sql, says) in [
        (touch.as_str(), "read line 8"),
        ("\\connect postgres\n", "\\restrict forbids"),
        ("\\unrestrict OTHER\n", "the key of \\unrestrict differs"),
        ("SELECT 1\n\\g\n", "line 8 has a backslash"),
    ] {
        let to = world.database("rs_meta", "");
        let dump = world.script("meta.sql", sql);
        assert_fails(&world.restore(to.name(), &[], &dump).output().unwrap(), 11, &[says]);
    }
    assert!(!canary.exists());
}

fn interrupt(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn an_interrupt_cancels_the_running_statement() {
    let world = World::new();
    let dump = world.script("sleeps.sql", "CREATE TABLE t (a int);\nSELECT pg_catalog.pg_sleep(60);\n");
    for (signal, code, options, left, hint) in [
        ("-INT", 130, &[][..], "1", "everything before this is in the database"),
        ("-TERM", 143, &["-1"], "0", "nothing from the dump is in the database"),
    ] {
        let to = world.database("rs_interrupt", "");
        let child = world.restore(to.name(), options, &dump).spawn().unwrap();
        backend(&to, "%pg_sleep%");
        let start = Instant::now();
        interrupt(&child, signal);
        assert_fails(&child.wait_with_output().unwrap(), code, &["interrupted", hint]);
        assert!(start.elapsed() < Duration::from_secs(8));
        assert_eq!(relations(&to), left);
        // The backends of the queries above may take a moment to end; a restore's backend would continue
        // to sleep.
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
        let start = Instant::now();
        while to.query(others).unwrap().trim() != "1" {
            assert!(start.elapsed() < Duration::from_secs(20), "a session goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn an_interrupt_in_a_copy_leaves_no_rows() {
    let world = World::new();
    let to = world.database("rs_interrupt_copy", "CREATE TABLE t (a int)");
    let mut child =
        world.restore(to.name(), &["--into-nonempty"], "-").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"-- PostgreSQL database dump\nCOPY t FROM stdin;\n1\n2\n").unwrap();
    backend(&to, "COPY t%");
    interrupt(&child, "-INT");
    assert_fails(&child.wait_with_output().unwrap(), 130, &["interrupted"]);
    assert_eq!(to.query("SELECT count(*) FROM t").unwrap().trim(), "0");
}

#[test]
fn a_backend_that_is_terminated_ends_the_restore() {
    let world = World::new();
    for (options, left) in [(&["--continue-on-error"][..], "1"), (&["-1"], "0")] {
        let to = world.database("rs_terminated", "");
        let mut child = world.restore(to.name(), options, "-").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin
            .write_all(b"-- PostgreSQL database dump\nCREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n2\n")
            .unwrap();
        let pid = backend(&to, "COPY t%");
        to.query(&format!("SELECT pg_terminate_backend({pid})")).unwrap();
        // More rows until the failure is noticed.
        while stdin.write_all(b"1\n").is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_fails(&child.wait_with_output().unwrap(), 11, &["run line 3: COPY t FROM stdin;", "57P01"]);
        assert_eq!(relations(&to), left);
        if left == "1" {
            assert_eq!(to.query("SELECT count(*) FROM t").unwrap().trim(), "0");
        }
    }
}

#[test]
fn client_only_encodings_are_restored() {
    let world = World::new();
    // The last bytes of these are a backslash in SJIS, BIG5 or GBK.
    let from = world.database(
        "rs_sjis",
        "CREATE TABLE \"表\" (a text DEFAULT '表', b text); INSERT INTO \"表\" VALUES ('表', '表;''ソ'), ('能', E'\\\\表\\n');
         COMMENT ON TABLE \"表\" IS '十表;'",
    );
    let digest = "SELECT string_agg(t::text, ';' ORDER BY a), obj_description('表'::regclass) FROM \"表\" t";
    for flags in [&["-E", "SJIS"][..], &["-E", "SJIS", "--inserts"], &["-E", "EUC_JP"]] {
        let to = world.database("rs_sjis_to", "");
        let dump = world.path("sjis.sql");
        let mut pg_dump = world.server.client("pg_dump");
        let output = pg_dump.args(flags).args(["-d", from.name(), "-f"]).arg(&dump).output().unwrap();
        assert_done(&output);
        assert_done(&world.restore(to.name(), &[], &dump).output().unwrap());
        assert_eq!(to.query(digest).unwrap(), from.query(digest).unwrap(), "{flags:?}");
    }
}

#[test]
fn the_role_is_set_first() {
    let world = World::new();
    let to = world.database("rs_role", "");
    let role = format!("{}_role", to.name());
    to.query(&format!("CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}")).unwrap();
    let dump = world.script("role.sql", "CREATE TABLE t (a int);\n");
    let output = world.restore(to.name(), &["--role", &role], &dump).output().unwrap();
    let owner = to.query("SELECT relowner::regrole FROM pg_class WHERE relname = 't'");
    to.query(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    assert_done(&output);
    assert_eq!(owner.unwrap().trim(), role);
}

#[test]
fn owners_and_privileges_are_left_out_on_request() {
    let world = World::new();
    let dump = world.script(
        "owned.sql",
        "SET SESSION AUTHORIZATION 'rs_nobody';\nCREATE TABLE t (a int);\nRESET SESSION AUTHORIZATION;\n\
         ALTER TABLE t OWNER TO rs_nobody;\nGRANT SELECT ON TABLE t TO rs_nobody;\n",
    );
    for (options, is_done) in
        [(&[][..], false), (&["--no-owner"], false), (&["--no-privileges"], false), (&["-O", "-x"], true)]
    {
        let to = world.database("rs_owned", "");
        let output = world.restore(to.name(), options, &dump).output().unwrap();
        if is_done {
            assert_done(&output);
        } else {
            assert_fails(&output, 11, &["role \"rs_nobody\" does not exist"]);
        }
    }
}

#[test]
fn a_dump_by_pg_dump_is_restored() {
    let world = World::new();
    for server in servers().postgres.values() {
        let from = Database::create(server, "rs_pg_dump", &Settings::default()).unwrap();
        let to = Database::create(server, "rs_pg_dump_to", &Settings::default()).unwrap();
        from.query("CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 1000) g").unwrap();
        let dump = world.path(&format!("{}.sql", from.name()));
        let mut pg_dump = server.client("pg_dump");
        assert_done(&pg_dump.args(["-d", from.name(), "-f"]).arg(&dump).output().unwrap());
        to.restore(Path::new(&dump)).unwrap();
        let count = "SELECT count(*), md5(string_agg(t::text, '' ORDER BY g)) FROM t";
        assert_eq!(to.query(count).unwrap(), from.query(count).unwrap());
    }
}

//! Runs the program like a user, with a real PostgreSQL and a real S3 server: a dump arrives complete
//! and can be restored, or nothing is left and the exit code says why.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::database::{Database, Settings};
use crate::support::own_servers::OwnServers;
use crate::support::servers::{Postgres, S3, Servers, clean_command};
use aws_sdk_s3::Client;

struct World {
    servers: Servers,
}

impl World {
    fn new() -> Self {
        World::with(Servers::from_environment().unwrap())
    }

    fn with(servers: Servers) -> Self {
        World { servers }
    }

    fn postgres(&self) -> &Postgres {
        self.servers.newest().unwrap()
    }

    fn s3(&self) -> &S3 {
        self.servers.s3().unwrap()
    }

    fn database(&self, stem: &str, sql: &str) -> Database {
        let database = Database::create(self.postgres(), stem, &Settings::default()).unwrap();
        database.query(sql).unwrap();
        database
    }

    fn dump(&self, database: &str, key: &str) -> Command {
        let s3 = self.s3();
        let mut command = clean_command(env!("CARGO_BIN_EXE_pgsiphon"));
        command
            .arg("dump")
            .args(self.postgres().connection_options())
            .args(["-d", database, "-j", "4", "-f", &format!("s3://{}/{key}", s3.bucket)])
            .args(["--s3-endpoint-url", &s3.endpoint, "--s3-region", &s3.region])
            .env("AWS_ACCESS_KEY_ID", &s3.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &s3.secret_key)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn kill(pid: &str) {
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
}

/// Waits until `found` returns something.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(it) = found() {
            return it;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{what} was never seen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Accesses the store without pgsiphon.
struct Store {
    runtime: tokio::runtime::Runtime,
    client: Client,
    bucket: String,
}

impl Store {
    fn new(s3: &S3) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Store { runtime, client: s3.client(), bucket: s3.bucket.clone() }
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        self.runtime.block_on(async {
            let object = request.send().await.ok()?;
            Some(object.body.collect().await.unwrap().to_vec())
        })
    }

    fn pending_uploads(&self, key: &str) -> usize {
        let request = self.client.list_multipart_uploads().bucket(&self.bucket);
        let listed = self.runtime.block_on(request.send()).unwrap();
        listed.uploads().iter().filter(|upload| upload.key() == Some(key)).count()
    }

    /// Whether the store has received a part of an upload to this key.
    fn has_part(&self, key: &str) -> bool {
        let list = self.client.list_multipart_uploads().bucket(&self.bucket);
        let Ok(listed) = self.runtime.block_on(list.send()) else { return false };
        listed.uploads().iter().filter(|upload| upload.key() == Some(key)).any(|upload| {
            let parts = self.client.list_parts().bucket(&self.bucket).key(key);
            let parts = parts.upload_id(upload.upload_id().unwrap_or_default());
            self.runtime.block_on(parts.send()).is_ok_and(|listed| !listed.parts().is_empty())
        })
    }

    fn assert_nothing_at(&self, key: &str) {
        assert!(self.get(key).is_none(), "there is an object at {key}");
        assert_eq!(self.pending_uploads(key), 0, "an upload to {key} is pending");
    }
}

fn assert_fails(output: &Output, code: i32, says: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(says), "{says:?} is not in {stderr}");
}

/// Rows that don't compress well, so that several parts are uploaded.
const BIG: &str = "CREATE TABLE big AS SELECT g, md5(g::text) a, md5((g * 7)::text) b, md5((g * 11)::text) c
                     FROM generate_series(1, 400000) g";

#[test]
fn to_s3_and_back_by_gunzip_and_psql() {
    let world = World::new();
    let from = world.database("e2e_from", &format!("{BIG}; CREATE VIEW v AS SELECT count(*) FROM big"));
    let to = world.database("e2e_to", "SELECT 1");
    let key = format!("e2e/{}.sql.gz", from.name());
    let output = world.dump(from.name(), &key).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.sql.gz");
    std::fs::write(&path, Store::new(world.s3()).get(&key).unwrap()).unwrap();
    let mut gunzip = Command::new("gunzip").arg("-c").arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    let restored = world
        .postgres()
        .client("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", to.name()])
        .stdin(gunzip.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert!(gunzip.wait().unwrap().success());
    let digest = "SELECT md5(string_agg(big::text, ';' ORDER BY g)), (SELECT count FROM v) FROM big";
    assert_eq!(to.query(digest).unwrap(), from.query(digest).unwrap());

    let again = world.dump(from.name(), &key).output().unwrap();
    assert_fails(&again, 7, "an object already exists at this key");
}

/// The backends currently copying the big table, one per line.
const COPYING: &str = "SELECT pid FROM pg_stat_activity
                        WHERE datname = current_database() AND query LIKE '%COPY % FROM ONLY public.big %'
                              AND pid <> pg_backend_pid() AND state = 'active'";

fn copying(database: &Database) -> String {
    wait_for("the COPY", || {
        let pids = database.query(COPYING).unwrap();
        (!pids.trim().is_empty()).then_some(pids)
    })
}

#[test]
fn a_backend_that_is_terminated_leaves_nothing() {
    let world = World::new();
    let from = world.database("e2e_terminated", BIG);
    let key = format!("e2e/{}.sql.gz", from.name());
    let dump = world.dump(from.name(), &key).spawn().unwrap();
    let pid = copying(&from);
    from.query(&format!("SELECT pg_terminate_backend({})", pid.lines().next().unwrap())).unwrap();
    assert_fails(&dump.wait_with_output().unwrap(), 4, "copy table public.big");
    Store::new(world.s3()).assert_nothing_at(&key);
}

#[test]
fn a_killed_server_leaves_nothing() {
    let own = OwnServers::start(&["--versions", "18", "--s3"]).unwrap();
    let world = World::with(own.servers.clone());
    let from = world.database("e2e_killed", BIG);
    let dump = world.dump(from.name(), "e2e/killed.sql.gz").spawn().unwrap();
    let backend = copying(&from);
    kill(&world.postgres().pid.to_string());
    kill(backend.lines().next().unwrap());
    assert_fails(&dump.wait_with_output().unwrap(), 4, "big");
    Store::new(world.s3()).assert_nothing_at("e2e/killed.sql.gz");
}

/// A store, and a dump into it; the store is killed when it has received the first part.
fn dump_into_a_killed_store(key: &str, attempts: &str) -> (OwnServers, Child, Database) {
    let own = OwnServers::start(&["--versions", "18", "--s3"]).unwrap();
    let world = World::with(own.servers.clone());
    let from = world.database("e2e_lost_store", BIG);
    let store = Store::new(world.s3());
    let dump = world.dump(from.name(), key).args(["--s3-max-attempts", attempts]).spawn().unwrap();
    wait_for("the first part", || store.has_part(key).then_some(()));
    kill(&world.s3().pid.to_string());
    (own, dump, from)
}

/// Nobody can remove what is left in the killed store: the error says how to do that later.
#[test]
fn a_killed_store_is_reported_with_what_may_be_left() {
    let (_own, dump, _from) = dump_into_a_killed_store("e2e/lost.sql.gz", "3");
    let output = dump.wait_with_output().unwrap();
    assert_fails(&output, 6, "e2e/lost.sql.gz");
    assert_fails(&output, 6, "aws s3api abort-multipart-upload");
}

#[test]
fn a_killed_store_that_restarts_is_left_clean() {
    let (own, mut dump, _from) = dump_into_a_killed_store("e2e/back.sql.gz", "5");
    // Five attempts take at most three seconds; cleaning up continues for at least twenty.
    std::thread::sleep(Duration::from_secs(4));
    assert!(dump.try_wait().unwrap().is_none(), "the dump gave up too early");
    own.restart_s3().unwrap();
    assert_fails(&dump.wait_with_output().unwrap(), 6, "e2e/back.sql.gz");
    Store::new(own.servers.s3().unwrap()).assert_nothing_at("e2e/back.sql.gz");
}

/// A killed dump leaves no object; its upload must be aborted by someone else.
#[test]
fn a_killed_dump_leaves_no_object() {
    let world = World::new();
    let from = world.database("e2e_kill_9", BIG);
    let key = format!("e2e/{}.sql.gz", from.name());
    let store = Store::new(world.s3());
    let mut dump = world.dump(from.name(), &key).spawn().unwrap();
    wait_for("the upload", || (store.pending_uploads(&key) > 0).then_some(()));
    dump.kill().unwrap();
    dump.wait().unwrap();
    assert!(store.get(&key).is_none());
}

#[test]
fn an_interrupted_dump_leaves_nothing() {
    let world = World::new();
    let from = world.database("e2e_interrupted", BIG);
    let key = format!("e2e/{}.sql.gz", from.name());
    let dump = world.dump(from.name(), &key).spawn().unwrap();
    copying(&from);
    assert!(Command::new("kill").args(["-INT", &dump.id().to_string()]).status().unwrap().success());
    assert_fails(&dump.wait_with_output().unwrap(), 130, "interrupted");
    Store::new(world.s3()).assert_nothing_at(&key);
}

#[test]
fn a_wrong_key_is_reported_before_anything_is_read() {
    let world = World::new();
    let from = world.database("e2e_wrong_key", "CREATE TABLE t (a int)");
    let key = format!("e2e/{}.sql.gz", from.name());
    let output =
        world.dump(from.name(), &key).env("AWS_SECRET_ACCESS_KEY", "not-the-secret").output().unwrap();
    assert_fails(&output, 5, "AWS_SECRET_ACCESS_KEY");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("not-the-secret"));
    Store::new(world.s3()).assert_nothing_at(&key);
}

#[test]
fn everything_unreadable_is_reported_at_once() {
    let world = World::new();
    let from = world.database(
        "e2e_limited",
        "CREATE TABLE readable (a int); CREATE TABLE columns (a int, b int); CREATE TABLE hidden (a int);
         CREATE SEQUENCE one; CREATE SEQUENCE two; SELECT lo_create(4711);
         ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
    );
    let role = format!("{}_role", from.name());
    from.query(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT ON readable, hidden TO {role};
         GRANT INSERT, SELECT (a, b) ON columns TO {role}"
    ))
    .unwrap();
    let key = format!("e2e/{}.sql.gz", from.name());
    let output = world.dump(from.name(), &key).args(["-U", &role]).output().unwrap();
    from.query(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    assert_fails(&output, 4, "no SELECT privilege on public.one, public.two, large object 4711;");
    assert_fails(&output, 4, "row security would hide rows of public.hidden");
    Store::new(world.s3()).assert_nothing_at(&key);
}

#[test]
fn an_unknown_database_is_an_unreachable_source() {
    let world = World::new();
    let output = world.dump("e2e_no_such_database", "e2e/none.sql.gz").output().unwrap();
    assert_fails(&output, 3, "does not exist");
    Store::new(world.s3()).assert_nothing_at("e2e/none.sql.gz");
}

#[test]
fn an_unresolvable_dependency_loop_is_refused_by_name() {
    let world = World::new();
    let sql = "CREATE TABLE users (id int PRIMARY KEY);
               CREATE TABLE looks (at regclass DEFAULT 'users_pkey'::regclass)";
    let from = world.database("e2e_loop", sql);
    let key = format!("e2e/{}.sql.gz", from.name());
    let output = world.dump(from.name(), &key).output().unwrap();
    assert_fails(
        &output,
        4,
        "DEFAULT in public.looks, INDEX public.users_pkey, CONSTRAINT public.users_pkey",
    );
    Store::new(world.s3()).assert_nothing_at(&key);
}

/// Runs `pgsiphon dump` on a database with more arguments.
fn dump_with(world: &World, database: &str, arguments: &[&str]) -> Output {
    clean_command(env!("CARGO_BIN_EXE_pgsiphon"))
        .arg("dump")
        .args(world.postgres().connection_options())
        .args(["-d", database])
        .args(arguments)
        .output()
        .unwrap()
}

/// One of each kind of object whose definition the server deparses, all with a call of `boom`.
const DEPARSED: &str = "
    CREATE FUNCTION boom(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
    CREATE TABLE t (a int PRIMARY KEY DEFAULT boom(1), b text, c int GENERATED ALWAYS AS (boom(a)) STORED,
                    CHECK (boom(a) > 0), EXCLUDE USING btree (boom(a) WITH =));
    CREATE INDEX ON t (boom(a));
    CREATE VIEW v AS SELECT boom(a) AS x FROM t;
    CREATE MATERIALIZED VIEW m AS SELECT boom(a) AS x FROM t WITH NO DATA;
    CREATE RULE r AS ON DELETE TO t DO ALSO SELECT boom(1);
    CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (boom(new.a) > 2) EXECUTE FUNCTION fire();
    ALTER TABLE t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY p ON t USING (boom(a) > 1);
    CREATE STATISTICS s ON boom(a), b FROM t;
    CREATE DOMAIN d AS int DEFAULT boom(3) CHECK (boom(value) > 0);
    CREATE FUNCTION f(a int DEFAULT boom(7)) RETURNS int LANGUAGE sql BEGIN ATOMIC; SELECT boom(a); END;
    CREATE TABLE whole (a int DEFAULT 1);
    CREATE TABLE parted (a int) PARTITION BY RANGE (boom(a));
    CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (10);
    INSERT INTO t VALUES (4711, 'saved');
    INSERT INTO part VALUES (3)";

#[test]
fn rows_are_rescued_if_definitions_cannot_be_read() {
    let world = World::new();
    let from = world.database("e2e_rescue", DEPARSED);
    let rows_only: [&[&str]; 4] =
        [&["-a"], &["--section=data"], &["-a", "--column-inserts"], &["-a", "-t", "t", "-t", "part"]];
    let before = rows_only.map(|flags| rows_of(&dump_with(&world, from.name(), flags)));
    // Simulates a damaged catalog: what calls the function can no longer be deparsed.
    from.query("DELETE FROM pg_proc WHERE proname = 'boom'").unwrap();
    assert_fails(&dump_with(&world, from.name(), &["-s"]), 4, "cache lookup failed");
    let whole = rows_of(&dump_with(&world, from.name(), &["-t", "whole"]));
    assert!(whole.contains("CREATE TABLE public.whole"), "{whole}");
    for (flags, before) in rows_only.iter().zip(before) {
        let after = rows_of(&dump_with(&world, from.name(), flags));
        assert!(after.contains("4711") && after == before, "{flags:?}: {after}");
    }
}

/// The text of a dump without the random key.
fn rows_of(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn many_circles_of_foreign_keys_give_one_warning() {
    let world = World::new();
    let sql = "CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a);
               CREATE TABLE b (id int PRIMARY KEY, up int REFERENCES b);
               CREATE TABLE x (id int PRIMARY KEY, other int);
               CREATE TABLE y (id int PRIMARY KEY REFERENCES x);
               ALTER TABLE x ADD FOREIGN KEY (other) REFERENCES y";
    let from = world.database("e2e_circles", sql);
    let said = dump_with(&world, from.name(), &["-a"]).stderr;
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("foreign keys to themselves: public.a, public.b;"), "{said}");
    assert!(said.contains("among these tables: (public.x, public.y);"), "{said}");
    assert!(dump_with(&world, from.name(), &[]).stderr.is_empty());
}

#[test]
fn a_missing_directory_is_reported_in_one_plain_line() {
    let world = World::new();
    let from = world.database("e2e_nowhere", "CREATE TABLE t ()");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("missing/dump.sql");
    let output = dump_with(&world, from.name(), &["-v", "-f", file.to_str().unwrap()]);
    assert_fails(&output, 5, "does the directory exist?");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("temporary") && !said.contains('\x1b'), "{said}");
}

#[test]
fn messages_for_a_file_have_no_escape_sequences() {
    let output = clean_command(env!("CARGO_BIN_EXE_pgsiphon"))
        .arg("dump")
        .env("DATABASE_URL", "postgresql://127.0.0.1:1/none?pool=5")
        .env("TERM", "xterm-256color")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("parameter=\"pool\""), "{said:?}");
    assert!(!said.contains('\x1b'), "{said:?}");
}

#[test]
fn obsolete_flags_are_accepted_and_a_filter_excludes_databases() {
    let world = World::new();
    let from = world.database("e2e_obsolete", "CREATE TABLE t (a int)");
    let plain = rows_of(&dump_with(&world, from.name(), &[]));
    for flag in ["-R", "--no-reconnect", "--no-synchronized-snapshots"] {
        assert_eq!(rows_of(&dump_with(&world, from.name(), &[flag])), plain, "{flag}");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("filter");
    std::fs::write(&file, "exclude database *\n").unwrap();
    let filter = format!("--filter={}", file.display());
    let cluster = |arguments: &[&str]| {
        clean_command(env!("CARGO_BIN_EXE_pgsiphon"))
            .arg("dump")
            .args(world.postgres().connection_options())
            .args(arguments)
            .output()
            .unwrap()
    };
    let none = cluster(&["--all", &filter]);
    assert!(none.status.success(), "{}", String::from_utf8_lossy(&none.stderr));
    assert!(!String::from_utf8_lossy(&none.stdout).contains("\\connect"));
    assert_fails(&cluster(&["-g", &filter]), 2, "requires option --all");
    assert_fails(&dump_with(&world, from.name(), &[&filter]), 2, "not allowed in a dump of one database");
}

#[test]
fn an_invalid_pattern_is_named() {
    let world = World::new();
    let from = world.database("e2e_pattern", "CREATE TABLE t (a int)");
    for flag in ["-t", "-T", "-n", "--exclude-table-data"] {
        let output = dump_with(&world, from.name(), &[flag, "[a"]);
        assert_fails(&output, 2, "match the pattern \"[a\"");
    }
}

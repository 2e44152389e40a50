//! A temporary cluster whose pg_hba.conf has one role for each login method.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::certificates::Pair;

/// Debian's `nobody`, as which the server runs if we are root: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;
/// The password of all roles that have one.
pub(crate) const PASSWORD: &str = "hunter2:\\ é";

/// The roles are named after the method that pg_hba.conf requires for them.
const HBA: &str = "
local   all all                      trust
host    all trusted     127.0.0.1/32 trust
host    all scram       127.0.0.1/32 scram-sha-256
host    all md5         127.0.0.1/32 md5
host    all clear       127.0.0.1/32 password
hostssl all tls_only    127.0.0.1/32 scram-sha-256
hostnossl all plain_only 127.0.0.1/32 scram-sha-256
hostssl all cert        127.0.0.1/32 cert
";

/// Runs until it is dropped.
pub(crate) struct Cluster {
    pub(crate) port: u16,
    directory: TempDir,
    bindir: PathBuf,
}

/// Starts a cluster that presents `server` to clients and trusts `client_authority` for theirs.
pub(crate) fn cluster(server: &Pair, client_authority: &str) -> Cluster {
    let directory = tempfile::Builder::new().prefix("pgsiphon-connect-").tempdir_in("/tmp").unwrap();
    give_away(directory.path());
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let cluster = Cluster { port, directory, bindir: bindir() };
    cluster.run("initdb", &["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync", "-D"]);
    cluster.write("pg_hba.conf", HBA);
    cluster.write("root.crt", client_authority);
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nfsync = off\n\
         ssl = on\nssl_ca_file = 'root.crt'\nlog_connections = on\n",
        cluster.socket_directory().display()
    );
    cluster.write("postgresql.auto.conf", &settings);
    cluster.put_certificate(server);
    cluster.start();
    cluster.psql("postgres", &roles());
    cluster
}

fn roles() -> String {
    let quoted = PASSWORD.replace('\'', "''");
    let with_scram = ["scram", "tls_only", "plain_only", "clear"]
        .map(|role| format!("CREATE ROLE {role} LOGIN PASSWORD '{quoted}';"))
        .join("\n");
    format!(
        "SET standard_conforming_strings = on; SET password_encryption = 'scram-sha-256';\n{with_scram}\n\
         CREATE ROLE cert LOGIN; CREATE ROLE trusted LOGIN;\n\
         SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD '{quoted}';"
    )
}

/// The directory with programs of the newest PostgreSQL that `scripts/servers` knows.
fn bindir() -> PathBuf {
    let path = std::env::var_os("PGSIPHON_TEST_SERVERS")
        .expect("PGSIPHON_TEST_SERVERS is not set: run scripts/test, or scripts/servers run -- cargo test");
    let servers: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let newest = servers["postgres"].as_object().unwrap().values().next_back().unwrap();
    newest["bindir"].as_str().unwrap().into()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

impl Cluster {
    pub(crate) fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.data().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give_away(&path);
    }

    fn put_certificate(&self, pair: &Pair) {
        self.write("server.crt", &pair.certificate);
        self.write("server.key", &pair.key);
    }

    /// Presents another certificate from now on.
    pub(crate) fn use_certificate(&self, pair: &Pair) {
        self.stop();
        self.put_certificate(pair);
        self.start();
    }

    /// Restarts with additional settings, which apply until the next call.
    pub(crate) fn use_settings(&self, settings: &str) {
        self.stop();
        self.write("odd.conf", settings);
        let main = fs::read_to_string(self.data().join("postgresql.conf")).unwrap();
        if !main.contains("odd.conf") {
            self.write("postgresql.conf", &format!("{main}\ninclude_if_exists = 'odd.conf'\n"));
        }
        self.start();
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bindir.join(program));
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
        // The contrib libraries of 18 have no rpath.
        command.env("LD_LIBRARY_PATH", self.bindir.join("../lib"));
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs a program with the data directory as last argument.
    fn run(&self, program: &str, args: &[&str]) {
        let mut command = self.command(program);
        command.args(args).arg(self.data()).stdin(Stdio::null());
        let log = self.directory.path().join(format!("{program}.log"));
        let out = fs::File::create(&log).unwrap();
        command.stdout(out.try_clone().unwrap()).stderr(out);
        let status = command.status().unwrap();
        assert!(status.success(), "{program}: {}\n{}", fs::read_to_string(log).unwrap(), self.log());
    }

    fn start(&self) {
        let log = self.directory.path().join("server.log");
        self.run("pg_ctl", &["start", "-w", "-t", "60", "-l", log.to_str().unwrap(), "-D"]);
    }

    fn stop(&self) {
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate", "-D"]);
    }

    /// The server's log.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.directory.path().join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs statements as superuser.
    pub(crate) fn psql(&self, dbname: &str, sql: &str) {
        let mut command = self.command("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", dbname, "-c", sql]);
        command.arg("-h").arg(self.socket_directory()).args(["-p", &self.port.to_string()]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.data().join("postmaster.pid").exists() {
            return;
        }
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.stop())).is_err() {
            eprintln!("the cluster in {} did not stop", self.directory.path().display());
        }
    }
}

//! Shared by all tests: a cluster, started when first needed, and an isolated environment.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pgsiphon::Error;
use pgsiphon::pg::connect::{Session, connect};
use pgsiphon::pg::conninfo::{ConnectArgs, Environment, resolve};
use pgsiphon::pg::params::{ConnectParams, PasswordPrompt, PromptPolicy};
use tempfile::TempDir;

use crate::certificates::{Authority, Pair};
use crate::cluster::{Cluster, cluster};

/// The shared cluster presents a certificate for localhost and 127.0.0.1.
#[derive(Default)]
pub(crate) struct World {
    main: OnceLock<Main>,
}

struct Main {
    cluster: Cluster,
    authority: Authority,
    files: Files,
}

impl World {
    fn main(&self) -> &Main {
        self.main.get_or_init(|| {
            let authority = Authority::new("the authority");
            let server = authority.server("not.used", &["localhost", "127.0.0.1"]);
            let cluster = cluster(&server, &authority.pem());
            let files = Files::default();
            files.write("ca.crt", &authority.pem());
            Main { cluster, authority, files }
        })
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.main().cluster
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.main().authority
    }

    /// The authority's certificate.
    pub(crate) fn ca_file(&self) -> String {
        self.main().files.path("ca.crt")
    }

    /// `host=localhost hostaddr=127.0.0.1` and the rest: localhost may resolve to ::1 first, where the
    /// cluster does not listen.
    pub(crate) fn tcp(&self, rest: &str) -> String {
        format!("host=localhost hostaddr=127.0.0.1 port={} dbname=postgres {rest}", self.cluster().port)
    }

    /// Through the socket, as superuser.
    pub(crate) fn socket(&self, rest: &str) -> String {
        let cluster = self.cluster();
        let directory = cluster.socket_directory().display();
        format!("host={directory} port={} user=postgres dbname=postgres {rest}", cluster.port)
    }
}

/// A folder of files that only we can read.
pub(crate) struct Files(TempDir);

impl Default for Files {
    fn default() -> Self {
        Files(tempfile::tempdir().unwrap())
    }
}

impl Files {
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        self.write_mode(name, content, 0o600)
    }

    pub(crate) fn write_mode(&self, name: &str, content: &str, mode: u32) -> String {
        let path = PathBuf::from(self.path(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self.path(name)
    }

    /// Writes both files; returns `sslcert=… sslkey=…`.
    pub(crate) fn write_pair(&self, name: &str, pair: &Pair) -> String {
        let certificate = self.write(&format!("{name}.crt"), &pair.certificate);
        let key = self.write(&format!("{name}.key"), &pair.key);
        format!("sslcert={certificate} sslkey={key}")
    }
}

/// Only these variables; there is no home unless HOME is among them.
struct Closed(HashMap<String, String>);

impl Environment for Closed {
    fn raw(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

pub(crate) fn params_in(string: &str, variables: &[(&str, &str)]) -> ConnectParams {
    let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let args = ConnectArgs {
        dbname: Some(string.to_owned()),
        password_prompt: PasswordPrompt::new(PromptPolicy::Never, None),
        ..ConnectArgs::default()
    };
    resolve(&args, &Closed(variables)).unwrap()
}

/// Runs `test` on the same kind of runtime as our workers.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

pub(crate) async fn try_connect_in(string: &str, variables: &[(&str, &str)]) -> Result<Session, Error> {
    connect(&params_in(string, variables)).await
}

pub(crate) async fn try_connect(string: &str) -> Result<Session, Error> {
    try_connect_in(string, &[]).await
}

pub(crate) async fn connected(string: &str) -> Session {
    match try_connect(string).await {
        Ok(session) => session,
        Err(error) => panic!("{string}: {}", error.report()),
    }
}

/// The error report of a connection that must fail.
pub(crate) async fn failure(string: &str) -> String {
    match try_connect(string).await {
        Ok(_) => panic!("{string}: connected"),
        Err(error) => error.report(),
    }
}

/// The first column of the first row.
pub(crate) async fn ask(session: &Session, query: &str) -> String {
    let rows = session.client.simple_query(query).await.unwrap();
    let row = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.and_then(|row| row.get(0)).unwrap().to_owned()
}

/// Collects everything that is logged, at every level, while `test` runs on this thread.
pub(crate) fn logged(test: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, test);
    String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned()
}

//! The connection service file, `pg_service.conf` (manual, "The Connection Service File").

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::keywords::{self, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::text;

/// The files in which to look for services; the user's file comes first.
pub(crate) struct ServiceFiles {
    /// The file named by PGSERVICEFILE or `servicefile`, which must exist.
    pub(crate) named: Option<PathBuf>,
    /// `~/.pg_service.conf`.
    pub(crate) user: Option<PathBuf>,
    /// `pg_service.conf` in PGSYSCONFDIR, or in the places where distributions put it.
    pub(crate) system: Vec<PathBuf>,
}

impl ServiceFiles {
    /// Reads the settings of `service`.
    ///
    /// # Errors
    /// Usage, if no file defines the service, or a file is invalid.
    pub(crate) fn find(&self, service: &str) -> Result<Settings> {
        let own = self.named.as_ref().or(self.user.as_ref());
        for path in own.into_iter().chain(&self.system) {
            let must_exist = self.named.as_ref() == Some(path);
            if let Some(settings) = read(path, service, must_exist)? {
                return Ok(settings);
            }
        }
        Err(Error::new(ErrorKind::Usage, format!("find the service \"{service}\""))
            .because("no service file defines it")
            .hint(
                "services are defined in ~/.pg_service.conf, PGSERVICEFILE or the system's pg_service.conf",
            ))
    }
}

fn read(path: &Path, service: &str, must_exist: bool) -> Result<Option<Settings>> {
    match fs::read(path) {
        Ok(bytes) => {
            let content = Zeroizing::new(text::decode(&Zeroizing::new(bytes)));
            parse(&content, service).map_err(|fault| {
                Error::new(
                    ErrorKind::Usage,
                    format!("read line {} of service file {}", fault.line, path.display()),
                )
                .because(fault.why)
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(error) => {
            Err(Error::new(ErrorKind::Usage, format!("read service file {}", path.display())).because(error))
        }
    }
}

struct Fault {
    /// Counted from 1.
    line: usize,
    why: &'static str,
}

/// The settings in section `[service]`, if it exists; if there are several, the first one counts.
fn parse(content: &str, service: &str) -> Result<Option<Settings>, Fault> {
    let mut found: Option<Settings> = None;
    for (index, line) in content.lines().enumerate() {
        let line = line.trim();
        let fault = |why| Fault { line: index + 1, why };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let is_wanted = section.strip_prefix(service).is_some_and(|rest| rest.starts_with(']'));
            found = is_wanted.then(Settings::default);
        } else if let Some(settings) = &mut found {
            if line.starts_with("ldap") {
                return Err(fault("services from LDAP are not supported"));
            }
            let (name, value) = line.split_once('=').ok_or_else(|| fault("the line lacks a \"=\""))?;
            if matches!(name, "service" | "servicefile") {
                return Err(fault("a service cannot name another service"));
            }
            let keyword = keywords::find(name).ok_or_else(|| fault("unknown keyword"))?;
            settings.set_if_absent(keyword, Zeroizing::new(value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTENT: &str = "
# comment
[other]
host=elsewhere
nonsense here is not read

[mine]
  host=first
host=second
port=5433
options=-c a=b

[last]
service=mine
[bad]
hots=x
";

    fn pairs(service: &str) -> Vec<(&'static str, String)> {
        parse(CONTENT, service).ok().flatten().unwrap().pairs()
    }

    #[test]
    fn a_section_ends_at_the_next_and_the_first_value_counts() {
        assert_eq!(
            pairs("mine"),
            [("host", "first".to_owned()), ("options", "-c a=b".to_owned()), ("port", "5433".to_owned()),]
        );
        assert!(matches!(parse(CONTENT, "absent"), Ok(None)));
    }

    #[test]
    fn faults_carry_their_line() {
        assert_eq!(parse(CONTENT, "last").err().unwrap().line, 14);
        assert_eq!(parse(CONTENT, "bad").err().unwrap().line, 16);
        assert_eq!(parse(CONTENT, "other").err().unwrap().line, 5);
    }

    #[test]
    fn the_users_file_comes_before_the_systems() {
        let directory = tempfile::tempdir().unwrap();
        let [user, system] = ["user", "system"].map(|name| directory.path().join(name));
        fs::write(&user, "[a]\nhost=user\n").unwrap();
        fs::write(&system, "[a]\nhost=system\n[b]\nhost=system\n").unwrap();
        let files = ServiceFiles { named: None, user: Some(user.clone()), system: vec![system.clone()] };
        assert_eq!(files.find("a").unwrap().get("host"), Some("user"));
        assert_eq!(files.find("b").unwrap().get("host"), Some("system"));
        assert_eq!(files.find("c").err().unwrap().kind(), ErrorKind::Usage);
        let files = ServiceFiles {
            named: Some(directory.path().join("none")),
            user: Some(user),
            system: vec![system],
        };
        assert!(files.find("b").is_err(), "a file that was named must exist");
    }

    proptest! {
        #[test]
        fn nothing_panics(content: String, service: String) {
            let _ = parse(&content, &service);
        }
    }
}

//! The keywords of a connection string, and their values.
//!
//! The list is libpq's up to PostgreSQL 18 (manual, "Parameter Key Words" and "Environment
//! Variables").

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// How a keyword's value is handled.
pub(crate) enum Treatment {
    /// It takes effect.
    Used,
    /// It cannot affect a dump, whatever its value.
    Ignored,
    /// It requests something that we don't support, unless it has one of these values.
    RefusedUnless(&'static [&'static str]),
}

pub(crate) struct Keyword {
    pub(crate) name: &'static str,
    pub(crate) env: Option<&'static str>,
    pub(crate) treatment: Treatment,
}

const fn used(name: &'static str, env: &'static str) -> Keyword {
    Keyword { name, env: Some(env), treatment: Treatment::Used }
}

const fn used_without_env(name: &'static str) -> Keyword {
    Keyword { name, env: None, treatment: Treatment::Used }
}

const fn ignored(name: &'static str, env: Option<&'static str>) -> Keyword {
    Keyword { name, env, treatment: Treatment::Ignored }
}

const fn refused(name: &'static str, env: Option<&'static str>, unless: &'static [&'static str]) -> Keyword {
    Keyword { name, env, treatment: Treatment::RefusedUnless(unless) }
}

/// Every keyword that libpq knows. `service` is handled separately: PGSERVICE is read before the rest.
pub(crate) const KEYWORDS: &[Keyword] = &[
    used_without_env("service"),
    used_without_env("servicefile"),
    used("user", "PGUSER"),
    used("password", "PGPASSWORD"),
    used("passfile", "PGPASSFILE"),
    used("channel_binding", "PGCHANNELBINDING"),
    used("connect_timeout", "PGCONNECT_TIMEOUT"),
    used("dbname", "PGDATABASE"),
    used("host", "PGHOST"),
    used("hostaddr", "PGHOSTADDR"),
    used("port", "PGPORT"),
    used("client_encoding", "PGCLIENTENCODING"),
    used("options", "PGOPTIONS"),
    used("application_name", "PGAPPNAME"),
    used_without_env("fallback_application_name"),
    used_without_env("keepalives"),
    used_without_env("keepalives_idle"),
    used_without_env("keepalives_interval"),
    used_without_env("keepalives_count"),
    used_without_env("tcp_user_timeout"),
    used("sslmode", "PGSSLMODE"),
    used("sslnegotiation", "PGSSLNEGOTIATION"),
    ignored("sslcompression", Some("PGSSLCOMPRESSION")),
    used("sslcert", "PGSSLCERT"),
    used("sslkey", "PGSSLKEY"),
    refused("sslcertmode", Some("PGSSLCERTMODE"), &["allow", "disable"]),
    refused("sslpassword", None, &[]),
    used("sslrootcert", "PGSSLROOTCERT"),
    used("sslcrl", "PGSSLCRL"),
    used("sslcrldir", "PGSSLCRLDIR"),
    used("sslsni", "PGSSLSNI"),
    ignored("sslkeylogfile", None),
    refused("requirepeer", Some("PGREQUIREPEER"), &[]),
    used("require_auth", "PGREQUIREAUTH"),
    refused("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"]),
    // We use protocol 3.0, which every maximum allows.
    ignored("max_protocol_version", Some("PGMAXPROTOCOLVERSION")),
    used("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    used("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    refused("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"]),
    ignored("krbsrvname", Some("PGKRBSRVNAME")),
    ignored("gsslib", Some("PGGSSLIB")),
    ignored("gssdelegation", Some("PGGSSDELEGATION")),
    refused("replication", None, &["false", "off", "no", "0"]),
    used("target_session_attrs", "PGTARGETSESSIONATTRS"),
    used("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    refused("scram_client_key", None, &[]),
    refused("scram_server_key", None, &[]),
    ignored("oauth_issuer", None),
    ignored("oauth_client_id", None),
    ignored("oauth_client_secret", None),
    ignored("oauth_scope", None),
];

/// Finds a keyword by its exact name; libpq's keywords are lower-case.
pub(crate) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// The keyword values set so far. They may be secret, so there is no `Debug`.
#[derive(Default, Clone)]
pub(crate) struct Settings(BTreeMap<&'static str, Zeroizing<String>>);

impl Settings {
    pub(crate) fn set(&mut self, keyword: &'static Keyword, value: Zeroizing<String>) {
        self.0.insert(keyword.name, value);
    }

    /// Sets a value unless a stronger origin has set it.
    pub(crate) fn set_if_absent(&mut self, keyword: &'static Keyword, value: Zeroizing<String>) {
        self.0.entry(keyword.name).or_insert(value);
    }

    /// Takes over all values of `stronger`.
    pub(crate) fn override_with(&mut self, stronger: Settings) {
        self.0.extend(stronger.0);
    }

    /// Takes over values that are not set here.
    pub(crate) fn fill_from(&mut self, weaker: Settings) {
        for (name, value) in weaker.0 {
            self.0.entry(name).or_insert(value);
        }
    }

    /// The value of a parameter, if no other parameter is set.
    pub(crate) fn only(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|_| self.0.len() == 1)
    }

    /// The value of a keyword. An empty value counts as unset here, but hides the values of weaker origins.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        self.0.iter().map(|(name, value)| (*name, value.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_keyword_or_variable_is_listed_twice() {
        let mut names: Vec<_> = KEYWORDS.iter().map(|k| k.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYWORDS.len());
        let mut variables: Vec<_> = KEYWORDS.iter().filter_map(|k| k.env).collect();
        let count = variables.len();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }

    #[test]
    fn an_empty_value_hides_a_weaker_one() {
        let host = find("host").unwrap();
        let mut settings = Settings::default();
        settings.set(host, Zeroizing::new(String::new()));
        settings.set_if_absent(host, Zeroizing::new("weaker".into()));
        assert_eq!(settings.get("host"), None);
    }
}

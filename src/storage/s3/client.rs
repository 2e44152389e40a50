//! Creates the client from the options, the environment, the profile and the provider.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    ProvideCredentials, Region, RequestChecksumCalculation, SharedCredentialsProvider,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;
use futures::FutureExt;
use url::{Host, Url};

use super::clock::Clock;
use super::{Checksum, ConnectionOptions, Provider};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::conninfo::{Environment, OsEnvironment};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a body may make no progress; the SDK's default of 5 s is too short for a busy uplink
/// (<https://github.com/awslabs/aws-sdk-rust/issues/1146>).
const STALL_TIMEOUT: Duration = Duration::from_secs(45);

/// Prevents the SDK from asking EC2's metadata service
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>).
const NO_EC2: &str = "AWS_EC2_METADATA_DISABLED";

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) credentials: Option<SharedCredentialsProvider>,
    pub(super) provider: Provider,
    pub(super) endpoint_url: Option<String>,
    pub(super) clock: Clock,
}

pub(super) async fn connect(options: &ConnectionOptions) -> Result<Connected> {
    let given = options.endpoint_url.clone().or_else(endpoint_of_environment);
    let mut environment = environment();
    // Files and variables are read first, without what only EC2 could answer.
    environment.insert(NO_EC2.into(), "true".into());
    let offline = load(options, environment.clone(), options.region.clone()).await?;
    let endpoint_url = given.or_else(|| offline.endpoint_url().map(str::to_owned));
    let host = endpoint_url.as_deref().map(host_of).transpose()?;
    let host = host.as_deref();
    let provider = Provider::for_host(host);
    let region = options.region.clone().or_else(|| offline.region().map(ToString::to_string));
    // With an endpoint, asking EC2 would only cost time.
    let region = region.or_else(|| host.map(|_| "us-east-1".to_owned()));
    let shared = load(options, self::environment(), region).await?;
    let region = shared.region().cloned();
    let region = region.ok_or_else(|| {
        Error::new(ErrorKind::Usage, "find the bucket's region")
            .because("none is configured")
            .hint("set AWS_REGION")
    })?;

    let clock = Clock::default();
    let mut config = aws_sdk_s3::config::Builder::from(&shared)
        .region(region)
        .interceptor(super::whole::WholeAnswers)
        .interceptor(clock.clone())
        .force_path_style(options.path_style.unwrap_or_else(|| path_style(host, &provider)))
        // We do the retries, see `retry`.
        .retry_config(RetryConfig::disabled())
        // We also do the timeouts: the SDK's read timeout includes the time it takes to send a body.
        .timeout_config(
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).disable_read_timeout().build(),
        )
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(STALL_TIMEOUT).build(),
        );
    if options.checksum.unwrap_or(provider.checksum) == Checksum::None {
        config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    }
    if let Some(url) = &endpoint_url {
        config = config.endpoint_url(with_slash(url));
    }
    tracing::debug!(provider = provider.name, "made an S3 client");
    let credentials =
        shared.credentials_provider().map(|chain| SharedCredentialsProvider::new(Sendable(chain)));
    if let Some(credentials) = &credentials {
        config = config.credentials_provider(credentials.clone());
    }
    Ok(Connected { client: Client::from_conf(config.build()), credentials, provider, endpoint_url, clock })
}

/// The environment for the SDK, without empty variables, which parts of it take as values.
fn environment() -> HashMap<String, String> {
    let named = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    named.filter_map(|name| OsEnvironment.var(&name).map(|value| (name, value))).collect()
}

/// Loads the SDK's settings from files and this environment.
///
/// Its retry settings are not read: they are not used, and the SDK panics on wrong ones. Any other panic
/// in the SDK becomes an error.
async fn load(
    options: &ConnectionOptions,
    environment: HashMap<String, String>,
    region: Option<String>,
) -> Result<SdkConfig> {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .env(environment.into())
        .retry_config(RetryConfig::standard());
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(credentials) = &options.credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    AssertUnwindSafe(loader.load()).catch_unwind().await.map_err(|_| {
        Error::new(ErrorKind::Usage, "read the AWS settings")
            .because("the AWS SDK panicked while reading them")
            .hint("check for wrong values in AWS_ variables and in ~/.aws/config")
    })
}

/// Ends a URL with a slash: the SDK appends the bucket's name to the endpoint's path without one.
fn with_slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

/// Refuses credentials that cannot be sent: the SDK panics on a line feed in a key, for example read
/// from a file.
#[derive(Debug)]
struct Sendable(SharedCredentialsProvider);

impl ProvideCredentials for Sendable {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = AssertUnwindSafe(self.0.provide_credentials()).catch_unwind().await;
            let credentials =
                credentials.unwrap_or_else(|_| Err(CredentialsError::unhandled("the AWS SDK panicked")))?;
            let token = credentials.session_token().unwrap_or_default();
            for (name, text) in [("access key", credentials.access_key_id()), ("session token", token)] {
                if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    let what = format!(
                        "the {name} has a space, a line feed or another character not allowed in keys"
                    );
                    return Err(CredentialsError::invalid_configuration(what));
                }
            }
            Ok(credentials)
        })
    }
}

/// The variables in the order in which the SDKs read them
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
fn endpoint_of_environment() -> Option<String> {
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].into_iter().find_map(|name| OsEnvironment.var(name))
}

/// The host of an endpoint's URL. The URL is not part of the error, because it may contain a password.
fn host_of(url: &str) -> Result<String> {
    let wrong = |reason: &str| {
        Error::new(ErrorKind::Usage, "read the S3 endpoint's URL")
            .because(reason.to_owned())
            .hint("use https://host or http://host:port")
    };
    let other_scheme = || wrong("it does not start with http:// or https://");
    let parsed = Url::parse(url).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => other_scheme(),
        error => wrong(&error.to_string()),
    })?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(other_scheme());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("it contains a user or password; set credentials separately"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong("it contains something after the path"));
    }
    match parsed.host() {
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        Some(host) => Ok(host.to_string()),
        None => Err(wrong("it has no host")),
    }
}

/// An IP address cannot have a bucket in front of it, and a name without a dot rarely does.
fn path_style(host: Option<&str>, provider: &Provider) -> bool {
    match host {
        Some(host) => provider.path_style || host.parse::<IpAddr>().is_ok() || !host.contains('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_urls() {
        for (url, host) in [
            ("http://127.0.0.1:8333", "127.0.0.1"),
            ("https://s3.example.org/", "s3.example.org"),
            ("http://[::1]:9000/x", "::1"),
            ("https://ref.supabase.co/storage/v1/s3", "ref.supabase.co"),
        ] {
            assert_eq!(host_of(url).unwrap(), host);
        }
        for url in [
            "",
            "localhost:9000",
            "ftp://h",
            "http://",
            "https://:80",
            "https://u:secret@h",
            "http://a b/",
            "http://h:99999",
            "http://[::1",
            "http://h?secret=x",
            "http://h/#secret",
        ] {
            let error = host_of(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
            assert!(!error.report().contains("secret"));
        }
    }

    #[test]
    fn addresses_get_path_style() {
        let aws = Provider::for_host(None);
        assert!(!path_style(None, &aws));
        assert!(!path_style(Some("s3.eu-west-1.amazonaws.com"), &aws));
        assert!(path_style(Some("::1"), &aws));
        assert!(path_style(Some("seaweed"), &aws));
        assert!(path_style(Some("garage.example.org"), &Provider::for_host(Some("garage.example.org"))));
    }
}

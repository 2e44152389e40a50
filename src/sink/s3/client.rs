//! The client, as the options, the environment, the profile and the provider make it.

use std::net::IpAddr;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Region, RequestChecksumCalculation, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;

use super::{Checksum, Provider, S3Options};
use crate::error::{Error, ErrorKind, Result};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a body may stand still; the SDK's own 5 s are too short for a busy uplink
/// (<https://github.com/awslabs/aws-sdk-rust/issues/1146>).
const STALL_TIMEOUT: Duration = Duration::from_secs(45);

#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) credentials: Option<SharedCredentialsProvider>,
    pub(crate) provider: Provider,
    pub(crate) endpoint_url: Option<String>,
}

/// Makes a client.
pub(crate) async fn connect(options: &S3Options) -> Result<Connected> {
    let given = options.endpoint_url.clone().or_else(endpoint_of_environment);
    let shared = load(options, given.is_some()).await;
    let endpoint_url = given.or_else(|| shared.endpoint_url().map(str::to_owned));
    let host = endpoint_url.as_deref().map(host_of).transpose()?;
    let provider = Provider::for_host(host);
    let region = shared.region().cloned().or_else(|| host.map(|_| Region::from_static("us-east-1")));
    let region = region.ok_or_else(|| {
        Error::new(ErrorKind::Usage, "find the bucket's region")
            .because("none is configured")
            .hint("set AWS_REGION")
    })?;

    let mut config = aws_sdk_s3::config::Builder::from(&shared)
        .region(region)
        .force_path_style(options.path_style.unwrap_or_else(|| path_style(host, &provider)))
        // Retries are ours, see `retry`.
        .retry_config(RetryConfig::disabled())
        // So are the limits: the SDK's read timeout counts the time that a body takes to send.
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
        config = config.endpoint_url(url);
    }
    tracing::debug!(provider = provider.name, "made an S3 client");
    Ok(Connected {
        client: Client::from_conf(config.build()),
        credentials: shared.credentials_provider(),
        provider,
        endpoint_url,
    })
}

async fn load(options: &S3Options, has_endpoint: bool) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(credentials) = &options.credentials {
        loader = loader.credentials_provider(credentials.clone());
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    } else if has_endpoint {
        // The default chain would end with asking EC2, and wait for an answer that nobody gives.
        let profile = match &options.profile {
            Some(name) => ProfileFileRegionProvider::builder().profile_name(name).build(),
            None => ProfileFileRegionProvider::new(),
        };
        loader = loader.region(
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile),
        );
    }
    loader.load().await
}

/// Names in the order in which the SDKs look at them
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
fn endpoint_of_environment() -> Option<String> {
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()))
}

/// The host of an endpoint's URL. The URL itself stays out of the error: it may hold a password.
fn host_of(url: &str) -> Result<&str> {
    let wrong = |reason: &str| {
        Error::new(ErrorKind::Usage, "read the S3 endpoint's URL")
            .because(reason.to_owned())
            .hint("write it as https://host or http://host:port")
    };
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or_else(|| wrong("it does not start with http:// or https://"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(wrong("it holds a user or a password; credentials go elsewhere"));
    }
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() { Err(wrong("it names no host")) } else { Ok(host) }
}

/// An IP address cannot have a bucket in front of it, and a name without a dot seldom does.
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
        ] {
            assert_eq!(host_of(url).unwrap(), host);
        }
        for url in ["", "localhost:9000", "ftp://h", "http://", "https://:80", "https://u:secret@h"] {
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

//! What a failed request reveals, and what it means.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, ErrorKind};

/// A failed request, reduced to what we need.
#[derive(Debug, Clone, Default)]
pub(crate) struct S3Failure {
    /// S3's error code, such as `NoSuchBucket`, if the response had one.
    pub(crate) code: Option<String>,
    /// The HTTP status, if there was a response.
    pub(crate) status: Option<u16>,
    /// The message of the storage, or else of the transport.
    message: Option<String>,
    /// The bucket's region, if the response names it.
    region: Option<String>,
    /// The server's clock, as the server writes it.
    date: Option<String>,
    /// The request could not be sent, and retrying would not help: no credentials, or an invalid
    /// request.
    is_unsendable: bool,
    /// The response is not one of S3's.
    is_unreadable: bool,
}

/// Codes that a retry may fix although the status blames the client.
const RETRYABLE_CODES: [&str; 11] = [
    "BadDigest",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    // Providers of temporary credentials renew them.
    "ExpiredToken",
    "TokenRefreshRequired",
    "SlowDown",
    "ThrottlingException",
];

impl S3Failure {
    pub(crate) fn timeout(after: Duration) -> Self {
        S3Failure { message: Some(format!("no response within {} s", after.as_secs())), ..Self::default() }
    }

    pub(crate) fn incomplete(what: &str) -> Self {
        S3Failure { message: Some(what.to_owned()), ..Self::default() }
    }

    /// Whether the same request may succeed if sent again.
    pub(crate) fn is_retryable(&self) -> bool {
        if self.is_unsendable {
            return false;
        }
        match (self.status, self.code.as_deref()) {
            (_, Some(code)) if RETRYABLE_CODES.contains(&code) => true,
            (Some(501), _) => false,
            // The response to a HEAD has no body that would distinguish a RequestTimeout from worse.
            (Some(400), None) => true,
            (Some(status), code) => {
                status >= 500 || status == 429 || status == 408
                // An error despite a success status.
                || (status < 300 && code.is_none_or(|code| code == "InternalError" || code == "ServiceUnavailable"))
            }
            // No response, or an unreadable one.
            (None, _) => true,
        }
    }

    /// Whether the request may have taken effect although it failed.
    pub(crate) fn is_ambiguous(&self) -> bool {
        !self.is_unsendable && self.status.is_none_or(|status| !(300..500).contains(&status))
    }

    pub(crate) fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    pub(crate) fn is_no_such_upload(&self) -> bool {
        self.is_code("NoSuchUpload") || (self.status == Some(404) && self.code.is_none())
    }

    pub(crate) fn is_precondition_failed(&self) -> bool {
        self.status == Some(412) || self.is_code("PreconditionFailed")
    }

    /// Whether the storage denies permission, rather than rejecting the credentials.
    pub(crate) fn is_denied(&self) -> bool {
        match self.code.as_deref() {
            Some(code) => code == "AccessDenied" || code == "AllAccessDisabled",
            None => self.status == Some(403),
        }
    }

    /// Whether the storage does not support the operation.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.is_code("NotImplemented") || matches!(self.status, Some(501 | 405))
    }

    fn advice(&self) -> Option<String> {
        let advice = match self.code.as_deref()? {
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "UnrecognizedClientException" => {
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, against those of the provider"
                    .into()
            }
            "AccessDenied" | "AllAccessDisabled" => {
                "the credentials need s3:PutObject, s3:AbortMultipartUpload and s3:GetObject on the key"
                    .into()
            }
            "NoSuchBucket" => "create the bucket first, or check its name and the endpoint".into(),
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "TemporaryRedirect" => match &self.region {
                Some(region) => format!("the bucket is in region {region}: set AWS_REGION={region}"),
                None => "the bucket is in another region, or behind another endpoint: set AWS_REGION".into(),
            },
            "RequestTimeTooSkewed" => match &self.date {
                Some(date) => format!("set this machine's clock: the storage's says {date}"),
                None => "set this machine's clock".into(),
            },
            "ExpiredToken" | "TokenRefreshRequired" => {
                "the session's credentials expired: use a role or profile that renews them".into()
            }
            "NoSuchUpload" => {
                "something removed the upload while it was in progress: is there a lifecycle rule that aborts \
                 incomplete uploads early?"
                    .into()
            }
            "SlowDown" | "ServiceUnavailable" | "ThrottlingException" => "try again later".into(),
            _ => return None,
        };
        Some(advice)
    }

    pub(crate) fn into_error(self, kind: ErrorKind, attempted: impl Into<String>) -> Error {
        let advice = match (self.status, self.advice()) {
            (_, Some(advice)) => Some(advice),
            _ if self.is_unsendable => Some("check the credentials and AWS_ variables".to_owned()),
            _ if self.is_unreadable => Some(
                "is a proxy or a login page answering instead of the storage? check the endpoint".to_owned(),
            ),
            (None, None) => Some("is the endpoint right, and reachable from here?".to_owned()),
            (Some(_), None) => None,
        };
        Error::new(kind, attempted).because(self).hint_if(advice)
    }
}

impl<E> From<SdkError<E, HttpResponse>> for S3Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let mut failure = S3Failure::default();
        let mut request_id = None;
        if let Some(response) = error.raw_response() {
            failure.read_response(response);
            request_id = response.headers().get("x-amz-request-id");
        }
        // With a success status, an error without a code is simply unknown.
        let is_success = failure.status.is_some_and(|status| status < 300);
        match error.as_service_error().filter(|service| !is_success || service.code().is_some()) {
            Some(service) => {
                failure.code = service.code().map(str::to_owned);
                let message = service.message().map(str::to_owned);
                failure.message = match request_id {
                    Some(id) => Some(format!("{} (request {id})", message.unwrap_or_default())),
                    None => message,
                };
            }
            None => {
                // An unreadable response proves nothing, regardless of its status.
                let status = failure.status.take();
                failure.is_unsendable =
                    matches!(error, SdkError::ConstructionFailure(_)) || lacks_credentials(&error);
                failure.is_unreadable = status.is_some();
                failure.message = Some(match status {
                    Some(status) => {
                        let kind = error.raw_response().and_then(|r| r.headers().get("content-type"));
                        let kind = kind.unwrap_or("no content type").escape_debug();
                        format!("status {status}, {kind}, but not a response of S3: {}", innermost(&error))
                    }
                    None => innermost(&error),
                });
            }
        }
        failure
    }
}

impl S3Failure {
    fn read_response(&mut self, response: &HttpResponse) {
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        self.status = Some(response.status().as_u16());
        self.region = header("x-amz-bucket-region").or_else(|| region_in(response.body().bytes()?));
        self.date = header("date");
    }
}

/// Whether there are no credentials, or invalid ones; false if their provider did not respond.
fn lacks_credentials(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source()).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
        )
    })
}

/// `AuthorizationHeaderMalformed` names the right region only in its body.
fn region_in(body: &[u8]) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once("<Region>")?;
    let (region, _) = rest.split_once("</Region>")?;
    Some(region.to_owned())
}

/// The outer layers of the SDK's errors say "dispatch failure"; the innermost gives the reason.
pub(crate) fn innermost(error: &dyn StdError) -> String {
    let mut chain: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    let tail = chain.len().saturating_sub(2);
    let mut tail = chain.split_off(tail);
    tail.dedup();
    if tail.is_empty() { error.to_string() } else { tail.join(": ") }
}

impl fmt::Display for S3Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, self.status) {
            (Some(code), _) => write!(f, "the storage answered {code}")?,
            (None, Some(status)) => write!(f, "the storage answered with status {status}")?,
            (None, None) => f.write_str("no usable response from the storage")?,
        }
        if let Some(message) = self.message.as_deref().map(str::trim) {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

impl StdError for S3Failure {}

//! Which server certificates are accepted, depending on sslmode.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::super::params::{SslMode, TlsParams};
use super::{chain, revocations, root_certificates};
use crate::error::{Error, ErrorKind, Result};

/// The object identifier of a common name.
const COMMON_NAME: &str = "2.5.4.3";

/// Checks server certificates as libpq does.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Option<Trust>,
    /// Whether names are checked (verify-full).
    checks_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What is trusted, if certificates are checked.
#[derive(Debug)]
struct Trust {
    webpki: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
    has_revocations: bool,
}

impl Trust {
    /// Whether the server's certificate is itself a root.
    fn is_root(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        self.roots.iter().any(|root| root.as_ref() == certificate.as_ref())
            && Certificate::from_der(certificate).is_ok_and(|read| chain::is_valid_at(&read, now))
    }
}

impl ServerVerifier {
    pub(super) fn new(params: &TlsParams, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let trust = match root_certificates(params)? {
            None => None,
            Some(roots) => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots.iter().cloned());
                let crls = revocations(params)?;
                let has_revocations = !crls.is_empty();
                let mut builder =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
                if has_revocations {
                    builder = builder.with_crls(crls).enforce_revocation_expiration();
                }
                let webpki = builder
                    .build()
                    .map_err(|why| Error::new(ErrorKind::Usage, "use the root certificates").because(why))?;
                Some(Trust { webpki, roots, has_revocations })
            }
        };
        Ok(ServerVerifier {
            trust,
            checks_name: params.mode == SslMode::VerifyFull,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    /// webpki only reads certificates of version 3, and does not support keys for RSA-PSS.
    fn verify_odd_signature(
        &self,
        error: rustls::Error,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match chain::verify_handshake(message, certificate, signed, &self.algorithms) {
            Ok(()) => Ok(HandshakeSignatureValid::assertion()),
            Err(_) => Err(error),
        }
    }

    fn check_name(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<(), rustls::Error> {
        if !self.checks_name {
            return Ok(());
        }
        let alternative =
            ParsedCertificate::try_from(certificate).and_then(|parsed| verify_server_name(&parsed, name));
        match alternative {
            Err(_) if common_name_fits(certificate, &name.to_str()) => Ok(()),
            // webpki did not check the name in a certificate of version 1, which has no alternative names.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_))) => {
                Err(CertificateError::NotValidForName.into())
            }
            other => other,
        }
    }
}

/// Whether `host` matches the common name of a certificate that has no alternative names. rustls ignores
/// common names; libpq still uses them.
fn common_name_fits(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let tbs = &certificate.tbs_certificate;
    let has_alternatives = match tbs.get::<SubjectAltName>() {
        Ok(None) => false,
        Ok(Some((_, SubjectAltName(names)))) => {
            names.iter().any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_)))
        }
        Err(_) => true,
    };
    if has_alternatives {
        return false;
    }
    let mut attributes = tbs.subject.0.iter().flat_map(|rdn| rdn.0.iter());
    let common_name = attributes.rfind(|a| a.oid.to_string() == COMMON_NAME);
    common_name.and_then(|a| str::from_utf8(a.value.value()).ok()).is_some_and(|name| name_fits(name, host))
}

/// Equal except for case, or `*.` for exactly one label.
fn name_fits(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(suffix), Some((label, rest))) => {
            !is_address && !label.is_empty() && suffix.eq_ignore_ascii_case(rest)
        }
        _ => false,
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(trust) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let checked =
            trust.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(error) = checked else { return Ok(ServerCertVerified::assertion()) };
        let chain_is_good = match &error {
            // webpki only checks the name after everything else was accepted.
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => true,
            rustls::Error::InvalidCertificate(CertificateError::Revoked) => false,
            // For OpenSSL a root is trusted as a server certificate as well; webpki requires a separate leaf.
            _ if trust.is_root(end_entity, now) => true,
            _ if trust.has_revocations => false,
            _ => chain::is_good(end_entity, intermediates, &trust.roots, now, &self.algorithms),
        };
        if !chain_is_good {
            return Err(match error {
                // We can read this certificate although webpki can't, so only a missing path to a root is an
                // error.
                rustls::Error::InvalidCertificate(CertificateError::Other(_)) => {
                    CertificateError::UnknownIssuer.into()
                }
                error => error,
            });
        }
        self.check_name(end_entity, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let checked = rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms);
        checked.or_else(|error| self.verify_odd_signature(error, message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let checked = rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms);
        match dss.scheme {
            // Not allowed in TLS 1.3 (RFC 8446, section 4.2.3), for any certificate.
            SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512 => checked,
            _ => checked.or_else(|error| self.verify_odd_signature(error, message, cert, dss)),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        schemes.extend(chain::more_schemes());
        schemes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_libpq() {
        let cases = [
            ("db.example.com", "DB.example.com", true),
            ("db.example.com", "db.example.org", false),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*", "db", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("d*.example.com", "db.example.com", false),
        ];
        for (pattern, host, fits) in cases {
            assert_eq!(name_fits(pattern, host), fits, "{pattern} {host}");
        }
    }
}

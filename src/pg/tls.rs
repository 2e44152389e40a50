//! TLS by rustls, with libpq's meaning of `sslmode` (manual, "SSL Support").
//!
//! What differs from a browser's TLS: without root certificates no certificate is checked;
//! verify-ca ignores names; a common name counts where a certificate has no alternative names;
//! a self-signed server certificate may itself be the root; and server certificates of X.509
//! version 1, as `openssl x509 -req` long made them, are good enough to be not checked.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme,
    SupportedProtocolVersion, version,
};
use tokio::net::TcpStream;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::params::{RootCert, SslMode, TlsParams, TlsVersion};
use crate::error::{Error, ErrorKind, Result};

/// ALPN's name for PostgreSQL; direct TLS requires it.
const ALPN: &[u8] = b"postgresql";
/// The object identifier of a common name.
const COMMON_NAME: &str = "2.5.4.3";

/// TLS over a TCP socket.
pub(crate) type TlsSocket = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// TLS, ready for handshakes: all files are read.
#[derive(Clone)]
pub(crate) struct TlsConnector(MakeRustlsConnect);

impl TlsConnector {
    /// Reads root certificates, client certificate, key and revocations.
    ///
    /// # Errors
    /// Usage, when a file is missing that is needed, or is wrong.
    pub(crate) fn new(params: &TlsParams) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let verifier = ServerVerifier::new(params, &provider)?;
        let internal = |error: rustls::Error| Error::new(ErrorKind::Other, "set up TLS").because(error);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(params))
            .map_err(internal)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match client_certificate(params, &provider)? {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = params.sni;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(TlsConnector(MakeRustlsConnect::new(config)))
    }

    /// Shakes hands with `name`, a host name or an address; it is what verify-full checks.
    pub(crate) async fn connect(&self, name: &str, socket: TcpStream) -> io::Result<TlsSocket> {
        let made = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut self.0.clone(), name);
        match made {
            Ok(connect) => connect.connect(socket).await,
            Err(never) => match never {},
        }
    }
}

fn versions(params: &TlsParams) -> Vec<&'static SupportedProtocolVersion> {
    [(TlsVersion::V13, &version::TLS13), (TlsVersion::V12, &version::TLS12)]
        .into_iter()
        .filter(|(v, _)| (params.min_version..=params.max_version).contains(v))
        .map(|(_, supported)| supported)
        .collect()
}

fn bad_file(what: &str, path: &Path, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Usage, format!("read {what} \"{}\"", path.display())).because(why)
}

/// The root certificates, if the server's certificate is to be checked at all.
fn root_certificates(params: &TlsParams) -> Result<Option<Vec<CertificateDer<'static>>>> {
    let path = match &params.root_cert {
        RootCert::System => return system_certificates().map(Some),
        RootCert::File(path) if path.exists() => path,
        // Without the file libpq checks nothing, unless it was told to.
        RootCert::File(_) | RootCert::None if params.mode < SslMode::VerifyCa => return Ok(None),
        RootCert::File(path) => {
            return Err(bad_file("root certificate file", path, "it does not exist")
                .hint("provide the file, use the system's authorities by sslrootcert=system, or choose another sslmode"));
        }
        RootCert::None => {
            return Err(Error::new(ErrorKind::Usage, "find the root certificate file")
                .because("there is no home directory to look in")
                .hint("name the file by sslrootcert or PGSSLROOTCERT"));
        }
    };
    let certificates = read_certificates(path).map_err(|why| bad_file("root certificate file", path, why))?;
    Ok(Some(certificates))
}

fn system_certificates() -> Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(found.certs);
    }
    let error = Error::new(ErrorKind::Usage, "read the system's root certificates");
    let error = match found.errors.into_iter().next() {
        Some(why) => error.because(why),
        None => error.because("there are none"),
    };
    Err(error.hint("install the package ca-certificates, or name a file by sslrootcert"))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("it holds no certificate".into()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(error.to_string()),
    }
}

fn revocations(params: &TlsParams) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    let mut files: Vec<_> = params.crl.iter().filter(|path| path.exists()).cloned().collect();
    if let Some(directory) = &params.crl_dir {
        let entries = fs::read_dir(directory).map_err(|why| bad_file("directory", directory, why))?;
        files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    let mut lists = Vec::new();
    for path in files {
        let read = CertificateRevocationListDer::pem_file_iter(&path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|why| bad_file("certificate revocation list", &path, why.to_string()))?;
        lists.extend(read);
    }
    Ok(lists)
}

/// The client's certificate with its key, if there is one: without the file libpq just goes on,
/// since the server may want none.
fn client_certificate(params: &TlsParams, provider: &CryptoProvider) -> Result<Option<CertifiedKey>> {
    let Some(path) = params.cert.as_deref().filter(|path| path.exists()) else { return Ok(None) };
    let chain = read_certificates(path).map_err(|why| bad_file("certificate file", path, why))?;
    let key_path = params.key.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "find the private key file")
            .because("there is a client certificate, but no key for it")
            .hint("name the file by sslkey or PGSSLKEY")
    })?;
    check_key_file(key_path)?;
    let key = read_key(key_path).map_err(|why| bad_file("private key file", key_path, why))?;
    let signer = provider
        .key_provider
        .load_private_key(key)
        .map_err(|why| bad_file("private key file", key_path, why))?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(bad_file(
            "private key file",
            key_path,
            format!("it does not belong to the certificate in \"{}\"", path.display()),
        )),
        _ => Ok(Some(certified)),
    }
}

/// libpq's rule: nobody else may read a key, but root's may be readable for a group.
fn check_key_file(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|why| bad_file("private key file", path, why))?;
    if !metadata.is_file() {
        return Err(bad_file("private key file", path, "it is not a regular file"));
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.permissions().mode() & forbidden != 0 {
        return Err(bad_file("private key file", path, "it has group or world access")
            .hint("permissions must be u=rw (0600) or less, or u=rw,g=r (0640) or less if root owns it"));
    }
    Ok(())
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = zeroize::Zeroizing::new(fs::read(path).map_err(|error| error.to_string())?);
    let pem = PrivateKeyDer::from_pem_slice(&bytes);
    let is_encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
    match pem {
        Ok(key) => Ok(key),
        Err(_) if is_encrypted => Err("it is encrypted, which is not supported".into()),
        // libpq takes binary keys too.
        Err(error) => PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| error.to_string()),
    }
}

/// Checks server certificates as libpq does.
#[derive(Debug)]
struct ServerVerifier {
    trust: Option<Trust>,
    /// verify-full.
    checks_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What is trusted, if anything is checked.
#[derive(Debug)]
struct Trust {
    webpki: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
}

impl ServerVerifier {
    fn new(params: &TlsParams, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let trust = match root_certificates(params)? {
            None => None,
            Some(roots) => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots.iter().cloned());
                let crls = revocations(params)?;
                let mut builder =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
                if !crls.is_empty() {
                    builder = builder.with_crls(crls).enforce_revocation_expiration();
                }
                let webpki = builder
                    .build()
                    .map_err(|why| Error::new(ErrorKind::Usage, "use the root certificates").because(why))?;
                Some(Trust { webpki, roots })
            }
        };
        Ok(ServerVerifier {
            trust,
            checks_name: params.mode == SslMode::VerifyFull,
            algorithms: provider.signature_verification_algorithms,
        })
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
            other => other,
        }
    }
}

/// Whether the common name is `host`, in a certificate that has no alternative names.
/// rustls knows nothing of common names; libpq still does.
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

/// Equal but for case, or `*.` for exactly one label.
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

/// Whether `now` is within the certificate's validity.
fn is_valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let validity = certificate.tbs_certificate.validity;
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
    validity.not_before.to_system_time() <= now && now <= validity.not_after.to_system_time()
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
            // webpki comes to the name when all the rest is good.
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => true,
            rustls::Error::InvalidCertificate(CertificateError::Revoked) => false,
            // To OpenSSL a root is trusted in its own right; webpki wants somebody below it.
            _ => trust.roots.contains(&end_entity.clone().into_owned()) && is_valid_at(end_entity, now),
        };
        if !chain_is_good {
            return Err(error);
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
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // webpki reads version 3 only, but the key is all that matters here.
        match version_1_key(cert) {
            Some(key) => {
                rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
            }
            None => rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn version_1_key(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let is_version_1 = certificate.tbs_certificate.version == x509_cert::Version::V1;
    let key = certificate.tbs_certificate.subject_public_key_info.to_der().ok()?;
    is_version_1.then(|| SubjectPublicKeyInfoDer::from(key))
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
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

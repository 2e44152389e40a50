//! TLS with rustls, with libpq's semantics of `sslmode` (manual, "SSL Support").
//!
//! It differs from a browser's TLS: without root certificates the server's certificate is not checked;
//! verify-ca ignores names; a common name counts if a certificate has no alternative names; a self-signed
//! server certificate may itself be the root; and certificates of X.509 version 1, as `openssl x509 -req`
//! makes them without extensions, are accepted like others.

mod chain;
pub(crate) mod provider;
mod verifier;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, SupportedProtocolVersion, version};
use tokio::net::TcpStream;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::verifier::ServerVerifier;
use super::params::{RootCert, SslMode, TlsParams, TlsVersion};
use crate::error::{Error, ErrorKind, Result};

/// The ALPN name of PostgreSQL, required for direct TLS.
const ALPN: &[u8] = b"postgresql";

/// TLS over a TCP socket.
pub(crate) type TlsSocket = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// TLS, ready for handshakes: all files have been read.
#[derive(Clone)]
pub(crate) struct TlsConnector(MakeRustlsConnect);

impl TlsConnector {
    /// Reads root certificates, client certificate, key and revocation lists.
    ///
    /// # Errors
    /// Usage, if a required file is missing or a file is invalid.
    pub(crate) fn new(params: &TlsParams) -> Result<Self> {
        let provider = provider::provider();
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

    /// Runs the handshake. verify-full checks `name`, which is a host name or an address.
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

/// The root certificates, if the server's certificate is to be checked.
fn root_certificates(params: &TlsParams) -> Result<Option<Vec<CertificateDer<'static>>>> {
    let path = match &params.root_cert {
        RootCert::System => return system_certificates().map(Some),
        RootCert::File(path) if path.exists() => path,
        // Without the file libpq checks nothing, unless the mode requires it.
        RootCert::File(_) | RootCert::None if params.mode < SslMode::VerifyCa => return Ok(None),
        RootCert::File(path) => {
            return Err(bad_file("root certificate file", path, "it does not exist")
                .hint("provide the file, set sslrootcert=system to use the system's authorities, or choose another sslmode"));
        }
        RootCert::None => {
            return Err(Error::new(ErrorKind::Usage, "find the root certificate file")
                .because("there is no home directory in which to look")
                .hint("name the file with sslrootcert or PGSSLROOTCERT"));
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
        None => error.because("the system has none"),
    };
    Err(error.hint("install the package ca-certificates, or name a file with sslrootcert"))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("it contains no certificate".into()),
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

/// The client's certificate with its key, if there is one. Without the file, libpq continues, since the
/// server may not require one.
fn client_certificate(params: &TlsParams, provider: &CryptoProvider) -> Result<Option<CertifiedKey>> {
    let Some(path) = params.cert.as_deref().filter(|path| path.exists()) else { return Ok(None) };
    let chain = read_certificates(path).map_err(|why| bad_file("certificate file", path, why))?;
    let key_path = params.key.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "find the private key file")
            .because("there is a client certificate, but no key for it")
            .hint("name the file with sslkey or PGSSLKEY")
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

/// libpq's rule: nobody else may read a key, but a group may read it if root owns it.
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
        // libpq also accepts keys in binary form (DER).
        Err(error) => PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| error.to_string()),
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

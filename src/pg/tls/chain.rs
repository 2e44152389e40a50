//! Certificate chains that webpki refuses but OpenSSL, and so libpq, accepts: leaf certificates of X.509
//! version 1, as `openssl x509 -req` writes them, keys for RSA-PSS, and authorities of version 1.
//!
//! The rules are those of OpenSSL's manual ("openssl-verification-options"). Rare features that would need
//! more of them (name constraints, unknown critical extensions, revocation) are refused.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, UnixTime, alg_id::AlgorithmIdentifier,
};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// Longer chains are refused: they could be meant to waste our time.
const MAX_DEPTH: usize = 8;

/// The algorithm of a key that only signs with RSA-PSS (RFC 4055).
const RSA_PSS_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// An RSA key for any padding, as an algorithm identifier without its outermost header.
const RSA_KEY: AlgorithmIdentifier = rustls::pki_types::alg_id::RSA_ENCRYPTION;
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// Signature schemes for keys of [`RSA_PSS_KEY`] (RFC 8446, section 4.2.3), for which rustls has no names,
/// and the schemes for other RSA keys that compute the same.
const RSA_PSS_SCHEMES: [(SignatureScheme, SignatureScheme); 3] = [
    (SignatureScheme::Unknown(0x0809), SignatureScheme::RSA_PSS_SHA256),
    (SignatureScheme::Unknown(0x080a), SignatureScheme::RSA_PSS_SHA384),
    (SignatureScheme::Unknown(0x080b), SignatureScheme::RSA_PSS_SHA512),
];

/// Schemes that we can check in addition to those that webpki knows.
pub(super) fn more_schemes() -> impl Iterator<Item = SignatureScheme> {
    RSA_PSS_SCHEMES.iter().map(|(scheme, _)| *scheme)
}

/// Whether a chain of currently valid certificates leads from `leaf` to one of `roots`.
pub(super) fn is_good(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let read = |der: &CertificateDer<'_>| Certificate::from_der(der).ok();
    let Some(leaf) = read(leaf) else { return false };
    let search = Search {
        intermediates: intermediates.iter().take(MAX_DEPTH).filter_map(read).collect(),
        roots: roots.iter().filter_map(read).collect(),
        now,
        algorithms,
    };
    search.is_usable(&leaf) && search.leads_to_root(&leaf, 0)
}

struct Search<'a> {
    intermediates: Vec<Certificate>,
    roots: Vec<Certificate>,
    now: UnixTime,
    algorithms: &'a WebPkiSupportedAlgorithms,
}

impl Search<'_> {
    /// `below` counts the authorities between the leaf and this one's issuer.
    fn leads_to_root(&self, certificate: &Certificate, below: usize) -> bool {
        if below > MAX_DEPTH {
            return false;
        }
        let issues = |issuer: &&Certificate| {
            issuer.tbs_certificate.subject == certificate.tbs_certificate.issuer
                && is_authority(issuer, below)
                && self.is_usable(issuer)
                && is_signed_by(certificate, issuer, self.algorithms)
        };
        self.roots.iter().any(|root| issues(&root))
            || self.intermediates.iter().filter(issues).any(|issuer| self.leads_to_root(issuer, below + 1))
    }

    /// Whether it is currently valid, may identify a TLS server, and has no features that we would need to
    /// handle.
    fn is_usable(&self, certificate: &Certificate) -> bool {
        let tbs = &certificate.tbs_certificate;
        let known = [BasicConstraints::OID, KeyUsage::OID, ExtendedKeyUsage::OID, SubjectAltName::OID];
        let is_name_constraints = |oid: ObjectIdentifier| oid == x509_cert::ext::pkix::NameConstraints::OID;
        let extensions = tbs.extensions.as_deref().unwrap_or_default();
        let is_understood = extensions.iter().all(|extension| {
            let oid = extension.extn_id;
            known.contains(&oid) || (!extension.critical && !is_name_constraints(oid))
        });
        let is_for_servers = match tbs.get::<ExtendedKeyUsage>() {
            Ok(None) => true,
            Ok(Some((_, usage))) => usage.0.contains(&SERVER_AUTH),
            Err(_) => false,
        };
        is_understood && is_for_servers && is_valid_at(certificate, self.now)
    }
}

/// Whether `now` is within the certificate's validity.
pub(super) fn is_valid_at(certificate: &Certificate, now: UnixTime) -> bool {
    let validity = certificate.tbs_certificate.validity;
    let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
    validity.not_before.to_system_time() <= now && now <= validity.not_after.to_system_time()
}

/// OpenSSL's definition of an authority: it is marked as one, or may sign certificates, or is a root that is
/// too old to have such extensions. `below` counts the authorities under it.
fn is_authority(certificate: &Certificate, below: usize) -> bool {
    let tbs = &certificate.tbs_certificate;
    let (Ok(usage), Ok(constraints)) = (tbs.get::<KeyUsage>(), tbs.get::<BasicConstraints>()) else {
        return false;
    };
    let may_sign = usage.as_ref().is_none_or(|(_, usage)| usage.0.contains(KeyUsages::KeyCertSign));
    let is_authority = match constraints {
        Some((_, constraints)) => {
            constraints.ca && constraints.path_len_constraint.is_none_or(|most| below <= usize::from(most))
        }
        None if tbs.version == x509_cert::Version::V1 => tbs.subject == tbs.issuer,
        None => usage.is_some(),
    };
    may_sign && is_authority
}

fn is_signed_by(
    certificate: &Certificate,
    issuer: &Certificate,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let (Ok(signed), Ok(algorithm)) =
        (certificate.tbs_certificate.to_der(), contents(&certificate.signature_algorithm))
    else {
        return false;
    };
    let key = &issuer.tbs_certificate.subject_public_key_info;
    let Some(signature) = certificate.signature.as_bytes() else { return false };
    certificate.signature_algorithm == certificate.tbs_certificate.signature
        && algorithms
            .all
            .iter()
            .filter(|known| known.signature_alg_id().as_ref() == algorithm)
            .any(|known| is_signature(*known, key, &signed, signature))
}

/// Verifies a handshake signature with the certificate's key, for any version of certificate.
pub(super) fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), rustls::Error> {
    let certificate = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let key = &certificate.tbs_certificate.subject_public_key_info;
    let known = RSA_PSS_SCHEMES.iter().find(|(scheme, _)| *scheme == signed.scheme);
    // Each kind of RSA key only allows its own schemes.
    if known.is_some() != (key.algorithm.oid == RSA_PSS_KEY) {
        return Err(CertificateError::BadSignature.into());
    }
    let scheme = known.map_or(signed.scheme, |(_, same)| *same);
    let candidates = algorithms.mapping.iter().find(|(mapped, _)| *mapped == scheme);
    let candidates = candidates.map_or(&[][..], |(_, candidates)| candidates);
    let is_good =
        candidates.iter().any(|candidate| is_signature(*candidate, key, message, signed.signature()));
    if is_good { Ok(()) } else { Err(CertificateError::BadSignature.into()) }
}

fn is_signature(
    algorithm: &dyn SignatureVerificationAlgorithm,
    key: &SubjectPublicKeyInfoOwned,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let wanted = algorithm.public_key_alg_id();
    let fits = if key.algorithm.oid == RSA_PSS_KEY {
        wanted == RSA_KEY && is_pss(algorithm)
    } else {
        contents(&key.algorithm).is_ok_and(|found| found == wanted.as_ref())
    };
    let Some(key) = key.subject_public_key.as_bytes() else { return false };
    fits && algorithm.verify_signature(key, message, signature).is_ok()
}

fn is_pss(algorithm: &dyn SignatureVerificationAlgorithm) -> bool {
    use rustls::pki_types::alg_id::{RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512};
    [RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512].contains(&algorithm.signature_alg_id())
}

/// An algorithm identifier in rustls's form: without the header of its outer sequence.
fn contents(algorithm: &x509_cert::spki::AlgorithmIdentifierOwned) -> x509_cert::der::Result<Vec<u8>> {
    let mut contents = algorithm.oid.to_der()?;
    if let Some(parameters) = &algorithm.parameters {
        contents.extend(parameters.to_der()?);
    }
    Ok(contents)
}

//! Certificates of all kinds for servers and clients.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    SignatureAlgorithm, SigningKey, date_time_ymd,
};
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode};

/// A certificate with its key, both PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    der: Vec<u8>,
}

impl Pair {
    fn new(certificate: &Certificate, key: &KeyPair) -> Self {
        Pair { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// An authority with this signature algorithm.
    pub(crate) fn with(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate_for(algorithm).unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for these names; an address becomes an IP name.
    pub(crate) fn server(&self, common_name: &str, names: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = params(common_name, names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.serial_number = Some(SerialNumber::from(4711_u64));
        Pair::new(&params.signed_by(&key, &self.0).unwrap(), &key)
    }

    /// A server's certificate of X.509 version 1, as `openssl x509 -req` makes it without extensions.
    pub(crate) fn server_version_1(&self, common_name: &str) -> Pair {
        self.signed_again(&self.server(common_name, &[]), |certificate| {
            certificate.tbs_certificate.version = x509_cert::Version::V1;
            certificate.tbs_certificate.extensions = None;
        })
    }

    /// A server's certificate with a key of this algorithm.
    pub(crate) fn server_with(&self, name: &str, algorithm: &'static SignatureAlgorithm) -> Pair {
        let key = KeyPair::generate_for(algorithm).unwrap();
        Pair::new(&params(name, &[name]).signed_by(&key, &self.0).unwrap(), &key)
    }

    /// A server's certificate with a key for RSA-PSS only, like one of `openssl genpkey -algorithm
    /// rsa-pss`.
    pub(crate) fn server_rsa_pss(&self, name: &str) -> Pair {
        let pair = self.server_with(name, &rcgen::PKCS_RSA_SHA256);
        let oid = x509_cert::der::asn1::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
        let signed = self.signed_again(&pair, |certificate| {
            let algorithm = &mut certificate.tbs_certificate.subject_public_key_info.algorithm;
            *algorithm = x509_cert::spki::AlgorithmIdentifierOwned { oid, parameters: None };
        });
        // PKCS #8: a version, the algorithm with its parameters (NULL), the key.
        let any_rsa = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        let only_pss = b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
        let der = KeyPair::from_pem(&pair.key).unwrap().serialize_der();
        let [0x30, 0x82, high, low, body @ ..] = &der[..] else { panic!("no PKCS #8") };
        let at = body.windows(any_rsa.len()).position(|bytes| bytes == any_rsa).unwrap();
        let length = (u16::from_be_bytes([*high, *low]) - 2).to_be_bytes();
        let head = [&[0x30, 0x82][..], &length, &body[..at], only_pss].concat();
        let key = [&head[..], &body[at + any_rsa.len()..]].concat();
        Pair { key: pem("PRIVATE KEY", &key), ..signed }
    }

    /// Changes a certificate and signs it again.
    fn signed_again(&self, pair: &Pair, change: impl FnOnce(&mut x509_cert::Certificate)) -> Pair {
        let mut certificate = x509_cert::Certificate::from_der(&pair.der).unwrap();
        change(&mut certificate);
        let signed = certificate.tbs_certificate.to_der().unwrap();
        certificate.signature = BitString::from_bytes(&self.0.key().sign(&signed).unwrap()).unwrap();
        let der = certificate.to_der().unwrap();
        Pair { certificate: pem("CERTIFICATE", &der), key: pair.key.clone(), der }
    }

    /// The authority's own certificate, as X.509 version 1.
    pub(crate) fn pem_version_1(&self) -> String {
        let itself = Pair { certificate: self.pem(), key: String::new(), der: self.0.der().to_vec() };
        let old = self.signed_again(&itself, |certificate| {
            certificate.tbs_certificate.version = x509_cert::Version::V1;
            certificate.tbs_certificate.extensions = None;
        });
        old.certificate
    }

    /// The certificate of the role `user`.
    pub(crate) fn client(&self, user: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = params(user, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Pair::new(&params.signed_by(&key, &self.0).unwrap(), &key)
    }

    /// A revocation list with or without the server's certificate.
    pub(crate) fn revocations(&self, revoke_server: bool) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(4711_u64),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2124, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: if revoke_server { vec![revoked] } else { Vec::new() },
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

/// A certificate like that of `openssl req -new -x509` by default, which the manual recommends for a
/// start: it has only a common name, and claims to be an authority.
pub(crate) fn self_signed(common_name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = params(common_name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Pair::new(&params.self_signed(&key).unwrap(), &key)
}

/// Like a certificate of `openssl x509 -req` without extensions: X.509 version 1.
pub(crate) fn version_1(common_name: &str) -> Pair {
    let pair = self_signed(common_name);
    let key = KeyPair::from_pem(&pair.key).unwrap();
    let mut certificate = x509_cert::Certificate::from_der(&pair.der).unwrap();
    certificate.tbs_certificate.version = x509_cert::Version::V1;
    certificate.tbs_certificate.extensions = None;
    let signed = certificate.tbs_certificate.to_der().unwrap();
    certificate.signature = BitString::from_bytes(&key.sign(&signed).unwrap()).unwrap();
    let der = certificate.to_der().unwrap();
    Pair { certificate: pem("CERTIFICATE", &der), key: pair.key, der }
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = (0..3).fold(0_u32, |bits, i| bits << 8 | u32::from(*group.get(i).unwrap_or(&0)));
            for i in 0..4 {
                let index = usize::try_from(bits >> (18 - 6 * i) & 63).unwrap();
                text.push(if i <= group.len() { char::from(ALPHABET[index]) } else { '=' });
            }
        }
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

//! The cryptography for all TLS in this program: aws-lc-rs, and what rustls does not take from it.

use std::sync::{Arc, LazyLock};

use ::aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ::aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SharedSecret, SupportedKxGroup, aws_lc_rs,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// The provider, for connections to PostgreSQL and to webhooks.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups.push(&Secp521r1);
        Arc::new(provider)
    });
    Arc::clone(&PROVIDER)
}

/// The key exchange for servers with `ssl_ecdh_curve = secp521r1`; rustls does not provide this curve.
#[derive(Debug)]
struct Secp521r1;

impl SupportedKxGroup for Secp521r1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let failed = |_| Error::from(GetRandomFailed);
        let private = EphemeralPrivateKey::generate(&agreement::ECDH_P521, &SystemRandom::new());
        let private = private.map_err(failed)?;
        let public = private.compute_public_key().map_err(failed)?.as_ref().to_vec();
        Ok(Box::new(Secp521r1Exchange { private, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Secp521r1Exchange {
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Secp521r1Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
        // TLS only allows uncompressed points (RFC 8446, section 4.2.8.2).
        if peer.first() != Some(&0x04) {
            return Err(invalid);
        }
        let peer = UnparsedPublicKey::new(&agreement::ECDH_P521, peer);
        agreement::agree_ephemeral(self.private, peer, invalid, |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

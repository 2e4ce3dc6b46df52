//! A listener's key in the token: the handshake's signature is asked of the token, and the key is never in this process.
//!
//! rustls wants the signature from the thread that drives the handshake, so that thread waits. It tells the runtime, which
//! moves its other work away; the wait is short, and few may wait at once, so a token that is away fails handshakes and
//! holds up nothing else.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureScheme};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::token::{KeyRef, Token};
use crate::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};

/// How long a handshake waits for its signature.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many handshakes wait for the token at once; the next is refused. Each of them holds a thread.
const WAITING: usize = 64;

/// A key pair in the token, as rustls takes it.
pub struct TokenKey(Arc<Pair>);

struct Pair {
    token: Token,
    key: KeyRef,
    waiting: AtomicUsize,
}

impl TokenKey {
    pub fn new(token: Token, key: KeyRef) -> Self {
        Self(Arc::new(Pair { token, key, waiting: AtomicUsize::new(0) }))
    }
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let (scheme, algorithm) = schemes(self.0.key.public.key_type()).iter().find(|(scheme, _)| offered.contains(scheme))?;
        Some(Box::new(TokenSigner { pair: self.0.clone(), scheme: *scheme, algorithm: *algorithm }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.key.public.spki_der()))
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        match self.0.key.public.key_type() {
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => rustls::SignatureAlgorithm::RSA,
            KeyType::P256 | KeyType::P384 | KeyType::P521 => rustls::SignatureAlgorithm::ECDSA,
            KeyType::Ed25519 => rustls::SignatureAlgorithm::ED25519,
        }
    }
}

/// What a key signs with, the most wanted first. RFC 8446, 4.2.3: TLS 1.3 signs with PSS only, and pairs each curve with its
/// own hash; PKCS#1 is for TLS 1.2.
fn schemes(key_type: KeyType) -> &'static [(SignatureScheme, SignatureAlgorithm)] {
    match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => &[
            (SignatureScheme::RSA_PSS_SHA256, SignatureAlgorithm::RsaPss(Hash::Sha256)),
            (SignatureScheme::RSA_PSS_SHA384, SignatureAlgorithm::RsaPss(Hash::Sha384)),
            (SignatureScheme::RSA_PSS_SHA512, SignatureAlgorithm::RsaPss(Hash::Sha512)),
            (SignatureScheme::RSA_PKCS1_SHA256, SignatureAlgorithm::RsaPkcs1(Hash::Sha256)),
            (SignatureScheme::RSA_PKCS1_SHA384, SignatureAlgorithm::RsaPkcs1(Hash::Sha384)),
            (SignatureScheme::RSA_PKCS1_SHA512, SignatureAlgorithm::RsaPkcs1(Hash::Sha512)),
        ],
        KeyType::P256 => &[(SignatureScheme::ECDSA_NISTP256_SHA256, SignatureAlgorithm::Ecdsa(Hash::Sha256))],
        KeyType::P384 => &[(SignatureScheme::ECDSA_NISTP384_SHA384, SignatureAlgorithm::Ecdsa(Hash::Sha384))],
        KeyType::P521 => &[(SignatureScheme::ECDSA_NISTP521_SHA512, SignatureAlgorithm::Ecdsa(Hash::Sha512))],
        KeyType::Ed25519 => &[(SignatureScheme::ED25519, SignatureAlgorithm::Ed25519)],
    }
}

struct TokenSigner {
    pair: Arc<Pair>,
    scheme: SignatureScheme,
    algorithm: SignatureAlgorithm,
}

impl Signer for TokenSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let _place = self.pair.enter().ok_or_else(|| failed("too many handshakes wait for the token"))?;
        let runtime = Handle::try_current().map_err(|_| failed("no runtime drives this handshake"))?;
        // Only the runtime with several threads can be told that one of them waits.
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return Err(failed("this runtime cannot wait for the token"));
        }
        let asked = self.pair.token.sign(&self.pair.key, self.algorithm, message.to_vec());
        let answer = tokio::task::block_in_place(|| runtime.block_on(tokio::time::timeout(PATIENCE, asked)));
        match answer {
            Ok(Ok(signature)) => Ok(signature),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a handshake failed: the token did not sign");
                Err(failed("the token did not sign"))
            }
            Err(_) => {
                tracing::warn!("a handshake failed: the token did not answer in time");
                Err(failed("the token did not answer in time"))
            }
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

fn failed(why: &str) -> Error {
    Error::General(why.to_owned())
}

impl Pair {
    fn enter(&self) -> Option<Place<'_>> {
        let place = Place(&self.waiting);
        (self.waiting.fetch_add(1, Ordering::AcqRel) < WAITING).then_some(place)
    }
}

/// One of those that wait; the count is given back when it is dropped, also for one that was not let in.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.0.key.id)
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSigner({}, {:?})", self.pair.key.id, self.scheme)
    }
}

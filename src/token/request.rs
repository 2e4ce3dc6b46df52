//! What a token can be asked for, and what it answers. There is no way to send it anything else: no template, no attribute and no
//! mechanism of the caller's choice.

use bytes::Bytes;

use super::key::{GeneratedKey, KeyId, KeyRef};
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::key::PublicKey;

/// The longest message that Ed25519 signs; of everything else the token gets a digest.
pub const LONGEST_MESSAGE: usize = 15 << 20;
/// The most random bytes that are given at once.
pub const MOST_RANDOM: u32 = 4_096;
/// The longest label of a key, in bytes.
pub const LONGEST_LABEL: usize = 200;

/// Which key is meant: by its id, and by its public half, so that a key that was exchanged does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName {
    pub id: KeyId,
    pub spki_sha256: [u8; 32],
}

/// What a new key is for, from which all its attributes follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProfile {
    /// Signs certificates and CRLs, never leaves the token, does nothing else.
    AuthoritySigning(KeyType),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `input` is the digest by the algorithm's hash; for Ed25519, which hashes twice (RFC 8032, 5.1.6), the message.
    Sign {
        key: KeyName,
        algorithm: SignatureAlgorithm,
        input: Bytes,
    },
    Random {
        length: u32,
    },
    Find {
        id: KeyId,
    },
    Check {
        key: KeyName,
    },
    Generate {
        id: KeyId,
        label: String,
        profile: KeyProfile,
    },
    Destroy {
        id: KeyId,
    },
    /// Every private key there is.
    Inventory,
    /// That the key has to be looked for again: what its handle signed did not verify.
    Forget {
        id: KeyId,
    },
}

/// The answer to a request that succeeded.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A signature in X.509's form, not verified yet; or random bytes.
    Bytes(Vec<u8>),
    Found(Option<PublicKey>),
    Generated(GeneratedKey),
    Inventory(Vec<StoredKey>),
    Done,
}

/// A private key as it lies in the token, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The CKA_ID; of our own keys, 16 bytes.
    pub id: Vec<u8>,
    pub label: String,
    /// None when the token does not show a public half of an offered type.
    pub public: Option<PublicKey>,
    pub attributes: ShownAttributes,
}

/// What the token says of a private key; None where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShownAttributes {
    pub sensitive: Option<bool>,
    pub extractable: Option<bool>,
    pub never_extractable: Option<bool>,
    pub local: Option<bool>,
    pub sign: Option<bool>,
}

impl Ask {
    /// Whether it may be sent a second time when nobody knows whether the first one was done.
    pub fn may_be_repeated(&self) -> bool {
        match self {
            // A second signature over what was intended is the same intention.
            Self::Sign { .. } | Self::Random { .. } | Self::Find { .. } | Self::Check { .. } | Self::Inventory | Self::Forget { .. } => {
                true
            }
            Self::Generate { .. } | Self::Destroy { .. } => false,
        }
    }

    /// Whether it makes or destroys something in the token, and so waits in the queue of such requests.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Generate { .. } | Self::Destroy { .. })
    }
}

impl From<&KeyRef> for KeyName {
    fn from(key: &KeyRef) -> Self {
        Self { id: key.id, spki_sha256: key.public.spki_sha256() }
    }
}

/// What the token is given of a message: see [`Ask::Sign`].
pub fn input(algorithm: SignatureAlgorithm, message: &Bytes) -> Bytes {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(hash) | SignatureAlgorithm::RsaPss(hash) | SignatureAlgorithm::Ecdsa(hash) => {
            Bytes::copy_from_slice(hash.digest(message).as_ref())
        }
        SignatureAlgorithm::Ed25519 => message.clone(),
    }
}

/// Whether that can be the input of the algorithm.
pub fn is_input(algorithm: SignatureAlgorithm, input: &[u8]) -> bool {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(hash) | SignatureAlgorithm::RsaPss(hash) | SignatureAlgorithm::Ecdsa(hash) => {
            input.len() == usize::from(hash.len())
        }
        SignatureAlgorithm::Ed25519 => input.len() <= LONGEST_MESSAGE,
    }
}

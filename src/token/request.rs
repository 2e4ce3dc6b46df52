//! What a token can be asked for, and what it answers. There is no way to send it anything else: no template, no attribute and no
//! mechanism of the caller's choice.

use bytes::Bytes;

use super::key::{GeneratedKey, KeyId, KeyRef};
use crate::base::secret::SecretBytes;
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::key::PublicKey;

/// The longest message that Ed25519 signs; of everything else the token gets a digest.
pub const LONGEST_MESSAGE: usize = 15 << 20;
/// The most random bytes that are given at once.
pub const MOST_RANDOM: u32 = 4_096;
/// The longest label of a key, in bytes.
pub const LONGEST_LABEL: usize = 200;
/// The longest private key that is taken in, PKCS#8: one of RSA-4096 has 2.4 KB.
pub const LONGEST_PRIVATE_KEY: usize = 8 << 10;
/// The longest value that is sealed.
pub const LONGEST_VALUE: usize = 64 << 10;
/// The longest context of a sealed value.
pub const LONGEST_CONTEXT: usize = 1 << 10;
/// A sealed value is this much longer than what is in it, at most.
pub const SEALED_BY: usize = 64;
/// The longest sealed value.
pub const LONGEST_SEALED: usize = LONGEST_VALUE + SEALED_BY;
/// The longest that RSA encrypts, with 4096 bits.
pub const LONGEST_DECRYPTION: usize = 512;

/// Which key is meant: by its id, and by its public half, so that a key that was exchanged does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName {
    pub id: KeyId,
    pub spki_sha256: [u8; 32],
}

/// What a new key is for, from which all its attributes follow.
///
/// The worker marks keys by what they are for, in the label, so that what may be done with a key does not depend on what the daemon says of
/// it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProfile {
    /// Signs certificates and CRLs, never leaves the token, does nothing else.
    AuthoritySigning(KeyType),
    /// A subject's: signs, and may leave the token wrapped. It has no public object beside it: tokens grow slow by the number of objects.
    Subject(KeyType),
    /// Signs and decrypts for a registration authority (RFC 8894); never leaves the token. RSA alone decrypts.
    RegistrationAuthority(KeyType),
}

/// How something was encrypted for a registration authority's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecryptionScheme {
    /// RSAES-PKCS1-v1_5 of a key of this length. What was not encrypted so, or has another length, decrypts to random bytes of it, so that
    /// nobody can ask which ciphertexts are well formed (RFC 3218, 2.3).
    Pkcs1 { length: u16 },
    /// RSAES-OAEP with an empty label and MGF1 over the same hash (RFC 8017, 7.1).
    Oaep(OaepHash),
}

/// The hashes that OAEP is met with; SoftHSM 2.6.1 knows the first alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OaepHash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
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
    /// The private half of a subject's key, PKCS#8. It leaves the token wrapped by a key that is made for that, in the worker, and is
    /// unwrapped there; what is given on belongs to the public half that is named.
    Export {
        key: KeyName,
    },
    /// A subject's key that was made elsewhere, PKCS#8, unwrapped into the token.
    Import {
        id: KeyId,
        label: String,
        pkcs8: SecretBytes,
    },
    /// Encrypts under a key that never leaves the token, so that it is opened with the same context and no other.
    Seal {
        value: SecretBytes,
        context: Bytes,
    },
    Open {
        sealed: Bytes,
        context: Bytes,
    },
    Decrypt {
        key: KeyName,
        scheme: DecryptionScheme,
        input: Bytes,
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
    Secret(SecretBytes),
}

/// A private key as it lies in the token, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The CKA_ID; of our own keys, 16 bytes.
    pub id: Vec<u8>,
    pub label: String,
    /// None when the token does not show a public half of an offered type; and of a subject's key.
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
            // They leave nothing in the token but the sealing key, of which there may be several.
            Self::Export { .. } | Self::Seal { .. } | Self::Open { .. } | Self::Decrypt { .. } => true,
            Self::Generate { .. } | Self::Import { .. } | Self::Destroy { .. } => false,
        }
    }

    /// Whether it makes or destroys something in the token, and so waits in the queue of such requests.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Generate { .. } | Self::Import { .. } | Self::Export { .. } | Self::Destroy { .. })
    }

    /// Whether it may come to wait in that queue: the first value that is sealed has a key made for it.
    pub fn may_wait_for_keys(&self) -> bool {
        self.writes() || matches!(self, Self::Seal { .. })
    }
}

impl KeyProfile {
    /// What labels of keys of subjects begin with.
    pub const SUBJECT: &str = "subject:";
    /// What labels of keys of registration authorities begin with.
    pub const REGISTRATION_AUTHORITY: &str = "ra:";

    pub fn key_type(self) -> KeyType {
        match self {
            Self::AuthoritySigning(key_type) | Self::Subject(key_type) | Self::RegistrationAuthority(key_type) => key_type,
        }
    }

    /// What the label begins with.
    pub fn mark(self) -> &'static str {
        match self {
            Self::AuthoritySigning(_) => "",
            Self::Subject(_) => Self::SUBJECT,
            Self::RegistrationAuthority(_) => Self::REGISTRATION_AUTHORITY,
        }
    }

    /// Whether a key may have this label behind its mark: an authority's must not look like one that may do more.
    pub fn may_be_called(self, label: &str) -> bool {
        let is_marked = label.starts_with(Self::SUBJECT) || label.starts_with(Self::REGISTRATION_AUTHORITY);
        label.len() <= LONGEST_LABEL && (!is_marked || !self.mark().is_empty())
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

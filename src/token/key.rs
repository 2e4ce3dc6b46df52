//! How the rest of the program names a key in the token: an id and the public key. There is no type that holds a private one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::x509::key::PublicKey;

/// The CKA_ID of a key pair: 16 random bytes, so that it says nothing and never repeats.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

/// What a record of a CA stores and what signing takes. The public key is in it so that every signature can be verified with the key
/// the certificate names and not with whatever the token holds by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// The name of the token that holds it; None for the first that is configured.
    pub token: Option<Arc<str>>,
    pub id: KeyId,
    pub public: PublicKey,
}

/// A new key pair, and what the token says about its private half.
#[derive(Clone, Debug)]
pub struct GeneratedKey {
    pub public: PublicKey,
    pub attributes: KeyAttributes,
}

/// The attributes of a private key as the token reads them back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAttributes {
    pub sensitive: bool,
    pub always_sensitive: bool,
    pub extractable: bool,
    pub never_extractable: bool,
    pub local: bool,
    pub private: bool,
    pub token: bool,
}

/// The text is not the 32 hexadecimal digits of a key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key id")]
pub struct NotAKeyId;

impl KeyId {
    /// A new id from the system's random source.
    pub fn random() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes of the CKA_ID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of those bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAKeyId)?;
        Ok(Self(bytes))
    }
}

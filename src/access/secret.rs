//! The secrets of API tokens: `chy_` and 256 random bits, kept as a SHA-256 only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AccessError;
use crate::base::hash::sha256;
use crate::base::secret::{ExposeSecret, SecretString, Zeroizing};

const PREFIX: &str = "chy_";

/// The text a caller presents.
pub struct Secret(SecretString);

impl Secret {
    pub(super) fn random() -> Result<Self, AccessError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| AccessError::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())).into()))
    }

    /// The text itself, for the one answer or file it is written to.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A text from outside as it may be kept: secrets of tokens that stand in it by mistake are taken out, and all of it is when a
/// private key is in it.
pub fn without_secrets(text: &str) -> String {
    if text.contains("PRIVATE KEY-----") {
        return "[withheld: there was a private key in it]".to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut parts = text.split(PREFIX);
    kept.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).unwrap_or(part.len());
        let (secret, rest) = part.split_at(end);
        kept.push_str(PREFIX);
        // A short word behind the prefix is no secret: one has 43 characters.
        kept.push_str(if secret.len() < 20 { secret } else { "[withheld]" });
        kept.push_str(rest);
    }
    kept
}

pub(super) fn hash(secret: &str) -> [u8; 32] {
    sha256(secret.as_bytes())
}

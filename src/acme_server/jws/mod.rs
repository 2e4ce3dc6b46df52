//! JSON Web Signatures as ACME has them (RFC 8555, 6.2): flattened, one signature, nothing unprotected, nothing detached.
//!
//! A [`Signed`] has been read and not verified: nothing of its payload can be had before [`Signed::verify`] or [`Signed::verify_mac`].

mod key;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

pub use key::{Jwk, JwkFault};

use crate::base::secret::SecretBytes;

/// How requests are signed. HS256 is for the binding of an account alone, and there is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

/// Why a request is no JWS that ACME takes.
#[derive(Debug, thiserror::Error)]
pub enum JwsFault {
    #[error("the body is no JSON object: {0}")]
    Body(#[source] serde_json::Error),
    #[error("the body is no JSON object")]
    NoObject,
    #[error("the protected header is no JSON object of the members it may have: {0}")]
    Header(#[source] serde_json::Error),
    #[error("{0} is not base64url without padding")]
    Base64(&'static str),
    #[error("the JWS has an unprotected header (RFC 8555, 6.2)")]
    Unprotected,
    #[error("the JWS is not in the flattened serialization: it has several signatures (RFC 8555, 6.2)")]
    General,
    #[error("the protected header says b64 (RFC 8555, 6.2)")]
    Unencoded,
    #[error("the protected header makes extensions critical that are not known here (RFC 7515, 4.1.11)")]
    Critical,
    #[error("the protected header has both jwk and kid (RFC 8555, 6.2)")]
    TwoKeys,
    #[error("the protected header has neither jwk nor kid (RFC 8555, 6.2)")]
    NoKey,
    #[error("this request is signed with the account's key and names the account as kid (RFC 8555, 6.2)")]
    KidWanted,
    #[error("this request is signed with a key that it shows as jwk (RFC 8555, 6.2)")]
    JwkWanted,
    #[error("the protected header has no url (RFC 8555, 6.4)")]
    NoUrl,
    #[error("the protected header has no nonce (RFC 8555, 6.5)")]
    NoNonce,
    #[error("the protected header has a nonce, where none may be (RFC 8555, 7.3.4 and 7.3.5)")]
    NonceInside,
    #[error("the nonce is not base64url (RFC 8555, 6.5.2)")]
    Nonce,
    #[error("the signature was not made with that key over that header and payload")]
    Signature,
    #[error("the algorithm is not one of those that are taken, or not the key's")]
    Algorithm,
    #[error("the key cannot be used: {0}")]
    Key(#[from] JwkFault),
}

/// Who says to have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    Jwk(Jwk),
    Kid(String),
}

/// A JWS, read and not verified.
#[derive(Clone, Debug)]
pub struct Signed {
    pub url: String,
    /// None in one that is inside another.
    pub nonce: Option<String>,
    pub signer: Signer,
    algorithm: String,
    payload: Vec<u8>,
    input: Vec<u8>,
    signature: Vec<u8>,
}

/// The content of a JWS whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

#[derive(Deserialize)]
struct Flattened {
    protected: String,
    payload: String,
    signature: String,
    header: Option<IgnoredAny>,
    signatures: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    url: Option<String>,
    nonce: Option<String>,
    jwk: Option<Value>,
    kid: Option<String>,
    b64: Option<Value>,
    crit: Option<IgnoredAny>,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Rs256, Self::Es256, Self::Es384, Self::Es512, Self::EdDsa];

    /// As IANA's registry of JOSE algorithms spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl Signed {
    /// Reads the body of a request.
    pub fn parse(body: &[u8]) -> Result<Self, JwsFault> {
        let signed = Self::read(object(body, JwsFault::Body)?)?;
        let nonce = signed.nonce.as_deref().ok_or(JwsFault::NoNonce)?;
        // RFC 8555, 6.5.2: what is no base64url is malformed, and only what is can be a bad nonce.
        URL_SAFE_NO_PAD.decode(nonce).map_err(|_| JwsFault::Nonce)?;
        Ok(signed)
    }

    /// Reads a JWS that is a member of a payload: it has no nonce (RFC 8555, 7.3.4 and 7.3.5).
    pub fn parse_inner(value: &Value) -> Result<Self, JwsFault> {
        if !value.is_object() {
            return Err(JwsFault::NoObject);
        }
        Self::inner(Self::read(Flattened::deserialize(value).map_err(JwsFault::Body)?)?)
    }

    fn inner(signed: Self) -> Result<Self, JwsFault> {
        if signed.nonce.is_some() { Err(JwsFault::NonceInside) } else { Ok(signed) }
    }

    /// Reads a payload that is a JWS itself.
    pub fn parse_within(payload: &Payload) -> Result<Self, JwsFault> {
        Self::inner(Self::read(object(&payload.0, JwsFault::Body)?)?)
    }

    fn read(flattened: Flattened) -> Result<Self, JwsFault> {
        let Flattened { protected, payload, signature, header, signatures } = flattened;
        if header.is_some() {
            return Err(JwsFault::Unprotected);
        }
        if signatures.is_some() {
            return Err(JwsFault::General);
        }
        let decoded = |text: &str, name| URL_SAFE_NO_PAD.decode(text).map_err(|_| JwsFault::Base64(name));
        let header = decoded(&protected, "protected")?;
        let Header { alg, url, nonce, jwk, kid, b64, crit } = object(&header, JwsFault::Header)?;
        if b64.is_some() {
            return Err(JwsFault::Unencoded);
        }
        if crit.is_some() {
            return Err(JwsFault::Critical);
        }
        let url = url.ok_or(JwsFault::NoUrl)?;
        // The algorithm is judged before the key: a key of a kind that is not known here is one of an algorithm that is not.
        if alg != MAC && !Algorithm::ALL.iter().any(|known| known.name() == alg) {
            return Err(JwsFault::Algorithm);
        }
        let signer = match (jwk, kid) {
            (Some(_), Some(_)) => return Err(JwsFault::TwoKeys),
            (None, None) => return Err(JwsFault::NoKey),
            (None, Some(kid)) => Signer::Kid(kid),
            // A symmetric key signs for an account alone, and is never shown.
            (Some(_), None) if alg == MAC => return Err(JwsFault::Algorithm),
            (Some(jwk), None) => Signer::Jwk(Jwk::read(&jwk)?),
        };
        let input = [protected.as_bytes(), b".", payload.as_bytes()].concat();
        let (payload, signature) = (decoded(&payload, "payload")?, decoded(&signature, "signature")?);
        Ok(Self { url, nonce, signer, algorithm: alg, payload, input, signature })
    }

    /// The content, when the signature is this key's.
    pub fn verify(&self, key: &Jwk) -> Result<Payload, JwsFault> {
        if key.algorithm().name() != self.algorithm {
            return Err(JwsFault::Algorithm);
        }
        if key.verify(&self.input, &self.signature) { Ok(Payload(self.payload.clone())) } else { Err(JwsFault::Signature) }
    }

    /// Whether it can have been signed by a secret that both sides know.
    pub fn is_by_mac(&self) -> bool {
        self.algorithm == MAC
    }

    /// The same by a secret that both sides know (RFC 8555, 7.3.4): HS256.
    pub fn verify_mac(&self, secret: &SecretBytes) -> Result<Payload, JwsFault> {
        if !self.is_by_mac() {
            return Err(JwsFault::Algorithm);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        match hmac::verify(&key, &self.input, &self.signature) {
            Ok(()) => Ok(Payload(self.payload.clone())),
            Err(_) => Err(JwsFault::Signature),
        }
    }
}

const MAC: &str = "HS256";

impl Payload {
    /// Whether there is nothing in it: POST-as-GET (RFC 8555, 6.3).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads it as a JSON object. Members that are not known are ignored (RFC 8555, 6).
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, JwsFault> {
        object(&self.0, JwsFault::Body)
    }

    /// The JSON in it, whatever it is; none when it is none.
    pub fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.0).ok()
    }
}

/// serde would read an array into members by their order.
fn object<T: DeserializeOwned>(bytes: &[u8], fault: fn(serde_json::Error) -> JwsFault) -> Result<T, JwsFault> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(JwsFault::NoObject);
    }
    serde_json::from_slice(bytes).map_err(fault)
}

#[cfg(test)]
mod tests;

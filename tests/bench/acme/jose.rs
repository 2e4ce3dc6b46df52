//! JSON Web Signatures of an ACME client (RFC 8555, 6.2), by P-256: the least work for the cores that it shares with the server.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The key of an account.
pub struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    /// As RFC 7638 writes it.
    jwk: String,
}

impl Key {
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, b64(x), b64(y));
        Self { pair, random: SystemRandom::new(), jwk }
    }

    pub fn jwk(&self) -> &str {
        &self.jwk
    }

    /// RFC 7638.
    pub fn thumbprint(&self) -> String {
        b64(digest(&SHA256, self.jwk.as_bytes()))
    }

    /// A request; `signer` is the member that says whose it is.
    pub fn sign(&self, signer: &str, nonce: &str, url: &str, payload: &str) -> String {
        let header = format!(r#"{{"alg":"ES256",{signer},"nonce":"{nonce}","url":"{url}"}}"#);
        flattened(&header, payload, |input| self.pair.sign(&self.random, input).expect("a signature"))
    }
}

/// What binds the key of a new account (RFC 8555, 7.3.4).
#[derive(Clone)]
pub struct Binding {
    pub kid: String,
    /// In base64url.
    pub key: String,
}

impl Binding {
    pub fn of(&self, jwk: &str, url: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(&self.key).expect("base64url"));
        let header = format!(r#"{{"alg":"HS256","kid":"{}","url":"{url}"}}"#, self.kid);
        flattened(&header, jwk, |input| hmac::sign(&key, input))
    }
}

/// RFC 7515, 7.2.2.
fn flattened<S: AsRef<[u8]>>(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> S) -> String {
    let (header, payload) = (b64(header), b64(payload));
    let input = format!("{header}.{payload}");
    let signature = b64(sign(input.as_bytes()));
    format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#)
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

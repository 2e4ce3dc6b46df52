//! A small ACME client: every request as it should be, or wrong in the one respect that a test is about.

use std::cell::RefCell;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery::x509::tlv;
use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};
use crate::waiting::found;

pub const JOSE: &str = "Content-Type: application/jose+json";

/// A key of an account.
pub enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str, &'static str),
    Ed25519(Ed25519KeyPair),
}

/// The algorithms of RFC 8555, 6.2 that are taken.
pub const ALGORITHMS: [&str; 5] = ["RS256", "ES256", "ES384", "ES512", "EdDSA"];

impl Key {
    pub fn new(algorithm: &str) -> Self {
        let ec = |signing, name, curve| Self::Ec(EcdsaKeyPair::generate(signing).unwrap(), name, curve);
        match algorithm {
            "RS256" => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            "ES256" => ec(&lc::ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", "P-256"),
            "ES384" => ec(&lc::ECDSA_P384_SHA384_FIXED_SIGNING, "ES384", "P-384"),
            "ES512" => ec(&lc::ECDSA_P521_SHA512_FIXED_SIGNING, "ES512", "P-521"),
            "EdDSA" => Self::Ed25519(Ed25519KeyPair::generate().unwrap()),
            other => panic!("{other}"),
        }
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_, name, _) => name,
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub fn jwk(&self) -> Value {
        match self {
            Self::Rsa(pair) => {
                // RSAPublicKey (RFC 8017, A.1.1).
                let mut numbers = tlv::Element::sole(pair.public_key().as_ref(), tlv::SEQUENCE).unwrap().reader();
                let mut next = || {
                    let number = numbers.expect(tlv::INTEGER).unwrap().content;
                    b64(&number[usize::from(number[0] == 0)..])
                };
                json!({"kty": "RSA", "n": next(), "e": next()})
            }
            Self::Ec(pair, _, curve) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
            Self::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref())}),
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&lc::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Self::Ec(pair, ..) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// RFC 8555, 8.1: what a challenge with this token shows; RFC 7638 for a key of ES256.
    pub fn authorization(&self, token: &str) -> String {
        let jwk = self.jwk();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
        format!("{token}.{}", b64(hash))
    }

    /// The JWS of a header and a payload.
    pub fn jws(&self, header: &Value, payload: &[u8]) -> Value {
        let (protected, payload) = (b64(header.to_string()), b64(payload));
        let signature = b64(self.sign(format!("{protected}.{payload}").as_bytes()));
        json!({"protected": protected, "payload": payload, "signature": signature})
    }
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A credential: the id of its key, and the key.
#[derive(Clone)]
pub struct Credential {
    pub id: String,
    pub kid: String,
    pub key: Vec<u8>,
}

impl Credential {
    pub fn create(appliance: &Appliance, fields: Value) -> Self {
        let made = appliance.call("POST", CREDENTIALS, Some(fields)).expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { id: text("id"), kid: text("eab_key_id"), key: URL_SAFE_NO_PAD.decode(text("eab_hmac_key")).unwrap() }
    }

    /// The binding of a key (RFC 8555, 7.3.4).
    pub fn bind(&self, key: &Key, url: &str) -> Value {
        self.bind_with(&json!({"alg": "HS256", "kid": self.kid, "url": url}), &key.jwk())
    }

    pub fn bind_with(&self, header: &Value, jwk: &Value) -> Value {
        let (protected, payload) = (b64(header.to_string()), b64(jwk.to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), format!("{protected}.{payload}").as_bytes());
        json!({"protected": protected, "payload": payload, "signature": b64(tag)})
    }
}

pub const CREDENTIALS: &str = "/api/v1/organizations/org_00000000000000000000000000000001/acme-credentials";

/// A client of one appliance, with a key and perhaps an account.
pub struct Client<'a> {
    pub appliance: &'a Appliance,
    pub key: Key,
    pub account: String,
    /// The scheme and host of the server's URLs.
    pub origin: String,
    nonce: RefCell<Option<String>>,
}

impl<'a> Client<'a> {
    /// One without an account.
    pub fn stranger(appliance: &'a Appliance, algorithm: &str) -> Self {
        let directory = appliance.call_as(None, "GET", "/api/acme/directory", None).expect(200);
        let origin = directory["newNonce"].as_str().unwrap().strip_suffix("/api/acme/new-nonce").unwrap().to_owned();
        Self { appliance, key: Key::new(algorithm), account: String::new(), origin, nonce: RefCell::default() }
    }

    /// One with an account that is bound to this credential.
    pub fn register(appliance: &'a Appliance, credential: &Credential) -> Self {
        let mut client = Self::stranger(appliance, "ES256");
        client.sign_up(credential, json!({})).expect(201);
        client
    }

    /// Asks for an account with these members besides; takes it when there is one then.
    pub fn sign_up(&mut self, credential: &Credential, mut members: Value) -> Answer {
        members["externalAccountBinding"] = credential.bind(&self.key, &self.url("new-account"));
        members["termsOfServiceAgreed"] = json!(true);
        let answer = self.post_with_key("new-account", &members);
        if let Some(location) = answer.header("location") {
            self.account = location.to_owned();
        }
        answer
    }

    /// The URL of a resource by its name below the root, or what is one already.
    pub fn url(&self, name: &str) -> String {
        if name.starts_with("https://") { name.to_owned() } else { format!("{}/api/acme/{name}", self.origin) }
    }

    /// A nonce that is not used yet.
    pub fn nonce(&self) -> String {
        let kept = self.nonce.borrow_mut().take();
        kept.unwrap_or_else(|| {
            let answer = self.appliance.call_raw(None, "HEAD", "/api/acme/new-nonce", None, &[]);
            answer.header("replay-nonce").expect("a nonce").to_owned()
        })
    }

    /// The header of a request of this account.
    pub fn header(&self, url: &str) -> Value {
        json!({"alg": self.key.algorithm(), "kid": self.account, "nonce": self.nonce(), "url": url})
    }

    /// The header of a request of this key.
    pub fn key_header(&self, url: &str) -> Value {
        json!({"alg": self.key.algorithm(), "jwk": self.key.jwk(), "nonce": self.nonce(), "url": url})
    }

    /// Sends these bytes as they are.
    pub fn send(&self, url: &str, body: &[u8], headers: &[&str]) -> Answer {
        let path = url.strip_prefix(&self.origin).expect("a URL of the appliance");
        let answer = self.appliance.call_raw(None, "POST", path, Some(body), headers);
        *self.nonce.borrow_mut() = answer.header("replay-nonce").map(str::to_owned);
        answer
    }

    /// Sends a JWS of this header and payload.
    pub fn send_signed(&self, url: &str, header: &Value, payload: &[u8]) -> Answer {
        self.send(url, self.key.jws(header, payload).to_string().as_bytes(), &[JOSE])
    }

    /// A request of the account.
    pub fn post(&self, name: &str, payload: &Value) -> Answer {
        let url = self.url(name);
        self.send_signed(&url, &self.header(&url), payload.to_string().as_bytes())
    }

    /// POST-as-GET (RFC 8555, 6.3).
    pub fn get(&self, name: &str) -> Answer {
        let url = self.url(name);
        self.send_signed(&url, &self.header(&url), b"")
    }

    /// A request of the key.
    pub fn post_with_key(&self, name: &str, payload: &Value) -> Answer {
        let url = self.url(name);
        self.send_signed(&url, &self.key_header(&url), payload.to_string().as_bytes())
    }

    /// An order for these host names, and where it is.
    pub fn order(&self, names: &[&str]) -> (String, Value) {
        self.order_with(names, json!({}))
    }

    pub fn order_with(&self, names: &[&str], members: Value) -> (String, Value) {
        let answer = self.post("new-order", &order_of(names, members));
        let order = answer.expect(201);
        (answer.header("location").unwrap().to_owned(), order)
    }

    /// A certificate for these names, which need no validation: its PEM chain, and the order that made it.
    pub fn certify(&self, names: &[&str]) -> (String, Value) {
        let (_, order) = self.order(names);
        assert_eq!(order["status"], "ready", "{order}");
        let order = self.finalize(&order, &csr(names)).expect(200);
        assert_eq!(order["status"], "valid", "{order}");
        (self.get(order["certificate"].as_str().unwrap()).text(), order)
    }

    /// The challenge of this kind of an order's only authorization, whose URL goes before it.
    pub fn challenge(&self, order: &Value, kind: &str) -> (String, Value) {
        let url = order["authorizations"][0].as_str().unwrap().to_owned();
        let found = self.get(&url).expect(200);
        let challenge = found["challenges"].as_array().unwrap().iter().find(|one| one["type"] == kind);
        (url, challenge.unwrap_or_else(|| panic!("{found}")).clone())
    }

    /// An authorization, once it is decided.
    pub fn decided(&self, url: &str) -> Value {
        found("a decision", || Some(self.get(url).expect(200)).filter(|found| found["status"] != "pending"))
    }

    pub fn finalize(&self, order: &Value, csr: &[u8]) -> Answer {
        self.post(order["finalize"].as_str().unwrap(), &json!({"csr": b64(csr)}))
    }
}

/// The payload of an order for these names; an address is one.
pub fn order_of(names: &[&str], mut members: Value) -> Value {
    let identifiers = names.iter().map(|name| match name.parse::<std::net::IpAddr>() {
        Ok(_) => json!({"type": "ip", "value": name}),
        Err(_) => json!({"type": "dns", "value": name}),
    });
    members["identifiers"] = identifiers.collect();
    members
}

/// A CSR of a new P-256 key for these names, DER.
pub fn csr(names: &[&str]) -> Vec<u8> {
    csr_of(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "key.pem"], "/", names)
}

/// The same with other arguments to openssl, and with a subject.
pub fn csr_of(key: &[&str], subject: &str, names: &[&str]) -> Vec<u8> {
    let requester = crate::requester::Requester::new();
    csr_in(&requester, key, subject, names)
}

/// The same, its key left with the requester.
pub fn csr_in(requester: &crate::requester::Requester, key: &[&str], subject: &str, names: &[&str]) -> Vec<u8> {
    let names: Vec<_> = names
        .iter()
        .map(|name| match name.parse::<std::net::IpAddr>() {
            Ok(_) => format!("IP:{name}"),
            Err(_) => format!("DNS:{name}"),
        })
        .collect();
    let san = format!("subjectAltName={}", names.join(","));
    let mut arguments = [&["req", "-new", "-nodes"], key, &["-outform", "DER", "-out", "request.der", "-subj", subject]].concat();
    if !names.is_empty() {
        arguments.extend(["-addext", &san]);
    }
    requester.openssl(&arguments);
    std::fs::read(requester.path("request.der")).expect("a request")
}

/// What an answer refuses with: its status and the type behind the URN.
#[track_caller]
pub fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem = answer.json();
    let kind = problem["type"].as_str().unwrap_or_default();
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or_else(|| panic!("no type of ACME: {problem}"));
    assert_eq!(problem["status"], answer.status, "{problem}");
    (answer.status, kind.to_owned())
}

/// That an answer refuses so.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(refusal(answer), (status, kind.to_owned()), "{}", answer.text());
}

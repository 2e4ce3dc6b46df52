//! A CSR that cannot be taken does not hide what else is wrong with the request.

use chancery::x509::pem::{self, Label};
use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};
use crate::requester::Requester;

struct World {
    appliance: Appliance,
    requester: Requester,
}

impl World {
    fn new() -> Self {
        let appliance = Appliance::start();
        let ca = appliance.root("root", "ec", 256);
        appliance.role("web", &ca, json!({"max_ttl": "24h", "key_type": "rsa", "key_bits": 2048}));
        Self { appliance, requester: Requester::new() }
    }

    /// A CSR for these names by a new RSA key, made with these options of openssl.
    fn csr(&self, options: &[&str], extensions: &str) -> String {
        let key = ["genpkey", "-algorithm", "RSA", "-out", "key.pem"];
        self.requester.openssl(&[&key[..], options].concat());
        self.requester.csr("key.pem", "/CN=www.example.com", extensions)
    }

    fn sign(&self, csr: &str, more: Value) -> Answer {
        let mut body = json!({"csr_pem": csr});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        self.appliance.call("POST", "/v1/pki/sign/web", Some(body))
    }

    fn nothing_was_issued(&self) {
        assert_eq!(self.appliance.call("GET", "/v1/pki/certificates", None).expect(200)["data"], json!([]));
    }
}

/// That exactly this is refused: in each field something with this in its message.
#[track_caller]
fn assert_refused(answer: &Answer, code: &str, wanted: &[(&str, &str)]) {
    let (found, fields) = answer.refused(400);
    let wanted_fields: Vec<_> = wanted.iter().map(|(field, _)| (*field).to_owned()).collect();
    assert_eq!((found.as_str(), fields), (code, wanted_fields), "{}", answer.text());
    let problem = answer.json();
    for (violation, (field, part)) in problem["violations"].as_array().unwrap().iter().zip(wanted) {
        assert!(violation["message"].as_str().unwrap().contains(part), "{field}: {violation} does not say {part:?}");
    }
    let count = wanted.len().to_string();
    assert!(wanted.len() == 1 || problem["detail"].as_str().unwrap().contains(&count), "{}", answer.text());
}

#[test]
fn a_csr_that_cannot_be_read_hides_neither_ttl_nor_names() {
    let world = World::new();
    let names = json!(["www.example.com", "a_b.example.com", "www.other.org", "10.0.0.1"]);
    let answer = world.sign("hello", json!({"ttl": "1y", "san": names}));
    let (ttl, csr) = (("ttl", "unit"), ("csr_pem", "PEM"));
    let (underscore, foreign) = (("san[1]", "underscore"), ("san[2]", "outside the role's allowed domains"));
    assert_refused(&answer, "invalid_request", &[("ttl", "whole number"), csr, underscore, foreign]);
    assert_refused(&world.sign("hello", json!({"ttl": "24"})), "invalid_request", &[ttl, csr]);
    // What could be said of a common name is not: there is none to look at.
    assert_refused(&world.sign("hello", json!({"ttl": "25h"})), "invalid_request", &[csr, ("ttl", "at most 24h")]);
    assert_refused(&world.sign("hello", json!({"san": vec!["x.example.com"; 101]})), "invalid_request", &[csr, ("san[0]", "at most 100")]);
    world.nothing_was_issued();
}

#[test]
fn a_key_that_is_not_taken_hides_neither_names_nor_ttl() {
    let world = World::new();
    let extensions = "subjectAltName = DNS:www.example.com, DNS:www.other.org\nextendedKeyUsage = codeSigning";
    let short = world.csr(&["-pkeyopt", "rsa_keygen_bits:1024"], extensions);
    let (key, ttl) = (("csr_pem", "1024 bits"), ("ttl", "at most 24h"));
    let foreign = ("csr_pem", "www.other.org is outside the role's allowed domains");
    let usage = ("csr_pem", "extended key usage");
    assert_refused(&world.sign(&short, json!({"ttl": "48h"})), "invalid_request", &[key, foreign, usage, ttl]);
    // Names that replace those of the request are judged in their place.
    let replaced = world.sign(&short, json!({"ttl": "48h", "san": ["www.example.com", "www.else.org"]}));
    assert_refused(&replaced, "invalid_request", &[key, ("san[1]", "outside"), usage, ttl]);
    let alone = world.csr(&["-pkeyopt", "rsa_keygen_bits:1024"], "");
    assert_refused(&world.sign(&alone, json!({})), "invalid_request", &[key]);
    // Another kind of key than the role is for is told as what it is, and not a second time as not of the role's type.
    world.requester.key("curve.pem", "secp256k1");
    let curve = world.requester.csr("curve.pem", "/CN=www.other.org", "");
    assert_refused(&world.sign(&curve, json!({})), "invalid_request", &[("csr_pem", "curve"), foreign]);
    world.nothing_was_issued();
}

#[test]
fn a_signature_that_proves_nothing_hides_nothing() {
    let world = World::new();
    let csr = world.csr(&["-pkeyopt", "rsa_keygen_bits:2048"], "subjectAltName = DNS:www.other.org, DNS:www.example.com");
    let mut der = pem::decode_one(&csr, Label::CertificateRequest).unwrap();
    *der.last_mut().unwrap() ^= 1;
    let forged = pem::encode(Label::CertificateRequest, &der);
    let (proof, foreign) = (("csr_pem", "not made with the key"), ("csr_pem", "www.other.org is outside"));
    assert_refused(&world.sign(&forged, json!({"ttl": "5"})), "invalid_request", &[("ttl", "unit"), proof, foreign]);
    // A request that is refused for its hash and its key says both.
    world.csr(&["-pkeyopt", "rsa_keygen_bits:1024"], "");
    let old = ["req", "-new", "-sha1", "-key", "key.pem", "-subj", "/CN=www.example.com", "-config", "csr.cnf", "-out", "csr.pem"];
    world.requester.openssl(&old);
    let answer = world.sign(&world.requester.read("csr.pem"), json!({}));
    assert_refused(&answer, "invalid_request", &[("csr_pem", "1024 bits"), ("csr_pem", "algorithm that is not accepted")]);
    world.nothing_was_issued();
}

#[test]
fn a_weak_key_is_told_with_what_the_role_does_not_allow() {
    let world = World::new();
    let options = ["-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"];
    let weak = world.csr(&options, "subjectAltName = DNS:www.example.com, DNS:www.other.org");
    let (key, ttl) = (("csr_pem", "smaller than 65537"), ("ttl", "at most 24h"));
    let foreign = ("csr_pem", "www.other.org is outside the role's allowed domains");
    assert_refused(&world.sign(&weak, json!({"ttl": "48h"})), "policy_violation", &[foreign, ttl, key]);
    let malformed = world.sign(&weak, json!({"ttl": "48"}));
    assert_refused(&malformed, "invalid_request", &[("ttl", "unit"), foreign, key]);
    let alone = world.csr(&options, "");
    assert_refused(&world.sign(&alone, json!({})), "weak_key", &[key]);
    world.nothing_was_issued();
}

#[test]
fn a_compromised_key_is_told_with_what_the_role_does_not_allow() {
    let world = World::new();
    let csr = world.csr(&["-pkeyopt", "rsa_keygen_bits:2048"], "");
    let signed = world.sign(&csr, json!({})).expect(201);
    let revocation = json!({"serial_number": signed["serial_number"], "reason": "key_compromise"});
    world.appliance.call("POST", "/v1/pki/revoke", Some(revocation)).expect(200);
    let (key, ttl) = (("csr_pem", "revoked as compromised"), ("ttl", "at most 24h"));
    assert_refused(&world.sign(&csr, json!({"ttl": "48h"})), "policy_violation", &[ttl, key]);
    assert_refused(&world.sign(&csr, json!({})), "bad_key", &[key]);
}

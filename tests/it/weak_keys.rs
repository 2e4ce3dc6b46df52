//! Keys that are not certified: weak, malformed, unproved, of an authority, or known to be compromised.

use chancery::x509::algorithm::{Hash, SignatureAlgorithm};
use chancery::x509::certificate::Certificate;
use chancery::x509::csr::RequestDraft;
use chancery::x509::name::DistinguishedName;
use chancery::x509::pem::{self, Label};
use chancery::x509::signed;
use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};
use crate::requester::Requester;
use crate::token_tool::token_tool;

struct World {
    appliance: Appliance,
    requester: Requester,
    ca: String,
}

impl World {
    fn new() -> Self {
        let appliance = Appliance::start();
        let ca = appliance.root("root", "ec", 256);
        for (role, key_type, bits) in [("rsa", "rsa", json!(2048)), ("ec", "ec", json!(256)), ("ed25519", "ed25519", Value::Null)] {
            appliance.role(role, &ca, json!({"key_type": key_type, "key_bits": bits}));
        }
        let requester = Requester::new();
        requester.key("key.pem", "P-256");
        Self { appliance, requester, ca }
    }

    fn sign(&self, role: &str, csr: &str) -> Answer {
        self.appliance.call("POST", &format!("/v1/pki/sign/{role}"), Some(json!({"csr_pem": csr})))
    }

    /// That a CSR is refused for itself, with this code and this in the message.
    #[track_caller]
    fn refused(&self, what: &str, role: &str, csr: &str, code: &str, part: &str) {
        let answer = self.sign(role, csr);
        let (found, fields) = answer.refused(400);
        assert_eq!((found.as_str(), fields.first().map(String::as_str)), (code, Some("csr_pem")), "{what}: {}", answer.text());
        assert!(answer.text().contains(part), "{what}: {} does not say {part:?}", answer.text());
    }
}

#[test]
fn keys_made_from_bad_numbers_are_refused() {
    let world = World::new();
    let requester = &world.requester;
    requester.write("weak_keys.py", include_str!("weak_keys.py"));
    requester.csr("key.pem", "/CN=www.example.com", "");
    requester.openssl(&["req", "-in", "csr.pem", "-outform", "DER", "-out", "good.der"]);
    let ca = world.appliance.call("GET", &format!("/v1/pki/ca/{}/certificate", world.ca), None).expect(200);
    requester.write("ca.pem", ca["certificate_pem"].as_str().unwrap());
    requester.write("ca.pub", requester.openssl(&["x509", "-in", "ca.pem", "-noout", "-pubkey"]));
    requester.openssl(&["pkey", "-pubin", "-in", "ca.pub", "-outform", "DER", "-out", "ca.spki"]);
    crate::appliance::run(&mut requester.command("python3", &["weak_keys.py"]));

    world.sign("rsa", &requester.read("sound.pem")).expect(201);
    let (weak, invalid) = ("weak_key", "invalid_request");
    for (name, role, code, part) in [
        ("rsa-1024", "rsa", invalid, "1024 bits"),
        ("rsa-2056", "rsa", invalid, "2056 bits"),
        ("exponent-3", "rsa", weak, "smaller than 65537"),
        ("close-primes", "rsa", weak, "close to each other"),
        ("small-factor", "rsa", weak, "small factor 11"),
        ("roca", "rsa", weak, "ROCA"),
        ("off-curve", "ec", invalid, "not on its curve"),
        ("infinity", "ec", invalid, "key"),
        ("small-order", "ed25519", weak, "small order"),
        ("ca-key", "ec", invalid, "not made with the key"),
        ("tampered-name", "ec", invalid, "not made with the key"),
        ("tampered-signature", "ec", invalid, "not made with the key"),
        ("version-2", "rsa", invalid, "version 1"),
        ("trailing", "ec", invalid, "cannot be read"),
        ("cut", "ec", invalid, "cannot be read"),
    ] {
        world.refused(name, role, &requester.read(&format!("{name}.pem")), code, part);
    }
    let listed = world.appliance.call("GET", "/v1/pki/certificates", None).expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "only the sound one was certified");
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let world = World::new();
    let requester = &world.requester;
    let generate = |options: &[&str]| {
        requester.openssl(&[&["genpkey", "-out", "other.pem"], options].concat());
        requester.csr("other.pem", "/CN=www.example.com", "")
    };
    for (curve, part) in
        [("secp256k1", "curve 1.3.132.0.10"), ("secp224r1", "curve"), ("brainpoolP256r1", "curve"), ("prime192v1", "curve")]
    {
        let csr = generate(&["-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")]);
        world.refused(curve, "ec", &csr, "invalid_request", part);
    }
    let explicit = generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"]);
    world.refused("explicit", "ec", &explicit, "invalid_request", "explicit parameters");
    requester.openssl(&["ec", "-in", "key.pem", "-conv_form", "compressed", "-out", "compressed.pem"]);
    let compressed = requester.csr("compressed.pem", "/CN=www.example.com", "");
    world.refused("compressed", "ec", &compressed, "invalid_request", "compressed");
    let pss = generate(&["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"]);
    world.refused("RSA-PSS", "rsa", &pss, "invalid_request", "1.2.840.113549.1.1.10");
    let ed448 = generate(&["-algorithm", "ED448"]);
    world.refused("Ed448", "ed25519", &ed448, "invalid_request", "1.3.101.113");
}

#[test]
fn requests_signed_with_a_broken_hash_are_refused() {
    let world = World::new();
    world.requester.key("rsa.pem", "rsa-2048");
    for (key, role, hash) in
        [("rsa.pem", "rsa", "-sha1"), ("rsa.pem", "rsa", "-md5"), ("key.pem", "ec", "-sha1"), ("rsa.pem", "rsa", "-sha224")]
    {
        world.requester.csr(key, "/CN=www.example.com", "");
        world.requester.openssl(&[
            "req",
            "-new",
            hash,
            "-key",
            key,
            "-subj",
            "/CN=www.example.com",
            "-config",
            "csr.cnf",
            "-out",
            "csr.pem",
        ]);
        world.refused(hash, role, &world.requester.read("csr.pem"), "invalid_request", "algorithm that is not accepted");
    }
}

#[test]
fn texts_that_are_no_single_csr_are_refused() {
    let world = World::new();
    let requester = &world.requester;
    let csr = requester.csr("key.pem", "/CN=www.example.com", "");
    let certificate = world.sign("ec", &csr).expect(201)["certificate"].as_str().unwrap().to_owned();
    let body: String = csr.lines().filter(|line| !line.starts_with('-')).collect();
    for (what, text) in [
        ("nothing", String::new()),
        ("no PEM", "hello".to_owned()),
        ("two", format!("{csr}{csr}")),
        ("a certificate", certificate.clone()),
        ("a certificate in a CSR's clothes", certificate.replace("CERTIFICATE", "CERTIFICATE REQUEST")),
        ("a key", requester.read("key.pem")),
        ("bare base64", body),
        ("not closed", csr.replace("-----END CERTIFICATE REQUEST-----", "")),
        ("bad base64", csr.replacen("MI", "M!", 1)),
    ] {
        world.refused(what, "ec", &text, "invalid_request", "csr_pem");
    }
    // openssl and Windows write it in these ways too.
    world.sign("ec", &csr.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")).expect(201);
    world.sign("ec", &csr.replace('\n', "\r\n")).expect(201);
    let with_text = requester.openssl(&["req", "-in", "csr.pem", "-text"]);
    world.sign("ec", &with_text).expect(201);
}

#[test]
fn a_compromised_key_is_never_certified_again() {
    let world = World::new();
    let requester = &world.requester;
    let other = world.appliance.root("other", "ec", 256);
    world.appliance.role("other", &other, json!({}));
    let revoke = |signed: &Value, reason: &str| {
        let body = json!({"serial_number": signed["serial_number"], "reason": reason});
        world.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    };
    for reason in ["key_compromise", "ca_compromise", "aa_compromise"] {
        requester.key("lost.pem", "P-256");
        let csr = requester.csr("lost.pem", "/CN=www.example.com", "");
        revoke(&world.sign("ec", &csr).expect(201), reason);
        let again = requester.csr("lost.pem", "/CN=api.example.com", "");
        for role in ["ec", "other"] {
            world.refused(reason, role, &again, "bad_key", "compromised");
        }
    }
    for reason in ["superseded", "unspecified", "certificate_hold"] {
        requester.key("kept.pem", "P-256");
        let csr = requester.csr("kept.pem", "/CN=www.example.com", "");
        revoke(&world.sign("ec", &csr).expect(201), reason);
        world.sign("ec", &csr).expect(201);
    }
}

#[test]
fn a_compromised_key_stays_refused_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    appliance.role("ec", &ca, json!({}));
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let body = json!({"csr_pem": requester.csr("key.pem", "/CN=www.example.com", "")});
    let signed = appliance.call("POST", "/v1/pki/sign/ec", Some(body.clone())).expect(201);
    let revocation = json!({"serial_number": signed["serial_number"], "reason": "key_compromise"});
    appliance.call("POST", "/v1/pki/revoke", Some(revocation)).expect(200);
    appliance.kill();
    let appliance = Appliance::start_in(dir.path());
    assert_eq!(appliance.call("POST", "/v1/pki/sign/ec", Some(body)).refused(400).0, "bad_key");
}

/// A request that an authority's own key has signed, in the token, by a program that has its PIN: what nobody but the appliance should be able to
/// make, and refused all the same.
#[test]
fn the_key_of_an_authority_gets_no_certificate() {
    let appliance = Appliance::start();
    let requester = Requester::new();
    let ca = appliance.root("root", "rsa", 2048);
    appliance.role("web", &ca, json!({"key_type": "rsa", "key_bits": 2048, "require_cn": false}));
    let certificate = appliance.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200);
    let certificate = pem::decode_one(certificate["certificate_pem"].as_str().unwrap(), Label::Certificate).unwrap();
    let certificate = Certificate::from_der(&certificate).unwrap();
    let (subject, key) = (DistinguishedName::common_name("www.example.com").unwrap(), certificate.public_key().unwrap());
    let info = RequestDraft { subject: &subject, public_key: &key, alt_names: &[] }.to_info();
    requester.write("info", &info);
    let tool = |arguments: &[&str]| token_tool(appliance.dir(), arguments);
    let listed = tool(&["--list-objects", "--type", "privkey"]);
    // The listener's key may be there as well; it is not RSA.
    let of_ca = listed.split("Private Key Object").find(|object| object.contains("RSA")).unwrap_or_else(|| panic!("{listed}"));
    let id = of_ca.lines().find_map(|line| line.trim().strip_prefix("ID:")).unwrap().trim();
    let [input, output] = ["info", "signature"].map(|name| requester.path(name).display().to_string());
    tool(&["--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", id, "--input-file", &input, "--output-file", &output]);
    let signature = std::fs::read(requester.path("signature")).unwrap();
    let csr = signed::assemble(&info, SignatureAlgorithm::RsaPkcs1(Hash::Sha256), &signature).unwrap();
    let csr = pem::encode(Label::CertificateRequest, &csr);
    requester.write("own.csr", &csr);
    requester.openssl(&["req", "-in", "own.csr", "-noout", "-verify"]);
    let answer = appliance.call("POST", "/v1/pki/sign/web", Some(json!({"csr_pem": csr})));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("the key belongs to an authority of this appliance"), "{}", answer.text());
}

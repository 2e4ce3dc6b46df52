//! Chains that are made to keep validation busy, and a certificate no record tells of: thousands of CAs that signed one another. The answer comes all the same, and little memory goes.

use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use chancery::x509::algorithm::KeyType;
use chancery::x509::certificate::Certificate;
use chancery::x509::draft::{Draft, Extensions};
use chancery::x509::extension::{BasicConstraints, KeyUsage};
use chancery::x509::name::DistinguishedName;
use chancery::x509::pem::{self, Label};
use chancery::x509::private_key::{self, GeneratedKey};
use chancery::x509::serial::Serial;
use chancery::x509::signed;
use serde_json::json;

use crate::appliance::Appliance;
use crate::token_tool::token_tool;

/// What a question may take on a machine that does other things; the number that counts is printed.
const WHEN_BUSY: Duration = Duration::from_secs(20);
/// A body of 1 MiB, what it is read into, and the daemon's buffers.
const MOST_MEMORY_KIB: u64 = 64 << 10;

struct Party {
    name: DistinguishedName,
    key: GeneratedKey,
}

impl Party {
    fn new(name: &str) -> Self {
        Self { name: DistinguishedName::common_name(name).unwrap(), key: private_key::generate(KeyType::P256).unwrap() }
    }

    /// A certificate for the subject, in PEM.
    fn signs(&self, subject: &Self, ca: bool) -> String {
        let extensions = Extensions {
            basic_constraints: BasicConstraints { ca, path_len: None },
            key_usage: if ca { KeyUsage::KEY_CERT_SIGN } else { KeyUsage::DIGITAL_SIGNATURE },
            authority_key_id: self.key.public.key_identifier().to_vec(),
            ..Extensions::default()
        };
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        let algorithm = KeyType::P256.default_algorithm();
        let now = jiff::Timestamp::now();
        let at = |hours: i64| jiff::Timestamp::from_second(now.as_second() + hours * 3_600).unwrap();
        let draft = Draft {
            serial: &Serial::from_random(random),
            signature: algorithm,
            issuer: &self.name,
            not_before: at(-1),
            not_after: at(24),
            subject: &subject.name,
            public_key: &subject.key.public,
            extensions: &extensions,
        };
        let tbs = draft.to_tbs().unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.key.pkcs8).unwrap();
        let signature = key.sign(&SystemRandom::new(), &tbs).unwrap();
        pem::encode(Label::Certificate, &signed::assemble(&tbs, algorithm, signature.as_ref()).unwrap())
    }
}

/// The most memory a process has had so far.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn thousands_of_cross_signed_cas_are_answered_soon_and_in_little_memory() {
    let appliance = Appliance::start();
    let root = Party::new("root");
    let body = json!({"name": "hostile", "certificate_pem": root.signs(&root, true)});
    appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201);
    // Four names for all, so that each certificate might have been issued by a quarter of the others.
    let parties: Vec<Party> = (0..36).map(|number| Party::new(&format!("CA {}", number % 4))).collect();
    let mut chain: Vec<String> = parties.iter().flat_map(|issuer| parties.iter().map(|subject| issuer.signs(subject, true))).collect();
    let leaf = parties[0].signs(&Party::new("leaf"), false);
    let question = |chain: &[String]| json!({"certificate_pem": leaf, "chain_pem": chain.concat(), "check_revocation": true});
    // As many as a body takes.
    while question(&chain).to_string().len() > 1_000_000 {
        chain.pop();
    }
    assert!(chain.len() > 1_000, "{} certificates", chain.len());
    // What a question of that size takes by itself, and what the daemon needs for the first of all.
    let small = question(&chain[..1]);
    appliance.call("POST", "/v1/pki/certificates/validate", Some(small)).expect(200);
    let before = peak_kib(appliance.process_id());
    let hostile = question(&chain);
    let begun = Instant::now();
    let answer = appliance.call("POST", "/v1/pki/certificates/validate", Some(hostile)).expect(200);
    let (took, grown) = (begun.elapsed(), peak_kib(appliance.process_id()) - before);
    println!("{} certificates: answered after {took:?}, {grown} KiB more at the most", chain.len());
    assert_eq!((&answer["valid"], &answer["chain_valid"]), (&json!(false), &json!(false)));
    assert!(answer["warnings"].to_string().contains("ended by its limits"), "{answer}");
    assert!(took < WHEN_BUSY, "{took:?}");
    assert!(grown < MOST_MEMORY_KIB, "{grown} KiB");
    appliance.call_as(None, "GET", "/healthz", None).expect(200);
}

/// Whoever gets at a token's key may sign what no record tells of, under a serial number that some record has.
#[test]
fn a_serial_number_of_another_authority_is_not_known_to_be_good() {
    let appliance = Appliance::start();
    let one = appliance.root("one", "ec", 256);
    let tool = |arguments: &[&str]| token_tool(appliance.dir(), arguments);
    let listed = tool(&["--list-objects", "--type", "privkey"]);
    let key = listed.lines().find_map(|line| line.trim().strip_prefix("ID:")).expect("the authority's key").trim().to_owned();
    let other = appliance.root("other", "ec", 256);
    appliance.role("web", &other, json!({}));
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    let issued = Certificate::from_der(&pem::decode_one(issued["certificate"].as_str().unwrap(), Label::Certificate).unwrap()).unwrap();
    let shown = appliance.call("GET", &format!("/v1/pki/ca/{one}/certificate"), None).expect(200);
    let issuer = Certificate::from_der(&pem::decode_one(shown["certificate_pem"].as_str().unwrap(), Label::Certificate).unwrap()).unwrap();
    let subject = Party::new("forged");
    let algorithm = KeyType::P256.default_algorithm();
    let extensions = Extensions {
        basic_constraints: BasicConstraints { ca: false, path_len: None },
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        authority_key_id: issuer.subject_key_id().unwrap().to_vec(),
        ..Extensions::default()
    };
    let draft = Draft {
        serial: issued.serial(),
        signature: algorithm,
        issuer: issuer.subject(),
        not_before: issuer.not_before(),
        not_after: issuer.not_after(),
        subject: &subject.name,
        public_key: &subject.key.public,
        extensions: &extensions,
    };
    let tbs = draft.to_tbs().unwrap();
    let (digest, signature) = (appliance.path("tbs.sha256"), appliance.path("tbs.signature"));
    std::fs::write(&digest, aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &tbs)).unwrap();
    let files = [digest.to_str().unwrap(), signature.to_str().unwrap()];
    tool(&[
        "--sign",
        "--mechanism",
        "ECDSA",
        "--id",
        &key,
        "--signature-format",
        "openssl",
        "--input-file",
        files[0],
        "--output-file",
        files[1],
    ]);
    let forged = signed::assemble(&tbs, algorithm, &std::fs::read(&signature).unwrap()).unwrap();
    let body = json!({"certificate_pem": pem::encode(Label::Certificate, &forged), "check_revocation": true});
    let answer = appliance.call("POST", "/v1/pki/certificates/validate", Some(body)).expect(200);
    assert_eq!(answer["chain_valid"], true, "{answer}");
    assert!(answer["warnings"].to_string().contains("is not known here"), "{answer}");
}

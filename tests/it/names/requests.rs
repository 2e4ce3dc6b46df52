//! What a CSR may ask for, and what is made of what it asks for.

use serde_json::{Value, json};

use super::{assert_violations, violations};
use crate::appliance::{Answer, Appliance};
use crate::requester::Requester;

struct World {
    appliance: Appliance,
    requester: Requester,
}

impl World {
    fn new(role: Value) -> Self {
        let appliance = Appliance::start();
        let ca = appliance.root("root", "ec", 256);
        appliance.role("web", &ca, role);
        let requester = Requester::new();
        requester.key("key.pem", "P-256");
        Self { appliance, requester }
    }

    /// Signs a CSR for this subject with these extensions.
    fn sign(&self, subject: &str, extensions: &str) -> Answer {
        self.sign_with(subject, extensions, json!({}))
    }

    fn sign_with(&self, subject: &str, extensions: &str, more: Value) -> Answer {
        let mut body = json!({"csr_pem": self.requester.csr("key.pem", subject, extensions)});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.appliance.call("POST", "/v1/pki/sign/web", Some(body))
    }

    /// What openssl reads in the certificate that was signed, and the warnings.
    #[track_caller]
    fn signed(&self, answer: &Answer) -> (String, Vec<String>) {
        let signed = answer.expect(201);
        let warnings = signed["warnings"].as_array().into_iter().flatten().map(|w| w.as_str().unwrap().to_owned()).collect();
        (self.requester.certificate_text(signed["certificate"].as_str().unwrap()), warnings)
    }
}

/// A subjectAltName of openssl's language with these GeneralNames, each a tag and its content.
fn san(names: &[(u8, &[u8])]) -> String {
    let tlv = |tag: u8, content: &[u8]| {
        assert!(content.len() < 0x80);
        [&[tag, content.len() as u8], content].concat()
    };
    let content: Vec<u8> = names.iter().flat_map(|(tag, content)| tlv(*tag, content)).collect();
    // DER, long form of the length in two bytes.
    let whole = [&[0x30, 0x82, (content.len() >> 8) as u8, content.len() as u8], content.as_slice()].concat();
    let whole = if content.len() < 0x80 { tlv(0x30, &content) } else { whole };
    let whole =
        if (0x80..0x100).contains(&content.len()) { [&[0x30, 0x81, content.len() as u8], content.as_slice()].concat() } else { whole };
    format!("subjectAltName = DER:{}", whole.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

#[test]
fn odd_names_of_a_csr_are_all_refused_at_once() {
    let world = World::new(json!({}));
    let other_name = b"\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03\xa0\x06\x0c\x04user";
    let directory = b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a";
    let names: [(u8, &[u8], &str); 18] = [
        (0x82, b"www.example.com\0.evil.org", "control character"),
        (0x82, b"w\xffw.example.com", "non-ASCII"),
        (0x82, "bücher.example.com".as_bytes(), "non-ASCII"),
        (0x82, b"", "empty"),
        (0x82, b" ", "only letters"),
        (0x82, b"10.0.0.1", "ip_sans"),
        (0x82, b"*", "bare wildcard"),
        (0x82, b"*.com", "at least two labels"),
        (0x82, b"www.*.example.com", "leftmost label"),
        (0x82, b"xn--a.example.com", "punycode"),
        (0x82, b"www.other.org", "outside the role's allowed domains"),
        (0x81, b"user@example.com", "rfc822Name"),
        (0x86, b"https://www.example.com/", "uniformResourceIdentifier"),
        (0xa0, other_name, "otherName"),
        (0xa4, directory, "directoryName"),
        (0x88, b"\x2a\x03\x04", "registeredID"),
        (0x87, b"\x0a\x00\x00\x01\xff", "5"),
        (0x87, b"\x0a\x00\x00\x00\xff\xff\xff\x00", "8"),
    ];
    let given: Vec<_> = [(0x82, b"www.example.com".as_slice())].into_iter().chain(names.iter().map(|(t, c, _)| (*t, *c))).collect();
    let answer = world.sign("/CN=www.example.com", &san(&given));
    assert_violations(&answer, names.iter().map(|(.., part)| ("csr_pem".to_owned(), *part)));
}

#[test]
fn a_san_that_is_no_list_of_names_is_refused() {
    let world = World::new(json!({}));
    for extension in
        ["subjectAltName = DER:30:00", "subjectAltName = DER:05:00", "subjectAltName = DER:30:03:82:05:61", "keyUsage = DER:04:01:00"]
    {
        let answer = world.sign("/CN=www.example.com", extension);
        let (code, fields) = answer.refused(400);
        assert_eq!((code.as_str(), fields.as_slice()), ("invalid_request", ["csr_pem".to_owned()].as_slice()), "{extension}");
        assert!(answer.text().contains("cannot be read"), "{}", answer.text());
    }
}

#[test]
fn the_common_name_of_a_csr_is_one_of_its_names() {
    let world = World::new(json!({}));
    let field = || "csr_pem".to_owned();
    let (text, _) = world.signed(&world.sign("/CN=www.example.com", ""));
    assert!(text.contains("DNS:www.example.com\n"), "alone it becomes the alternative name: {text}");
    world.sign("/CN=WWW.example.com", "subjectAltName = DNS:api.example.com, DNS:www.example.com").expect(201);
    let answer = world.sign("/CN=www.example.com", "subjectAltName = DNS:api.example.com");
    assert_violations(&answer, [(field(), "must be among the subject alternative names")]);
    let answer = world.sign_with("/CN=www.example.com", "", json!({"san": ["api.example.com"]}));
    assert_violations(&answer, [(field(), "must be among the subject alternative names")]);
    assert_violations(&world.sign("/CN=www.example.com/CN=api.example.com", ""), [(field(), "more than one common name")]);
    assert_violations(&world.sign("/CN=The Web Server", "subjectAltName = DNS:api.example.com"), [(field(), "is not a host name")]);
    assert_violations(&world.sign("/O=Example", "subjectAltName = DNS:api.example.com"), [(field(), "requires a common name")]);
}

#[test]
fn without_a_common_name_the_san_is_critical() {
    let world = World::new(json!({"require_cn": false}));
    let (text, _) = world.signed(&world.sign("/", "subjectAltName = DNS:api.example.com"));
    // RFC 5280, 4.2.1.6: with an empty subject the alternative name must be critical.
    assert!(text.contains("X509v3 Subject Alternative Name: critical\n                DNS:api.example.com"), "{text}");
    assert_violations(&world.sign("/", ""), [("csr_pem".to_owned(), "at least one name")]);
    let (text, _) = world.signed(&world.sign("/CN=www.example.com", ""));
    assert!(text.contains("X509v3 Subject Alternative Name: \n"), "{text}");
}

#[test]
fn a_csr_gets_the_usages_of_the_role_or_fewer() {
    let world = World::new(json!({}));
    let usages = |extensions: &str| {
        let (text, _) = world.signed(&world.sign("/CN=www.example.com", extensions));
        let line = |name: &str| text.split(name).nth(1).and_then(|rest| rest.lines().nth(1)).map(|line| line.trim().to_owned());
        (line("X509v3 Key Usage: critical").unwrap(), line("X509v3 Extended Key Usage:").unwrap())
    };
    let both = "TLS Web Server Authentication, TLS Web Client Authentication".to_owned();
    assert_eq!(usages(""), ("Digital Signature".to_owned(), both.clone()));
    assert_eq!(usages("keyUsage = critical, digitalSignature"), ("Digital Signature".to_owned(), both));
    let client = "TLS Web Client Authentication".to_owned();
    assert_eq!(usages("extendedKeyUsage = clientAuth\nbasicConstraints = CA:FALSE"), ("Digital Signature".to_owned(), client));
}

#[test]
fn what_a_role_does_not_give_is_refused_all_at_once() {
    let world = World::new(json!({"max_ttl": "24h"}));
    for (extension, part) in [
        ("basicConstraints = critical, CA:TRUE", "asks for a CA certificate"),
        ("keyUsage = keyCertSign", "key usage"),
        ("keyUsage = digitalSignature, cRLSign", "key usage"),
        ("keyUsage = keyEncipherment", "key usage"),
        ("extendedKeyUsage = codeSigning", "extended key usage"),
        ("extendedKeyUsage = anyExtendedKeyUsage", "extended key usage"),
        ("extendedKeyUsage = serverAuth, 1.3.6.1.4.1.55555.1", "1.3.6.1.4.1.55555.1"),
    ] {
        assert_violations(&world.sign("/CN=www.example.com", extension), [("csr_pem".to_owned(), part)]);
    }
    let extensions = "basicConstraints = CA:TRUE\nkeyUsage = keyCertSign\nextendedKeyUsage = codeSigning, OCSPSigning\n\
                      subjectAltName = DNS:www.other.org, email:a@example.com, DNS:www.example.com";
    let found = violations(&world.sign_with("/CN=www.example.com", extensions, json!({"ttl": "25h"})));
    assert_eq!(found.len(), 7, "{found:#?}");
    let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).filter(|field| *field != "csr_pem").collect();
    assert_eq!(fields, ["ttl"]);
}

#[test]
fn what_is_left_out_is_said() {
    let world = World::new(json!({}));
    let extensions = "1.3.6.1.4.1.55555.7 = ASN1:UTF8String:strange\nnoCheck = ignored\nnameConstraints = permitted;DNS:example.com\n\
                      subjectAltName = DNS:www.example.com";
    let (text, warnings) = world.signed(&world.sign("/C=DE/O=Evil Corp/OU=Ops/CN=www.example.com", extensions));
    for wanted in [
        "extension 1.3.6.1.4.1.55555.7",
        "extension 1.3.6.1.5.5.7.48.1.5",
        "extension 2.5.29.30",
        "attribute C ",
        "attribute O ",
        "attribute OU ",
    ] {
        assert!(warnings.iter().any(|warning| warning.contains(wanted)), "{wanted} is not in {warnings:#?}");
    }
    assert_eq!(warnings.len(), 6, "{warnings:#?}");
    assert!(text.contains("Subject: CN = www.example.com\n"), "{text}");
    for absent in ["55555", "No Check", "Name Constraints", "Evil"] {
        assert!(!text.contains(absent), "{absent} came in: {text}");
    }
}

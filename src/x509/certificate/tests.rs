use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use proptest::prelude::*;

use super::*;
use crate::x509::algorithm::{Hash, KeyType};
use crate::x509::dns_name::DnsName;
use crate::x509::draft::{Draft, Extensions};
use crate::x509::lint::{Role, lint_tbs};
use crate::x509::name::AttributeType;
use crate::x509::san::SubjectAltName;
use crate::x509::test_keys::TestKey;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn subject(common_name: &str) -> DistinguishedName {
    let attributes =
        [(AttributeType::Country, "DE"), (AttributeType::Organization, "Example GmbH"), (AttributeType::CommonName, common_name)];
    DistinguishedName::from_attributes(&attributes.map(|(kind, value)| (kind, value.to_owned()))).unwrap()
}

fn ca_extensions(path_len: Option<u8>, authority: &[u8]) -> Extensions {
    Extensions {
        basic_constraints: BasicConstraints::ca(path_len),
        key_usage: KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN),
        authority_key_id: authority.to_vec(),
        ..Extensions::default()
    }
}

struct Chain {
    root: Certificate,
    intermediate: Certificate,
    leaf: Certificate,
}

/// Root, intermediate and leaf, each signed as its issuer's key type prefers, and each passed by the lint.
fn chain(key_types: [KeyType; 3], algorithm: Option<SignatureAlgorithm>) -> Chain {
    chain_for(&[dns("*.apps.example.com"), san::parse_uri("spiffe://example.com/web").unwrap()], key_types, algorithm)
}

fn dns(name: &str) -> SubjectAltName {
    SubjectAltName::Dns(DnsName::parse(name).unwrap())
}

fn chain_for(more_names: &[SubjectAltName], key_types: [KeyType; 3], algorithm: Option<SignatureAlgorithm>) -> Chain {
    let [root_key, middle_key, leaf_key] = key_types.map(TestKey::generate);
    let [root_signs, middle_signs] = [key_types[0], key_types[1]].map(|kind| algorithm.unwrap_or(kind.default_algorithm()));
    let (root_name, middle_name, leaf_name) = (subject("Example Root"), subject("Example Issuing"), subject("www.example.com"));
    let (root_id, middle_id) = (root_key.public().key_identifier(), middle_key.public().key_identifier());

    let root = root_key.issue(&Draft {
        serial: &Serial::from_random([1; 16]),
        signature: root_signs,
        issuer: &root_name,
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time("2056-01-01T00:00:00Z"),
        subject: &root_name,
        public_key: &root_key.public(),
        extensions: &ca_extensions(None, &root_id),
    });
    let urls = |name: &str| vec![format!("http://pki.example.com/{name}")];
    let intermediate = root_key.issue(&Draft {
        serial: &Serial::from_random([2; 16]),
        signature: root_signs,
        issuer: &root_name,
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time("2049-12-31T23:59:59Z"),
        subject: &middle_name,
        public_key: &middle_key.public(),
        extensions: &Extensions { crl_urls: urls("root.crl"), issuer_urls: urls("root.cer"), ..ca_extensions(Some(0), &root_id) },
    });
    let names = [
        dns("www.example.com"),
        SubjectAltName::Ip("192.0.2.7".parse().unwrap()),
        SubjectAltName::Ip("2001:db8::7".parse().unwrap()),
        san::parse_email("admin@example.com").unwrap(),
    ];
    let leaf_extensions = Extensions {
        basic_constraints: BasicConstraints::leaf(),
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
        alt_names: [&names[..], more_names].concat(),
        authority_key_id: middle_id.to_vec(),
        crl_urls: urls("issuing.crl"),
        delta_crl_urls: urls("issuing-delta.crl"),
        issuer_urls: urls("issuing.cer"),
        ocsp_urls: urls("ocsp"),
        ..Extensions::default()
    };
    let leaf = middle_key.issue(&Draft {
        serial: &Serial::from_random([3; 16]),
        signature: middle_signs,
        issuer: &middle_name,
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time("2036-01-01T00:00:00Z"),
        subject: &leaf_name,
        public_key: &leaf_key.public(),
        extensions: &leaf_extensions,
    });
    for (certificate, role) in [(&root, Role::Root), (&intermediate, Role::Intermediate), (&leaf, Role::Leaf)] {
        assert_eq!(lint_tbs(certificate.tbs(), role), []);
    }
    assert!(root.is_signed_by(&root_key.public()) && intermediate.is_signed_by(&root_key.public()));
    assert!(leaf.is_signed_by(&middle_key.public()) && !leaf.is_signed_by(&root_key.public()));
    Chain { root, intermediate, leaf }
}

fn write_pem(directory: &Path, name: &str, certificate: &Certificate) -> String {
    let path = directory.join(name);
    let body = base64::engine::general_purpose::STANDARD.encode(certificate.der());
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    std::fs::write(&path, format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))).unwrap();
    path.to_str().unwrap().to_owned()
}

fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

const CHAINS: [([KeyType; 3], Option<SignatureAlgorithm>); 6] = [
    ([KeyType::P256, KeyType::P256, KeyType::P256], None),
    ([KeyType::P384, KeyType::P521, KeyType::P384], None),
    ([KeyType::Ed25519, KeyType::Ed25519, KeyType::Ed25519], None),
    ([KeyType::Rsa2048, KeyType::P256, KeyType::Rsa2048], None),
    ([KeyType::Rsa3072, KeyType::Rsa2048, KeyType::Rsa2048], Some(SignatureAlgorithm::RsaPkcs1(Hash::Sha384))),
    ([KeyType::Rsa2048, KeyType::Rsa2048, KeyType::Ed25519], Some(SignatureAlgorithm::RsaPss(Hash::Sha256))),
];

#[test]
fn openssl_verifies_what_is_issued_and_reads_it_alike() {
    for (key_types, algorithm) in CHAINS {
        let directory = tempfile::tempdir().unwrap();
        let chain = chain(key_types, algorithm);
        let root = write_pem(directory.path(), "root.pem", &chain.root);
        let intermediate = write_pem(directory.path(), "intermediate.pem", &chain.intermediate);
        let leaf = write_pem(directory.path(), "leaf.pem", &chain.leaf);
        let (ok, text) = run("openssl", &["verify", "-x509_strict", "-check_ss_sig", "-CAfile", &root, "-untrusted", &intermediate, &leaf]);
        assert!(ok, "{key_types:?}: {text}");
        let (_, text) = run("openssl", &["x509", "-noout", "-text", "-in", &leaf]);
        let serial = chain.leaf.serial().to_string().to_lowercase();
        for wanted in [
            serial.as_str(),
            "Version: 3 (0x2)",
            "DNS:www.example.com, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7, email:admin@example.com",
            "DNS:*.apps.example.com, URI:spiffe://example.com/web",
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "URI:http://pki.example.com/issuing.crl",
            "OCSP - URI:http://pki.example.com/ocsp",
            "CA Issuers - URI:http://pki.example.com/issuing.cer",
            "Not After : Jan  1 00:00:00 2036 GMT",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
        }
        let (_, text) = run("openssl", &["x509", "-noout", "-text", "-in", &root]);
        assert!(text.contains("Not After : Jan  1 00:00:00 2056 GMT") && text.contains("Certificate Sign, CRL Sign"), "{text}");
    }
}

#[test]
fn pkilint_finds_no_error() {
    let linter = crate::x509::test_keys::python_tool("lint_pkix_cert");
    for (key_types, algorithm) in CHAINS {
        let directory = tempfile::tempdir().unwrap();
        // Its checks of DNS names and URIs know neither wildcards nor the scheme spiffe, which RFC 5280 leaves open.
        let more_names = [dns("xn--bcher-kva.example"), san::parse_uri("https://example.com/web").unwrap()];
        let Chain { root, intermediate, leaf } = chain_for(&more_names, key_types, algorithm);
        for (name, certificate) in [("root", &root), ("intermediate", &intermediate), ("leaf", &leaf)] {
            let path = write_pem(directory.path(), name, certificate);
            let (ok, text) = run(&linter, &["lint", "-s", "NOTICE", &path]);
            assert!(ok && text.trim().is_empty(), "{key_types:?} {name}: {text}");
        }
    }
}

#[test]
fn what_was_drafted_is_read() {
    let Chain { root, intermediate, leaf } = chain([KeyType::P256; 3], None);
    assert_eq!(leaf.version(), 3);
    assert_eq!(leaf.issuer(), intermediate.subject());
    assert_eq!(leaf.subject().to_string(), "CN=www.example.com,O=Example GmbH,C=DE");
    assert_eq!(leaf.not_after(), time("2036-01-01T00:00:00Z"));
    assert_eq!(leaf.basic_constraints(), Some(BasicConstraints::leaf()));
    assert_eq!(intermediate.basic_constraints(), Some(BasicConstraints::ca(Some(0))));
    assert_eq!(leaf.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
    assert_eq!(leaf.extended_key_usage(), [ExtendedKeyUsage::ServerAuth.oid(), ExtendedKeyUsage::ClientAuth.oid()]);
    assert_eq!(leaf.names().len(), 6);
    assert!(leaf.names().contains(&RequestedName::Good(SubjectAltName::Ip(IpAddr::from([192, 0, 2, 7])))));
    assert_eq!(leaf.authority_key_id(), intermediate.subject_key_id());
    assert_eq!(leaf.subject_key_id(), Some(&leaf.public_key().unwrap().key_identifier()[..]));
    assert_eq!(leaf.crl_urls(), ["http://pki.example.com/issuing.crl"]);
    assert_eq!(leaf.issuer_urls(), ["http://pki.example.com/issuing.cer"]);
    assert_eq!(leaf.ocsp_urls(), ["http://pki.example.com/ocsp"]);
    assert_eq!(leaf.signature_algorithm(), Some(SignatureAlgorithm::Ecdsa(Hash::Sha256)));
    assert_eq!(leaf.extension_ids().len(), 9);
    assert_eq!(Certificate::from_der(root.der()).unwrap(), root);
    assert_eq!(hex::encode(root.sha256()), hex::encode(Hash::Sha256.digest(root.der())));
}

#[test]
fn a_subject_may_be_empty_and_a_time_must_have_a_form() {
    let key = TestKey::generate(KeyType::P256);
    let extensions = Extensions { alt_names: vec![SubjectAltName::Ip("192.0.2.1".parse().unwrap())], ..Extensions::default() };
    let mut draft = Draft {
        serial: &Serial::from_random([9; 16]),
        signature: SignatureAlgorithm::Ecdsa(Hash::Sha256),
        issuer: &subject("Issuer"),
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time("2027-01-01T00:00:00Z"),
        subject: &DistinguishedName::empty(),
        public_key: &key.public(),
        extensions: &extensions,
    };
    let certificate = key.issue(&draft);
    assert!(certificate.subject().is_empty());
    assert!(certificate.extension_ids().contains(&(extension::SUBJECT_ALT_NAME, true)));
    draft.not_before = time("1949-01-01T00:00:00Z");
    assert!(draft.to_tbs().is_err());
}

#[test]
fn foreign_certificates_are_taken() {
    // RSA-1024 with SHA-1, version 1, and keys that are not offered.
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let key = path("key.pem");
    for (algorithm, options) in [
        (&["rsa:1024"][..], &["-sha1"][..]),
        (&["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], &[]),
        (&["ed448"], &[]),
        (
            &["rsa:2048"],
            &["-addext", "subjectAltName=dirName:d,otherName:1.2.3;UTF8:x,RID:1.2.3", "-addext", "nameConstraints=permitted;DNS:x.y"],
        ),
    ] {
        let out = path("out.der");
        let config = path("config");
        std::fs::write(&config, "[req]\ndistinguished_name=d\nx509_extensions=v3\n[d]\nCN=x\n[v3]\n").unwrap();
        let head = [
            "req",
            "-x509",
            "-nodes",
            "-outform",
            "DER",
            "-subj",
            "/CN=Old/O=Ö",
            "-utf8",
            "-config",
            &config,
            "-keyout",
            &key,
            "-out",
            &out,
        ];
        let arguments = [&head[..], &["-newkey"], algorithm, options].concat();
        let (ok, text) = run("openssl", &arguments);
        assert!(ok, "{text}");
        let certificate = Certificate::from_der(&std::fs::read(&out).unwrap()).unwrap();
        assert_eq!(certificate.subject().to_string(), "O=Ö,CN=Old");
        match certificate.public_key() {
            Ok(key) => assert!(certificate.is_signed_by(&key)),
            Err(_) => assert!(!certificate.is_signed_by(&TestKey::generate(KeyType::P256).public())),
        }
    }
}

#[test]
fn what_is_not_a_certificate_is_refused() {
    let chain = chain([KeyType::P256; 3], None);
    let der = chain.leaf.der();
    let mut longer = der.to_vec();
    longer.push(0);
    assert_eq!(Certificate::from_der(&longer), Err(CertificateFault::Encoding(DerFault::Trailing)));
    assert_eq!(Certificate::from_der(&der[..der.len() - 1]), Err(CertificateFault::Encoding(DerFault::Incomplete)));
    assert_eq!(Certificate::from_der(&vec![0; Certificate::MOST_BYTES + 1]), Err(CertificateFault::TooLarge));
    let other = signed::assemble(chain.leaf.tbs(), SignatureAlgorithm::Ecdsa(Hash::Sha384), chain.leaf.signature()).unwrap();
    assert_eq!(Certificate::from_der(&other), Err(CertificateFault::AlgorithmsDiffer));
}

/// Made once, so that each mutation costs only its parse.
static REAL: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| chain([KeyType::P256; 3], None).leaf.der().to_vec());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn mutated_certificates_do_not_panic(mutations in proptest::collection::vec((0usize..1200, any::<u8>()), 1..4), cut in 0usize..2000) {
        let mut der = REAL.clone();
        for (place, value) in mutations {
            if let Some(byte) = der.get_mut(place) { *byte = value; }
        }
        der.truncate(cut.max(8));
        if let Ok(certificate) = Certificate::from_der(&der) {
            prop_assert_eq!(certificate.der(), &der[..]);
            let _ = (certificate.public_key(), certificate.subject().to_string(), certificate.sha256());
        }
        if let Some(tbs) = der.get(4..) {
            for role in [Role::Root, Role::Intermediate, Role::Leaf] {
                let _ = lint_tbs(tbs, role);
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Certificate::from_der(&bytes), lint_tbs(&bytes, Role::Leaf));
    }
}

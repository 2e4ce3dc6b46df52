use std::sync::LazyLock;

use proptest::prelude::*;

use super::content::extension_list;
use super::*;
use crate::x509::algorithm::{Hash, KeyType};
use crate::x509::dns_name::{DnsName, DnsNameFault};
use crate::x509::extension::{self, ExtendedKeyUsage, write};
use crate::x509::san::SubjectAltName;
use crate::x509::test_keys::TestKey;
use crate::x509::tlv::Element;

/// What openssl makes of a new key of that algorithm, with these further arguments.
fn openssl(algorithm: &[&str], further: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (key, config) = (directory.path().join("key.pem"), directory.path().join("config"));
    std::fs::write(&config, "[req]\ndistinguished_name=d\nattributes=a\n[d]\n[a]\nchallengePassword=x\nchallengePassword_default=secret\n")
        .unwrap();
    let output = std::process::Command::new("openssl")
        .args(["req", "-new", "-nodes", "-utf8", "-outform", "DER", "-subj", "/C=DE/O=Example GmbH/CN=www.example.com", "-config"])
        .arg(&config)
        .arg("-keyout")
        .arg(&key)
        .arg("-newkey")
        .args(algorithm)
        .args(further)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn read(algorithm: &[&str], further: &[&str]) -> Result<CertificateRequest, CsrFault> {
    CertificateRequest::from_der(&openssl(algorithm, further))
}

const P256: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

#[test]
fn requests_of_every_family_are_taken() {
    let pss = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"][..];
    for (algorithm, further, key_type) in [
        (&["rsa:2048"][..], &[][..], KeyType::Rsa2048),
        (&["rsa:3072"], &["-sha512"], KeyType::Rsa3072),
        (&["rsa:2048"], &[&["-sha384"], pss].concat(), KeyType::Rsa2048),
        (P256, &[], KeyType::P256),
        (P256, &["-sha512"], KeyType::P256),
        (&["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], &["-sha384"], KeyType::P384),
        (&["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], &["-sha512"], KeyType::P521),
        (&["ed25519"], &[], KeyType::Ed25519),
    ] {
        let request = read(algorithm, further).unwrap_or_else(|fault| panic!("{algorithm:?} {further:?}: {fault}"));
        assert_eq!(request.public_key().key_type(), key_type);
        assert_eq!(request.subject().to_string(), "CN=www.example.com,O=Example GmbH,C=DE");
        assert_eq!(request.spki_sha256(), request.public_key().spki_sha256());
        assert!(request.names().is_empty() && !request.asks_for_ca() && request.key_usage().is_none());
    }
}

#[test]
fn what_it_asks_for_is_read_through_the_allow_list() {
    let request = read(
        P256,
        &[
            "-addext",
            "subjectAltName=DNS:WWW.example.com,DNS:bad_name.example,IP:192.0.2.1,email:a@example.com,URI:spiffe://x/y,RID:1.2.3,otherName:1.2.3;UTF8:x",
            "-addext",
            "keyUsage=critical,digitalSignature,keyAgreement",
            "-addext",
            "extendedKeyUsage=serverAuth,1.2.3.4",
            "-addext",
            "basicConstraints=critical,CA:TRUE,pathlen:3",
            "-addext",
            "nameConstraints=permitted;DNS:example.com",
            "-addext",
            "1.2.3.4=ASN1:UTF8:anything",
        ],
    )
    .unwrap();
    assert_eq!(request.names().len(), 7);
    assert_eq!(request.names()[0], RequestedName::Good(SubjectAltName::Dns(DnsName::parse("www.example.com").unwrap())));
    assert!(matches!(&request.names()[1], RequestedName::BadDns { fault: DnsNameFault::Underscore(_), .. }));
    assert_eq!(request.names()[5..], [RequestedName::Unsupported("registeredID"), RequestedName::Unsupported("otherName")]);
    assert_eq!(request.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_AGREEMENT)));
    assert_eq!(request.extended_key_usage(), [ExtendedKeyUsage::ServerAuth.oid(), ObjectIdentifier::new("1.2.3.4").unwrap()]);
    assert!(request.asks_for_ca());
    assert_eq!(request.basic_constraints(), Some(BasicConstraints::ca(Some(3))));
    let others: Vec<_> = request.other_extensions().iter().map(ToString::to_string).collect();
    assert_eq!(others, ["2.5.29.30", "1.2.3.4"]);
}

#[test]
fn weak_keys_and_algorithms_are_refused() {
    assert_eq!(read(&["rsa:1024"], &[]).unwrap_err(), CsrFault::Key(KeyFault::RsaSize(1024)));
    assert_eq!(read(&["rsa:2048"], &["-sha1"]).unwrap_err(), CsrFault::Algorithm);
    assert_eq!(read(P256, &["-sha1"]).unwrap_err(), CsrFault::Algorithm);
    let odd_salt = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"];
    assert_eq!(read(&["rsa:2048"], &odd_salt).unwrap_err(), CsrFault::Algorithm);
    assert!(matches!(
        read(&["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], &[]).unwrap_err(),
        CsrFault::Key(KeyFault::UnsupportedCurve(_))
    ));
    let explicit = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"];
    assert_eq!(read(&explicit, &[]).unwrap_err(), CsrFault::Key(KeyFault::ExplicitCurve));
    assert!(matches!(read(&["ed448"], &[]).unwrap_err(), CsrFault::Key(KeyFault::UnsupportedAlgorithm(_))));
}

/// A request made by hand: the attributes are written by `attributes` inside the set.
fn by_hand(key: &TestKey, version: u8, attributes: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut info = Vec::new();
    tlv::write(&mut info, tlv::SEQUENCE, |out| {
        tlv::write_small(out, version);
        out.extend_from_slice(DistinguishedName::common_name("x").unwrap().der());
        out.extend_from_slice(key.public().spki_der());
        tlv::write(out, tlv::context_constructed(0), attributes);
    });
    let algorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);
    signed::assemble(&info, algorithm, &key.sign(algorithm, &info)).unwrap()
}

fn attribute(out: &mut Vec<u8>, oid: &str, extensions: impl FnOnce(&mut Vec<u8>)) {
    tlv::write(out, tlv::SEQUENCE, |out| {
        tlv::write_oid(out, ObjectIdentifier::new(oid).unwrap());
        tlv::write(out, tlv::SET, |out| tlv::write(out, tlv::SEQUENCE, extensions));
    });
}

const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";

#[test]
fn odd_extension_lists() {
    let key = TestKey::generate(KeyType::P256);
    let usage = |out: &mut Vec<u8>| write::key_usage(out, KeyUsage::DIGITAL_SIGNATURE);
    let fault = |fill: &dyn Fn(&mut Vec<u8>)| CertificateRequest::from_der(&by_hand(&key, 0, fill)).unwrap_err();
    let twice = fault(&|out| {
        attribute(out, EXTENSION_REQUEST, |out| {
            usage(out);
            usage(out);
        });
    });
    assert_eq!(twice, CsrFault::DuplicateExtension(extension::KEY_USAGE));
    let two_lists = fault(&|out| {
        attribute(out, EXTENSION_REQUEST, usage);
        attribute(out, EXTENSION_REQUEST, |_| {});
    });
    assert_eq!(two_lists, CsrFault::SeveralExtensionLists);
    let broken =
        fault(&|out| attribute(out, EXTENSION_REQUEST, |out| write::extension(out, extension::KEY_USAGE, true, |out| out.push(3))));
    assert_eq!(broken, CsrFault::Extension(extension::KEY_USAGE));
    let microsoft = by_hand(&key, 0, |out| attribute(out, "1.3.6.1.4.1.311.2.1.14", usage));
    assert_eq!(CertificateRequest::from_der(&microsoft).unwrap().key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
    let unknown = by_hand(&key, 0, |out| attribute(out, "1.2.3.4", usage));
    assert_eq!(CertificateRequest::from_der(&unknown).unwrap().key_usage(), None);
    assert_eq!(CertificateRequest::from_der(&by_hand(&key, 1, |_| {})).unwrap_err(), CsrFault::Version);
}

#[test]
fn possession_is_proved_over_the_original_bytes() {
    let (key, other) = (TestKey::generate(KeyType::P256), TestKey::generate(KeyType::P256));
    let der = by_hand(&key, 0, |_| {});
    let info = Signed::parse(&der).unwrap().tbs.whole.to_vec();
    let algorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);
    let foreign = signed::assemble(&info, algorithm, &other.sign(algorithm, &info)).unwrap();
    assert_eq!(CertificateRequest::from_der(&foreign).unwrap_err(), CsrFault::Signature);
    let mut changed = der.clone();
    let place = changed.windows(3).position(|bytes| bytes == [0x0C, 1, b'x']).unwrap() + 2;
    changed[place] = b'y';
    assert_eq!(CertificateRequest::from_der(&changed).unwrap_err(), CsrFault::Signature);
    assert_eq!(CertificateRequest::from_der(&der).unwrap().der(), der);
}

#[test]
fn sizes_and_ends_are_checked() {
    assert_eq!(CertificateRequest::from_der(&vec![0; CertificateRequest::MOST_BYTES + 1]).unwrap_err(), CsrFault::TooLarge);
    let mut longer = REAL.clone();
    longer.push(0);
    assert_eq!(CertificateRequest::from_der(&longer).unwrap_err(), CsrFault::Encoding(DerFault::Trailing));
    assert!(CertificateRequest::from_der(&REAL[..REAL.len() - 1]).is_err());
    assert!(CertificateRequest::from_der(&[]).is_err());
}

static REAL: LazyLock<Vec<u8>> =
    LazyLock::new(|| openssl(P256, &["-addext", "subjectAltName=DNS:a.example,IP:192.0.2.1", "-addext", "keyUsage=digitalSignature"]));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn mutated_requests_do_not_panic_and_are_never_taken(place in 0usize..500, value: u8) {
        let mut der = REAL.clone();
        let Some(byte) = der.get_mut(place) else { return Ok(()) };
        let changed = *byte != value;
        *byte = value;
        prop_assert_eq!(CertificateRequest::from_der(&der).is_err(), changed);
    }

    #[test]
    fn any_extension_list_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut wrapped = Vec::new();
        tlv::write_value(&mut wrapped, tlv::context_constructed(0), &bytes);
        let _ = extension_list(Element::sole(&wrapped, tlv::context_constructed(0)).unwrap());
        let _ = CertificateRequest::from_der(&bytes);
    }
}

#[test]
fn a_request_of_ours_is_read_back_and_openssl_agrees() {
    use crate::x509::name::AttributeType;
    let key = TestKey::generate(KeyType::P256);
    let public = key.public();
    let subject = DistinguishedName::from_attributes(&[(AttributeType::Organization, "Example".to_owned())]).unwrap();
    let names = [SubjectAltName::Dns(DnsName::parse("www.example.com").unwrap()), SubjectAltName::Email("a@example.com".to_owned())];
    let algorithm = KeyType::P256.default_algorithm();
    let made = |subject: &DistinguishedName, alt_names: &[SubjectAltName]| {
        let info = RequestDraft { subject, public_key: &public, alt_names }.to_info();
        signed::assemble(&info, algorithm, &key.sign(algorithm, &info)).unwrap()
    };
    let der = made(&subject, &names);
    let request = CertificateRequest::from_der(&der).unwrap();
    assert_eq!(request.subject(), &subject);
    assert_eq!(request.names(), names.clone().map(RequestedName::Good));
    assert_eq!((request.asks_for_ca(), request.other_extensions()), (false, &[][..]));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &der).unwrap();
    let output = std::process::Command::new("openssl")
        .args(["req", "-inform", "DER", "-noout", "-verify", "-text", "-in"])
        .arg(file.path())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("verify OK") && text.contains("DNS:www.example.com, email:a@example.com"), "{text}");

    // What was asked for has one hash, and everything in it counts.
    let again = CertificateRequest::from_der(&made(&subject, &names)).unwrap();
    assert_eq!(request.info_sha256(), again.info_sha256(), "whatever the signature");
    for other in [made(&DistinguishedName::empty(), &names), made(&subject, &names[..1])] {
        assert_ne!(CertificateRequest::from_der(&other).unwrap().info_sha256(), request.info_sha256());
    }
    assert!(CertificateRequest::from_der(&made(&subject, &[])).unwrap().names().is_empty());
}

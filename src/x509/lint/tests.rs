use jiff::Timestamp;

use super::*;
use crate::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};
use crate::x509::draft::{Draft, Extensions};
use crate::x509::extension::{RevocationNotice, write};
use crate::x509::key::PublicKey;
use crate::x509::serial::Serial;
use crate::x509::test_keys::TestKey;
use crate::x509::tlv;
use LintFault as F;

/// A draft that can be bent at any point, in its fields or in its bytes.
struct Bench {
    key: PublicKey,
    serial: Serial,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    from: Timestamp,
    to: Timestamp,
    extensions: Extensions,
}

fn name(text: &str) -> DistinguishedName {
    DistinguishedName::parse_rfc4514(text).unwrap()
}

fn dns(text: &str) -> SubjectAltName {
    SubjectAltName::Dns(DnsName::parse(text).unwrap())
}

fn leaf() -> Bench {
    Bench {
        key: TestKey::generate(KeyType::P256).public(),
        serial: Serial::from_random([5; 16]),
        issuer: name("CN=Issuer"),
        subject: name("CN=www.example.com"),
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
        to: "2026-02-01T00:00:00Z".parse().unwrap(),
        extensions: Extensions {
            key_usage: KeyUsage::DIGITAL_SIGNATURE,
            extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
            alt_names: vec![dns("www.example.com")],
            authority_key_id: vec![1; 20],
            crl_urls: vec!["http://a.example/crl".into()],
            issuer_urls: vec!["http://a.example/cer".into()],
            ..Extensions::default()
        },
    }
}

fn root() -> Bench {
    let mut bench = leaf();
    bench.subject = bench.issuer.clone();
    bench.extensions = Extensions {
        basic_constraints: BasicConstraints::ca(None),
        key_usage: KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN),
        authority_key_id: bench.key.key_identifier().to_vec(),
        ..Extensions::default()
    };
    bench
}

impl Bench {
    fn tbs(&self) -> Vec<u8> {
        let draft = Draft {
            serial: &self.serial,
            signature: SignatureAlgorithm::Ecdsa(Hash::Sha256),
            issuer: &self.issuer,
            not_before: self.from,
            not_after: self.to,
            subject: &self.subject,
            public_key: &self.key,
            extensions: &self.extensions,
        };
        draft.to_tbs().unwrap()
    }

    fn faults(&self, role: Role) -> Vec<F> {
        lint_tbs(&self.tbs(), role)
    }

    /// The bytes with the extensions that `fill` writes instead of the drafted ones.
    fn with_extensions(&self, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let tbs = self.tbs();
        let mut reader = tlv::Element::sole(&tbs, tlv::SEQUENCE).unwrap().reader();
        let mut out = Vec::new();
        tlv::write(&mut out, tlv::SEQUENCE, |out| {
            while let Ok(element) = reader.read() {
                if element.tag == tlv::context_constructed(3) {
                    break;
                }
                out.extend_from_slice(element.whole);
            }
            tlv::write(out, tlv::context_constructed(3), |out| tlv::write(out, tlv::SEQUENCE, fill));
        });
        out
    }

    fn replaced(&self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut tbs = self.tbs();
        let place = tbs.windows(from.len()).position(|bytes| bytes == from).unwrap();
        tbs[place..place + from.len()].copy_from_slice(to);
        tbs
    }
}

/// The drafted leaf with one thing changed has exactly that fault.
fn leaf_with(change: impl FnOnce(&mut Bench)) -> Vec<F> {
    let mut bench = leaf();
    change(&mut bench);
    bench.faults(Role::Leaf)
}

fn root_with(change: impl FnOnce(&mut Bench)) -> Vec<F> {
    let mut bench = root();
    change(&mut bench);
    bench.faults(Role::Root)
}

#[test]
fn sound_drafts_have_no_fault() {
    assert_eq!(leaf().faults(Role::Leaf), []);
    assert_eq!(root().faults(Role::Root), []);
    assert_eq!(root_with(|bench| bench.extensions.authority_key_id.clear()), [], "a root needs no authority key identifier");
    let mut intermediate = root();
    intermediate.subject = name("CN=Below");
    intermediate.extensions.authority_key_id = vec![7; 20];
    assert_eq!(intermediate.faults(Role::Intermediate), []);
    assert_eq!(leaf_with(|bench| bench.subject = DistinguishedName::empty()), []);
    assert_eq!(leaf_with(|bench| bench.extensions.extended_key_usage = vec![ExtendedKeyUsage::TimeStamping]), []);
}

#[test]
fn basic_fields() {
    let serial = |content: &[u8]| Serial::from_der_content(content).unwrap();
    assert_eq!(leaf_with(|bench| bench.serial = serial(&[0])), [F::SerialNotPositive, F::SerialLength(1)]);
    assert_eq!(leaf_with(|bench| bench.serial = serial(&[1; 7])), [F::SerialLength(7)]);
    assert_eq!(leaf_with(|bench| bench.serial = serial(&[1; 8])), []);
    assert_eq!(leaf_with(|bench| bench.serial = serial(&[1; 20])), []);
    assert_eq!(leaf_with(|bench| bench.serial = serial(&[1; 21])), [F::SerialLength(21)]);
    assert_eq!(leaf_with(|bench| bench.to = bench.from), [F::Validity]);
    assert_eq!(leaf_with(|bench| bench.issuer = DistinguishedName::empty()), [F::EmptyIssuer]);
    assert_eq!(root_with(|bench| bench.subject = name("CN=Other")), [F::RootNotSelfIssued]);
    let mut nameless = root();
    nameless.subject = DistinguishedName::empty();
    assert!(nameless.faults(Role::Intermediate).contains(&F::EmptyCaSubject));
    assert!(lint_tbs(&leaf().replaced(&[0xA0, 3, 2, 1, 2], &[0xA0, 3, 2, 1, 1]), Role::Leaf).contains(&F::Version));
    // ecdsa-with-SHA256 becomes ecdsa-with-SHA224.
    let algorithm = leaf().replaced(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2], &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 1]);
    assert_eq!(lint_tbs(&algorithm, Role::Leaf), [F::Algorithm]);
    assert_eq!(lint_tbs(&[0x30, 0], Role::Leaf), [F::Encoding(DerFault::Incomplete)]);
}

#[test]
fn authority_of_leaf_and_ca() {
    assert_eq!(leaf_with(|bench| bench.extensions.basic_constraints = BasicConstraints::ca(None)), [F::LeafIsCa]);
    assert_eq!(leaf_with(|bench| bench.extensions.key_usage = KeyUsage::KEY_CERT_SIGN), [F::LeafMaySign]);
    assert_eq!(leaf_with(|bench| bench.extensions.authority_key_id.clear()), [F::MissingExtension(extension::AUTHORITY_KEY_ID)]);
    assert_eq!(root_with(|bench| bench.extensions.basic_constraints = BasicConstraints::leaf()), [F::NotCa]);
    assert_eq!(root_with(|bench| bench.extensions.key_usage = KeyUsage::CRL_SIGN), [F::CaCannotSign]);
    assert_eq!(root_with(|bench| bench.extensions.key_usage = KeyUsage::empty()), [F::MissingExtension(extension::KEY_USAGE)]);
    assert_eq!(root_with(|bench| bench.extensions.authority_key_id = vec![1; 20]), [F::RootAuthorityKeyId]);
    let mut orphan = root();
    orphan.extensions.authority_key_id.clear();
    assert_eq!(orphan.faults(Role::Intermediate), [F::MissingExtension(extension::AUTHORITY_KEY_ID)]);
}

#[test]
fn names() {
    assert_eq!(leaf_with(|bench| bench.extensions.alt_names.clear()), [F::CommonNameNotInNames("www.example.com".into())]);
    assert_eq!(leaf_with(|bench| bench.subject = name("CN=192.0.2.1")), [F::CommonNameNotInNames("192.0.2.1".into())]);
    assert_eq!(leaf_with(|bench| bench.subject = name("CN=other.example.com.")), [F::CommonNameNotInNames("other.example.com.".into())]);
    assert_eq!(leaf_with(|bench| bench.subject = name("CN=Some One")), []);
    assert_eq!(leaf_with(|bench| bench.subject = name("CN=WWW.Example.com")), []);
    assert_eq!(leaf_with(|bench| bench.extensions.alt_names.push(dns("www.example.com"))), [F::DuplicateName(dns("www.example.com"))]);
    let bad = leaf_with(|bench| bench.extensions.alt_names.push(SubjectAltName::Email("no address".into())));
    assert!(matches!(bad[..], [F::BadName(RequestedName::BadEmail { .. })]));
    let nameless = leaf_with(|bench| {
        bench.subject = DistinguishedName::empty();
        bench.extensions.alt_names.clear();
    });
    assert_eq!(nameless, [F::MissingExtension(extension::SUBJECT_ALT_NAME)]);
}

#[test]
fn the_list_of_extensions() {
    let bench = leaf();
    let sound = |out: &mut Vec<u8>| {
        write::subject_key_id(out, &bench.key.key_identifier());
        write::authority_key_id(out, &[1; 20]);
        write::subject_alt_name(out, &[dns("www.example.com")], false);
    };
    let faults = |fill: &dyn Fn(&mut Vec<u8>)| {
        let tbs = bench.with_extensions(|out| {
            sound(out);
            fill(out);
        });
        lint_tbs(&tbs, Role::Leaf)
    };
    let raw = |oid, critical, value: &'static [u8]| {
        move |out: &mut Vec<u8>| write::extension(out, oid, critical, |out| out.extend_from_slice(value))
    };
    assert_eq!(faults(&|_| {}), []);
    let unknown = ObjectIdentifier::new("1.2.3").unwrap();
    assert_eq!(faults(&raw(unknown, false, &[5, 0])), [F::UnknownExtension(unknown)]);
    assert_eq!(faults(&|out| write::authority_key_id(out, &[1; 20])), [F::DuplicateExtension(extension::AUTHORITY_KEY_ID)]);
    assert_eq!(faults(&raw(extension::KEY_USAGE, true, &[3, 1, 0])), [F::EmptyKeyUsage]);
    assert_eq!(faults(&raw(extension::KEY_USAGE, true, &[4, 1, 0])), [F::Extension(extension::KEY_USAGE)]);
    assert_eq!(faults(&raw(extension::KEY_USAGE, false, &[3, 2, 7, 0x80])), [F::NotCritical(extension::KEY_USAGE)]);
    assert_eq!(faults(&raw(extension::BASIC_CONSTRAINTS, true, &[0x30, 3, 2, 1, 0])), [F::PathLengthOfLeaf]);
    assert_eq!(faults(&raw(extension::BASIC_CONSTRAINTS, false, &[0x30, 0])), [F::NotCritical(extension::BASIC_CONSTRAINTS)]);
    let purposes = [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ServerAuth];
    assert_eq!(faults(&|out| write::extended_key_usage(out, &purposes)), [F::DuplicatePurpose(purposes[0].oid())]);
    let stamper: &[u8] = &[0x30, 10, 6, 8, 0x2B, 6, 1, 5, 5, 7, 3, 8];
    assert_eq!(faults(&raw(extension::EXTENDED_KEY_USAGE, false, stamper)), [F::NotCritical(extension::EXTENDED_KEY_USAGE)]);
    let server: &[u8] = &[0x30, 10, 6, 8, 0x2B, 6, 1, 5, 5, 7, 3, 1];
    assert_eq!(faults(&raw(extension::EXTENDED_KEY_USAGE, true, server)), [F::Critical(extension::EXTENDED_KEY_USAGE)]);
    let urls = ["not a url".to_owned()];
    assert_eq!(faults(&|out| write::crl_urls(out, &urls)), [F::Extension(extension::CRL_DISTRIBUTION_POINTS)]);
    assert_eq!(faults(&|out| write::authority_info(out, &urls, &[])), [F::Extension(extension::AUTHORITY_INFO_ACCESS)]);
    assert_eq!(faults(&raw(extension::CRL_DISTRIBUTION_POINTS, true, &[5])).len(), 2, "critical and not readable");
}

#[test]
fn key_identifiers_and_critical_names() {
    let bench = leaf();
    let faults = |fill: &dyn Fn(&mut Vec<u8>)| lint_tbs(&bench.with_extensions(fill), Role::Leaf);
    let names = [dns("www.example.com")];
    let wrong_key = faults(&|out| {
        write::subject_key_id(out, &[1; 20]);
        write::authority_key_id(out, &[1; 20]);
        write::subject_alt_name(out, &names, false);
    });
    assert_eq!(wrong_key, [F::SubjectKeyId]);
    let no_ids = faults(&|out| write::subject_alt_name(out, &names, false));
    assert_eq!(no_ids, [F::MissingExtension(extension::SUBJECT_KEY_ID), F::MissingExtension(extension::AUTHORITY_KEY_ID)]);
    let odd = faults(&|out| {
        write::subject_key_id(out, &bench.key.key_identifier());
        write::extension(out, extension::AUTHORITY_KEY_ID, false, |out| tlv::write(out, tlv::SEQUENCE, |_| {}));
        write::subject_alt_name(out, &names, true);
    });
    assert_eq!(odd, [F::AuthorityKeyId, F::Critical(extension::SUBJECT_ALT_NAME)]);
    let mut nameless = leaf();
    nameless.subject = DistinguishedName::empty();
    let tbs = nameless.with_extensions(|out| {
        write::subject_key_id(out, &nameless.key.key_identifier());
        write::authority_key_id(out, &[1; 20]);
        write::subject_alt_name(out, &names, false);
    });
    assert_eq!(lint_tbs(&tbs, Role::Leaf), [F::NotCritical(extension::SUBJECT_ALT_NAME)]);
}

#[test]
fn what_takes_the_place_of_revocation_information_stands_alone_and_where_it_belongs() {
    let mut bench = leaf();
    bench.extensions.revocation_notice = RevocationNotice::NotAvailable;
    assert_eq!(bench.faults(Role::Leaf), [F::NotAvailableAndPublished]);
    bench.extensions.crl_urls.clear();
    assert_eq!(bench.faults(Role::Leaf), []);
    bench.extensions.ocsp_urls = vec!["http://a.example/ocsp".into()];
    assert_eq!(bench.faults(Role::Leaf), [F::NotAvailableAndPublished]);
    bench.extensions.revocation_notice = RevocationNotice::NotChecked;
    assert_eq!(bench.faults(Role::Leaf), [F::NotCheckedAndNoResponder]);
    bench.extensions.extended_key_usage = vec![ExtendedKeyUsage::OcspSigning];
    assert_eq!(bench.faults(Role::Leaf), []);
    let mut bench = root();
    bench.extensions.revocation_notice = RevocationNotice::NotAvailable;
    assert_eq!(bench.faults(Role::Root), [F::NotAvailableOfCa]);
}

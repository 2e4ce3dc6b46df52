//! What NIST's suite, which tests/it runs, does not ask: names of newer kinds, the choice among paths, and hostile sets of certificates.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use jiff::Timestamp;

use super::*;
use crate::x509::algorithm::KeyType;
use crate::x509::dns_name::DnsName;
use crate::x509::draft::{Draft, Extensions};
use crate::x509::extension::{BasicConstraints, KeyUsage};
use crate::x509::name::DistinguishedName;
use crate::x509::private_key::{self, GeneratedKey};
use crate::x509::san::SubjectAltName;
use crate::x509::serial::Serial;
use crate::x509::signed;

struct Party {
    name: DistinguishedName,
    key: GeneratedKey,
}

impl Party {
    fn new(name: &str) -> Self {
        Self { name: DistinguishedName::common_name(name).unwrap(), key: private_key::generate(KeyType::P256).unwrap() }
    }

    fn signs(&self, subject: &Self, ca: bool, days: std::ops::Range<i64>) -> Certificate {
        let name = SubjectAltName::Dns(DnsName::parse("www.example.com").unwrap());
        let extensions = Extensions {
            basic_constraints: BasicConstraints { ca, path_len: None },
            key_usage: if ca { KeyUsage::KEY_CERT_SIGN } else { KeyUsage::DIGITAL_SIGNATURE },
            alt_names: if ca { Vec::new() } else { vec![name] },
            authority_key_id: self.key.public.key_identifier().to_vec(),
            ..Extensions::default()
        };
        let algorithm = KeyType::P256.default_algorithm();
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        let serial = Serial::from_random(random);
        let draft = Draft {
            serial: &serial,
            signature: algorithm,
            issuer: &self.name,
            not_before: day(days.start),
            not_after: day(days.end),
            subject: &subject.name,
            public_key: &subject.key.public,
            extensions: &extensions,
        };
        let tbs = draft.to_tbs().unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.key.pkcs8).unwrap();
        let signature = key.sign(&SystemRandom::new(), &tbs).unwrap();
        Certificate::from_der(&signed::assemble(&tbs, algorithm, signature.as_ref()).unwrap()).unwrap()
    }
}

fn day(number: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + number * 86_400).unwrap()
}

#[test]
fn a_path_that_is_in_time_is_taken_before_one_that_is_not() {
    let [root, issuing, leaf] = ["root", "issuing", "leaf"].map(Party::new);
    let anchors = [root.signs(&root, true, 0..100)];
    let intermediates = [root.signs(&issuing, true, 0..10), root.signs(&issuing, true, 0..90)];
    let leaf = issuing.signs(&leaf, false, 0..80);
    let outcome = validate(&leaf, &intermediates, &anchors, &Inputs::at(day(50)));
    assert!(outcome.is_valid(), "{:?}", outcome.faults);
    assert_eq!(outcome.path, [&leaf, &intermediates[1], &anchors[0]]);

    let expired = validate(&leaf, &intermediates[..1], &anchors, &Inputs::at(day(50)));
    assert!(!expired.is_valid() && expired.chain_is_valid());
    assert_eq!(expired.faults.iter().map(|fault| (fault.place, &fault.kind)).collect::<Vec<_>>(), [(1, &FaultKind::Expired(day(10)))]);
}

#[test]
fn a_certificate_nobody_vouches_for_has_no_path() {
    let [root, other, leaf] = ["root", "other", "leaf"].map(Party::new);
    let leaf = other.signs(&leaf, false, 0..80);
    let anchors = [root.signs(&root, true, 0..100)];
    let outcome = validate(&leaf, &[], &anchors, &Inputs::at(day(50)));
    assert!(!outcome.is_valid() && !outcome.chain_is_valid());
    assert_eq!(outcome.faults[0].kind, FaultKind::NoAnchor);
    assert_eq!(outcome.path, [&leaf]);
}

#[test]
fn an_anchor_of_the_same_name_and_another_key_is_not_believed() {
    let [root, false_root, leaf] = ["root", "root", "leaf"].map(Party::new);
    let leaf = false_root.signs(&leaf, false, 0..80);
    let (anchors, others) = ([root.signs(&root, true, 0..100)], [false_root.signs(&false_root, true, 0..100)]);
    let outcome = validate(&leaf, &others, &anchors, &Inputs::at(day(50)));
    assert_eq!(outcome.anchor, None);
}

#[test]
fn a_leaf_that_signs_is_no_ca() {
    let [root, issuing, leaf] = ["root", "issuing", "leaf"].map(Party::new);
    let (anchors, intermediates) = ([root.signs(&root, true, 0..100)], [root.signs(&issuing, false, 0..90)]);
    let leaf = issuing.signs(&leaf, false, 0..80);
    let outcome = validate(&leaf, &intermediates, &anchors, &Inputs::at(day(50)));
    let kinds: Vec<_> = outcome.faults.iter().map(|fault| &fault.kind).collect();
    assert_eq!(kinds, [&FaultKind::NotACa, &FaultKind::MayNotSignCertificates]);
}

/// Forty CAs that all signed one another are more paths than there are atoms.
#[test]
fn many_cross_signed_cas_end_the_search_by_its_limits() {
    let parties: Vec<Party> = (0..40).map(|number| Party::new(&format!("CA {}", number % 4))).collect();
    let intermediates: Vec<Certificate> =
        parties.iter().flat_map(|issuer| parties.iter().map(|subject| issuer.signs(subject, true, 0..100))).collect();
    let [root, leaf] = ["root", "leaf"].map(Party::new);
    let anchors = [root.signs(&root, true, 0..100)];
    let leaf = parties[0].signs(&leaf, false, 0..80);
    let begun = std::time::Instant::now();
    let outcome = validate(&leaf, &intermediates, &anchors, &Inputs::at(day(50)));
    println!("{} certificates: given up after {:?}", intermediates.len(), begun.elapsed());
    assert!(outcome.is_cut_short && outcome.anchor.is_none());
}

/// The search once followed these beyond its signatures, for there was none that it could verify.
#[test]
fn algorithms_that_are_not_accepted_spend_signatures() {
    let [root, leaf] = ["root", "leaf"].map(Party::new);
    let parties: Vec<Party> = (0..6).map(|_| Party::new("CA")).collect();
    let weak = |certificate: Certificate| {
        // ecdsa-with-SHA256 becomes ecdsa-with-SHA224 (RFC 5758, 3.2).
        let mut der = certificate.der().to_vec();
        let oid = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
        let places: Vec<usize> = (0..der.len() - oid.len()).filter(|at| der[*at..].starts_with(&oid)).collect();
        places.into_iter().for_each(|at| der[at + oid.len() - 1] = 0x01);
        Certificate::from_der(&der).unwrap()
    };
    let intermediates: Vec<Certificate> = parties.iter().map(|party| weak(party.signs(party, true, 0..100))).collect();
    let leaf = weak(parties[0].signs(&leaf, false, 0..80));
    let anchors = [root.signs(&root, true, 0..100)];
    let mut inputs = Inputs::at(day(50));
    inputs.limits.signatures = 4;
    // Six that might have signed one another are fewer steps than are allowed, and more signatures.
    let outcome = validate(&leaf, &intermediates, &anchors, &inputs);
    assert!(outcome.is_cut_short && outcome.anchor.is_none());
}

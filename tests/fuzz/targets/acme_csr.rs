//! CSRs as orders are finalized with them: whatever the names in one, it is taken for an order of exactly these names and for no other.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chancery::acme_server::validation::Identifier;
use chancery::acme_server::{check_names, read_identifier};
use chancery::x509::algorithm::{KeyType, SignatureAlgorithm};
use chancery::x509::csr::CertificateRequest;
use chancery::x509::key::PublicKey;
use chancery::x509::san::{RequestedName, SubjectAltName};
use chancery::x509::signed::{self, Signed};
use chancery::x509::tlv;
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static KEY: LazyLock<(Ed25519KeyPair, PublicKey)> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any seed makes a key");
    let public = PublicKey::from_parts(KeyType::Ed25519, pair.public_key().as_ref()).expect("it has 32 bytes");
    (pair, public)
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Some(csr) = signed_again(data).and_then(|der| CertificateRequest::from_der(&der).ok()) else { return };
    let names = csr.names().iter().filter_map(|name| match name {
        RequestedName::Good(SubjectAltName::Dns(name)) => read_identifier("dns", name.as_str()).ok(),
        RequestedName::Good(SubjectAltName::Ip(address)) => Some(Identifier::Ip(*address)),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    let is_taken = check_names(&csr, &names).is_ok();
    let other = Identifier::Dns { name: "other.invalid".to_owned(), wildcard: false };
    if is_taken && !names.contains(&other) {
        names.push(other);
        assert!(check_names(&csr, &names).is_err(), "a name more");
        names.pop();
        if let Some(last) = names.pop() {
            names.retain(|name| *name != last);
            assert!(check_names(&csr, &names).is_err(), "a name less");
        }
    }
});

/// The same subject and attributes, for a key that is known here.
fn signed_again(data: &[u8]) -> Option<Vec<u8>> {
    let mut info = Signed::parse(data).ok()?.tbs.reader();
    info.read().ok()?;
    let subject = info.read().ok()?.whole;
    info.read().ok()?;
    let attributes = info.take(tlv::context_constructed(0)).ok()?;
    let (pair, public) = &*KEY;
    let mut out = Vec::new();
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write_small(out, 0);
        out.extend_from_slice(subject);
        out.extend_from_slice(public.spki_der());
        out.extend_from_slice(attributes.map_or(&[][..], |attributes| attributes.whole));
    });
    let signature = pair.sign(&out);
    signed::assemble(&out, SignatureAlgorithm::Ed25519, signature.as_ref()).ok()
}

//! Certificate requests, as they come and signed again.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chancery::x509::algorithm::{KeyType, SignatureAlgorithm};
use chancery::x509::csr::CertificateRequest;
use chancery::x509::key::PublicKey;
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
    if let Ok(request) = CertificateRequest::from_der(data) {
        let _ = request.public_key().weaknesses();
        look_at(&request);
    }
    // A mutation breaks the signature, and almost nothing is read of a request whose signature is wrong.
    if let Some(request) = signed_again(data).and_then(|der| CertificateRequest::from_der(&der).ok()) {
        look_at(&request);
    }
});

fn look_at(request: &CertificateRequest) {
    assert!(CertificateRequest::from_der(request.der()).is_ok());
    let _ = (request.subject().to_string(), request.subject().attributes(), request.subject().common_names());
    let _ = (request.names(), request.key_usage(), request.extended_key_usage(), request.asks_for_ca());
    let _ = (request.basic_constraints(), request.other_extensions(), request.spki_sha256());
}

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

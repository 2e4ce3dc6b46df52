//! Certificate requests that were mutated, signed again: almost nothing is read of one whose signature is wrong.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chancery::x509::algorithm::{KeyType, SignatureAlgorithm};
use chancery::x509::key::PublicKey;
use chancery::x509::signed::{self, Signed};
use chancery::x509::tlv;

static KEY: LazyLock<(Ed25519KeyPair, PublicKey)> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any seed makes a key");
    let public = PublicKey::from_parts(KeyType::Ed25519, pair.public_key().as_ref()).expect("it has 32 bytes");
    (pair, public)
});

/// The same subject and attributes, for a key that is known here.
pub fn signed_again(data: &[u8]) -> Option<Vec<u8>> {
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

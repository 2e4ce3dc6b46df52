//! OCSP requests, as strangers send them to the responder.
#![no_main]

use chancery::base::clock::from_seconds;
use chancery::x509::ocsp::{Issuer, LONGEST_NONCE, MOST_IDS, OcspRequest, ResponseDraft, SingleStatus, Status};
use chancery::x509::algorithm::KeyType;
use chancery::x509::key::PublicKey;
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Ok(request) = OcspRequest::from_der(data) else { return };
    assert!((1..=MOST_IDS).contains(&request.ids.len()));
    assert!(request.nonce.is_none_or(|nonce| (1..=LONGEST_NONCE).contains(&nonce.len())));
    let issuer = Issuer { name: data, key_bits: data };
    let _ = request.ids.iter().filter(|id| id.is_of(issuer)).count();
    // Whatever was read can be answered.
    let responder = PublicKey::from_parts(KeyType::Ed25519, &[7; 32]).expect("it has 32 bytes");
    let singles: Vec<_> = request.ids.iter().map(|id| SingleStatus { id: id.der, status: Status::Unknown }).collect();
    let time = from_seconds(0);
    let draft =
        ResponseDraft { responder: &responder, produced_at: time, this_update: time, next_update: time, singles: &singles, nonce: request.nonce };
    assert!(draft.to_tbs().is_ok());
});

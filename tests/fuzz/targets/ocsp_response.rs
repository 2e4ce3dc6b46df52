//! OCSP responses, as responders of others send them. What was read is written again and reads the same.
#![no_main]

use chancery::x509::algorithm::{KeyType, SignatureAlgorithm};
use chancery::x509::key::PublicKey;
use chancery::x509::ocsp::{OcspResponse, ResponseDraft, SingleStatus};
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Ok(response) = OcspResponse::from_der(data) else { return };
    let responder = PublicKey::from_parts(KeyType::Ed25519, &[7; 32]).expect("it has 32 bytes");
    let said: Vec<_> = response.statuses().collect();
    let singles: Vec<_> = said.iter().map(|(id, status)| SingleStatus { id: id.der, status: *status }).collect();
    let time = response.produced_at();
    let draft =
        ResponseDraft { responder: &responder, produced_at: time, this_update: time, next_update: time, singles: &singles, nonce: response.nonce() };
    let Ok(tbs) = draft.to_tbs() else { return };
    let der = ResponseDraft::assemble(&tbs, SignatureAlgorithm::Ed25519, &[0; 64], None);
    let again = OcspResponse::from_der(&der).expect("what was written is read");
    assert!(again.statuses().eq(said));
    assert_eq!((again.nonce(), again.produced_at()), (response.nonce(), response.produced_at()));
});
